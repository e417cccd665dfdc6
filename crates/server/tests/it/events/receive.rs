//! Events come in: what is taken, what is refused, and what whoever sends them is answered.

use loopfour_engine::ports::JournalError;
use loopfour_engine::provider_events::Signer;
use serde_json::json;

use super::gate::WORD;
use crate::server::{Reply, Server};

const PAID: &str = r#"{"id":"evt_1","object":"event","type":"invoice.paid","livemode":false,"data":{"object":{"id":"in_1"}}}"#;

async fn stripe(server: &Server, header: Option<&str>, body: impl Into<Vec<u8>>) -> Reply {
    let company = server.store.default_company();
    let request = server.request(&format!("POST /webhooks/stripe/{company}")).without_key();
    let request = match header {
        Some(value) => request.header(&format!("stripe-signature: {value}")),
        None => request,
    };
    request.body(body).send().await
}

async fn custom(server: &Server, path: &str, headers: &[&str], body: &str) -> Reply {
    let company = server.store.default_company();
    let request = server.request(&format!("POST /webhooks/custom/{company}/{path}")).without_key();
    headers.iter().fold(request, |request, header| request.header(header)).body(body).send().await
}

const SIGNED: [&str; 3] = ["webhook-id: msg_1", "webhook-timestamp: 1", "webhook-signature: t=1,v1=word"];

#[tokio::test]
async fn an_event_is_answered_once_it_is_kept_and_a_repetition_starts_nothing() {
    let server = Server::start().await;
    server
        .active(
            r#"{"name":"Paid","trigger":{"type":"webhook","provider":"stripe"},
                "steps":[{"id":"read","action":"stripe.getBalance","config":{}}]}"#,
        )
        .await;
    let first = stripe(&server, Some(WORD), PAID).await;
    assert_eq!(first.status, 200, "{}", first.body);
    let id = first.text("/eventId");
    assert_eq!(first.json(), json!({"received": true, "eventId": id, "workflowsTriggered": 1}));
    assert!(id.starts_with("evt_"));
    let shown = server.get(&format!("/events/{id}")).await.json();
    assert_eq!(shown["data"]["body"], serde_json::from_str::<serde_json::Value>(PAID).unwrap(), "as it came");

    let second = stripe(&server, Some(WORD), PAID).await;
    assert_eq!(second.json(), json!({"received": true, "eventId": id, "workflowsTriggered": 0}));
    let came = server.gate.came.lock().unwrap();
    assert_eq!((came[0].signer, came[0].kind.as_str()), (Signer::Company, "invoice.paid"));
}

#[tokio::test]
async fn what_nobody_signed_leaves_a_count_and_nothing_else() {
    let server = Server::start().await;
    let mut answers = Vec::new();
    answers.push(stripe(&server, None, PAID).await);
    answers.push(stripe(&server, Some("t=1,v1=other"), PAID).await);
    answers.push(stripe(&server, Some("t=1,v1=other"), "{").await);
    answers.push(stripe(&server, Some(&"x".repeat(8000)), PAID).await);
    let company = server.store.default_company();
    let twice = server.request(&format!("POST /webhooks/stripe/{company}")).without_key();
    let twice = twice.header(&format!("stripe-signature: {WORD}"));
    answers.push(twice.header(&format!("stripe-signature: {WORD}")).body(PAID).send().await);
    // An unknown company, and what is no company's id, look the same.
    for company in ["0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968", "nobody", "-"] {
        let request = server.request(&format!("POST /webhooks/stripe/{company}")).without_key();
        answers.push(request.header(&format!("stripe-signature: {WORD}")).body(PAID).send().await);
    }
    let bodies: Vec<serde_json::Value> = answers.iter().map(Reply::json).collect();
    assert!(answers.iter().all(|answer| answer.status == 401), "{answers:#?}");
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:#?}");
    assert_eq!(bodies[0]["error"]["code"], "UNAUTHORIZED");

    assert!(server.gate.came.lock().unwrap().is_empty());
    let list = server.get("/events").await.json();
    assert_eq!(list["data"], json!([]));
    let refused = &list["meta"]["refused"];
    assert_eq!((&refused[0]["provider"], &refused[0]["count"]), (&json!("stripe"), &json!(5)), "{list}");
}

