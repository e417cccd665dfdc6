//! What the operations do, one file per resource, all of one shape: a table of the operations it
//! knows with the parameters each takes, and a function for each.
//! Parameters arrive checked and typed; what is not in these tables is refused by name.

mod account;
mod balance;
mod charges;
mod coupons;
mod customers;
mod discounts;
mod events;
mod invoiceitems;
mod invoices;
mod payment_intents;
mod payment_methods;
mod prices;
mod products;
mod refunds;
mod subscriptions;
mod webhook_endpoints;

use serde_json::{Map, Value, json};

use crate::errors::Failure;
use crate::objects;
use crate::params::Params;
use crate::shape;
use crate::state::{Record, State, Transaction};

/// An operation that the sandbox knows.
pub(crate) struct Action {
    /// Stripe's operation id.
    pub(crate) operation: &'static str,
    /// The parameters it takes, `expand` aside.
    pub(crate) takes: &'static [&'static str],
    /// Those of them that take the empty text although the table does not say so.
    pub(crate) clears: &'static [&'static str],
    pub(crate) run: fn(&mut Context<'_>) -> Result<Value, Failure>,
}

/// One call, as its operation sees it.
pub(crate) struct Context<'a> {
    pub(crate) tx: Transaction<'a>,
    /// The values of the path's parameters.
    pub(crate) path: &'a [String],
    pub(crate) params: &'a Params,
}

impl Context<'_> {
    /// The first path parameter.
    pub(crate) fn id(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// The record that the path names.
    pub(crate) fn named(&self, object: &str, param: &str) -> Result<Record, Failure> {
        let record = self.tx.get(object, self.id());
        record.cloned().ok_or_else(|| Failure::not_found(object, self.id(), param))
    }
}

/// The tables of all resources.
const TABLES: &[&[Action]] = &[
    account::ACTIONS,
    balance::ACTIONS,
    charges::ACTIONS,
    coupons::ACTIONS,
    customers::ACTIONS,
    events::ACTIONS,
    invoiceitems::ACTIONS,
    invoices::ACTIONS,
    invoices::PAYMENTS,
    payment_intents::ACTIONS,
    payment_methods::ACTIONS,
    prices::ACTIONS,
    products::ACTIONS,
    refunds::ACTIONS,
    subscriptions::ACTIONS,
    webhook_endpoints::ACTIONS,
];

/// What the sandbox knows of an operation.
pub(crate) fn action(operation: &str) -> Option<&'static Action> {
    TABLES.iter().copied().flatten().find(|action| action.operation == operation)
}

/// The answer for an object, with what is computed for it.
pub(crate) fn answer(tx: &Transaction<'_>, record: &Record) -> Value {
    match record.object() {
        "invoice" => invoices::answer(tx, record),
        "subscription" => subscriptions::answer(tx, record),
        "subscription_item" => subscriptions::answer_item(tx, record),
        "balance_transaction" => balance::transaction(tx, record),
        "coupon" => coupons::answer(tx, record),
        "event" => events::event(tx, record),
        _ => objects::complete(record.value.clone()),
    }
}

/// A recurring price as a plan; nothing for one that is paid once.
pub(crate) fn plan(price: &Record) -> Option<Value> {
    (price.object() == "price" && prices::period(price).is_some()).then(|| prices::plan(price))
}

/// What is left of a deleted object.
fn deleted(object: &str, id: &str) -> Value {
    json!({"id": id, "object": object, "deleted": true})
}

/// The fields that are told only where a call expands them, by kind of object.
pub(crate) const INCLUDED: &[(&str, &str)] =
    &[("charge", "refunds"), ("invoice", "confirmation_secret"), ("invoice", "payments")];

