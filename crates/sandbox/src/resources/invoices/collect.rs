//! How an invoice is paid: each open one has a payment intent, and a record of the payment by it.

use serde_json::{Map, Value, json};

use super::change::end;
use super::finalize;
use super::object::answer_for;
use crate::errors::{Failure, Payment};
use crate::ids;
use crate::objects::{complete, keep};
use crate::paging::{self, Listing, Order};
use crate::resources::payment_intents::{self, How};
use crate::resources::{Action, Context, answer, customers, payment_methods, subscriptions};
use crate::state::{Record, Transaction};

/// The operations on payments of invoices.
pub(in crate::resources) const PAYMENTS: &[Action] = &[
    Action { operation: "GetInvoicePaymentsInvoicePayment", takes: &[], clears: &[], run: retrieve },
    Action {
        operation: "GetInvoicePayments",
        takes: &["created", "ending_before", "invoice", "limit", "starting_after", "status"],
        clears: &[],
        run: list,
    },
];

/// By what an invoice is paid.
#[derive(Debug, Clone, Copy)]
pub(in crate::resources) enum Paying<'a> {
    /// By its payment intent.
    Card { intent: &'a str },
    /// By other means, which the sandbox is only told of; or not at all.
    OutOfBand,
}

/// Whether the customer is there to authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::resources) enum Session {
    CustomerPresent,
    CustomerAway,
}

pub(super) fn pay(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("invoice", "invoice")?;
    match record.text("status") {
        "draft" => finalize::finalize_draft(&mut ctx.tx, record)?,
        "open" | "uncollectible" => {}
        status => {
            let message = format!("this invoice is {status} already; it cannot be paid");
            return Err(Failure::refused(message).code("invoice_not_editable"));
        }
    }
    let id = ctx.id().to_owned();
    let params = ctx.params;
    if ctx.named("invoice", "invoice")?.text("status") == "paid" {
        return answer_for(&ctx.tx, &id);
    }
    if params.flag("paid_out_of_band") == Some(true) {
        paid(&mut ctx.tx, &id, Paying::OutOfBand);
    } else {
        // Stripe takes an invoice's payment as one without the customer unless it is told otherwise.
        let present = params.flag("off_session") == Some(false);
        let session = if present { Session::CustomerPresent } else { Session::CustomerAway };
        collect(&mut ctx.tx, &id, params.text("payment_method"), session)?;
    }
    answer_for(&ctx.tx, &id)
}

/// Makes the intent and the payment by which an invoice that has just been opened is to be paid.
pub(super) fn ask_for_payment(tx: &mut Transaction<'_>, mut invoice: Record) {
    let amount = invoice.integer("amount_due");
    let intent = payment_intents::for_invoice(tx, &invoice, amount);
    let id = ids::fresh("inpay_1", 23);
    let now = tx.now;
    let payment = json!({
        "id": id,
        "amount_requested": amount,
        "created": now,
        "currency": invoice.text("currency"),
        "invoice": invoice.id,
        "is_default": true,
        "livemode": false,
        "payment": {"payment_intent": intent, "type": "payment_intent"},
        "status": "open",
        "status_transitions": {},
    });
    tx.create(&id, now, keep("invoice_payment", payment, Map::new()));
    invoice.hidden.insert("intent".to_owned(), json!(intent));
    invoice.hidden.insert("payment".to_owned(), json!(id));
    tx.put(invoice);
}

/// Charges an open invoice, to the payment method named or else to the one that is there for it.
/// Where it is not paid, that is a failure whose changes stand, except if there is no payment method.
pub(in crate::resources) fn collect(
    tx: &mut Transaction<'_>,
    id: &str,
    method: Option<&str>,
    session: Session,
) -> Result<(), Failure> {
    let missing = || Failure::not_found("invoice", id, "invoice");
    let mut invoice = tx.get("invoice", id).cloned().ok_or_else(missing)?;
    let customer = invoice.text("customer").to_owned();
    let chosen = method.map_or_else(|| usual_method(tx, &invoice), str::to_owned);
    invoice.set("attempted", true);
    invoice.set("attempt_count", invoice.integer("attempt_count") + 1);
    invoice.set("next_payment_attempt", Value::Null);
    if chosen.is_empty() {
        tx.put(invoice.clone());
        subscriptions::invoice_failed(tx, &invoice);
        return Err(no_method());
    }
    let method = payment_methods::attached(tx, &chosen, &customer, "payment_method")?;
    tx.put(invoice.clone());
    if !invoice.hidden.contains_key("intent") {
        // An open invoice that came as a fixture has none yet.
        ask_for_payment(tx, invoice.clone());
    }
    let intent = tx.get("invoice", id).map_or("", |invoice| invoice.hidden_text("intent")).to_owned();
    let missing = || Failure::not_found("payment_intent", &intent, "payment_intent");
    let intent = tx.get("payment_intent", &intent).cloned().ok_or_else(missing)?;
    let how = How { off_session: session == Session::CustomerAway, ..How::default() };
    match payment_intents::attempt(tx, intent, &method, &how) {
        Ok(intent) if intent.text("status") == "requires_action" => {
            subscriptions::invoice_failed(tx, &invoice);
            let message = "this payment requires the customer to authenticate it before it can be completed";
            let told = Payment { intent: answer(tx, &intent), ..Payment::default() };
            Err(Failure::card("invoice_payment_intent_requires_action", message).payment(told).stands())
        }
        Ok(_) => Ok(()),
        Err(failure) => {
            subscriptions::invoice_failed(tx, &invoice);
            Err(failure)
        }
    }
}

