//! Lists: newest first, a page at a time, from a cursor on.

use std::ops::Bound;

use serde_json::{Value, json};

use crate::errors::Failure;
use crate::params::Params;
use crate::resources::{self, Context};
use crate::state::Record;

/// Which end of the list comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    NewestFirst,
    OldestFirst,
}

/// What is listed.
pub(crate) struct Listing<'a> {
    pub(crate) object: &'static str,
    /// The page's own address.
    pub(crate) url: String,
    /// An indexed field and the value that it has to have.
    pub(crate) by: Option<(&'static str, &'a str)>,
    pub(crate) order: Order,
}

/// The page that a call asks for, of the objects that `keep` lets through.
pub(crate) fn page(
    ctx: &Context<'_>,
    listing: &Listing<'_>,
    keep: impl Fn(&Record) -> bool,
) -> Result<Value, Failure> {
    let limit = limit(ctx.params)?;
    let (cursor, forward) = match (ctx.params.text("starting_after"), ctx.params.text("ending_before")) {
        (Some(_), Some(_)) => return Err(Failure::exclusive(&["starting_after", "ending_before"])),
        (Some(id), None) => (Some((id, "starting_after")), true),
        (None, Some(id)) => (Some((id, "ending_before")), false),
        (None, None) => (None, true),
    };
    let place = match cursor {
        None => None,
        Some((id, param)) => {
            let record = ctx.tx.get(listing.object, id);
            let missing = || Failure::missing_reference(listing.object, id, param);
            Some(record.ok_or_else(missing)?.place)
        }
    };
    let descending = (listing.order == Order::NewestFirst) == forward;
    let range = match place {
        None => (Bound::Unbounded, Bound::Unbounded),
        Some(place) if descending => (Bound::Unbounded, Bound::Excluded(place)),
        Some(place) => (Bound::Excluded(place), Bound::Unbounded),
    };
    let wanted = |id: &String| ctx.tx.find(id).filter(|record| !record.deleted() && keep(record));
    let ids = ctx.tx.list(listing.object, listing.by).map(|list| list.range(range).map(|(_, id)| id));
    let mut found: Vec<&Record> = match ids {
        None => Vec::new(),
        Some(ids) if descending => ids.rev().filter_map(wanted).take(limit + 1).collect(),
        Some(ids) => ids.filter_map(wanted).take(limit + 1).collect(),
    };
    let has_more = found.len() > limit;
    found.truncate(limit);
    if !forward {
        found.reverse();
    }
    let data: Vec<Value> = found.into_iter().map(|record| resources::answer(&ctx.tx, record)).collect();
    Ok(json!({"object": "list", "data": data, "has_more": has_more, "url": listing.url}))
}

fn limit(params: &Params) -> Result<usize, Failure> {
    let limit = params.integer("limit").unwrap_or(10);
    let message = match limit {
        ..1 => "This value must be greater than or equal to 1.".to_owned(),
        1..=100 => return Ok(usize::try_from(limit).unwrap_or(10)),
        _ => format!("This value must be less than or equal to 100 (it currently is '{limit}')."),
    };
    Err(Failure::invalid(message).code("parameter_invalid_integer").param("limit"))
}

/// Whether a time lies within a filter like `created`: a second, or bounds.
pub(crate) fn within(filter: Option<&Value>, time: Option<i64>) -> bool {
    let Some(filter) = filter else { return true };
    let Some(time) = time else { return false };
    let bound = |name: &str| filter.get(name).and_then(Value::as_i64);
    match filter.as_i64() {
        Some(second) => time == second,
        None => {
            bound("gt").is_none_or(|bound| time > bound)
                && bound("gte").is_none_or(|bound| time >= bound)
                && bound("lt").is_none_or(|bound| time < bound)
                && bound("lte").is_none_or(|bound| time <= bound)
        }
    }
}
