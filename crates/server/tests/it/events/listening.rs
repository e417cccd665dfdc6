//! What goes on around a workflow with a trigger of its own: Stripe is told, firings are told, paths agree.

use serde_json::{Value, json};

use crate::server::Server;

fn workflow(trigger: &Value) -> String {
    let steps = json!([{"id": "read", "action": "stripe.getBalance", "config": {}}]);
    json!({"name": "Listening", "trigger": trigger, "steps": steps}).to_string()
}

#[tokio::test]
async fn stripe_is_told_of_what_active_workflows_listen_to() {
    let server = Server::start().await;
    let told = || std::mem::take(&mut *server.gate.settled.lock().unwrap());
    let paid = json!({"type": "webhook", "provider": "stripe", "events": ["invoice.paid"]});
    let draft = server.draft(&workflow(&paid)).await;
    assert_eq!(told(), Vec::<Vec<String>>::new(), "a draft listens to nothing");
    let active = server.post(&format!("/workflows/{draft}/activate"), "").await;
    assert_eq!(told(), [["invoice.paid"]]);
    let company = server.store.default_company();
    assert_eq!(
        active.json()["data"]["webhook"],
        json!([{
            "url": format!("https://loopfour.example/webhooks/stripe/{company}"),
            "events": ["invoice.paid"], "settled": true, "note": "Stripe knows",
        }])
    );
    let family = json!({"type": "webhook", "provider": "stripe", "events": ["customer.tax_id.*"]});
    let second = server.active(&workflow(&family)).await;
    assert_eq!(
        told(),
        [["customer.tax_id.*", "invoice.paid"]],
        "as written: Stripe's facts are not known here"
    );
    server.post(&format!("/workflows/{draft}/pause"), "").await;
    assert_eq!(told(), [["customer.tax_id.*"]]);
    let all = json!({"trigger": {"type": "webhook", "provider": "stripe"}});
    let edited =
        server.request(&format!("PUT /api/v1/workflows/{second}")).body(all.to_string()).send().await;
    assert_eq!((edited.status, told()), (200, vec![vec!["*".to_owned()]]));
    server.request(&format!("DELETE /api/v1/workflows/{second}")).send().await;
    assert_eq!(told(), [Vec::<String>::new()], "nobody listens any more");
    let own = json!({"type": "webhook", "provider": "custom", "path": "orders"});
    let custom = server.draft(&workflow(&own)).await;
    let answer = server.post(&format!("/workflows/{custom}/activate"), "").await.json();
    assert_eq!((told(), &answer["data"]["webhook"]), (vec![Vec::new()], &Value::Null));
}

#[tokio::test]
async fn the_next_firings_of_a_schedule_are_told() {
    let server = Server::start().await;
    let daily = json!({"type": "schedule", "cron": "0 9 * * *", "timezone": "Europe/Berlin"});
    let firings = |answer: &Value| answer["data"]["nextFirings"].clone();
    let nine = |day: u8| format!("2026-01-{day:02}T08:00:00.000Z");
    let expected: Vec<String> = (2..7).map(nine).collect();
    let text = workflow(&daily);
    assert_eq!(firings(&server.post("/workflows/validate", &text).await.json()), json!(expected));
    let id = server.active(&text).await;
    assert_eq!(firings(&server.get(&format!("/workflows/{id}")).await.json()), json!(expected));
    let off = json!({"trigger": {"type": "schedule", "cron": "0 9 * * *", "enabled": false}});
    let edited = server.request(&format!("PUT /api/v1/workflows/{id}")).body(off.to_string()).send().await;
    assert_eq!(firings(&edited.json()), json!([]));
    let hourly = json!({"type": "schedule", "interval": {"value": 1, "unit": "hours"}});
    let id = server.active(&workflow(&hourly)).await;
    // It counts from its activation on, at 03:04:05.678.
    server.clock.advance(90 * 60_000);
    let shown = firings(&server.get(&format!("/workflows/{id}")).await.json());
    assert_eq!(shown[0], "2026-01-02T05:04:05.678Z");
}

#[tokio::test]
async fn workflows_on_one_path_agree_on_signatures() {
    let server = Server::start().await;
    let path = |verify: bool| json!({"type": "webhook", "provider": "custom", "path": "orders", "verifySignature": verify});
    let first = server.active(&workflow(&path(true))).await;
    server.active(&workflow(&path(true))).await;
    let other = server.draft(&workflow(&path(false))).await;
    let activate = format!("/workflows/{other}/activate");
    let refused = server.post(&activate, "").await;
    assert_eq!((refused.status, refused.text("/error/code").as_str()), (409, "CONFLICT"), "{}", refused.body);
    let edit = json!({"trigger": path(false)}).to_string();
    let edited = server.request(&format!("PUT /api/v1/workflows/{first}")).body(edit.as_str()).send().await;
    assert_eq!(edited.status, 409, "not by an edit either");
    let agreed = json!({"trigger": path(true)}).to_string();
    server.request(&format!("PUT /api/v1/workflows/{other}")).body(agreed).send().await;
    assert_eq!(server.post(&activate, "").await.status, 200);
}
