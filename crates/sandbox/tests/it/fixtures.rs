//! The fixture with the ids of the documented examples: each can do what it is there for.

use loopfour_sandbox::Config;
use serde_json::json;

use crate::stripe::Stripe;

async fn with_fixtures() -> Stripe {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../catalog/stripe/fixtures.json");
    Stripe::with(Config { fixtures: Some(file.into()), ..Config::default() }).await
}

#[tokio::test]
async fn every_object_can_be_read() {
    let stripe = with_fixtures().await;
    let rows = [
        ("customers/cus_xxx", "email", json!("ada@example.com")),
        ("customers/cus_deleted", "deleted", json!(true)),
        ("payment_methods/pm_xxx", "customer", json!("cus_xxx")),
        ("products/prod_xxx", "name", json!("Standard")),
        ("prices/price_xxx", "unit_amount", json!(2900)),
        ("prices/price_new_xxx", "type", json!("recurring")),
        ("prices/price_once_xxx", "type", json!("one_time")),
        ("coupons/coupon_xxx", "percent_off", json!(25)),
        ("invoices/in_xxx", "status", json!("open")),
        ("invoices/in_xxx", "amount_due", json!(9900)),
        ("invoices/in_draft", "status", json!("draft")),
        ("invoices/in_open", "amount_remaining", json!(2500)),
        ("invoices/in_paid", "amount_paid", json!(1500)),
        ("payment_intents/pi_xxx", "status", json!("requires_payment_method")),
        ("payment_intents/pi_requires_confirmation", "payment_method", json!("pm_xxx")),
        ("payment_intents/pi_requires_capture", "amount_capturable", json!(9900)),
        ("payment_intents/pi_succeeded", "amount_received", json!(9900)),
        ("subscriptions/sub_xxx", "status", json!("active")),
        ("subscriptions/sub_canceled", "status", json!("canceled")),
        ("subscription_items/si_xxx", "quantity", json!(1)),
    ];
    for (path, name, expect) in rows {
        assert_eq!(stripe.get(&format!("/v1/{path}")).await.ok()[name], expect, "{path}");
    }
}

/// Where it is sent, with which parameters, a pointer into the answer, and what stands there.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, serde_json::Value);

#[tokio::test]
async fn the_documented_calls_go_through() {
    let rows: &[Row<'_>] = &[
        ("customers/cus_xxx", &[("email", "new@example.com")], "/email", json!("new@example.com")),
        ("invoices/in_draft/finalize", &[], "/status", json!("open")),
        ("invoices/in_draft/send", &[], "/status", json!("open")),
        ("invoices/in_xxx/send", &[], "/status", json!("open")),
        ("invoices/in_xxx/void", &[], "/status", json!("void")),
        ("invoices/in_open/pay", &[], "/status", json!("paid")),
        (
            "invoiceitems",
            &[("customer", "cus_xxx"), ("invoice", "in_draft"), ("amount", "9900")],
            "/amount",
            json!(9900),
        ),
        (
            "payment_intents/pi_xxx/confirm",
            &[("payment_method", "pm_xxx"), ("return_url", "https://example.com/payment/complete")],
            "/status",
            json!("succeeded"),
        ),
        ("payment_intents/pi_requires_confirmation/confirm", &[], "/status", json!("succeeded")),
        (
            "payment_intents/pi_requires_capture/capture",
            &[("amount_to_capture", "5000")],
            "/amount_received",
            json!(5000),
        ),
        (
            "payment_intents/pi_xxx/cancel",
            &[("cancellation_reason", "requested_by_customer")],
            "/status",
            json!("canceled"),
        ),
        (
            "subscriptions",
            &[("customer", "cus_xxx"), ("items[0][price]", "price_xxx"), ("trial_period_days", "14")],
            "/status",
            json!("trialing"),
        ),
        (
            "subscriptions/sub_xxx",
            &[
                ("items[0][id]", "si_xxx"),
                ("items[0][price]", "price_new_xxx"),
                ("proration_behavior", "create_prorations"),
            ],
            "/items/data/0/price/id",
            json!("price_new_xxx"),
        ),
    ];
    for (path, params, pointer, expect) in rows {
        let stripe = with_fixtures().await;
        let answer = stripe.post(&format!("/v1/{path}"), params).await.ok();
        assert_eq!(answer.pointer(pointer), Some(expect), "{path}: {answer:#}");
    }
    let stripe = with_fixtures().await;
    let canceled = stripe.delete("/v1/subscriptions/sub_xxx?invoice_now=true&prorate=true").await.ok();
    assert_eq!(canceled["status"], "canceled");
    let found = stripe.get("/v1/balance_transactions?limit=100&type=charge").await.ok();
    assert_eq!(found["data"][0]["amount"], 9900);
}

#[tokio::test]
async fn every_documented_action_is_known() {
    let table = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let overlay = table(include_str!("../../../../catalog/stripe/overlay.json"));
    let operations = table(include_str!("../../../../catalog/stripe/2026-08-26.dahlia/operations.json"));
    let stripe = with_fixtures().await;
    let actions = overlay["actions"].as_object().unwrap();
    assert!(actions.len() >= 24, "{}", actions.len());
    for (name, action) in actions {
        let operation = &operations["operations"][action["operation"].as_str().unwrap()];
        let method = operation["method"].as_str().unwrap().parse().unwrap();
        let path: Vec<&str> = operation["path"].as_str().unwrap().split('/').collect();
        let path: Vec<&str> =
            path.into_iter().map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        let reply = stripe.send(method, &path.join("/"), "", &[]).await.unwrap();
        assert_ne!(reply.body["error"]["code"], "sandbox_unsupported", "{name}");
        assert!(
            reply.status < 500 && reply.body["error"]["code"] != json!(null) || reply.status == 200,
            "{name}"
        );
    }
}
