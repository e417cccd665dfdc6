//! The same key again: replayed, refused, or free.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::stripe::{Stripe, id};

const CUSTOMERS: &str = "/v1/customers";

async fn count(stripe: &Stripe) -> usize {
    stripe.get("/v1/customers?limit=100").await.ok()["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn the_same_call_is_replayed_and_happens_once() {
    let stripe = Stripe::start().await;
    let params = [("email", "ada@example.com"), ("metadata[a]", "1"), ("metadata[b]", "2")];
    let first = stripe.post_with_key(CUSTOMERS, &params, "k1").await;
    let request = first.header("request-id").unwrap().to_owned();
    assert_eq!(first.header("original-request"), Some(&*request));
    assert_eq!(first.header("idempotency-key"), Some("k1"));
    assert_eq!(first.header("idempotent-replayed"), None);
    let reordered = [params[2], params[0], params[1]];
    for params in [params, reordered] {
        let again = stripe.post_with_key(CUSTOMERS, &params, "k1").await;
        assert_eq!((again.status, &again.body), (200, &first.body));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.header("original-request"), Some(&*request));
        assert_ne!(again.header("request-id"), Some(&*request));
    }
    assert_eq!(count(&stripe).await, 1);
    stripe.post_with_key(CUSTOMERS, &params, "k2").await.ok();
    assert_eq!(count(&stripe).await, 2, "another key is another call");
}

#[tokio::test]
async fn a_replay_answers_as_the_first_time_although_the_object_has_changed() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let params = [("customer", &*customer)];
    let first = stripe.post_with_key("/v1/invoices", &params, "k").await.ok();
    stripe.post(&format!("/v1/invoices/{}/finalize", id(&first)), &[]).await.ok();
    let again = stripe.post_with_key("/v1/invoices", &params, "k").await.ok();
    assert_eq!((&again, &again["status"]), (&first, &json!("draft")));
}

#[tokio::test]
async fn another_call_under_the_same_key_is_refused() {
    let stripe = Stripe::start().await;
    let first = stripe.post_with_key(CUSTOMERS, &[("name", "Ada")], "k").await.ok();
    let params = [("customer", &*id(&first))];
    let other = [
        stripe.post_with_key(CUSTOMERS, &[("name", "Bob")], "k").await,
        stripe.post_with_key(CUSTOMERS, &[], "k").await,
        stripe.post_with_key(CUSTOMERS, &[("nome", "Ada")], "k").await,
        stripe.post_with_key("/v1/invoices", &params, "k").await,
    ];
    for reply in other {
        assert_eq!(reply.error(), "400 idempotency_error - -");
        assert_eq!(reply.header("idempotent-replayed"), None);
    }
    let again = stripe.post_with_key(CUSTOMERS, &[("name", "Ada")], "k").await.ok();
    assert_eq!(again, first, "the refusals have not touched what is saved");
}

#[tokio::test]
async fn refusals_of_the_operation_are_saved_and_those_of_the_door_are_not() {
    let stripe = Stripe::start().await;
    let missing = [("customer", "cus_x")];
    let first = stripe.post_with_key("/v1/invoices", &missing, "saved").await;
    assert_eq!(first.error(), "400 invalid_request_error resource_missing customer");
    let again = stripe.post_with_key("/v1/invoices", &missing, "saved").await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), (Some("true"), &first.body));

    let reply = stripe.post_with_key(CUSTOMERS, &[("nome", "Ada")], "free").await;
    assert_eq!(reply.error(), "400 invalid_request_error parameter_unknown nome");
    let reply = stripe.post_with_key(CUSTOMERS, &[("email", "ada")], "free").await;
    assert_eq!(reply.error(), "400 invalid_request_error email_invalid email");
    let headers = [("authorization", "Bearer sk_live_x"), ("idempotency-key", "free")];
    let reply = stripe.send(Method::POST, CUSTOMERS, "name=Ada", &headers).await.unwrap();
    assert_eq!(reply.status, 401);
    let corrected = stripe.post_with_key(CUSTOMERS, &[("name", "Ada")], "free").await;
    assert_eq!(corrected.header("idempotent-replayed"), None);
    corrected.ok();
}

