//! Currencies and amounts as Stripe takes them: integers in the smallest unit.

use crate::errors::Failure;

/// The currency where nothing else says one.
pub(crate) const DEFAULT_CURRENCY: &str = "usd";

/// The greatest amount of an invoice item, either way: twelve digits.
pub(crate) const GREATEST_AMOUNT: i64 = 999_999_999_999;

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
