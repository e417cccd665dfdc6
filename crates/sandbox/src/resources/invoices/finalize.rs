//! Finalizing: what becomes of a draft that is opened, sent, or left until its time has come.

use serde_json::{Value, json};

use super::AUTO_ADVANCE_AFTER;
use super::collect::{self, Session};
use super::object::{answer, answer_for, customer_fields, set_totals};
use crate::errors::Failure;
use crate::ids;
use crate::resources::{Context, invoiceitems, subscriptions};
use crate::state::{Record, Transaction};

const DAY: i64 = 86_400;

pub(super) fn finalize(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let mut record = ctx.named("invoice", "invoice")?;
    if record.text("status") != "draft" {
        let status = record.text("status");
        let message = format!("this invoice is {status} already; only a draft can be finalized");
        return Err(Failure::refused(message).code("invoice_not_editable"));
    }
    if let Some(auto_advance) = ctx.params.flag("auto_advance") {
        record.set("auto_advance", auto_advance);
    }
    finalize_draft(&mut ctx.tx, record)?;
    let mut record = ctx.named("invoice", "invoice")?;
    let advances = record.value.get("auto_advance") == Some(&Value::Bool(true));
    if advances
        && record.text("status") == "open"
        && record.text("collection_method") == "charge_automatically"
    {
        let at = ctx.tx.now + AUTO_ADVANCE_AFTER;
        record.set("next_payment_attempt", at);
        record.wake_at(Some(at));
        ctx.tx.put(record);
    }
    answer_for(&ctx.tx, ctx.id())
}

pub(super) fn send(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("invoice", "invoice")?;
    if record.text("collection_method") != "send_invoice" {
        let message = "only an invoice with `collection_method=send_invoice` can be sent";
        return Err(Failure::refused(message));
    }
    let draft = record.text("status") == "draft";
    if !draft && record.text("status") != "open" {
        let message =
            format!("this invoice is {}; only an open one or a draft can be sent", record.text("status"));
        return Err(Failure::refused(message).code("invoice_not_editable"));
    }
    let email = match answer(&ctx.tx, &record).get("customer_email").and_then(Value::as_str) {
        Some(email) => email.to_owned(),
        None => {
            let message = "the customer has no e-mail address to send the invoice to";
            return Err(Failure::refused(message).param("customer"));
        }
    };
    if draft {
        finalize_draft(&mut ctx.tx, record)?;
    }
    let mut record = ctx.named("invoice", "invoice")?;
    record.hidden.insert("sent_at".to_owned(), json!(ctx.tx.now));
    record.hidden.insert("sent_to".to_owned(), json!(email));
    ctx.tx.put(record);
    answer_for(&ctx.tx, ctx.id())
}

/// Finalizes a draft whose time has come, and sends or charges it; one that cannot be finalized
/// stays a draft. One that was finalized before its time is only charged.
pub(in crate::resources) fn advance(tx: &mut Transaction<'_>, id: &str) {
    let Some(mut record) = tx.get("invoice", id).cloned() else { return };
    record.set("automatically_finalizes_at", Value::Null);
    record.wake_at(None);
    tx.put(record.clone());
    if record.text("status") == "draft" && finalize_draft(tx, record).is_err() {
        return;
    }
    let Some(mut record) = tx.get("invoice", id).cloned().filter(|it| it.text("status") == "open") else {
        return;
    };
    if record.text("collection_method") == "send_invoice" {
        if !record.text("customer_email").is_empty() {
            let email = record.text("customer_email").to_owned();
            record.hidden.insert("sent_at".to_owned(), json!(tx.now));
            record.hidden.insert("sent_to".to_owned(), json!(email));
        }
        tx.put(record);
    } else if let Err(failure) = collect::collect(tx, id, None, Session::CustomerAway) {
        tracing::debug!(id, message = failure.message, "an invoice was not paid by itself");
    }
}

/// Opens a draft, or marks it paid where nothing is due.
pub(in crate::resources) fn finalize_draft(
    tx: &mut Transaction<'_>,
    mut record: Record,
) -> Result<(), Failure> {
    let now = tx.now;
    let id = record.id.clone();
    let Some(mut customer) = tx.get("customer", record.text("customer")).filter(|it| !it.deleted()).cloned()
    else {
        let message = "the invoice's customer has been deleted";
        return Err(Failure::refused(message).code("resource_missing").param("customer"));
    };
    for (name, value) in customer_fields(&customer) {
        record.set(&name, value);
    }
    set_totals(&mut record, customer.integer("balance"));
    let total_due = record.integer("total").saturating_add(customer.integer("balance"));
    let paid = record.integer("amount_due") == 0;

    let number = customer.integer("next_invoice_sequence");
    record.set("number", format!("{}-{number:04}", customer.text("invoice_prefix")));
    customer.set("next_invoice_sequence", number.saturating_add(1));
    customer.set("balance", total_due.min(0));
    record.set("ending_balance", total_due.min(0));

    if let Some(days) = record.hidden.get("days_until_due").and_then(Value::as_i64) {
        record.set("due_date", now + days * DAY);
    }
    let secret = ids::fresh("test_", 40);
    let account = tx.account;
    record.set("hosted_invoice_url", format!("https://invoice.stripe.com/i/{account}/{secret}"));
    record.set("invoice_pdf", format!("https://pay.stripe.com/invoice/{account}/{secret}/pdf"));
    record.set("effective_at", now);
    record.set("automatically_finalizes_at", Value::Null);
    record.set("next_payment_attempt", Value::Null);
    record.set("status", if paid { "paid" } else { "open" });
    record.set("attempted", paid);
    let paid_at = if paid { json!(now) } else { Value::Null };
    let transitions = json!({
        "finalized_at": now, "marked_uncollectible_at": null, "paid_at": paid_at, "voided_at": null,
    });
    record.set("status_transitions", transitions);
    tx.put(customer);
    if paid {
        tx.put(record.clone());
        subscriptions::invoice_paid(tx, &record);
    } else {
        collect::ask_for_payment(tx, record);
    }
    invoiceitems::freeze(tx, &id);
    Ok(())
}
