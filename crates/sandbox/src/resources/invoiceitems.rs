//! Invoice items: create, retrieve, list, and the lines that they become on an invoice.

use serde_json::{Map, Value, json};

use super::{Action, Context, customers, invoices};
use crate::errors::Failure;
use crate::ids;
use crate::money;
use crate::objects::keep;
use crate::paging::{self, Listing, Order};
use crate::params::Params;
use crate::state::{Record, Transaction};

/// The most items of one invoice.
const MOST_ITEMS: usize = 250;

pub(super) const ACTIONS: &[Action] = &[
    Action {
        operation: "PostInvoiceitems",
        takes: &[
            "amount",
            "currency",
            "customer",
            "description",
            "discountable",
            "invoice",
            "metadata",
            "period",
            "quantity",
            "unit_amount_decimal",
        ],
        clears: &["description"],
        run: create,
    },
    Action { operation: "GetInvoiceitemsInvoiceitem", takes: &[], clears: &[], run: retrieve },
    Action {
        operation: "GetInvoiceitems",
        takes: &["created", "customer", "ending_before", "invoice", "limit", "pending", "starting_after"],
        clears: &[],
        run: list,
    },
];

fn create(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let customer_id = params.required("customer")?;
    let price = price(params)?;
    let sent_currency = params.text("currency").map(|text| money::currency(text, "currency")).transpose()?;
    let metadata = params.metadata(&Value::Null)?;
    let customer = customers::referenced(&ctx.tx, customer_id)?;
    let invoice = match params.text("invoice") {
        None => None,
        Some(id) => Some(open_for_items(&ctx.tx, id, customer_id)?),
    };
    let currency = match (&invoice, sent_currency) {
        (None, None) => invoices::currency_of(&customer),
        (None, Some(sent)) => sent,
        (Some(invoice), None) => invoice.text("currency").to_owned(),
        (Some(invoice), Some(sent)) if invoice.text("currency") == sent => sent,
        (Some(invoice), Some(sent)) => {
            let message =
                format!("the currency `{sent}` is not that of the invoice, `{}`", invoice.text("currency"));
            return Err(Failure::refused(message).param("currency"));
        }
    };

    let now = ctx.tx.now;
    let mut set = Map::new();
    params.copy(&["description", "discountable", "period"], &mut set);
    set.insert("amount".to_owned(), json!(price.amount));
    set.insert("currency".to_owned(), json!(currency));
    set.insert("customer".to_owned(), json!(customer_id));
    set.insert("invoice".to_owned(), json!(invoice.as_ref().map(|invoice| invoice.id.clone())));
    set.insert("metadata".to_owned(), metadata);
    set.insert("pricing".to_owned(), json!({"type": "price_details", "unit_amount_decimal": price.unit}));
    set.insert("quantity".to_owned(), json!(price.quantity));
    let id = ids::fresh("ii_1", 23);
    let record = ctx.tx.create(&id, now, blank(&id, now, set));
    customers::settle_currency(&mut ctx.tx, customer_id, &currency);
    if let Some(invoice) = invoice {
        add_line(&mut ctx.tx, &record, &invoice.id);
        invoices::total_up(&mut ctx.tx, &invoice.id)?;
    }
    Ok(super::answer(&ctx.tx, &record))
}

struct Price {
    amount: i64,
    unit: String,
    quantity: i64,
}

/// An amount alone, or a unit amount with a quantity.
fn price(params: &Params) -> Result<Price, Failure> {
    let (amount, unit) = (params.integer("amount"), params.text("unit_amount_decimal"));
    match (amount, unit) {
        (Some(_), _) if params.has("quantity") => Err(Failure::exclusive(&["amount", "quantity"])),
        (Some(_), Some(_)) => Err(Failure::exclusive(&["amount", "unit_amount_decimal"])),
        (Some(amount), None) => {
            let amount = money::amount(amount, "amount")?;
            Ok(Price { amount, unit: amount.to_string(), quantity: 1 })
        }
        (None, Some(unit)) => {
            let quantity = params.integer("quantity").unwrap_or(1);
            if quantity < 0 {
                let message = "This value must be greater than or equal to 0.";
                return Err(Failure::invalid(message).code("parameter_invalid_integer").param("quantity"));
            }
            let amount = money::times(unit, quantity).unwrap_or(i64::MAX);
            let amount = money::amount(amount, "unit_amount_decimal")?;
            Ok(Price { amount, unit: unit.to_owned(), quantity })
        }
        (None, None) => Err(Failure::missing("amount")),
    }
}

/// The invoice that a new item names, if the item may be added.
fn open_for_items(tx: &Transaction<'_>, id: &str, customer: &str) -> Result<Record, Failure> {
    let missing = || Failure::missing_reference("invoice", id, "invoice");
    let invoice = tx.get("invoice", id).ok_or_else(missing)?;
    if invoice.text("status") != "draft" {
        let message =
            format!("this invoice is {}; items can only be added to a draft", invoice.text("status"));
        return Err(Failure::refused(message).code("invoice_not_editable").param("invoice"));
    }
    if invoice.text("customer") != customer {
        let message = format!("the invoice '{id}' belongs to another customer than '{customer}'");
        return Err(Failure::refused(message).param("invoice"));
    }
    if tx.all("invoiceitem", ("invoice", id)).count() >= MOST_ITEMS {
        let message = format!("an invoice takes at most {MOST_ITEMS} items");
        return Err(Failure::refused(message).param("invoice"));
    }
    Ok(invoice.clone())
}

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("invoiceitem", "invoiceitem")?;
    Ok(super::answer(&ctx.tx, &record))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let by = match (params.text("invoice"), params.text("customer")) {
        (Some(invoice), _) => Some(("invoice", invoice)),
        (None, Some(customer)) => Some(("customer", customer)),
        (None, None) => None,
    };
    let url = "/v1/invoiceitems".to_owned();
    let listing = Listing { object: "invoiceitem", url, by, order: Order::NewestFirst };
    paging::page(ctx, &listing, |record| {
        params.text("customer").is_none_or(|customer| record.text("customer") == customer)
            && params.flag("pending").is_none_or(|pending| record.text("invoice").is_empty() == pending)
            && paging::within(params.get("created"), Some(record.integer("date")))
    })
}

