//! Webhook endpoints: what is taken, what is refused, and that the secret is told once.

use serde_json::json;

use crate::stripe::{Stripe, id};

const URL: (&str, &str) = ("url", "http://127.0.0.1:1/hook");

#[tokio::test]
async fn an_endpoint_is_made_changed_and_deleted() {
    let stripe = Stripe::start().await;
    let params = [
        URL,
        ("enabled_events[]", "invoice.paid"),
        ("enabled_events[]", "*"),
        ("description", "ours"),
        ("metadata[a]", "1"),
        ("api_version", "2024-06-20"),
    ];
    let made = stripe.post("/v1/webhook_endpoints", &params).await.ok();
    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 38, "{secret}");
    assert_eq!((&made["status"], &made["livemode"]), (&json!("enabled"), &json!(false)));
    assert_eq!(made["enabled_events"], json!(["invoice.paid", "*"]));
    assert_eq!(made["api_version"], "2024-06-20");
    let path = format!("/v1/webhook_endpoints/{}", id(&made));
    let read = stripe.get(&path).await.ok();
    assert_eq!((&read["secret"], &read["metadata"]), (&json!(null), &json!({"a": "1"})));
    let changed = stripe
        .post(&path, &[("disabled", "true"), ("enabled_events[]", "invoice.sent"), ("description", "")])
        .await
        .ok();
    assert_eq!((&changed["status"], &changed["description"]), (&json!("disabled"), &json!(null)));
    assert_eq!((&changed["enabled_events"], &changed["secret"]), (&json!(["invoice.sent"]), &json!(null)));
    let again = stripe.post(&path, &[("disabled", "false"), ("url", "https://example.com/")]).await.ok();
    assert_eq!((&again["status"], &again["url"]), (&json!("enabled"), &json!("https://example.com/")));
    let list = stripe.get("/v1/webhook_endpoints").await.ok();
    assert_eq!(list["data"], json!([again]));
    assert_eq!(stripe.delete(&path).await.ok()["deleted"], true);
    assert_eq!(
        stripe.get(&path).await.error(),
        "404 invalid_request_error resource_missing webhook_endpoint"
    );
    assert_eq!(stripe.get("/v1/webhook_endpoints").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn what_is_no_endpoint_is_refused() {
    let stripe = Stripe::start().await;
    let all = ("enabled_events[]", "*");
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[all], "400 invalid_request_error parameter_missing url"),
        (&[URL], "400 invalid_request_error parameter_missing enabled_events"),
        (&[URL, ("enabled_events[]", "invoice.payed")], "400 invalid_request_error - enabled_events[0]"),
        (&[("url", "ftp://example.com"), all], "400 invalid_request_error url_invalid url"),
        (&[("url", "example.com/hook"), all], "400 invalid_request_error url_invalid url"),
        (&[("url", "http://"), all], "400 invalid_request_error url_invalid url"),
        (&[URL, all, ("api_version", "2024-01-01")], "400 invalid_request_error - api_version"),
        (&[URL, all, ("disabled", "true")], "400 invalid_request_error parameter_unknown disabled"),
    ];
    for (params, expect) in rows {
        let reply = stripe.post("/v1/webhook_endpoints", params).await;
        assert_eq!(reply.error(), *expect, "{params:?}: {}", reply.body);
    }
    for _ in 0..16 {
        stripe.post("/v1/webhook_endpoints", &[URL, all]).await.ok();
    }
    let reply = stripe.post("/v1/webhook_endpoints", &[URL, all]).await;
    assert!(reply.status == 400 && reply.body.to_string().contains("at most 16"), "{}", reply.body);
}
