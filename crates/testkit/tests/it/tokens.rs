//! When tokens are renewed, what happens when that fails, and what a sandbox makes of them.

use loopfour_sandbox::Sandbox;
use loopfour_testkit::nango::{Config, Nango};
use serde_json::{Value, json};

use crate::ask::{Ask, http};

const MINUTE: i64 = 60_000;

#[tokio::test]
async fn a_token_is_renewed_in_its_last_quarter_of_an_hour() {
    let ask = Ask::start().await;
    let id = ask.connect("t", "acct_a").await;
    let first = ask.connection(&id, "").await.with(200)["credentials"].clone();
    assert_eq!(first["expires_at"], "2026-11-24T13:00:00.000Z");
    assert_eq!((&first["raw"]["expires_in"], &first["raw"]["livemode"]), (&json!(3600), &json!(false)));
    assert!(first["refresh_token"].is_null() && first["raw"]["refresh_token"].is_null(), "{first}");
    ask.clock.advance(45 * MINUTE);
    assert_eq!(ask.connection(&id, "").await.with(200)["credentials"], first, "not yet");
    ask.clock.advance(1);
    let second = ask.connection(&id, "&refresh_token=true").await.with(200)["credentials"].clone();
    assert_ne!(second["access_token"], first["access_token"]);
    assert_eq!(second["expires_at"], "2026-11-24T13:45:00.001Z");
    let third =
        ask.connection(&id, "&force_refresh=true&refresh_token=true").await.with(200)["credentials"].clone();
    assert_ne!(third["access_token"], second["access_token"]);
    assert_ne!(third["refresh_token"], second["refresh_token"], "it rotates");
}

#[tokio::test]
async fn calls_at_once_share_a_refresh() {
    let ask = Ask::start().await;
    let id = ask.connect("t", "acct_a").await;
    ask.clock.advance(50 * MINUTE);
    let (a, b, c) = tokio::join!(ask.connection(&id, ""), ask.connection(&id, ""), ask.connection(&id, ""));
    let token = |reply: &crate::ask::Reply| reply.with(200)["credentials"]["access_token"].clone();
    assert_eq!((token(&a), token(&b)), (token(&b), token(&c)));
}

#[tokio::test]
async fn a_failed_refresh_hands_out_nothing_and_backs_off() {
    let ask = Ask::start().await;
    let id = ask.connect("t", "acct_a").await;
    ask.clock.advance(50 * MINUTE);
    ask.nango.set("tokens", json!({"failing_refreshes": 1})).await;
    let failed = ask.connection(&id, "").await;
    assert_eq!(failed.refusal(), "400 invalid_credentials");
    let shown = failed.json()["error"]["payload"]["connection"].clone();
    assert_eq!((&shown["credentials"], &shown["errors"][0]["type"]), (&json!({}), &json!("auth")));
    ask.clock.advance(29_999);
    assert_eq!(ask.connection(&id, "").await.refusal(), "424 invalid_credentials");
    let list = ask.get("/connections").await.with(200);
    assert_eq!(list["connections"][0]["errors"][0]["type"], "auth");
    ask.clock.advance(1);
    assert_eq!(ask.connection(&id, "").await.with(200)["errors"], json!([]));
}

#[tokio::test]
async fn a_forced_refresh_does_not_back_off() {
    let ask = Ask::start().await;
    let id = ask.connect("t", "acct_a").await;
    ask.nango.set("tokens", json!({"failing_refreshes": 1})).await;
    assert_eq!(ask.connection(&id, "&force_refresh=true").await.refusal(), "400 invalid_credentials");
    ask.connection(&id, "&force_refresh=true").await.with(200);
}

