//! From the tables in `catalog/stripe` and the overlay to rows.
//!
//! Only the operations that the overlay names are read; the tables are part of this binary, so a table that cannot be
//! read is a defect of the build and stops the first use.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Action, Catalog, Method, Objects, Parameter, Place, Type, camel_case};
use crate::Value;

const OPERATIONS: &str = include_str!("../../../../catalog/stripe/2026-08-26.dahlia/operations.json");
const OBJECTS: &str = include_str!("../../../../catalog/stripe/2026-08-26.dahlia/objects.json");
const EVENTS: &str = include_str!("../../../../catalog/stripe/2026-08-26.dahlia/events.json");
const OTHER_EVENTS: &str = include_str!("../../../../catalog/stripe/2026-10-28.endive/events.json");
const OVERLAY: &str = include_str!("../../../../catalog/stripe/overlay.json");

/// Longest text where the table gives no length.
const LONGEST_TEXT: usize = 5000;
/// Parameters of list actions that choose the page and not what is on it: left out when they come out empty.
const PAGING: [&str; 4] = ["ending_before", "starting_after", "limit", "expand"];

/// The catalogue of Stripe's actions, events and objects.
pub(super) fn stripe() -> Catalog {
    let operations: Operations = serde_json::from_str(OPERATIONS).expect("operations.json has its shape");
    let events: Events = serde_json::from_str(EVENTS).expect("events.json has its shape");
    let others: Events = serde_json::from_str(OTHER_EVENTS).expect("events.json has its shape");
    let overlay: Overlay = serde_json::from_str(OVERLAY).expect("overlay.json has its shape");
    let row = |(name, entry): (&String, &Entry)| {
        let action = action(name, entry, &overlay, &operations);
        (action.name.clone(), Arc::new(action))
    };
    Catalog {
        actions: overlay.actions.iter().map(row).collect(),
        other_events: others
            .events
            .into_keys()
            .filter(|event| !events.events.contains_key(event))
            .map(|event| (event, others.version.clone()))
            .collect(),
        version: events.version,
        events: events.events.into_keys().collect(),
        objects: Objects::parse(OBJECTS),
    }
}

#[derive(Deserialize)]
struct Operations<'a> {
    #[serde(borrow)]
    operations: BTreeMap<&'a str, &'a RawValue>,
    #[serde(borrow)]
    types: BTreeMap<&'a str, &'a RawValue>,
}

#[derive(Deserialize)]
struct Operation {
    method: String,
    path: String,
    query: Option<serde_json::Value>,
    form: Option<serde_json::Value>,
    returns: Option<serde_json::Value>,
    #[serde(default)]
    list: bool,
}

#[derive(Deserialize)]
struct Events {
    #[serde(rename = "apiVersion")]
    version: String,
    events: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Overlay {
    amounts: Vec<String>,
    actions: IndexMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    operation: String,
    summary: String,
    #[serde(default)]
    creates: bool,
    unfinished: Option<String>,
    parameters: IndexMap<String, Mark>,
    #[serde(default)]
    clears: Vec<String>,
    #[serde(default)]
    absent: BTreeMap<String, String>,
    #[serde(default)]
    notes: Vec<String>,
}

/// What the overlay says about one parameter.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    wire: Option<Wire>,
    #[serde(default)]
    required: bool,
    default: Option<bool>,
    limits: Option<(i64, i64)>,
}

/// A name on the wire, or the names that it has had: the first that the version's table knows counts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Wire {
    One(String),
    First(Vec<String>),
}

