//! Checks a call's parameters against the operations table and turns them into typed values.
//! It knows one call at a time and no state; what parameters mean together is the operations' matter.

use serde_json::{Map, Value, json};

use crate::errors::Failure;
use crate::form::{Node, Table as Form};
use crate::table::{Fields, Shape, TABLE, Type};

const METADATA_KEYS: usize = 50;
const METADATA_KEY_LENGTH: usize = 40;
const METADATA_VALUE_LENGTH: usize = 500;
const DECIMAL_PLACES: usize = 12;

/// The checked parameters of a call. A cleared one is there, as null.
#[derive(Debug, Default)]
pub(crate) struct Params {
    values: Map<String, Value>,
}

impl Params {
    /// Checks a decoded form: unknown names first, then missing ones, then values in their order.
    /// `clears` names the parameters that take the empty text although the table does not say so.
    pub(crate) fn check(fields: &Fields, clears: &[&str], form: &Form) -> Result<Params, Failure> {
        let mut unknown = Vec::new();
        find_unknown(fields, form, "", &mut unknown);
        if let Some(first) = unknown.first() {
            let noun = if unknown.len() == 1 { "parameter" } else { "parameters" };
            let told = &unknown[..unknown.len().min(10)];
            let message = format!("Received unknown {noun}: {}", told.join(", "));
            return Err(Failure::invalid(message).code("parameter_unknown").param(first));
        }
        let values = object(fields, form, "", clears)?;
        Ok(Params { values })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// What was sent under a name; null where it was cleared, nothing where it was left out.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_i64()
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }

    /// The text under a name, or a refusal.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.text(name).ok_or_else(|| Failure::missing(name))
    }

    /// The paths to expand.
    pub(crate) fn expand(&self) -> Vec<&str> {
        let list = self.get("expand").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Copies the named parameters that were sent into the fields of an object.
    pub(crate) fn copy(&self, names: &[&str], into: &mut Map<String, Value>) {
        for name in names {
            if let Some(value) = self.get(name) {
                into.insert((*name).to_owned(), value.clone());
            }
        }
    }

    /// An object's metadata after this call: keys are added or replaced, empty values delete theirs.
    pub(crate) fn metadata(&self, before: &Value) -> Result<Value, Failure> {
        let mut merged = before.as_object().cloned().unwrap_or_default();
        match self.get("metadata") {
            None => {}
            Some(Value::Object(sent)) => {
                for (key, value) in sent {
                    if value.is_null() {
                        merged.shift_remove(key);
                    } else {
                        merged.insert(key.clone(), value.clone());
                    }
                }
            }
            Some(_) => merged.clear(),
        }
        if merged.len() > METADATA_KEYS {
            return Err(too_many_keys(merged.len()).param("metadata"));
        }
        Ok(Value::Object(merged))
    }
}

fn too_many_keys(count: usize) -> Failure {
    Failure::invalid(format!("You cannot have more than {METADATA_KEYS} metadata keys; this makes {count}"))
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}[{name}]") }
}

/// Follows names of types to the type itself; `clear` may stand on either.
fn resolve(kind: &Type) -> Option<&Type> {
    if let Shape::Use(name) = &kind.shape { TABLE.request_type(name) } else { Some(kind) }
}

fn find_unknown(fields: &Fields, form: &Form, prefix: &str, unknown: &mut Vec<String>) {
    for (name, node) in form {
        let path = join(prefix, name);
        match fields.types.get(name) {
            None => unknown.push(path),
            Some(kind) => find_unknown_in(kind, node, &path, unknown),
        }
    }
}

fn find_unknown_in(kind: &Type, node: &Node, path: &str, unknown: &mut Vec<String>) {
    let Some(kind) = resolve(kind) else { return };
    if let (Shape::Object(fields), Node::Table(table)) = (&kind.shape, node) {
        find_unknown(fields, table, path, unknown);
    }
    if let Shape::List(item) = &kind.shape {
        for (index, node) in indexed(node) {
            find_unknown_in(item, node, &format!("{path}[{index}]"), unknown);
        }
    }
    if let Shape::OneOf(kinds) = &kind.shape {
        let found = kinds.iter().filter(|kind| is_object(kind)).map(|kind| {
            let mut found = Vec::new();
            find_unknown_in(kind, node, path, &mut found);
            found
        });
        unknown.extend(found.min_by_key(Vec::len).unwrap_or_default());
    }
}

