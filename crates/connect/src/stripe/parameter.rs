//! How a value is written for its type, at any depth: what Stripe's wire takes, nothing else.

use loopfour_lang::Value;
use loopfour_lang::catalog::{Type, decides, is_money};

use super::form::Form;
use super::refusal::{Refusal, Result};
use super::value::{Node, boolean, decimal, integer, shown, text};

/// The parameter whose free keys have limits of their own.
pub(super) const METADATA: &str = "metadata";
/// How many keys Stripe takes there.
pub(super) const METADATA_KEYS: usize = 50;
const METADATA_KEY_CHARACTERS: usize = 40;
const METADATA_VALUE_CHARACTERS: usize = 500;

/// What happens to a member that is written and comes out empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Empties {
    /// It is left out, unless it must be there or says how much or which one.
    LeftOut,
    /// It is refused: inside a filter it would let more through.
    Refused,
}

/// Writes a value that is not left out under its wire name.
pub(super) fn write(
    form: &mut Form,
    wire: &str,
    kind: &Type,
    node: Node<'_>,
    empties: Empties,
) -> Result<()> {
    form.under(wire, |form| {
        if wire == METADATA && is_map(kind) && !node.clears() {
            metadata(form, node, &[]).map(drop)
        } else {
            value(form, kind, node, empties)
        }
    })
}

/// Writes the keys of `metadata` but the `reserved` ones, and says how many.
pub(super) fn metadata(form: &mut Form, node: Node<'_>, reserved: &[&str]) -> Result<usize> {
    let Value::Object(members) = node.value else {
        return Err(Refusal::misfit("an object of keys and texts", node.value, "write it as an object"));
    };
    let members =
        node.members(members).filter(|(key, member)| !member.is_absent() && !reserved.contains(key));
    let mut count = 0;
    for (key, member) in members {
        metadata_entry(form, key, member).map_err(|refusal| refusal.inside(key))?;
        count += 1;
    }
    if count > METADATA_KEYS {
        let what = format!("has {count} keys; Stripe takes {METADATA_KEYS}");
        return Err(Refusal::invalid(what, "leave out what is not needed"));
    }
    Ok(count)
}

fn metadata_entry(form: &mut Form, key: &str, member: Node<'_>) -> Result<()> {
    free_key(key)?;
    let characters = key.chars().count();
    if characters > METADATA_KEY_CHARACTERS {
        let what = format!("is a key of {characters} characters; Stripe takes {METADATA_KEY_CHARACTERS}");
        return Err(Refusal::invalid(what, "shorten the key"));
    }
    form.under(key, |form| written_text(form, METADATA_VALUE_CHARACTERS, member.value))
}

fn value(form: &mut Form, kind: &Type, node: Node<'_>, empties: Empties) -> Result<()> {
    let given = node.value;
    match kind {
        Type::Clearable(_) if node.clears() => form.put(""),
        Type::Clearable(inner) => return value(form, inner, node, empties),
        Type::Text { max } => return written_text(form, *max, given),
        Type::Integer => {
            let hint = if is_money(form.name()) {
                "amounts count the currency's smallest unit: 99.50 usd is 9950"
            } else {
                "write it in plain digits, such as 12"
            };
            let number = integer(given).ok_or_else(|| Refusal::misfit("a whole number", given, hint))?;
            form.put(&number.to_string());
        }
        Type::Timestamp => {
            let hint = "`{{date(x, \"%s\")}}` turns an ISO time into seconds";
            let number =
                integer(given).ok_or_else(|| Refusal::misfit("whole seconds since 1970", given, hint))?;
            form.put(&number.to_string());
        }
        Type::Number | Type::Decimal => {
            let hint = "write it in plain digits, such as 12.5";
            form.put(&decimal(given).ok_or_else(|| Refusal::misfit("a number", given, hint))?);
        }
        Type::Boolean => {
            let hint = "write it without quotes";
            form.put(boolean(given).ok_or_else(|| Refusal::misfit("true or false", given, hint))?);
        }
        Type::Enumeration(allowed) => match given {
            Value::Text(text) if allowed.iter().any(|one| **one == **text) => form.put(text),
            other => {
                let due = format!("one of {}", listed(allowed));
                return Err(Refusal::misfit(&due, other, "the spelling counts"));
            }
        },
        Type::List(inner) => return list(form, inner, node, empties),
        Type::Map(inner) => return map(form, inner, node, empties),
        Type::Object { .. } => return object(form, kind, node, empties),
        Type::OneOf(kinds) => return one_of(form, kinds, node, empties),
        Type::Any => return anything(form, node),
    }
    Ok(())
}

fn written_text(form: &mut Form, max: usize, given: &Value) -> Result<()> {
    let text = text(given).ok_or_else(|| {
        Refusal::misfit("a text", given, "name the member that is meant, or write it as text with `json(x)`")
    })?;
    // Every character has at least one byte, so most texts need not be counted.
    let characters = if text.len() > max { text.chars().count() } else { 0 };
    if characters > max {
        let what = format!("has {characters} characters, Stripe takes {max}: {}", shown(given));
        return Err(Refusal::invalid(what, "shorten it"));
    }
    form.put(&text);
    Ok(())
}

