//! Payment methods: the test cards, kept or not. A test id like `pm_card_visa` stands for a new
//! payment method each time it is used.

use serde_json::{Map, Value, json};

use super::{Action, Context, answer, customers};
use crate::cards::{Card, complaint};
use crate::errors::{Failure, Payment};
use crate::ids;
use crate::objects::keep;
use crate::paging::{self, Listing, Order};
use crate::state::{Record, Transaction};

pub(super) const ACTIONS: &[Action] = &[
    Action {
        operation: "PostPaymentMethods",
        takes: &["allow_redisplay", "billing_details", "card", "metadata", "type"],
        clears: &[],
        run: create,
    },
    Action { operation: "GetPaymentMethodsPaymentMethod", takes: &[], clears: &[], run: retrieve },
    Action {
        operation: "PostPaymentMethodsPaymentMethod",
        takes: &["allow_redisplay", "billing_details", "metadata"],
        clears: &[],
        run: update,
    },
    Action {
        operation: "GetPaymentMethods",
        takes: &["allow_redisplay", "customer", "ending_before", "limit", "starting_after", "type"],
        clears: &[],
        run: list,
    },
    Action {
        operation: "GetCustomersCustomerPaymentMethods",
        takes: &["allow_redisplay", "ending_before", "limit", "starting_after", "type"],
        clears: &[],
        run: list_of_customer,
    },
    Action {
        operation: "PostPaymentMethodsPaymentMethodAttach",
        takes: &["customer"],
        clears: &[],
        run: attach_named,
    },
    Action { operation: "PostPaymentMethodsPaymentMethodDetach", takes: &[], clears: &[], run: detach_named },
];

fn create(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let kind = ctx.params.required("type")?;
    if kind != "card" {
        return Err(Failure::unsupported(format_args!("payment methods of the type `{kind}`")).param("type"));
    }
    let details = ctx.params.get("card").ok_or_else(|| Failure::missing("card"))?;
    let given = |name: &str| details.get(name).and_then(Value::as_str);
    let card = match (given("token"), given("number")) {
        (Some(_), Some(_)) => return Err(Failure::exclusive(&["card[token]", "card[number]"])),
        (Some(token), None) => {
            Card::by_token(token).ok_or_else(|| Failure::missing_reference("token", token, "card[token]"))?
        }
        (None, Some(number)) => Card::by_number(number).ok_or_else(|| {
            let message = "the card number is not that of a test card, like 4242424242424242";
            Failure::card("incorrect_number", message).param("card[number]")
        })?,
        (None, None) => return Err(Failure::missing("card[number]")),
    };
    let mut set = Map::new();
    ctx.params.copy(&["allow_redisplay", "billing_details"], &mut set);
    set.insert("metadata".to_owned(), ctx.params.metadata(&Value::Null)?);
    let record = make(&mut ctx.tx, card, set);
    Ok(answer(&ctx.tx, &record))
}

fn make(tx: &mut Transaction<'_>, card: &Card, set: Map<String, Value>) -> Record {
    let id = ids::fresh("pm_1", 23);
    let now = tx.now;
    store(tx, &id, now, card, set)
}

fn store(tx: &mut Transaction<'_>, id: &str, created: i64, card: &Card, set: Map<String, Value>) -> Record {
    let defaults = json!({
        "id": id,
        "allow_redisplay": "unspecified",
        "billing_details": {"address": {}},
        "card": {
            "brand": card.brand,
            "checks": {"cvc_check": "pass"},
            "country": "US",
            "display_brand": card.brand,
            "exp_month": 12,
            "exp_year": 2099,
            "fingerprint": format!("Sandbox{}", card.number.get(8..).unwrap_or_default()),
            "funding": "credit",
            "last4": card.last4(),
            "networks": {"available": [card.brand]},
            "three_d_secure_usage": {"supported": true},
        },
        "created": created,
        "livemode": false,
        "metadata": {},
        "type": "card",
    });
    let mut record = tx.create(id, created, keep("payment_method", defaults, set));
    record.hidden.insert("card".to_owned(), json!(card.name));
    tx.put(record.clone());
    record
}

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = in_path(ctx)?;
    Ok(answer(&ctx.tx, &record))
}

