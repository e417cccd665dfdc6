//! Each way to misbehave: what the caller sees, what is written, and what a retry under the key gets.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stripe::{Reply, Stripe};

const CUSTOMERS: &str = "/v1/customers";

async fn with(fault: Value) -> Stripe {
    let stripe = Stripe::start().await;
    stripe.control("POST", "faults", fault).await.ok();
    stripe
}

async fn create(stripe: &Stripe) -> Result<Reply, reqwest::Error> {
    stripe.try_post(CUSTOMERS, &[("name", "Ada")], "k").await
}

async fn count(stripe: &Stripe) -> usize {
    stripe.get("/v1/customers?limit=100").await.ok()["data"].as_array().unwrap().len()
}

/// What the first call gets, how much it wrote, what the retry gets, whether that was replayed, and
/// how much there is then.
async fn story(kind: &str) -> (String, usize, u16, bool, usize) {
    let stripe = with(json!({"kind": kind, "match": {"method": "POST"}})).await;
    let first = create(&stripe).await.map_or("cut".to_owned(), |reply| reply.error());
    let written = count(&stripe).await;
    let retry = create(&stripe).await.unwrap();
    let replayed = retry.header("idempotent-replayed").is_some();
    (first, written, retry.status, replayed, count(&stripe).await)
}

#[tokio::test]
async fn every_fault_tells_its_story() {
    let rows: &[(&str, &str, usize, u16, bool, usize)] = &[
        ("rate_limit", "429 invalid_request_error rate_limit -", 0, 200, false, 1),
        ("conflict", "409 idempotency_error idempotency_key_in_use -", 0, 200, false, 1),
        ("lock_timeout", "429 invalid_request_error lock_timeout -", 0, 200, false, 1),
        ("busy", "409 invalid_request_error - -", 0, 200, false, 1),
        ("error", "500 api_error - -", 0, 200, false, 1),
        ("error_saved", "500 api_error - -", 0, 500, true, 0),
        ("error_saved_after_write", "500 api_error - -", 1, 500, true, 1),
        ("cut_before_write", "cut", 0, 200, false, 1),
        ("cut_after_write", "cut", 1, 200, true, 1),
    ];
    for (kind, first, written, retry, replayed, finally) in rows {
        let expect = ((*first).to_owned(), *written, *retry, *replayed, *finally);
        assert_eq!(story(kind).await, expect, "{kind}");
    }
}

#[tokio::test]
async fn rate_limits_say_when_and_why() {
    let stripe = with(
        json!({"kind": "rate_limit", "retry_after": 7, "reason": "endpoint-rate", "match": {"count": 1}}),
    )
    .await;
    let reply = create(&stripe).await.unwrap();
    assert_eq!(reply.header("retry-after"), Some("7"));
    assert_eq!(reply.header("stripe-rate-limited-reason"), Some("endpoint-rate"));
    stripe.control("POST", "faults", json!({"kind": "rate_limit"})).await.ok();
    let reply = create(&stripe).await.unwrap();
    assert_eq!((reply.status, reply.header("retry-after")), (429, None));
}

#[tokio::test]
async fn conflicts_and_errors_say_whether_to_try_again() {
    for kind in ["busy", "error"] {
        for should_retry in [true, false] {
            let stripe = with(json!({"kind": kind, "should_retry": should_retry})).await;
            let reply = create(&stripe).await.unwrap();
            let told = reply.header("stripe-should-retry").map(str::to_owned);
            assert_eq!(told, Some(should_retry.to_string()), "{kind}");
        }
        let stripe = with(json!({"kind": kind})).await;
        assert_eq!(create(&stripe).await.unwrap().header("stripe-should-retry"), None, "{kind}");
    }
}

#[tokio::test]
async fn delays_come_before_or_after_the_write() {
    for kind in ["delay", "delay_after_write"] {
        let stripe = with(json!({"kind": kind, "milliseconds": 60})).await;
        let start = Instant::now();
        create(&stripe).await.unwrap().ok();
        assert!(start.elapsed() >= Duration::from_millis(60), "{kind}");
        assert_eq!(count(&stripe).await, 1);
    }
}

#[tokio::test]
async fn faults_choose_their_calls() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let invoice = stripe.invoice(&customer).await;
    let fault =
        json!({"kind": "error", "match": {"path": "/v1/invoices/*", "method": "get", "nth": 2, "count": 2}});
    stripe.control("POST", "faults", fault).await.ok();
    let path = format!("/v1/invoices/{invoice}");
    let mut statuses = Vec::new();
    for _ in 0..5 {
        stripe.get("/v1/invoices").await.ok();
        statuses.push(stripe.get(&path).await.status);
    }
    assert_eq!(statuses, [200, 500, 500, 200, 200]);
    let faults = stripe.control("GET", "faults", json!(null)).await.ok();
    assert_eq!((&faults["faults"][0]["matched"], &faults["faults"][0]["met"]), (&json!(5), &json!(2)));
    stripe.control("DELETE", "faults", json!(null)).await.ok();
    assert_eq!(stripe.control("GET", "faults", json!(null)).await.ok(), json!({"faults": []}));
}

#[tokio::test]
async fn faults_come_one_after_another() {
    let stripe = Stripe::start().await;
    for kind in ["rate_limit", "error"] {
        stripe.control("POST", "faults", json!({"kind": kind})).await.ok();
    }
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(stripe.get(CUSTOMERS).await.status);
    }
    assert_eq!(statuses, [429, 500, 200]);
}

#[tokio::test]
async fn a_cut_leaves_the_sandbox_serving() {
    let stripe = with(json!({"kind": "cut_before_write", "match": {"count": 5}})).await;
    for _ in 0..5 {
        assert!(create(&stripe).await.is_err());
    }
    create(&stripe).await.unwrap().ok();
    let calls = stripe.control("GET", "calls", json!(null)).await.ok();
    assert_eq!((&calls["calls"][0]["cut"], &calls["calls"][0]["status"]), (&json!(true), &json!(null)));
}

#[tokio::test]
async fn faults_that_make_no_sense_are_refused() {
    let stripe = Stripe::start().await;
    let rows = [
        (json!({"kind": "explode"}), "unknown variant `explode`"),
        (json!({"kind": "error", "when": 1}), "unknown field `when`"),
        (json!({"kind": "error", "match": {"nth": 0}}), "start from 1"),
        (json!({"kind": "delay"}), "milliseconds"),
        (json!({"kind": "delay", "milliseconds": 600_001}), "milliseconds"),
        (json!({"kind": "rate_limit", "reason": "two\r\nlines"}), "reason"),
    ];
    for (fault, message) in rows {
        let reply = stripe.control("POST", "faults", fault.clone()).await;
        let told = reply.body["error"]["message"].as_str().unwrap_or_default();
        assert!(reply.status == 400 && told.contains(message), "{fault}: {}", reply.body);
    }
}
