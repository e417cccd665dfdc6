//! Deliveries of events to webhook endpoints: signed, tried again by the clock, kept over a stop.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use loopfour_sandbox::Config;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::mpsc;

use crate::events::check_event;
use crate::stripe::{Stripe, id};

/// What an endpoint received.
struct Received {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Received {
    fn event(&self) -> Value {
        let event = serde_json::from_slice(&self.body).unwrap();
        check_event(&event);
        event
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// Verifies the signature by the rules of Stripe's documentation.
    #[track_caller]
    fn verify(&self, secret: &str) {
        let header = self.header("stripe-signature");
        let part = |name: &str| {
            header.split(',').find_map(|part| part.split_once('=').filter(|(key, _)| *key == name)).unwrap().1
        };
        let at: i64 = part("t").parse().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(
            (now.as_secs().cast_signed() - at).abs() < 60,
            "signed in real time, not by the sandbox's clock"
        );
        let signed = [at.to_string().as_bytes(), b".", &self.body].concat();
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(signed);
        let bytes = part("v1").as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let bytes: Vec<u8> = bytes.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        mac.verify_slice(&bytes).unwrap();
        assert!(!header.contains("v0="), "{header}");
    }
}

/// An endpoint that answers as it is told, 200 if it is not, and hands on what it receives.
struct Receiver {
    url: String,
    statuses: Arc<Mutex<VecDeque<u16>>>,
    received: mpsc::UnboundedReceiver<Received>,
}

impl Receiver {
    async fn start() -> Receiver {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let statuses: Arc<Mutex<VecDeque<u16>>> = Arc::default();
        let (sender, received) = mpsc::unbounded_channel();
        let answers = Arc::clone(&statuses);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, answers) = (sender.clone(), Arc::clone(&answers));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (sender, answers) = (sender.clone(), Arc::clone(&answers));
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes().to_vec();
                        let status = answers.lock().unwrap().pop_front().unwrap_or(200);
                        let _ = sender.send(Received { headers: parts.headers, body });
                        let answer =
                            Response::builder().status(status).body(Full::new(Bytes::from("thanks")));
                        Ok::<_, hyper::Error>(answer.unwrap())
                    }
                });
                let serving = hyper::server::conn::http1::Builder::new();
                tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
            }
        });
        Receiver { url, statuses, received }
    }

    fn answer(&self, statuses: &[u16]) {
        self.statuses.lock().unwrap().extend(statuses);
    }

    async fn next(&mut self) -> Received {
        tokio::time::timeout(Duration::from_secs(20), self.received.recv()).await.unwrap().unwrap()
    }

    /// Nothing has come, as far as a full round trip of the sender can tell.
    fn assert_nothing(&mut self) {
        assert!(self.received.try_recv().is_err());
    }

    /// Registers it for the types, and gives the secret.
    async fn register(&self, stripe: &Stripe, kinds: &[&str], more: &[(&str, &str)]) -> (String, String) {
        let mut params = vec![("url", &*self.url)];
        params.extend(kinds.iter().map(|kind| ("enabled_events[]", *kind)));
        params.extend(more);
        let endpoint = stripe.post("/v1/webhook_endpoints", &params).await.ok();
        (id(&endpoint), endpoint["secret"].as_str().unwrap().to_owned())
    }
}

async fn settings(stripe: &Stripe, settings: Value) {
    stripe.control("POST", "deliveries", settings).await.ok();
}

