//! OAuth through Nango: from the link to the last refresh, revoked, and connected again.

use serde_json::{Value, json};

use super::stage::{Link, Stage, get};
use crate::process::within;

#[test]
fn from_the_link_to_a_customer() {
    let stage = Stage::set();
    let link = stage.link("books");
    assert!(
        link.url
            .starts_with(&format!("{}/oauth/connect/stripe-app?connect_session_token=", stage.nango.url()))
    );
    let (status, shown) = stage.call("GET", &format!("/connections/{}", link.connection), &Value::Null);
    assert_eq!(
        (status, &shown["data"]["status"], &shown["data"]["name"]),
        (200, &json!("pending"), &json!("books"))
    );
    assert_eq!(stage.state(&link)["status"], "open");
    let page = get(stage.server.address, &link.page);
    assert!(page.status == 200 && page.head.contains("content-security-policy"), "{page:?}");

    assert_eq!(stage.allow(&link, "acct_books"), 200);
    stage.succeeded(&link);
    let shown = stage.connection(&link.connection);
    assert_eq!(
        (&shown["status"], &shown["externalAccountId"]),
        (&json!("active"), &json!("acct_books")),
        "{shown}"
    );

    let run = stage.begin(&stage.workflow("ada@example.com", 1), None);
    assert_eq!(stage.completed(&run)["output"]["email"], "ada@example.com");
    assert_eq!(stage.writes("acct_books"), 1);
    assert_eq!(stage.calls(&Value::Null), Vec::<String>::new(), "no call was refused");
    let (status, again) =
        stage.call("GET", "/connections/stripe/auth-url?connectionName=books", &Value::Null);
    assert_eq!(status, 409, "it is active: {again}");
}

#[test]
fn a_token_is_fetched_once_for_many_and_again_once_it_has_ended() {
    let stage = Stage::set();
    // Nango's clock is behind: by that the token has twenty minutes and need not be renewed, by ours eight seconds.
    stage.set_nango("clock", json!({"advance": -20 * 60}));
    stage.set_nango("tokens", json!({"lifetime": 20 * 60 + 8}));
    stage.connect("books", "acct_books");
    let (first, _) = stage.access();
    stage.set_nango("clock", json!({"advance": 20 * 60}));
    stage.set_nango("tokens", json!({"lifetime": 3600}));
    let before = stage.fetches();
    let workflow = stage.workflow("ada@example.com", 3);
    let mut begun = 0;
    within(|| {
        let runs: Vec<String> = (0..5).map(|_| stage.begin(&workflow, None)).collect();
        begun += runs.len();
        for run in runs {
            stage.completed(&run);
        }
        (stage.access().0 != first).then_some(())
    });
    assert_eq!(stage.fetches(), before + 1, "{begun} runs shared each token");
    assert_eq!(stage.writes("acct_books"), 3 * begun);
}

#[test]
fn a_refused_token_is_renewed_once_by_force() {
    let stage = Stage::set();
    stage.connect("books", "acct_books");
    let workflow = stage.workflow("ada@example.com", 1);
    stage.completed(&stage.begin(&workflow, None));
    let before = stage.fetches();
    let (token, _) = stage.access();
    stage.tell_stripe(&json!({"key": token, "account": "acct_books", "revoked": true}));
    let runs: Vec<String> = (0..5).map(|_| stage.begin(&workflow, None)).collect();
    for run in runs {
        stage.completed(&run);
    }
    assert_ne!(stage.access().0, token);
    assert_eq!(stage.fetches(), before + 1);
    assert_eq!(stage.writes("acct_books"), 6);
}

/// The access is revoked and a run waits for it; the link to connect again.
fn revoked(stage: &Stage, link: &Link, workflow: &str) -> (Vec<String>, Link) {
    stage.revoke();
    let mut runs = vec![stage.begin(workflow, None)];
    let waiting = stage.waits(&runs[0]);
    assert!(waiting["error"]["hint"].is_string(), "it says what to do: {waiting}");
    let shown = stage.connection(&link.connection);
    assert_eq!(shown["status"], "error", "{shown}");
    assert!(shown["lastError"].is_string(), "{shown}");
    let (sent, fetched) = (stage.calls(&Value::Null).len(), stage.fetches());
    runs.extend((0..5).map(|_| stage.begin(workflow, Some(&link.connection))));
    for run in &runs {
        stage.waits(run);
    }
    let more = (stage.calls(&Value::Null).len() - sent, stage.fetches() - fetched);
    assert_eq!(more, (0, 0), "those that wait ask nobody");
    let again = stage.link("books");
    assert_eq!(again.connection, link.connection, "it is the same connection");
    assert_eq!(stage.nango.count("POST /connect/sessions/reconnect"), 1);
    (runs, again)
}

#[test]
fn revoked_and_connected_again_the_runs_go_on() {
    let stage = Stage::set();
    let link = stage.connect("books", "acct_books");
    let workflow = stage.workflow("ada@example.com", 1);
    stage.completed(&stage.begin(&workflow, None));
    let (runs, again) = revoked(&stage, &link, &workflow);
    assert_eq!(stage.connection(&link.connection)["status"], "error", "until that succeeds");
    assert_eq!(stage.allow(&again, "acct_books"), 200);
    stage.succeeded(&again);
    for run in &runs {
        stage.completed(run);
    }
    assert_eq!(stage.writes("acct_books"), 1 + runs.len());
    let shown = stage.connection(&link.connection);
    assert_eq!((&shown["status"], &shown["lastError"]), (&json!("active"), &Value::Null), "{shown}");
    let kept = stage.show_nango("connections")["connections"].clone();
    assert_eq!(kept.as_array().unwrap().len(), 1);
    assert!(kept[0]["tags"]["attempt"].is_string(), "the tags were sent again: {kept}");
}

#[test]
fn connected_again_with_another_account_nothing_is_sent() {
    let stage = Stage::set();
    let link = stage.connect("books", "acct_books");
    let workflow = stage.workflow("ada@example.com", 1);
    let (runs, again) = revoked(&stage, &link, &workflow);
    assert_eq!(stage.allow(&again, "acct_other"), 200);
    let state = stage.succeeded(&again);
    assert!(state.to_string().contains("acct_other"), "it says so: {state}");
    let shown = stage.connection(&link.connection);
    assert_eq!(
        (&shown["status"], &shown["externalAccountId"]),
        (&json!("active"), &json!("acct_other")),
        "{shown}"
    );
    let why = within(|| {
        let error = stage.waits(&runs[0])["error"].to_string();
        error.contains("acct_other").then_some(error)
    });
    assert!(why.contains("acct_books"), "it says which account it is for: {why}");
    // A run that is begun now is the other account's; by the time it is through, those that wait have been looked at.
    stage.completed(&stage.begin(&workflow, None));
    for run in &runs {
        assert_eq!(stage.waits(run)["reason"], "connection");
    }
    assert_eq!((stage.writes("acct_books"), stage.writes("acct_other")), (0, 1));
}
