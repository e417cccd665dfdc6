//! JSON values as the language sees them: exact numbers, cheap clones.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use indexmap::IndexMap;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::json;

/// Significant digits of a decimal, and its decimals at the most.
pub(crate) const DIGITS: u32 = 28;

/// The members of a JSON object, in the order in which they were written.
pub type Object = IndexMap<String, Value>;

/// A JSON value. Clones are cheap: text, arrays and objects are shared.
///
/// Numbers are exact, never floats. A number without a fraction is always [`Value::Integer`];
/// [`Value::Decimal`] holds only numbers that have one, without trailing zeros.
///
/// ```
/// let value = loopfour_lang::json::parse(br#"{"amount": 9900.0, "rate": 0.10}"#)?;
/// assert_eq!(value.to_string(), r#"{"amount":9900,"rate":0.1}"#);
/// # Ok::<(), loopfour_lang::json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`; a missing value is null too.
    #[default]
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction, up to 28 significant digits.
    Decimal(Decimal),
    /// A string.
    Text(Arc<str>),
    /// An array.
    Array(Arc<Vec<Value>>),
    /// An object.
    Object(Arc<Object>),
}

impl Value {
    /// The number in the form that it has here: an integer if it is whole. `None` if it is whole and beyond 2^63, or has
    /// more than 28 significant digits.
    pub fn from_decimal(number: Decimal) -> Option<Value> {
        let number = number.normalize();
        match number.scale() {
            0 => number.to_i64().map(Value::Integer),
            _ if number.mantissa().unsigned_abs() >= 10_u128.pow(DIGITS) => None,
            _ => Some(Value::Decimal(number)),
        }
    }

    /// Whether it counts as true: all but null, `false`, `0` and `""`.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Boolean(value) => *value,
            Value::Integer(number) => *number != 0,
            Value::Decimal(_) | Value::Array(_) | Value::Object(_) => true,
            Value::Text(text) => !text.is_empty(),
        }
    }

    /// The member of that name, if it is an object that has one.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => members.get(key),
            _ => None,
        }
    }

    /// The item at that position, if it is an array that has one.
    pub fn at(&self, index: usize) -> Option<&Value> {
        match self {
            Value::Array(items) => items.get(index),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value written as text: strings bare, null as nothing, the rest as compact JSON.
    pub fn to_text(&self) -> String {
        match self {
            Value::Null => String::new(),
            Value::Text(text) => text.to_string(),
            Value::Boolean(_)
            | Value::Integer(_)
            | Value::Decimal(_)
            | Value::Array(_)
            | Value::Object(_) => self.to_string(),
        }
    }

    /// What messages call it: `null`, `a boolean`, `a number`, `text`, `an array`, `an object`.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Boolean(_) => "a boolean",
            Value::Integer(_) | Value::Decimal(_) => "a number",
            Value::Text(_) => "text",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }

    /// Appends compact JSON: keys in their order, numbers in plain digits.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Value::Null => out.push_str("null"),
            Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Integer(number) => display(number, out),
            Value::Decimal(number) => display(number, out),
            Value::Text(text) => write_text(text, out),
            Value::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Value::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

fn display(number: &impl fmt::Display, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{number}");
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// Compact JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write_json(&mut out);
        f.write_str(&out)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Integer(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text.into())
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Value {
        Value::Array(Arc::new(items))
    }
}

impl From<Object> for Value {
    fn from(members: Object) -> Value {
        Value::Object(Arc::new(members))
    }
}

/// Made for `serde_json` as text: there every digit of a decimal is kept.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Boolean(value) => serializer.serialize_bool(*value),
            Value::Integer(number) => serializer.serialize_i64(*number),
            Value::Decimal(number) => {
                RawValue::from_string(number.to_string()).map_err(S::Error::custom)?.serialize(serializer)
            }
            Value::Text(text) => serializer.serialize_str(text),
            Value::Array(items) => serializer.collect_seq(items.iter()),
            Value::Object(members) => serializer.collect_map(members.iter()),
        }
    }
}

/// Made for `serde_json` from text: there every digit of a decimal is kept.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        json::parse_exact(raw.get().as_bytes()).map_err(D::Error::custom)
    }
}