/// Waits until a delivery is as it should be, by asking for it; the sender has it noted right after its attempt.
async fn delivery(stripe: &Stripe, event: &str, is: impl Fn(&Value) -> bool) -> Value {
    let look = async {
        loop {
            let list = stripe.control("GET", &format!("deliveries?event={event}"), json!(null)).await.ok();
            let delivery = &list["deliveries"][0];
            if is(delivery) {
                return delivery.clone();
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), look).await.unwrap()
}

#[tokio::test]
async fn a_change_reaches_who_wants_it_signed() {
    let stripe = Stripe::start().await;
    let mut all = Receiver::start().await;
    let mut invoices = Receiver::start().await;
    let (endpoint, secret) = all.register(&stripe, &["*"], &[]).await;
    let (_, other) = invoices.register(&stripe, &["invoice.created"], &[("api_version", "2024-06-20")]).await;
    let customer = stripe.customer("ada@example.com").await;
    let received = all.next().await;
    received.verify(&secret);
    assert_eq!(received.header("content-type"), "application/json; charset=utf-8");
    assert!(received.header("user-agent").starts_with("Stripe/1.0"));
    let event = received.event();
    assert_eq!((&event["type"], &event["pending_webhooks"]), (&json!("customer.created"), &json!(1)));
    assert_eq!((&event["data"]["object"]["id"], event.get("account")), (&json!(customer), None));
    let done = delivery(&stripe, &id(&event), |it| it["status"] == "delivered").await;
    assert_eq!(done["answer"], json!({"status": 200, "body": "thanks"}));
    assert_eq!((&done["attempts"], &done["next"]), (&json!(1), &json!(null)));
    assert_eq!((&done["endpoint"], &done["type"]), (&json!(endpoint), &json!("customer.created")));
    let stored = stripe.get(&format!("/v1/events/{}", id(&event))).await.ok();
    assert_eq!(stored["pending_webhooks"], 0);
    assert_eq!(stored["data"], event["data"]);
    stripe.invoice(&customer).await;
    let received = invoices.next().await;
    received.verify(&other);
    assert_eq!(received.event()["api_version"], "2024-06-20");
    assert_eq!(received.event()["type"], "invoice.created");
    invoices.assert_nothing();
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_as_the_clock_moves() {
    let stripe = Stripe::start().await;
    let mut receiver = Receiver::start().await;
    let (_, secret) = receiver.register(&stripe, &["customer.created"], &[]).await;
    let pauses = [5, 60, 600, 3600, 10_800, 21_600, 43_200, 86_400, 86_400];
    receiver.answer(&[500, 302, 404, 500, 500, 500, 500, 500, 500, 500]);
    stripe.customer("ada@example.com").await;
    let event = id(&receiver.next().await.event());
    for (tried, pause) in (1..).zip(pauses) {
        let waiting = delivery(&stripe, &event, |it| it["attempts"] == tried).await;
        let now = stripe.control("GET", "clock", json!(null)).await.ok()["now"].as_i64().unwrap();
        let next = waiting["next"].as_i64().unwrap();
        assert!((pause - 2..=pause).contains(&(next - now)), "after {tried}: {}", next - now);
        receiver.assert_nothing();
        let pending = stripe.get("/v1/events?delivery_success=false").await.ok();
        assert_eq!(
            (pending["data"][0]["id"].as_str(), &pending["data"][0]["pending_webhooks"]),
            (Some(&*event), &json!(1))
        );
        stripe.control("POST", "clock", json!({"advance": pause})).await.ok();
        let received = receiver.next().await;
        received.verify(&secret);
        assert_eq!(id(&received.event()), event);
    }
    let failed = delivery(&stripe, &event, |it| it["status"] == "failed").await;
    assert_eq!((&failed["attempts"], &failed["answer"]["status"]), (&json!(10), &json!(500)));
    let pending = stripe.get("/v1/events?delivery_success=false").await.ok();
    assert_eq!(pending["data"][0]["pending_webhooks"], 0);
    assert_eq!(stripe.get("/v1/events?delivery_success=true").await.ok()["data"], json!([]));

    let sent = stripe.control("POST", &format!("events/{event}/resend"), json!({})).await.ok();
    assert_eq!(sent["deliveries"][0]["status"], "pending");
    assert_eq!(id(&receiver.next().await.event()), event);
    delivery(&stripe, &event, |it| it["status"] == "delivered" && it["attempts"] == 11).await;
    assert_eq!(stripe.get("/v1/events?delivery_success=true").await.ok()["data"][0]["id"], json!(event));
}

#[tokio::test]
async fn what_is_held_back_goes_out_later_twice_or_backwards() {
    let stripe = Stripe::start().await;
    let mut receiver = Receiver::start().await;
    receiver.register(&stripe, &["customer.created"], &[]).await;
    settings(&stripe, json!({"paused": true})).await;
    let mut customers = Vec::new();
    for _ in 0..16 {
        customers.push(stripe.customer("ada@example.com").await);
    }
    let list = stripe.control("GET", "deliveries?status=pending", json!(null)).await.ok();
    assert_eq!(
        (list["deliveries"].as_array().unwrap().len(), &list["settings"]["paused"]),
        (16, &json!(true))
    );
    receiver.assert_nothing();
    settings(&stripe, json!({"duplicates": 1, "newest_first": true})).await;
    let mut received = Vec::new();
    for _ in 0..32 {
        received.push(id(&receiver.next().await.event()["data"]["object"]));
    }
    assert!(customers[8..].contains(&received[0]), "eight at once, and they are the newest");
    for customer in &customers {
        assert_eq!(received.iter().filter(|it| *it == customer).count(), 2, "{received:?}");
    }
    let reply = stripe.control("POST", "deliveries", json!({"pause": true})).await;
    assert_eq!(reply.status, 400, "{}", reply.body);
}

#[tokio::test]
async fn a_platform_hears_of_its_connected_accounts() {
    let stripe = Stripe::start().await;
    let told = json!({"key": "sk_test_other", "account": "acct_other"});
    stripe.control("POST", "keys", told).await.ok();
    let (mut platform, mut own) = (Receiver::start().await, Receiver::start().await);
    let (_, secret) = platform.register(&stripe, &["*"], &[("connect", "true")]).await;
    own.register(&stripe, &["*"], &[]).await;
    let other = [("authorization", "Bearer sk_test_other")];
    stripe.send(reqwest::Method::POST, "/v1/customers", "name=Eve", &other).await.unwrap().ok();
    let received = platform.next().await;
    received.verify(&secret);
    assert_eq!(received.event()["account"], "acct_other");
    stripe.customer("ada@example.com").await;
    assert_eq!(own.next().await.event().get("account"), None);
    platform.assert_nothing();
    own.assert_nothing();
}

#[tokio::test]
async fn an_endpoint_that_is_gone_or_disabled_gets_nothing() {
    let stripe = Stripe::start().await;
    let mut receiver = Receiver::start().await;
    let (endpoint, _) = receiver.register(&stripe, &["customer.created"], &[]).await;
    let path = format!("/v1/webhook_endpoints/{endpoint}");
    settings(&stripe, json!({"paused": true})).await;
    stripe.customer("ada@example.com").await;
    let event = id(&stripe.get("/v1/events").await.ok()["data"][0]);
    stripe.post(&path, &[("disabled", "true")]).await.ok();
    settings(&stripe, json!({})).await;
    delivery(&stripe, &event, |it| it["status"] == "canceled").await;
    stripe.customer("eve@example.com").await;
    let all = stripe.control("GET", "deliveries", json!(null)).await.ok();
    assert_eq!(all["deliveries"].as_array().unwrap().len(), 1);
    let refused = stripe.control("POST", &format!("events/{event}/resend"), json!({})).await;
    assert!(refused.body.to_string().contains("no endpoint that is enabled"), "{}", refused.body);
    let refused = stripe.control("POST", "events/evt_none/resend", json!({})).await;
    assert!(refused.status == 400 && refused.body.to_string().contains("evt_none"), "{}", refused.body);
    stripe.delete(&path).await.ok();
    receiver.assert_nothing();
    let gone = Receiver::start().await;
    let nowhere = gone.url.replace("127.0.0.1", "host.invalid");
    let params = [("url", &*nowhere), ("enabled_events[]", "*")];
    stripe.post("/v1/webhook_endpoints", &params).await.ok();
    stripe.customer("nobody@example.com").await;
    let event = id(&stripe.get("/v1/events").await.ok()["data"][0]);
    let tried = delivery(&stripe, &event, |it| it["attempts"] == 1).await;
    assert!(tried["answer"]["error"].is_string() && tried["status"] == "pending", "{tried}");
}

#[tokio::test]
async fn what_was_not_delivered_is_after_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let config = || Config { data: Some(folder.path().to_owned()), ..Config::default() };
    let mut receiver = Receiver::start().await;
    let stripe = Stripe::with(config()).await;
    let (_, secret) = receiver.register(&stripe, &["customer.created"], &[]).await;
    receiver.answer(&[503]);
    stripe.customer("ada@example.com").await;
    let refused = id(&receiver.next().await.event());
    delivery(&stripe, &refused, |it| it["attempts"] == 1).await;
    settings(&stripe, json!({"paused": true})).await;
    stripe.customer("eve@example.com").await;
    let held = id(&stripe.get("/v1/events").await.ok()["data"][0]);
    stripe.stop().await;

    let stripe = Stripe::with(config()).await;
    let received = receiver.next().await;
    received.verify(&secret);
    assert_eq!(id(&received.event()), held, "it was due, so it goes out at once");
    stripe.control("POST", "clock", json!({"advance": 5})).await.ok();
    let received = receiver.next().await;
    received.verify(&secret);
    assert_eq!(id(&received.event()), refused);
    delivery(&stripe, &refused, |it| it["status"] == "delivered" && it["attempts"] == 2).await;
    stripe.stop().await;

    let stripe = Stripe::with(config()).await;
    delivery(&stripe, &held, |it| it["status"] == "delivered").await;
    stripe.control("POST", "reset", json!(null)).await.ok();
    let all = stripe.control("GET", "deliveries", json!(null)).await.ok();
    assert_eq!((&all["deliveries"], &stripe.get("/v1/events").await.ok()["data"]), (&json!([]), &json!([])));
    receiver.assert_nothing();
}

#[tokio::test]
async fn a_slow_endpoint_keeps_nobody_waiting() {
    let stripe = Stripe::start().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = format!("http://{}/", silent.local_addr().unwrap());
    stripe.post("/v1/webhook_endpoints", &[("url", &slow), ("enabled_events[]", "*")]).await.ok();
    let mut receiver = Receiver::start().await;
    receiver.register(&stripe, &["customer.created"], &[]).await;
    for _ in 0..20 {
        stripe.customer("ada@example.com").await;
    }
    for _ in 0..20 {
        receiver.next().await;
    }
}
