//! What a person sees of a call of unknown outcome: the object of an id, and the objects that may have come of it.

use loopfour_connect::stripe::Config;
use loopfour_engine::ports::{Actions, Candidates, FindError};
use loopfour_engine::{Request, StepPath, Timestamp};
use loopfour_lang::Catalog;

use crate::server::{Answer, Server, answer};
use crate::support::{RUN, Stamp, connect, prepare, test_key};

const MISSING: &str =
    r#"{"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such"}}"#;

fn request(action: &str, config: &str, stamp: Stamp) -> Request {
    prepare(Catalog::builtin().action(action).unwrap(), config, "{}", stamp).unwrap()
}

fn create() -> Request {
    request("stripe.createInvoice", r#"{"customerId": "cus_1", "expand": ["customer"]}"#, Stamp::On)
}

fn finalize() -> Request {
    request("stripe.finalizeInvoice", r#"{"invoiceId": "in_1"}"#, Stamp::On)
}

fn cancel() -> Request {
    request("stripe.cancelSubscription", r#"{"subscriptionId": "sub_1"}"#, Stamp::On)
}

fn ok(body: &str) -> Answer {
    answer("200 OK", &[], body)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// What is asked for, in turn; `done` and the object, or why not.
fn find(request: &Request, id: &str, script: Vec<Answer>) -> (Vec<String>, String) {
    let server = Server::start(script);
    let connect = connect(test_key(&server.base));
    let found = block_on(connect.find(request, id));
    let asked =
        server.finish().requests.iter().map(|request| request.lines().next().unwrap().to_owned()).collect();
    let shown = match found {
        Ok(object) => format!("done {object}"),
        Err(FindError::Unfit(message)) => format!("unfit {message}"),
        Err(FindError::Unavailable(message)) => format!("unavailable {message}"),
    };
    (asked, shown)
}

#[track_caller]
fn check(request: &Request, id: &str, script: Answer, asked: &str, piece: &str) {
    let (lines, shown) = find(request, id, vec![script]);
    assert_eq!(lines, [format!("GET {asked} HTTP/1.1")]);
    assert!(shown.contains(piece), "{shown}");
}

#[test]
fn an_object_is_read_back_as_the_call_would_have_given_it() {
    let invoice = r#"{"id":"in_1","object":"invoice"}"#;
    let done = format!("done {invoice}");
    check(&create(), "in_1", ok(invoice), "/v1/invoices/in_1?expand[0]=customer", &done);
    check(&finalize(), "in_1", ok(invoice), "/v1/invoices/in_1", &done);
    let canceled = r#"{"id":"sub_1","object":"subscription","status":"canceled"}"#;
    check(&cancel(), "sub_1", ok(canceled), "/v1/subscriptions/sub_1", &format!("done {canceled}"));
}

#[test]
fn what_does_not_fit_the_call_is_not_its_outcome() {
    let asked = "/v1/invoices/in_1?expand[0]=customer";
    let customer = ok(r#"{"id":"in_1","object":"customer"}"#);
    check(
        &create(),
        "in_1",
        customer,
        asked,
        "unfit `in_1` is customer, and `stripe.createInvoice` gives invoice",
    );
    check(
        &create(),
        "in_1",
        ok(r#"{"id":"in_2","object":"invoice"}"#),
        asked,
        "unfit Stripe answered another",
    );
    check(&create(), "in_1", ok("{}"), asked, "unfit Stripe answered another");
    let gone = ok(r#"{"id":"in_1","object":"invoice","deleted":true}"#);
    check(&create(), "in_1", gone, asked, "unfit `in_1` has been deleted");
    check(
        &create(),
        "in_1",
        answer("404 Not Found", &[], MISSING),
        asked,
        "unfit `in_1` does not exist in test",
    );
    check(
        &create(),
        "in_1",
        answer("400 Bad Request", &[], MISSING),
        asked,
        "unfit `in_1` does not exist in test",
    );
    let active = r#"{"id":"sub_1","object":"subscription","status":"active"}"#;
    check(&cancel(), "sub_1", ok(active), "/v1/subscriptions/sub_1", "unfit `sub_1` is there still");
    let odd = answer("404 Not Found", &[], MISSING);
    check(&create(), "../x?y", odd, "/v1/invoices/..%2Fx%3Fy?expand[0]=customer", "does not exist");
}

#[test]
fn some_ids_need_no_look() {
    let check = |request: &Request, id: &str, piece: &str| {
        let connect = connect(test_key("http://127.0.0.1:1"));
        let found = block_on(connect.find(request, id)).unwrap_err();
        assert!(matches!(&found, FindError::Unfit(message) if message.contains(piece)), "{found:?}");
    };
    check(&finalize(), "in_2", "was about `in_1`, not about `in_2`");
    check(&create(), "", "is not an id");
    check(&create(), "..", "is not an id");
    check(&create(), &"x".repeat(256), "is not an id");
    check(&request("stripe.getInvoice", r#"{"invoiceId": "in_1"}"#, Stamp::Off), "in_1", "changes nothing");
    check(&Request { action: "stripe.gone".to_owned(), ..create() }, "in_1", "not an action of this version");
}

#[test]
fn no_answer_says_nothing() {
    let asked = "/v1/invoices/in_1";
    let error = r#"{"error": {"type": "api_error", "message": "sorry"}}"#;
    for status in ["500 Oops", "429 Slow", "401 Unauthorized", "403 Forbidden", "409 Conflict"] {
        check(&finalize(), "in_1", answer(status, &[], error), asked, "unavailable sorry");
    }
    check(&finalize(), "in_1", answer("404 Not Found", &[], "<html>"), asked, "unavailable");
    check(&finalize(), "in_1", Answer::Cut(Vec::new()), asked, "unavailable");
    let elsewhere = connect(Config { sandbox: true, ..test_key("http://127.0.0.1:1") });
    let found = block_on(elsewhere.find(&create(), "in_1")).unwrap_err();
    assert!(matches!(&found, FindError::Unavailable(message) if message.contains("--sandbox")), "{found:?}");
}

/// Invoices, newest first, each `(id, created, run and step)`.
fn page(invoices: &[(&str, i64, &str)], has_more: bool) -> Answer {
    let invoices: Vec<String> = invoices
        .iter()
        .map(|(id, created, metadata)| {
            format!(
                r#"{{"id": "{id}", "object": "invoice", "created": {created}, "total": 99, "currency": "usd",
                    "status": "draft", "metadata": {{{metadata}}}}}"#
            )
        })
        .collect();
    ok(&format!(r#"{{"object": "list", "has_more": {has_more}, "data": [{}]}}"#, invoices.join(",")))
}

const SINCE: i64 = 1_000_000;

fn candidates(request: &Request, script: Vec<Answer>) -> (Vec<String>, Result<Candidates, FindError>) {
    let server = Server::start(script);
    let connect = connect(test_key(&server.base));
    let path = StepPath("create-it".to_owned());
    let found = block_on(connect.candidates(request, RUN, &path, Timestamp(SINCE * 1000)));
    let asked = server
        .finish()
        .requests
        .iter()
        .map(|request| request.split(' ').nth(1).unwrap().to_owned())
        .collect();
    (asked, found)
}

#[test]
fn candidates_carry_run_and_step() {
    let ours = format!(r#""loopfour_run": "{RUN}", "loopfour_step": "create-it""#);
    let other_step = format!(r#""loopfour_run": "{RUN}", "loopfour_step": "other""#);
    let other_run = r#""loopfour_run": "run_x", "loopfour_step": "create-it""#;
    let script = vec![
        page(&[("in_5", SINCE + 9, ""), ("in_4", SINCE + 8, &ours), ("in_3", SINCE + 7, &other_step)], true),
        page(&[("in_2", SINCE + 1, other_run), ("in_1", SINCE - 3601, &ours)], true),
    ];
    let (asked, found) = candidates(&create(), script);
    assert_eq!(asked, ["/v1/invoices?limit=100", "/v1/invoices?limit=100&starting_after=in_3"]);
    let found = found.unwrap();
    let shown: Vec<String> = found.found.iter().map(|one| format!("{one:?}")).collect();
    assert_eq!((found.searched, found.complete), (5, true));
    assert_eq!(
        shown,
        [
            r#"Candidate { id: "in_4", object: "invoice", created: 1000008, amount: Some(99), currency: Some("usd"), status: Some("draft") }"#,
            r#"Candidate { id: "in_1", object: "invoice", created: 996399, amount: Some(99), currency: Some("usd"), status: Some("draft") }"#
        ]
    );
    let (asked, found) = candidates(&create(), vec![page(&[], false)]);
    assert_eq!((asked.len(), found), (1, Ok(Candidates { complete: true, ..Candidates::default() })));
}

#[test]
fn an_invoice_item_was_made_at_its_date() {
    let ours = format!(r#""metadata": {{"loopfour_run": "{RUN}", "loopfour_step": "create-it"}}"#);
    let page = format!(
        r#"{{"data": [{{"id": "ii_1", "object": "invoiceitem", "date": 7, {ours}}}], "has_more": true}}"#
    );
    let (asked, found) = candidates(&create(), vec![answer("200 OK", &[], &page)]);
    let made: Vec<i64> = found.unwrap().found.iter().map(|one| one.created).collect();
    assert_eq!((asked.len(), made), (1, vec![7]), "and nothing older is asked for");
}

#[test]
fn a_search_ends() {
    let script =
        (0..20).map(|page_number| page(&[(&format!("in_{page_number}"), SINCE, "")], true)).collect();
    let (asked, found) = candidates(&create(), script);
    assert_eq!((asked.len(), found), (20, Ok(Candidates { searched: 20, ..Candidates::default() })));
}

#[test]
fn canceled_subscriptions_are_looked_at_too() {
    let config = r#"{"customerId": "cus_1", "items": [{"price": "price_1"}]}"#;
    let request = request("stripe.createSubscription", config, Stamp::On);
    let (asked, _) = candidates(&request, vec![page(&[], false)]);
    assert_eq!(asked, ["/v1/subscriptions?limit=100&status=all"]);
}

#[test]
fn a_call_about_an_object_has_that_one_as_its_candidate() {
    let invoice =
        ok(r#"{"id": "in_1", "object": "invoice", "created": 5, "amount_due": 7, "status": "open"}"#);
    let (asked, found) = candidates(&finalize(), vec![invoice]);
    assert_eq!(asked, ["/v1/invoices/in_1"]);
    let found = found.unwrap();
    let one = &found.found[0];
    assert_eq!((one.id.as_str(), one.amount, one.status.as_deref()), ("in_1", Some(7), Some("open")));
    assert_eq!((found.searched, found.complete, found.changes), (1, true, true));
    let (_, found) = candidates(&cancel(), vec![answer("404 Not Found", &[], MISSING)]);
    assert_eq!(found, Ok(Candidates { complete: true, changes: true, ..Candidates::default() }));
    let (_, found) = candidates(&cancel(), vec![answer("500 Oops", &[], "")]);
    assert!(matches!(found, Err(FindError::Unavailable(_))), "{found:?}");
}

#[test]
fn what_is_not_marked_cannot_be_looked_for() {
    let unmarked = request("stripe.createInvoice", r#"{"customerId": "cus_1"}"#, Stamp::Off);
    let (asked, found) = candidates(&unmarked, Vec::new());
    assert!(asked.is_empty());
    assert!(
        matches!(&found, Err(FindError::Unfit(message)) if message.contains("does not mark")),
        "{found:?}"
    );
}
