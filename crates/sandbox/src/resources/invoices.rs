//! Invoices: create, retrieve, list, their lines. What a draft becomes, how it is changed and how
//! it is paid have files of their own.

mod change;
mod collect;
mod finalize;
mod object;

use serde_json::{Map, Value, json};

pub(super) use self::change::void;
pub(super) use self::collect::{PAYMENTS, Paying, Session, collect, no_method, paid, payments};
pub(super) use self::finalize::{advance, finalize_draft};
pub(super) use self::object::{answer, currency_of, line, load, start, total_up};
use self::object::{answer_for, lines_url};
use super::{Action, Context, customers, discounts, invoiceitems, payment_methods};
use crate::errors::Failure;
use crate::money;
use crate::paging::{self, Listing, Order};
use crate::params::Params;
use crate::state::Record;

/// How long a draft that finalizes by itself waits, in seconds.
pub(super) const AUTO_ADVANCE_AFTER: i64 = 3600;
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
            "default_payment_method",
            "description",
            "discounts",
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
            "subscription",
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
    Action {
        operation: "PostInvoicesInvoice",
        takes: &[
            "auto_advance",
            "collection_method",
            "custom_fields",
            "days_until_due",
            "default_payment_method",
            "description",
            "due_date",
            "footer",
            "metadata",
            "statement_descriptor",
        ],
        clears: &["description"],
        run: change::update,
    },
    Action { operation: "DeleteInvoicesInvoice", takes: &[], clears: &[], run: change::delete },
    Action { operation: "PostInvoicesInvoiceVoid", takes: &[], clears: &[], run: change::void_named },
    Action {
        operation: "PostInvoicesInvoiceMarkUncollectible",
        takes: &[],
        clears: &[],
        run: change::mark_uncollectible,
    },
    Action {
        operation: "PostInvoicesInvoicePay",
        takes: &["off_session", "paid_out_of_band", "payment_method"],
        clears: &[],
        run: collect::pay,
    },
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
    if let Some(method) = params.text("default_payment_method") {
        let method = payment_methods::attached(&ctx.tx, method, customer_id, "default_payment_method")?;
        set.insert("default_payment_method".to_owned(), json!(method.id));
    }
    let auto_advance = params.flag("auto_advance").unwrap_or(false);
    set.insert("auto_advance".to_owned(), json!(auto_advance));
    set.insert("collection_method".to_owned(), json!(method));
    set.insert("currency".to_owned(), json!(currency));
    set.insert("customer".to_owned(), json!(customer_id));
    set.insert("metadata".to_owned(), metadata);
    let coupons = discounts::coupons(ctx, &currency)?;
    let mut record = start(&mut ctx.tx, set);
    let given = discounts::give(&mut ctx.tx, coupons, &record);
    record.set("discounts", given);
    if let Some(days) = params.integer("days_until_due") {
        record.hidden.insert("days_until_due".to_owned(), json!(days));
    }
    advance_by_itself(&mut record, auto_advance.then_some(ctx.tx.now));
    let id = record.id.clone();
    ctx.tx.put(record);
    customers::settle_currency(&mut ctx.tx, customer_id, &currency);
    if params.text("pending_invoice_items_behavior") == Some("include") {
        invoiceitems::attach_pending(&mut ctx.tx, customer_id, &id, &currency)?;
    }
    total_up(&mut ctx.tx, &id)?;
    answer_for(&ctx.tx, &id)
}

/// Lets a draft finalize by itself an hour after a time, or no longer.
pub(super) fn advance_by_itself(draft: &mut Record, from: Option<i64>) {
    let at = from.map(|from| from + AUTO_ADVANCE_AFTER);
    draft.set("auto_advance", at.is_some());
    draft.set("automatically_finalizes_at", json!(at));
    let charged = draft.text("collection_method") == "charge_automatically";
    draft.set("next_payment_attempt", if charged { json!(at) } else { Value::Null });
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
            && params.text("subscription").is_none_or(|it| record.hidden_text("subscription") == it)
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
