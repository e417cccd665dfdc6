//! Each of the source document's 24 snippets as it stands, with an `id` where it has none and nothing else, run against
//! the sandbox with the fixture of the document's ids.

use std::path::Path;

use serde_json::{Value, json};

use crate::process::{Place, Server, ended};

const SNIPPETS: &str = include_str!("snippets.json");

/// The snippets whose outputs others read, under the ids that those use.
const IDS: [(&str, &str); 3] = [
    ("stripe.getCustomer", "customer"),
    ("stripe.finalizeInvoice", "finalize"),
    ("stripe.listBalanceTransactions", "previous"),
];

fn snippets() -> Vec<Value> {
    serde_json::from_str(SNIPPETS).unwrap()
}

/// The snippet of an action as a step.
fn step(action: &str) -> Value {
    let mut step = snippets().into_iter().find(|snippet| snippet["action"] == action).unwrap();
    let named = IDS.iter().find(|(named, _)| *named == action);
    let id = named.map_or_else(|| action.strip_prefix("stripe.").unwrap(), |(_, id)| *id);
    step.as_object_mut().unwrap().entry("id").or_insert_with(|| json!(id));
    step
}

struct Sandbox {
    place: Place,
    stripe: Server,
}

impl Sandbox {
    /// With the fixture of the document's ids.
    fn start() -> Sandbox {
        let place = Place::new();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog/stripe/fixtures.json");
        let mut command = place.command(&["sandbox", "--listen", "127.0.0.1:0", "--fixtures"]);
        command.arg(fixtures);
        Sandbox { stripe: Server::start(command), place }
    }

