//! Events caused on request come from real changes.

use serde_json::{Value, json};

use crate::events::after;
use crate::stripe::{Stripe, id};

async fn trigger(stripe: &Stripe, event: &str) -> Value {
    stripe.control("POST", "trigger", json!({"event": event})).await.ok()
}

#[tokio::test]
async fn each_event_that_is_known_comes() {
    let stripe = Stripe::start().await;
    let known = stripe.control("GET", "trigger", json!(null)).await.ok();
    let known: Vec<&str> =
        known["events"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let mut last: Option<String> = None;
    for event in &known {
        let answer = trigger(&stripe, event).await;
        let events = after(&stripe, last.as_deref()).await;
        assert_eq!((&answer["type"], &answer["account"]), (&json!(event), &json!("acct_1SandboxDefault")));
        let told = events.iter().find(|it| it["id"] == answer["event"]).unwrap();
        assert_eq!(told["type"], *event);
        assert!(told["request"]["id"].as_str().unwrap().starts_with("req_"), "{told}");
        last = events.last().map(id);
        for object in answer["objects"].as_array().unwrap() {
            let made = events.iter().any(|it| it.to_string().contains(object.as_str().unwrap()));
            assert!(made, "{event}: {object}");
        }
    }
}

#[tokio::test]
async fn the_state_is_as_the_event_says() {
    let stripe = Stripe::start().await;
    for (event, path, field, expect) in [
        ("invoice.paid", "invoices", "/status", json!("paid")),
        ("invoice.payment_failed", "invoices", "/attempt_count", json!(1)),
        ("customer.subscription.created", "subscriptions", "/status", json!("active")),
        ("customer.subscription.updated", "subscriptions", "/items/data/0/quantity", json!(2)),
        ("customer.subscription.deleted", "subscriptions", "/status", json!("canceled")),
        ("payment_intent.succeeded", "payment_intents", "/amount_received", json!(9900)),
        (
            "payment_intent.payment_failed",
            "payment_intents",
            "/last_payment_error/code",
            json!("card_declined"),
        ),
        ("charge.refunded", "charges", "/amount_refunded", json!(1000)),
    ] {
        let answer = trigger(&stripe, event).await;
        let told = stripe.get(&format!("/v1/events/{}", answer["event"].as_str().unwrap())).await.ok();
        let object = &told["data"]["object"];
        assert_eq!(object.pointer(field), Some(&expect), "{event}: {object:#}");
        let read = stripe.get(&format!("/v1/{path}/{}", id(object))).await.ok();
        assert_eq!(read.pointer(field), Some(&expect), "{event}");
    }
}

#[tokio::test]
async fn what_cannot_be_caused_is_refused_with_what_can() {
    let stripe = Stripe::start().await;
    for (body, expect) in [
        (json!({"event": "invoice.payed"}), "`invoice.payed` is no event, did you mean `invoice.paid`?"),
        (json!({"event": "x"}), "`x` is no event (there are charge.captured, "),
        (json!({"event": "payout.paid"}), "`payout.paid` is an event that the sandbox cannot cause"),
        (json!({"event": "invoice.paid", "key": 1}), "unknown field `key`"),
    ] {
        let reply = stripe.control("POST", "trigger", body.clone()).await;
        let message = reply.body["error"]["message"].as_str().unwrap_or_default();
        assert!(reply.status == 400 && message.contains(expect), "{body}: {message}");
    }
    assert!(after(&stripe, None).await.is_empty());
    let body = json!({"event": "customer.created", "account": "acct_other"});
    assert_eq!(stripe.control("POST", "trigger", body).await.ok()["account"], "acct_other");
    assert!(after(&stripe, None).await.is_empty(), "another account's");
}
