//! Equality and order, the same for operators and conditions.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use crate::value::Value;

/// `==`: numbers and numeric text as numbers, booleans and `"true"`/`"false"` as booleans, the rest by content.
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Integer(_) | Value::Decimal(_), Value::Text(text)) => numeric(text) == decimal(left),
        (Value::Text(text), Value::Integer(_) | Value::Decimal(_)) => numeric(text) == decimal(right),
        (Value::Boolean(value), Value::Text(text)) | (Value::Text(text), Value::Boolean(value)) => {
            **text == *if *value { "true" } else { "false" }
        }
        _ => left == right,
    }
}

/// The order of two numbers, of a number and numeric text, of two numeric texts, or of two other texts by code point;
/// none for anything else.
pub fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (as_number(left), as_number(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => match (left, right) {
            (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
            _ => None,
        },
    }
}

/// The number that a value is.
pub fn decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Integer(number) => Some(Decimal::from(*number)),
        Value::Decimal(number) => Some(*number),
        Value::Null | Value::Boolean(_) | Value::Text(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The number that a text writes: `-?digits` or with `.digits`, no spaces.
pub fn numeric(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    match are_digits(whole) && are_digits(fraction) {
        true => Decimal::from_str_exact(text).ok(),
        false => None,
    }
}

fn as_number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Text(text) => numeric(text),
        Value::Null
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Array(_)
        | Value::Object(_) => decimal(value),
    }
}
