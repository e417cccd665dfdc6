//! The envelope, the key, strict bodies, and each call in its plain form.

use serde_json::{Value, json};

use crate::ask::Ask;

#[tokio::test]
async fn the_key_is_checked_first() {
    let ask = Ask::start().await;
    let other = "Bearer 0b6a2c6e-53e1-4b1e-9c39-7d0d6a0f5f10";
    let old = "Bearer 0190163d-8694-739b-aea5-966c26f8ad91";
    let rows = [
        (None, "401 missing_auth_header"),
        (Some("Bearer no-uuid"), "401 invalid_secret_key_format"),
        (Some("Basic abc"), "401 invalid_secret_key_format"),
        (Some(old), "401 invalid_secret_key_format"),
        (Some(other), "401 unknown_account"),
    ];
    for (header, expect) in rows {
        let headers: Vec<_> = header.map(|value| ("authorization", value)).into_iter().collect();
        let reply = ask.raw("GET", "/integrations", &headers, "").await;
        assert_eq!(reply.refusal(), expect, "{header:?}");
        assert_eq!(reply.json()["error"]["payload"], json!({}));
    }
}

#[tokio::test]
async fn bodies_are_json_and_strict() {
    let ask = Ask::start().await;
    let bearer = format!("Bearer {}", ask.nango.key());
    let form = [("authorization", bearer.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let reply = ask.raw("POST", "/connect/sessions", &form, "a=1").await;
    assert_eq!(reply.refusal(), "415 invalid_content_type");
    let broken = [("authorization", bearer.as_str()), ("content-type", "application/json; charset=utf-8")];
    assert_eq!(ask.raw("POST", "/connect/sessions", &broken, "{").await.refusal(), "400 invalid_json");
    let long = "v".repeat(256);
    let rows = [
        (json!({}), json!(["end_user"])),
        (json!({"tags": {}, "more": 1}), json!([])),
        (json!({"end_user": {}}), json!(["end_user", "id"])),
        (json!({"end_user": {"id": "1", "name": "A"}}), json!(["end_user"])),
        (json!({"end_user": {"id": "1", "email": "nobody"}}), json!(["end_user", "email"])),
        (json!({"tags": {"1a": "x"}}), json!(["tags", "1a"])),
        (json!({"tags": {"a": ""}}), json!(["tags", "a"])),
        (json!({"tags": {"a": long}}), json!(["tags", "a"])),
        (json!({"tags": {"a": 1}}), json!(["tags", "a"])),
        (json!({"tags": {"End_User_Email": "x"}}), json!(["tags", "End_User_Email"])),
        (json!({"tags": [], "end_user": null}), json!(["end_user"])),
        (
            json!({"tags": {}, "allowed_integrations": ["stripe-app", "no"]}),
            json!(["allowed_integrations", "1"]),
        ),
        (
            json!({"tags": {}, "integrations_config_defaults": {"no": {}}}),
            json!(["integrations_config_defaults", "no"]),
        ),
        (json!({"tags": {}, "webhook_url_override": "no url"}), json!(["webhook_url_override"])),
        (
            json!({"tags": {}, "webhook_url_override": "http://localhost:1/x"}),
            json!(["webhook_url_override"]),
        ),
        (json!({"tags": {}, "webhook_url_override": "https://[::1]/x"}), json!(["webhook_url_override"])),
        (json!({"tags": {}, "webhook_url_override": "http://10.0.0.1/x"}), json!(["webhook_url_override"])),
        (
            json!({"tags": {}, "webhook_url_override": "https://api.nango.dev/x"}),
            json!(["webhook_url_override"]),
        ),
    ];
    for (body, path) in rows {
        let reply = ask.call("POST", "/connect/sessions", body.clone()).await;
        assert_eq!(reply.refusal(), "400 invalid_body", "{body}");
        assert_eq!(reply.json()["error"]["errors"][0]["path"], path, "{}", reply.text);
    }
    let many: serde_json::Map<String, Value> = (0..11).map(|n| (format!("t{n}"), json!("v"))).collect();
    let reply = ask.call("POST", "/connect/sessions", json!({"tags": many})).await;
    assert_eq!(reply.refusal(), "400 invalid_body");
    let url = json!({"tags": {}, "webhook_url_override": "https://loopfour.example/webhooks/nango/1"});
    ask.call("POST", "/connect/sessions", url).await.with(201);
}

#[tokio::test]
async fn queries_are_strict() {
    let ask = Ask::start().await;
    let id = ask.connect("1", "acct_a").await;
    let rows = [
        ("/connections?tag[a]=1".to_owned(), "400 invalid_query_params"),
        ("/connections?limit=2001".to_owned(), "400 invalid_query_params"),
        ("/connections?page=x".to_owned(), "400 invalid_query_params"),
        ("/integrations?all=1".to_owned(), "400 invalid_query_params"),
        ("/integrations/stripe-app?include=all".to_owned(), "400 invalid_query_params"),
        ("/integrations/no".to_owned(), "404 not_found"),
        ("/providers/no".to_owned(), "404 not_found"),
        (format!("/connections/{id}"), "400 invalid_query_params"),
        (format!("/connections/{id}?provider_config_key=no"), "400 unknown_provider_config"),
        (format!("/connections/{id}?provider_config_key=stripe-app&force=true"), "400 invalid_query_params"),
        ("/connections/no?provider_config_key=stripe-app".to_owned(), "404 not_found"),
    ];
    for (path, expect) in rows {
        assert_eq!(ask.get(&path).await.refusal(), expect, "{path}");
    }
    let unknown = ask.get("/nowhere").await;
    assert_eq!((unknown.status, unknown.header("content-type")), (404, Some("text/html; charset=utf-8")));
}

#[tokio::test]
async fn integrations_are_listed_and_made() {
    let ask = Ask::start().await;
    let keys = |body: &Value| {
        let all = body["data"].as_array().unwrap().iter();
        all.map(|one| one["unique_key"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(keys(&ask.get("/integrations").await.with(200)), ["stripe-app"]);
    let new = json!({"unique_key": "ours", "provider": "stripe-api-key"});
    let made = ask.call("POST", "/integrations", new.clone()).await.with(200);
    assert_eq!(made["data"]["provider"], "stripe-api-key");
    assert_eq!(ask.call("POST", "/integrations", new).await.refusal(), "400 invalid_body");
    let unknown = json!({"unique_key": "x", "provider": "no-such"});
    assert_eq!(ask.call("POST", "/integrations", unknown).await.refusal(), "400 invalid_body");
    assert_eq!(keys(&ask.get("/integrations").await.with(200)), ["ours", "stripe-app"]);
    assert_eq!(ask.get("/integrations/ours").await.with(200)["data"]["provider"], "stripe-api-key");
    let rows = [
        ("stripe-api-key", "BASIC"),
        ("stripe-app", "OAUTH2"),
        ("stripe", "OAUTH2"),
        ("sendgrid", "API_KEY"),
    ];
    for (name, mode) in rows {
        assert_eq!(ask.get(&format!("/providers/{name}")).await.with(200)["data"]["auth_mode"], mode);
    }
    ask.nango.set("integrations", json!({"providers": ["stripe", "github"]})).await;
    assert_eq!(keys(&ask.get("/integrations").await.with(200)), ["github", "stripe"]);
}

#[tokio::test]
async fn keys_are_imported_changed_and_deleted() {
    let ask = Ask::start().await;
    ask.nango.set("integrations", json!({"providers": ["stripe-api-key"]})).await;
    let import = |credentials: Value| json!({"provider_config_key": "stripe-api-key", "connection_id": "mine", "tags": {"A": "1"}, "credentials": credentials});
    let wrong = ask.call("POST", "/connections", import(json!({"type": "API_KEY", "apiKey": "x"}))).await;
    assert_eq!(wrong.refusal(), "400 invalid_body");
    assert_eq!(wrong.json()["error"]["message"], "Provider BASIC does not support API_KEY auth");
    let key = json!({"type": "BASIC", "username": "not-a-key", "password": ""});
    let made = ask.call("POST", "/connections", import(key.clone())).await.with(201);
    assert_eq!((&made["connection_id"], &made["credentials"]), (&json!("mine"), &key));
    let elsewhere = json!({"provider_config_key": "no", "credentials": key});
    assert_eq!(ask.call("POST", "/connections", elsewhere).await.refusal(), "404 not_found");
    let path = "/connections/mine?provider_config_key=stripe-api-key";
    assert_eq!(ask.get(path).await.with(200)["tags"], json!({"a": "1"}));
    let again = json!({"type": "BASIC", "username": "rk_test_2", "password": ""});
    let over = ask.call("POST", "/connections", import(again.clone())).await.with(201);
    assert_eq!((&over["id"], &over["credentials"]), (&made["id"], &again), "the same connection");
    ask.call("PATCH", path, json!({"tags": {"B": "2"}})).await.with(200);
    assert_eq!(ask.call("PATCH", path, json!({"metadata": {}})).await.refusal(), "400 invalid_body");
    assert_eq!(ask.get(path).await.with(200)["tags"], json!({"b": "2"}));
    assert_eq!(ask.call("DELETE", path, Value::Null).await.with(200), json!({"success": true}));
    assert_eq!(ask.call("DELETE", path, Value::Null).await.refusal(), "400 unknown_connection");
    assert_eq!(ask.get(path).await.refusal(), "404 not_found");
}

#[tokio::test]
async fn a_minute_takes_so_many_calls() {
    let ask = Ask::start().await;
    ask.nango.set("limit", json!({"per_minute": 2})).await;
    let first = ask.get("/integrations").await;
    assert_eq!(
        (first.header("x-ratelimit-limit"), first.header("x-ratelimit-remaining")),
        (Some("2"), Some("1"))
    );
    ask.get("/integrations").await.with(200);
    ask.clock.advance(20_000);
    let refused = ask.get("/integrations").await;
    assert_eq!(refused.refusal(), "429 too_many_request");
    assert_eq!(
        (refused.header("retry-after"), refused.header("x-ratelimit-remaining")),
        (Some("40"), Some("0"))
    );
    assert_eq!(refused.json()["error"]["path"], "/integrations");
    ask.clock.advance(40_000);
    ask.get("/integrations").await.with(200);
}
