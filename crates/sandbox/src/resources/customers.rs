//! Customers: create, retrieve, list.

use serde_json::{Map, Value, json};

use super::{Action, Context};
use crate::errors::Failure;
use crate::ids;
use crate::objects::keep;
use crate::paging::{self, Listing, Order};
use crate::state::{Record, Transaction};

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
            "metadata",
            "name",
            "next_invoice_sequence",
            "phone",
            "preferred_locales",
            "shipping",
            "tax_exempt",
        ],
        clears: &["description", "email", "name", "phone"],
        run: create,
    },
    Action { operation: "GetCustomersCustomer", takes: &[], clears: &[], run: retrieve },
    Action {
        operation: "GetCustomers",
        takes: &["created", "email", "ending_before", "limit", "starting_after"],
        clears: &[],
        run: list,
    },
];

fn create(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let mut sent = Map::new();
    ctx.params.copy(ACTIONS[0].takes, &mut sent);
    if let Some(email) = ctx.params.text("email") {
        check_email(email)?;
    }
    if let Some(prefix) = ctx.params.text("invoice_prefix") {
        check_invoice_prefix(prefix)?;
    }
    if ctx.params.integer("next_invoice_sequence").is_some_and(|next| !(1..=1_000_000_000).contains(&next)) {
        let message = "This value must be between 1 and 1000000000.";
        return Err(Failure::invalid(message).param("next_invoice_sequence"));
    }
    if ctx.params.integer("balance").is_some_and(|balance| balance.unsigned_abs() > 999_999_999_999) {
        return Err(Failure::invalid("the balance is larger than 999999999999").param("balance"));
    }
    if sent.get("tax_exempt").is_some_and(Value::is_null) {
        sent.insert("tax_exempt".to_owned(), json!("none"));
    }
    sent.insert("metadata".to_owned(), ctx.params.metadata(&Value::Null)?);
    let id = ids::fresh("cus_", 14);
    let now = ctx.tx.now;
    let record = ctx.tx.create(&id, now, blank(&id, now, sent));
    Ok(super::answer(&ctx.tx, &record))
}

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("customer", "id")?;
    Ok(super::answer(&ctx.tx, &record))
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
        let gone = json!({"id": id, "object": "customer", "deleted": true});
        gone.as_object().cloned().unwrap_or_default()
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

fn check_email(email: &str) -> Result<(), Failure> {
    let sound = email.split_once('@').is_some_and(|(local, domain)| {
        let dotted = domain.split('.').count() > 1 && domain.split('.').all(|label| !label.is_empty());
        let clean = !email.chars().any(|character| character.is_whitespace() || character.is_control());
        !local.is_empty() && !domain.contains('@') && dotted && clean
    });
    if sound {
        return Ok(());
    }
    Err(Failure::invalid(format!("Invalid email address: {email}")).code("email_invalid").param("email"))
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
