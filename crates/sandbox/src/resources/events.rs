//! Events: retrieve and list. What makes them is in the crate's `events`.

use serde_json::{Value, json};

use super::{Action, Context, answer};
use crate::deliveries;
use crate::errors::Failure;
use crate::paging::{self, Listing, Order};
use crate::state::{Record, Transaction};

/// The most types that one list can be narrowed to.
const MOST_TYPES: usize = 20;

pub(super) const ACTIONS: &[Action] = &[
    Action { operation: "GetEventsId", takes: &[], clears: &[], run: retrieve },
    Action {
        operation: "GetEvents",
        takes: &["created", "delivery_success", "ending_before", "limit", "starting_after", "type", "types"],
        clears: &[],
        run: list,
    },
];

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("event", "id")?;
    Ok(answer(&ctx.tx, &record))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let kinds = params.get("types").and_then(Value::as_array);
    let kinds: Option<Vec<&str>> = kinds.map(|kinds| kinds.iter().filter_map(Value::as_str).collect());
    if params.has("type") && kinds.is_some() {
        return Err(Failure::exclusive(&["type", "types"]));
    }
    if kinds.as_ref().is_some_and(|kinds| kinds.len() > MOST_TYPES) {
        let message = format!("`types` takes at most {MOST_TYPES} types");
        return Err(Failure::invalid(message).param("types"));
    }
    let wanted = params.text("type");
    let exact = wanted.filter(|wanted| !wanted.contains('*'));
    let listing = Listing {
        object: "event",
        url: "/v1/events".to_owned(),
        by: exact.map(|kind| ("type", kind)),
        order: Order::NewestFirst,
    };
    paging::page(ctx, &listing, |record| {
        wanted.is_none_or(|wanted| matches(wanted, record.text("type")))
            && kinds.as_ref().is_none_or(|kinds| kinds.contains(&record.text("type")))
            && params
                .flag("delivery_success")
                .is_none_or(|it| deliveries::succeeded(&ctx.tx, &record.id) == it)
            && paging::within(params.get("created"), Some(record.integer("created")))
    })
}

/// Whether a type is the wanted one; a `*` at the end of that stands for anything.
fn matches(wanted: &str, kind: &str) -> bool {
    wanted.strip_suffix('*').map_or(wanted == kind, |start| kind.starts_with(start))
}

/// The event with its object as it was, and to how many endpoints it has still to be delivered.
pub(super) fn event(tx: &Transaction<'_>, record: &Record) -> Value {
    let field = |name: &str| record.value.get(name).cloned().unwrap_or_default();
    let data: Value = serde_json::from_str(record.hidden_text("data")).unwrap_or_default();
    json!({
        "id": record.id,
        "object": "event",
        "api_version": field("api_version"),
        "created": field("created"),
        "data": data,
        "livemode": false,
        "pending_webhooks": deliveries::pending(tx, &record.id),
        "request": field("request"),
        "type": field("type"),
    })
}
