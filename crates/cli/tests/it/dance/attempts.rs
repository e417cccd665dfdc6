//! Attempts that come to nothing, and those who say things that are not so.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::stage::{Link, Stage, get, send};

#[test]
fn a_denial_is_told_to_the_person() {
    let stage = Stage::set().with_webhooks();
    let link = stage.link("books");
    assert_eq!(stage.deny(&link), 400);
    let state = stage.settled(&link);
    assert!(state["status"] == "failed" && state["message"].is_string(), "{state}");
    let page = get(stage.server.address, &link.page);
    assert!(page.body.contains("access_denied"), "the page says why: {page:?}");
    let shown = stage.connection(&link.connection);
    assert_eq!(shown["status"], "pending", "{shown}");
    assert!(shown["lastError"].is_string(), "{shown}");
    let again = stage.link("books");
    assert_eq!(again.connection, link.connection, "a pending one is renewed, not doubled");
    assert_eq!(stage.allow(&again, "acct_books"), 200);
    stage.succeeded(&again);
    let shown = stage.connection(&link.connection);
    assert_eq!((&shown["status"], &shown["lastError"]), (&json!("active"), &Value::Null), "{shown}");
}

#[test]
fn a_webhook_makes_it_active_before_anybody_looks() {
    let stage = Stage::set().with_webhooks();
    let link = stage.link("books");
    assert_eq!(stage.allow(&link, "acct_books"), 200);
    let sent = stage.show_nango("webhooks")["sent"].clone();
    assert_eq!(sent[0]["status"], 200, "{sent}");
    // A list asks nobody.
    let list = stage.ok("GET", "/connections", &Value::Null);
    let status = |list: &Value| {
        let all = list.as_array().unwrap().iter();
        all.filter(|one| one["id"] == link.connection.as_str())
            .map(|one| one["status"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(status(&list), [json!("active")], "{list}");
    stage.set_nango("resend", json!({"number": 1}));
    let sent = stage.show_nango("webhooks")["sent"].clone();
    assert_eq!(
        (&sent[1]["status"], stage.connection(&link.connection)["status"].as_str()),
        (&json!(200), Some("active"))
    );
}

/// What the server answers to a webhook.
fn webhook(stage: &Stage, attempt: &str, body: &str, key: &str) -> u16 {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let headers = [("content-type", "application/json"), ("x-nango-hmac-sha256", signature.as_str())];
    send(stage.server.address, "POST", &format!("/webhooks/nango/{attempt}"), &headers, body).status
}

fn attempt(link: &Link) -> &str {
    link.page.rsplit('/').next().unwrap()
}

#[test]
fn forged_news_change_nothing() {
    let stage = Stage::set();
    let link = stage.link("books");
    let attempt = attempt(&link);
    let success = json!({"type": "auth", "operation": "creation", "success": true, "connectionId": "x",
        "provider": "stripe-app", "providerConfigKey": "stripe-app", "tags": {"attempt": attempt}});
    let failure = json!({"type": "auth", "operation": "creation", "success": false, "connectionId": "x",
        "error": {"type": "invalid_callback", "description": "no"}});
    let key = stage.nango.signing_key().to_owned();
    assert_eq!(webhook(&stage, attempt, &failure.to_string(), "another key"), 401);
    let unsigned =
        send(stage.server.address, "POST", &format!("/webhooks/nango/{attempt}"), &[], &failure.to_string());
    assert_eq!(unsigned.status, 401);
    let unknown = "00000000-0000-4000-8000-000000000000";
    assert_eq!(webhook(&stage, unknown, &success.to_string(), "another key"), 401);
    assert!((200..500).contains(&webhook(&stage, unknown, &success.to_string(), &key)));
    assert!((200..500).contains(&webhook(&stage, "no-uuid", &success.to_string(), &key)));
    assert_eq!(
        webhook(&stage, attempt, &json!({"type": "sync"}).to_string(), &key),
        200,
        "other news are ignored"
    );
    // Rightly signed, but Nango knows of no such connection.
    assert_eq!(webhook(&stage, attempt, &success.to_string(), &key), 200);
    assert_eq!(stage.connection(&link.connection)["status"], "pending");
    for query in ["success=true", "success=true&redirectUrl=https://evil.example/", "error=access_denied"] {
        let path = format!("/api/v1/connections/callback?connectionId={}&{query}", link.connection);
        let back = get(stage.server.address, &path);
        assert!(back.status < 500 && !back.head.contains("evil.example"), "{back:?}");
        assert_eq!(stage.connection(&link.connection)["status"], "pending", "{query}");
    }
    assert_eq!(stage.state(&link)["status"], "open");
    for page in ["/connect/00000000-0000-4000-8000-000000000000", "/connect/x", "/connect/x/state"] {
        assert_eq!(get(stage.server.address, page).status, 404, "{page}");
    }
    let (status, answer) =
        stage.call("GET", "/connections/stripe/auth-url?redirectUrl=https://evil.example/", &Value::Null);
    assert_eq!(status, 400, "{answer}");
    assert_eq!(stage.allow(&link, "acct_books"), 200);
    stage.succeeded(&link);
}
