//! Subscriptions: retrieve, list, what is told of one. Creating, changing and ending them, billing
//! and what happens as time goes by have files of their own.
//! All items of one recur alike; taxes, schedules and meters are not known.

mod bill;
mod cancel;
mod create;
mod items;
mod prorate;
mod update;
mod wake;

use serde_json::{Map, Value, json};

pub(super) use self::cancel::end;
pub(super) use self::items::answer as answer_item;
pub(super) use self::wake::{invoice_failed, invoice_paid, wake};
use super::{Action, Context, customers, payment_methods, prices};
use crate::errors::Failure;
use crate::objects::{complete, keep};
use crate::paging::{self, Listing, Order};
use crate::params::Params;
use crate::state::{Record, Transaction};

pub(super) const ACTIONS: &[Action] = &[
    Action {
        operation: "PostSubscriptions",
        takes: &[
            "cancel_at_period_end",
            "collection_method",
            "currency",
            "customer",
            "days_until_due",
            "default_payment_method",
            "description",
            "discounts",
            "items",
            "metadata",
            "off_session",
            "payment_behavior",
            "proration_behavior",
            "trial_end",
            "trial_period_days",
            "trial_settings",
        ],
        clears: &[],
        run: create::create,
    },
    Action { operation: "GetSubscriptionsSubscriptionExposedId", takes: &[], clears: &[], run: retrieve },
    Action {
        operation: "PostSubscriptionsSubscriptionExposedId",
        takes: &[
            "cancel_at_period_end",
            "cancellation_details",
            "collection_method",
            "days_until_due",
            "default_payment_method",
            "description",
            "items",
            "metadata",
            "off_session",
            "payment_behavior",
            "proration_behavior",
            "trial_end",
            "trial_settings",
        ],
        clears: &[],
        run: update::update,
    },
    Action {
        operation: "DeleteSubscriptionsSubscriptionExposedId",
        takes: &["cancellation_details", "invoice_now", "prorate"],
        clears: &[],
        run: cancel::cancel,
    },
    Action {
        operation: "GetSubscriptions",
        takes: &[
            "collection_method",
            "created",
            "current_period_end",
            "current_period_start",
            "customer",
            "ending_before",
            "limit",
            "price",
            "starting_after",
            "status",
        ],
        clears: &[],
        run: list,
    },
    Action {
        operation: "GetSubscriptionItems",
        takes: &["ending_before", "limit", "starting_after", "subscription"],
        clears: &[],
        run: items::list,
    },
    Action { operation: "GetSubscriptionItemsItem", takes: &[], clears: &[], run: items::retrieve },
];

/// How the parameter `id` of a subscription's path is called in errors.
const PARAM: &str = "id";
/// The furthest that a trial can go, in seconds: two years.
const LONGEST_TRIAL: i64 = 730 * DAY;
const DAY: i64 = 86_400;

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("subscription", PARAM)?;
    Ok(answer(&ctx.tx, &record))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let by = params.text("customer").map(|customer| ("customer", customer));
    let url = "/v1/subscriptions".to_owned();
    let listing = Listing { object: "subscription", url, by, order: Order::NewestFirst };
    let wanted = params.text("status");
    let fits = |status: &str| match wanted {
        None => status != "canceled",
        Some("all") => true,
        Some("ended") => ended(status),
        Some(wanted) => status == wanted,
    };
    paging::page(ctx, &listing, |record| {
        let items: Vec<&Record> = items::of(&ctx.tx, &record.id).collect();
        let first = |name| items.first().map(|item| item.integer(name));
        fits(record.text("status"))
            && params
                .text("price")
                .is_none_or(|price| items.iter().any(|it| it.hidden_text("price") == price))
            && params.text("collection_method").is_none_or(|it| record.text("collection_method") == it)
            && paging::within(params.get("created"), Some(record.integer("created")))
            && paging::within(params.get("current_period_start"), first("current_period_start"))
            && paging::within(params.get("current_period_end"), first("current_period_end"))
    })
}

/// Whether a subscription in a state will never be billed again.
fn ended(status: &str) -> bool {
    matches!(status, "canceled" | "incomplete_expired")
}

/// The subscription with its items.
pub(super) fn answer(tx: &Transaction<'_>, record: &Record) -> Value {
    let mut value = record.value.clone();
    let data: Vec<Value> = items::of(tx, &record.id).map(|item| items::answer(tx, item)).collect();
    let url = format!("/v1/subscription_items?subscription={}", record.id);
    value.insert("items".to_owned(), json!({"object": "list", "data": data, "has_more": false, "url": url}));
    complete(value)
}

