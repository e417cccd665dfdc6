//! Amounts for people.

use super::evaluate::{Failure, shown};
use crate::value::Value;

/// Currencies whose amounts Stripe takes in whole units. Stripe counts in its own way, not by ISO 4217: UGX and ISK, which
/// have no decimals there, take two here. Source: Stripe's documentation on currencies, "zero-decimal currencies".
const NO_DECIMALS: [&str; 15] =
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];
/// Currencies with amounts in thousandths. Source: as above, "three-decimal currencies".
const THREE_DECIMALS: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];

/// `format(amount, currency)`: minor units as `99.00 USD`.
pub(super) fn format(amount: &Value, currency: &Value) -> Result<Value, Failure> {
    let Value::Integer(amount) = amount else {
        let failure =
            Failure::new(format!("`format` takes a whole amount in minor units, not {}", shown(amount)));
        return Err(failure.hint("9900 is 99.00 USD; convert text with `number(x)`"));
    };
    let code =
        currency.as_text().filter(|code| code.len() == 3 && code.bytes().all(|b| b.is_ascii_alphabetic()));
    let Some(code) = code.map(str::to_ascii_uppercase) else {
        let message = format!("`format` takes a currency such as \"usd\", not {}", shown(currency));
        return Err(Failure::new(message));
    };
    let digits = match code.as_str() {
        code if NO_DECIMALS.contains(&code) => 0,
        code if THREE_DECIMALS.contains(&code) => 3,
        _ => 2,
    };
    let sign = if *amount < 0 { "-" } else { "" };
    let unit = 10_u64.pow(digits);
    let (whole, part) = (amount.unsigned_abs() / unit, amount.unsigned_abs() % unit);
    let width = digits as usize;
    Ok(Value::from(match digits {
        0 => format!("{sign}{whole} {code}"),
        _ => format!("{sign}{whole}.{part:0width$} {code}"),
    }))
}
