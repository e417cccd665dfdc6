//! From a session to a connection, as a person's browser goes.

use loopfour_testkit::nango::Config;
use serde_json::{Value, json};

use crate::ask::Ask;

#[tokio::test]
async fn a_session_makes_connections_until_it_ends() {
    let ask = Ask::start().await;
    let body = json!({
        "end_user": {"id": "u1", "email": "a@example.com"},
        "organization": {"id": "company-1"},
        "tags": {"Attempt": "t1"},
        "allowed_integrations": ["stripe-app"],
    });
    let made = ask.call("POST", "/connect/sessions", body).await.with(201)["data"].clone();
    let token = made["token"].as_str().unwrap();
    assert_eq!(token.len(), "nango_connect_session_".len() + 64);
    assert_eq!(made["connect_link"], format!("{}/?session_token={token}", ask.nango.url()));
    assert_eq!(made["expires_at"], "2026-11-24T12:30:00.000Z");
    for _ in 0..2 {
        assert_eq!(ask.nango.allow(&ask.link(token), "acct_a").await.unwrap().status, 200);
    }
    let list =
        ask.get("/connections?tags[attempt]=t1&endUserId=u1&integrationId=x,stripe-app").await.with(200);
    let list = list["connections"].as_array().unwrap();
    assert_eq!(list.len(), 2);
    let tags = json!({"attempt": "t1", "end_user_id": "u1", "end_user_email": "a@example.com", "organization_id": "company-1"});
    assert_eq!((&list[0]["tags"], &list[0]["end_user"]["organization"]["id"]), (&tags, &json!("company-1")));
    for (query, count) in
        [("tags[attempt]=t2", 0), ("limit=1", 1), ("limit=1&page=1", 1), ("limit=1&page=2", 0)]
    {
        let list = ask.get(&format!("/connections?{query}")).await.with(200);
        assert_eq!(list["connections"].as_array().unwrap().len(), count, "{query}");
    }
    ask.clock.advance(30 * 60_000);
    let page = ask.nango.allow(&ask.link(token), "acct_a").await.unwrap();
    assert!(page.status == 401 && page.body.contains("unknown_connect_session_token"), "{page:?}");
}

#[tokio::test]
async fn the_link_goes_to_the_providers_page_and_back() {
    let ask = Ask::start().await;
    let token = ask.session("t").await;
    let path = format!("/oauth/connect/stripe-app?connect_session_token={token}");
    let sent = ask.raw("GET", &path, &[], "").await;
    let at = sent.header("location").unwrap().strip_prefix(ask.nango.url()).unwrap().to_owned();
    assert_eq!(sent.status, 302);
    assert!(sent.header("set-cookie").unwrap().starts_with("oauth2-"));
    let page = ask.raw("GET", &at, &[], "").await;
    for part in ["<form", "acct_2SandboxOther", "name=\"allow\"", "name=\"deny\"", "/oauth/callback"] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let denied = ask.raw("GET", &format!("{at}&deny=1"), &[], "").await;
    let back = denied.header("location").unwrap().strip_prefix(ask.nango.url()).unwrap().to_owned();
    let end = ask.raw("GET", &back, &[], "").await;
    assert!(end.status == 400 && end.text.contains("access_denied"), "{}", end.text);
    let again = ask.raw("GET", &back, &[], "").await;
    assert!(again.status == 400 && again.text.contains("used already"), "{}", again.text);
    assert_eq!(ask.get("/connections").await.with(200)["connections"], json!([]));
    let forged = ask.raw("GET", "/oauth/callback?state=x&code=y", &[], "").await;
    assert_eq!(forged.status, 400);
    let elsewhere =
        ask.raw("GET", "/stripe/authorize?state=x&redirect_uri=https://evil.example", &[], "").await;
    assert_eq!(elsewhere.status, 400);
}

