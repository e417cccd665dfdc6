//! Canceling at once, and what is settled with it.

use serde_json::{Value, json};

use super::prorate::{self, Side};
use super::{PARAM, answer, bill, ended, items};
use crate::errors::Failure;
use crate::resources::Context;
use crate::resources::invoices::{self, Session};
use crate::state::{Record, Transaction};

pub(super) fn cancel(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let mut record = ctx.named("subscription", PARAM)?;
    if ended(record.text("status")) {
        return Err(Failure::not_found("subscription", &record.id, PARAM));
    }
    let started = !matches!(record.text("status"), "incomplete" | "trialing");
    if started && params.flag("prorate") == Some(true) {
        let items: Vec<Record> = items::of(&ctx.tx, &record.id).cloned().collect();
        for item in items {
            if let Some(price) = items::price(&ctx.tx, &item).cloned() {
                prorate::add(&mut ctx.tx, &item, &price, item.integer("quantity"), Side::Unused);
            }
        }
    }
    let mut details = record.value.get("cancellation_details").cloned().unwrap_or_else(|| json!({}));
    if let Some(Value::Object(sent)) = params.get("cancellation_details") {
        for (name, value) in sent {
            details[name] = value.clone();
        }
    }
    details["reason"] = json!("cancellation_requested");
    record.set("cancellation_details", details);
    let mut record = end(&mut ctx.tx, record);
    if started && params.flag("invoice_now") == Some(true) && anything_pending(&ctx.tx, &record) {
        let invoice = bill::draft(&mut ctx.tx, &mut record, "subscription_update", bill::Lines::None)?;
        if let Err(failure) = bill::settle(&mut ctx.tx, invoice, Session::CustomerAway) {
            tracing::debug!(message = failure.message, "a final invoice was not paid");
        }
    }
    Ok(answer(&ctx.tx, &record))
}

fn anything_pending(tx: &Transaction<'_>, record: &Record) -> bool {
    tx.all("invoiceitem", ("customer", record.text("customer")))
        .any(|item| item.text("invoice").is_empty() && item.text("currency") == record.text("currency"))
}

/// Ends a subscription now: it is billed no more, and what it has not collected waits for a person.
pub(in crate::resources) fn end(tx: &mut Transaction<'_>, mut record: Record) -> Record {
    if ended(record.text("status")) {
        return record;
    }
    let now = tx.now;
    let incomplete = record.text("status") == "incomplete";
    record.set("status", "canceled");
    record.set("ended_at", now);
    if !record.value.contains_key("canceled_at") {
        record.set("canceled_at", now);
    }
    record.wake_at(None);
    tx.put(record.clone());
    let invoices: Vec<Record> = tx
        .all("invoice", ("customer", record.text("customer")))
        .filter(|invoice| invoice.hidden_text("subscription") == record.id)
        .filter(|invoice| matches!(invoice.text("status"), "draft" | "open"))
        .cloned()
        .collect();
    for mut invoice in invoices {
        if incomplete && invoice.text("status") == "open" {
            invoices::void(tx, invoice);
        } else {
            invoices::advance_by_itself(&mut invoice, None);
            invoice.wake_at(None);
            tx.put(invoice);
        }
    }
    record
}