/// The elements of an array with their indexes; keys that are no indexes are passed over.
fn indexed(node: &Node) -> Vec<(usize, &Node)> {
    match node {
        Node::Text(_) => Vec::new(),
        Node::List(nodes) => nodes.iter().enumerate().collect(),
        Node::Table(table) => {
            let pairs = table.iter().filter_map(|(key, node)| Some((index(key)?, node)));
            let mut pairs: Vec<(usize, &Node)> = pairs.collect();
            pairs.sort_by_key(|(index, _)| *index);
            pairs
        }
    }
}

fn is_object(kind: &Type) -> bool {
    matches!(resolve(kind).map(|kind| &kind.shape), Some(Shape::Object(_)))
}

fn object(
    fields: &Fields,
    form: &Form,
    prefix: &str,
    clears: &[&str],
) -> Result<Map<String, Value>, Failure> {
    if let Some(name) = fields.required.iter().find(|name| !form.contains_key(*name)) {
        return Err(Failure::missing(&join(prefix, name)));
    }
    let mut values = Map::new();
    for (name, node) in form {
        let path = join(prefix, name);
        let Some(kind) = fields.types.get(name) else { continue };
        let cleared = clears.contains(&name.as_str()) && *node == Node::Text(String::new());
        let value = match name.as_str() {
            _ if cleared => Value::Null,
            "metadata" => metadata(kind, node, &path)?,
            _ => convert(kind, node, &path)?,
        };
        values.insert(name.clone(), value);
    }
    Ok(values)
}

fn convert(kind: &Type, node: &Node, path: &str) -> Result<Value, Failure> {
    let resolved = resolve(kind).unwrap_or(kind);
    match node {
        Node::Text(text) if text.is_empty() => {
            if kind.clear || resolved.clear {
                Ok(Value::Null)
            } else {
                Err(empty(path))
            }
        }
        Node::Text(text) => scalar(&resolved.shape, text, path),
        Node::List(_) | Node::Table(_) => nested(&resolved.shape, node, path),
    }
}

fn empty(path: &str) -> Failure {
    let message = format!(
        "You passed an empty string for '{path}', which would unset it, but '{path}' cannot be unset; \
         leave it out or give it a value"
    );
    Failure::invalid(message).code("parameter_invalid_empty").param(path)
}

fn scalar(shape: &Shape, text: &str, path: &str) -> Result<Value, Failure> {
    let wrong = |message: String| Err(Failure::invalid(message).param(path));
    match shape {
        Shape::Text { max } => {
            if text.chars().count() > *max {
                return wrong(format!("Invalid string: {}; must be at most {max} characters", shorten(text)));
            }
            Ok(json!(text))
        }
        Shape::Integer => match integer(text) {
            Some(number) => Ok(json!(number)),
            None => Err(Failure::invalid(format!("Invalid integer: {}", shorten(text)))
                .code("parameter_invalid_integer")
                .param(path)),
        },
        Shape::Boolean => match text {
            "true" => Ok(json!(true)),
            "false" => Ok(json!(false)),
            _ => wrong(format!("Invalid boolean: {}; must be true or false", shorten(text))),
        },
        Shape::Number if is_decimal(text) => match text.parse::<f64>() {
            Ok(number) => Ok(json!(number)),
            Err(_) => wrong(format!("Invalid number: {}", shorten(text))),
        },
        Shape::Number => wrong(format!("Invalid number: {}", shorten(text))),
        Shape::Decimal if is_decimal(text) => Ok(json!(text)),
        Shape::Decimal => {
            let text = shorten(text);
            wrong(format!("Invalid decimal: {text}; plain digits, at most {DECIMAL_PLACES} decimal places"))
        }
        Shape::Enum(values) if values.iter().any(|value| value == text) => Ok(json!(text)),
        Shape::Enum(values) => wrong(format!("Invalid {path}: must be one of {}", values.join(", "))),
        Shape::OneOf(kinds) => one_of(kinds, &Node::Text(text.to_owned()), path),
        Shape::Anything => Ok(json!(text)),
        Shape::List(_) | Shape::Page(_) => wrong(format!("Invalid array: {}", shorten(text))),
        Shape::Object(_) | Shape::Map(_) | Shape::Use(_) => {
            wrong(format!("Invalid object: {}", shorten(text)))
        }
        Shape::Inline(_) | Shape::Expandable(_) | Shape::Mark => {
            wrong(format!("Invalid value: {}", shorten(text)))
        }
    }
}