fn update(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let mut record = in_path(ctx)?;
    let mut set = Map::new();
    ctx.params.copy(&["allow_redisplay"], &mut set);
    if let Some(Value::Object(sent)) = ctx.params.get("billing_details") {
        let mut details = record.value.get("billing_details").and_then(Value::as_object).cloned();
        details.get_or_insert_default().extend(sent.clone());
        set.insert("billing_details".to_owned(), json!(details));
    }
    let before = record.value.get("metadata").cloned().unwrap_or_default();
    set.insert("metadata".to_owned(), ctx.params.metadata(&before)?);
    record.apply(set);
    ctx.tx.put(record.clone());
    Ok(answer(&ctx.tx, &record))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let customer = ctx.params.text("customer");
    page(ctx, "/v1/payment_methods".to_owned(), customer)
}

fn list_of_customer(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let customer = ctx.id().to_owned();
    customers::referenced(&ctx.tx, &customer)
        .map_err(|_| Failure::not_found("customer", &customer, "customer"))?;
    page(ctx, format!("/v1/customers/{customer}/payment_methods"), Some(&customer))
}

fn page(ctx: &Context<'_>, url: String, customer: Option<&str>) -> Result<Value, Failure> {
    let by = customer.map(|customer| ("customer", customer));
    let listing = Listing { object: "payment_method", url, by, order: Order::NewestFirst };
    let is = |record: &Record, name| ctx.params.text(name).is_none_or(|wanted| record.text(name) == wanted);
    paging::page(ctx, &listing, |record| {
        !record.text("customer").is_empty() && is(record, "type") && is(record, "allow_redisplay")
    })
}

fn attach_named(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let customer = ctx.params.required("customer")?.to_owned();
    let record = in_path(ctx)?;
    customers::referenced(&ctx.tx, &customer)?;
    let record = attach(&mut ctx.tx, record, &customer)?;
    Ok(answer(&ctx.tx, &record))
}

fn detach_named(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("payment_method", "payment_method")?;
    if record.text("customer").is_empty() {
        let message = format!("the payment method '{}' is not attached to a customer", record.id);
        return Err(Failure::refused(message).param("payment_method"));
    }
    let record = detach(&mut ctx.tx, record);
    Ok(answer(&ctx.tx, &record))
}

/// The payment method in the path; a test id becomes a new one.
fn in_path(ctx: &mut Context<'_>) -> Result<Record, Failure> {
    let id = ctx.id().to_owned();
    resolve(&mut ctx.tx, &id, "payment_method").map_err(|failure| Failure { status: 404, ..failure })
}

/// The payment method that a parameter names; a test id becomes a new one.
pub(super) fn resolve(tx: &mut Transaction<'_>, id: &str, param: &str) -> Result<Record, Failure> {
    if let Some(record) = tx.get("payment_method", id) {
        return Ok(record.clone());
    }
    let missing = || Failure::missing_reference("payment_method", id, param);
    let card = Card::by_id(id).ok_or_else(missing)?;
    Ok(make(tx, card, Map::new()))
}

/// The test card behind a payment method.
pub(super) fn card(method: &Record) -> &'static Card {
    Card::named(method.hidden_text("card")).expect("every payment method is made of a test card")
}

