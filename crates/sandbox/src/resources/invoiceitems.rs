//! Invoice items: create, retrieve, list, delete, and the lines that they become on an invoice.

use serde_json::{Map, Value, json};

use super::{Action, Context, customers, deleted, invoices, prices};
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
            "pricing",
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
    Action { operation: "DeleteInvoiceitemsInvoiceitem", takes: &[], clears: &[], run: delete },
];

fn create(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let customer_id = params.required("customer")?;
    let price = price(&ctx.tx, params)?;
    let sent_currency = params.text("currency").map(|text| money::currency(text, "currency")).transpose()?;
    let sent_currency = price.currency.clone().or(sent_currency);
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
    set.insert("pricing".to_owned(), price.pricing);
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

/// What an item costs.
struct Cost {
    amount: i64,
    pricing: Value,
    quantity: i64,
    /// That of the price, where it is one's.
    currency: Option<String>,
}

impl Cost {
    fn of_units(amount: i64, unit: &str, quantity: i64) -> Cost {
        let pricing = json!({"type": "price_details", "unit_amount_decimal": unit});
        Cost { amount, pricing, quantity, currency: None }
    }
}

/// An amount alone, or a unit amount or a price with a quantity.
fn price(tx: &Transaction<'_>, params: &Params) -> Result<Cost, Failure> {
    let (amount, unit) = (params.integer("amount"), params.text("unit_amount_decimal"));
    let quantity = params.integer("quantity").unwrap_or(1);
    match (amount, unit, params.get("pricing")) {
        (Some(_), _, Some(_)) => Err(Failure::exclusive(&["amount", "pricing"])),
        (None, Some(_), Some(_)) => Err(Failure::exclusive(&["unit_amount_decimal", "pricing"])),
        (Some(_), _, None) if params.has("quantity") => Err(Failure::exclusive(&["amount", "quantity"])),
        (Some(_), Some(_), None) => Err(Failure::exclusive(&["amount", "unit_amount_decimal"])),
        (Some(amount), None, None) => {
            let amount = money::amount(amount, "amount")?;
            Ok(Cost::of_units(amount, &amount.to_string(), 1))
        }
        (None, _, _) if quantity < 0 => {
            let message = "This value must be greater than or equal to 0.";
            Err(Failure::invalid(message).code("parameter_invalid_integer").param("quantity"))
        }
        (None, Some(unit), None) => {
            let amount = money::times(unit, quantity).unwrap_or(i64::MAX);
            let amount = money::amount(amount, "unit_amount_decimal")?;
            Ok(Cost::of_units(amount, unit, quantity))
        }
        (None, None, Some(pricing)) => of_price(tx, pricing, quantity),
        (None, None, None) => Err(Failure::missing("amount")),
    }
}

fn of_price(tx: &Transaction<'_>, pricing: &Value, quantity: i64) -> Result<Cost, Failure> {
    let id = pricing.get("price").and_then(Value::as_str);
    let id = id.ok_or_else(|| Failure::missing("pricing[price]"))?;
    let missing = || Failure::missing_reference("price", id, "pricing[price]");
    let price = tx.get("price", id).ok_or_else(missing)?;
    if price.text("type") != "one_time" {
        let message = format!("the price '{id}' is recurring; an invoice item takes only one-time prices");
        return Err(Failure::refused(message).param("pricing[price]"));
    }
    let currency = Some(price.text("currency").to_owned());
    Ok(Cost { amount: prices::cost(price, quantity), pricing: prices::pricing(price), quantity, currency })
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

/// Deletes an item that is pending or on a draft, with its line there.
fn delete(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let item = ctx.named("invoiceitem", "invoiceitem")?;
    let invoice = item.text("invoice").to_owned();
    if ctx.tx.get("invoice", &invoice).is_some_and(|invoice| invoice.text("status") != "draft") {
        let message = format!("the item's invoice '{invoice}' is no draft; its items cannot be deleted");
        return Err(Failure::refused(message).code("invoice_not_editable"));
    }
    let of_item = |line: &&Record| {
        let parent = line.value.get("parent").into_iter().flat_map(|parent| parent.as_object());
        parent.flat_map(Map::values).any(|details| details["invoice_item"] == item.id.as_str())
    };
    let lines = ctx.tx.all("line_item", ("invoice", &invoice));
    let lines: Vec<String> = lines.filter(of_item).map(|line| line.id.clone()).collect();
    for line in lines {
        ctx.tx.remove(&line);
    }
    ctx.tx.remove(&item.id);
    invoices::total_up(&mut ctx.tx, &invoice)?;
    Ok(deleted("invoiceitem", &item.id))
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
    let proration = item.value.get("proration") == Some(&Value::Bool(true));
    let subscription = item.value.get("parent").map(|parent| &parent["subscription_details"]);
    let mut details = json!({"invoice_item": item.id, "proration": proration, "proration_details": {}});
    let parent = match subscription {
        None => json!({"type": "invoice_item_details", "invoice_item_details": details}),
        Some(subscription) => {
            details["subscription"] = subscription["subscription"].clone();
            details["subscription_item"] = subscription["subscription_item"].clone();
            json!({"type": "subscription_item_details", "subscription_item_details": details})
        }
    };
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
    let mut line: Map<String, Value> = copies.collect();
    line.insert("parent".to_owned(), parent);
    if let Some(subscription) = subscription {
        line.insert("subscription".to_owned(), subscription["subscription"].clone());
    }
    invoices::line(tx, invoice, line);
}

/// Leaves to the customer, as pending, the items of a draft that goes away.
pub(super) fn release(tx: &mut Transaction<'_>, invoice: &str) {
    let items: Vec<Record> = tx.all("invoiceitem", ("invoice", invoice)).cloned().collect();
    for mut item in items {
        item.set("invoice", Value::Null);
        tx.put(item);
    }
    let lines: Vec<String> = tx.all("line_item", ("invoice", invoice)).map(|line| line.id.clone()).collect();
    for line in lines {
        tx.remove(&line);
    }
}

/// Stores a pending item that a subscription makes; `set` says all but what each item has.
pub(super) fn add_pending(tx: &mut Transaction<'_>, set: Map<String, Value>) {
    let id = ids::fresh("ii_1", 23);
    let now = tx.now;
    tx.create(&id, now, blank(&id, now, set));
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
