//! What a subscription makes of its items: drafts of invoices with lines for a period, and their
//! settling at once where it cannot wait.

use serde_json::{Value, json};

use super::items;
use crate::calendar::{self, Interval};
use crate::errors::Failure;
use crate::resources::invoices::{self, Session};
use crate::resources::{discounts, invoiceitems, prices};
use crate::state::{Record, Transaction};

/// The end of a subscription's period that a time is in, by how its prices recur.
pub(super) fn next_end(subscription: &Record, price: &Record, after: i64) -> i64 {
    let (interval, count) = prices::period(price).unwrap_or((Interval::Month, 1));
    calendar::period_end(subscription.integer("billing_cycle_anchor"), interval, count, after)
}

/// The period that a subscription is in; all its items have the same.
pub(super) fn period(tx: &Transaction<'_>, subscription: &str) -> (i64, i64) {
    let item = items::of(tx, subscription).next();
    item.map_or((tx.now, tx.now), |item| {
        (item.integer("current_period_start"), item.integer("current_period_end"))
    })
}

/// Puts all items into a period.
pub(super) fn set_period(tx: &mut Transaction<'_>, subscription: &str, period: (i64, i64)) {
    let items: Vec<Record> = items::of(tx, subscription).cloned().collect();
    for mut item in items {
        item.set("current_period_start", period.0);
        item.set("current_period_end", period.1);
        tx.put(item);
    }
}

/// Which lines a new invoice has, besides what was pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// Each item for the period.
    Period,
    /// Each item for nothing, for the time of a trial.
    Trial,
    /// Only what was pending.
    None,
}

/// Makes a draft of a subscription's invoice, and names it the latest.
pub(super) fn draft(
    tx: &mut Transaction<'_>,
    subscription: &mut Record,
    reason: &str,
    lines: Lines,
) -> Result<Record, Failure> {
    let customer = subscription.text("customer").to_owned();
    let currency = subscription.text("currency").to_owned();
    let (start, end) = period(tx, &subscription.id);
    let metadata = subscription.value.get("metadata");
    let discounts = discounts::lasting(tx, subscription);
    let set = json!({
        "auto_advance": true,
        "billing_reason": reason,
        "collection_method": subscription.text("collection_method"),
        "currency": currency,
        "customer": customer,
        "discounts": discounts,
        "parent": {
            "subscription_details": {"metadata": metadata, "subscription": subscription.id},
            "type": "subscription_details",
        },
        "period_end": end,
        "period_start": start,
    });
    let mut invoice = invoices::start(tx, set.as_object().cloned().unwrap_or_default());
    invoice.hidden.insert("subscription".to_owned(), json!(subscription.id));
    if let Some(days) = subscription.value.get("days_until_due") {
        invoice.hidden.insert("days_until_due".to_owned(), days.clone());
    }
    tx.put(invoice.clone());
    invoiceitems::attach_pending(tx, &customer, &invoice.id, &currency)?;
    if lines != Lines::None {
        let items: Vec<Record> = items::of(tx, &subscription.id).cloned().collect();
        for item in items {
            add_line(tx, &invoice.id, &item, lines);
        }
    }
    invoices::total_up(tx, &invoice.id)?;
    let invoice = tx.get("invoice", &invoice.id).cloned().unwrap_or(invoice);
    let used = invoice.integer("total") < invoice.integer("subtotal");
    let left = discounts.iter().filter(|id| !(used && discounts::is_once(tx, id))).cloned();
    subscription.set("discounts", left.collect::<Vec<String>>());
    subscription.set("latest_invoice", invoice.id.clone());
    tx.put(subscription.clone());
    Ok(invoice)
}

fn add_line(tx: &mut Transaction<'_>, invoice: &str, item: &Record, lines: Lines) {
    let Some(price) = items::price(tx, item) else { return };
    let quantity = item.integer("quantity");
    let name = product_name(tx, price);
    let trial = lines == Lines::Trial;
    let mut pricing = prices::pricing(price);
    if trial {
        pricing["unit_amount_decimal"] = json!("0");
    }
    let line = json!({
        "amount": if trial { 0 } else { prices::cost(price, quantity) },
        "currency": price.text("currency"),
        "description": if trial { format!("Trial period for {name}") } else { format!("{quantity} × {name}") },
        "parent": {
            "subscription_item_details": {
                "proration": false,
                "proration_details": {},
                "subscription": item.text("subscription"),
                "subscription_item": item.id,
            },
            "type": "subscription_item_details",
        },
        "period": {"end": item.integer("current_period_end"), "start": item.integer("current_period_start")},
        "pricing": pricing,
        "quantity": quantity,
        "quantity_decimal": quantity.to_string(),
        "subscription": item.text("subscription"),
    });
    invoices::line(tx, invoice, line.as_object().cloned().unwrap_or_default());
}

/// What the product of a price is called.
pub(super) fn product_name(tx: &Transaction<'_>, price: &Record) -> String {
    let product = tx.get("product", price.text("product"));
    product.map_or_else(|| price.id.clone(), |product| product.text("name").to_owned())
}

/// Finalizes a draft and charges it, if that is how it is collected. One that is to be sent waits
/// for its hour.
pub(super) fn settle(tx: &mut Transaction<'_>, invoice: Record, session: Session) -> Result<(), Failure> {
    if invoice.text("collection_method") == "send_invoice" && invoice.integer("total") > 0 {
        wait(tx, invoice);
        return Ok(());
    }
    let id = invoice.id.clone();
    invoices::finalize_draft(tx, invoice)?;
    let open = tx.get("invoice", &id).is_some_and(|invoice| invoice.text("status") == "open");
    if open { invoices::collect(tx, &id, None, session) } else { Ok(()) }
}

/// Leaves a draft to finalize by itself in an hour.
pub(super) fn wait(tx: &mut Transaction<'_>, mut invoice: Record) {
    let now = tx.now;
    invoices::advance_by_itself(&mut invoice, Some(now));
    tx.put(invoice);
}

/// The latest invoice of a subscription.
pub(super) fn latest(tx: &Transaction<'_>, subscription: &Record) -> Option<Record> {
    let id = subscription.value.get("latest_invoice").and_then(Value::as_str)?;
    tx.get("invoice", id).cloned()
}