#[tokio::test]
async fn a_key_is_held_while_its_call_is_in_flight() {
    let stripe = Stripe::start().await;
    let fault = json!({"kind": "delay", "milliseconds": 60_000, "match": {"path": CUSTOMERS}});
    stripe.control("POST", "faults", fault).await.ok();
    let slow = Stripe::at(stripe.base.clone());
    let first = tokio::spawn(async move { slow.try_post(CUSTOMERS, &[("name", "Ada")], "k").await });
    while stripe.control("GET", "calls", json!(null)).await.ok()["calls"] == json!([]) {
        tokio::task::yield_now().await;
    }
    let second = stripe.post_with_key(CUSTOMERS, &[("name", "Ada")], "k").await;
    assert_eq!(second.error(), "409 idempotency_error idempotency_key_in_use -");
    stripe.post_with_key(CUSTOMERS, &[("name", "Ada")], "other").await.ok();
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // The sandbox sees that the first caller is gone, and lets go of the key without having written.
    let free = async {
        loop {
            let reply = stripe.post_with_key(CUSTOMERS, &[("name", "Ada")], "k").await;
            if reply.status != 409 {
                return reply;
            }
        }
    };
    let reply = tokio::time::timeout(Duration::from_secs(10), free).await.unwrap();
    assert_eq!(reply.header("idempotent-replayed"), None);
    assert_eq!(count(&stripe).await, 2);
}

#[tokio::test]
async fn keys_are_forgotten_after_a_day_and_are_their_accounts_own() {
    let accounts = [("sk_test_b".to_owned(), "acct_b".to_owned())].into();
    let stripe = Stripe::with(loopfour_sandbox::Config { accounts, ..Default::default() }).await;
    let params = [("name", "Ada")];
    let first = stripe.post_with_key(CUSTOMERS, &params, "k").await.ok();
    let headers = [("authorization", "Bearer sk_test_b"), ("idempotency-key", "k")];
    let other = stripe.send(Method::POST, CUSTOMERS, "name=Bob", &headers).await.unwrap().ok();
    assert_ne!(id(&other), id(&first));
    stripe.control("POST", "clock", json!({"advance": 86_000})).await.ok();
    assert_eq!(stripe.post_with_key(CUSTOMERS, &params, "k").await.ok(), first);
    stripe.control("POST", "clock", json!({"advance": 500})).await.ok();
    let fresh = stripe.post_with_key(CUSTOMERS, &[("name", "Bob")], "k").await;
    assert_eq!(fresh.header("idempotent-replayed"), None);
    assert_ne!(id(&fresh.ok()), id(&first));
}

#[tokio::test]
async fn keys_count_on_posts_alone_and_have_a_length() {
    let stripe = Stripe::start().await;
    let key = [("idempotency-key", "k")];
    let get = || stripe.send(Method::GET, CUSTOMERS, "", &key);
    assert_eq!(get().await.unwrap().ok()["data"], json!([]));
    stripe.customer("ada@example.com").await;
    let reply = get().await.unwrap();
    assert_eq!(reply.header("idempotency-key"), None);
    assert_eq!(reply.ok()["data"].as_array().unwrap().len(), 1);
    stripe.post_with_key(CUSTOMERS, &[], &"k".repeat(255)).await.ok();
    let reply = stripe.post_with_key(CUSTOMERS, &[], &"k".repeat(256)).await;
    assert_eq!(reply.error(), "400 invalid_request_error - -");
}

#[tokio::test]
async fn many_at_once_under_one_key_make_one_object() {
    let stripe = std::sync::Arc::new(Stripe::start().await);
    let calls: Vec<_> = (0..32)
        .map(|_| {
            let stripe = std::sync::Arc::clone(&stripe);
            tokio::spawn(async move { stripe.post_with_key(CUSTOMERS, &[("name", "Ada")], "k").await })
        })
        .collect();
    let mut ids = Vec::new();
    for call in calls {
        let reply = call.await.unwrap();
        match reply.status {
            200 => ids.push(id(&reply.body)),
            status => assert_eq!(status, 409, "{}", reply.body),
        }
    }
    ids.dedup();
    assert_eq!((ids.len(), count(&stripe).await), (1, 1));
}
