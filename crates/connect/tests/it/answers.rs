//! What an answer, or none, means.

use std::time::Duration;

use loopfour_connect::stripe::Config;
use loopfour_engine::ports::Actions;
use loopfour_engine::{Attempt, Failure, Outcome, Receipt, Request, Sending, StepError};
use uuid::Uuid;

use crate::server::{Answer, Seen, Server, answer};
use crate::support::{Stamp, anything, connect, listing, prepare, test_key};

const KEY: Uuid = Uuid::from_u128(0xabc);
const PATIENCE: Duration = Duration::from_secs(20);

fn a_write() -> Request {
    prepare(&anything(), r#"{"x": {"a": "b c"}}"#, "{}", Stamp::Off).unwrap()
}

fn a_read() -> Request {
    prepare(&listing(), r#"{"email": "a@b.c"}"#, "{}", Stamp::Off).unwrap()
}

fn send(config: Config, request: &Request, timeout: Duration) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(connect(config).perform(Sending { request, key: KEY, timeout, attempt: Attempt::First }))
}

fn exchange(request: &Request, scripted: Answer) -> (Outcome, Seen) {
    let server = Server::start(vec![scripted]);
    let outcome = send(test_key(&server.base), request, PATIENCE);
    (outcome, server.finish())
}

fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Done { .. } => panic!("{outcome:?}"),
        Outcome::Failed(failure) => *failure,
    }
}

/// `Finding code status retryable`, with its error.
fn summary(outcome: &Outcome) -> (String, StepError) {
    let Failure { finding, error, .. } = failure(outcome.clone());
    let status = error.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let retryable = if error.retryable { "retryable" } else { "final" };
    (format!("{finding:?} {} {status} {retryable}", error.code), error)
}

