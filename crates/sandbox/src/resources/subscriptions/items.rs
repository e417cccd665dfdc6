//! The items of subscriptions: what is subscribed to, at which price, how often.

use serde_json::{Map, Value, json};

use crate::errors::Failure;
use crate::ids;
use crate::objects::{complete, keep};
use crate::paging::{self, Listing, Order};
use crate::resources::{Context, prices};
use crate::state::{Record, Transaction};

/// The most items of one subscription.
const MOST_ITEMS: usize = 20;
/// The most of one item.
const MOST_UNITS: i64 = 1_000_000;

/// What an item is made of.
#[derive(Debug, Clone)]
pub(super) struct Chosen {
    pub(super) price: String,
    pub(super) quantity: i64,
    pub(super) metadata: Value,
}

/// What a call says of an item.
#[derive(Debug)]
pub(super) struct Sent {
    /// The item it is about; a new one without.
    pub(super) id: Option<String>,
    pub(super) price: Option<String>,
    pub(super) quantity: Option<i64>,
    pub(super) metadata: Option<Value>,
    pub(super) deleted: bool,
}

/// Reads the parameter `items`; prices that it describes are made.
pub(super) fn sent(ctx: &mut Context<'_>) -> Result<Vec<Sent>, Failure> {
    let params = ctx.params;
    let list = params.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if list.len() > MOST_ITEMS {
        return Err(
            Failure::invalid(format!("a subscription takes at most {MOST_ITEMS} items")).param("items")
        );
    }
    let mut read = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let path = |name: &str| format!("items[{index}][{name}]");
        for name in ["billing_thresholds", "clear_usage", "discounts", "plan", "tax_rates"] {
            if item.get(name).is_some() {
                return Err(
                    Failure::unsupported(format_args!("the parameter `{}`", path(name))).param(path(name))
                );
            }
        }
        let text = |name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
        let price = match (text("price"), item.get("price_data").and_then(Value::as_object)) {
            (Some(_), Some(_)) => return Err(Failure::exclusive(&[&path("price"), &path("price_data")])),
            (Some(id), None) => {
                check_price(&ctx.tx, &id, &path("price"))?;
                Some(id)
            }
            (None, Some(data)) => Some(described(&mut ctx.tx, data, &path("price_data"))?),
            (None, None) => None,
        };
        let quantity = item.get("quantity").and_then(Value::as_i64);
        if quantity.is_some_and(|quantity| !(0..=MOST_UNITS).contains(&quantity)) {
            return Err(Failure::out_of_bounds(&path("quantity"), 0, MOST_UNITS));
        }
        let deleted = item.get("deleted") == Some(&Value::Bool(true));
        read.push(Sent { id: text("id"), price, quantity, metadata: item.get("metadata").cloned(), deleted });
    }
    Ok(read)
}

fn check_price(tx: &Transaction<'_>, id: &str, param: &str) -> Result<(), Failure> {
    let missing = || Failure::missing_reference("price", id, param);
    let price = tx.get("price", id).ok_or_else(missing)?;
    if price.value.get("active") != Some(&Value::Bool(true)) {
        return Err(Failure::refused(format!("the price '{id}' is inactive")).param(param));
    }
    if prices::period(price).is_none() {
        let message =
            format!("the price '{id}' is a one-time price; a subscription takes only recurring ones");
        return Err(Failure::refused(message).param(param));
    }
    Ok(())
}

fn described(tx: &mut Transaction<'_>, data: &Map<String, Value>, path: &str) -> Result<String, Failure> {
    let mut set = Map::new();
    prices::price_fields(data, path, &mut set)?;
    let product = data.get("product").and_then(Value::as_str).unwrap_or_default();
    let param = format!("{path}[product]");
    tx.get("product", product).ok_or_else(|| Failure::missing_reference("product", product, &param))?;
    set.insert("product".to_owned(), json!(product));
    set.insert("active".to_owned(), json!(false));
    Ok(prices::make(tx, set).id)
}

/// Refuses items that do not go together: the same price twice, or prices that recur or pay differently.
pub(super) fn check_together(tx: &Transaction<'_>, prices: &[String]) -> Result<(), Failure> {
    if prices.len() > MOST_ITEMS {
        return Err(
            Failure::invalid(format!("a subscription takes at most {MOST_ITEMS} items")).param("items")
        );
    }
    let records: Vec<&Record> = prices.iter().filter_map(|id| tx.get("price", id)).collect();
    let Some(first) = records.first() else { return Ok(()) };
    for (index, price) in records.iter().enumerate() {
        if records[..index].iter().any(|other| other.id == price.id) {
            let message = format!("the price '{}' is in the subscription twice; use its quantity", price.id);
            return Err(Failure::refused(message).param("items"));
        }
        if price.text("currency") != first.text("currency") {
            let message = "all prices of a subscription must have one currency";
            return Err(Failure::refused(message).param("items"));
        }
        if prices::period(price) != prices::period(first) {
            return Err(Failure::unsupported("subscriptions whose prices recur differently").param("items"));
        }
    }
    Ok(())
}

/// Stores an item of a subscription, for a period.
pub(super) fn make(
    tx: &mut Transaction<'_>,
    subscription: &str,
    id: Option<&str>,
    chosen: &Chosen,
    period: (i64, i64),
) -> Record {
    let id = id.map_or_else(|| ids::fresh("si_", 14), str::to_owned);
    let now = tx.now;
    let defaults = json!({
        "id": id,
        "created": now,
        "current_period_end": period.1,
        "current_period_start": period.0,
        "discounts": [],
        "metadata": chosen.metadata,
        "quantity": chosen.quantity,
        "subscription": subscription,
        "tax_rates": [],
    });
    let mut record = tx.create(&id, now, keep("subscription_item", defaults, Map::new()));
    record.hidden.insert("price".to_owned(), json!(chosen.price));
    tx.put(record.clone());
    record
}

/// The items of a subscription, oldest first.
pub(super) fn of<'a>(tx: &'a Transaction<'_>, subscription: &str) -> impl Iterator<Item = &'a Record> {
    tx.all("subscription_item", ("subscription", subscription))
}

/// The price of an item.
pub(super) fn price<'a>(tx: &'a Transaction<'_>, item: &Record) -> Option<&'a Record> {
    tx.get("price", item.hidden_text("price"))
}

/// The item with its price.
pub(in crate::resources) fn answer(tx: &Transaction<'_>, item: &Record) -> Value {
    let mut value = item.value.clone();
    if let Some(price) = price(tx, item) {
        value.insert("plan".to_owned(), prices::plan(price));
        value.insert("price".to_owned(), complete(price.value.clone()));
    }
    complete(value)
}

pub(super) fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let subscription = ctx.params.required("subscription")?;
    let missing = || Failure::missing_reference("subscription", subscription, "subscription");
    ctx.tx.get("subscription", subscription).ok_or_else(missing)?;
    let listing = Listing {
        object: "subscription_item",
        url: "/v1/subscription_items".to_owned(),
        by: Some(("subscription", subscription)),
        order: Order::OldestFirst,
    };
    paging::page(ctx, &listing, |_| true)
}

pub(super) fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("subscription_item", "item")?;
    Ok(answer(&ctx.tx, &record))
}
