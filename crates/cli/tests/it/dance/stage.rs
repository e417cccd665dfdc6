//! The three that dance: the server, Nango, and a sandbox that takes Stripe's place.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use loopfour_testkit::nango::{Config, Nango};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::process::{PATIENCE, Place, Server, call, within};

/// The address that the server is told to have, so that Nango takes webhook URLs of it.
pub const PUBLIC: &str = "https://loopfour.example";

pub struct Stage {
    pub server: Server,
    pub stripe: Server,
    pub nango: Nango,
    runtime: Runtime,
    place: Place,
}

/// What auth-url answers.
#[derive(Debug)]
pub struct Link {
    pub url: String,
    pub connection: String,
    /// The path of the page that waits.
    pub page: String,
}

/// An HTTP answer, as it is.
#[derive(Debug)]
pub struct Raw {
    pub status: u16,
    pub head: String,
    /// The value of the cookie that it sets.
    pub cookie: Option<String>,
    pub body: String,
}

impl Stage {
    /// With Nango's only integration being Stripe's OAuth.
    pub fn set() -> Stage {
        Stage::of("stripe-app")
    }

    /// With that integration of Nango.
    pub fn of(integration: &str) -> Stage {
        Stage::logging(integration, "info")
    }

    /// The same with a server that logs so much.
    pub fn logging(integration: &str, level: &str) -> Stage {
        let place = Place::new();
        let stripe = Server::start(place.command(&["sandbox", "--listen", "127.0.0.1:0"]));
        let runtime = Runtime::new().unwrap();
        let config = Config {
            stripe: Some(format!("http://{}", stripe.address)),
            integrations: vec![integration.to_owned()],
            ..Config::default()
        };
        let nango = runtime.block_on(Nango::start(config)).unwrap();
        let server = serve(&place, &stripe, &nango, level);
        Stage { server, stripe, nango, runtime, place }
    }

    /// The server's data directory.
    pub fn data(&self) -> PathBuf {
        self.place.path().join("loopfour-data")
    }

    /// Ends the server as a crash would, and starts it again.
    pub fn restart(self) -> Stage {
        let Stage { server, stripe, nango, runtime, place } = self;
        server.kill();
        let server = serve(&place, &stripe, &nango, "info");
        Stage { server, stripe, nango, runtime, place }
    }

    /// Turns Nango's webhooks on.
    pub fn with_webhooks(self) -> Stage {
        self.set_nango("webhooks", json!({"on": true, "deliver_to": self.server.address.to_string()}));
        self
    }

    pub fn set_nango(&self, control: &str, body: Value) -> Value {
        self.runtime.block_on(self.nango.set(control, body))
    }

    pub fn show_nango(&self, control: &str) -> Value {
        self.runtime.block_on(self.nango.show(control))
    }

    /// Tells the sandbox of a key.
    pub fn tell_stripe(&self, told: &Value) {
        let (status, answer) = call(self.stripe.address, "POST", "/_sandbox/keys", &told.to_string());
        assert_eq!(status, 200, "{answer}");
    }