/// One of those fields of an object; `None` where it has nothing to tell.
pub(crate) fn included(tx: &Transaction<'_>, object: &Value, name: &str) -> Option<Value> {
    let id = object.get("id")?.as_str()?;
    match (object.get("object")?.as_str()?, name) {
        ("invoice", "payments") => Some(invoices::payments(tx, id)),
        ("invoice", "confirmation_secret") => {
            let intent = tx.get("payment_intent", tx.get("invoice", id)?.hidden_text("intent"))?;
            Some(json!({"client_secret": intent.text("client_secret"), "type": "payment_intent"}))
        }
        ("charge", "refunds") => {
            let all = tx.all("refund", ("charge", id)).map(|refund| answer(tx, refund));
            let data: Vec<Value> = all.collect();
            let url = format!("/v1/charges/{id}/refunds");
            Some(json!({"object": "list", "data": data, "has_more": false, "url": url}))
        }
        _ => None,
    }
}

/// The answer for an id, whatever its kind.
pub(crate) fn find(tx: &Transaction<'_>, id: &str) -> Option<Value> {
    if id == tx.account {
        return Some(account::object(id));
    }
    tx.find(id).map(|record| answer(tx, record))
}

/// Does what is due by now without anyone calling, each thing at its own time.
pub(crate) fn settle(state: &mut State, now: i64) {
    while let Some((account, id, at)) = state.overdue(now) {
        let mut tx = state.begin(&account, at);
        match tx.find(&id).map_or("", Record::object) {
            "invoice" => invoices::advance(&mut tx, &id),
            "payment_intent" => payment_intents::lapse(&mut tx, &id),
            "event" => crate::events::expire(&mut tx, &id),
            _ => subscriptions::wake(&mut tx, &id),
        }
        if let Some(mut record) = tx.find(&id).filter(|record| record.due() == Some(at)).cloned() {
            // Nothing came of it, so it must not be asked again and again.
            record.set("automatically_finalizes_at", Value::Null);
            record.wake_at(None);
            tx.put(record);
        }
        tx.keep();
    }
}

/// Ends the authentication that a payment intent waits for.
pub(crate) fn authenticate(tx: &mut Transaction<'_>, id: &str, passed: bool) -> Result<Value, Failure> {
    payment_intents::authenticate(tx, id, passed)
}

/// The times that a fixture may give, in seconds since 1970.
const TIMES: std::ops::Range<i64> = 0..7_258_118_400;
/// The fields of fixtures that must be such times, because something is reckoned from them.
const DATED: &[&str] =
    &["automatically_finalizes_at", "billing_cycle_anchor", "created", "date", "trial_end", "trial_start"];

/// Stores an object as it is given, with defaults for what is left out.
/// `Err` says what is wrong with it.
pub(crate) fn load(tx: &mut Transaction<'_>, given: Map<String, Value>) -> Result<(), String> {
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (object, id) = (text("object"), text("id"));
    if id.is_empty() || object.is_empty() {
        return Err("each object needs an `id` and its kind in `object`".to_owned());
    }
    let unknown = objects::unknown_fields(&object, &given);
    if let Some(name) = unknown.first() {
        return Err(format!("`{object}` has no field `{name}` (in `{id}`)"));
    }
    let late =
        |name: &&&str| given.get(**name).and_then(Value::as_i64).is_some_and(|at| !TIMES.contains(&at));
    if let Some(name) = DATED.iter().find(late) {
        return Err(format!("`{name}` is no time between 1970 and 2200 (in `{id}`)"));
    }
    if tx.find(&id).is_some_and(|record| record.object() != object) {
        return Err(format!("`{id}` is there already, and is no `{object}`"));
    }
    match object.as_str() {
        "customer" => customers::load(tx, &id, given)?,
        "invoice" => invoices::load(tx, &id, given)?,
        "invoiceitem" => invoiceitems::load(tx, &id, given)?,
        "coupon" => coupons::load(tx, &id, given),
        "payment_intent" => payment_intents::load(tx, &id, given)?,
        "payment_method" => payment_methods::load(tx, &id, given)?,
        "price" => prices::load(tx, &id, &given)?,
        "product" => products::load(tx, &id, given),
        "subscription" => subscriptions::load(tx, &id, given)?,
        _ => return Err(format!("the sandbox does not know objects of the kind `{object}` yet (in `{id}`)")),
    }
    let stored = find(tx, &id).unwrap_or_default();
    match shape::problems(&stored).first() {
        Some(problem) => Err(format!("{problem} (in `{id}`)")),
        None => Ok(()),
    }
}