/// The payment method for a payment of a customer, or of nobody, if it may be used for it.
pub(super) fn usable(
    tx: &mut Transaction<'_>,
    id: &str,
    customer: &str,
    param: &str,
) -> Result<Record, Failure> {
    let method = resolve(tx, id, param)?;
    let owner = method.text("customer");
    if !owner.is_empty() && owner != customer {
        let whose = if customer.is_empty() { "give that one as `customer`" } else { "not to this one" };
        let message = format!("the payment method '{id}' belongs to the customer '{owner}': {whose}");
        return Err(Failure::refused(message).param(param));
    }
    if owner.is_empty() && method.hidden.contains_key("spent") {
        let message = format!(
            "the payment method '{id}' was used, or detached, without being attached to a customer; it cannot be used again"
        );
        return Err(Failure::refused(message).param(param));
    }
    Ok(method)
}

/// The payment method that a parameter names, which has to be the customer's.
pub(super) fn attached(
    tx: &Transaction<'_>,
    id: &str,
    customer: &str,
    param: &str,
) -> Result<Record, Failure> {
    let found = tx.get("payment_method", id).filter(|record| record.text("customer") == customer);
    found.cloned().ok_or_else(|| {
        let message = format!(
            "No such payment_method: '{id}' is not attached to the customer '{customer}'; attach it first"
        );
        Failure::refused(message).code("resource_missing").param(param)
    })
}

/// Keeps a payment method for a customer.
pub(super) fn attach(
    tx: &mut Transaction<'_>,
    mut method: Record,
    customer: &str,
) -> Result<Record, Failure> {
    let owner = method.text("customer");
    if owner == customer {
        return Ok(method);
    }
    if !owner.is_empty() {
        let message = format!("the payment method '{}' is attached to another customer already", method.id);
        return Err(Failure::refused(message).param("payment_method"));
    }
    if method.hidden.contains_key("spent") {
        let message =
            format!("the payment method '{}' was used or detached; it cannot be attached", method.id);
        return Err(Failure::refused(message).param("payment_method"));
    }
    if let Some((code, decline_code)) = card(&method).refused() {
        let told = Payment { decline_code: Some(decline_code), ..Payment::default() };
        return Err(Failure::card(code, complaint(code)).payment(told));
    }
    method.set("customer", customer);
    tx.put(method.clone());
    Ok(method)
}

/// Lets go of a customer's payment method, for good.
pub(super) fn detach(tx: &mut Transaction<'_>, mut method: Record) -> Record {
    let owner = method.text("customer").to_owned();
    method.set("customer", Value::Null);
    tx.put(method.clone());
    spend(tx, &method.id);
    customers::forget_payment_method(tx, &owner, &method.id);
    tx.get("payment_method", &method.id).cloned().unwrap_or(method)
}

/// Notes that a payment method which nobody keeps has been used.
pub(super) fn spend(tx: &mut Transaction<'_>, id: &str) {
    if let Some(method) = tx.get("payment_method", id)
        && method.text("customer").is_empty()
    {
        let mut method = method.clone();
        method.hidden.insert("spent".to_owned(), json!(true));
        tx.put(method);
    }
}

/// Stores a payment method from a fixture. Which test card it is, its `card` says by number's end
/// and brand; without one it is the first Visa card.
pub(super) fn load(tx: &mut Transaction<'_>, id: &str, mut given: Map<String, Value>) -> Result<(), String> {
    if Card::by_id(id).is_some() {
        return Err(format!("`{id}` is the id of a test card, which is always there"));
    }
    let customer = given.get("customer").and_then(Value::as_str).unwrap_or_default();
    if !customer.is_empty() && customers::referenced(tx, customer).is_err() {
        return Err(format!("`{id}` needs the id of a customer before it in `customer`"));
    }
    let created = given.get("created").and_then(Value::as_i64).unwrap_or(tx.now);
    let wanted = given.shift_remove("card");
    let last4 = wanted.as_ref().and_then(|card| card.get("last4")).and_then(Value::as_str).unwrap_or("4242");
    let card = Card::by_last4(last4);
    let card = card.ok_or_else(|| format!("no test card ends in `{last4}` (in `{id}`)"))?;
    store(tx, id, created, card, given);
    Ok(())
}
