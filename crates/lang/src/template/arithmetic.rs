//! Exact arithmetic on integers and decimals. A result of more than 28 digits is rounded once, half to even.
//!
//! It works on the digits themselves, since the library rounds at its own width, and sometimes twice.

use rust_decimal::Decimal;

use super::compare::decimal;
use crate::value::{DIGITS, Value};

/// What an operation on two numbers gives, or why it gives nothing. `None`: one of them is no number.
type Computed = Option<Result<Value, &'static str>>;

const OVERFLOW: &str = "the result is out of range";
const BY_ZERO: &str = "division by zero";
/// One more than the largest mantissa.
const UNIT: u128 = ten(DIGITS);

/// `left + right`.
pub(super) fn add(left: &Value, right: &Value) -> Computed {
    if let (Value::Integer(left), Value::Integer(right)) = (left, right) {
        return Some(left.checked_add(*right).map(Value::Integer).ok_or(OVERFLOW));
    }
    Some(sum(decimal(left)?, decimal(right)?).ok_or(OVERFLOW))
}

/// `left - right`.
pub(super) fn subtract(left: &Value, right: &Value) -> Computed {
    if let (Value::Integer(left), Value::Integer(right)) = (left, right) {
        return Some(left.checked_sub(*right).map(Value::Integer).ok_or(OVERFLOW));
    }
    Some(sum(decimal(left)?, -decimal(right)?).ok_or(OVERFLOW))
}

/// `left * right`.
pub(super) fn multiply(left: &Value, right: &Value) -> Computed {
    if let (Value::Integer(left), Value::Integer(right)) = (left, right) {
        return Some(left.checked_mul(*right).map(Value::Integer).ok_or(OVERFLOW));
    }
    let (left, right) = (decimal(left)?, decimal(right)?);
    let digits = Wide::product(magnitude(left), magnitude(right));
    Some(digits.rounded(is_negative(left, right), left.scale() + right.scale()).ok_or(OVERFLOW))
}

/// `left / right`: exact where it can be, else rounded half to even at the 28th significant digit.
pub(super) fn divide(left: &Value, right: &Value) -> Computed {
    let (left, right) = (decimal(left)?, decimal(right)?);
    if right.is_zero() {
        return Some(Err(BY_ZERO));
    }
    Some(quotient(left, right).ok_or(OVERFLOW))
}

/// `left % right`, with the sign of the left.
pub(super) fn remainder(left: &Value, right: &Value) -> Computed {
    let (left, right) = (decimal(left)?, decimal(right)?);
    if right.is_zero() {
        return Some(Err(BY_ZERO));
    }
    let scale = left.scale().max(right.scale());
    let rest = match magnitude(right).checked_mul(ten(scale - right.scale())) {
        // Only one of the two has fewer decimals, so either this divisor has at most 28 digits or the loop is empty.
        Some(divisor) => (left.scale()..scale).fold(magnitude(left) % divisor, |rest, _| rest * 10 % divisor),
        None => magnitude(left),
    };
    Some(number(left.is_sign_negative(), rest, scale).ok_or(OVERFLOW))
}

/// `-value`.
pub(super) fn negate(value: &Value) -> Computed {
    match value {
        Value::Integer(number) => Some(number.checked_neg().map(Value::Integer).ok_or(OVERFLOW)),
        other => Some(Value::from_decimal(-decimal(other)?).ok_or(OVERFLOW)),
    }
}

const fn ten(power: u32) -> u128 {
    10_u128.pow(power)
}

fn magnitude(number: Decimal) -> u128 {
    number.mantissa().unsigned_abs()
}

fn is_negative(left: Decimal, right: Decimal) -> bool {
    left.is_sign_negative() != right.is_sign_negative()
}

/// The number with these digits, `scale` of them decimals.
fn number(negative: bool, digits: u128, scale: u32) -> Option<Value> {
    let digits = i128::try_from(digits).ok()?;
    let signed = if negative { -digits } else { digits };
    Value::from_decimal(Decimal::try_from_i128_with_scale(signed, scale).ok()?)
}

fn sum(left: Decimal, right: Decimal) -> Option<Value> {
    let scale = left.scale().max(right.scale());
    let widened = |number: Decimal| Wide::product(magnitude(number), ten(scale - number.scale()));
    let (left_digits, right_digits) = (widened(left), widened(right));
    if !is_negative(left, right) {
        return left_digits.plus(right_digits).rounded(left.is_sign_negative(), scale);
    }
    match left_digits >= right_digits {
        true => left_digits.minus(right_digits).rounded(left.is_sign_negative(), scale),
        false => right_digits.minus(left_digits).rounded(right.is_sign_negative(), scale),
    }
}

/// Long division, digit by digit.
fn quotient(left: Decimal, right: Decimal) -> Option<Value> {
    let divisor = magnitude(right);
    let (mut digits, mut rest) = (magnitude(left) / divisor, magnitude(left) % divisor);
    let mut scale = i64::from(left.scale()) - i64::from(right.scale());
    while rest != 0 && digits < UNIT / 10 && scale < i64::from(DIGITS) {
        // The divisor has 28 digits at the most, so ten times the rest fits.
        rest *= 10;
        digits = digits * 10 + rest / divisor;
        rest %= divisor;
        scale += 1;
    }
    digits += half_to_even(digits, rest, divisor);
    while scale < 0 {
        digits = digits.checked_mul(10)?;
        scale += 1;
    }
    number(is_negative(left, right), digits, u32::try_from(scale).ok()?)
}

/// What is added to `kept` for the fraction `rest / unit` behind it.
fn half_to_even(kept: u128, rest: u128, unit: u128) -> u128 {
    u128::from(rest * 2 > unit || (rest * 2 == unit && kept % 2 == 1))
}

/// Up to 56 digits: `high * UNIT + low`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Wide {
    high: u128,
    low: u128,
}

impl Wide {
    /// The product of two numbers of at most [`UNIT`].
    fn product(left: u128, right: u128) -> Wide {
        const ROOT: u128 = ten(DIGITS / 2);
        let middle = (left / ROOT) * (right % ROOT) + (left % ROOT) * (right / ROOT);
        let low = (left % ROOT) * (right % ROOT) + (middle % ROOT) * ROOT;
        Wide { high: (left / ROOT) * (right / ROOT) + middle / ROOT + low / UNIT, low: low % UNIT }
    }

    fn plus(self, other: Wide) -> Wide {
        let low = self.low + other.low;
        Wide { high: self.high + other.high + low / UNIT, low: low % UNIT }
    }

    /// The difference to a number that is not larger.
    fn minus(self, other: Wide) -> Wide {
        let borrowed = u128::from(self.low < other.low);
        Wide { high: self.high - other.high - borrowed, low: self.low + borrowed * UNIT - other.low }
    }

    /// The number of which `scale` digits are decimals, rounded to 28 digits and 28 decimals.
    fn rounded(self, negative: bool, scale: u32) -> Option<Value> {
        let above = self.high.checked_ilog10().map_or(0, |power| power + 1);
        // At most 28: a sum has a smaller scale than that, and the scales of two factors add up to 56.
        let dropped = above.max(scale.saturating_sub(DIGITS)).min(DIGITS);
        let unit = ten(dropped);
        let kept = self.high.checked_mul(ten(DIGITS - dropped))? + self.low / unit;
        let kept = kept + half_to_even(kept, self.low % unit, unit);
        number(negative, kept, scale.checked_sub(dropped)?)
    }
}
