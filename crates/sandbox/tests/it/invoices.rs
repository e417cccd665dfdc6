//! Invoices after their drafts: what each state allows, how they are paid, changed and deleted.

use serde_json::{Value, json};

use crate::stripe::{Reply, Stripe, id};

/// A sandbox with a customer who pays with a card.
struct Place {
    stripe: Stripe,
    customer: String,
    method: String,
}

async fn place() -> Place {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let attach = [("customer", &*customer)];
    let method = id(&stripe.post("/v1/payment_methods/pm_card_visa/attach", &attach).await.ok());
    Place { stripe, customer, method }
}

impl Place {
    /// A draft over 1000 that is to be charged.
    async fn draft(&self, more: &[(&str, &str)]) -> String {
        let params = [&[("customer", &*self.customer)], more].concat();
        let invoice = id(&self.stripe.post("/v1/invoices", &params).await.ok());
        let item = [("customer", &*self.customer), ("invoice", &*invoice), ("amount", "1000")];
        self.stripe.post("/v1/invoiceitems", &item).await.ok();
        invoice
    }

    async fn act(&self, invoice: &str, what: &str, params: &[(&str, &str)]) -> Reply {
        self.stripe.post(&format!("/v1/invoices/{invoice}/{what}"), params).await
    }

    async fn get(&self, invoice: &str) -> Value {
        self.stripe.get(&format!("/v1/invoices/{invoice}?expand[]=payments")).await.ok()
    }

    async fn in_state(&self, status: &str) -> String {
        let invoice = self.draft(&[("default_payment_method", &self.method)]).await;
        let steps: &[&str] = match status {
            "open" => &["finalize"],
            "paid" => &["finalize", "pay"],
            "uncollectible" => &["finalize", "mark_uncollectible"],
            "void" => &["finalize", "void"],
            _ => &[],
        };
        for step in steps {
            self.act(&invoice, step, &[]).await.ok();
        }
        assert_eq!(self.get(&invoice).await["status"], status);
        invoice
    }
}

#[tokio::test]
async fn states_allow_what_they_allow() {
    let place = place().await;
    let states = ["draft", "open", "paid", "uncollectible", "void"];
    let no = "invoice_not_editable";
    let rows = [
        ("finalize", ["open", no, no, no, no]),
        ("pay", ["paid", "paid", no, "paid", no]),
        ("void", [no, "void", no, "void", no]),
        ("mark_uncollectible", [no, "uncollectible", no, no, no]),
    ];
    for (action, outcomes) in rows {
        for (state, expect) in states.iter().zip(outcomes) {
            let invoice = place.in_state(state).await;
            let reply = place.act(&invoice, action, &[]).await;
            let told = if reply.status == 200 { &reply.body["status"] } else { &reply.body["error"]["code"] };
            assert_eq!(told, expect, "{action} in {state}");
        }
    }
    for (state, (plain, delete)) in
        states.iter().zip([(200, 200), (400, 400), (400, 400), (400, 400), (400, 400)])
    {
        let path = format!("/v1/invoices/{}", place.in_state(state).await);
        let noted = place.stripe.post(&path, &[("metadata[a]", "1")]).await.ok();
        assert_eq!(noted["metadata"], json!({"a": "1"}), "{state}");
        assert_eq!(place.stripe.post(&path, &[("description", "d")]).await.status, plain, "{state}");
        assert_eq!(place.stripe.delete(&path).await.status, delete, "{state}");
    }
}

#[tokio::test]
async fn a_paid_invoice_tells_by_what() {
    let place = place().await;
    let invoice = place.in_state("open").await;
    let open = place.get(&invoice).await;
    let payment = &open["payments"]["data"][0];
    assert_eq!((&payment["status"], &payment["amount_requested"]), (&json!("open"), &json!(1000)));
    let paid = place.act(&invoice, "pay", &[("expand[]", "payments")]).await.ok();
    assert_eq!((&paid["amount_paid"], &paid["amount_remaining"]), (&json!(1000), &json!(0)));
    assert!(paid["status_transitions"]["paid_at"].is_i64());
    let payment = &paid["payments"]["data"][0];
    assert_eq!(payment["status"], "paid");
    let intent = payment["payment"]["payment_intent"].as_str().unwrap();
    let intent = place.stripe.get(&format!("/v1/payment_intents/{intent}")).await.ok();
    assert_eq!((&intent["status"], &intent["amount"]), (&json!("succeeded"), &json!(1000)));
    let listed = place.stripe.get(&format!("/v1/invoice_payments?invoice={invoice}&status=paid")).await.ok();
    assert_eq!(listed["data"][0], *payment);
    let balance = place.stripe.get("/v1/balance").await.ok();
    assert_eq!(balance["pending"][0]["amount"], 1000 - 29 - 30);
}

#[tokio::test]
async fn the_intent_of_an_invoice_pays_it() {
    let place = place().await;
    let invoice = place.in_state("open").await;
    let open = place.stripe.get(&format!("/v1/invoices/{invoice}?expand[]=confirmation_secret")).await.ok();
    let secret = open["confirmation_secret"]["client_secret"].as_str().unwrap();
    let intent = secret.split_once("_secret_").unwrap().0;
    let path = format!("/v1/payment_intents/{intent}");
    assert_eq!(
        place.stripe.post(&format!("{path}/cancel"), &[]).await.status,
        400,
        "void the invoice instead"
    );
    let method = [("payment_method", &*place.method)];
    place.stripe.post(&format!("{path}/confirm"), &method).await.ok();
    assert_eq!(place.get(&invoice).await["status"], "paid");
    let voided = place.in_state("void").await;
    let intent = place.get(&voided).await["payments"]["data"][0]["payment"]["payment_intent"].clone();
    let intent = place.stripe.get(&format!("/v1/payment_intents/{}", intent.as_str().unwrap())).await.ok();
    assert_eq!(
        (&intent["status"], &intent["cancellation_reason"]),
        (&json!("canceled"), &json!("void_invoice"))
    );
}