fn nested(shape: &Shape, node: &Node, path: &str) -> Result<Value, Failure> {
    let wrong = |noun: &str| {
        Failure::invalid(format!("Invalid {noun}: `{path}` is given with the wrong brackets")).param(path)
    };
    match shape {
        Shape::List(item) => {
            let elements = indexed(node);
            if let Node::Table(table) = node
                && elements.len() < table.len()
            {
                return Err(wrong("array"));
            }
            let elements =
                elements.into_iter().map(|(index, node)| convert(item, node, &format!("{path}[{index}]")));
            Ok(Value::Array(elements.collect::<Result<_, Failure>>()?))
        }
        Shape::Object(fields) => match node {
            Node::Table(table) => Ok(Value::Object(object(fields, table, path, &[])?)),
            Node::Text(_) | Node::List(_) => Err(wrong("object")),
        },
        Shape::Map(kind) => match node {
            Node::Table(table) => {
                let entries =
                    table.iter().map(|(key, node)| Ok((key.clone(), convert(kind, node, &join(path, key))?)));
                Ok(Value::Object(entries.collect::<Result<_, Failure>>()?))
            }
            Node::Text(_) | Node::List(_) => Err(wrong("object")),
        },
        Shape::OneOf(kinds) => one_of(kinds, node, path),
        Shape::Integer => Err(wrong("integer").code("parameter_invalid_integer")),
        Shape::Text { .. } | Shape::Enum(_) | Shape::Decimal | Shape::Number => Err(wrong("string")),
        Shape::Boolean => Err(wrong("boolean")),
        Shape::Anything | Shape::Mark | Shape::Use(_) => Err(wrong("value")),
        Shape::Inline(_) | Shape::Expandable(_) | Shape::Page(_) => Err(wrong("value")),
    }
}

/// The first alternative that takes the value; the complaint is the last one of the same nature.
fn one_of(kinds: &[Type], node: &Node, path: &str) -> Result<Value, Failure> {
    let bracketed = !matches!(node, Node::Text(_));
    let mut complaint = Failure::invalid(format!("Invalid value for `{path}`")).param(path);
    for kind in kinds.iter().filter(|kind| is_object(kind) == bracketed) {
        match convert(kind, node, path) {
            Ok(value) => return Ok(value),
            Err(failure) => complaint = failure,
        }
    }
    Err(complaint)
}

fn metadata(kind: &Type, node: &Node, path: &str) -> Result<Value, Failure> {
    let Node::Table(table) = node else { return convert(kind, node, path) };
    let mut values = Map::new();
    for (key, node) in table {
        let path = join(path, key);
        let Node::Text(text) = node else {
            let message = format!("Metadata values must be strings, but `{path}` is nested");
            return Err(Failure::invalid(message).param(path));
        };
        if key.chars().count() > METADATA_KEY_LENGTH {
            let message =
                format!("Metadata keys have at most {METADATA_KEY_LENGTH} characters: `{}`", shorten(key));
            return Err(Failure::invalid(message).param(path));
        }
        if text.chars().count() > METADATA_VALUE_LENGTH {
            let message =
                format!("Metadata values have at most {METADATA_VALUE_LENGTH} characters: `{path}`");
            return Err(Failure::invalid(message).param(path));
        }
        let value = if text.is_empty() { Value::Null } else { json!(text) };
        values.insert(key.clone(), value);
    }
    let count = values.values().filter(|value| !value.is_null()).count();
    if count > METADATA_KEYS {
        return Err(too_many_keys(count).param(path));
    }
    Ok(Value::Object(values))
}

fn index(key: &str) -> Option<usize> {
    let digits = !key.is_empty() && key.len() <= 9 && key.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| key.parse().ok()).flatten()
}

fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, places) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(places) && whole.len() <= 15 && places.len() <= DECIMAL_PLACES
}

/// The start of a text, for a message.
fn shorten(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}
