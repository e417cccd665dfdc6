//! Exact arithmetic on integers and decimals.

use rust_decimal::{Decimal, RoundingStrategy};

use super::compare::decimal;
use crate::value::Value;

/// Significant digits of a decimal.
const DIGITS: u32 = 28;

/// What an operation on two numbers gives, or why it gives nothing. `None`: one of them is no number.
type Computed = Option<Result<Value, &'static str>>;

const OVERFLOW: &str = "the result is out of range";
const BY_ZERO: &str = "division by zero";

/// `left + right`.
pub(super) fn add(left: &Value, right: &Value) -> Computed {
    compute(left, right, i64::checked_add, Decimal::checked_add)
}

/// `left - right`.
pub(super) fn subtract(left: &Value, right: &Value) -> Computed {
    compute(left, right, i64::checked_sub, Decimal::checked_sub)
}

/// `left * right`.
pub(super) fn multiply(left: &Value, right: &Value) -> Computed {
    compute(left, right, i64::checked_mul, Decimal::checked_mul)
}

/// `left / right`: exact where it can be, else rounded half to even at the 28th significant digit.
pub(super) fn divide(left: &Value, right: &Value) -> Computed {
    let (left, right) = (decimal(left)?, decimal(right)?);
    if right.is_zero() {
        return Some(Err(BY_ZERO));
    }
    Some(quotient(left, right).and_then(Value::from_decimal).ok_or(OVERFLOW))
}

/// `left % right`, with the sign of the left.
pub(super) fn remainder(left: &Value, right: &Value) -> Computed {
    let (left, right) = (decimal(left)?, decimal(right)?);
    if right.is_zero() {
        return Some(Err(BY_ZERO));
    }
    Some(left.checked_rem(right).and_then(Value::from_decimal).ok_or(OVERFLOW))
}

/// `-value`.
pub(super) fn negate(value: &Value) -> Computed {
    match value {
        Value::Integer(number) => Some(number.checked_neg().map(Value::Integer).ok_or(OVERFLOW)),
        other => Some(Value::from_decimal(-decimal(other)?).ok_or(OVERFLOW)),
    }
}

fn compute(
    left: &Value,
    right: &Value,
    whole: fn(i64, i64) -> Option<i64>,
    exact: fn(Decimal, Decimal) -> Option<Decimal>,
) -> Computed {
    if let (Value::Integer(left), Value::Integer(right)) = (left, right) {
        return Some(whole(*left, *right).map(Value::Integer).ok_or(OVERFLOW));
    }
    let result = exact(decimal(left)?, decimal(right)?);
    let rounded = result
        .and_then(|number| number.round_sf_with_strategy(DIGITS, RoundingStrategy::MidpointNearestEven));
    Some(rounded.and_then(Value::from_decimal).ok_or(OVERFLOW))
}

/// Long division on the digits, since the library rounds at its own width.
fn quotient(left: Decimal, right: Decimal) -> Option<Decimal> {
    let divisor = right.mantissa().unsigned_abs();
    let dividend = left.mantissa().unsigned_abs();
    let (mut digits, mut rest) = (dividend / divisor, dividend % divisor);
    let mut scale = i64::from(left.scale()) - i64::from(right.scale());
    let limit = 10_u128.pow(DIGITS - 1);
    while rest != 0 && digits < limit && scale < i64::from(DIGITS) {
        // The divisor has 96 bits at the most, so ten times the rest fits.
        rest *= 10;
        digits = digits * 10 + rest / divisor;
        rest %= divisor;
        scale += 1;
    }
    let twice = rest * 2;
    if twice > divisor || (twice == divisor && digits % 2 == 1) {
        digits += 1;
    }
    while scale < 0 {
        digits = digits.checked_mul(10)?;
        scale += 1;
    }
    let digits = i128::try_from(digits).ok()?;
    let negative = left.is_sign_negative() != right.is_sign_negative();
    let signed = if negative { -digits } else { digits };
    let number = Decimal::try_from_i128_with_scale(signed, u32::try_from(scale).ok()?).ok()?;
    number.round_sf_with_strategy(DIGITS, RoundingStrategy::MidpointNearestEven)
}
