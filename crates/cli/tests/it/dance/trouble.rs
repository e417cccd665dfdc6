//! Nango that is down, limited or set up otherwise: runs wait and go on, they do not fail.

use serde_json::{Value, json};

use super::stage::Stage;

#[track_caller]
fn check(weather: Value) {
    let stage = Stage::set();
    let link = stage.connect("books", "acct_books");
    let workflow = stage.workflow("ada@example.com", 1);
    stage.set_nango("weather", weather.clone());
    // A server that was started anew has no token in memory.
    let stage = stage.restart();
    let run = stage.begin(&workflow, None);
    let waiting = stage.waits(&run);
    assert!(waiting["error"].to_string().contains("Nango"), "{weather}: {waiting}");
    let shown = stage.connection(&link.connection);
    assert_eq!(shown["status"], "active", "{weather}: it is not the connection's fault: {shown}");
    let (status, answer) =
        stage.call("GET", "/connections/stripe/auth-url?connectionName=more", &Value::Null);
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("UNAVAILABLE")), "{weather}: {answer}");
    stage.set_nango("weather", json!({"mode": "up"}));
    stage.completed(&run);
    assert_eq!(stage.writes("acct_books"), 1);
}

#[test]
fn runs_wait_while_nango_refuses_connections() {
    check(json!({"mode": "refuse"}));
}

#[test]
fn runs_wait_while_nango_fails() {
    check(json!({"mode": "error"}));
}

#[test]
fn runs_wait_while_a_proxy_answers_for_nango() {
    check(json!({"mode": "html"}));
}

#[test]
fn runs_wait_while_nango_limits() {
    check(json!({"mode": "limited", "retry_after": 1}));
}

#[test]
fn a_token_without_an_end_is_used_until_it_is_refused() {
    let stage = Stage::set();
    stage.set_nango("tokens", json!({"lifetime": null}));
    let link = stage.connect("books", "acct_books");
    let workflow = stage.workflow("ada@example.com", 1);
    stage.completed(&stage.begin(&workflow, None));
    let before = stage.fetches();
    stage.completed(&stage.begin(&workflow, None));
    assert_eq!(stage.fetches(), before);
    stage.revoke();
    stage.waits(&stage.begin(&workflow, None));
    assert_eq!(stage.connection(&link.connection)["status"], "error");
}

#[test]
fn a_connection_deleted_at_nango_is_in_error() {
    let stage = Stage::set();
    let link = stage.connect("books", "acct_books");
    let workflow = stage.workflow("ada@example.com", 1);
    let (_, id) = stage.access();
    let headers = format!("Bearer {}", stage.nango.key());
    let address = stage.nango.url().strip_prefix("http://").unwrap().parse().unwrap();
    let path = format!("/connections/{id}?provider_config_key=stripe-app");
    assert_eq!(super::stage::send(address, "DELETE", &path, &[("authorization", &headers)], "").status, 200);
    let stage = stage.restart();
    stage.waits(&stage.begin(&workflow, None));
    assert_eq!(stage.connection(&link.connection)["status"], "error");
    let again = stage.link("books");
    assert_eq!(stage.allow(&again, "acct_books"), 200);
    stage.succeeded(&again);
}

#[test]
fn which_integration_must_be_clear() {
    let stage = Stage::set();
    for (providers, named) in [(json!(["stripe", "stripe-app"]), "stripe-app"), (json!(["github"]), "github")]
    {
        stage.set_nango("integrations", json!({ "providers": providers }));
        let (status, answer) = stage.call("GET", "/connections/stripe/auth-url", &Value::Null);
        assert_eq!((status, &answer["error"]["code"]), (409, &json!("INVALID_STATE")), "{answer}");
        assert!(answer.to_string().contains(named), "it lists them: {answer}");
    }
}
