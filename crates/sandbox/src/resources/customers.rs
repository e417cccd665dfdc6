//! Customers: create, retrieve, update, delete, list. A deleted one leaves its id behind.

use serde_json::{Map, Value, json};

use super::{Action, Context, answer, deleted, payment_methods, subscriptions};
use crate::errors::Failure;
use crate::ids;
use crate::objects::keep;
use crate::paging::{self, Listing, Order};
use crate::params::Params;
use crate::state::{Record, Transaction};

/// What is copied from the parameters as it was sent.
const COPIED: &[&str] = &[
    "address",
    "balance",
    "business_name",
    "description",
    "email",
    "individual_name",
    "invoice_prefix",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
];

/// What takes the empty text although the table does not say so.
const CLEARS: &[&str] = &["description", "email", "name", "phone"];

pub(super) const ACTIONS: &[Action] = &[
    Action {
        operation: "PostCustomers",
        takes: &[
            "address",
            "balance",
            "business_name",
            "description",
            "email",
            "individual_name",
            "invoice_prefix",
            "invoice_settings",
            "metadata",
            "name",
            "next_invoice_sequence",
            "payment_method",
            "phone",
            "preferred_locales",
            "shipping",
            "tax_exempt",
        ],
        clears: CLEARS,
        run: create,
    },
    Action {
        operation: "PostCustomersCustomer",
        takes: &[
            "address",
            "balance",
            "business_name",
            "description",
            "email",
            "individual_name",
            "invoice_prefix",
            "invoice_settings",
            "metadata",
            "name",
            "next_invoice_sequence",
            "phone",
            "preferred_locales",
            "shipping",
            "tax_exempt",
        ],
        clears: CLEARS,
        run: update,
    },
    Action { operation: "DeleteCustomersCustomer", takes: &[], clears: &[], run: delete },
    Action { operation: "GetCustomersCustomer", takes: &[], clears: &[], run: retrieve },
    Action {
        operation: "GetCustomers",
        takes: &["created", "email", "ending_before", "limit", "starting_after"],
        clears: &[],
        run: list,
    },
];

fn create(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let mut sent = changes(ctx.params)?;
    sent.insert("metadata".to_owned(), ctx.params.metadata(&Value::Null)?);
    let id = ids::fresh("cus_", 14);
    let now = ctx.tx.now;
    let mut record = ctx.tx.create(&id, now, blank(&id, now, sent));
    if let Some(method) = ctx.params.text("payment_method") {
        let method = payment_methods::resolve(&mut ctx.tx, method, "payment_method")?;
        payment_methods::attach(&mut ctx.tx, method, &id)?;
    }
    set_invoice_settings(ctx, &mut record)?;
    Ok(answer(&ctx.tx, &record))
}

fn update(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let sent = changes(ctx.params)?;
    let mut record = ctx.named("customer", "id")?;
    if record.deleted() {
        return Err(Failure::not_found("customer", &record.id, "id"));
    }
    let before = record.value.get("metadata").cloned().unwrap_or_default();
    record.apply(sent);
    record.set("metadata", ctx.params.metadata(&before)?);
    set_invoice_settings(ctx, &mut record)?;
    Ok(answer(&ctx.tx, &record))
}

/// The checked fields that a call sets.
fn changes(params: &Params) -> Result<Map<String, Value>, Failure> {
    let mut sent = Map::new();
    params.copy(COPIED, &mut sent);
    if let Some(email) = params.text("email") {
        check_email(email, "email")?;
    }
    if let Some(prefix) = params.text("invoice_prefix") {
        check_invoice_prefix(prefix)?;
    }
    if params.integer("next_invoice_sequence").is_some_and(|next| !(1..=1_000_000_000).contains(&next)) {
        let message = "This value must be between 1 and 1000000000.";
        return Err(Failure::invalid(message).param("next_invoice_sequence"));
    }
    if params.integer("balance").is_some_and(|balance| balance.unsigned_abs() > 999_999_999_999) {
        return Err(Failure::invalid("the balance is larger than 999999999999").param("balance"));
    }
    if sent.get("tax_exempt").is_some_and(Value::is_null) {
        sent.insert("tax_exempt".to_owned(), json!("none"));
    }
    Ok(sent)
}

/// Sets what a call says about the customer's invoices, and stores the customer.
fn set_invoice_settings(ctx: &mut Context<'_>, record: &mut Record) -> Result<(), Failure> {
    if let Some(Value::Object(sent)) = ctx.params.get("invoice_settings") {
        let mut sent = sent.clone();
        let param = "invoice_settings[default_payment_method]";
        if let Some(id) = sent.get("default_payment_method").and_then(Value::as_str) {
            let found = payment_methods::attached(&ctx.tx, id, &record.id, param);
            // A customer who is created with a test card names it by the test card's id.
            let named = ctx.params.text("payment_method") == Some(id);
            let method = match found {
                Err(_) if named => newest_payment_method(&ctx.tx, &record.id),
                found => Some(found?.id),
            };
            sent.insert("default_payment_method".to_owned(), json!(method));
        }
        let mut settings = record.value.get("invoice_settings").and_then(Value::as_object).cloned();
        settings.get_or_insert_default().extend(sent);
        record.set("invoice_settings", json!(settings));
    }
    ctx.tx.put(record.clone());
    Ok(())
}