#[track_caller]
fn check(status: &str, headers: &[&str], error: &str, expected: &str) -> StepError {
    let body = if error.is_empty() { String::new() } else { format!(r#"{{"error": {error}}}"#) };
    let headers = [&["Request-Id: req_1"], headers].concat();
    let (outcome, _) = exchange(&a_write(), answer(status, &headers, &body));
    let (line, error) = summary(&outcome);
    assert_eq!(line, expected, "{status} {body}");
    assert!(!error.hint.is_empty() && !error.message.is_empty(), "{error:?}");
    assert_eq!(error.provider.as_deref(), Some("stripe"));
    assert_eq!(error.request_id.as_deref(), Some("req_1"));
    error
}

/// The table of answers and what each says about the call (spec 8, 12.5).
#[test]
fn status_first_then_code() {
    let plain = r#"{"type": "invalid_request_error", "message": "m"}"#;
    let code =
        |code: &str| format!(r#"{{"type": "invalid_request_error", "code": "{code}", "message": "m"}}"#);
    let (yes, no) = ("Stripe-Should-Retry: true", "Stripe-Should-Retry: false");
    let idempotency = r#"{"type": "idempotency_error", "message": "m"}"#;
    let in_use = r#"{"type": "idempotency_error", "code": "idempotency_key_in_use", "message": "m"}"#;
    let (none, replayed): (&[&str], &[&str]) = (&[], &["Idempotent-Replayed: true"]);
    let rows: &[(&str, &[&str], &str, &str)] = &[
        ("400 Bad Request", none, plain, "Refused invalid_request_error 400 final"),
        ("400 Bad Request", &[yes], plain, "Refused invalid_request_error 400 retryable"),
        ("400 Bad Request", replayed, plain, "Refused invalid_request_error 400 final"),
        ("400 Bad Request", none, idempotency, "Defect api_error 400 final"),
        ("400 Bad Request", &[yes], idempotency, "Defect api_error 400 final"),
        ("400 Bad Request", none, &code("rate_limit"), "Throttled rate_limit_error 400 retryable"),
        ("400 Bad Request", none, "", "Forbidden invalid_request_error 400 final"),
        ("401 Unauthorized", none, plain, "Unauthorized authentication_error 401 final"),
        ("401 Unauthorized", none, "", "Unauthorized authentication_error 401 final"),
        (
            "402 Payment Required",
            none,
            r#"{"type": "card_error", "code": "expired_card"}"#,
            "Refused expired_card 402 final",
        ),
        ("402 Payment Required", replayed, r#"{"type": "card_error"}"#, "Refused card_declined 402 final"),
        ("402 Payment Required", none, "", "Forbidden card_declined 402 final"),
        ("403 Forbidden", none, &code("account_invalid"), "Unauthorized authentication_error 403 final"),
        ("403 Forbidden", none, plain, "Forbidden invalid_request_error 403 final"),
        ("404 Not Found", none, &code("resource_missing"), "Refused invalid_request_error 404 final"),
        ("404 Not Found", none, "", "Forbidden invalid_request_error 404 final"),
        ("409 Conflict", none, in_use, "KeyInUse invalid_request_error 409 retryable"),
        ("409 Conflict", &[yes], in_use, "KeyInUse invalid_request_error 409 retryable"),
        ("409 Conflict", &[yes], plain, "Busy invalid_request_error 409 retryable"),
        ("409 Conflict", &[no], plain, "Conflict invalid_request_error 409 final"),
        ("409 Conflict", none, plain, "Conflict invalid_request_error 409 retryable"),
        ("418 Teapot", none, plain, "Forbidden invalid_request_error 418 final"),
        ("429 Slow", none, &code("rate_limit"), "Throttled rate_limit_error 429 retryable"),
        ("429 Slow", &[no], plain, "Throttled rate_limit_error 429 final"),
        ("429 Slow", none, "", "Throttled rate_limit_error 429 retryable"),
        ("429 Slow", none, &code("lock_timeout"), "Throttled rate_limit_error 429 retryable"),
        ("500 Oops", none, r#"{"type": "api_error", "message": "m"}"#, "Unknown api_error 500 retryable"),
        ("500 Oops", &[no], "", "Unknown api_error 500 final"),
        ("500 Oops", replayed, "", "ReplayedError api_error 500 retryable"),
        ("503 Oops", none, "", "Unknown api_error 503 retryable"),
        ("302 Found", &["Location: http://127.0.0.1:1/x"], "", "Unknown api_error 302 final"),
        ("304 Not Modified", none, "", "Unknown api_error 304 final"),
    ];
    for (status, headers, error, expected) in rows {
        check(status, headers, error, expected);
    }
    let error = check("403 Forbidden", &[], plain, "Forbidden invalid_request_error 403 final");
    assert_eq!(error.reason.as_deref(), Some("permission"));
    let error = check("409 Conflict", &[], in_use, "KeyInUse invalid_request_error 409 retryable");
    assert_eq!(error.reason.as_deref(), Some("idempotency_key_in_use"));
    let error = check("429 Slow", &[], &code("lock_timeout"), "Throttled rate_limit_error 429 retryable");
    assert!(error.hint.contains("holds the object"), "{}", error.hint);
}

#[test]
fn a_refusal_that_is_not_stripes_says_so() {
    let (outcome, _) = exchange(&a_write(), answer("400 Bad Request", &[], "<html>proxy</html>"));
    let (line, error) = summary(&outcome);
    assert_eq!(line, "Forbidden invalid_request_error 400 final");
    assert!(error.hint.contains("LOOPFOUR_STRIPE_API_BASE"), "{}", error.hint);
    assert!(!error.message.contains("html"), "{}", error.message);
}

#[test]
fn every_failure_tells_the_providers_clock_and_how_long_to_wait() {
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
    let check = |status: &str, headers: &[&str], date: Option<i64>, wait: Option<u64>| {
        let failure = failure(exchange(&a_write(), answer(status, headers, "{}")).0);
        assert_eq!((failure.date, failure.retry_after), (date, wait), "{status} {headers:?}");
    };
    let at = Some(784_111_777);
    check("429 Slow", &[date, "Retry-After: 7"], at, Some(7000));
    check("503 Oops", &["Retry-After: 0"], None, Some(0));
    check("429 Slow", &[date, "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT"], at, Some(30_000));
    check("429 Slow", &[date, "Retry-After: Sun, 06 Nov 1994 08:49:07 GMT"], at, Some(0));
    check("429 Slow", &["Retry-After: Sun, 06 Nov 1994 08:49:07 GMT"], None, Some(0));
    check("429 Slow", &["Retry-After: 99999999999"], None, Some(3_600_000));
    for nonsense in ["Retry-After: soon", "Retry-After: -1", "Retry-After: 1e3", "Retry-After:"] {
        check("429 Slow", &[nonsense], None, None);
    }
    for status in ["400 Bad Request", "401 Unauthorized", "409 Conflict", "500 Oops"] {
        check(status, &[date], at, None);
    }
    let (outcome, _) = exchange(&a_write(), answer("200 OK", &[date], "nonsense"));
    assert_eq!(failure(outcome).date, at);
}

#[test]
fn what_stripe_says_is_kept() {
    let body = r#"{"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds", "param": "source",
        "doc_url": "https://stripe.com/docs", "message": "Your card has insufficient funds."}"#;
    let error = check("402 Payment Required", &[], body, "Refused card_declined 402 final");
    let expected = StepError {
        code: "card_declined".to_owned(),
        message: "Your card has insufficient funds.".to_owned(),
        provider: Some("stripe".to_owned()),
        kind: Some("card_error".to_owned()),
        decline_code: Some("insufficient_funds".to_owned()),
        param: Some("source".to_owned()),
        request_id: Some("req_1".to_owned()),
        status: Some(402),
        doc_url: Some("https://stripe.com/docs".to_owned()),
        hint: "the customer should use a different card".to_owned(),
        ..StepError::default()
    };
    assert_eq!(error, expected);
    let missing = r#"{"type": "invalid_request_error", "code": "resource_missing", "param": "customer", "message": "No such"}"#;
    let error = check("400 Bad Request", &[], missing, "Refused invalid_request_error 400 final");
    assert_eq!(error.reason.as_deref(), Some("resource_missing"));
    assert!(error.hint.contains("`customer`"), "{}", error.hint);
    let shape = r#"{"type": 1, "code": null, "message": ["a"], "param": ""}"#;
    let error = check("400 Bad Request", &[], shape, "Refused invalid_request_error 400 final");
    assert_eq!(error.message, "`stripe.any` was answered with status 400 Bad Request without a message");
}

#[test]
fn no_key_is_ever_shown() {
    let body = r#"{"type": "invalid_request_error", "message": "Invalid API Key provided: sk_test_ab*****c123, or rk_live_Zz9! in sk_test_"}"#;
    let error = check("401 Unauthorized", &[], body, "Unauthorized authentication_error 401 final");
    assert_eq!(error.message, "Invalid API Key provided: sk_test_…, or rk_live_…! in sk_test_…");
    assert!(error.hint.contains("STRIPE_API_KEY"), "{}", error.hint);
    let shown = format!("{:?} {:?}", connect(test_key("http://127.0.0.1:9")), test_key("http://127.0.0.1:9"));
    assert!(!shown.contains("abc123"), "{shown}");
}

#[test]
fn a_success_is_the_object_and_its_receipt() {
    let headers =
        ["Request-Id: req_9", "Idempotent-Replayed: true", "Date: Sun, 06 Nov 1994 08:49:37 GMT", "X: y"];
    let (outcome, seen) =
        exchange(&a_write(), answer("200 OK", &headers, r#"{"id": "cus_1", "new_field": [1.50]}"#));
    let Outcome::Done { output, receipt } = outcome else { panic!("{outcome:?}") };
    assert_eq!(output.to_string(), r#"{"id":"cus_1","new_field":[1.5]}"#);
    let date = Some(784_111_777);
    assert_eq!(receipt, Receipt { status: 200, request_id: Some("req_9".to_owned()), replayed: true, date });
    let version = env!("CARGO_PKG_VERSION");
    let port =
        seen.requests[0].lines().find_map(|line| line.strip_prefix("host: 127.0.0.1:")).unwrap().to_owned();
    let mut lines: Vec<&str> = seen.requests[0].split("\r\n").collect();
    lines[1..].sort_unstable();
    let expected = format!(
        "POST /v1/any HTTP/1.1
\n\naccept: application/json
authorization: Bearer sk_test_abc123
content-length: 10
content-type: application/x-www-form-urlencoded
host: 127.0.0.1:{port}
idempotency-key: 00000000-0000-0000-0000-000000000abc
stripe-version: 2026-08-26.dahlia
user-agent: LoopFour/{version}
x[a]=b%20c"
    );
    let expected: Vec<&str> = expected.lines().filter(|line| !line.is_empty()).collect();
    lines.retain(|line| !line.is_empty());
    assert_eq!(lines, expected);
}

#[test]
fn a_read_carries_no_key_and_no_body() {
    let (outcome, seen) = exchange(&a_read(), answer("200 OK", &[], r#"{"object": "list", "data": []}"#));
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    let request = seen.requests[0].to_ascii_lowercase();
    assert!(request.starts_with("get /v1/things?email=a%40b.c http/1.1\r\n"), "{request}");
    assert!(!request.contains("idempotency-key") && !request.contains("content-"), "{request}");
    assert!(request.ends_with("\r\n\r\n"), "{request}");
}

#[test]
fn a_success_that_cannot_be_read_is_unknown() {
    for body in ["", "null", "[1]", "<html>", r#"{"id": "#, "{\"id\": \"\u{1}\"}"] {
        let (outcome, _) = exchange(&a_write(), answer("200 OK", &[], body));
        assert_eq!(summary(&outcome).0, "Unknown api_error 200 retryable", "{body}");
    }
}

#[test]
fn an_answer_beyond_8_mib_is_not_kept() {
    let body = |length: usize| format!(r#"{{"a": "{}"}}"#, "x".repeat(length - 9));
    let limit = 8 * 1024 * 1024;
    let (outcome, _) = exchange(&a_write(), answer("200 OK", &[], &body(limit)));
    assert!(matches!(outcome, Outcome::Done { .. }), "exactly the limit passes");
    let (outcome, _) = exchange(&a_write(), answer("200 OK", &[], &body(limit + 1)));
    assert_eq!(summary(&outcome).0, "Refused OUTPUT_TOO_LARGE 200 final");
    let (outcome, _) = exchange(&a_write(), answer("500 Oops", &[], &body(limit + 1)));
    assert_eq!(summary(&outcome).0, "Unknown api_error 500 retryable");
}

#[test]
fn a_connection_that_breaks_leaves_the_outcome_unknown() {
    let cut = |bytes: &str| summary(&exchange(&a_write(), Answer::Cut(bytes.as_bytes().to_vec())).0);
    assert_eq!(cut("").0, "Unknown api_error - retryable");
    assert_eq!(cut("HTTP/1.1 200 OK\r\nContent-Le").0, "Unknown api_error - retryable");
    assert_eq!(
        cut("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"id\"").0,
        "Unknown api_error - retryable"
    );
    let (line, error) = cut("nonsense\r\n\r\n");
    assert_eq!(line, "Unknown api_error - retryable");
    assert!(error.hint.contains("same idempotency key"), "{}", error.hint);
    let (outcome, _) = exchange(&a_read(), Answer::Cut(Vec::new()));
    assert!(summary(&outcome).1.hint.contains("nothing was changed"), "{outcome:?}");
}

#[test]
fn a_time_out_leaves_the_outcome_unknown() {
    let server = Server::start(vec![Answer::Silence]);
    let outcome = send(test_key(&server.base), &a_write(), Duration::from_millis(50));
    let (line, error) = summary(&outcome);
    assert_eq!(line, "Unknown api_error - retryable");
    assert_eq!(error.message, "no answer to `stripe.any`: no answer within the time limit");
    assert_eq!(server.finish().requests.len(), 1);
}

#[test]
fn what_never_connected_was_not_sent() {
    // Nothing listens on port 1.
    let (line, error) = summary(&send(test_key("http://127.0.0.1:1"), &a_write(), PATIENCE));
    assert_eq!(line, "Unreachable api_error - retryable");
    assert!(error.message.contains("127.0.0.1 cannot be reached"), "{}", error.message);
    assert!(!error.message.contains("v1/any"), "{}", error.message);
    // A server that speaks no TLS.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("https://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        use std::io::Write;
        listener.accept().unwrap().0.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    assert_eq!(summary(&send(test_key(&base), &a_write(), PATIENCE)).0, "Unreachable api_error - retryable");
    thread.join().unwrap();
}

#[test]
fn nothing_is_sent_under_another_connection() {
    let base = "http://127.0.0.1:1".to_owned();
    let config = |key: Option<&str>, sandbox| Config {
        api_key: key.map(Into::into),
        api_base: base.clone(),
        sandbox,
        ..Config::default()
    };
    for other in [config(Some("sk_live_x"), false), config(None, true), config(None, false)] {
        let shown = format!("{other:?}");
        let (line, error) = summary(&send(other, &a_write(), PATIENCE));
        assert_eq!(line, "NoConnection authentication_error - final", "{shown}");
        assert!(!error.hint.is_empty());
    }
    let (_, error) = summary(&send(config(None, true), &a_write(), PATIENCE));
    assert_eq!(
        error.message,
        "the run began under the Stripe connection `environment` (test), and this server has `sandbox` (sandbox)"
    );
    let mut elsewhere = a_write();
    elsewhere.provider = "other".to_owned();
    assert_eq!(summary(&send(config(None, true), &elsewhere, PATIENCE)).0, "Defect INTERNAL_ERROR - final");
}

#[test]
fn a_journaled_request_that_makes_no_sense_is_a_defect() {
    let mut request = a_write();
    request.method = "BREW".to_owned();
    assert_eq!(
        summary(&send(test_key("http://127.0.0.1:1"), &request, PATIENCE)).0,
        "Defect INTERNAL_ERROR - final"
    );
    let mut request = a_write();
    request.version = "a\nb".to_owned();
    assert_eq!(
        summary(&send(test_key("http://127.0.0.1:1"), &request, PATIENCE)).0,
        "Defect INTERNAL_ERROR - final"
    );
}

#[test]
fn a_path_never_leads_to_another_host() {
    for path in ["//127.0.0.1:1/v1", "@127.0.0.1:1/v1", "/\\127.0.0.1:1", "http://127.0.0.1:1/"] {
        let mut request = a_write();
        request.path = path.to_owned();
        let (outcome, seen) = exchange(&request, answer("200 OK", &[], "{}"));
        assert!(matches!(outcome, Outcome::Done { .. }), "{path}: {outcome:?}");
        assert_eq!(seen.requests.len(), 1, "{path}");
    }
}

#[test]
fn the_base_may_have_a_path() {
    let server = Server::start(vec![answer("200 OK", &[], "{}")]);
    let outcome = send(test_key(&format!("{}/stripe/", server.base)), &a_read(), PATIENCE);
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    assert!(server.finish().requests[0].starts_with("GET /stripe/v1/things?email=a%40b.c "));
}

#[test]
fn calls_share_a_connection() {
    let server = Server::start(vec![
        answer("200 OK", &[], "{}"),
        answer("402 No", &[], "{}"),
        answer("200 OK", &[], "{}"),
    ]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connect = connect(test_key(&server.base));
    for _ in 0..3 {
        runtime.block_on(connect.perform(Sending {
            request: &a_write(),
            key: KEY,
            timeout: PATIENCE,
            attempt: Attempt::First,
        }));
    }
    drop(runtime);
    assert_eq!(server.finish().connections, 1);
}
