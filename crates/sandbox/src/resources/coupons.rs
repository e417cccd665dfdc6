//! Coupons: create, retrieve, update, list, delete. What they take off is in `discounts`.

use serde_json::{Map, Value, json};

use super::{Action, Context, deleted, discounts};
use crate::errors::Failure;
use crate::ids;
use crate::money;
use crate::objects::{complete, keep};
use crate::paging::{self, Listing, Order};
use crate::state::{Record, Transaction};

pub(super) const ACTIONS: &[Action] = &[
    Action {
        operation: "PostCoupons",
        takes: &[
            "amount_off",
            "currency",
            "duration",
            "duration_in_months",
            "id",
            "max_redemptions",
            "metadata",
            "name",
            "percent_off",
            "redeem_by",
        ],
        clears: &[],
        run: create,
    },
    Action { operation: "GetCouponsCoupon", takes: &[], clears: &[], run: retrieve },
    Action { operation: "PostCouponsCoupon", takes: &["metadata", "name"], clears: &[], run: update },
    Action {
        operation: "GetCoupons",
        takes: &["created", "ending_before", "limit", "starting_after"],
        clears: &[],
        run: list,
    },
    Action { operation: "DeleteCouponsCoupon", takes: &[], clears: &[], run: delete },
];

fn create(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let mut set = Map::new();
    let copied = ["duration", "duration_in_months", "max_redemptions", "name", "percent_off", "redeem_by"];
    params.copy(&copied, &mut set);
    match (params.integer("amount_off"), params.get("percent_off").and_then(Value::as_f64)) {
        (Some(_), Some(_)) => return Err(Failure::exclusive(&["amount_off", "percent_off"])),
        (None, None) => return Err(Failure::missing("percent_off")),
        (None, Some(percent)) if percent <= 0.0 || percent > 100.0 => {
            return Err(Failure::invalid("a coupon takes off more than 0 and at most 100 percent")
                .param("percent_off"));
        }
        (None, Some(_)) => {}
        (Some(amount), None) => {
            if amount < 1 {
                return Err(Failure::out_of_bounds("amount_off", 1, money::GREATEST_AMOUNT));
            }
            set.insert("amount_off".to_owned(), json!(money::amount(amount, "amount_off")?));
            set.insert(
                "currency".to_owned(),
                json!(money::currency(params.required("currency")?, "currency")?),
            );
        }
    }
    let repeating = params.text("duration") == Some("repeating");
    if repeating != params.has("duration_in_months") {
        let message = "`duration_in_months` and `duration=repeating` go together";
        return Err(Failure::invalid(message).param("duration_in_months"));
    }
    if params.integer("redeem_by").is_some_and(|at| at <= ctx.tx.now) {
        return Err(Failure::refused("`redeem_by` must be in the future").param("redeem_by"));
    }
    set.insert("metadata".to_owned(), params.metadata(&Value::Null)?);
    let id = params.text("id").map_or_else(|| ids::fresh("", 8), str::to_owned);
    if ctx.tx.find(&id).is_some() {
        let message = format!("a coupon '{id}' is there already");
        return Err(Failure::refused(message).code("resource_already_exists").param("id"));
    }
    let now = ctx.tx.now;
    let record = ctx.tx.create(&id, now, blank(&id, now, set));
    Ok(answer(&ctx.tx, &record))
}

fn blank(id: &str, created: i64, set: Map<String, Value>) -> Map<String, Value> {
    let defaults = json!({
        "id": id,
        "created": created,
        "duration": "once",
        "livemode": false,
        "metadata": {},
        "times_redeemed": 0,
        "valid": true,
    });
    keep("coupon", defaults, set)
}

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("coupon", "coupon")?;
    Ok(answer(&ctx.tx, &record))
}

fn update(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let mut record = ctx.named("coupon", "coupon")?;
    let mut set = Map::new();
    ctx.params.copy(&["name"], &mut set);
    let before = record.value.get("metadata").cloned().unwrap_or_default();
    set.insert("metadata".to_owned(), ctx.params.metadata(&before)?);
    record.apply(set);
    ctx.tx.put(record.clone());
    Ok(answer(&ctx.tx, &record))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let url = "/v1/coupons".to_owned();
    let listing = Listing { object: "coupon", url, by: None, order: Order::NewestFirst };
    let created = ctx.params.get("created");
    paging::page(ctx, &listing, |record| paging::within(created, Some(record.integer("created"))))
}

fn delete(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("coupon", "coupon")?;
    if record.integer("times_redeemed") > 0 {
        // Stripe lets what was given live on; here the discounts still need to know what they take off.
        return Err(Failure::unsupported("deleting a coupon that has been redeemed"));
    }
    ctx.tx.remove(&record.id);
    Ok(deleted("coupon", &record.id))
}

/// The coupon, with whether it can be redeemed now.
pub(super) fn answer(tx: &Transaction<'_>, record: &Record) -> Value {
    let mut value = record.value.clone();
    value.insert("valid".to_owned(), json!(discounts::redeemable(record, tx.now)));
    complete(value)
}

/// Stores a coupon from a fixture.
pub(super) fn load(tx: &mut Transaction<'_>, id: &str, given: Map<String, Value>) {
    let created = given.get("created").and_then(Value::as_i64).unwrap_or(tx.now);
    tx.create(id, created, blank(id, created, given));
}
