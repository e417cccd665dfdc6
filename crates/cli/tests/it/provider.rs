//! Stripe's refusals, pages and lost answers as a workflow meets them: a server beside a sandbox of its own process.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Place, Server, call, within};

struct Pair {
    stripe: Server,
    server: Server,
    _place: Place,
}

impl Pair {
    fn start() -> Pair {
        Pair::with(&[])
    }

    /// With these arguments of the sandbox.
    fn with(arguments: &[&str]) -> Pair {
        let place = Place::new();
        let mut command = place.command(&["sandbox", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        let stripe = Server::start(command);
        let mut command = Server::command_beside(&place, &stripe);
        command.env("LOOPFOUR_CONNECTION_WAIT", "0s");
        Pair { stripe, server: Server::start(command), _place: place }
    }

    fn control(&self, name: &str, body: &Value) {
        let (status, answer) =
            call(self.stripe.address, "POST", &format!("/_sandbox/{name}"), &body.to_string());
        assert_eq!(status, 200, "{answer}");
    }

    /// The calls that reached Stripe, as `METHOD path` and decoded parameters.
    fn calls(&self) -> Vec<(String, Value)> {
        let (_, answer) = call(self.stripe.address, "GET", "/_sandbox/calls", "");
        let line = |call: &Value| {
            let part = |name: &str| call[name].as_str().unwrap().to_owned();
            (format!("{} {}", part("method"), part("path")), call["params"].clone())
        };
        answer["calls"].as_array().unwrap().iter().map(line).collect()
    }

    /// Starts a run of these steps, in their order; where it is shown.
    fn begin(&self, steps: &Value) -> String {
        let workflow = json!({"name": "w", "trigger": {"type": "api"}, "steps": steps}).to_string();
        let (status, created) = self.server.call("POST", "/api/v1/workflows", &workflow);
        assert_eq!(status, 201, "{created}");
        let path = format!("/api/v1/workflows/{}", created["data"]["id"].as_str().unwrap());
        assert_eq!(self.server.call("POST", &format!("{path}/activate"), "").0, 200);
        let (status, started) = self.server.call("POST", &format!("{path}/run"), "{}");
        assert_eq!(status, 202, "{started}");
        format!("/api/v1/runs/{}", started["data"]["runId"].as_str().unwrap())
    }

    fn run(&self, steps: &Value) -> Value {
        ended(self.server.address, &self.begin(steps))
    }
}

fn ended(server: SocketAddr, run: &str) -> Value {
    within(|| {
        let shown = call(server, "GET", run, "").1["data"].clone();
        shown["completedAt"].is_string().then_some(shown)
    })
}

fn payment(method: &str) -> Value {
    json!([{"id": "pay", "action": "stripe.createPaymentIntent", "config": {
        "amount": 9900, "currency": "usd", "paymentMethodTypes": ["card"], "paymentMethod": method, "confirm": true}}])
}

/// The source document's table of common errors: the name, and what to do about it.
#[track_caller]
fn check_error(pair: &Pair, steps: &Value, code: &str, solution: &str) -> Value {
    let run = pair.run(steps);
    assert_eq!((&run["status"], &run["error"]["code"]), (&json!("failed"), &json!(code)), "{run}");
    let hint = run["error"]["hint"].as_str().unwrap();
    assert!(hint.contains(solution), "{hint}");
    assert_eq!(run["error"]["provider"], json!("stripe"));
    run["error"].clone()
}

#[test]
fn the_documents_common_errors() {
    let pair = Pair::start();
    let declined = payment("pm_card_visa_chargeDeclinedInsufficientFunds");
    let error = check_error(&pair, &declined, "card_declined", "customer should use a different card");
    assert_eq!((&error["declineCode"], &error["status"]), (&json!("insufficient_funds"), &json!(402)));
    let unknown =
        json!([{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": "cus_nobody"}}]);
    let error = check_error(&pair, &unknown, "invalid_request_error", "check");
    assert_eq!((&error["param"], &error["reason"]), (&json!("customer"), &json!("resource_missing")));
    let small = json!([{"id": "a", "action": "stripe.createPaymentIntent", "config": {"amount": 1, "currency": "usd"}}]);
    check_error(&pair, &small, "invalid_request_error", "check the required fields");
    let balance = json!([{"id": "a", "action": "stripe.getBalance"}]);
    pair.control("keys", &json!({"key": "sk_test_abc", "revoked": true}));
    check_error(&pair, &balance, "authentication_error", "check the connection");
}

#[test]
fn a_rate_limit_is_waited_out() {
    let pair = Pair::start();
    pair.control("faults", &json!({"kind": "rate_limit", "retry_after": 1}));
    let run = pair.begin(&json!([{"id": "a", "action": "stripe.getBalance"}]));
    let waiting = within(|| {
        let shown = pair.server.call("GET", &run, "").1["data"].clone();
        (shown["status"] == "waiting").then(|| shown["waiting"].clone())
    });
    assert_eq!((&waiting["reason"], &waiting["error"]["code"]), (&json!("pace"), &json!("rate_limit_error")));
    assert!(waiting["error"]["hint"].as_str().unwrap().contains("sent again by itself"), "{waiting}");
    assert!(waiting["until"].is_string(), "{waiting}");
    let run = ended(pair.server.address, &run);
    assert_eq!((&run["status"], &run["steps"][0]["attempt"]), (&json!("completed"), &json!(1)), "{run}");
}

#[test]
fn a_full_page_leads_to_the_next_and_a_short_one_does_not() {
    let pair = Pair::start();
    let create = |count: usize| {
        let steps =
            (0..count).map(|number| json!({"id": format!("c{number}"), "action": "stripe.createCustomer"}));
        assert_eq!(pair.run(&Value::Array(steps.collect()))["status"], "completed");
    };
    let pages = json!([
        {"id": "previous", "action": "stripe.listCustomers", "config": {"limit": 100}},
        {"id": "next", "action": "stripe.listCustomers", "config": {
            "limit": 100, "startingAfter": "{{steps.previous.output.data[99].id}}"}}]);
    create(99);
    assert_eq!(pair.run(&pages)["steps"][1]["output"]["data"].as_array().unwrap().len(), 99);
    assert_eq!(pair.calls().last().unwrap().1, json!([["limit", "100"]]));
    create(1);
    let run = pair.run(&pages);
    assert_eq!(run["steps"][1]["output"]["data"], json!([]));
    let last = run["steps"][0]["output"]["data"][99]["id"].clone();
    assert_eq!(pair.calls().last().unwrap().1, json!([["limit", "100"], ["starting_after", last]]));
}

#[test]
fn an_hour_later_a_draft_that_advances_is_open() {
    let pair = Pair::start();
    let invoice = |id: &str, more: Value| {
        let customer = "{{steps.customer.output.id}}";
        let mut config =
            json!({"customerId": customer, "collectionMethod": "send_invoice", "daysUntilDue": 30});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"id": id, "action": "stripe.createInvoice", "config": config})
    };
    let run = pair.run(&json!([
        {"id": "customer", "action": "stripe.createCustomer", "config": {"email": "ada@example.com"}},
        invoice("advances", json!({})),
        {"id": "item", "action": "stripe.createInvoiceItem", "config": {
            "customerId": "{{steps.customer.output.id}}", "invoiceId": "{{steps.advances.output.id}}",
            "amount": 9900, "currency": "usd"}},
        invoice("stays", json!({"autoAdvance": false}))]));
    let status = |step: usize| {
        let read = json!([{"id": "a", "action": "stripe.getInvoice", "config": {"invoiceId": run["steps"][step]["output"]["id"]}}]);
        pair.run(&read)["output"]["status"].clone()
    };
    assert_eq!((status(1), status(3)), (json!("draft"), json!("draft")));
    pair.control("clock", &json!({"advance": 3700}));
    assert_eq!((status(1), status(3)), (json!("open"), json!("draft")));
}

/// A cancellation whose answer is lost: it is looked for before it is sent again.
#[track_caller]
fn check_lost(kind: &str, after: &[&str]) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog/stripe/fixtures.json");
    let pair = Pair::with(&["--fixtures", fixtures.to_str().unwrap()]);
    pair.control("faults", &json!({"kind": kind, "match": {"method": "DELETE"}}));
    let done = pair.run(&json!([{"id": "cancel", "action": "stripe.cancelSubscription", "config": {
        "subscriptionId": "sub_xxx", "prorate": true}}]));
    assert_eq!(
        (&done["status"], &done["output"]["status"]),
        (&json!("completed"), &json!("canceled")),
        "{done}"
    );
    let calls = pair.calls().into_iter().map(|(line, _)| line).filter(|line| line != "GET /v1/account");
    let calls: Vec<String> = calls.collect();
    let expected: Vec<String> =
        after.iter().map(|method| format!("{method} /v1/subscriptions/sub_xxx")).collect();
    assert_eq!(calls, expected);
}

#[test]
fn a_lost_cancellation_is_looked_for_before_it_is_sent_again() {
    check_lost("cut_after_write", &["DELETE", "GET"]);
    check_lost("cut_before_write", &["DELETE", "GET", "DELETE"]);
}
