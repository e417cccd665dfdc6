//! Prices: create, retrieve, update, list, and what a quantity of one costs.
//! A price is a plain amount per unit, once or per period; tiers and meters are not known.

use serde_json::{Map, Value, json};

use super::{Action, Context, answer, products};
use crate::calendar::Interval;
use crate::errors::Failure;
use crate::ids;
use crate::money;
use crate::objects::{complete, keep};
use crate::paging::{self, Listing, Order};
use crate::state::{Record, Transaction};

/// The most of each interval that a period can have: three years.
const LONGEST: &[(&str, i64)] = &[("day", 1095), ("week", 156), ("month", 36), ("year", 3)];

pub(super) const ACTIONS: &[Action] = &[
    Action {
        operation: "PostPrices",
        takes: &[
            "active",
            "billing_scheme",
            "currency",
            "lookup_key",
            "metadata",
            "nickname",
            "product",
            "product_data",
            "recurring",
            "tax_behavior",
            "unit_amount",
            "unit_amount_decimal",
        ],
        clears: &[],
        run: create,
    },
    Action { operation: "GetPricesPrice", takes: &[], clears: &[], run: retrieve },
    Action {
        operation: "PostPricesPrice",
        takes: &["active", "lookup_key", "metadata", "nickname", "tax_behavior"],
        clears: &[],
        run: update,
    },
    Action {
        operation: "GetPrices",
        takes: &[
            "active",
            "created",
            "currency",
            "ending_before",
            "limit",
            "lookup_keys",
            "product",
            "starting_after",
            "type",
        ],
        clears: &[],
        run: list,
    },
];

fn create(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    if params.text("billing_scheme") == Some("tiered") {
        return Err(Failure::unsupported("tiered prices").param("billing_scheme"));
    }
    let mut set = Map::new();
    params.copy(&["active", "lookup_key", "nickname", "tax_behavior"], &mut set);
    set.insert("metadata".to_owned(), params.metadata(&Value::Null)?);
    let mut spec = Map::new();
    params.copy(&["currency", "recurring", "unit_amount", "unit_amount_decimal"], &mut spec);
    price_fields(&spec, "", &mut set)?;
    let product = match (params.text("product"), params.get("product_data")) {
        (Some(_), Some(_)) => return Err(Failure::exclusive(&["product", "product_data"])),
        (None, None) => return Err(Failure::missing("product")),
        (Some(id), None) => {
            let missing = || Failure::missing_reference("product", id, "product");
            ctx.tx.get("product", id).ok_or_else(missing)?.id.clone()
        }
        (None, Some(data)) => {
            let data = data.as_object().cloned().unwrap_or_default();
            let id = data.get("id").and_then(Value::as_str).map(str::to_owned);
            let id = id.unwrap_or_else(|| ids::fresh("prod_", 14));
            if ctx.tx.find(&id).is_some() {
                let message = format!("a product '{id}' is there already");
                let failure = Failure::refused(message).code("resource_already_exists");
                return Err(failure.param("product_data[id]"));
            }
            products::make(&mut ctx.tx, &id, data).id
        }
    };
    if let Some(key) = params.text("lookup_key") {
        check_lookup_key(&ctx.tx, key)?;
    }
    set.insert("product".to_owned(), json!(product));
    let record = make(&mut ctx.tx, set);
    Ok(answer(&ctx.tx, &record))
}

fn check_lookup_key(tx: &Transaction<'_>, key: &str) -> Result<(), Failure> {
    let all = tx.list("price", None).into_iter().flat_map(|list| list.values());
    let mut prices = all.filter_map(|id| tx.find(id));
    if prices.any(|price| price.text("lookup_key") == key) {
        let message = format!("a price with the lookup key '{key}' is there already");
        return Err(Failure::refused(message).param("lookup_key"));
    }
    Ok(())
}

/// Checks what makes a price, of a call or of `price_data`, and puts it into the price's fields.
pub(super) fn price_fields(
    spec: &Map<String, Value>,
    prefix: &str,
    set: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let path = |name: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}[{name}]") };
    let currency = spec.get("currency").and_then(Value::as_str).unwrap_or_default();
    set.insert("currency".to_owned(), json!(money::currency(currency, &path("currency"))?));
    let whole = spec.get("unit_amount").and_then(Value::as_i64);
    let decimal = spec.get("unit_amount_decimal").and_then(Value::as_str);
    let unit = match (whole, decimal) {
        (Some(_), Some(_)) => {
            return Err(Failure::exclusive(&[&path("unit_amount"), &path("unit_amount_decimal")]));
        }
        (None, None) => return Err(Failure::missing(&path("unit_amount"))),
        (Some(amount), None) => amount.to_string(),
        (None, Some(decimal)) => decimal.to_owned(),
    };
    let amount = money::times(&unit, 1).unwrap_or(i64::MAX);
    if amount < 0 || unit.starts_with('-') {
        let message = "This value must be greater than or equal to 0.";
        let failure = Failure::invalid(message).code("parameter_invalid_integer");
        return Err(failure.param(path("unit_amount")));
    }
    money::amount(amount, &path("unit_amount"))?;
    let integral = unit.parse::<i64>().ok();
    set.insert("unit_amount".to_owned(), json!(integral));
    set.insert("unit_amount_decimal".to_owned(), json!(unit));
    let Some(recurring) = spec.get("recurring").and_then(Value::as_object) else { return Ok(()) };
    if recurring.get("usage_type").is_some_and(|usage| usage == "metered") || recurring.contains_key("meter")
    {
        return Err(Failure::unsupported("metered prices").param(path("recurring")));
    }
    let interval = recurring.get("interval").and_then(Value::as_str).unwrap_or("month");
    let count = recurring.get("interval_count").and_then(Value::as_i64).unwrap_or(1);
    check_count(interval, count).map_err(|failure| failure.param(path("recurring[interval_count]")))?;
    let fields = json!({
        "interval": interval,
        "interval_count": count,
        "trial_period_days": recurring.get("trial_period_days"),
        "usage_type": "licensed",
    });
    set.insert("recurring".to_owned(), fields);
    Ok(())
}