/// The rules between how a subscription is collected and when its invoices are due.
fn check_due(params: &Params, method: &str, had: bool) -> Result<(), Failure> {
    let days = params.integer("days_until_due");
    let message = match (method, days) {
        ("send_invoice", None) if !had => "with `collection_method=send_invoice`, give `days_until_due`",
        ("charge_automatically", Some(_)) => {
            "`days_until_due` goes only with `collection_method=send_invoice`"
        }
        _ => {
            return match days {
                Some(days) if !(0..=36_500).contains(&days) => {
                    Err(Failure::out_of_bounds("days_until_due", 0, 36_500))
                }
                Some(_) | None => Ok(()),
            };
        }
    };
    Err(Failure::invalid(message).param("days_until_due"))
}

/// The end of a trial as a call gives it; now where it says so.
fn trial_end(params: &Params, now: i64) -> Result<Option<i64>, Failure> {
    let end = match params.get("trial_end") {
        None => return Ok(None),
        Some(Value::Number(at)) => at.as_i64().unwrap_or_default(),
        Some(_) => return Ok(Some(now)),
    };
    if end <= now {
        return Err(Failure::refused("`trial_end` must be in the future, or `now`").param("trial_end"));
    }
    if end > now + LONGEST_TRIAL {
        return Err(Failure::refused("`trial_end` cannot be more than two years away").param("trial_end"));
    }
    Ok(Some(end))
}

/// A subscription with defaults for what `set` leaves out.
fn blank(id: &str, created: i64, set: Map<String, Value>) -> Map<String, Value> {
    let defaults = json!({
        "id": id,
        "automatic_tax": {"enabled": false},
        "billing_cycle_anchor": created,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
        "billing_schedules": [],
        "cancel_at_period_end": false,
        "cancellation_details": {},
        "collection_method": "charge_automatically",
        "created": created,
        "default_tax_rates": [],
        "discounts": [],
        "invoice_settings": {"issuer": {"type": "self"}},
        "livemode": false,
        "metadata": {},
        "payment_settings": {"save_default_payment_method": "off"},
        "start_date": created,
        "status": "active",
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    });
    keep("subscription", defaults, set)
}

/// The payment method that a subscription is charged to; empty where there is none.
fn usual_method(tx: &Transaction<'_>, subscription: &Record) -> String {
    let own = subscription.text("default_payment_method");
    if own.is_empty() {
        customers::default_payment_method(tx, subscription.text("customer"))
    } else {
        own.to_owned()
    }
}

/// Stores a subscription from a fixture, with the items given as `[{"id", "price", "quantity"}]`.
/// Its first period begins when it was created, and that period has been paid.
pub(super) fn load(tx: &mut Transaction<'_>, id: &str, mut given: Map<String, Value>) -> Result<(), String> {
    let customer = given.get("customer").and_then(Value::as_str).unwrap_or_default().to_owned();
    if customers::referenced(tx, &customer).is_err() {
        return Err(format!("`{id}` needs the id of a customer before it in `customer`"));
    }
    if tx.get("subscription", id).is_some() {
        return Err(format!("`{id}` is there already; its items cannot be replaced"));
    }
    if let Some(method) = given.get("default_payment_method").and_then(Value::as_str) {
        payment_methods::attached(tx, method, &customer, "default_payment_method")
            .map_err(|failure| format!("{} (in `{id}`)", failure.message))?;
    }
    let wanted = given.shift_remove("items");
    let wanted: Vec<Value> = wanted.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
    let mut chosen = Vec::new();
    for item in &wanted {
        let price = item.get("price").and_then(Value::as_str).unwrap_or_default();
        let price = tx.get("price", price).filter(|price| prices::period(price).is_some()).cloned();
        chosen.push((
            item,
            price.ok_or_else(|| format!("`{id}` needs recurring prices before it in its `items`"))?,
        ));
    }
    let Some((_, first)) = chosen.first() else {
        return Err(format!("`{id}` needs `items`, like [{{\"id\": \"si_xxx\", \"price\": \"price_xxx\"}}]"));
    };
    given.insert("currency".to_owned(), json!(first.text("currency")));
    let created = given.get("created").and_then(Value::as_i64).unwrap_or(tx.now);
    let mut record = tx.create(id, created, blank(id, created, given));
    let start = record.integer("created");
    let trial = record.value.get("trial_end").and_then(Value::as_i64);
    let end = trial.unwrap_or_else(|| bill::next_end(&record, first, start));
    for (item, price) in &chosen {
        let quantity = item.get("quantity").and_then(Value::as_i64).unwrap_or(1);
        let own = item.get("id").and_then(Value::as_str);
        items::make(
            tx,
            id,
            own,
            &items::Chosen { price: price.id.clone(), quantity, metadata: json!({}) },
            (start, end),
        );
    }
    if !ended(record.text("status")) {
        match trial.filter(|_| record.text("status") == "trialing") {
            Some(end) => wake::await_trial_end(&mut record, end, tx.now),
            None => record.wake_at(Some(end)),
        }
    }
    tx.put(record);
    Ok(())
}
