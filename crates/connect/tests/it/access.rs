//! Whose account a key belongs to, and what a refused key keeps from being sent.

use std::time::Duration;

use loopfour_connect::Connect;
use loopfour_connect::stripe::Config;
use loopfour_engine::call::Account;
use loopfour_engine::ports::{Actions, Unprepared};
use loopfour_engine::{Attempt, ConnectionId, Finding, Outcome, Request, Sending, StepError};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::server::{Answer, Server, answer};
use crate::support::{anybodys, connect, prepare_under, test_key, with_key};

const PATIENCE: Duration = Duration::from_secs(20);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn ok(body: &str) -> Answer {
    answer("200 OK", &[], body)
}

fn account(id: &str) -> Answer {
    ok(&format!(r#"{{"id": "{id}", "object": "account"}}"#))
}

fn refused(status: &str) -> Answer {
    answer(status, &[], r#"{"error": {"type": "invalid_request_error", "message": "m"}}"#)
}

fn bound(id: &str) -> Account {
    Account { id: Some(id.to_owned()), ..anybodys() }
}

/// A connection whose account was asked for.
fn identified(config: impl Fn(&str) -> Config, script: Answer) -> Connect {
    let server = Server::start(vec![script]);
    let connect = connect(config(&server.base));
    runtime().block_on(connect.identify(PATIENCE)).unwrap();
    let seen = server.finish();
    assert!(seen.requests[0].starts_with("GET /v1/account HTTP/1.1\r\n"), "{}", seen.requests[0]);
    connect
}

fn not_ready(prepared: Result<Request, Unprepared>) -> StepError {
    match prepared {
        Err(Unprepared::NotReady { error, .. }) => error,
        Err(Unprepared::Refused(_)) | Ok(_) => panic!("{prepared:?}"),
    }
}

fn refusal(prepared: Result<Request, Unprepared>) -> StepError {
    match prepared {
        Err(Unprepared::Refused(error)) => error,
        Err(Unprepared::NotReady { .. }) | Ok(_) => panic!("{prepared:?}"),
    }
}

async fn send(connect: &Connect, account: Account) -> (Option<Finding>, String) {
    // As it is sent from the journal, however the connection stands by now.
    let elsewhere = crate::support::connect(test_key("http://127.0.0.1:9"));
    let request = Request { account, ..prepare_under(&elsewhere, None, Some(&anybodys())).unwrap() };
    let sending = Sending { request: &request, key: Uuid::nil(), timeout: PATIENCE, attempt: Attempt::First };
    match connect.perform(sending).await {
        Outcome::Done { .. } => (None, String::new()),
        Outcome::Failed(failure) => (Some(failure.finding), failure.error.message),
    }
}

#[test]
fn a_run_is_bound_to_the_account_of_the_key() {
    let connect = identified(test_key, account("acct_1"));
    let first = prepare_under(&connect, None, None).unwrap().account;
    assert_eq!(first, bound("acct_1"));
    assert_eq!(prepare_under(&connect, None, Some(&first)).unwrap().account, first);
    let error = not_ready(prepare_under(&connect, None, Some(&bound("acct_2"))));
    assert_eq!(error.code, "authentication_error");
    assert_eq!(
        error.message,
        "the run began under the Stripe connection `environment` (test, acct_2), and this server has `environment` (test, acct_1)"
    );
    // Journaled before accounts were told apart.
    assert_eq!(prepare_under(&connect, None, Some(&anybodys())).unwrap().account, anybodys());
    let other_mode = Account { mode: "live".to_owned(), ..first };
    let hint = "start with the live key of that account to let it go on";
    assert_eq!(not_ready(prepare_under(&connect, None, Some(&other_mode))).hint, hint);
    // The sandbox is in the way only where there is one.
    let connect = identified(|base| Config { sandbox: true, ..test_key(base) }, account("acct_1"));
    let hint = "start without --sandbox and with the live key of that account to let it go on";
    assert_eq!(not_ready(prepare_under(&connect, None, Some(&other_mode))).hint, hint);
}

#[test]
fn each_mode_is_a_connection() {
    let check = |key: &str, sandbox: bool, expected: &str| {
        let connect = identified(|base| Config { sandbox, ..with_key(key, base) }, account("acct_1"));
        let account = prepare_under(&connect, None, None).unwrap().account;
        assert_eq!(format!("{} {} {}", account.connection, account.mode, account.id.unwrap()), expected);
    };
    check("sk_test_a", false, "environment test acct_1");
    check("rk_test_a", false, "environment test acct_1");
    check("sk_live_a", false, "environment live acct_1");
    check(" rk_live_a\n", false, "environment live acct_1");
    check("sk_live_a", true, "sandbox sandbox acct_1");
}

#[test]
fn without_a_key_nothing_begins_and_what_began_waits() {
    for key in [None, Some(" ".into())] {
        let none = connect(Config { api_key: key, ..test_key("http://127.0.0.1:9") });
        runtime().block_on(none.identify(PATIENCE)).unwrap();
        let error = refusal(prepare_under(&none, None, None));
        assert_eq!(error.code, "authentication_error");
        assert!(
            error.hint.contains("connections add-key") && error.hint.ends_with("or start with --sandbox")
        );
        let error = not_ready(prepare_under(&none, None, Some(&bound("acct_1"))));
        assert!(error.message.contains("acct_1") && error.message.contains("has none"), "{}", error.message);
    }
    let other = Some(ConnectionId(Uuid::from_u128(1)));
    let error = refusal(prepare_under(&connect(test_key("http://127.0.0.1:9")), other, None));
    assert_eq!(error.code, "authentication_error");
    assert!(error.message.contains("conn_00000000-0000-0000-0000-000000000001"), "{}", error.message);
}

#[test]
fn a_key_that_may_not_read_its_account_stands_for_it() {
    let id = |key: &str, status: &str| {
        let connect = identified(|base| with_key(key, base), refused(status));
        (prepare_under(&connect, None, None).unwrap().account.id.unwrap(), connect)
    };
    let (first, with_first) = id("rk_test_a", "403 Forbidden");
    assert!(first.starts_with("key:") && first.len() == 20, "{first}");
    assert!(first[4..].bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    assert_eq!(id("rk_test_a", "404 Not Found").0, first);
    let (second, _) = id("rk_test_b", "403 Forbidden");
    assert_ne!(first, second);
    let error = not_ready(prepare_under(&with_first, None, Some(&bound(&second))));
    assert!(error.hint.contains("may not read its account"), "{}", error.hint);
    not_ready(prepare_under(&with_first, None, Some(&bound("acct_1"))));
    // The same key has the same account, now that it may read it.
    let readable = identified(|base| with_key("rk_test_a", base), account("acct_1"));
    assert_eq!(prepare_under(&readable, None, Some(&bound(&first))).unwrap().account, bound(&first));
}

#[test]
fn what_is_not_told_is_not_taken_for_an_account() {
    let check = |script: Answer, finding: Finding, piece: &str| {
        let server = Server::start(vec![script]);
        let connect = connect(test_key(&server.base));
        let (found, message) = runtime().block_on(send(&connect, bound("acct_1")));
        assert_eq!(found, Some(finding));
        assert!(message.contains(piece), "{message}");
        assert_eq!(not_ready(prepare_under(&connect, None, None)).message, message);
        assert_eq!(server.finish().requests.len(), 1);
    };
    let unreachable = Finding::Unreachable;
    check(
        answer("500 Oops", &[], ""),
        unreachable,
        "cannot be told: `GET /v1/account` was answered with status 500",
    );
    check(answer("403 Forbidden", &[], "<html>"), unreachable, "cannot be told");
    check(answer("404 Not Found", &[], "<html>"), unreachable, "cannot be told");
    check(ok("{}"), unreachable, "has no `id`");
    check(Answer::Cut(Vec::new()), unreachable, "no answer to `GET /v1/account`");
    check(refused("429 Slow"), Finding::Throttled, "m");
    check(refused("401 Unauthorized"), Finding::Unauthorized, "m");
}

#[test]
fn a_start_asks_again_unless_the_key_is_refused() {
    let check = |script: Vec<Answer>, is_told: bool| {
        let (asked, server) = (script.len(), Server::start(script));
        let connect = connect(test_key(&server.base));
        assert_eq!(runtime().block_on(connect.identify(PATIENCE)).is_ok(), is_told);
        assert_eq!(server.finish().requests.len(), asked);
    };
    check(vec![answer("500 Oops", &[], ""), account("acct_1")], true);
    check(vec![refused("401 Unauthorized")], false);
    let nowhere = connect(test_key("http://127.0.0.1:1"));
    assert!(runtime().block_on(nowhere.identify(Duration::ZERO)).is_err());
}

#[test]
fn the_first_call_asks_where_nobody_has() {
    let server = Server::start(vec![account("acct_1")]);
    let connect = connect(test_key(&server.base));
    runtime().block_on(async {
        let error = not_ready(prepare_under(&connect, None, None));
        assert!(error.message.contains("not known yet"), "{}", error.message);
        not_ready(prepare_under(&connect, None, None));
        connect.identify(PATIENCE).await.unwrap();
        assert_eq!(prepare_under(&connect, None, None).unwrap().account, bound("acct_1"));
    });
    assert_eq!(server.finish().requests.len(), 1);
}

#[test]
fn nothing_is_sent_before_the_account_is_known_to_be_the_runs() {
    let server = Server::start(vec![answer("503 Oops", &[], ""), account("acct_1"), ok("{}"), ok("{}")]);
    let connect = connect(test_key(&server.base));
    runtime().block_on(async {
        let (finding, message) = send(&connect, bound("acct_1")).await;
        assert_eq!(finding, Some(Finding::Unreachable));
        assert!(message.contains("cannot be told"), "{message}");
        // It was asked just now.
        assert_eq!(send(&connect, bound("acct_1")).await.0, Some(Finding::Unreachable));
        passes(Duration::from_secs(5)).await;
        assert_eq!(send(&connect, bound("acct_1")).await.0, None);
        let (finding, message) = send(&connect, bound("acct_2")).await;
        assert_eq!(finding, Some(Finding::NoConnection));
        assert!(message.contains("acct_1") && message.contains("acct_2"), "{message}");
        assert_eq!(send(&connect, anybodys()).await.0, None);
    });
    let seen = server.finish().requests;
    let asked: Vec<&str> = seen.iter().map(|request| request.split(' ').nth(1).unwrap()).collect();
    assert_eq!(asked, ["/v1/account", "/v1/account", "/v1/things", "/v1/things"]);
}

#[test]
fn a_refused_key_is_tried_once_a_minute() {
    let server =
        Server::start(vec![refused("401 Unauthorized"), refused("401 Unauthorized"), ok("{}"), ok("{}")]);
    let connect = connect(test_key(&server.base));
    runtime().block_on(async {
        let unauthorized = (Some(Finding::Unauthorized), "m".to_owned());
        for _ in 0..3 {
            assert_eq!(send(&connect, anybodys()).await, unauthorized);
        }
        passes(Duration::from_secs(59)).await;
        assert_eq!(send(&connect, anybodys()).await, unauthorized);
        passes(Duration::from_secs(1)).await;
        assert_eq!(send(&connect, anybodys()).await, unauthorized, "this one is sent");
        assert_eq!(send(&connect, anybodys()).await, unauthorized);
        passes(Duration::from_secs(60)).await;
        assert_eq!(send(&connect, anybodys()).await.0, None, "so is this one");
        assert_eq!(send(&connect, anybodys()).await.0, None);
    });
    assert_eq!(server.finish().requests.len(), 4);
}

async fn passes(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
