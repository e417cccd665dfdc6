//! What it says by webhook, to a listener that takes down what it hears.

use hmac::{Hmac, KeyInit, Mac};
use loopfour_testkit::nango::{Config, Nango};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::ask::Ask;

/// A webhook that was sent, and its body.
async fn sent(nango: &Nango) -> Vec<(Value, Value)> {
    let shown = nango.show("webhooks").await;
    let sent = shown["sent"].as_array().unwrap().iter();
    sent.map(|one| (one.clone(), serde_json::from_str(one["body"].as_str().unwrap()).unwrap())).collect()
}

/// A fake whose webhooks go to another fake, which does not know the path.
async fn listening() -> (Ask, Nango) {
    let ask = Ask::start().await;
    let listener = Nango::start(Config::default()).await.unwrap();
    let address = listener.url().strip_prefix("http://").unwrap();
    ask.nango.set("webhooks", json!({"on": true, "deliver_to": address})).await;
    (ask, listener)
}

async fn session(ask: &Ask) -> String {
    let body = json!({
        "end_user": {"id": "u1"},
        "tags": {"attempt": "1"},
        "webhook_url_override": "https://loopfour.example/webhooks/nango/1",
    });
    let made = ask.call("POST", "/connect/sessions", body).await.with(201);
    ask.link(made["data"]["token"].as_str().unwrap())
}

#[tokio::test]
async fn success_is_told_and_signed() {
    let (ask, listener) = listening().await;
    ask.nango.allow(&session(&ask).await, "acct_a").await.unwrap();
    let all = sent(&ask.nango).await;
    let (one, body) = &all[0];
    assert_eq!((all.len(), &one["status"]), (1, &json!(401)), "the listener asks for its key");
    let expect = json!({
        "authMode": "OAUTH2", "connectionId": body["connectionId"], "endUser": {"endUserId": "u1", "tags": {}},
        "environment": "dev", "from": "nango", "operation": "creation", "provider": "stripe-app",
        "providerConfigKey": "stripe-app", "success": true,
        "tags": {"attempt": "1", "end_user_id": "u1"}, "type": "auth",
    });
    assert_eq!(body, &expect);
    assert_eq!(body.to_string(), expect.to_string(), "its keys are sorted");
    let mut mac = Hmac::<Sha256>::new_from_slice(ask.nango.signing_key().as_bytes()).unwrap();
    mac.update(one["body"].as_str().unwrap().as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(one["signature"], signature);
    assert_eq!(listener.count("POST /webhooks/nango/1"), 1);
    ask.nango.set("resend", json!({"number": 1})).await;
    let all = sent(&ask.nango).await;
    assert_eq!((&all[1].0["body"], &all[1].0["signature"]), (&all[0].0["body"], &all[0].0["signature"]));
    assert_eq!(listener.count("POST /webhooks/nango/1"), 2);
}

#[tokio::test]
async fn a_failure_carries_nothing_of_the_session() {
    let (ask, _listener) = listening().await;
    ask.nango.deny(&session(&ask).await).await.unwrap();
    let all = sent(&ask.nango).await;
    let body = &all[0].1;
    assert_eq!((&body["success"], &body["operation"]), (&json!(false), &json!("creation")));
    assert_eq!(body["error"]["type"], "invalid_callback");
    assert!(body["error"]["description"].as_str().unwrap().contains("access_denied"), "{body}");
    assert!(body.get("tags").is_none() && body.get("endUser").is_none(), "{body}");
    let path =
        format!("/connections/{}?provider_config_key=stripe-app", body["connectionId"].as_str().unwrap());
    assert_eq!(ask.get(&path).await.refusal(), "404 not_found");
}

#[tokio::test]
async fn failed_refreshes_and_renewals_are_told() {
    let (ask, _listener) = listening().await;
    let link = session(&ask).await;
    ask.nango.allow(&link, "acct_a").await.unwrap();
    let id = sent(&ask.nango).await[0].1["connectionId"].as_str().unwrap().to_owned();
    ask.nango.set("tokens", json!({"failing_refreshes": 1})).await;
    assert_eq!(ask.connection(&id, "&force_refresh=true").await.status, 400);
    ask.connection(&id, "&force_refresh=true").await.with(200);
    let import = json!({
        "connection_id": "mine", "provider_config_key": "stripe-app", "credentials": {"type": "OAUTH2", "access_token": "x"},
        "webhook_url_override": "https://loopfour.example/webhooks/nango/1",
    });
    for _ in 0..2 {
        ask.call("POST", "/connections", import.clone()).await.with(201);
    }
    let told: Vec<String> = sent(&ask.nango)
        .await
        .iter()
        .map(|(_, body)| format!("{} {}", body["operation"].as_str().unwrap(), body["success"]))
        .collect();
    assert_eq!(told, ["creation true", "refresh false", "creation true", "override true"]);
    assert_eq!(sent(&ask.nango).await[1].1["error"]["type"], "refresh_token_external_error");
}

#[tokio::test]
async fn nothing_is_sent_at_first() {
    let ask = Ask::start().await;
    ask.nango.allow(&session(&ask).await, "acct_a").await.unwrap();
    assert_eq!(sent(&ask.nango).await, []);
    let loopback = json!({"tags": {}, "webhook_url_override": "http://127.0.0.1:1/webhooks/nango/1"});
    ask.nango.set("webhooks", json!({"on": true, "loopback": true})).await;
    let made = ask.call("POST", "/connect/sessions", loopback).await.with(201);
    ask.nango.allow(&ask.link(made["data"]["token"].as_str().unwrap()), "acct_a").await.unwrap();
    assert_eq!(sent(&ask.nango).await[0].0["status"], Value::Null, "nobody answers there");
}
