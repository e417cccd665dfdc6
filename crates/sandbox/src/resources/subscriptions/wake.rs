//! What happens to a subscription without anyone calling: periods and trials end, a first payment
//! is not made in time, an invoice is paid or is not.

use serde_json::{Value, json};

use super::cancel::end;
use super::{bill, items, usual_method};
use crate::resources::invoices;
use crate::state::{Record, Transaction};

/// How long before its end a trial's end is told, in seconds.
const TOLD_BEFORE: i64 = 3 * 86_400;

/// Does what a subscription is to do now.
pub(in crate::resources) fn wake(tx: &mut Transaction<'_>, id: &str) {
    let Some(mut record) = tx.get("subscription", id).cloned() else { return };
    match record.text("status") {
        "incomplete" => expire(tx, record),
        "trialing" if record.integer("trial_end") > tx.now => {
            let end = record.integer("trial_end");
            await_trial_end(&mut record, end, tx.now);
            tx.put(record);
        }
        "active" | "past_due" | "trialing" | "unpaid" => {
            if record.value.get("cancel_at_period_end") == Some(&Value::Bool(true)) {
                end(tx, record);
                return;
            }
            if record.text("status") == "trialing" && !end_trial(tx, &mut record) {
                return;
            }
            renew(tx, record);
        }
        _ => {
            record.wake_at(None);
            tx.put(record);
        }
    }
}

/// Has a subscription woken at the end of its trial, and three days before, when that is told.
pub(super) fn await_trial_end(record: &mut Record, end: i64, now: i64) {
    let tell = end - TOLD_BEFORE;
    if tell > now {
        record.hidden.shift_remove("trial_told");
        record.wake_at(Some(tell));
    } else {
        record.hidden.insert("trial_told".to_owned(), json!(end));
        record.wake_at(Some(end));
    }
}

/// The first payment has not been made in time.
fn expire(tx: &mut Transaction<'_>, mut record: Record) {
    if let Some(invoice) = bill::latest(tx, &record).filter(|invoice| invoice.text("status") == "open") {
        invoices::void(tx, invoice);
    }
    record.set("status", "incomplete_expired");
    record.set("ended_at", tx.now);
    record.wake_at(None);
    tx.put(record);
}

/// Ends a trial; `false` where the subscription does not go on, for want of a payment method.
fn end_trial(tx: &mut Transaction<'_>, record: &mut Record) -> bool {
    let unpayable =
        record.text("collection_method") == "charge_automatically" && usual_method(tx, record).is_empty();
    let settings = record.value.get("trial_settings").cloned().unwrap_or_default();
    match settings["end_behavior"]["missing_payment_method"].as_str() {
        Some("cancel") if unpayable => {
            end(tx, record.clone());
            false
        }
        Some("pause") if unpayable => {
            record.set("status", "paused");
            record.wake_at(None);
            tx.put(record.clone());
            false
        }
        _ => {
            record.set("status", "active");
            true
        }
    }
}

/// Begins the next period, with a draft that finalizes in an hour.
fn renew(tx: &mut Transaction<'_>, mut record: Record) {
    let now = tx.now;
    start_period(tx, &mut record, now);
    match bill::draft(tx, &mut record, "subscription_cycle", bill::Lines::Period) {
        Ok(invoice) => bill::wait(tx, invoice),
        Err(failure) => tracing::debug!(message = failure.message, "a subscription could not be billed"),
    }
}

/// Begins a period at a time, and has the subscription woken at its end.
pub(super) fn start_period(tx: &mut Transaction<'_>, record: &mut Record, start: i64) {
    let price = items::of(tx, &record.id).next().and_then(|item| items::price(tx, item));
    let finish = price.map(|price| bill::next_end(record, price, start));
    if let Some(finish) = finish {
        bill::set_period(tx, &record.id, (start, finish));
    }
    record.wake_at(finish);
    tx.put(record.clone());
}

/// An invoice has been paid: if it is the latest of a subscription, that is in order again.
pub(in crate::resources) fn invoice_paid(tx: &mut Transaction<'_>, invoice: &Record) {
    let Some(mut record) = of(tx, invoice) else { return };
    match record.text("status") {
        "incomplete" => {
            record.wake_at(record.hidden.get("period_end").and_then(Value::as_i64));
            record.hidden.shift_remove("period_end");
        }
        "past_due" | "unpaid" => {}
        _ => return,
    }
    record.set("status", "active");
    tx.put(record);
}

/// An invoice was to be charged, and could not be.
pub(in crate::resources) fn invoice_failed(tx: &mut Transaction<'_>, invoice: &Record) {
    if let Some(mut record) = of(tx, invoice).filter(|record| record.text("status") == "active") {
        record.set("status", "past_due");
        tx.put(record);
    }
}

/// The subscription whose latest invoice this is.
fn of(tx: &Transaction<'_>, invoice: &Record) -> Option<Record> {
    let record = tx.get("subscription", invoice.hidden_text("subscription"))?;
    (record.text("latest_invoice") == invoice.id).then(|| record.clone())
}
