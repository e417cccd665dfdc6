//! Refunds of captured charges, in full or in part; they succeed at once.

use serde_json::{Map, Value, json};

use super::balance::{self, Movement};
use super::{Action, Context, answer};
use crate::errors::Failure;
use crate::ids;
use crate::objects::keep;
use crate::paging::{self, Listing, Order};
use crate::state::Record;

pub(super) const ACTIONS: &[Action] = &[
    Action {
        operation: "PostRefunds",
        takes: &["amount", "charge", "metadata", "payment_intent", "reason"],
        clears: &[],
        run: create,
    },
    Action { operation: "GetRefundsRefund", takes: &[], clears: &[], run: retrieve },
    Action { operation: "PostRefundsRefund", takes: &["metadata"], clears: &[], run: update },
    Action {
        operation: "GetRefunds",
        takes: &["charge", "created", "ending_before", "limit", "payment_intent", "starting_after"],
        clears: &[],
        run: list,
    },
];

fn create(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let metadata = ctx.params.metadata(&Value::Null)?;
    let mut charge = charge(ctx)?;
    let left = charge.integer("amount") - charge.integer("amount_refunded");
    if left == 0 {
        let message = format!("the charge '{}' has already been refunded", charge.id);
        return Err(Failure::refused(message).code("charge_already_refunded").param("charge"));
    }
    let amount = ctx.params.integer("amount").unwrap_or(left);
    if amount < 1 {
        let message = "This value must be greater than or equal to 1.";
        return Err(Failure::invalid(message).code("parameter_invalid_integer").param("amount"));
    }
    if amount > left {
        let message = format!("the refund of {amount} is greater than the {left} not refunded yet");
        return Err(Failure::refused(message).code("amount_too_large").param("amount"));
    }
    let id = ids::fresh("re_3", 23);
    let currency = charge.text("currency").to_owned();
    let movement =
        Movement { kind: "refund", amount: -amount, currency: &currency, source: &id, description: None };
    let transaction = balance::note(&mut ctx.tx, &movement);
    let now = ctx.tx.now;
    let defaults = json!({
        "id": id,
        "amount": amount,
        "balance_transaction": transaction,
        "charge": charge.id,
        "created": now,
        "currency": currency,
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": metadata,
        "payment_intent": charge.value.get("payment_intent"),
        "reason": ctx.params.get("reason"),
        "status": "succeeded",
    });
    let record = ctx.tx.create(&id, now, keep("refund", defaults, Map::new()));
    charge.set("amount_refunded", charge.integer("amount_refunded") + amount);
    charge.set("refunded", amount == left);
    ctx.tx.put(charge);
    Ok(answer(&ctx.tx, &record))
}

/// The charge to refund: named itself, or by its intent.
fn charge(ctx: &Context<'_>) -> Result<Record, Failure> {
    let (charge, param) = match (ctx.params.text("charge"), ctx.params.text("payment_intent")) {
        (Some(charge), _) => (charge.to_owned(), "charge"),
        (None, Some(id)) => {
            let missing = || Failure::missing_reference("payment_intent", id, "payment_intent");
            let intent = ctx.tx.get("payment_intent", id).ok_or_else(missing)?;
            (intent.text("latest_charge").to_owned(), "payment_intent")
        }
        (None, None) => return Err(Failure::missing("charge")),
    };
    let found = ctx.tx.get("charge", &charge);
    if param == "charge" && found.is_none() {
        return Err(Failure::missing_reference("charge", &charge, param));
    }
    match found.filter(|charge| charge.value.get("captured") == Some(&Value::Bool(true))) {
        Some(charge) => Ok(charge.clone()),
        None => {
            let message =
                "only a payment that was captured can be refunded; cancel the payment intent instead";
            Err(Failure::refused(message).param(param))
        }
    }
}

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("refund", "id")?;
    Ok(answer(&ctx.tx, &record))
}

fn update(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let mut record = ctx.named("refund", "id")?;
    let before = record.value.get("metadata").cloned().unwrap_or_default();
    record.set("metadata", ctx.params.metadata(&before)?);
    ctx.tx.put(record.clone());
    Ok(answer(&ctx.tx, &record))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let by = match (params.text("charge"), params.text("payment_intent")) {
        (Some(charge), _) => Some(("charge", charge)),
        (None, Some(intent)) => Some(("payment_intent", intent)),
        (None, None) => None,
    };
    let listing = Listing { object: "refund", url: "/v1/refunds".to_owned(), by, order: Order::NewestFirst };
    paging::page(ctx, &listing, |record| {
        params.text("payment_intent").is_none_or(|intent| record.text("payment_intent") == intent)
            && paging::within(params.get("created"), Some(record.integer("created")))
    })
}