fn newest_payment_method(tx: &Transaction<'_>, customer: &str) -> Option<String> {
    tx.all("payment_method", ("customer", customer)).last().map(|method| method.id.clone())
}

/// Deletes a customer: subscriptions end, payment methods go, invoices stay.
fn delete(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let mut record = ctx.named("customer", "id")?;
    if record.deleted() {
        return Err(Failure::not_found("customer", &record.id, "id"));
    }
    let owned =
        |object: &str| -> Vec<Record> { ctx.tx.all(object, ("customer", &record.id)).cloned().collect() };
    let (subscriptions, methods) = (owned("subscription"), owned("payment_method"));
    for subscription in subscriptions {
        subscriptions::end(&mut ctx.tx, subscription);
    }
    for method in methods {
        payment_methods::detach(&mut ctx.tx, method);
    }
    let gone = deleted("customer", &record.id);
    record.value = gone.as_object().cloned().unwrap_or_default();
    ctx.tx.put(record);
    Ok(gone)
}

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("customer", "id")?;
    Ok(answer(&ctx.tx, &record))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let created = ctx.params.get("created");
    let listing = Listing {
        object: "customer",
        url: "/v1/customers".to_owned(),
        by: ctx.params.text("email").map(|email| ("email", email)),
        order: Order::NewestFirst,
    };
    paging::page(ctx, &listing, |record| paging::within(created, Some(record.integer("created"))))
}

/// A customer with defaults for what `set` leaves out.
fn blank(id: &str, created: i64, set: Map<String, Value>) -> Map<String, Value> {
    let defaults = json!({
        "id": id,
        "balance": 0,
        "created": created,
        "delinquent": false,
        "invoice_prefix": ids::invoice_prefix(),
        "invoice_settings": {},
        "livemode": false,
        "metadata": {},
        "next_invoice_sequence": 1,
        "preferred_locales": [],
        "tax_exempt": "none",
    });
    keep("customer", defaults, set)
}

/// Stores a customer from a fixture; a deleted one is only its id.
pub(super) fn load(tx: &mut Transaction<'_>, id: &str, given: Map<String, Value>) -> Result<(), String> {
    let created = given.get("created").and_then(Value::as_i64).unwrap_or(tx.now);
    let value = if given.contains_key("deleted") {
        deleted("customer", id).as_object().cloned().unwrap_or_default()
    } else {
        blank(id, created, given)
    };
    tx.create(id, created, value);
    Ok(())
}

/// The customer that a parameter names, as long as it has not been deleted.
pub(super) fn referenced(tx: &Transaction<'_>, id: &str) -> Result<Record, Failure> {
    let record = tx.get("customer", id).filter(|record| !record.deleted());
    record.cloned().ok_or_else(|| Failure::missing_reference("customer", id, "customer"))
}

/// The payment method that a customer's invoices are paid with by default; empty where there is none.
pub(super) fn default_payment_method(tx: &Transaction<'_>, id: &str) -> String {
    let settings = tx.get("customer", id).and_then(|customer| customer.value.get("invoice_settings"));
    let method = settings.and_then(|settings| settings.get("default_payment_method"));
    method.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Takes away the mention of a payment method that is no longer the customer's.
pub(super) fn forget_payment_method(tx: &mut Transaction<'_>, id: &str, method: &str) {
    if default_payment_method(tx, id) == method
        && let Some(mut customer) = tx.get("customer", id).cloned()
    {
        let mut settings = customer.value.get("invoice_settings").and_then(Value::as_object).cloned();
        settings.get_or_insert_default().shift_remove("default_payment_method");
        customer.set("invoice_settings", json!(settings));
        tx.put(customer);
    }
}

/// Takes a currency as the customer's own if there is none yet.
pub(super) fn settle_currency(tx: &mut Transaction<'_>, id: &str, currency: &str) {
    if let Some(customer) = tx.get("customer", id)
        && !customer.deleted()
        && customer.text("currency").is_empty()
    {
        let mut customer = customer.clone();
        customer.set("currency", currency);
        tx.put(customer);
    }
}

/// Refuses what is no e-mail address.
pub(super) fn check_email(email: &str, param: &str) -> Result<(), Failure> {
    let sound = email.split_once('@').is_some_and(|(local, domain)| {
        let dotted = domain.split('.').count() > 1 && domain.split('.').all(|label| !label.is_empty());
        let clean = !email.chars().any(|character| character.is_whitespace() || character.is_control());
        !local.is_empty() && !domain.contains('@') && dotted && clean
    });
    if sound {
        return Ok(());
    }
    Err(Failure::invalid(format!("Invalid email address: {email}")).code("email_invalid").param(param))
}

fn check_invoice_prefix(prefix: &str) -> Result<(), Failure> {
    let sound = (3..=12).contains(&prefix.len())
        && prefix.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if sound {
        return Ok(());
    }
    let message = "An invoice prefix has 3 to 12 uppercase letters or digits.";
    Err(Failure::invalid(message).param("invoice_prefix"))
}