/// There is nothing to charge.
pub(in crate::resources) fn no_method() -> Failure {
    let message = "this customer has no default payment method: attach one, then give it as \
                   `default_payment_method` here or as the customer's \
                   `invoice_settings[default_payment_method]`";
    Failure::refused(message).code("resource_missing")
}

/// The payment method that is there for an invoice; empty where there is none.
fn usual_method(tx: &Transaction<'_>, invoice: &Record) -> String {
    let own = invoice.text("default_payment_method").to_owned();
    let subscription = tx.get("subscription", invoice.hidden_text("subscription"));
    let subscription = subscription.map_or("", |it| it.text("default_payment_method")).to_owned();
    let customer = customers::default_payment_method(tx, invoice.text("customer"));
    [own, subscription, customer].into_iter().find(|method| !method.is_empty()).unwrap_or_default()
}

/// Notes that an invoice has been paid, and lets its subscription go on.
pub(in crate::resources) fn paid(tx: &mut Transaction<'_>, id: &str, paying: Paying<'_>) {
    let Some(mut invoice) = tx.get("invoice", id).cloned() else { return };
    if invoice.text("status") == "void" {
        return;
    }
    let due = invoice.integer("amount_due");
    invoice.set("amount_paid", due);
    invoice.set("amount_remaining", 0);
    invoice.set("attempted", true);
    match paying {
        Paying::Card { .. } => {}
        Paying::OutOfBand => invoice.set("amount_paid_off_stripe", due),
    }
    end(&mut invoice, "paid", "paid_at", tx.now);
    close_payment(tx, &invoice, paying);
    tx.put(invoice.clone());
    subscriptions::invoice_paid(tx, &invoice);
}

/// Ends the payment of an invoice: as paid by its intent, or else as canceled.
pub(super) fn close_payment(tx: &mut Transaction<'_>, invoice: &Record, paying: Paying<'_>) {
    let Some(mut payment) = tx.get("invoice_payment", invoice.hidden_text("payment")).cloned() else {
        return;
    };
    match paying {
        Paying::Card { intent } => {
            payment.set("amount_paid", invoice.integer("amount_paid"));
            payment.set("payment", json!({"payment_intent": intent, "type": "payment_intent"}));
            payment.set("status", "paid");
            payment.set("status_transitions", json!({"paid_at": tx.now}));
        }
        Paying::OutOfBand => {
            payment_intents::cancel_for_invoice(tx, invoice.hidden_text("intent"));
            payment.set("status", "canceled");
            payment.set("status_transitions", json!({"canceled_at": tx.now}));
        }
    }
    tx.put(payment);
}

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("invoice_payment", "invoice_payment")?;
    Ok(answer(&ctx.tx, &record))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let by = params.text("invoice").map(|invoice| ("invoice", invoice));
    let url = "/v1/invoice_payments".to_owned();
    let listing = Listing { object: "invoice_payment", url, by, order: Order::NewestFirst };
    paging::page(ctx, &listing, |record| {
        params.text("status").is_none_or(|status| record.text("status") == status)
            && paging::within(params.get("created"), Some(record.integer("created")))
    })
}

/// The payments of an invoice, as it shows them when it is asked to.
pub(in crate::resources) fn payments(tx: &Transaction<'_>, invoice: &str) -> Value {
    let all = tx.all("invoice_payment", ("invoice", invoice));
    let data: Vec<Value> = all.map(|payment| complete(payment.value.clone())).collect();
    let url = format!("/v1/invoice_payments?invoice={invoice}");
    json!({"object": "list", "data": data, "has_more": false, "url": url})
}
