//! Invoices: create, retrieve, list, their lines, finalize, send.
//! A draft follows its customer and its lines; finalizing freezes both. Nothing is ever charged.

mod finalize;

use serde_json::{Map, Value, json};

pub(super) use self::finalize::finalize_by_itself;
use super::{Action, Context, account, customers, invoiceitems};
use crate::errors::Failure;
use crate::ids;
use crate::money::{self, DEFAULT_CURRENCY};
use crate::objects::{complete, keep};
use crate::paging::{self, Listing, Order};
use crate::params::Params;
use crate::state::{Record, Transaction};

/// How many lines an invoice shows without being asked.
const SHOWN_LINES: usize = 10;
/// How long a draft that finalizes by itself waits, in seconds.
const AUTO_ADVANCE_AFTER: i64 = 3600;
/// The furthest that an invoice can be due, in days.
const FURTHEST_DUE: i64 = 36_500;

pub(super) const ACTIONS: &[Action] = &[
    Action {
        operation: "PostInvoices",
        takes: &[
            "auto_advance",
            "collection_method",
            "currency",
            "custom_fields",
            "customer",
            "days_until_due",
            "description",
            "due_date",
            "footer",
            "metadata",
            "pending_invoice_items_behavior",
            "statement_descriptor",
        ],
        clears: &["description"],
        run: create,
    },
    Action { operation: "GetInvoicesInvoice", takes: &[], clears: &[], run: retrieve },
    Action {
        operation: "GetInvoices",
        takes: &[
            "collection_method",
            "created",
            "customer",
            "due_date",
            "ending_before",
            "limit",
            "starting_after",
            "status",
        ],
        clears: &[],
        run: list,
    },
    Action {
        operation: "GetInvoicesInvoiceLines",
        takes: &["ending_before", "limit", "starting_after"],
        clears: &[],
        run: lines,
    },
    Action {
        operation: "PostInvoicesInvoiceFinalize",
        takes: &["auto_advance"],
        clears: &[],
        run: finalize::finalize,
    },
    Action { operation: "PostInvoicesInvoiceSend", takes: &[], clears: &[], run: finalize::send },
];

fn create(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let customer_id = params.required("customer")?;
    let method = params.text("collection_method").unwrap_or("charge_automatically");
    check_due(params, method, ctx.tx.now)?;
    let sent_currency = params.text("currency").map(|text| money::currency(text, "currency")).transpose()?;
    let metadata = params.metadata(&Value::Null)?;
    let customer = customers::referenced(&ctx.tx, customer_id)?;
    let currency = sent_currency.unwrap_or_else(|| currency_of(&customer));

    let mut set = Map::new();
    params.copy(&["custom_fields", "description", "due_date", "footer", "statement_descriptor"], &mut set);
    let auto_advance = params.flag("auto_advance").unwrap_or(false);
    set.insert("auto_advance".to_owned(), json!(auto_advance));
    set.insert("collection_method".to_owned(), json!(method));
    set.insert("currency".to_owned(), json!(currency));
    set.insert("customer".to_owned(), json!(customer_id));
    set.insert("metadata".to_owned(), metadata);
    if auto_advance {
        let at = ctx.tx.now + AUTO_ADVANCE_AFTER;
        set.insert("automatically_finalizes_at".to_owned(), json!(at));
        if method == "charge_automatically" {
            set.insert("next_payment_attempt".to_owned(), json!(at));
        }
    }
    let id = ids::fresh("in_1", 23);
    let value = blank(&id, ctx.tx.now, set);
    let mut record = ctx.tx.create(&id, ctx.tx.now, value);
    if let Some(days) = params.integer("days_until_due") {
        record.hidden.insert("days_until_due".to_owned(), json!(days));
        ctx.tx.put(record);
    }
    customers::settle_currency(&mut ctx.tx, customer_id, &currency);
    if params.text("pending_invoice_items_behavior") == Some("include") {
        invoiceitems::attach_pending(&mut ctx.tx, customer_id, &id, &currency)?;
    }
    total_up(&mut ctx.tx, &id)?;
    answer_for(&ctx.tx, &id)
}

