//! Equality and order, the same for operators and conditions.

use std::borrow::Cow;
use std::cmp::Ordering;

use rust_decimal::Decimal;

use crate::value::Value;

/// `==`: numbers and numeric text as numbers, booleans and `"true"`/`"false"` as booleans, the rest by content.
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Integer(_) | Value::Decimal(_), Value::Text(_))
        | (Value::Text(_), Value::Integer(_) | Value::Decimal(_)) => {
            order(left, right) == Some(Ordering::Equal)
        }
        (Value::Boolean(value), Value::Text(text)) | (Value::Text(text), Value::Boolean(value)) => {
            **text == *if *value { "true" } else { "false" }
        }
        _ => left == right,
    }
}

/// The order of two numbers, of a number and numeric text, of two numeric texts, or of two other texts by code point;
/// none for anything else.
pub fn order(left: &Value, right: &Value) -> Option<Ordering> {
    if let (Some(left), Some(right)) = (decimal(left), decimal(right)) {
        return Some(left.cmp(&right));
    }
    let (left_digits, right_digits) = (plain(left), plain(right));
    match (left_digits.as_deref().and_then(Digits::read), right_digits.as_deref().and_then(Digits::read)) {
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

/// Whether a text writes a number: `-?digits` or with `.digits`, no spaces. It may have more digits than a number can.
pub fn is_numeric(text: &str) -> bool {
    Digits::read(text).is_some()
}

/// The number that numeric text writes, where it has no more digits than a number can.
pub fn numeric(text: &str) -> Option<Decimal> {
    let Digits { negative, whole, fraction } = Digits::read(text)?;
    let sign = if negative { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    Decimal::from_str_exact(&format!("{sign}0{whole}{point}{fraction}")).ok()
}

/// A number in plain digits, or a text.
fn plain(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Integer(_) | Value::Decimal(_) => Some(Cow::Owned(value.to_string())),
        Value::Null | Value::Boolean(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The digits of a number, as many as there are.
struct Digits<'a> {
    negative: bool,
    /// Without zeros before it.
    whole: &'a str,
    /// Without zeros behind it.
    fraction: &'a str,
}

impl<'a> Digits<'a> {
    fn read(text: &'a str) -> Option<Digits<'a>> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
        if !are_digits(whole) || !are_digits(fraction) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Digits { negative: digits.len() < text.len() && !zero, whole, fraction })
    }

    fn cmp(&self, other: &Digits<'_>) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.size().cmp(&other.size()),
            (true, true) => other.size().cmp(&self.size()),
        }
    }

    /// What orders numbers of one sign.
    fn size(&self) -> (usize, &str, &str) {
        (self.whole.len(), self.whole, self.fraction)
    }
}