    /// A call of the API that must succeed; its data.
    #[track_caller]
    pub fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer["data"].clone()
    }

    pub fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.server.call(method, &format!("/api/v1{path}"), &body)
    }

    /// A link to connect an account under that name.
    #[track_caller]
    pub fn link(&self, name: &str) -> Link {
        let given =
            self.ok("GET", &format!("/connections/stripe/auth-url?connectionName={name}"), &Value::Null);
        let text =
            |name: &str| given[name].as_str().unwrap_or_else(|| panic!("no {name}: {given}")).to_owned();
        let page = text("statusUrl").strip_prefix(PUBLIC).unwrap().to_owned();
        Link { url: text("authUrl"), connection: text("connectionId"), page }
    }

    /// The person follows the link and allows the access to that account; the status of Nango's last page.
    pub fn allow(&self, link: &Link, account: &str) -> u16 {
        self.runtime.block_on(self.nango.allow(&link.url, account)).unwrap().status
    }

    /// The person follows the link and denies the access.
    pub fn deny(&self, link: &Link) -> u16 {
        self.runtime.block_on(self.nango.deny(&link.url)).unwrap().status
    }

    /// The person types a key into the form that the link leads to.
    pub fn give_key(&self, link: &Link, key: &str) -> u16 {
        self.runtime.block_on(self.nango.give_key(&link.url, key)).unwrap().status
    }

    /// What the page that waits is told.
    pub fn state(&self, link: &Link) -> Value {
        let raw = get(self.server.address, &format!("{}/state", link.page));
        assert_eq!(raw.status, 200, "{raw:?}");
        let state: Value = serde_json::from_str(&raw.body).unwrap();
        state["data"].clone()
    }

    /// Waits until the page that waits is told how it went. Nango is asked once a second at most.
    pub fn settled(&self, link: &Link) -> Value {
        within(|| Some(self.state(link)).filter(|state| state["status"] != "open"))
    }

    /// Waits until the page that waits is told that it worked.
    #[track_caller]
    pub fn succeeded(&self, link: &Link) -> Value {
        let state = self.settled(link);
        assert_eq!(state["status"], "succeeded", "{state}");
        state
    }

    /// Connects an account under that name.
    #[track_caller]
    pub fn connect(&self, name: &str, account: &str) -> Link {
        let link = self.link(name);
        assert_eq!(self.allow(&link, account), 200);
        self.succeeded(&link);
        link
    }

    #[track_caller]
    pub fn connection(&self, id: &str) -> Value {
        self.ok("GET", &format!("/connections/{id}"), &Value::Null)
    }

    /// The connection's access at Nango: its token, and its id there.
    pub fn access(&self) -> (String, String) {
        let shown = self.show_nango("connections");
        let one = &shown["connections"][0];
        (one["token"].as_str().unwrap().to_owned(), one["connection_id"].as_str().unwrap().to_owned())
    }

    /// The account's owner takes the access back.
    pub fn revoke(&self) {
        let (_, id) = self.access();
        self.set_nango("revoke", json!({"connection_id": id}));
    }

    /// An active workflow that creates a customer with that address, once or more often; its path.
    pub fn workflow(&self, email: &str, times: usize) -> String {
        let step = |number| json!({"id": format!("create{number}"), "action": "stripe.createCustomer", "config": {"email": email}});
        let steps: Vec<Value> = (0..times).map(step).collect();
        let workflow = json!({"name": email, "trigger": {"type": "api"}, "steps": steps});
        let made = self.ok("POST", "/workflows", &workflow);
        let path = format!("/workflows/{}", made["id"].as_str().unwrap());
        self.ok("POST", &format!("{path}/activate"), &Value::Null);
        path
    }

    /// Starts a run of a workflow, with a connection if one is named; where it is shown.
    #[track_caller]
    pub fn begin(&self, workflow: &str, connection: Option<&str>) -> String {
        let body = connection.map_or(json!({}), |id| json!({"connectionId": id}));
        let started = self.ok("POST", &format!("{workflow}/run"), &body);
        format!("/runs/{}", started["runId"].as_str().unwrap())
    }

    pub fn run(&self, path: &str) -> Value {
        self.ok("GET", path, &Value::Null)
    }

    /// Waits until the run has ended well.
    #[track_caller]
    pub fn completed(&self, path: &str) -> Value {
        let run = within(|| Some(self.run(path)).filter(|run| run["completedAt"].is_string()));
        assert_eq!(run["status"], "completed", "{run}");
        run
    }

    /// Waits until the run waits for its connection; its `waiting`.
    #[track_caller]
    pub fn waits(&self, path: &str) -> Value {
        let run = within(|| {
            Some(self.run(path))
                .filter(|run| run["waiting"]["reason"] == "connection" || run["completedAt"].is_string())
        });
        assert_eq!(run["waiting"]["reason"], "connection", "{run}");
        run["waiting"].clone()
    }

    /// The calls that Stripe received for an account: `METHOD path`, null for those whose key was refused.
    pub fn calls(&self, account: &Value) -> Vec<String> {
        let (_, answer) = call(self.stripe.address, "GET", "/_sandbox/calls", "");
        let calls = answer["calls"].as_array().unwrap().iter().filter(|call| call["account"] == *account);
        calls
            .map(|call| format!("{} {}", call["method"].as_str().unwrap(), call["path"].as_str().unwrap()))
            .collect()
    }

    /// How many writes an account received.
    pub fn writes(&self, account: &str) -> usize {
        self.calls(&json!(account)).iter().filter(|call| !call.starts_with("GET")).count()
    }

    /// How often tokens were fetched from Nango.
    pub fn fetches(&self) -> usize {
        self.nango.count("GET /connections/{id}")
    }
}

fn serve(place: &Place, stripe: &Server, nango: &Nango, level: &str) -> Server {
    let mut command = Server::command(place, &[]);
    command.env("RUST_LOG", level);
    command.env("LOOPFOUR_STRIPE_API_BASE", format!("http://{}", stripe.address));
    command.env("LOOPFOUR_PUBLIC_URL", PUBLIC).env("LOOPFOUR_RATE_LIMITS", "off");
    command.env("NANGO_SERVER_URL", nango.url()).env("NANGO_SECRET_KEY", nango.key());
    command.env("NANGO_WEBHOOK_SIGNING_KEY", nango.signing_key());
    Server::start(command)
}

/// A GET without a key.
pub fn get(address: SocketAddr, path: &str) -> Raw {
    send(address, "GET", path, &[], "")
}

/// A request without a key.
pub fn send(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Raw {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")?.split_once('='));
    let cookie = cookie.map(|(_, value)| value.split(';').next().unwrap().to_owned());
    Raw { status, head: head.to_lowercase(), cookie, body: body.to_owned() }
}
