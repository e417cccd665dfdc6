//! A delete, which has no idempotency key: when it is looked for, and what counts as done.

use std::time::Duration;

use loopfour_connect::stripe::Config;
use loopfour_engine::ports::Actions;
use loopfour_engine::{Attempt, Outcome, Sending};
use loopfour_lang::Catalog;
use uuid::Uuid;

use crate::server::{Answer, Server, answer};
use crate::support::{Stamp, connect, prepare, test_key};

const ACTIVE: &str = r#"{"id": "sub_1", "object": "subscription", "status": "active"}"#;
const CANCELED: &str = r#"{"id": "sub_1", "object": "subscription", "status": "canceled"}"#;
const MISSING: &str = r#"{"error": {"type": "invalid_request_error", "code": "resource_missing"}}"#;

fn ok(body: &str) -> Answer {
    answer("200 OK", &[], body)
}

fn missing() -> Answer {
    answer("404 Not Found", &[], MISSING)
}

const FIRST: Attempt = Attempt::First;
const AGAIN: Attempt = Attempt::Again;
const LOOK: Attempt = Attempt::Look;

fn cancel(config: Config, attempt: Attempt) -> Outcome {
    let action = Catalog::builtin().action("stripe.cancelSubscription").unwrap();
    let config_of_step = r#"{"subscriptionId": "sub_1", "invoiceNow": true, "expand": ["customer"]}"#;
    let request = prepare(action, config_of_step, "{}", Stamp::Off).unwrap();
    let timeout = Duration::from_secs(20);
    let sending = Sending { request: &request, key: Uuid::from_u128(1), timeout, attempt };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(connect(config).perform(sending))
}

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { output, .. } => {
            let Some(loopfour_lang::Value::Text(status)) = output.value().get("status") else {
                panic!("{output}")
            };
            format!("done {status}")
        }
        Outcome::Failed(failure) => format!("{:?} {}", failure.finding, failure.error.code),
    }
}

/// What is asked for, in turn, and the outcome.
#[track_caller]
fn check(attempt: Attempt, script: Vec<Answer>, asked: &[&str], expected: &str) {
    let server = Server::start(script);
    let outcome = cancel(test_key(&server.base), attempt);
    let seen = server.finish();
    let methods: Vec<&str> = seen.requests.iter().map(|request| request.split_once(' ').unwrap().0).collect();
    assert_eq!(methods, asked);
    for request in &seen.requests {
        let line = request.lines().next().unwrap();
        let due = if line.starts_with("GET") { "?" } else { "?invoice_now=true&" };
        assert_eq!(
            line.split_once(' ').unwrap().1,
            format!("/v1/subscriptions/sub_1{due}expand[0]=customer HTTP/1.1")
        );
        assert!(!request.to_ascii_lowercase().contains("idempotency-key"), "{request}");
    }
    assert_eq!(shown(&outcome), expected);
}

#[test]
fn a_first_delete_is_sent_without_looking() {
    check(FIRST, vec![ok(CANCELED)], &["DELETE"], "done canceled");
    let invalid = answer("400 Bad Request", &[], r#"{"error": {"type": "invalid_request_error"}}"#);
    check(FIRST, vec![invalid], &["DELETE"], "Refused invalid_request_error");
    check(FIRST, vec![answer("500 Oops", &[], "")], &["DELETE"], "Unknown api_error");
    check(FIRST, vec![Answer::Cut(Vec::new())], &["DELETE"], "Unknown api_error");
}

#[test]
fn what_is_canceled_already_is_canceled() {
    check(FIRST, vec![missing(), ok(CANCELED)], &["DELETE", "GET"], "done canceled");
    check(FIRST, vec![missing(), missing()], &["DELETE", "GET"], "Refused invalid_request_error");
    check(FIRST, vec![missing(), ok(ACTIVE)], &["DELETE", "GET"], "Refused invalid_request_error");
    check(FIRST, vec![missing(), answer("503 Oops", &[], "")], &["DELETE", "GET"], "Unknown api_error");
}

#[test]
fn after_an_unknown_outcome_it_is_looked_for_first() {
    check(AGAIN, vec![ok(CANCELED)], &["GET"], "done canceled");
    check(AGAIN, vec![ok(ACTIVE), ok(CANCELED)], &["GET", "DELETE"], "done canceled");
    check(AGAIN, vec![ok(ACTIVE), missing(), ok(CANCELED)], &["GET", "DELETE", "GET"], "done canceled");
    check(AGAIN, vec![missing()], &["GET"], "Refused invalid_request_error");
}

#[test]
fn a_look_that_shows_nothing_leaves_it_unknown_and_sends_nothing() {
    check(AGAIN, vec![Answer::Cut(Vec::new())], &["GET"], "Unknown api_error");
    check(AGAIN, vec![answer("500 Oops", &[], "")], &["GET"], "Unknown api_error");
    let refused = |status: &str, error: &str| answer(status, &[], &format!(r#"{{"error": {error}}}"#));
    let invalid = r#"{"type": "invalid_request_error"}"#;
    check(AGAIN, vec![refused("401 Unauthorized", invalid)], &["GET"], "Unauthorized authentication_error");
    check(AGAIN, vec![refused("429 Slow", invalid)], &["GET"], "Throttled rate_limit_error");
    // No answer about the object is one about the delete: none of these settles what was sent before.
    check(AGAIN, vec![refused("400 Bad Request", invalid)], &["GET"], "Forbidden invalid_request_error");
    check(AGAIN, vec![refused("403 Forbidden", invalid)], &["GET"], "Forbidden invalid_request_error");
    check(AGAIN, vec![answer("404 Not Found", &[], "<html>")], &["GET"], "Forbidden invalid_request_error");
}

#[test]
fn a_mere_look_changes_nothing() {
    check(LOOK, vec![ok(CANCELED)], &["GET"], "done canceled");
    check(LOOK, vec![ok(ACTIVE)], &["GET"], "NotFoundDone OUTCOME_UNKNOWN");
    check(LOOK, vec![missing()], &["GET"], "NotFoundDone invalid_request_error");
    check(LOOK, vec![answer("500 Oops", &[], "")], &["GET"], "NotFoundDone api_error");
    check(LOOK, vec![Answer::Cut(Vec::new())], &["GET"], "NotFoundDone api_error");
}
