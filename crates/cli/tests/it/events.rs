//! Events from the change that causes them to the run that they start: the offline Stripe inside the server sends them to
//! the server's own webhook, signed, as Stripe would.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use crate::process::{Ended, KEY, PATIENCE, Place, Server, within};

/// The events that the source document names.
const COMMON: [&str; 8] = [
    "invoice.paid",
    "invoice.payment_failed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "charge.refunded",
];

/// A server with the offline Stripe inside it.
struct Scene {
    place: Place,
    server: Server,
    stripe: SocketAddr,
}

impl Scene {
    fn new() -> Scene {
        let place = Place::new();
        let mut command = Server::command(&place, &["--sandbox"]);
        command.env("LOOPFOUR_RATE_LIMITS", "off");
        let server = Server::start(command);
        let stripe = server.sandbox();
        Scene { place, server, stripe }
    }

    /// An active workflow with this trigger, which notes what started it.
    fn listen(&self, name: &str, trigger: &Value) -> String {
        let never = json!({"left": "{{input.payload.type}}", "operator": "eq", "right": "{{input.type}}"});
        let definition = json!({"name": name, "trigger": trigger, "settings": {"output": {"type": "{{input.payload.type}}"}}, "steps": [
            {"id": "check", "type": "condition", "config": {"conditions": never, "then": ["read"]}},
            {"id": "read", "action": "stripe.getBalance", "config": {}},
        ]});
        let (status, made) = self.server.call("POST", "/api/v1/workflows", &definition.to_string());
        assert_eq!(status, 201, "{made}");
        let id = made["data"]["id"].as_str().unwrap().to_owned();
        let (status, active) = self.server.call("POST", &format!("/api/v1/workflows/{id}/activate"), "");
        assert_eq!((status, &active["data"]["webhook"][0]["settled"]), (200, &json!(true)), "{active}");
        id
    }

    /// A call of the offline Stripe, with a form as Stripe takes it.
    fn stripe(&self, method: &str, path: &str, form: &str, expected: u16) -> Value {
        let mut stream = TcpStream::connect(self.stripe).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: stripe\r\nconnection: close\r\nauthorization: Bearer sk_test_sandbox\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.split(' ').nth(1).unwrap(), expected.to_string(), "{path}: {body}");
        serde_json::from_str(body).unwrap()
    }

    /// Makes something; its id.
    fn make(&self, path: &str, form: &str) -> String {
        self.stripe("POST", path, form, 200)["id"].as_str().unwrap().to_owned()
    }

    /// A customer who pays with this card.
    fn customer(&self, card: &str) -> String {
        let customer = self.make("/v1/customers", "email=ada%40example.com");
        let card = self.make(&format!("/v1/payment_methods/{card}/attach"), &format!("customer={customer}"));
        let form = format!("invoice_settings[default_payment_method]={card}");
        self.make(&format!("/v1/customers/{customer}"), &form)
    }

    fn open_invoice(&self, customer: &str) -> String {
        let invoice = self.make("/v1/invoices", &format!("customer={customer}&auto_advance=false"));
        self.make(
            "/v1/invoiceitems",
            &format!("customer={customer}&invoice={invoice}&amount=9900&currency=usd"),
        );
        self.make(&format!("/v1/invoices/{invoice}/finalize"), "")
    }

    fn price(&self, amount: u32) -> String {
        let form = format!(
            "unit_amount={amount}&currency=usd&recurring[interval]=month&product_data[name]=Bookkeeping"
        );
        self.make("/v1/prices", &form)
    }

    /// The ended run that this workflow made of an event about that object.
    fn run_of(&self, workflow: &str, object: &str) -> Value {
        let run = within(|| {
            let runs = self.server.call("GET", &format!("/api/v1/runs?workflowId={workflow}"), "").1;
            let runs = runs["data"].as_array().unwrap().clone();
            runs.into_iter()
                .find(|run| run["input"]["data"]["object"]["id"] == object && !run["completedAt"].is_null())
        });
        assert_eq!((&run["status"], &run["triggerType"]), (&json!("completed"), &json!("webhook")), "{run}");
        run
    }

    fn ask(&self, arguments: &[&str]) -> Ended {
        self.place.ask(&self.server, arguments)
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        self.place.done(&self.server, arguments)
    }
}

