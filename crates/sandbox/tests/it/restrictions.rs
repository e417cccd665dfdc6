//! Rate limits, keys and OAuth tokens, when the sandbox is told of them.

use reqwest::Method;
use serde_json::json;

use crate::stripe::{KEY, Reply, Stripe};

#[tokio::test]
async fn rate_limits_hold_once_asked_for() {
    let stripe = Stripe::start().await;
    let limits = stripe.control("POST", "limits", json!({"read": 2, "write": 1})).await.ok();
    assert_eq!(limits["limits"], json!({"read": 2, "write": 1, "total": null, "endpoint": null}));
    let mut refused: Vec<Reply> = Vec::new();
    for _ in 0..30 {
        refused.push(stripe.get("/v1/customers").await);
    }
    refused.retain(|reply| reply.status != 200);
    // The machine may be slow, but thirty calls do not take it fifteen seconds.
    let first = refused.first().unwrap();
    assert_eq!(first.error(), "429 invalid_request_error rate_limit -");
    assert_eq!(first.header("stripe-rate-limited-reason"), Some("global-rate"));
    stripe.control("POST", "limits", json!({"total": 0})).await.ok();
    assert_eq!(stripe.post("/v1/customers", &[]).await.status, 429);
    stripe.control("DELETE", "limits", json!(null)).await.ok();
    stripe.post("/v1/customers", &[]).await.ok();
    stripe.control("POST", "limits", json!({"endpoint": 1})).await.ok();
    let (one, other) = (stripe.post("/v1/customers", &[]).await, stripe.get("/v1/customers").await);
    assert_eq!((one.status, other.status), (200, 200));
    let refused = stripe.post("/v1/customers", &[]).await;
    // Where the machine took a second for it, it passes.
    let told = (refused.status == 429).then(|| refused.header("stripe-rate-limited-reason"));
    assert!(told.is_none_or(|reason| reason == Some("endpoint-rate")));
    let counts = stripe.control("GET", "limits", json!(null)).await.ok()["counts"].clone();
    assert_eq!(counts["passed"].as_u64().unwrap() + counts["endpoint"].as_u64().unwrap(), 3, "{counts}");
    let wrong = stripe.control("POST", "limits", json!({"reads": 1})).await;
    assert!(wrong.body["error"]["message"].as_str().unwrap().contains("unknown field `reads`"));
}

#[tokio::test]
async fn a_refused_call_leaves_its_key_free() {
    let stripe = Stripe::start().await;
    stripe.control("POST", "limits", json!({"write": 0})).await.ok();
    assert_eq!(stripe.post_with_key("/v1/customers", &[], "k").await.status, 429);
    stripe.control("DELETE", "limits", json!(null)).await.ok();
    let made = stripe.post_with_key("/v1/customers", &[], "k").await;
    assert_eq!((made.status, made.header("idempotent-replayed")), (200, None));
}

#[tokio::test]
async fn keys_are_revoked_and_expire() {
    let stripe = Stripe::start().await;
    stripe.control("POST", "keys", json!({"key": KEY, "revoked": true})).await.ok();
    assert_eq!(stripe.get("/v1/account").await.error(), "401 invalid_request_error - -");
    let other = [("authorization", "Bearer sk_test_other")];
    stripe.send(Method::GET, "/v1/account", "", &other).await.unwrap().ok();
    let now = stripe.control("GET", "clock", json!(null)).await.ok()["now"].as_i64().unwrap();
    stripe.control("POST", "keys", json!({"key": KEY, "expires_at": now + 1000})).await.ok();
    stripe.get("/v1/account").await.ok();
    stripe.control("POST", "clock", json!({"advance": 1000})).await.ok();
    assert_eq!(stripe.get("/v1/account").await.error(), "401 invalid_request_error api_key_expired -");
    stripe.control("DELETE", "keys", json!(null)).await.ok();
    stripe.get("/v1/account").await.ok();
}

#[tokio::test]
async fn limited_keys_do_only_what_they_may() {
    let stripe = Stripe::start().await;
    let may = json!({"key": "rk_test_limited", "permissions": ["customer_read", "invoice_write"]});
    stripe.control("POST", "keys", may).await.ok();
    let limited = [("authorization", "Bearer rk_test_limited")];
    let rows = [
        (Method::GET, "/v1/customers", 200, ""),
        (Method::POST, "/v1/customers", 403, "rak_customer_write"),
        (Method::GET, "/v1/invoices", 200, ""),
        (Method::GET, "/v1/invoiceitems", 200, ""),
        (Method::POST, "/v1/invoices", 400, "customer"),
        (Method::GET, "/v1/balance", 403, "rak_balance_read"),
        (Method::GET, "/v1/payment_intents/pi_x", 403, "rak_payment_intent_read"),
        (Method::DELETE, "/v1/subscriptions/sub_x", 403, "rak_subscription_write"),
    ];
    for (method, path, status, told) in rows {
        let reply = stripe.send(method, path, "", &limited).await.unwrap();
        let message = reply.body["error"]["message"].as_str().unwrap_or_default();
        assert!(reply.status == status && message.contains(told), "{path}: {}", reply.body);
    }
}

