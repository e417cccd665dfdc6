//! The same dance with a restricted key: given to us, or typed into Nango's form.

use serde_json::{Value, json};

use super::stage::Stage;

/// Whose a key is, from now on.
fn own(stage: &Stage, key: &str, account: &str) {
    stage.tell_stripe(&json!({"key": key, "account": account}));
}

/// Gives a key to a connection of that name: status and answer.
fn give(stage: &Stage, name: &str, key: &str) -> (u16, Value) {
    let body = json!({"provider": "stripe", "name": name, "credentials": {"apiKey": key}});
    stage.call("POST", "/connections", &body)
}

#[track_caller]
fn given(stage: &Stage, key: &str) -> Value {
    let (status, answer) = give(stage, "books", key);
    assert_eq!(status, 201, "{answer}");
    assert!(!answer.to_string().contains(key.trim()), "{answer}");
    answer["data"].clone()
}

/// A connection by key whose key was revoked, and runs that wait for it.
fn revoked(stage: &Stage) -> (String, Vec<String>) {
    own(stage, "rk_test_first", "acct_books");
    let made = given(stage, " rk_test_first\n");
    assert_eq!(
        (&made["status"], &made["externalAccountId"]),
        (&json!("active"), &json!("acct_books")),
        "{made}"
    );
    let id = made["id"].as_str().unwrap().to_owned();
    let workflow = stage.workflow("ada@example.com", 1);
    stage.completed(&stage.begin(&workflow, None));
    stage.tell_stripe(&json!({"key": "rk_test_first", "account": "acct_books", "revoked": true}));
    let mut runs = vec![stage.begin(&workflow, None)];
    stage.waits(&runs[0]);
    let shown = stage.connection(&id);
    assert!(shown["status"] == "error" && shown["lastError"].is_string(), "{shown}");
    let sent = stage.calls(&Value::Null).len();
    runs.extend((0..3).map(|_| stage.begin(&workflow, Some(&id))));
    for run in &runs {
        stage.waits(run);
    }
    assert_eq!(stage.calls(&Value::Null).len(), sent, "those that wait ask nobody");
    (id, runs)
}

#[test]
fn a_revoked_key_is_replaced_and_the_runs_go_on() {
    let stage = Stage::set();
    let (id, runs) = revoked(&stage);
    own(&stage, "rk_test_second", "acct_books");
    let made = given(&stage, "rk_test_second");
    assert_eq!((&made["id"], &made["status"]), (&json!(id), &json!("active")));
    for run in &runs {
        stage.completed(run);
    }
    assert_eq!(stage.writes("acct_books"), 1 + runs.len());
    assert_eq!(give(&stage, "books", "rk_test_second").0, 409, "an active one is not replaced");
}

#[test]
fn another_accounts_key_sends_nothing() {
    let stage = Stage::set();
    let (id, runs) = revoked(&stage);
    own(&stage, "rk_test_second", "acct_other");
    let made = given(&stage, "rk_test_second");
    assert_eq!((&made["id"], &made["externalAccountId"]), (&json!(id), &json!("acct_other")));
    let why = crate::process::within(|| {
        let error = stage.waits(&runs[0])["error"].to_string();
        error.contains("acct_other").then_some(error)
    });
    assert!(why.contains("acct_books"), "{why}");
    stage.completed(&stage.begin(&stage.workflow("bob@example.com", 1), None));
    for run in &runs {
        assert_eq!(stage.waits(run)["reason"], "connection");
    }
    assert_eq!((stage.writes("acct_books"), stage.writes("acct_other")), (1, 1));
}

#[test]
fn keys_that_cannot_be_used_are_not_stored() {
    let stage = Stage::set();
    stage.tell_stripe(&json!({"key": "rk_test_revoked", "revoked": true}));
    for key in ["rk_test_revoked", "not-a-key", "", "rk_test_a\nb"] {
        let (status, answer) = give(&stage, "books", key);
        assert_eq!(status, 400, "{key}: {answer}");
        assert!(answer.to_string().contains("credentials.apiKey"), "{key}: {answer}");
    }
    let list = stage.ok("GET", "/connections", &Value::Null);
    assert_eq!(list, json!([]));
    own(&stage, "rk_test_good", "acct_books");
    given(&stage, "rk_test_good");
}

#[test]
fn what_a_restricted_key_lacks_is_said_by_the_call_that_needs_it() {
    let stage = Stage::set();
    let limited =
        json!({"key": "rk_test_limited", "account": "acct_books", "permissions": ["invoice_write"]});
    stage.tell_stripe(&limited);
    let made = given(&stage, "rk_test_limited");
    assert_eq!(made["status"], "active", "{made}");
    let run = stage.begin(&stage.workflow("ada@example.com", 1), None);
    let run = crate::process::within(|| Some(stage.run(&run)).filter(|run| run["completedAt"].is_string()));
    assert_eq!((&run["status"], &run["error"]["reason"]), (&json!("failed"), &json!("permission")), "{run}");
    assert!(run["error"]["message"].as_str().unwrap().contains("rak_customer_write"), "{run}");
    assert_eq!(stage.connection(made["id"].as_str().unwrap())["status"], "active");
}

#[test]
fn a_key_is_typed_into_nangos_form() {
    let stage = Stage::of("stripe-api-key");
    own(&stage, "rk_test_typed", "acct_books");
    let link = stage.link("books");
    assert!(link.url.starts_with(&format!("{}/?session_token=", stage.nango.url())), "{}", link.url);
    assert_eq!(stage.give_key(&link, "rk_test_typed"), 200);
    stage.succeeded(&link);
    stage.completed(&stage.begin(&stage.workflow("ada@example.com", 1), None));
    assert_eq!(stage.writes("acct_books"), 1);
}

#[test]
fn a_typed_key_that_stripe_refuses_does_not_become_active() {
    let stage = Stage::of("stripe-api-key");
    let link = stage.link("books");
    assert_eq!(stage.give_key(&link, "not-a-key"), 200, "Nango takes anything");
    let state = stage.settled(&link);
    assert!(state["status"] == "failed" && state["message"].is_string(), "{state}");
    assert_ne!(stage.connection(&link.connection)["status"], "active");
}
