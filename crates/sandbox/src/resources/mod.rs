//! What the operations do, one file per resource, all of one shape: a table of the operations it
//! knows with the parameters each takes, and a function for each.
//! Parameters arrive checked and typed; what is not in these tables is refused by name.

mod account;
mod customers;
mod invoiceitems;
mod invoices;

use serde_json::{Map, Value};

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

/// What the sandbox knows of an operation.
pub(crate) fn action(operation: &str) -> Option<&'static Action> {
    let tables = [customers::ACTIONS, invoices::ACTIONS, invoiceitems::ACTIONS, account::ACTIONS];
    tables.into_iter().flatten().find(|action| action.operation == operation)
}

/// The answer for an object, with what is computed for it.
pub(crate) fn answer(tx: &Transaction<'_>, record: &Record) -> Value {
    match record.object() {
        "invoice" => invoices::answer(tx, record),
        _ => objects::complete(record.value.clone()),
    }
}

/// The answer for an id, whatever its kind.
pub(crate) fn find(tx: &Transaction<'_>, id: &str) -> Option<Value> {
    if id == tx.account {
        return Some(account::object(id));
    }
    tx.find(id).map(|record| answer(tx, record))
}

/// Does what is due by now without anyone calling.
pub(crate) fn settle(state: &mut State, now: i64) {
    while let Some((account, id, at)) = state.overdue(now) {
        invoices::finalize_by_itself(state.begin(&account, at), &id);
    }
}

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
    if tx.find(&id).is_some_and(|record| record.object() != object) {
        return Err(format!("`{id}` is there already, and is no `{object}`"));
    }
    match object.as_str() {
        "customer" => customers::load(tx, &id, given)?,
        "invoice" => invoices::load(tx, &id, given)?,
        "invoiceitem" => invoiceitems::load(tx, &id, given)?,
        _ => return Err(format!("the sandbox does not know objects of the kind `{object}` yet (in `{id}`)")),
    }
    let stored = find(tx, &id).unwrap_or_default();
    match shape::problems(&stored).first() {
        Some(problem) => Err(format!("{problem} (in `{id}`)")),
        None => Ok(()),
    }
}
