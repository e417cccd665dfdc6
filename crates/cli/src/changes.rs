//! What is different between two definitions, told by the places in them. Steps are told apart by their ids, so that one
//! more in the middle is one addition.

use std::sync::Arc;

use loopfour_lang::{Object, Value};
use serde::Serialize;

use crate::print::{one_line, style};

/// Longest value that is shown whole, characters.
const LONGEST: usize = 60;

/// What happened at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// It was not there before.
    Added,
    /// It is there no more.
    Removed,
    /// It has another value.
    Changed,
    /// The same items stand in another order.
    Reordered,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// What happened.
    #[serde(rename = "change")]
    pub kind: Kind,
    /// Where, as templates write paths: `steps.create.config.email`.
    pub path: String,
    /// What stood there; ids where the order is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What stands there now; ids where the order is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

impl Change {
    /// In one line.
    pub fn line(&self) -> String {
        let (colour, sign) = match self.kind {
            Kind::Added => (style::GREEN, '+'),
            Kind::Removed => (style::RED, '-'),
            Kind::Changed | Kind::Reordered => (style::YELLOW, '~'),
        };
        let value = |value: &Option<Value>| value.as_ref().map(short);
        let what = match (value(&self.before), value(&self.after)) {
            (Some(before), Some(after)) => format!(": {before} → {after}"),
            (Some(value), None) | (None, Some(value)) => format!(": {value}"),
            (None, None) => String::new(),
        };
        format!("  {colour}{sign}{} {}{what}", style::RESET, one_line(&self.path))
    }
}

/// Every difference, in the order of the new text; what was removed comes last at each level.
pub fn between(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", before, after, &mut changes);
    changes
}

fn compare(path: &str, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => compare_members(path, before, after, changes),
        (Value::Array(before_items), Value::Array(after_items)) => {
            match (by_id(before_items), by_id(after_items)) {
                (Some(before), Some(after)) => {
                    compare_order(path, &before, &after, changes);
                    compare_members(path, &before, &after, changes);
                }
                _ if before == after => {}
                _ => change(path, Some(before), Some(after), changes),
            }
        }
        _ if before == after => {}
        _ => change(path, Some(before), Some(after), changes),
    }
}

fn compare_members(path: &str, before: &Object, after: &Object, changes: &mut Vec<Change>) {
    for (name, value) in after {
        let place = join(path, name);
        match before.get(name) {
            Some(old) => compare(&place, old, value, changes),
            None => change(&place, None, Some(value), changes),
        }
    }
    for (name, value) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
        change(&join(path, name), Some(value), None, changes);
    }
}

fn compare_order(path: &str, before: &Object, after: &Object, changes: &mut Vec<Change>) {
    let common = |of: &Object, with: &Object| {
        let ids = of.keys().filter(|id| with.contains_key(*id));
        ids.map(|id| Value::Text(id.as_str().into())).collect::<Vec<_>>()
    };
    let (old, new) = (common(before, after), common(after, before));
    if old != new {
        let list = |ids| Some(Value::Array(Arc::new(ids)));
        changes.push(Change {
            kind: Kind::Reordered,
            path: path.to_owned(),
            before: list(old),
            after: list(new),
        });
    }
}

/// The items by their ids, if each has one of its own.
fn by_id(items: &[Value]) -> Option<Object> {
    let mut named = Object::new();
    for item in items {
        let Some(Value::Text(id)) = item.get("id") else { return None };
        if named.insert(id.to_string(), item.clone()).is_some() {
            return None;
        }
    }
    Some(named)
}

fn change(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    let kind = match (before, after) {
        (None, _) => Kind::Added,
        (Some(_), None) => Kind::Removed,
        (Some(_), Some(_)) => Kind::Changed,
    };
    changes.push(Change { kind, path: path.to_owned(), before: before.cloned(), after: after.cloned() });
}

fn join(path: &str, name: &str) -> String {
    let is_plain =
        !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || "-_".contains(letter));
    match (path, is_plain) {
        ("", _) => name.to_owned(),
        (_, true) => format!("{path}.{name}"),
        (_, false) => format!("{path}[{name:?}]"),
    }
}

fn short(value: &Value) -> String {
    let text = serde_json::to_string(value).expect("a JSON value can be written as JSON");
    let text = one_line(&text).into_owned();
    if text.chars().count() <= LONGEST {
        return text;
    }
    let mut shown: String = text.chars().take(LONGEST - 1).collect();
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str, expected: &[&str]) {
        let parse = |text: &str| loopfour_lang::json::parse(text.as_bytes()).expect("the example is JSON");
        let lines: Vec<String> = between(&parse(before), &parse(after)).iter().map(Change::line).collect();
        let plain: Vec<String> =
            lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert_eq!(plain, expected);
    }

    #[test]
    fn what_is_the_same_is_no_change() {
        check(r#"{"a": 1, "b": [2]}"#, r#"{ "b": [2], "a": 1 }"#, &[]);
    }

    #[test]
    fn members_are_told_by_their_path() {
        check(
            r#"{"name": "a", "settings": {"title": "x"}, "variables": {"any key": 1}}"#,
            r#"{"name": "b", "settings": {"title": "x", "timeoutMs": 5}, "variables": {"any key": null}}"#,
            &[r#"  ~ name: "a" → "b""#, "  + settings.timeoutMs: 5", r#"  ~ variables["any key"]: 1 → null"#],
        );
        check(r#"{"a": [1, 2], "b": 1}"#, r#"{"a": [1, 3]}"#, &["  ~ a: [1,2] → [1,3]", "  - b: 1"]);
    }

    #[test]
    fn steps_are_told_apart_by_their_ids() {
        check(
            r#"{"steps": [{"id": "a", "x": 1}, {"id": "b"}, {"id": "c"}]}"#,
            r#"{"steps": [{"id": "c"}, {"id": "new"}, {"id": "a", "x": 2}]}"#,
            &[
                r#"  ~ steps: ["a","c"] → ["c","a"]"#,
                r#"  + steps.new: {"id":"new"}"#,
                "  ~ steps.a.x: 1 → 2",
                r#"  - steps.b: {"id":"b"}"#,
            ],
        );
    }

    #[test]
    fn items_without_ids_of_their_own_are_one_value() {
        check(
            r#"{"steps": [{"id": "a"}, {"id": "a"}]}"#,
            r#"{"steps": [{"id": "a"}]}"#,
            &[r#"  ~ steps: [{"id":"a"},{"id":"a"}] → [{"id":"a"}]"#],
        );
        check(
            r#"{"a": "0"}"#,
            &format!(r#"{{"a": "{}"}}"#, "1".repeat(100)),
            &[&format!(r#"  ~ a: "0" → "{}…"#, "1".repeat(58))],
        );
    }
}
