//! Charges: what payment intents leave behind each time a card is tried. Calls read and describe them.

use serde_json::{Map, Value, json};

use super::balance::{self, Movement};
use super::customers::check_email;
use super::{Action, Context, answer};
use crate::cards::complaint;
use crate::errors::Failure;
use crate::ids;
use crate::objects::keep;
use crate::paging::{self, Listing, Order};
use crate::state::{Record, Transaction};

pub(super) const ACTIONS: &[Action] = &[
    Action { operation: "GetChargesCharge", takes: &[], clears: &[], run: retrieve },
    Action {
        operation: "PostChargesCharge",
        takes: &["description", "metadata", "receipt_email", "shipping"],
        clears: &[],
        run: update,
    },
    Action {
        operation: "GetCharges",
        takes: &["created", "customer", "ending_before", "limit", "payment_intent", "starting_after"],
        clears: &[],
        run: list,
    },
];

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("charge", "charge")?;
    Ok(answer(&ctx.tx, &record))
}

fn update(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let mut record = ctx.named("charge", "charge")?;
    if let Some(email) = ctx.params.text("receipt_email") {
        check_email(email, "receipt_email")?;
    }
    let mut set = Map::new();
    ctx.params.copy(&["description", "receipt_email", "shipping"], &mut set);
    let before = record.value.get("metadata").cloned().unwrap_or_default();
    set.insert("metadata".to_owned(), ctx.params.metadata(&before)?);
    record.apply(set);
    ctx.tx.put(record.clone());
    Ok(answer(&ctx.tx, &record))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let by = match (params.text("payment_intent"), params.text("customer")) {
        (Some(intent), _) => Some(("payment_intent", intent)),
        (None, Some(customer)) => Some(("customer", customer)),
        (None, None) => None,
    };
    let url = "/v1/charges".to_owned();
    let listing = Listing { object: "charge", url, by, order: Order::NewestFirst };
    paging::page(ctx, &listing, |record| {
        params.text("customer").is_none_or(|customer| record.text("customer") == customer)
            && paging::within(params.get("created"), Some(record.integer("created")))
    })
}

/// How the card's bank took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The amount is held until it is captured.
    Approved,
    /// With its code and decline code.
    Declined(&'static str, &'static str),
}

/// What a charge tells of its verdict: its status, its outcome, its failure's code.
fn told(verdict: Verdict) -> (&'static str, Value, Option<&'static str>) {
    match verdict {
        Verdict::Approved => {
            let outcome = json!({
                "network_status": "approved_by_network", "risk_level": "normal", "risk_score": 20,
                "seller_message": "Payment complete.", "type": "authorized",
            });
            ("succeeded", outcome, None)
        }
        Verdict::Declined(code, decline_code) => {
            let outcome = json!({
                "network_status": "declined_by_network", "reason": decline_code, "risk_level": "normal",
                "risk_score": 20, "seller_message": "The bank declined the payment.",
                "type": "issuer_declined",
            });
            ("failed", outcome, Some(code))
        }
    }
}

/// Makes the charge of an intent by a payment method.
pub(super) fn make(tx: &mut Transaction<'_>, intent: &Record, method: &Record, verdict: Verdict) -> Record {
    let id = ids::fresh("ch_3", 23);
    let now = tx.now;
    let (status, outcome, failure) = told(verdict);
    let card = method.value.get("card").cloned().unwrap_or_default();
    let defaults = json!({
        "id": id,
        "amount": intent.integer("amount"),
        "amount_captured": 0,
        "amount_refunded": 0,
        "billing_details": method.value.get("billing_details"),
        "captured": false,
        "created": now,
        "disputed": false,
        "failure_code": failure,
        "failure_message": failure.map(complaint),
        "fraud_details": {},
        "livemode": false,
        "outcome": outcome,
        "paid": failure.is_none(),
        "payment_intent": intent.id,
        "payment_method": method.id,
        "payment_method_details": {
            "card": {
                "amount_authorized": intent.integer("amount"),
                "brand": card["brand"],
                "checks": card["checks"],
                "country": card["country"],
                "exp_month": card["exp_month"],
                "exp_year": card["exp_year"],
                "fingerprint": card["fingerprint"],
                "funding": card["funding"],
                "last4": card["last4"],
                "network": card["brand"],
            },
            "type": "card",
        },
        "receipt_url": failure.is_none().then(|| format!("https://pay.stripe.com/receipts/payment/{id}")),
        "refunded": false,
        "status": status,
    });
    let copied = [
        "currency",
        "customer",
        "description",
        "metadata",
        "receipt_email",
        "shipping",
        "statement_descriptor_suffix",
    ];
    let copies =
        copied.iter().filter_map(|name| Some(((*name).to_owned(), intent.value.get(*name)?.clone())));
    let value = keep("charge", defaults, copies.collect::<Map<_, _>>());
    tx.create(&id, now, value)
}

/// Takes an amount of what a charge holds, and releases the rest.
pub(super) fn capture(tx: &mut Transaction<'_>, id: &str, amount: i64) {
    let Some(mut charge) = tx.get("charge", id).cloned() else { return };
    let movement = Movement {
        kind: "charge",
        amount,
        currency: charge.text("currency"),
        source: id,
        description: charge.value.get("description"),
    };
    let transaction = balance::note(tx, &movement);
    charge.set("amount_captured", amount);
    charge.set("amount_refunded", charge.integer("amount") - amount);
    charge.set("balance_transaction", transaction);
    charge.set("captured", true);
    tx.put(charge);
}

/// Releases all that a charge holds.
pub(super) fn release(tx: &mut Transaction<'_>, id: &str) {
    let Some(mut charge) = tx.get("charge", id).cloned() else { return };
    charge.set("amount_refunded", charge.integer("amount"));
    charge.set("refunded", true);
    tx.put(charge);
}
