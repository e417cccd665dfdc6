//! How intents end other than by being paid at once: captured, canceled, lapsed.

use serde_json::{Value, json};

use super::unexpected_state;
use crate::errors::Failure;
use crate::resources::{Context, answer, charges};
use crate::state::{Record, Transaction};

pub(super) fn capture(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let mut intent = ctx.named("payment_intent", "intent")?;
    if intent.text("status") != "requires_capture" {
        return Err(unexpected_state(&ctx.tx, &intent, "captured"));
    }
    let held = intent.integer("amount_capturable");
    let amount = ctx.params.integer("amount_to_capture").unwrap_or(held);
    if amount < 1 {
        let message = "This value must be greater than or equal to 1.";
        return Err(Failure::invalid(message).code("parameter_invalid_integer").param("amount_to_capture"));
    }
    if amount > held {
        let message =
            format!("the amount to capture, {amount}, is greater than the {held} that can be captured");
        return Err(Failure::refused(message).code("amount_too_large").param("amount_to_capture"));
    }
    let before = intent.value.get("metadata").cloned().unwrap_or_default();
    intent.set("metadata", ctx.params.metadata(&before)?);
    if let Some(suffix) = ctx.params.get("statement_descriptor_suffix") {
        intent.set("statement_descriptor_suffix", suffix.clone());
    }
    charges::capture(&mut ctx.tx, intent.text("latest_charge"), amount);
    intent.set("amount_capturable", 0);
    intent.set("amount_received", amount);
    intent.set("status", "succeeded");
    intent.wake_at(None);
    ctx.tx.put(intent.clone());
    Ok(answer(&ctx.tx, &intent))
}

pub(super) fn cancel(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let intent = ctx.named("payment_intent", "intent")?;
    if matches!(intent.text("status"), "succeeded" | "canceled") {
        return Err(unexpected_state(&ctx.tx, &intent, "canceled"));
    }
    if intent.hidden.contains_key("invoice") {
        let message = "this payment intent belongs to an invoice; void the invoice instead";
        return Err(Failure::refused(message));
    }
    let reason = ctx.params.get("cancellation_reason").cloned().unwrap_or_default();
    let intent = end(&mut ctx.tx, intent, reason);
    Ok(answer(&ctx.tx, &intent))
}

fn end(tx: &mut Transaction<'_>, mut intent: Record, reason: Value) -> Record {
    if intent.text("status") == "requires_capture" {
        charges::release(tx, intent.text("latest_charge"));
    }
    intent.set("amount_capturable", 0);
    intent.set("canceled_at", tx.now);
    intent.set("cancellation_reason", reason);
    intent.set("next_action", Value::Null);
    intent.set("status", "canceled");
    intent.wake_at(None);
    tx.put(intent.clone());
    intent
}

/// Cancels the intent of an invoice that will not be paid by it.
pub(in crate::resources) fn cancel_for_invoice(tx: &mut Transaction<'_>, id: &str) {
    let unpaid =
        tx.get("payment_intent", id).filter(|it| !matches!(it.text("status"), "succeeded" | "canceled"));
    if let Some(intent) = unpaid.cloned() {
        end(tx, intent, json!("void_invoice"));
    }
}

/// Gives up an amount that was held and not captured in time.
pub(in crate::resources) fn lapse(tx: &mut Transaction<'_>, id: &str) {
    if let Some(intent) = tx.get("payment_intent", id).cloned() {
        end(tx, intent, json!("automatic"));
    }
}
