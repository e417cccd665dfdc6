//! What it does when it is told to misbehave, and what it remembers.

use serde_json::json;

use crate::ask::{Ask, http};

#[tokio::test]
async fn it_goes_down_and_comes_back() {
    let ask = Ask::start().await;
    for (mode, expect) in [("error", "500 server_error"), ("limited", "429 too_many_request")] {
        ask.nango.set("weather", json!({"mode": mode, "retry_after": 7})).await;
        let reply = ask.get("/integrations").await;
        assert_eq!(reply.refusal(), expect);
        assert_eq!(reply.header("retry-after"), (mode == "limited").then_some("7"));
    }
    ask.nango.set("weather", json!({"mode": "html"})).await;
    let page = ask.get("/integrations").await;
    assert!(page.status == 502 && page.text.starts_with("<html>"), "{}", page.text);
    ask.nango.set("weather", json!({"mode": "refuse"})).await;
    let refused = http().get(format!("{}/integrations", ask.nango.url())).send().await;
    assert!(refused.is_err(), "{refused:?}");
    ask.nango.set("weather", json!({"mode": "error", "calls": 2})).await;
    for status in [500, 500, 200] {
        assert_eq!(ask.get("/integrations").await.status, status);
    }
}

#[tokio::test]
async fn calls_are_counted_by_kind() {
    let ask = Ask::start().await;
    let id = ask.connect("t", "acct_a").await;
    ask.connection(&id, "").await.with(200);
    ask.connection("other", "").await.with(404);
    let shown = ask.nango.show("calls").await;
    assert_eq!(shown["counts"]["GET /connections/{id}"], 2, "{shown}");
    assert_eq!(ask.nango.count("GET /connections/{id}"), 2);
    assert_eq!(ask.nango.count("GET /oauth/connect/{id}"), 1);
    assert!(!shown.to_string().contains("nango_connect_session_"), "{shown}");
}

#[tokio::test]
async fn controls_are_had_over_http() {
    let ask = Ask::start().await;
    let moved = ask.raw("POST", "/_nango/clock", &[], "{\"advance\": -60}").await.with(200);
    assert_eq!(moved["now"], crate::ask::NOON - 60_000);
    let id = ask.connect("t", "acct_a").await;
    let shown = ask.raw("GET", "/_nango/connections", &[], "").await.with(200);
    assert_eq!(
        (&shown["connections"][0]["account"], &shown["connections"][0]["connection_id"]),
        (&json!("acct_a"), &json!(id))
    );
    let rows = [
        ("POST", "nothing", "{}"),
        ("POST", "clock", "{}"),
        ("POST", "clock", "{\"to\": 1}"),
        ("DELETE", "clock", ""),
        ("POST", "weather", "{\"mode\": \"rain\"}"),
        ("POST", "revoke", "{\"connection_id\": \"x\"}"),
        ("POST", "resend", "{\"number\": 0}"),
        ("POST", "integrations", "{\"providers\": [\"x\"]}"),
    ];
    for (method, name, body) in rows {
        let reply = ask.raw(method, &format!("/_nango/{name}"), &[], body).await;
        assert_eq!(reply.status, 400, "{name} {body}");
    }
}
