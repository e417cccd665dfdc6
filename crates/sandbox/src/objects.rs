//! Gives answers the shape that the objects table says (objects are kept without their nulls), and
//! objects in place of the ids that a call wants expanded.

use serde_json::{Map, Value, json};

use crate::errors::Failure;
use crate::resources;
use crate::state::Transaction;
use crate::table::{Fields, Operation, Shape, TABLE, Type};

/// The most levels that one path of `expand[]` may have.
const EXPAND_LEVELS: usize = 4;

/// An object as it is kept: what is set over the defaults, nulls left out.
pub(crate) fn keep(object: &str, defaults: Value, set: Map<String, Value>) -> Map<String, Value> {
    let Value::Object(mut kept) = defaults else { return set };
    kept.extend(set);
    kept.insert("object".to_owned(), json!(object));
    kept.retain(|_, value| !value.is_null());
    kept
}

/// An object as it is answered: what is kept of it, in the table's order, all else null.
pub(crate) fn complete(kept: Map<String, Value>) -> Value {
    let fields = kept.get("object").and_then(Value::as_str).and_then(|object| TABLE.object(object));
    match fields {
        Some(fields) if !kept.contains_key("deleted") => Value::Object(fill(fields, kept)),
        Some(_) | None => Value::Object(kept),
    }
}

/// Names in `set` that a kind of object does not have.
pub(crate) fn unknown_fields<'a>(object: &str, set: &'a Map<String, Value>) -> Vec<&'a str> {
    let Some(fields) = TABLE.object(object) else { return Vec::new() };
    set.keys().map(String::as_str).filter(|name| !fields.types.contains_key(*name)).collect()
}

fn fill(fields: &Fields, mut set: Map<String, Value>) -> Map<String, Value> {
    let mut filled = Map::new();
    for (name, kind) in &fields.types {
        let nullable = fields.nullable.contains(name) && !matches!(kind.shape, Shape::Mark | Shape::Page(_));
        match set.shift_remove(name) {
            Some(Value::Object(inner)) => {
                filled.insert(name.clone(), Value::Object(fill_nested(kind, inner)));
            }
            Some(value) => {
                filled.insert(name.clone(), value);
            }
            None if nullable => {
                filled.insert(name.clone(), Value::Null);
            }
            None => {}
        }
    }
    filled
}

fn fill_nested(kind: &Type, inner: Map<String, Value>) -> Map<String, Value> {
    if let Some(Shape::Object(fields)) = resolve(kind).map(|kind| &kind.shape) {
        fill(fields, inner)
    } else {
        inner
    }
}

fn resolve(kind: &Type) -> Option<&Type> {
    if let Shape::Use(name) = &kind.shape { TABLE.object_type(name) } else { Some(kind) }
}

/// Refuses paths of `expand[]` that lead nowhere in what an operation answers.
pub(crate) fn check_expand(operation: &Operation, paths: &[&str]) -> Result<(), Failure> {
    for path in paths {
        let segments: Vec<&str> = path.split('.').collect();
        if segments.len() > EXPAND_LEVELS {
            let message = format!("You cannot expand more than {EXPAND_LEVELS} levels deep ({path}).");
            return Err(Failure::invalid(message).param("expand"));
        }
        let inner = match (operation.list, segments.split_first()) {
            (true, Some((&"data", rest))) => Some(rest),
            (true, _) => None,
            (false, _) => Some(&segments[..]),
        };
        let found = match (inner, operation.returns.as_deref()) {
            (Some([]) | None, _) | (_, None) => Expansion::No,
            (Some(inner), Some(object)) => in_object(object, inner),
        };
        match found {
            Expansion::Yes => {}
            Expansion::Unsupported => {
                return Err(Failure::unsupported(format_args!("the expansion of `{path}`")));
            }
            Expansion::No => {
                let message = format!("This property cannot be expanded ({path}).");
                return Err(Failure::invalid(message).param("expand"));
            }
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Expansion {
    No,
    /// Stripe has it; the sandbox has no such objects.
    Unsupported,
    Yes,
}

fn in_object(object: &str, path: &[&str]) -> Expansion {
    if let [name] = path
        && resources::INCLUDED.contains(&(object, *name))
    {
        return Expansion::Yes;
    }
    TABLE.object(object).map_or(Expansion::No, |fields| in_fields(fields, path))
}

fn in_fields(fields: &Fields, path: &[&str]) -> Expansion {
    let Some((name, rest)) = path.split_first() else { return Expansion::No };
    let Some(kind) = fields.types.get(*name) else { return Expansion::No };
    if let (Shape::Page(_), []) = (&kind.shape, rest) {
        return if fields.nullable.contains(*name) { Expansion::Unsupported } else { Expansion::Yes };
    }
    in_type(kind, rest)
}

fn in_type(kind: &Type, path: &[&str]) -> Expansion {
    let Some(kind) = resolve(kind) else { return Expansion::No };
    match &kind.shape {
        Shape::Expandable(_) if path.is_empty() => Expansion::Yes,
        Shape::Expandable(objects) => best(objects.iter().map(|object| in_object(object, path))),
        Shape::Object(fields) => in_fields(fields, path),
        Shape::Inline(object) => in_object(object, path),
        Shape::List(item) => in_type(item, path),
        Shape::Page(item) => match path.split_first() {
            Some((&"data", rest)) => in_type(item, rest),
            Some(_) | None => Expansion::No,
        },
        Shape::OneOf(kinds) => best(kinds.iter().map(|kind| in_type(kind, path))),
        Shape::Text { .. } | Shape::Integer | Shape::Number | Shape::Boolean | Shape::Decimal => {
            Expansion::No
        }
        Shape::Anything | Shape::Enum(_) | Shape::Mark | Shape::Map(_) | Shape::Use(_) => Expansion::No,
    }
}

fn best(expansions: impl Iterator<Item = Expansion>) -> Expansion {
    expansions.max().unwrap_or(Expansion::No)
}

/// Puts objects in place of the ids at a path that [`check_expand`] has let through.
pub(crate) fn expand(transaction: &Transaction<'_>, answer: &mut Value, path: &str) {
    let segments: Vec<&str> = path.split('.').collect();
    expand_at(transaction, answer, &segments);
}

fn expand_at(transaction: &Transaction<'_>, value: &mut Value, path: &[&str]) {
    if let Value::Array(items) = value {
        for item in items {
            expand_at(transaction, item, path);
        }
        return;
    }
    let Some((name, rest)) = path.split_first() else { return };
    if value.get(*name).is_none_or(Value::is_null)
        && let Some(included) = resources::included(transaction, value, name)
    {
        value[*name] = included;
    }
    let Some(child) = value.get_mut(*name) else { return };
    put_object(transaction, child);
    if let Value::Array(items) = child {
        for item in items {
            put_object(transaction, item);
        }
    }
    expand_at(transaction, child, rest);
}

fn put_object(transaction: &Transaction<'_>, value: &mut Value) {
    if let Some(object) = value.as_str().and_then(|id| resources::find(transaction, id)) {
        *value = object;
    }
}