#[tokio::test]
async fn what_is_signed_and_no_event_is_not_kept() {
    let server = Server::start().await;
    let thin = r#"{"id":"evt_1","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered"}"#;
    for (body, field) in [
        ("", ""),
        ("not json", ""),
        ("[]", ""),
        ("7", ""),
        (r#"{"id":"evt_1"}"#, "object"),
        (r#"{"object":"invoice","id":"in_1","type":"x","data":{"object":{}}}"#, "object"),
        (r#"{"object":"event","type":"invoice.paid","data":{"object":{}}}"#, "id"),
        (r#"{"object":"event","id":"","type":"invoice.paid","data":{"object":{}}}"#, "id"),
        (r#"{"object":"event","id":"evt_1","type":7,"data":{"object":{}}}"#, "type"),
        (r#"{"object":"event","id":"evt_1","type":"invoice.paid"}"#, "data.object"),
        (r#"{"object":"event","id":"evt_1","type":"invoice.paid","data":{"object":[]}}"#, "data.object"),
        (r#"{"object":"event","id":"evt_1","type":"a","account":7,"data":{"object":{}}}"#, "account"),
        (r#"{"object":"event","id":"evt_1","type":"a","livemode":"true","data":{"object":{}}}"#, "livemode"),
        (r#"{"object":"event","object":"event","id":"evt_1","type":"a","data":{"object":{}}}"#, ""),
        (thin, "object"),
    ] {
        let answer = stripe(&server, Some(WORD), body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
        assert_eq!(answer.json()["error"]["details"][0]["field"], field, "{body}: {}", answer.body);
    }
    let answer = stripe(&server, Some(WORD), thin).await;
    assert!(answer.body.contains("thin form"), "{}", answer.body);
    let answer = stripe(&server, Some(WORD), vec![b' '; 1024 * 1024 + 1]).await;
    assert_eq!(answer.status, 413);
    assert!(server.gate.came.lock().unwrap().is_empty());
}

#[tokio::test]
async fn while_nothing_can_be_kept_the_sender_is_asked_to_come_again() {
    let server = Server::start().await;
    *server.gate.refuse.lock().unwrap() = Some(JournalError::Full("the disk is full".to_owned()));
    assert_eq!(stripe(&server, Some(WORD), PAID).await.status, 503);
    *server.gate.refuse.lock().unwrap() = None;
    assert_eq!(stripe(&server, Some(WORD), PAID).await.status, 200);
}

#[tokio::test]
async fn a_custom_path_asks_for_a_signature_as_its_workflows_do() {
    let server = Server::start().await;
    *server.gate.paths.lock().unwrap() = vec![("orders", true), ("open", false)];
    let body = r#"{"type":"order.made","total":9900}"#;
    let refused = custom(&server, "orders", &[], body).await;
    let unknown = custom(&server, "nowhere", &SIGNED, body).await;
    assert_eq!((refused.status, unknown.status), (401, 401));
    assert_eq!(refused.json(), unknown.json(), "whether there is such a path is not told");
    assert_eq!(custom(&server, "orders", &SIGNED, body).await.status, 200);
    assert_eq!(custom(&server, "open", &[], body).await.status, 200);
    assert_eq!(custom(&server, "open", &[], "[]").await.status, 400);
    let came = server.gate.came.lock().unwrap();
    let told: Vec<_> = came.iter().map(|event| (event.signer, event.kind.as_str())).collect();
    assert_eq!(told, [(Signer::Company, "order.made"), (Signer::Nobody, "order.made")]);
}

#[tokio::test]
async fn custom_deliveries_are_told_to_be_the_same_by_their_ids() {
    let server = Server::start().await;
    *server.gate.paths.lock().unwrap() = vec![("open", false), ("other", false)];
    let send = async |path: &str, header: &str| {
        let answer = custom(&server, path, &[header], "{}").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.text("/eventId")
    };
    let first = send("open", "webhook-id: a").await;
    assert_eq!(send("open", "webhook-id: a").await, first);
    assert_eq!(send("open", "idempotency-key: a").await, first, "either header names it");
    assert_ne!(send("open", "webhook-id: b").await, first);
    assert_ne!(send("other", "webhook-id: a").await, first, "each path has its own");
    let unnamed = send("open", "x-nothing: a").await;
    assert_ne!(send("open", "x-nothing: a").await, unnamed, "without an id each is a new event");
    let long = custom(&server, "open", &[&format!("webhook-id: {}", "a".repeat(256))], "{}").await;
    long.check_error(
        400,
        "VALIDATION_ERROR",
        &["webhook-id: the header `webhook-id` has more than 255 characters"],
    );
}