fn list(form: &mut Form, kind: &Type, node: Node<'_>, empties: Empties) -> Result<()> {
    let Value::Array(items) = node.value else {
        return Err(Refusal::misfit("a list", node.value, "put it in brackets: a list of one is a list"));
    };
    items_of(form, node, items, |form, item| value(form, kind, item, empties))
}

/// Writes the items that are not left out, numbered without gaps.
fn items_of(
    form: &mut Form,
    node: Node<'_>,
    items: &[Value],
    mut write: impl FnMut(&mut Form, Node<'_>) -> Result<()>,
) -> Result<()> {
    let mut position = 0;
    for (index, item) in node.items(items) {
        let before = form.mark();
        form.under(&position.to_string(), |form| write(form, item)).map_err(|refusal| refusal.at(index))?;
        position += usize::from(form.mark() != before);
    }
    Ok(())
}

fn map(form: &mut Form, kind: &Type, node: Node<'_>, empties: Empties) -> Result<()> {
    let Value::Object(members) = node.value else {
        return Err(Refusal::misfit("an object", node.value, "write it as an object"));
    };
    for (key, member) in node.members(members).filter(|(_, member)| !member.is_absent()) {
        free_key(key)
            .and_then(|()| form.under(key, |form| value(form, kind, member, empties)))
            .map_err(|refusal| refusal.inside(key))?;
    }
    Ok(())
}

fn object(form: &mut Form, kind: &Type, node: Node<'_>, empties: Empties) -> Result<()> {
    let (Type::Object { members: known, required }, Value::Object(members)) = (kind, node.value) else {
        return Err(Refusal::misfit("an object", node.value, "write it as an object"));
    };
    let mut seen: Vec<&str> = Vec::with_capacity(members.len());
    for (name, member) in node.members(members) {
        let Some((wire, kind)) = kind.member(name) else {
            if member.is_absent() {
                continue;
            }
            let names: Vec<&String> = known.keys().collect();
            let what = "is not known to Stripe there";
            return Err(Refusal::invalid(what, format!("it takes {}", listed(&names))).inside(name));
        };
        let needed = empties == Empties::Refused || required.iter().any(|one| one == wire) || decides(wire);
        if needed && (member.is_absent() || member.clears()) {
            return Err(Refusal::empty(member).inside(name));
        }
        if member.is_absent() {
            continue;
        }
        if seen.contains(&wire) {
            return Err(
                Refusal::invalid("is given twice", format!("keep one spelling of `{wire}`")).inside(name)
            );
        }
        seen.push(wire);
        write(form, wire, kind, member, empties).map_err(|refusal| refusal.inside(name))?;
    }
    match required.iter().find(|wire| !seen.contains(&wire.as_str())) {
        Some(wire) => Err(Refusal::missing().inside(wire)),
        None => Ok(()),
    }
}

/// Writes the value as the first type that takes it. None does: the refusal of the type that is nearest.
fn one_of(form: &mut Form, kinds: &[Type], node: Node<'_>, empties: Empties) -> Result<()> {
    let before = form.mark();
    let mut nearest: Option<Refusal> = None;
    for kind in kinds {
        match value(form, kind, node, empties) {
            Ok(()) => return Ok(()),
            Err(refusal) => {
                form.back_to(before);
                if nearest.as_ref().is_none_or(|earlier| earlier.misfit && !refusal.misfit) {
                    nearest = Some(refusal);
                }
            }
        }
    }
    nearest.map_or(Ok(()), Err)
}

fn anything(form: &mut Form, node: Node<'_>) -> Result<()> {
    match node.value {
        Value::Array(items) => return items_of(form, node, items, anything),
        Value::Object(members) => {
            for (key, member) in node.members(members).filter(|(_, member)| !member.is_absent()) {
                free_key(key)
                    .and_then(|()| form.under(key, |form| anything(form, member)))
                    .map_err(|refusal| refusal.inside(key))?;
            }
        }
        scalar => form.put(&text(scalar).unwrap_or_default()),
    }
    Ok(())
}

/// Whether a key of the user's own can stand in brackets.
fn free_key(key: &str) -> Result<()> {
    if key.is_empty() {
        return Err(Refusal::invalid("has an empty key", "give the key a name"));
    }
    if key.contains(['[', ']']) {
        return Err(Refusal::invalid("cannot be a key", "Stripe's keys have no square brackets"));
    }
    Ok(())
}

fn is_map(kind: &Type) -> bool {
    match kind {
        Type::Clearable(inner) => is_map(inner),
        Type::Map(_) => true,
        Type::Text { .. }
        | Type::Integer
        | Type::Timestamp
        | Type::Number
        | Type::Decimal
        | Type::Boolean
        | Type::Enumeration(_)
        | Type::List(_)
        | Type::Object { .. }
        | Type::OneOf(_)
        | Type::Any => false,
    }
}

/// The first names of a list, for a hint.
fn listed(names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 12;
    let mut text: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{}`", name.as_ref())).collect();
    if names.len() > SHOWN {
        text.push("…".to_owned());
    }
    text.join(", ")
}