fn action(name: &str, entry: &Entry, overlay: &Overlay, tables: &Operations<'_>) -> Action {
    let row =
        tables.operations.get(entry.operation.as_str()).expect("the overlay names operations of the table");
    let operation: Operation =
        serde_json::from_str(row.get()).expect("a row of operations.json has its shape");
    let mut wires = wires(&operation, tables);
    for wire in &entry.clears {
        let (_, kind, _) = wires.get_mut(wire).expect("the overlay clears parameters of the operation");
        *kind = Type::Clearable(Box::new(kind.clone()));
    }
    let parameter =
        |name: &str, wire: String, mark: &Mark, (place, kind, must): (Place, Type, bool), documented| {
            let required = mark.required || must;
            let filter = operation.list && !PAGING.contains(&wire.as_str());
            Parameter {
                refuses_empty: required || place == Place::Path || filter || overlay.amounts.contains(&wire),
                default: mark.default.map(Value::Boolean),
                limits: mark.limits.map(|(least, greatest)| least..=greatest),
                name: name.to_owned(),
                wire,
                place,
                kind,
                required,
                documented,
            }
        };
    let mut parameters = Vec::new();
    for (name, mark) in &entry.parameters {
        let named = match &mark.wire {
            None => vec![snake_case(name)],
            Some(Wire::One(wire)) => vec![wire.clone()],
            Some(Wire::First(wires)) => wires.clone(),
        };
        let (wire, found) = named
            .into_iter()
            .find_map(|wire| wires.remove_entry(&wire))
            .expect("the overlay names parameters of the operation");
        parameters.push(parameter(name, wire, mark, found, true));
    }
    for (wire, found) in wires {
        parameters.push(parameter(&camel_case(&wire), wire.clone(), &Mark::default(), found, false));
    }
    let method = match operation.method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "DELETE" => Method::Delete,
        other => panic!("operations.json has no method {other}"),
    };
    Action {
        name: format!("stripe.{name}"),
        provider: "stripe".to_owned(),
        operation: entry.operation.clone(),
        summary: entry.summary.clone(),
        method,
        stamps: entry.creates && parameters.iter().any(|parameter| parameter.wire == "metadata"),
        path: operation.path,
        parameters,
        returns: operation.returns.as_ref().and_then(|name| name.as_str()).map(str::to_owned),
        list: operation.list,
        unfinished: entry.unfinished.clone(),
        absent: entry.absent.clone(),
        notes: entry.notes.clone(),
    }
}

/// All parameters of an operation by wire name, with place, type and whether the table requires them.
fn wires(operation: &Operation, tables: &Operations<'_>) -> BTreeMap<String, (Place, Type, bool)> {
    let mut wires = BTreeMap::new();
    for (place, table) in [(Place::Query, &operation.query), (Place::Form, &operation.form)] {
        if let Some(Type::Object { members, required }) = table.as_ref().map(|table| read(table, tables)) {
            for (wire, kind) in members {
                let must = required.contains(&wire);
                wires.insert(wire, (place, kind, must));
            }
        }
    }
    for part in operation.path.split('/') {
        if let Some(wire) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            wires.insert(wire.to_owned(), (Place::Path, Type::Text { max: LONGEST_TEXT }, true));
        }
    }
    wires
}

/// Reads a type as `catalog/README.md` describes it.
fn read(table: &serde_json::Value, tables: &Operations<'_>) -> Type {
    if let Some(scalar) = table.as_str() {
        return self::scalar(scalar, None);
    }
    let has = |key: &str| table.get(key);
    let kind = if let Some(name) = has("t").and_then(|name| name.as_str()) {
        scalar(name, has("max").and_then(serde_json::Value::as_u64))
    } else if let Some(values) = has("enum") {
        Type::Enumeration(texts(values))
    } else if let Some(item) = has("list") {
        Type::List(Box::new(read(item, tables)))
    } else if let Some(value) = has("map") {
        Type::Map(Box::new(read(value, tables)))
    } else if let Some(types) = has("any").and_then(|types| types.as_array()) {
        Type::OneOf(types.iter().map(|table| read(table, tables)).collect())
    } else if let Some(members) = has("obj").and_then(|members| members.as_object()) {
        let members = members.iter().map(|(wire, table)| (wire.clone(), read(table, tables))).collect();
        Type::Object { members, required: has("req").map(texts).unwrap_or_default() }
    } else if let Some(name) = has("use").and_then(|name| name.as_str()) {
        let text = tables.types.get(name).expect("operations.json has the types that it uses").get();
        read(&serde_json::from_str(text).expect("a type of operations.json is JSON"), tables)
    } else {
        Type::Any
    };
    match has("clear") {
        Some(_) => Type::Clearable(Box::new(kind)),
        None => kind,
    }
}

fn scalar(name: &str, max: Option<u64>) -> Type {
    match name {
        "string" => {
            Type::Text { max: max.map_or(LONGEST_TEXT, |max| usize::try_from(max).unwrap_or(usize::MAX)) }
        }
        "integer" => Type::Integer,
        "timestamp" => Type::Timestamp,
        "number" => Type::Number,
        "decimal" => Type::Decimal,
        "boolean" => Type::Boolean,
        _ => Type::Any,
    }
}

fn texts(values: &serde_json::Value) -> Vec<String> {
    let texts = values.as_array().into_iter().flatten().filter_map(|value| value.as_str());
    texts.map(str::to_owned).collect()
}

/// The wire name that a name in a workflow has where the overlay gives none.
pub(super) fn snake_case(name: &str) -> String {
    let mut wire = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            wire.push('_');
        }
        wire.push(letter.to_ascii_lowercase());
    }
    wire
}
