//! Events are listed, shown and handed over once more; secrets of senders are set and never shown.

use loopfour_engine::provider_events::{EventStatus, ReplayError};
use loopfour_store::Scope;
use serde_json::json;

use crate::server::{Reply, Server};

async fn put(server: &Server, path: &str, body: &str) -> Reply {
    server.request(&format!("PUT /api/v1/webhook-secrets/{path}")).body(body).send().await
}

#[tokio::test]
async fn events_are_listed_by_what_they_are() {
    let server = Server::start().await;
    let company = server.store.default_company();
    let paid = server.gate.event(company, "evt_1", "invoice.paid").await;
    *server.gate.status.lock().unwrap() = EventStatus::Unrouted;
    let sent = server.gate.event(company, "evt_2", "invoice.sent").await;
    for (query, expected) in [
        ("", vec![sent, paid]),
        ("?order=asc", vec![paid, sent]),
        ("?type=invoice.paid", vec![paid]),
        ("?status=unrouted", vec![sent]),
        ("?status=dead", vec![]),
        ("?provider=stripe&type=invoice.sent", vec![sent]),
        ("?provider=custom", vec![]),
        ("?connectionId=conn_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968", vec![]),
        ("?workflowId=wf_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968", vec![]),
    ] {
        let list = server.get(&format!("/events{query}")).await;
        assert_eq!(list.status, 200, "{query}: {}", list.body);
        let ids: Vec<String> = list.json()["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids, expected.iter().map(ToString::to_string).collect::<Vec<_>>(), "{query}");
    }
    let first = server.get("/events?limit=1").await.json();
    let next = format!("/events?limit=1&cursor={}", first["meta"]["cursor"].as_str().unwrap());
    let rest = server.get(&next).await.json();
    assert_eq!((&rest["data"][0]["id"], &rest["meta"]["hasMore"]), (&json!(paid), &json!(false)));
    for query in ["?status=sleeping", "?provider=adyen", "?connectionId=x", "?colour=red"] {
        assert_eq!(server.get(&format!("/events{query}")).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn an_event_is_shown_with_what_came() {
    let server = Server::start().await;
    let id = server.gate.event(server.store.default_company(), "evt_1", "invoice.paid").await;
    let shown = server.get(&format!("/events/{id}")).await;
    let body = json!({"id": "evt_1", "object": "event", "type": "invoice.paid", "data": {"object": {}}});
    assert_eq!(
        shown.json()["data"],
        json!({
            "id": id, "providerEventId": "evt_1", "type": "invoice.paid", "provider": "stripe", "status": "stored",
            "attempts": 0, "runs": [], "createdAt": "2026-01-02T03:04:05.678Z", "body": body,
        })
    );
    let missing = server.get("/events/evt_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968").await;
    assert_eq!((missing.status, server.get("/events/evt_1").await.status), (404, 404));
}

#[tokio::test]
async fn an_event_is_handed_over_once_more_as_it_is_wished() {
    let server = Server::start().await;
    let id = server.gate.event(server.store.default_company(), "evt_1", "invoice.paid").await;
    let path = format!("/events/{id}/replay");
    let workflow = "wf_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968";
    for body in ["", "{}", &format!(r#"{{"workflowId":"{workflow}","again":true}}"#)] {
        server.post(&path, body).await.check(r#"202 {"success":true,"data":{"workflowsTriggered":2}}"#);
    }
    let wishes = std::mem::take(&mut *server.gate.replayed.lock().unwrap());
    let wish = &wishes[2].1;
    assert_eq!(
        (wishes.len(), wish.workflow.map(|id| id.to_string()), wish.again),
        (3, Some(workflow.to_owned()), true)
    );

    let wrong = server.post(&path, r#"{"workflowId":"x","again":"yes","conectionId":"y"}"#).await;
    let details = wrong.json()["error"]["details"].as_array().unwrap().len();
    assert_eq!((wrong.status, details), (400, 3), "{}", wrong.body);
    for (refusal, status) in [
        (ReplayError::Missing("no".to_owned()), 404),
        (ReplayError::State("no".to_owned()), 409),
        (ReplayError::Unfit("no".to_owned()), 400),
    ] {
        *server.gate.refuse_replay.lock().unwrap() = Some(refusal);
        assert_eq!(server.post(&path, "").await.status, status);
    }
}

#[tokio::test]
async fn many_are_handed_over_by_name_or_by_a_filter() {
    let server = Server::start().await;
    let company = server.store.default_company();
    let paid = server.gate.event(company, "evt_1", "invoice.paid").await;
    *server.gate.status.lock().unwrap() = EventStatus::Dead;
    let dead = server.gate.event(company, "evt_2", "invoice.paid").await;
    let named = async |body: String| {
        let answer = server.post("/events/replay", &body).await;
        let ids: Vec<_> = std::mem::take(&mut *server.gate.replayed.lock().unwrap())
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        (answer.status, answer.json()["data"].clone(), ids)
    };
    let told = |events: u64| json!({"events": events, "workflowsTriggered": 2 * events});
    let by_id = named(format!(r#"{{"eventIds":["{dead}","{paid}"]}}"#)).await;
    assert_eq!(by_id, (202, told(2), vec![dead, paid]));
    assert_eq!(named(r#"{"filter":{"status":"dead"}}"#.to_owned()).await, (202, told(1), vec![dead]));
    let all = named(r#"{"filter":{"type":"invoice.paid","from":"2026-01-01T00:00:00Z"}}"#.to_owned()).await;
    assert_eq!(all, (202, told(2), vec![paid, dead]), "oldest first");
    let none = named(r#"{"filter":{"to":"2026-01-01T00:00:00Z"}}"#.to_owned()).await;
    assert_eq!(none, (202, told(0), vec![]));
    for wrong in [
        "{}",
        r#"{"eventIds":[]}"#,
        r#"{"eventIds":["in_1"]}"#,
        r#"{"eventIds":["evt_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968"],"filter":{}}"#,
        r#"{"filter":{"status":"sleeping"}}"#,
        r#"{"filter":{"from":"yesterday"}}"#,
        r#"{"filter":{"colour":"red"}}"#,
    ] {
        assert_eq!(named(wrong.to_owned()).await.0, 400, "{wrong}");
    }
    let unknown = r#"{"eventIds":["evt_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968"]}"#;
    assert_eq!(named(unknown.to_owned()).await.0, 404);
    // What a filter finds and cannot be handed over keeps its reason; what is named says why.
    *server.gate.refuse_replay.lock().unwrap() = Some(ReplayError::State("no".to_owned()));
    assert_eq!(named(r#"{"filter":{"status":"dead"}}"#.to_owned()).await, (202, told(0), vec![]));
    assert_eq!(named(format!(r#"{{"eventIds":["{dead}"]}}"#)).await.0, 409);
    let twice = format!(r#"{{"eventIds":["{paid}","{paid}"]}}"#);
    *server.gate.refused_event.lock().unwrap() = Some(dead);
    assert_eq!(named(twice).await, (202, told(1), vec![paid]), "each once");
    let stopped = server.post("/events/replay", &format!(r#"{{"eventIds":["{paid}","{dead}"]}}"#)).await;
    stopped.check_error(409, "INVALID_STATE", &[]);
    assert!(stopped.body.contains("no; the first 1 of the events were handed over"), "{}", stopped.body);
    server.gate.replayed.lock().unwrap().clear();
    // A wish that does not fit one event may fit the others; one that fits none is refused.
    *server.gate.refuse_replay.lock().unwrap() = Some(ReplayError::Unfit("no".to_owned()));
    let both = r#"{"filter":{"type":"invoice.paid"}}"#;
    assert_eq!(named(both.to_owned()).await, (202, told(1), vec![paid]));
    assert_eq!(named(r#"{"filter":{"status":"dead"}}"#.to_owned()).await.0, 400);
}

#[tokio::test]
async fn secrets_of_senders_go_in_and_are_counted() {
    let server = Server::start().await;
    put(&server, "stripe", r#"{"secrets":["whsec_1","whsec_2"]}"#)
        .await
        .check(r#"200 {"success":true,"data":{"provider":"stripe","secrets":2}}"#);
    put(&server, "custom/orders", r#"{"secrets":["whsec_3"]}"#)
        .await
        .check(r#"200 {"success":true,"data":{"provider":"custom","path":"orders","secrets":1}}"#);
    let list = server.get("/webhook-secrets").await;
    assert!(!list.body.contains("whsec"), "{}", list.body);
    assert_eq!(
        list.json()["data"],
        json!([
            {"provider": "stripe", "secrets": 2},
            {"provider": "custom", "path": "orders", "secrets": 1},
        ])
    );
    assert_eq!(put(&server, "stripe", r#"{"secrets":[]}"#).await.status, 200);
    assert_eq!(server.get("/webhook-secrets").await.json()["data"].as_array().unwrap().len(), 1);
    let refused = put(&server, "stripe", r#"{"secrets":["good","refused"]}"#).await;
    refused.check_error(400, "VALIDATION_ERROR", &["secrets[1]: is no secret"]);
    for wrong in ["{}", r#"{"secrets":"whsec_1"}"#, r#"{"secrets":[1]}"#, r#"{"secrets":["a b"]}"#] {
        assert_eq!(put(&server, "stripe", wrong).await.status, 400, "{wrong}");
    }
    let reader = server.key(server.store.default_company(), &[Scope::ConnectionsRead]).await;
    let by_reader = server.request("PUT /api/v1/webhook-secrets/stripe").key(&reader);
    assert_eq!(by_reader.body(r#"{"secrets":[]}"#).send().await.status, 403);
}
