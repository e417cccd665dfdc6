//! Creating a subscription: its items, its trial, its first invoice and what comes of that.

use serde_json::{Map, Value, json};

use super::items::{self, Chosen};
use super::{LONGEST_TRIAL, answer, bill, blank, check_due, trial_end, usual_method};
use crate::errors::{Effect, Failure};
use crate::ids;
use crate::resources::invoices::{self, Session};
use crate::resources::{Context, customers, discounts, payment_intents, payment_methods};
use crate::state::Record;

/// How long the customer has to make the first payment, in seconds.
const INCOMPLETE_FOR: i64 = 23 * 3600;

pub(super) fn create(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let customer_id = params.required("customer")?;
    let method = params.text("collection_method").unwrap_or("charge_automatically");
    check_due(params, method, false)?;
    if !params.has("items") {
        return Err(Failure::missing("items"));
    }
    if params.text("payment_behavior") == Some("pending_if_incomplete") {
        let message = "`payment_behavior=pending_if_incomplete` is only for updates";
        return Err(Failure::invalid(message).param("payment_behavior"));
    }
    let trial = trial(ctx)?;
    let metadata = params.metadata(&Value::Null)?;
    let customer = customers::referenced(&ctx.tx, customer_id)?;
    let chosen = chosen(ctx)?;
    let prices: Vec<String> = chosen.iter().map(|item| item.price.clone()).collect();
    items::check_together(&ctx.tx, &prices)?;
    let first = ctx.tx.get("price", &prices[0]).cloned();
    let first = first.ok_or_else(|| Failure::missing_reference("price", &prices[0], "items[0][price]"))?;
    let currency = first.text("currency").to_owned();
    check_currency(params.text("currency"), &customer, &currency)?;
    if let Some(method) = params.text("default_payment_method") {
        payment_methods::attached(&ctx.tx, method, customer_id, "default_payment_method")?;
    }

    let now = ctx.tx.now;
    let mut set = Map::new();
    let copied = ["days_until_due", "default_payment_method", "description", "trial_settings"];
    params.copy(&copied, &mut set);
    set.insert("collection_method".to_owned(), json!(method));
    set.insert("currency".to_owned(), json!(currency));
    set.insert("customer".to_owned(), json!(customer_id));
    set.insert("metadata".to_owned(), metadata);
    set.insert("billing_cycle_anchor".to_owned(), json!(trial.unwrap_or(now)));
    if let Some(end) = trial {
        set.insert("status".to_owned(), json!("trialing"));
        set.insert("trial_start".to_owned(), json!(now));
        set.insert("trial_end".to_owned(), json!(end));
    }
    let id = ids::fresh("sub_1", 23);
    let coupons = discounts::coupons(ctx, &currency)?;
    let mut record = ctx.tx.create(&id, now, blank(&id, now, set));
    let given = discounts::give(&mut ctx.tx, coupons, &record);
    record.set("discounts", given);
    let end = trial.unwrap_or_else(|| bill::next_end(&record, &first, now));
    for chosen in &chosen {
        items::make(&mut ctx.tx, &id, None, chosen, (now, end));
    }
    if params.flag("cancel_at_period_end") == Some(true) {
        super::update::cancel_at_period_end(&mut record, Some(end), now);
    }
    match trial {
        Some(_) => super::wake::await_trial_end(&mut record, end, now),
        None => record.wake_at(Some(end)),
    }
    ctx.tx.put(record.clone());
    customers::settle_currency(&mut ctx.tx, customer_id, &currency);
    first_invoice(ctx, record, trial.is_some())?;
    let record = ctx.tx.get("subscription", &id).cloned();
    let record = record.ok_or_else(|| Failure::not_found("subscription", &id, "id"))?;
    Ok(answer(&ctx.tx, &record))
}

fn trial(ctx: &Context<'_>) -> Result<Option<i64>, Failure> {
    let (params, now) = (ctx.params, ctx.tx.now);
    let Some(days) = params.integer("trial_period_days") else {
        return Ok(trial_end(params, now)?.filter(|end| *end > now));
    };
    if params.has("trial_end") {
        return Err(Failure::exclusive(&["trial_period_days", "trial_end"]));
    }
    let most = LONGEST_TRIAL / super::DAY;
    match days {
        0 => Ok(None),
        days if (1..=most).contains(&days) => Ok(Some(now + days * super::DAY)),
        _ => Err(Failure::out_of_bounds("trial_period_days", 0, most)),
    }
}

fn chosen(ctx: &mut Context<'_>) -> Result<Vec<Chosen>, Failure> {
    let sent = items::sent(ctx)?;
    if sent.is_empty() {
        return Err(Failure::missing("items[0][price]"));
    }
    let chosen = sent.into_iter().enumerate().map(|(index, item)| {
        let price = item.price.ok_or_else(|| Failure::missing(&format!("items[{index}][price]")))?;
        let metadata = item.metadata.unwrap_or_else(|| json!({}));
        Ok(Chosen { price, quantity: item.quantity.unwrap_or(1), metadata })
    });
    chosen.collect()
}

fn check_currency(sent: Option<&str>, customer: &Record, currency: &str) -> Result<(), Failure> {
    if sent.is_some_and(|sent| !sent.eq_ignore_ascii_case(currency)) {
        let message = format!("the prices are in `{currency}`, not in the currency given");
        return Err(Failure::refused(message).param("currency"));
    }
    let own = customer.text("currency");
    if !own.is_empty() && own != currency {
        let message =
            format!("the customer is billed in `{own}`; currencies of one customer cannot be mixed");
        return Err(Failure::refused(message).param("customer"));
    }
    Ok(())
}

/// Makes the first invoice and settles it as `payment_behavior` says.
fn first_invoice(ctx: &mut Context<'_>, mut record: Record, trial: bool) -> Result<(), Failure> {
    let automatic = record.text("collection_method") == "charge_automatically";
    let behavior = ctx.params.text("payment_behavior").unwrap_or("allow_incomplete");
    let lines = if trial { bill::Lines::Trial } else { bill::Lines::Period };
    let invoice = bill::draft(&mut ctx.tx, &mut record, "subscription_create", lines)?;
    let charged = automatic && invoice.integer("amount_due") > 0;
    if !charged {
        return bill::settle(&mut ctx.tx, invoice, Session::CustomerPresent);
    }
    let (_, period_end) = bill::period(&ctx.tx, &record.id);
    record.set("status", "incomplete");
    record.hidden.insert("period_end".to_owned(), json!(period_end));
    record.wake_at(Some(ctx.tx.now + INCOMPLETE_FOR));
    ctx.tx.put(record.clone());
    if behavior == "default_incomplete" {
        return invoices::finalize_draft(&mut ctx.tx, invoice);
    }
    if usual_method(&ctx.tx, &record).is_empty() {
        return Err(invoices::no_method());
    }
    let away = payment_intents::off_session(ctx.params);
    let session = if away { Session::CustomerAway } else { Session::CustomerPresent };
    match bill::settle(&mut ctx.tx, invoice, session) {
        Err(failure) if behavior == "error_if_incomplete" => {
            Err(Failure { effect: Effect::Undone, ..failure })
        }
        Err(failure) if failure.effect == Effect::Undone => Err(failure),
        Ok(()) | Err(_) => Ok(()),
    }
}