/// Each of the document's events, from a change of state by a plain call, to the run of a workflow that listens to it. The
/// trigger has the form of the document's.
#[test]
fn each_event_of_the_document_starts_its_run() {
    let scene = Scene::new();
    let trigger = |event: &str| json!({"type": "webhook", "provider": "stripe", "events": [event]});
    let workflows = COMMON.map(|event| scene.listen(event, &trigger(event)));
    // As it stands in the document.
    let document: Value = serde_json::from_str(
        r#"{"trigger": {"type": "webhook", "provider": "stripe",
            "events": ["invoice.paid", "customer.subscription.updated"]}}"#,
    )
    .unwrap();
    let both = scene.listen("The document's", &document["trigger"]);

    let payer = scene.customer("pm_card_visa");
    let paid = scene.open_invoice(&payer);
    scene.make(&format!("/v1/invoices/{paid}/pay"), "");

    let poor = scene.customer("pm_card_chargeCustomerFail");
    let declined = scene.open_invoice(&poor);
    scene.stripe("POST", &format!("/v1/invoices/{declined}/pay"), "", 402);

    let (price, dearer) = (scene.price(9900), scene.price(19_900));
    let form = format!("customer={payer}&items[0][price]={price}");
    let subscription = scene.stripe("POST", "/v1/subscriptions", &form, 200);
    let item = subscription["items"]["data"][0]["id"].as_str().unwrap();
    let subscription = subscription["id"].as_str().unwrap();
    let path = format!("/v1/subscriptions/{subscription}");
    scene.make(&path, &format!("items[0][id]={item}&items[0][price]={dearer}"));
    scene.stripe("DELETE", &path, "", 200);

    let intent = "currency=usd&confirm=true&payment_method_types[0]=card";
    let succeeded = scene.stripe(
        "POST",
        "/v1/payment_intents",
        &format!("{intent}&amount=9900&payment_method=pm_card_visa"),
        200,
    );
    let charge = succeeded["latest_charge"].as_str().unwrap();
    let failed = format!("{intent}&amount=9900&payment_method=pm_card_visa_chargeDeclined");
    let failed = scene.stripe("POST", "/v1/payment_intents", &failed, 402);
    scene.make("/v1/refunds", &format!("charge={charge}"));

    let objects = [
        &paid,
        &declined,
        subscription,
        subscription,
        subscription,
        succeeded["id"].as_str().unwrap(),
        failed["error"]["payment_intent"]["id"].as_str().unwrap(),
        charge,
    ];
    for ((event, workflow), object) in COMMON.iter().zip(&workflows).zip(objects) {
        let run = scene.run_of(workflow, object);
        assert_eq!((&run["input"]["type"], &run["output"]), (&json!(event), &json!({"type": event})));
    }
    scene.run_of(&both, &paid);
    scene.run_of(&both, subscription);
}

/// The command that causes an event makes the same happen, and the lists tell of it.
#[test]
fn the_command_causes_each_event_and_the_lists_tell() {
    let scene = Scene::new();
    let trigger = json!({"type": "webhook", "provider": "stripe", "events": COMMON});
    let workflow = scene.listen("All of them", &trigger);
    for event in COMMON {
        let said = scene.done(&["trigger", "stripe", event, "--json"]);
        let caused: Value = serde_json::from_str(&said).unwrap();
        let provider = caused["event"].as_str().unwrap().to_owned();
        let run = within(|| {
            let events = scene.server.call("GET", &format!("/api/v1/events?type={event}"), "").1;
            let found = events["data"].as_array().unwrap().clone();
            let found = found
                .into_iter()
                .find(|one| one["providerEventId"] == *provider && one["status"] == "dispatched")?;
            Some(found["runs"][0].as_str().unwrap().to_owned())
        });
        let shown = scene.server.call("GET", &format!("/api/v1/runs/{run}"), "").1;
        assert_eq!(
            (&shown["data"]["workflowId"], &shown["data"]["input"]["id"]),
            (&json!(workflow), &json!(provider))
        );
    }
    let listed = scene.done(&["events", "list", "--type", "invoice.paid", "--json"]);
    let event: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    let id = event["id"].as_str().unwrap();
    let shown = scene.done(&["events", "show", id]);
    assert!(
        shown.contains("invoice.paid") && shown.contains("dispatched") && shown.contains("run run_"),
        "{shown}"
    );
    // All have it; a second run is a wish of its own.
    let again = scene.done(&["events", "replay", id]);
    assert_eq!(again, "1 event handed over once more: 0 runs to begin\n");
    let again = scene.done(&["events", "replay", id, "--workflow", "All of them", "--again"]);
    assert_eq!(again, "1 event handed over once more: 1 run to begin\n");
    within(|| {
        let event = scene.server.call("GET", &format!("/api/v1/events/{id}"), "").1;
        (event["data"]["runs"].as_array().unwrap().len() == 2).then_some(())
    });
    let audit = scene.server.call("GET", "/api/v1/audit?action=event.replay", "").1;
    assert!(!audit["data"].as_array().unwrap().is_empty(), "{audit}");

    let unknown = scene.ask(&["trigger", "stripe", "invoice.payd"]);
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.stderr.contains("invoice.paid"), "{}", unknown.stderr);
}

/// Without an address that Stripe could reach, the server asks for the events.
#[test]
fn listening_asks_for_the_events_of_a_connection() {
    let scene = Scene::new();
    let workflow =
        scene.listen("Paid", &json!({"type": "webhook", "provider": "stripe", "events": ["invoice.paid"]}));
    let mut listening = scene.place.command(&["listen", "--json"]);
    listening.env("LOOPFOUR_API_KEY", KEY).env("LOOPFOUR_SERVER", format!("http://{}", scene.server.address));
    let mut listening = listening.stdout(std::process::Stdio::piped()).spawn().unwrap();
    within(|| {
        let connections = scene.server.call("GET", "/api/v1/connections", "").1;
        let id = connections["data"][0]["id"].as_str()?.to_owned();
        let one = scene.server.call("GET", &format!("/api/v1/connections/{id}"), "").1;
        (one["data"]["settings"]["events"] == "poll").then_some(())
    });
    // Nothing is sent to the webhook any more.
    scene.done(&["trigger", "stripe", "invoice.paid"]);
    within(|| {
        let runs = scene.server.call("GET", &format!("/api/v1/runs?workflowId={workflow}"), "").1;
        (runs["data"].as_array().unwrap().len() == 1).then_some(())
    });
    let mut stdout = std::io::BufReader::new(listening.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("invoice.paid") {
        assert!(
            std::io::BufRead::read_line(&mut stdout, &mut seen).unwrap() > 0,
            "it goes on until it is stopped"
        );
    }
    listening.kill().unwrap();
    listening.wait().unwrap();
}
