//! Changing a subscription: items and their prorations, trial, collection, its end.

use serde_json::{Map, Value, json};

use super::items::{self, Chosen, Sent};
use super::prorate::{self, Side};
use super::{PARAM, answer, bill, check_due, ended, trial_end};
use crate::errors::{Effect, Failure};
use crate::resources::invoices::Session;
use crate::resources::{Context, payment_intents, payment_methods, prices};
use crate::state::{Record, Transaction};

/// What can still be changed once a subscription has ended.
const ALWAYS_EDITABLE: &[&str] = &["cancellation_details", "expand", "metadata"];

pub(super) fn update(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let mut record = ctx.named("subscription", PARAM)?;
    let id = record.id.clone();
    if ended(record.text("status"))
        && let Some(name) = params.names().find(|name| !ALWAYS_EDITABLE.contains(name))
    {
        let message = "a canceled subscription can only change its cancellation_details and metadata";
        return Err(Failure::refused(message).param(name));
    }
    if params.text("payment_behavior") == Some("pending_if_incomplete") {
        let what = "`payment_behavior=pending_if_incomplete`";
        return Err(Failure::unsupported(what).param("payment_behavior"));
    }
    set_plain(ctx, &mut record)?;
    ctx.tx.put(record.clone());
    let sent = items::sent(ctx)?;
    let restarts = if sent.is_empty() { false } else { change_items(ctx, &record, &sent)? };
    let ends_trial = trial_end(params, ctx.tx.now)?;
    if let Some(end) = ends_trial.filter(|end| *end > ctx.tx.now) {
        set_trial(&mut ctx.tx, &mut record, end);
    }
    if let Some(flag) = params.flag("cancel_at_period_end") {
        let (_, end) = bill::period(&ctx.tx, &id);
        let now = ctx.tx.now;
        cancel_at_period_end(&mut record, flag.then_some(end), now);
        ctx.tx.put(record.clone());
    }
    let trial_over = ends_trial == Some(ctx.tx.now) && record.text("status") == "trialing";
    invoice_now(ctx, record, trial_over || restarts)?;
    let record = ctx.named("subscription", PARAM)?;
    Ok(answer(&ctx.tx, &record))
}

/// Sets what says something of itself only.
fn set_plain(ctx: &Context<'_>, record: &mut Record) -> Result<(), Failure> {
    let params = ctx.params;
    let before = record.text("collection_method").to_owned();
    let method = params.text("collection_method").unwrap_or(&before);
    if params.has("collection_method") || params.has("days_until_due") {
        check_due(params, method, record.value.contains_key("days_until_due"))?;
    }
    if let Some(id) = params.text("default_payment_method") {
        payment_methods::attached(&ctx.tx, id, record.text("customer"), "default_payment_method")?;
    }
    let mut set = Map::new();
    let copied =
        ["collection_method", "days_until_due", "default_payment_method", "description", "trial_settings"];
    params.copy(&copied, &mut set);
    if method == "charge_automatically" {
        set.insert("days_until_due".to_owned(), Value::Null);
    }
    let before = record.value.get("metadata").cloned().unwrap_or_default();
    set.insert("metadata".to_owned(), params.metadata(&before)?);
    record.apply(set);
    if let Some(Value::Object(sent)) = params.get("cancellation_details") {
        let mut details = record.value.get("cancellation_details").and_then(Value::as_object).cloned();
        details.get_or_insert_default().extend(sent.clone());
        record.set("cancellation_details", json!(details));
    }
    Ok(())
}

/// Lets a subscription end with its period, or go on.
pub(super) fn cancel_at_period_end(record: &mut Record, end: Option<i64>, now: i64) {
    let mut details = record.value.get("cancellation_details").cloned().unwrap_or_else(|| json!({}));
    details["reason"] = if end.is_some() { json!("cancellation_requested") } else { Value::Null };
    record.set("cancel_at_period_end", end.is_some());
    record.set("cancel_at", json!(end));
    record.set("canceled_at", if end.is_some() { json!(now) } else { Value::Null });
    record.set("cancellation_details", details);
}

fn set_trial(tx: &mut Transaction<'_>, record: &mut Record, end: i64) {
    let now = tx.now;
    if !record.value.contains_key("trial_start") {
        record.set("trial_start", now);
    }
    record.set("trial_end", end);
    record.set("billing_cycle_anchor", end);
    record.set("status", "trialing");
    super::wake::await_trial_end(record, end, now);
    let (start, _) = bill::period(tx, &record.id);
    bill::set_period(tx, &record.id, (start, end));
    tx.put(record.clone());
}

