//! How an invoice is changed other than by being paid: updated, deleted, voided, given up.

use serde_json::{Map, Value, json};

use super::collect::{Paying, close_payment};
use super::object::answer_for;
use super::{advance_by_itself, check_due};
use crate::errors::Failure;
use crate::resources::{Context, deleted, invoiceitems, payment_methods};
use crate::state::{Record, Transaction};

/// What can still be changed once an invoice is finalized.
const ALWAYS_EDITABLE: &[&str] = &["auto_advance", "default_payment_method", "expand", "metadata"];

pub(super) fn update(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let mut record = ctx.named("invoice", "invoice")?;
    let draft = record.text("status") == "draft";
    if let Some(name) = params.names().find(|name| !draft && !ALWAYS_EDITABLE.contains(name)) {
        let message =
            format!("this invoice is {}; `{name}` can only be changed in a draft", record.text("status"));
        return Err(Failure::refused(message).code("invoice_not_editable").param(name));
    }
    set_due(&mut record, ctx)?;
    let mut set = Map::new();
    params.copy(&["custom_fields", "description", "footer", "statement_descriptor"], &mut set);
    if let Some(method) = params.text("default_payment_method") {
        let customer = record.text("customer");
        let method = payment_methods::attached(&ctx.tx, method, customer, "default_payment_method")?;
        set.insert("default_payment_method".to_owned(), json!(method.id));
    }
    let before = record.value.get("metadata").cloned().unwrap_or_default();
    set.insert("metadata".to_owned(), params.metadata(&before)?);
    record.apply(set);
    match params.flag("auto_advance") {
        Some(on) if draft => advance_by_itself(&mut record, on.then_some(ctx.tx.now)),
        Some(on) => record.set("auto_advance", on),
        None => {}
    }
    ctx.tx.put(record);
    answer_for(&ctx.tx, ctx.id())
}

/// Sets how a draft is collected and when it is due, by what is sent and what it had.
fn set_due(record: &mut Record, ctx: &Context<'_>) -> Result<(), Failure> {
    let params = ctx.params;
    let before = record.text("collection_method").to_owned();
    let method = params.text("collection_method").unwrap_or(&before);
    let sent = params.has("days_until_due") || params.has("due_date");
    let had = record.hidden.contains_key("days_until_due") || record.value.contains_key("due_date");
    if sent || (method == "send_invoice" && !had) {
        check_due(params, method, ctx.tx.now)?;
    }
    if sent || method == "charge_automatically" {
        record.set("due_date", params.get("due_date").cloned().unwrap_or_default());
        record.hidden.shift_remove("days_until_due");
        if let Some(days) = params.get("days_until_due") {
            record.hidden.insert("days_until_due".to_owned(), days.clone());
        }
    }
    record.set("collection_method", method);
    Ok(())
}

pub(super) fn delete(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("invoice", "invoice")?;
    if record.text("status") != "draft" {
        let message = format!(
            "this invoice is {}; only a draft can be deleted, void it instead",
            record.text("status")
        );
        return Err(Failure::refused(message).code("invoice_not_editable"));
    }
    if record.hidden.contains_key("subscription") {
        let message = "this invoice is a subscription's; it cannot be deleted";
        return Err(Failure::refused(message));
    }
    invoiceitems::release(&mut ctx.tx, &record.id);
    ctx.tx.remove(&record.id);
    Ok(deleted("invoice", &record.id))
}

pub(super) fn void_named(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("invoice", "invoice")?;
    match record.text("status") {
        "open" | "uncollectible" => void(&mut ctx.tx, record),
        status => {
            let hint = if status == "draft" { "; delete a draft instead" } else { "" };
            let message =
                format!("this invoice is {status}; only an open or uncollectible one can be voided{hint}");
            return Err(Failure::refused(message).code("invoice_not_editable"));
        }
    }
    answer_for(&ctx.tx, ctx.id())
}

/// Voids an open invoice, and the intent to pay it.
pub(in crate::resources) fn void(tx: &mut Transaction<'_>, mut record: Record) {
    end(&mut record, "void", "voided_at", tx.now);
    close_payment(tx, &record, Paying::OutOfBand);
    tx.put(record);
}

pub(super) fn mark_uncollectible(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let mut record = ctx.named("invoice", "invoice")?;
    if record.text("status") != "open" {
        let message =
            format!("this invoice is {}; only an open one can become uncollectible", record.text("status"));
        return Err(Failure::refused(message).code("invoice_not_editable"));
    }
    end(&mut record, "uncollectible", "marked_uncollectible_at", ctx.tx.now);
    ctx.tx.put(record);
    answer_for(&ctx.tx, ctx.id())
}

/// Moves an invoice to a state, and notes when.
pub(super) fn end(record: &mut Record, status: &str, at: &str, now: i64) {
    let mut transitions = record.value.get("status_transitions").cloned().unwrap_or_default();
    transitions[at] = json!(now);
    record.set("status", status);
    record.set("status_transitions", transitions);
    record.set("next_payment_attempt", Value::Null);
}
