//! Currencies and amounts as Stripe takes them: integers in the smallest unit.

use crate::errors::Failure;

/// The currency where nothing else says one.
pub(crate) const DEFAULT_CURRENCY: &str = "usd";

/// The greatest amount of an invoice item, either way: twelve digits.
pub(crate) const GREATEST_AMOUNT: i64 = 999_999_999_999;

/// The greatest amount of a payment: eight digits.
const GREATEST_PAYMENT: i64 = 99_999_999;

/// The least amounts of payments that are not 50.
const LEAST_PAYMENTS: &[(&str, i64)] = &[
    ("aed", 200),
    ("czk", 1500),
    ("dkk", 250),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17_500),
    ("mxn", 1000),
    ("myr", 200),
    ("nok", 300),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("thb", 1000),
];

/// Currencies whose last digits must be zero, with what their amounts must be multiples of.
const ROUND: &[(&str, i64)] =
    &[("bhd", 10), ("isk", 100), ("jod", 10), ("kwd", 10), ("omr", 10), ("tnd", 10), ("ugx", 100)];

const CURRENCIES: &str = "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl \
    bsd bwp byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd \
    gnf gtq gyd hkd hnl hrk htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr \
    lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php \
    pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd \
    tzs uah ugx usd uyu uzs vnd vuv wst xaf xcd xcg xof xpf yer zar zmw";

/// A currency code in the lower case of answers; upper case is taken too.
pub(crate) fn currency(text: &str, param: &str) -> Result<String, Failure> {
    let code = text.to_ascii_lowercase();
    if CURRENCIES.split_ascii_whitespace().any(|known| known == code) {
        return Ok(code);
    }
    Err(Failure::invalid(format!("Invalid currency: {text}; use a three-letter code like `usd`"))
        .param(param))
}

/// An amount within the limits of an invoice item.
pub(crate) fn amount(amount: i64, param: &str) -> Result<i64, Failure> {
    if amount.unsigned_abs() <= GREATEST_AMOUNT.unsigned_abs() {
        return Ok(amount);
    }
    let (code, bound) = if amount < 0 {
        ("amount_too_small", "no less than minus")
    } else {
        ("amount_too_large", "no more than")
    };
    Err(Failure::invalid(format!("Amount must be {bound} {GREATEST_AMOUNT}")).code(code).param(param))
}

/// Refuses an amount that no payment can have.
pub(crate) fn check_payment(amount: i64, currency: &str) -> Result<(), Failure> {
    let of = |table: &[(&str, i64)]| table.iter().find(|(code, _)| *code == currency).map(|(_, it)| *it);
    if amount < 1 {
        let message = "This value must be greater than or equal to 1.";
        return Err(Failure::invalid(message).code("parameter_invalid_integer").param("amount"));
    }
    let least = of(LEAST_PAYMENTS).unwrap_or(50);
    if amount < least {
        let message = format!("Amount must be at least {least} {currency} (in its smallest unit)");
        return Err(Failure::invalid(message).code("amount_too_small").param("amount"));
    }
    if amount > GREATEST_PAYMENT {
        let message = format!("Amount must be no more than {GREATEST_PAYMENT}");
        return Err(Failure::invalid(message).code("amount_too_large").param("amount"));
    }
    match of(ROUND) {
        Some(unit) if amount % unit != 0 => {
            let message = format!("Amounts in {currency} must be multiples of {unit}");
            Err(Failure::invalid(message).param("amount"))
        }
        Some(_) | None => Ok(()),
    }
}

/// A unit amount in plain digits times a quantity, half a unit rounded away from zero.
/// `None` where that is beyond any integer.
pub(crate) fn times(unit: &str, quantity: i64) -> Option<i64> {
    let (negative, unsigned) = unit.strip_prefix('-').map_or((false, unit), |rest| (true, rest));
    let (whole, places) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let scale = 10_i128.checked_pow(u32::try_from(places.len()).ok()?)?;
    let places: i128 = if places.is_empty() { 0 } else { places.parse().ok()? };
    let digits = whole.parse::<i128>().ok()?.checked_mul(scale)?.checked_add(places)?;
    let product = digits.checked_mul(i128::from(quantity))?;
    let rounded = (product.abs().checked_mul(2)?.checked_add(scale)?) / (2 * scale);
    let signed = if negative == (product < 0) { rounded } else { -rounded };
    i64::try_from(signed).ok()
}

#[cfg(test)]
mod tests {
    use super::times;

    #[track_caller]
    fn check(unit: &str, quantity: i64, expect: Option<i64>) {
        assert_eq!(times(unit, quantity), expect, "{unit} × {quantity}");
    }

    #[test]
    fn unit_amounts_multiply_exactly() {
        check("9900", 3, Some(29_700));
        check("0.5", 1, Some(1));
        check("0.4999", 1, Some(0));
        check("-0.5", 1, Some(-1));
        check("0.333333333333", 3, Some(1));
        check("-10.25", 2, Some(-21));
        check("10.25", -2, Some(-21));
        check("999999999999999", i64::MAX, None);
        check("0", 5, Some(0));
    }
}