/// Applies the changes of items, with prorations if they are wanted. Answers whether the period
/// starts anew, because the new prices recur differently.
fn change_items(ctx: &mut Context<'_>, record: &Record, sent: &[Sent]) -> Result<bool, Failure> {
    let prorated = record.text("status") != "trialing"
        && record.text("status") != "incomplete"
        && ctx.params.text("proration_behavior") != Some("none");
    let before: Vec<Record> = items::of(&ctx.tx, &record.id).cloned().collect();
    let recurring = before.first().and_then(|item| prices::period(items::price(&ctx.tx, item)?));
    let mut changes = Vec::new();
    for (index, sent) in sent.iter().enumerate() {
        let item = match &sent.id {
            None => None,
            Some(id) => {
                let param = format!("items[{index}][id]");
                let found = before.iter().find(|item| item.id == *id);
                Some(found.ok_or_else(|| Failure::missing_reference("subscription_item", id, &param))?)
            }
        };
        changes.push((item, wanted(sent, item, index)?));
    }
    check_result(&ctx.tx, record, &before, &changes)?;
    let after = changes.iter().find_map(|(_, wanted)| wanted.as_ref()).map(|wanted| wanted.price.clone());
    let after = after.and_then(|id| prices::period(ctx.tx.get("price", &id)?));
    let restarts = after.is_some() && after != recurring;
    let period = bill::period(&ctx.tx, &record.id);
    for (item, wanted) in changes {
        let changed = item.is_none_or(|item| {
            wanted.as_ref().is_none_or(|it| {
                it.price != item.hidden_text("price") || it.quantity != item.integer("quantity")
            })
        });
        if let Some(item) = item.filter(|_| prorated && (changed || restarts)) {
            rest_of(&mut ctx.tx, item, Side::Unused);
        }
        let kept = match (item, wanted) {
            (Some(item), None) => {
                ctx.tx.remove(&item.id);
                None
            }
            (Some(item), Some(wanted)) => {
                let mut item = item.clone();
                item.set("quantity", wanted.quantity);
                item.set("metadata", wanted.metadata);
                item.hidden.insert("price".to_owned(), json!(wanted.price));
                ctx.tx.put(item.clone());
                Some(item)
            }
            (None, Some(wanted)) => Some(items::make(&mut ctx.tx, &record.id, None, &wanted, period)),
            (None, None) => None,
        };
        if let Some(item) = kept.filter(|_| prorated && changed && !restarts) {
            rest_of(&mut ctx.tx, &item, Side::Remaining);
        }
    }
    Ok(restarts && record.text("status") != "trialing")
}

fn rest_of(tx: &mut Transaction<'_>, item: &Record, side: Side) {
    if let Some(price) = items::price(tx, item).cloned() {
        prorate::add(tx, item, &price, item.integer("quantity"), side);
    }
}

/// What an item is to be; `None` where it is to go.
fn wanted(sent: &Sent, item: Option<&Record>, index: usize) -> Result<Option<Chosen>, Failure> {
    let missing = || Failure::missing(&format!("items[{index}][price]"));
    match item {
        Some(_) if sent.deleted => Ok(None),
        None if sent.deleted => Err(Failure::missing(&format!("items[{index}][id]"))),
        None => {
            let price = sent.price.clone().ok_or_else(missing)?;
            let metadata = sent.metadata.clone().unwrap_or_else(|| json!({}));
            Ok(Some(Chosen { price, quantity: sent.quantity.unwrap_or(1), metadata }))
        }
        Some(item) => {
            let price = sent.price.clone().unwrap_or_else(|| item.hidden_text("price").to_owned());
            let quantity = sent.quantity.unwrap_or(item.integer("quantity"));
            let mut metadata =
                item.value.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
            match &sent.metadata {
                Some(Value::Object(sent)) => metadata.extend(sent.clone()),
                Some(_) => metadata.clear(),
                None => {}
            }
            metadata.retain(|_, value| !value.is_null());
            Ok(Some(Chosen { price, quantity, metadata: Value::Object(metadata) }))
        }
    }
}

type Change<'a> = (Option<&'a Record>, Option<Chosen>);

/// Refuses changes after which the items would not go together, or none would be left.
fn check_result(
    tx: &Transaction<'_>,
    record: &Record,
    before: &[Record],
    changes: &[Change<'_>],
) -> Result<(), Failure> {
    let touched = |id: &str| changes.iter().any(|(item, _)| item.is_some_and(|item| item.id == id));
    let untouched = before.iter().filter(|item| !touched(&item.id));
    let mut prices: Vec<String> = untouched.map(|item| item.hidden_text("price").to_owned()).collect();
    prices.extend(changes.iter().filter_map(|(_, wanted)| Some(wanted.as_ref()?.price.clone())));
    if prices.is_empty() {
        let message = "a subscription needs an item; cancel it instead of deleting the last one";
        return Err(Failure::refused(message).param("items"));
    }
    let foreign = prices.iter().filter_map(|id| tx.get("price", id));
    if foreign.into_iter().any(|price| price.text("currency") != record.text("currency")) {
        let message = format!("the subscription is in `{}`; so must its prices be", record.text("currency"));
        return Err(Failure::refused(message).param("items"));
    }
    items::check_together(tx, &prices)
}

/// Makes the invoice that a change asks for at once: for a new period, or for the prorations.
fn invoice_now(ctx: &mut Context<'_>, mut record: Record, new_period: bool) -> Result<(), Failure> {
    let always = ctx.params.text("proration_behavior") == Some("always_invoice");
    let lines = if new_period {
        let now = ctx.tx.now;
        record.set("billing_cycle_anchor", now);
        if record.text("status") == "trialing" {
            record.set("status", "active");
            record.set("trial_end", now);
        }
        super::wake::start_period(&mut ctx.tx, &mut record, now);
        bill::Lines::Period
    } else if always && ctx.params.has("items") && record.text("status") != "trialing" {
        bill::Lines::None
    } else {
        return Ok(());
    };
    let invoice = bill::draft(&mut ctx.tx, &mut record, "subscription_update", lines)?;
    let away = payment_intents::off_session(ctx.params);
    let session = if away { Session::CustomerAway } else { Session::CustomerPresent };
    let strict = ctx.params.text("payment_behavior") == Some("error_if_incomplete");
    match bill::settle(&mut ctx.tx, invoice, session) {
        Err(failure) if strict => Err(Failure { effect: Effect::Undone, ..failure }),
        Ok(()) | Err(_) => Ok(()),
    }
}