/// A call with a key, on behalf of an account where one is named.
async fn call(stripe: &Stripe, method: Method, path: &str, key: &str, account: &str) -> Reply {
    let bearer = format!("Bearer {key}");
    stripe.send(method, path, "", &[("authorization", &bearer), ("stripe-account", account)]).await.unwrap()
}

#[tokio::test]
async fn tokens_are_their_accounts() {
    let stripe = Stripe::start().await;
    let refused = call(&stripe, Method::GET, "/v1/account", "sk_acct_token_1", "").await;
    assert_eq!(refused.error(), "401 invalid_request_error - -", "nobody told of it");
    for (key, account) in
        [("sk_acct_token_1", "acct_a"), ("any token+1/=", "acct_b"), ("sk_test_b", "acct_b")]
    {
        stripe.control("POST", "keys", json!({"key": key, "account": account})).await.ok();
        let body = call(&stripe, Method::GET, "/v1/account", key, "").await.ok();
        assert_eq!(body["id"], account, "{key}");
    }
    let made = call(&stripe, Method::POST, "/v1/customers", "any token+1/=", "").await.ok();
    assert_eq!(made["livemode"], false);
    let path = format!("/v1/customers/{}", made["id"].as_str().unwrap());
    let rows = [("sk_test_b", 200, 1), ("sk_acct_token_1", 404, 0), (KEY, 404, 0)];
    for (key, status, count) in rows {
        assert_eq!(call(&stripe, Method::GET, &path, key, "").await.status, status, "{key}");
        let list = call(&stripe, Method::GET, "/v1/customers", key, "").await.ok();
        assert_eq!(list["data"].as_array().unwrap().len(), count, "{key}");
    }
    let calls = stripe.control("GET", "calls", json!(null)).await.ok()["calls"].clone();
    let of = |number: usize| calls[number - 1]["account"].clone();
    assert_eq!((of(1), of(2), of(3)), (json!(null), json!("acct_a"), json!("acct_b")));
    let revoked = json!({"key": "sk_acct_token_1", "account": "acct_a", "revoked": true});
    stripe.control("POST", "keys", revoked).await.ok();
    assert_eq!(call(&stripe, Method::GET, "/v1/account", "sk_acct_token_1", "").await.status, 401);
    stripe.control("POST", "reset", json!(null)).await.ok();
    assert_eq!(call(&stripe, Method::GET, "/v1/account", "any token+1/=", "").await.status, 401);
}

#[tokio::test]
async fn a_platform_acts_for_the_accounts_connected_to_it() {
    let stripe = Stripe::start().await;
    let platform = "sk_test_platform";
    let told = json!({"key": platform, "account": "acct_p", "connected": ["acct_a"]});
    stripe.control("POST", "keys", told).await.ok();
    let customer = call(&stripe, Method::POST, "/v1/customers", platform, "acct_a").await.ok();
    let path = format!("/v1/customers/{}", customer["id"].as_str().unwrap());
    let rows = [
        ("acct_a", "/v1/account", "200 - - -"),
        ("acct_a", &path, "200 - - -"),
        ("acct_p", "/v1/account", "200 - - -"),
        ("", &path, "404 invalid_request_error resource_missing id"),
        ("acct_b", "/v1/account", "403 invalid_request_error account_invalid -"),
    ];
    for (account, path, expect) in rows {
        let reply = call(&stripe, Method::GET, path, platform, account).await;
        assert_eq!(reply.error(), expect, "{account} {path}");
    }
    let body = call(&stripe, Method::GET, "/v1/account", platform, "acct_a").await.ok();
    assert_eq!(body["id"], "acct_a");
    let other = call(&stripe, Method::GET, "/v1/account", KEY, "acct_a").await;
    assert_eq!(other.error(), "403 invalid_request_error account_invalid -", "another key is no platform's");
}

#[tokio::test]
async fn live_keys_are_not_told_either() {
    let stripe = Stripe::start().await;
    for key in ["sk_live_x", "rk_live_x", ""] {
        let reply = stripe.control("POST", "keys", json!({"key": key, "account": "acct_a"})).await;
        assert_eq!(reply.status, 400, "{key}");
    }
    assert_eq!(call(&stripe, Method::GET, "/v1/account", "sk_live_x", "").await.status, 401);
}