/// The rules between how an invoice is collected and when it is due.
fn check_due(params: &Params, method: &str, now: i64) -> Result<(), Failure> {
    let (days, date) = (params.integer("days_until_due"), params.integer("due_date"));
    let named = if days.is_some() { "days_until_due" } else { "due_date" };
    match (method, days, date) {
        (_, Some(_), Some(_)) => return Err(Failure::exclusive(&["days_until_due", "due_date"])),
        ("send_invoice", None, None) => {
            let message = "with `collection_method=send_invoice`, give `days_until_due` or `due_date`";
            return Err(Failure::invalid(message).param("days_until_due"));
        }
        ("send_invoice", _, _) | (_, None, None) => {}
        _ => {
            let message = format!("`{named}` goes only with `collection_method=send_invoice`");
            return Err(Failure::invalid(message).param(named));
        }
    }
    if days.is_some_and(|days| !(0..=FURTHEST_DUE).contains(&days)) {
        let message = format!("`days_until_due` must be between 0 and {FURTHEST_DUE}");
        return Err(Failure::invalid(message).param("days_until_due"));
    }
    if date.is_some_and(|date| date <= now) {
        return Err(Failure::refused("`due_date` must be in the future").param("due_date"));
    }
    Ok(())
}

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("invoice", "invoice")?;
    Ok(answer(&ctx.tx, &record))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let listing = Listing {
        object: "invoice",
        url: "/v1/invoices".to_owned(),
        by: params.text("customer").map(|customer| ("customer", customer)),
        order: Order::NewestFirst,
    };
    let is = |record: &Record, name| params.text(name).is_none_or(|wanted| record.text(name) == wanted);
    paging::page(ctx, &listing, |record| {
        let due = record.value.get("due_date").and_then(Value::as_i64);
        is(record, "status")
            && is(record, "collection_method")
            && paging::within(params.get("created"), Some(record.integer("created")))
            && paging::within(params.get("due_date"), due)
    })
}

fn lines(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let invoice = ctx.named("invoice", "invoice")?;
    let listing = Listing {
        object: "line_item",
        url: lines_url(&invoice.id),
        by: Some(("invoice", &invoice.id)),
        order: Order::OldestFirst,
    };
    paging::page(ctx, &listing, |_| true)
}

/// Brings an invoice's amounts up to its lines.
pub(super) fn total_up(tx: &mut Transaction<'_>, id: &str) -> Result<(), Failure> {
    let Some(mut record) = tx.get("invoice", id).cloned() else { return Ok(()) };
    let total: i64 = tx.all("line_item", ("invoice", id)).map(|line| line.integer("amount")).sum();
    if total.unsigned_abs() > money::GREATEST_AMOUNT.unsigned_abs() {
        let message = format!("the invoice's total would pass {}", money::GREATEST_AMOUNT);
        return Err(Failure::refused(message).code("amount_too_large").param("amount"));
    }
    let balance =
        tx.get("customer", record.text("customer")).map_or(0, |customer| customer.integer("balance"));
    for name in ["subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"] {
        record.set(name, total);
    }
    set_totals(&mut record, balance);
    tx.put(record);
    Ok(())
}

/// What is due of a total when the customer's balance is counted in.
fn set_totals(record: &mut Record, balance: i64) {
    let due = record.integer("total").saturating_add(balance).max(0);
    let paid = if record.text("status") == "paid" { due } else { 0 };
    record.set("starting_balance", balance);
    record.set("amount_due", due);
    record.set("amount_paid", paid);
    record.set("amount_remaining", due - paid);
}

fn answer_for(tx: &Transaction<'_>, id: &str) -> Result<Value, Failure> {
    let record = tx.get("invoice", id).ok_or_else(|| Failure::not_found("invoice", id, "invoice"))?;
    Ok(answer(tx, record))
}

/// The invoice with its first lines, and as a draft with the customer's details of now.
pub(super) fn answer(tx: &Transaction<'_>, record: &Record) -> Value {
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

fn lines_url(id: &str) -> String {
    format!("/v1/invoices/{id}/lines")
}

fn customer_fields(customer: &Record) -> Map<String, Value> {
    let names = ["address", "email", "name", "phone", "shipping", "tax_exempt"];
    let copies = names
        .iter()
        .map(|name| (format!("customer_{name}"), customer.value.get(*name).cloned().unwrap_or(Value::Null)));
    copies.collect()
}

/// The currency for a customer where a call names none.
pub(super) fn currency_of(customer: &Record) -> String {
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

/// Stores an invoice from a fixture. Its lines come from the invoice items that name it, and an
/// invoice that is no draft is numbered and dated as if it had been finalized when it was made.
pub(super) fn load(tx: &mut Transaction<'_>, id: &str, mut given: Map<String, Value>) -> Result<(), String> {
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
