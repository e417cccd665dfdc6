//! Confirming: an intent gets its payment method and is tried.

use serde_json::{Map, Value};

use super::{How, attempt, off_session, rules, set_method, unexpected_state};
use crate::errors::Failure;
use crate::resources::{Context, answer, payment_methods};
use crate::state::Record;

pub(super) fn confirm(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let mut intent = ctx.named("payment_intent", "intent")?;
    rules::check(ctx.params)?;
    let mut set = Map::new();
    let copied =
        ["capture_method", "payment_method_types", "receipt_email", "setup_future_usage", "shipping"];
    ctx.params.copy(&copied, &mut set);
    let waiting = matches!(
        intent.text("status"),
        "requires_payment_method" | "requires_confirmation" | "requires_action"
    );
    if !waiting {
        return Err(unexpected_state(&ctx.tx, &intent, "confirmed"));
    }
    if set.contains_key("payment_method_types") {
        set.insert("automatic_payment_methods".to_owned(), Value::Null);
    }
    intent.apply(set);
    if let Some(method) = ctx.params.text("payment_method") {
        set_method(&mut ctx.tx, &mut intent, method)?;
    }
    let intent = run(ctx, intent)?;
    Ok(answer(&ctx.tx, &intent))
}

/// Confirms an intent as the parameters of a call say.
pub(super) fn run(ctx: &mut Context<'_>, intent: Record) -> Result<Record, Failure> {
    let id = intent.text("payment_method").to_owned();
    if id.is_empty() {
        return Err(unexpected_state(&ctx.tx, &intent, "confirmed without a payment method"));
    }
    rules::check_confirm(&intent, ctx.params)?;
    let method = payment_methods::usable(&mut ctx.tx, &id, intent.text("customer"), "payment_method")?;
    rules::check_method(&intent, &method)?;
    let how = How {
        off_session: off_session(ctx.params),
        error_on_action: ctx.params.flag("error_on_requires_action").unwrap_or(false),
        return_url: ctx.params.text("return_url").map(str::to_owned),
        authenticated: false,
    };
    attempt(&mut ctx.tx, intent, &method, &how)
}