    /// Runs these actions' snippets one after the other; the last one's output.
    #[track_caller]
    fn run(&self, actions: &[&str], input: &Value) -> Value {
        let steps: Vec<Value> = actions.iter().map(|action| step(action)).collect();
        let workflow = json!({"name": "Snippet", "trigger": {"type": "api"}, "steps": steps});
        std::fs::write(self.place.path().join("snippet.json"), workflow.to_string()).unwrap();
        let mut command = self.place.command(&["run", "snippet.json", "--input", &input.to_string()]);
        command.env("STRIPE_API_KEY", "sk_test_abc");
        command.env("LOOPFOUR_STRIPE_API_BASE", format!("http://{}", self.stripe.address));
        let ended = ended(command);
        assert_eq!(ended.code, Some(0), "{actions:?}: {}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }
}

/// The input that the snippets' templates read.
fn input() -> Value {
    json!({
        "email": "ada@example.com", "newEmail": "countess@example.com", "name": "Ada", "phone": "+49 30 1",
        "address": {"street": "Main St 1", "city": "Berlin", "state": "BE", "zip": "10115", "country": "DE"},
        "companyId": "com_1", "customerId": "cus_xxx", "orderId": "ord_7", "invoiceId": "in_xxx",
        "paymentMethodId": "pm_xxx", "paymentIntentId": "pi_xxx", "planName": "gold",
        "subscriptionId": "sub_xxx", "itemId": "si_xxx"
    })
}

/// Checks members of the last output, each by its path.
#[track_caller]
fn check(sandbox: &Sandbox, actions: &[&str], input: &Value, expected: &[(&str, Value)]) {
    let output = sandbox.run(actions, input);
    for (path, expected) in expected {
        assert_eq!(output.pointer(path), Some(expected), "{actions:?} {path}: {output}");
    }
}

#[test]
fn there_are_24() {
    let mut actions: Vec<String> =
        snippets().iter().map(|snippet| snippet["action"].as_str().unwrap().to_owned()).collect();
    actions.sort_unstable();
    actions.dedup();
    assert_eq!(actions.len(), 24);
}

#[test]
fn customers() {
    let sandbox = Sandbox::start();
    let check = |actions: &[&str], expected: &[(&str, Value)]| check(&sandbox, actions, &input(), expected);
    check(&["stripe.getCustomer"], &[("/id", json!("cus_xxx")), ("/object", json!("customer"))]);
    check(
        &["stripe.createCustomer"],
        &[
            ("/email", json!("ada@example.com")),
            ("/address/postal_code", json!("10115")),
            ("/metadata/company_id", json!("com_1")),
            ("/metadata/loopfour_step", json!("create-customer")),
        ],
    );
    check(&["stripe.listBalanceTransactions", "stripe.listCustomers"], &[("/data/1/id", json!("cus_xxx"))]);
    check(
        &["stripe.updateCustomer"],
        &[("/email", json!("countess@example.com")), ("/id", json!("cus_xxx"))],
    );
}

#[test]
fn invoices() {
    let sandbox = Sandbox::start();
    let check = |actions: &[&str], expected: &[(&str, Value)]| check(&sandbox, actions, &input(), expected);
    const CREATED: [&str; 3] = ["stripe.getCustomer", "stripe.createInvoice", "stripe.createInvoiceItem"];
    let status = |status: &str| ("/status", json!(status));
    check(
        &CREATED[..2],
        &[status("draft"), ("/customer", json!("cus_xxx")), ("/auto_advance", json!(false))],
    );
    check(&CREATED, &[("/amount", json!(9900)), ("/metadata/loopfour_step", json!("createInvoiceItem"))]);
    let finalized = [&CREATED[..], &["stripe.finalizeInvoice"]].concat();
    check(&finalized, &[status("open"), ("/amount_due", json!(9900))]);
    check(&[&finalized[..], &["stripe.sendInvoice"]].concat(), &[status("open")]);
    check(&["stripe.getInvoice"], &[("/id", json!("in_xxx")), status("open")]);
    check(&["stripe.listInvoices"], &[("/data/0/status", json!("open"))]);
    check(&["stripe.voidInvoice"], &[("/id", json!("in_xxx")), status("void")]);
}

#[test]
fn payment_intents() {
    let sandbox = Sandbox::start();
    let run = |actions: &[&str], payment: &str, expected: &[(&str, Value)]| {
        let mut input = input();
        input["paymentIntentId"] = json!(payment);
        check(&sandbox, actions, &input, expected);
    };
    let status = |status: &str| ("/status", json!(status));
    const CREATE: &str = "stripe.createPaymentIntent";
    run(&[CREATE], "", &[status("requires_payment_method"), ("/description", json!("Order #ord_7"))]);
    run(
        &[CREATE, "stripe.confirmPaymentIntent"],
        "",
        &[status("succeeded"), ("/amount_received", json!(9900))],
    );
    run(&["stripe.getPaymentIntent"], "", &[("/id", json!("pi_xxx"))]);
    let captured = [status("succeeded"), ("/amount_received", json!(5000))];
    run(&["stripe.capturePaymentIntent"], "pi_requires_capture", &captured);
    let canceled = [status("canceled"), ("/cancellation_reason", json!("requested_by_customer"))];
    run(&["stripe.cancelPaymentIntent"], "pi_xxx", &canceled);
    run(&["stripe.listPaymentIntents"], "", &[("/data/0/customer", json!("cus_xxx"))]);
}

#[test]
fn subscriptions() {
    let sandbox = Sandbox::start();
    let check = |actions: &[&str], expected: &[(&str, Value)]| check(&sandbox, actions, &input(), expected);
    let status = |status: &str| ("/status", json!(status));
    check(&["stripe.createSubscription"], &[status("trialing"), ("/metadata/plan", json!("gold"))]);
    check(&["stripe.getSubscription"], &[("/id", json!("sub_xxx")), status("active")]);
    check(&["stripe.listSubscriptions"], &[("/data/0/id", json!("sub_xxx"))]);
    let changed = [("/items/data/0/price/id", json!("price_new_xxx")), ("/items/data/0/id", json!("si_xxx"))];
    check(&["stripe.updateSubscription"], &changed);
    check(&["stripe.cancelSubscription"], &[("/id", json!("sub_xxx")), status("canceled")]);
    // Canceled already is success.
    check(&["stripe.cancelSubscription"], &[("/id", json!("sub_xxx")), status("canceled")]);
}

#[test]
fn balance() {
    let sandbox = Sandbox::start();
    let check = |actions: &[&str], expected: &[(&str, Value)]| check(&sandbox, actions, &input(), expected);
    check(&["stripe.getBalance"], &[("/object", json!("balance"))]);
    check(&["stripe.listBalanceTransactions"], &[("/data/0/type", json!("charge"))]);
}
