//! The account's balance and its transactions. What comes in is pending for two days, then
//! available; nothing is ever paid out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Action, Context, answer};
use crate::errors::Failure;
use crate::ids;
use crate::money::DEFAULT_CURRENCY;
use crate::objects::{complete, keep};
use crate::paging::{self, Listing, Order};
use crate::state::{Record, Transaction};

/// How long it takes until a payment is available, in seconds.
const AVAILABLE_AFTER: i64 = 2 * 86_400;

pub(super) const ACTIONS: &[Action] = &[
    Action { operation: "GetBalance", takes: &[], clears: &[], run: balance },
    Action {
        operation: "GetBalanceTransactions",
        takes: &[
            "created",
            "currency",
            "ending_before",
            "limit",
            "payout",
            "source",
            "starting_after",
            "type",
        ],
        clears: &[],
        run: list,
    },
    Action { operation: "GetBalanceTransactionsId", takes: &[], clears: &[], run: retrieve },
];

fn balance(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    // By currency: what is available and what is pending.
    let mut sums: BTreeMap<String, [i64; 2]> = BTreeMap::new();
    sums.insert(DEFAULT_CURRENCY.to_owned(), [0, 0]);
    let ids = ctx.tx.list("balance_transaction", None);
    for record in ids.into_iter().flat_map(BTreeMap::values).filter_map(|id| ctx.tx.find(id)) {
        let sum = sums.entry(record.text("currency").to_owned()).or_default();
        let part = usize::from(pending(record, ctx.tx.now));
        sum[part] = sum[part].saturating_add(record.integer("net"));
    }
    let part = |part: usize| {
        let rows = sums.iter().map(|(currency, sum)| {
            json!({"amount": sum[part], "currency": currency, "source_types": {"card": sum[part]}})
        });
        rows.collect::<Vec<_>>()
    };
    let balance = json!({"available": part(0), "livemode": false, "pending": part(1)});
    Ok(complete(keep("balance", balance, Map::new())))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let by = match (params.text("source"), params.text("type")) {
        (Some(source), _) => Some(("source", source)),
        (None, Some(kind)) => Some(("type", kind)),
        (None, None) => None,
    };
    let url = "/v1/balance_transactions".to_owned();
    let listing = Listing { object: "balance_transaction", url, by, order: Order::NewestFirst };
    let currency = params.text("currency").map(str::to_ascii_lowercase);
    paging::page(ctx, &listing, |record| {
        params.text("type").is_none_or(|kind| record.text("type") == kind)
            && currency.as_ref().is_none_or(|wanted| record.text("currency") == wanted)
            && !params.has("payout")
            && paging::within(params.get("created"), Some(record.integer("created")))
    })
}

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("balance_transaction", "id")?;
    Ok(answer(&ctx.tx, &record))
}

fn pending(record: &Record, now: i64) -> bool {
    record.integer("available_on") > now
}

/// The transaction with its state of now.
pub(super) fn transaction(tx: &Transaction<'_>, record: &Record) -> Value {
    let mut value = record.value.clone();
    let status = if pending(record, tx.now) { "pending" } else { "available" };
    value.insert("status".to_owned(), json!(status));
    complete(value)
}

/// What moved the balance.
pub(super) struct Movement<'a> {
    /// `charge` or `refund`, which is also how it is reported.
    pub(super) kind: &'static str,
    /// Into the balance, or out of it where negative.
    pub(super) amount: i64,
    pub(super) currency: &'a str,
    /// The charge or refund.
    pub(super) source: &'a str,
    pub(super) description: Option<&'a Value>,
}

/// Notes a movement; answers the id of its transaction. Stripe's fee is taken of what comes in.
pub(super) fn note(tx: &mut Transaction<'_>, movement: &Movement<'_>) -> String {
    let Movement { kind, amount, currency, source, description } = movement;
    let fee = if *amount > 0 { (amount * 29 + 500) / 1000 + 30 } else { 0 };
    let details = json!({
        "amount": fee, "application": null, "currency": currency,
        "description": "Stripe processing fees", "type": "stripe_fee",
    });
    let id = ids::fresh("txn_1", 23);
    let now = tx.now;
    let defaults = json!({
        "id": id,
        "amount": amount,
        "available_on": now + if *amount > 0 { AVAILABLE_AFTER } else { 0 },
        "balance_type": "payments",
        "created": now,
        "currency": currency,
        "description": description,
        "fee": fee,
        "fee_details": if fee > 0 { vec![details] } else { Vec::new() },
        "net": amount - fee,
        "reporting_category": kind,
        "source": source,
        "type": kind,
    });
    tx.create(&id, now, keep("balance_transaction", defaults, Map::new()));
    id
}
