//! What an invoice is and tells: its amounts, its lines, its customer's details.

use serde_json::{Map, Value, json};

use super::finalize;
use crate::errors::Failure;
use crate::ids;
use crate::money::{self, DEFAULT_CURRENCY};
use crate::objects::{complete, keep};
use crate::resources::{account, discounts};
use crate::state::{Record, Transaction};

/// How many lines an invoice shows without being asked.
const SHOWN_LINES: usize = 10;

/// Stores a new draft.
pub(in crate::resources) fn start(tx: &mut Transaction<'_>, set: Map<String, Value>) -> Record {
    let id = ids::fresh("in_1", 23);
    let now = tx.now;
    tx.create(&id, now, blank(&id, now, set))
}

/// Brings an invoice's amounts up to its lines.
pub(in crate::resources) fn total_up(tx: &mut Transaction<'_>, id: &str) -> Result<(), Failure> {
    let Some(mut record) = tx.get("invoice", id).cloned() else { return Ok(()) };
    let subtotal: i64 = tx.all("line_item", ("invoice", id)).map(|line| line.integer("amount")).sum();
    let taken = discounts::take_off(tx, &record);
    let total = subtotal - taken.iter().map(|(_, amount)| amount).sum::<i64>();
    if total.unsigned_abs() > money::GREATEST_AMOUNT.unsigned_abs() {
        let message = format!("the invoice's total would pass {}", money::GREATEST_AMOUNT);
        return Err(Failure::refused(message).code("amount_too_large").param("amount"));
    }
    let balance =
        tx.get("customer", record.text("customer")).map_or(0, |customer| customer.integer("balance"));
    for (name, amount) in [("subtotal", subtotal), ("total", total)] {
        record.set(name, amount);
        record.set(&format!("{name}_excluding_tax"), amount);
    }
    let taken = taken.iter().map(|(discount, amount)| json!({"amount": amount, "discount": discount}));
    record.set("total_discount_amounts", taken.collect::<Vec<_>>());
    set_totals(&mut record, balance);
    tx.put(record);
    Ok(())
}

/// What is due of a total when the customer's balance is counted in.
pub(super) fn set_totals(record: &mut Record, balance: i64) {
    let due = record.integer("total").saturating_add(balance).max(0);
    let paid = if record.text("status") == "paid" { due } else { 0 };
    record.set("starting_balance", balance);
    record.set("amount_due", due);
    record.set("amount_paid", paid);
    record.set("amount_remaining", due - paid);
}

/// The answer for an invoice by its id.
pub(super) fn answer_for(tx: &Transaction<'_>, id: &str) -> Result<Value, Failure> {
    let record = tx.get("invoice", id).ok_or_else(|| Failure::not_found("invoice", id, "invoice"))?;
    Ok(answer(tx, record))
}

/// The invoice with its first lines, and as a draft with the customer's details of now.
pub(in crate::resources) fn answer(tx: &Transaction<'_>, record: &Record) -> Value {
    let mut value = record.value.clone();
    if record.text("status") == "draft"
        && let Some(customer) = tx.get("customer", record.text("customer")).filter(|it| !it.deleted())
    {
        value.extend(customer_fields(customer));
    }
    let mut shown: Vec<Value> = tx
        .all("line_item", ("invoice", &record.id))
        .take(SHOWN_LINES + 1)
        .map(|line| complete(line.value.clone()))
        .collect();
    let has_more = shown.len() > SHOWN_LINES;
    shown.truncate(SHOWN_LINES);
    let url = lines_url(&record.id);
    value.insert(
        "lines".to_owned(),
        json!({"object": "list", "data": shown, "has_more": has_more, "url": url}),
    );
    complete(value)
}

/// Where the lines of an invoice are listed.
pub(super) fn lines_url(id: &str) -> String {
    format!("/v1/invoices/{id}/lines")
}

/// What an invoice tells of its customer.
pub(super) fn customer_fields(customer: &Record) -> Map<String, Value> {
    let names = ["address", "email", "name", "phone", "shipping", "tax_exempt"];
    let copies = names
        .iter()
        .map(|name| (format!("customer_{name}"), customer.value.get(*name).cloned().unwrap_or(Value::Null)));
    copies.collect()
}

/// The currency for a customer where a call names none.
pub(in crate::resources) fn currency_of(customer: &Record) -> String {
    let own = customer.text("currency");
    if own.is_empty() { DEFAULT_CURRENCY.to_owned() } else { own.to_owned() }
}

/// An invoice with defaults for what `set` leaves out.
fn blank(id: &str, created: i64, set: Map<String, Value>) -> Map<String, Value> {
    let defaults = json!({
        "id": id,
        "account_country": account::COUNTRY,
        "account_name": account::NAME,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": false,
        "auto_advance": false,
        "automatic_tax": {"enabled": false},
        "billing_reason": "manual",
        "collection_method": "charge_automatically",
        "created": created,
        "currency": DEFAULT_CURRENCY,
        "customer_tax_ids": [],
        "default_tax_rates": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "livemode": false,
        "metadata": {},
        "payment_settings": {},
        "period_end": created,
        "period_start": created,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "draft",
        "status_transitions": {},
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    });
    keep("invoice", defaults, set)
}

/// Stores a line of an invoice; `set` says all but what is the same for each.
pub(in crate::resources) fn line(tx: &mut Transaction<'_>, invoice: &str, set: Map<String, Value>) {
    let id = ids::fresh("il_1", 23);
    let defaults = json!({
        "id": id,
        "discount_amounts": [],
        "discountable": true,
        "discounts": [],
        "invoice": invoice,
        "livemode": false,
        "metadata": {},
        "pretax_credit_amounts": [],
        "subtotal": set.get("amount"),
        "taxes": [],
    });
    let now = tx.now;
    tx.create(&id, now, keep("line_item", defaults, set));
}

/// Stores an invoice from a fixture. Its lines come from the invoice items that name it, and an
/// invoice that is no draft is numbered and dated as if it had been finalized when it was made.
/// An open one can be paid once its items are there.
pub(in crate::resources) fn load(
    tx: &mut Transaction<'_>,
    id: &str,
    mut given: Map<String, Value>,
) -> Result<(), String> {
    let customer = given.get("customer").and_then(Value::as_str).unwrap_or_default();
    let customer = tx.get("customer", customer).filter(|record| !record.deleted()).cloned();
    let customer =
        customer.ok_or_else(|| format!("`{id}` needs the id of a customer before it in `customer`"))?;
    if given.shift_remove("lines").is_some() {
        return Err(format!("leave `lines` out of `{id}`: give invoice items that name it"));
    }
    let created = given.get("created").and_then(Value::as_i64).unwrap_or(tx.now);
    let status = given.get("status").and_then(Value::as_str).unwrap_or("draft").to_owned();
    given.entry("currency").or_insert_with(|| json!(currency_of(&customer)));
    let overrides = given.clone();
    given.insert("status".to_owned(), json!("draft"));
    let record = tx.create(id, created, blank(id, created, given));
    if status != "draft" {
        finalize::finalize_draft(tx, record).map_err(|failure| failure.message)?;
        if let Some(mut record) = tx.get("invoice", id).cloned() {
            record.set("attempted", status == "paid");
            record.set("status_transitions", json!({"finalized_at": created}));
            record.value.extend(overrides);
            tx.put(record);
        }
    }
    Ok(())
}