#[tokio::test]
async fn what_a_session_does_not_allow_is_refused() {
    let config = Config {
        integrations: vec!["stripe-app".to_owned(), "stripe-api-key".to_owned()],
        ..Config::default()
    };
    let ask = Ask::with(config).await;
    let allowed = json!({"tags": {}, "allowed_integrations": ["stripe-api-key"]});
    let made = ask.call("POST", "/connect/sessions", allowed).await.with(201);
    let token = made["data"]["token"].as_str().unwrap();
    let rows = [
        (format!("stripe-app?connect_session_token={token}"), "400 integration_not_allowed"),
        (format!("stripe-app?connect_session_token={token}&connection_id=x"), "400 invalid_query_params"),
        (
            "stripe-app?connect_session_token=nango_connect_session_x".to_owned(),
            "401 invalid_connect_session_token_format",
        ),
        ("stripe-app?public_key=x".to_owned(), "401 deprecated_authentication"),
        ("stripe-app".to_owned(), "401 missing_public_key"),
    ];
    for (path, expect) in rows {
        let reply = ask.raw("GET", &format!("/oauth/connect/{path}"), &[], "").await;
        assert_eq!(reply.refusal(), expect, "{path}");
    }
    let basic = ask
        .raw("GET", &format!("/oauth/connect/stripe-api-key?connect_session_token={token}"), &[], "")
        .await;
    assert_eq!(basic.status, 400, "{}", basic.text);
}

#[tokio::test]
async fn a_key_is_typed_into_the_hosted_page() {
    let ask =
        Ask::with(Config { integrations: vec!["stripe-api-key".to_owned()], ..Config::default() }).await;
    let allowed = json!({"tags": {"attempt": "k"}, "allowed_integrations": ["stripe-api-key"]});
    let made = ask.call("POST", "/connect/sessions", allowed).await.with(201)["data"].clone();
    let token = made["token"].as_str().unwrap();
    let page = ask.raw("GET", &format!("/?session_token={token}"), &[], "").await;
    assert!(page.text.contains("name=\"username\""), "{}", page.text);
    let given = ask.nango.give_key(made["connect_link"].as_str().unwrap(), "rk_test_1").await.unwrap();
    let given: Value = serde_json::from_str(&given.body).unwrap();
    let id = given["connectionId"].as_str().unwrap();
    let shown = ask.get(&format!("/connections/{id}?provider_config_key=stripe-api-key")).await.with(200);
    assert_eq!(shown["credentials"], json!({"type": "BASIC", "username": "rk_test_1", "password": ""}));
    let path = format!("/api-auth/basic/stripe-api-key?connect_session_token={token}");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let end = ask.raw("POST", &path, &form, "username=rk_test_2").await;
    assert!(end.status == 200 && end.text.contains("Connected"), "{}", end.text);
    assert_eq!(ask.raw("GET", "/?session_token=x", &[], "").await.status, 401);
}

#[tokio::test]
async fn reconnecting_keeps_the_id_and_replaces_the_tags() {
    let ask = Ask::start().await;
    let id = ask.connect("t1", "acct_a").await;
    let unknown = json!({"connection_id": "no", "integration_id": "stripe-app"});
    assert_eq!(ask.call("POST", "/connect/sessions/reconnect", unknown).await.refusal(), "400 invalid_body");
    for (tags, expect) in [(json!({"Attempt": "t2"}), json!({"attempt": "t2"})), (json!(null), json!({}))] {
        let mut body = json!({"connection_id": id, "integration_id": "stripe-app"});
        if !tags.is_null() {
            body["tags"] = tags;
        }
        let made = ask.call("POST", "/connect/sessions/reconnect", body).await.with(201);
        let link = ask.link(made["data"]["token"].as_str().unwrap());
        assert_eq!(ask.nango.allow(&link, "acct_b").await.unwrap().status, 200);
        let shown = ask.connection(&id, "").await.with(200);
        assert_eq!(
            (&shown["tags"], &shown["credentials"]["raw"]["stripe_user_id"]),
            (&expect, &json!("acct_b"))
        );
    }
    assert_eq!(ask.get("/connections").await.with(200)["connections"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_session_can_be_ended() {
    let ask = Ask::start().await;
    let token = ask.session("t").await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let shown = ask.raw("GET", "/connect/session", &headers, "").await.with(200);
    assert_eq!(shown["data"]["tags"], json!({"attempt": "t"}));
    assert_eq!(ask.raw("DELETE", "/connect/session", &headers, "").await.status, 204);
    let gone = ask.raw("GET", "/connect/session", &headers, "").await;
    assert_eq!(gone.refusal(), "401 unknown_connect_session_token");
}