fn check_count(interval: &str, count: i64) -> Result<(), Failure> {
    let longest = LONGEST.iter().find(|(name, _)| *name == interval).map_or(1, |(_, count)| *count);
    if (1..=longest).contains(&count) { Ok(()) } else { Err(Failure::out_of_bounds("recurring", 1, longest)) }
}

/// Stores a new price of a product.
pub(super) fn make(tx: &mut Transaction<'_>, set: Map<String, Value>) -> Record {
    let id = ids::fresh("price_1", 23);
    store(tx, &id, set)
}

fn store(tx: &mut Transaction<'_>, id: &str, set: Map<String, Value>) -> Record {
    let created = set.get("created").and_then(Value::as_i64).unwrap_or(tx.now);
    let kind = if set.contains_key("recurring") { "recurring" } else { "one_time" };
    let defaults = json!({
        "id": id,
        "active": true,
        "billing_scheme": "per_unit",
        "created": created,
        "livemode": false,
        "metadata": {},
        "tax_behavior": "unspecified",
        "type": kind,
    });
    tx.create(id, created, keep("price", defaults, set))
}

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("price", "price")?;
    Ok(answer(&ctx.tx, &record))
}

fn update(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let mut record = ctx.named("price", "price")?;
    if let Some(key) = ctx.params.text("lookup_key").filter(|key| *key != record.text("lookup_key")) {
        check_lookup_key(&ctx.tx, key)?;
    }
    let mut set = Map::new();
    ctx.params.copy(&["active", "lookup_key", "nickname", "tax_behavior"], &mut set);
    let before = record.value.get("metadata").cloned().unwrap_or_default();
    set.insert("metadata".to_owned(), ctx.params.metadata(&before)?);
    record.apply(set);
    ctx.tx.put(record.clone());
    Ok(answer(&ctx.tx, &record))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let by = params.text("product").map(|product| ("product", product));
    let listing = Listing { object: "price", url: "/v1/prices".to_owned(), by, order: Order::NewestFirst };
    let keys = params.get("lookup_keys").and_then(Value::as_array);
    let currency = params.text("currency").map(str::to_ascii_lowercase);
    paging::page(ctx, &listing, |record| {
        keys.is_none_or(|keys| keys.iter().any(|key| *key == record.text("lookup_key")))
            && params.flag("active").is_none_or(|active| record.value.get("active") == Some(&json!(active)))
            && currency.as_ref().is_none_or(|currency| record.text("currency") == currency)
            && params.text("type").is_none_or(|kind| record.text("type") == kind)
            && paging::within(params.get("created"), Some(record.integer("created")))
    })
}

/// What a quantity of a price costs, in the smallest unit of its currency.
pub(super) fn cost(price: &Record, quantity: i64) -> i64 {
    let cost = money::times(price.text("unit_amount_decimal"), quantity);
    cost.unwrap_or(i64::MAX).min(money::GREATEST_AMOUNT)
}

/// How often a price recurs; `None` where it is to be paid once.
pub(super) fn period(price: &Record) -> Option<(Interval, i64)> {
    let recurring = price.value.get("recurring")?;
    let interval = Interval::named(recurring.get("interval")?.as_str()?)?;
    Some((interval, recurring.get("interval_count")?.as_i64()?))
}

/// A price as the lines of invoices tell it.
pub(super) fn pricing(price: &Record) -> Value {
    json!({
        "price_details": {"price": price.id, "product": price.text("product")},
        "type": "price_details",
        "unit_amount_decimal": price.text("unit_amount_decimal"),
    })
}

/// A recurring price in the older form that subscription items still tell.
pub(super) fn plan(price: &Record) -> Value {
    let recurring = price.value.get("recurring").cloned().unwrap_or_default();
    let plan = json!({
        "id": price.id,
        "active": price.value.get("active"),
        "amount": price.value.get("unit_amount"),
        "amount_decimal": price.value.get("unit_amount_decimal"),
        "billing_scheme": "per_unit",
        "created": price.value.get("created"),
        "currency": price.value.get("currency"),
        "interval": recurring["interval"],
        "interval_count": recurring["interval_count"],
        "livemode": false,
        "metadata": price.value.get("metadata"),
        "nickname": price.value.get("nickname"),
        "product": price.value.get("product"),
        "trial_period_days": recurring["trial_period_days"],
        "usage_type": "licensed",
    });
    complete(keep("plan", plan, Map::new()))
}

/// Stores a price from a fixture; its product comes before it.
pub(super) fn load(tx: &mut Transaction<'_>, id: &str, given: &Map<String, Value>) -> Result<(), String> {
    let product = given.get("product").and_then(Value::as_str).unwrap_or_default();
    if tx.get("product", product).is_none() {
        return Err(format!("`{id}` needs the id of a product before it in `product`"));
    }
    let mut set = given.clone();
    price_fields(given, "", &mut set).map_err(|failure| format!("{} (in `{id}`)", failure.message))?;
    store(tx, id, set);
    Ok(())
}
