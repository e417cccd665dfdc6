//! What a 429 slows: just what it names.

use std::time::Duration;

use loopfour_connect::Connect;
use loopfour_connect::pace::PaceConfig;
use loopfour_connect::stripe::Config;
use loopfour_engine::ports::Actions;
use loopfour_engine::{Attempt, Request, Sending};
use loopfour_lang::Catalog;
use tokio::time::Instant;
use uuid::Uuid;

use crate::server::{Server, answer};
use crate::support::{Stamp, connect, prepare, test_key};

fn request(action: &str, config: &str) -> Request {
    prepare(Catalog::builtin().action(action).unwrap(), config, "{}", Stamp::Off).unwrap()
}

fn update(customer: &str) -> Request {
    request("stripe.updateCustomer", &format!(r#"{{"customerId": "{customer}", "name": "Ada"}}"#))
}

/// How long a call waits for its turn, in whole seconds; the clock jumps.
async fn wait(connect: &Connect, request: &Request) -> u64 {
    tokio::time::pause();
    let start = Instant::now();
    connect.turn(request).await;
    let waited = start.elapsed().as_secs();
    tokio::time::resume();
    waited
}

/// After one answer to an update of `cus_1`: how long wait, in turn, another update, a read, and a create.
#[track_caller]
fn check(status: &str, reason: &str, code: &str, expected: [u64; 3]) {
    let reason = format!("Stripe-Rate-Limited-Reason: {reason}");
    let headers = ["Retry-After: 7", &reason];
    let headers = if reason.ends_with(": ") { &headers[..1] } else { &headers };
    let body = format!(r#"{{"error": {{"type": "invalid_request_error", "code": "{code}"}}}}"#);
    let others = [
        update("cus_2"),
        request("stripe.getCustomer", r#"{"customerId": "cus_1"}"#),
        request("stripe.createCustomer", "{}"),
    ];
    let waits = others.map(|other| {
        let server = Server::start(vec![answer(status, headers, &body)]);
        let connect = connect(Config { pace: PaceConfig::OFF, ..test_key(&server.base) });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let waited = runtime.block_on(async {
            let (request, timeout) = (&update("cus_1"), Duration::from_secs(20));
            connect.perform(Sending { request, key: Uuid::nil(), timeout, attempt: Attempt::First }).await;
            wait(&connect, &other).await
        });
        server.finish();
        waited
    });
    assert_eq!(waits, expected, "{status} {reason} {code}");
}

#[test]
fn a_refusal_holds_what_it_names() {
    let (account, endpoint, call_alone) = ([7, 7, 7], [7, 0, 0], [0, 0, 0]);
    check("429 Slow", "global-rate", "rate_limit", account);
    check("429 Slow", "global-concurrency", "rate_limit", account);
    check("429 Slow", "endpoint-rate", "rate_limit", endpoint);
    check("429 Slow", "endpoint-concurrency", "rate_limit", endpoint);
    check("429 Slow", "resource-specific", "rate_limit", call_alone);
    check("429 Slow", "", "rate_limit", account);
    check("429 Slow", "something-new", "rate_limit", account);
    check("400 Bad Request", "", "rate_limit", endpoint);
    check("429 Slow", "", "lock_timeout", call_alone);
    check("503 Oops", "", "", call_alone);
}

#[test]
fn a_call_that_is_not_going_to_be_sent_waits_for_nothing() {
    let refused = answer("401 Unauthorized", &[], r#"{"error": {"type": "invalid_request_error"}}"#);
    let server = Server::start(vec![refused]);
    let pace = "total=1".parse().unwrap();
    let connect = connect(Config { pace, ..test_key(&server.base) });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (request, timeout) = (&update("cus_1"), Duration::from_secs(20));
        assert_eq!(wait(&connect, request).await, 0);
        assert_eq!(wait(&connect, request).await, 1);
        connect.perform(Sending { request, key: Uuid::nil(), timeout, attempt: Attempt::First }).await;
        assert_eq!(wait(&connect, request).await, 0, "the key is refused");
        let mut elsewhere = update("cus_1");
        elsewhere.account.mode = "live".to_owned();
        assert_eq!(wait(&connect, &elsewhere).await, 0, "there is no such connection");
    });
    server.finish();
}
