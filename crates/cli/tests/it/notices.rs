//! Addresses that are told of what happens, against a receiver on the loopback interface.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::process::{Ended, PATIENCE, Place, Server, within};

/// A workflow that fails at its only call.
const FAILS: &str = r#"{"name": "Fails", "trigger": {"type": "api"}, "steps": [
    {"id": "find", "action": "stripe.getCustomer", "config": {"customerId": "{{input.id}}"}}]}"#;

/// A message as it came in.
struct Message {
    head: String,
    body: String,
}

impl Message {
    fn header(&self, name: &str) -> &str {
        let found = self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        });
        found.unwrap_or_else(|| panic!("no {name}: {}", self.head))
    }

    /// Whether it is signed with that secret, by the words of the standard alone.
    fn is_signed_with(&self, secret: &str) -> bool {
        let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let (id, at) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        mac.update(format!("{id}.{at}.{}", self.body).as_bytes());
        let expected = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature") == expected
    }
}

/// Listens, answers each request with the next status, and gives the requests; with the last status from there on.
fn receiver(statuses: &'static [&'static str]) -> (SocketAddr, Receiver<Message>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (came, messages) = channel();
    std::thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let message = read(stream.as_ref().unwrap());
            let status = statuses[index.min(statuses.len() - 1)];
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.unwrap().write_all(answer.as_bytes()).unwrap();
            if came.send(message).is_err() {
                return;
            }
        }
    });
    (address, messages)
}

fn read(mut stream: &TcpStream) -> Message {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase();
            let length = length.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Message { head: head.to_owned(), body: body.to_owned() };
            }
        }
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the request ended early: {text}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

struct Scene {
    place: Place,
    server: Server,
}

impl Scene {
    fn new() -> Scene {
        let place = Place::new().with("loopfour.toml", "outbound_allow = ['127.0.0.1']");
        Scene { server: Server::serve(&place, &["--sandbox"]), place }
    }

    fn ask(&self, arguments: &[&str]) -> Ended {
        self.place.ask(&self.server, arguments)
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        self.place.done(&self.server, arguments)
    }

    /// Starts a run that fails; its id.
    fn fail(&self) -> String {
        let made = self.server.call("POST", "/api/v1/workflows", FAILS).1;
        let workflow = made["data"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
        self.server.call("POST", &format!("/api/v1/workflows/{workflow}/activate"), "");
        let input = r#"{"input": {"id": "cus_nobody"}}"#;
        let started = self.server.call("POST", &format!("/api/v1/workflows/{workflow}/run"), input).1;
        started["data"]["runId"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_run_that_fails_is_told_of_in_a_signed_message() {
    let scene = Scene::new();
    let (address, messages) = receiver(&["200 OK"]);
    let url = format!("http://{address}/hooks");
    let added = scene.ask(&["notices", "add", &url, "--events", "run.failed,event.dead"]);
    let secret = added.stdout.trim_end();
    assert!(added.stderr.contains("it is not shown again"), "{added:?}");
    let run = scene.fail();
    let message = messages.recv_timeout(PATIENCE).unwrap();
    assert!(message.head.starts_with("POST /hooks HTTP/1.1"), "{}", message.head);
    assert!(message.is_signed_with(secret), "{}\n{}", message.head, message.body);
    assert!(message.header("webhook-id").starts_with("msg_"));
    let body: Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!(body["type"], "run.failed");
    assert_eq!(body["data"]["runId"], json!(run));
    assert_eq!((&body["data"]["workflowName"], &body["data"]["status"]), (&json!("Fails"), &json!("failed")));
    let error = &body["data"]["error"];
    assert_eq!(
        (&error["code"], &error["stepId"]),
        (&json!("invalid_request_error"), &json!("find")),
        "{body}"
    );

    let listed = within(|| {
        let listed = scene.done(&["notices", "list", "--json"]);
        let row: Value = serde_json::from_str(&listed).unwrap();
        row["lastDeliveredAt"].is_string().then_some(row)
    });
    assert_eq!((&listed["status"], &listed["failures"]), (&json!("active"), &json!(0)));
    let shown = scene.done(&["notices", "list"]);
    assert!(shown.contains("run.failed,event.dead") && !shown.contains(secret), "{shown}");
}

/// What is to be told outlives a sudden end: it is tried again under its id.
#[test]
fn a_message_that_did_not_arrive_is_sent_after_a_kill() {
    let scene = Scene::new();
    let (address, messages) = receiver(&["503 Away", "200 OK"]);
    let url = format!("http://{address}/");
    let secret = scene.done(&["notices", "add", &url, "--events", "run.failed"]);
    scene.fail();
    let first = messages.recv_timeout(PATIENCE).unwrap();
    let Scene { place, server } = scene;
    server.kill();
    let again = Server::serve(&place, &["--sandbox"]);
    let second = messages.recv_timeout(PATIENCE).unwrap();
    assert_eq!((first.header("webhook-id"), &first.body), (second.header("webhook-id"), &second.body));
    assert!(first.is_signed_with(secret.trim_end()) && second.is_signed_with(secret.trim_end()));
    drop(again);
}

#[test]
fn notices_are_tried_and_deleted() {
    let scene = Scene::new();
    let (address, messages) = receiver(&["204 Done", "410 Gone"]);
    let url = format!("http://{address}/");
    let added: Value =
        serde_json::from_str(&scene.done(&["notices", "add", &url, "--events", "*", "--json"])).unwrap();
    let id = added["id"].as_str().unwrap();
    assert_eq!(scene.done(&["notices", "test", id]), "delivered  answered with 204\n");
    let message = messages.recv_timeout(PATIENCE).unwrap();
    assert!(message.is_signed_with(added["secret"].as_str().unwrap()));
    assert!(message.body.starts_with(r#"{"type":"notice.test","timestamp":""#), "{}", message.body);
    let gone = scene.ask(&["notices", "test", id]);
    let said = "it did not arrive: answered with 410, which says that it wants no more messages";
    assert_eq!((gone.code, gone.stderr.contains(said)), (Some(1), true), "{gone:?}");
    assert_eq!(scene.done(&["notices", "delete", id]), format!("deleted {id}  {url}\n"));
    assert_eq!(scene.done(&["notices", "list"]), "");

    for (url, said) in [
        ("http://10.0.0.1/", "10.0.0.1 is not a public address"),
        ("https://169.254.169.254/latest", "169.254.169.254 is not a public address"),
        ("http://93.184.216.34/", "must begin with https://"),
    ] {
        let refused = scene.ask(&["notices", "add", url, "--events", "run.failed"]);
        assert_eq!((refused.code, refused.stderr.contains(said)), (Some(1), true), "{refused:?}");
    }
    let typo = scene.ask(&["notices", "add", "https://example.com", "--events", "run.faild"]);
    assert!(typo.stderr.contains("did you mean `run.failed`?"), "{typo:?}");
}