/// Parameters, the error, and how many attempts are counted then.
type Refusal<'a> = (&'a [(&'a str, &'a str)], &'a str, i64);

#[tokio::test]
async fn an_invoice_that_is_not_paid_says_why() {
    let place = place().await;
    let owner = [("customer", &*place.customer)];
    let attach = async |card: &str| {
        id(&place.stripe.post(&format!("/v1/payment_methods/{card}/attach"), &owner).await.ok())
    };
    let failing = attach("pm_card_chargeCustomerFail").await;
    let asking = attach("pm_card_authenticationRequired").await;
    let rows: &[Refusal<'_>] = &[
        (&[], "400 invalid_request_error resource_missing -", 0),
        (&[("payment_method", &failing)], "402 card_error card_declined -", 1),
        (&[("payment_method", &asking)], "402 card_error authentication_required -", 1),
        (
            &[("payment_method", &asking), ("off_session", "false")],
            "402 card_error invoice_payment_intent_requires_action -",
            1,
        ),
        (&[("payment_method", "pm_x")], "400 invalid_request_error resource_missing payment_method", 0),
    ];
    for (params, error, attempts) in rows {
        let invoice = place.draft(&[]).await;
        place.act(&invoice, "finalize", &[]).await.ok();
        let reply = place.act(&invoice, "pay", params).await;
        assert_eq!(reply.error(), *error, "{params:?}: {}", reply.body);
        let left = place.get(&invoice).await;
        assert_eq!(
            (&left["status"], &left["attempt_count"]),
            (&json!("open"), &json!(attempts)),
            "{params:?}"
        );
        let paid = place.act(&invoice, "pay", &[("payment_method", &place.method)]).await.ok();
        assert_eq!(paid["status"], "paid");
    }
    let invoice = place.draft(&[]).await;
    let outside =
        place.act(&invoice, "pay", &[("paid_out_of_band", "true"), ("expand[]", "payments")]).await.ok();
    assert_eq!((&outside["status"], &outside["amount_paid_off_stripe"]), (&json!("paid"), &json!(1000)));
    assert_eq!(outside["payments"]["data"][0]["status"], "canceled");
}

#[tokio::test]
async fn drafts_are_changed_and_deleted() {
    let place = place().await;
    let invoice = place.draft(&[]).await;
    let path = format!("/v1/invoices/{invoice}");
    let update = async |params: &[(&str, &str)]| place.stripe.post(&path, params).await;
    let send = ("collection_method", "send_invoice");
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[send], "- days_until_due"),
        (&[("days_until_due", "5")], "- days_until_due"),
        (&[("default_payment_method", "pm_x")], "resource_missing default_payment_method"),
        (&[("currency", "eur")], "parameter_unknown currency"),
    ];
    for (params, error) in rows {
        assert_eq!(update(params).await.error(), format!("400 invalid_request_error {error}"), "{params:?}");
    }
    update(&[send, ("days_until_due", "5"), ("description", "new"), ("auto_advance", "true")]).await.ok();
    let changed = place.get(&invoice).await;
    assert_eq!((&changed["description"], &changed["auto_advance"]), (&json!("new"), &json!(true)));
    assert_eq!(changed["automatically_finalizes_at"], changed["created"].as_i64().unwrap() + 3600);
    assert_eq!(changed["next_payment_attempt"], json!(null), "what is sent is not charged");
    update(&[("auto_advance", "false"), ("description", "")]).await.ok();
    let changed = place.get(&invoice).await;
    assert_eq!(
        (&changed["description"], &changed["automatically_finalizes_at"]),
        (&json!(null), &json!(null))
    );
    let gone = place.stripe.delete(&path).await.ok();
    assert_eq!(gone, json!({"id": invoice, "object": "invoice", "deleted": true}));
    assert_eq!(place.stripe.get(&path).await.error(), "404 invalid_request_error resource_missing invoice");
    let pending = place.stripe.get("/v1/invoiceitems?pending=true").await.ok();
    assert_eq!(pending["data"].as_array().unwrap().len(), 1, "its item is pending again");
    assert_eq!(place.stripe.get("/v1/invoices").await.ok()["data"], json!([]));
}

#[tokio::test]
async fn an_advancing_draft_is_charged_after_its_hour() {
    let place = place().await;
    let advance = ("auto_advance", "true");
    let paid = place.draft(&[advance, ("default_payment_method", &place.method)]).await;
    let unpaid = place.draft(&[advance]).await;
    let still = place.draft(&[]).await;
    let early = place.draft(&[("default_payment_method", &place.method)]).await;
    let finalized = place.act(&early, "finalize", &[advance]).await.ok();
    assert_eq!((&finalized["status"], finalized["next_payment_attempt"].is_i64()), (&json!("open"), true));
    place.stripe.control("POST", "clock", json!({"advance": 3700})).await.ok();
    assert_eq!(place.get(&paid).await["status"], "paid");
    let left = place.get(&unpaid).await;
    assert_eq!((&left["status"], &left["attempted"]), (&json!("open"), &json!(true)));
    assert_eq!(place.get(&still).await["status"], "draft");
    assert_eq!(place.get(&early).await["status"], "paid", "one finalized by hand is charged then too");
}