#[tokio::test]
async fn failures_on_four_days_are_the_end_until_forced() {
    let ask = Ask::start().await;
    let id = ask.connect("t", "acct_a").await;
    ask.nango.set("tokens", json!({"failing_refreshes": 4})).await;
    for _ in 0..4 {
        ask.clock.advance(24 * 60 * MINUTE);
        assert_eq!(ask.connection(&id, "").await.refusal(), "400 invalid_credentials");
    }
    ask.clock.advance(24 * 60 * MINUTE);
    assert_eq!(ask.connection(&id, "").await.refusal(), "424 invalid_credentials");
    ask.connection(&id, "&force_refresh=true").await.with(200);
}

#[tokio::test]
async fn tokens_without_expiry_are_never_renewed() {
    let ask = Ask::start().await;
    ask.nango.set("tokens", json!({"lifetime": null})).await;
    let id = ask.connect("t", "acct_a").await;
    let first = ask.connection(&id, "").await.with(200)["credentials"].clone();
    assert!(first["expires_at"].is_null() && first["raw"]["expires_in"].is_null(), "{first}");
    ask.clock.advance(1000 * 60 * MINUTE);
    assert_eq!(ask.connection(&id, "&force_refresh=true").await.with(200)["credentials"], first);
}

#[tokio::test]
async fn a_key_that_may_not_read_credentials_sees_none() {
    let ask = Ask::start().await;
    let id = ask.connect("t", "acct_a").await;
    ask.nango.set("tokens", json!({"hidden": true})).await;
    assert_eq!(ask.connection(&id, "").await.with(200)["credentials"], json!({}));
    assert_eq!(ask.connection(&id, "&force_refresh=true").await.refusal(), "403 forbidden");
}

/// A sandbox of its own task; its address.
async fn sandbox() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let sandbox = Sandbox::open(loopfour_sandbox::Config::default()).unwrap();
    tokio::spawn(sandbox.serve(listener, std::future::pending()));
    address
}

/// Status and account of a token.
async fn account(stripe: &str, token: &Value) -> (u16, Value) {
    let token = token.as_str().unwrap();
    let reply = http().get(format!("{stripe}/v1/account")).bearer_auth(token).send().await.unwrap();
    let status = reply.status().as_u16();
    let body: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
    (status, body["id"].clone())
}

#[tokio::test]
async fn the_sandbox_takes_tokens_as_their_accounts() {
    let stripe = sandbox().await;
    let nango = Nango::start(Config { stripe: Some(stripe.clone()), ..Config::default() }).await.unwrap();
    // With the system's time, as the sandbox has it.
    let ask = Ask { nango, ..Ask::start().await };
    let id = ask.connect("t", "acct_a").await;
    let token = |reply: crate::ask::Reply| reply.with(200)["credentials"]["access_token"].clone();
    let first = token(ask.connection(&id, "").await);
    assert_eq!(account(&stripe, &first).await, (200, json!("acct_a")));
    let second = token(ask.connection(&id, "&force_refresh=true").await);
    assert_eq!(account(&stripe, &second).await, (200, json!("acct_a")));
    ask.nango.set("revoke", json!({"connection_id": id})).await;
    assert_eq!(account(&stripe, &second).await.0, 401);
    assert_eq!(
        ask.connection(&id, "").await.with(200)["credentials"]["access_token"],
        second,
        "Nango does not know yet"
    );
    assert_eq!(ask.connection(&id, "&force_refresh=true").await.refusal(), "400 invalid_credentials");
    let advance = http().post(format!("{stripe}/_sandbox/clock")).body(json!({"advance": 3600}).to_string());
    advance.send().await.unwrap();
    assert_eq!(account(&stripe, &first).await.0, 401, "it has ended");
}

#[tokio::test]
async fn without_the_provider_nothing_is_issued() {
    let ask = Ask::with(Config { stripe: Some("http://127.0.0.1:1".to_owned()), ..Config::default() }).await;
    let link = ask.link(&ask.session("t").await);
    let page = ask.nango.allow(&link, "acct_a").await.unwrap();
    assert!(page.status == 400 && page.body.contains("does not answer"), "{page:?}");
}