/// Moves a customer's pending items of a currency to an invoice, newest first.
pub(super) fn attach_pending(
    tx: &mut Transaction<'_>,
    customer: &str,
    invoice: &str,
    currency: &str,
) -> Result<(), Failure> {
    let items = tx.all("invoiceitem", ("customer", customer));
    let pending = items.filter(|item| item.text("invoice").is_empty() && item.text("currency") == currency);
    let mut pending: Vec<Record> = pending.cloned().collect();
    pending.reverse();
    if pending.len() > MOST_ITEMS {
        let message = format!("an invoice takes at most {MOST_ITEMS} items; {} are pending", pending.len());
        return Err(Failure::refused(message).param("pending_invoice_items_behavior"));
    }
    for mut item in pending {
        item.set("invoice", invoice);
        tx.put(item.clone());
        add_line(tx, &item, invoice);
    }
    Ok(())
}

/// Marks the items of a finalized invoice as no longer to be changed.
pub(super) fn freeze(tx: &mut Transaction<'_>, invoice: &str) {
    let items: Vec<Record> = tx.all("invoiceitem", ("invoice", invoice)).cloned().collect();
    for mut item in items {
        item.set("frozen_fields", json!(["discounts", "pricing", "quantity"]));
        tx.put(item);
    }
}

fn add_line(tx: &mut Transaction<'_>, item: &Record, invoice: &str) {
    let id = ids::fresh("il_1", 23);
    let defaults = json!({
        "id": id,
        "discount_amounts": [],
        "discounts": [],
        "invoice": invoice,
        "livemode": false,
        "parent": {
            "type": "invoice_item_details",
            "invoice_item_details": {
                "invoice_item": item.id,
                "proration": false,
                "proration_details": {},
            },
        },
        "pretax_credit_amounts": [],
        "subtotal": item.integer("amount"),
        "taxes": [],
    });
    let copied = [
        "amount",
        "currency",
        "description",
        "discountable",
        "metadata",
        "period",
        "pricing",
        "quantity",
        "quantity_decimal",
    ];
    let copies = copied.iter().filter_map(|name| Some(((*name).to_owned(), item.value.get(*name)?.clone())));
    let line = keep("line_item", defaults, copies.collect());
    let now = tx.now;
    tx.create(&id, now, line);
}

/// An invoice item with defaults for what `set` leaves out.
fn blank(id: &str, now: i64, set: Map<String, Value>) -> Map<String, Value> {
    let defaults = json!({
        "id": id,
        "date": now,
        "discountable": true,
        "discounts": [],
        "livemode": false,
        "metadata": {},
        "net_amount": set.get("amount"),
        "period": {"end": now, "start": now},
        "proration": false,
        "quantity": 1,
        "quantity_decimal": set.get("quantity").unwrap_or(&json!(1)).to_string(),
        "tax_rates": [],
    });
    keep("invoiceitem", defaults, set)
}

/// Stores an invoice item from a fixture, with its line where it names an invoice.
pub(super) fn load(tx: &mut Transaction<'_>, id: &str, mut given: Map<String, Value>) -> Result<(), String> {
    let customer = given.get("customer").and_then(Value::as_str).unwrap_or_default();
    let customer = tx.get("customer", customer).filter(|record| !record.deleted()).cloned();
    let customer =
        customer.ok_or_else(|| format!("`{id}` needs the id of a customer before it in `customer`"))?;
    let amount = given.get("amount").and_then(Value::as_i64);
    let amount = amount.ok_or_else(|| format!("`{id}` needs an integer `amount`"))?;
    money::amount(amount, "amount").map_err(|failure| format!("{} (in `{id}`)", failure.message))?;
    if tx.get("invoiceitem", id).is_some() {
        return Err(format!("`{id}` is there already; its line on an invoice cannot be replaced"));
    }
    given.entry("currency").or_insert_with(|| json!(invoices::currency_of(&customer)));
    given
        .entry("pricing")
        .or_insert_with(|| json!({"type": "price_details", "unit_amount_decimal": amount.to_string()}));
    let date = given.get("date").and_then(Value::as_i64).unwrap_or(tx.now);
    let record = tx.create(id, date, blank(id, date, given));
    let invoice = record.text("invoice").to_owned();
    if invoice.is_empty() {
        return Ok(());
    }
    if tx.get("invoice", &invoice).is_none() {
        return Err(format!("`{id}` names the invoice `{invoice}`, which does not come before it"));
    }
    add_line(tx, &record, &invoice);
    invoices::total_up(tx, &invoice).map_err(|failure| failure.message)
}
