//! Values: what counts as true, how they are written, exact arithmetic.

use loopfour_lang::{Value, json};
use proptest::prelude::*;

use super::support::{check, evaluate, value};

#[test]
fn only_four_values_are_false() {
    for text in ["null", "false", "0", "0.0", "-0", "\"\""] {
        assert!(!json::parse(text.as_bytes()).unwrap().is_true(), "{text}");
    }
    for text in ["true", "1", "-1", "0.1", "\"0\"", "\" \"", "\"false\"", "[]", "{}", "[null]"] {
        assert!(json::parse(text.as_bytes()).unwrap().is_true(), "{text}");
    }
}

#[test]
fn values_are_written_as_text() {
    for (text, expected) in [
        ("null", ""),
        ("true", "true"),
        ("false", "false"),
        ("5", "5"),
        ("5.0", "5"),
        ("-1.50", "-1.5"),
        ("1e-7", "0.0000001"),
        ("1e18", "1000000000000000000"),
        ("\"a\\\"b\"", "a\"b"),
        (r#"[1, "a", null]"#, r#"[1,"a",null]"#),
        (r#"{"b": 1, "a": 2}"#, r#"{"b":1,"a":2}"#),
    ] {
        assert_eq!(json::parse(text.as_bytes()).unwrap().to_text(), expected, "{text}");
    }
}

#[test]
fn messages_name_kinds() {
    for (text, kind) in [
        ("null", "null"),
        ("true", "a boolean"),
        ("1", "a number"),
        ("1.5", "a number"),
        ("\"\"", "text"),
        ("[]", "an array"),
        ("{}", "an object"),
    ] {
        assert_eq!(value(text).kind(), kind);
    }
}

#[test]
fn members_and_items_are_found() {
    let both = value(r#"{"a":[1,2]}"#);
    assert_eq!(both.get("a").and_then(|list| list.at(1)), Some(&Value::Integer(2)));
    assert_eq!(both.get("b"), None);
    assert_eq!(both.at(0), None);
    assert_eq!(both.get("a").unwrap().get("0"), None);
    assert_eq!(value("\"x\"").as_text(), Some("x"));
    assert_eq!(value("1").as_text(), None);
    assert_eq!(Value::default(), Value::Null);
}

#[test]
fn equality_looks_at_content() {
    assert_eq!(value(r#"{"a":1,"b":2}"#), value(r#"{"b":2,"a":1}"#));
    assert_ne!(value("[1,2]"), value("[2,1]"));
    assert_eq!(value("1.50"), value("1.5"));
    assert_eq!(value("1.0"), value("1"));
}

/// A number of `digits`, with `scale` decimals, as it is written.
fn written(digits: i128, scale: usize) -> String {
    let sign = if digits < 0 { "-" } else { "" };
    let digits = format!("{:0width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    let sign = if digits.bytes().all(|digit| digit == b'0') { "" } else { sign };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[track_caller]
fn calculated(left: &str, sign: &str, right: &str) -> Option<String> {
    let input = format!(r#"{{"a":{left},"b":{right}}}"#);
    evaluate(&format!("{{{{ input.a {sign} input.b }}}}"), &input).ok().map(|value| value.to_string())
}

/// `left / right` to 28 significant digits, half to even, by long division on decimal digits.
fn divided(left: i128, right: i128) -> String {
    let (mut rest, divisor) = (left.unsigned_abs(), right.unsigned_abs());
    let mut digits: Vec<u8> = (rest / divisor).to_string().bytes().map(|digit| digit - b'0').collect();
    let whole = digits.len();
    rest %= divisor;
    let significant = |digits: &[u8]| digits.iter().skip_while(|digit| **digit == 0).count();
    while rest != 0 && significant(&digits) < 28 {
        rest *= 10;
        digits.push(u8::try_from(rest / divisor).expect("a digit"));
        rest %= divisor;
    }
    let odd = digits.last().is_some_and(|digit| digit % 2 == 1);
    if rest * 2 > divisor || (rest * 2 == divisor && odd) {
        for digit in digits.iter_mut().rev() {
            *digit = (*digit + 1) % 10;
            if *digit != 0 {
                break;
            }
        }
        assert!(digits.iter().any(|digit| *digit != 0), "the whole part is never all nines here");
    }
    let text: String = digits.iter().map(|digit| char::from(digit + b'0')).collect();
    let sign = if (left < 0) != (right < 0) && left != 0 { "-" } else { "" };
    let fraction = text[whole..].trim_end_matches('0');
    let whole = &text[..whole];
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[test]
fn results_are_rounded_once_to_28_digits() {
    for (left, sign, right, expected) in [
        ("1", "/", "7", "0.1428571428571428571428571429"),
        ("200", "/", "3", "66.66666666666666666666666667"),
        ("1", "/", "400", "0.0025"),
        ("0.1234567890123456789012345678", "*", "10", "1.234567890123456789012345678"),
        ("1.000000000000001", "*", "1.000000000000001", "1.000000000000002000000000000"),
        ("1.0000000000000001", "*", "1.0000000000000001", "1.0000000000000002"),
        // 1.0000000000000000000000000005 has 29 digits: half, to the even digit.
        ("1", "+", "0.0000000000000000000000000005", "1"),
        (
            "1.000000000000000000000000001",
            "+",
            "0.0000000000000000000000000005",
            "1.000000000000000000000000002",
        ),
        // A hair more than half goes up, which rounding twice would miss.
        ("1000000000000000000.5", "+", "0.0000000005000000001", "1000000000000000000.500000001"),
        ("9999999999999999999999999.998", "+", "0.0005", "9999999999999999999999999.998"),
        ("-1", "-", "0.0000000000000000000000000005", "-1"),
        ("0.3", "-", "0.1", "0.2"),
        ("0.5", "-", "0.5", "0"),
    ] {
        let expected = match expected.split_once('.') {
            Some((whole, fraction)) if fraction.ends_with('0') => {
                format!("{whole}.{}", fraction.trim_end_matches('0'))
            }
            _ => expected.to_owned(),
        };
        assert_eq!(calculated(left, sign, right), Some(expected), "{left} {sign} {right}");
    }
}

#[test]
fn serde_keeps_every_digit() {
    let text = r#"{"b":[0.1234567890123456789012345678,9223372036854775807,null],"a":"é\n"}"#;
    let read: Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    assert!(serde_json::from_str::<Value>(r#"{"a":1,"a":2}"#).is_err());
    check("{{ input.b }}", text, "[0.1234567890123456789012345678,9223372036854775807,null]");
}

fn value_strategy() -> impl Strategy<Value = Value> {
    let number = (any::<i128>(), 0_usize..28).prop_map(|(digits, scale)| {
        let digits = digits % 10_i128.pow(28);
        json::parse_exact(written(digits, scale).as_bytes()).unwrap_or(Value::Integer(1))
    });
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        number,
        "\\PC{0,8}|[\\x00-\\x20\"\\\\é🦀]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec(("\\PC{0,4}|[\\x00-\\x20\"\\\\]{0,3}", inner), 0..6)
                .prop_map(|members| Value::from(members.into_iter().collect::<loopfour_lang::Object>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_written_is_read(value in value_strategy()) {
        let text = value.to_string();
        let read = json::parse_exact(text.as_bytes()).unwrap();
        prop_assert_eq!(&read, &value);
        prop_assert_eq!(read.to_string(), text);
        let through_serde: Value = serde_json::from_str(&serde_json::to_string(&value).unwrap()).unwrap();
        prop_assert_eq!(through_serde, value);
    }

    #[test]
    fn integers_calculate_as_wide_ones_do(left in any::<i64>(), right in prop_oneof![any::<i64>(), -9_i64..9]) {
        let (a, b) = (i128::from(left), i128::from(right));
        let (left, right) = (left.to_string(), right.to_string());
        let whole = |number: i128| i64::try_from(number).ok().map(|number| number.to_string());
        prop_assert_eq!(calculated(&left, "+", &right), whole(a + b));
        prop_assert_eq!(calculated(&left, "-", &right), whole(a - b));
        prop_assert_eq!(calculated(&left, "*", &right), whole(a * b));
        prop_assert_eq!(calculated(&left, "%", &right), a.checked_rem(b).and_then(whole));
        prop_assert_eq!(calculated(&left, "<", &right), Some((a < b).to_string()));
        prop_assert_eq!(calculated(&left, "==", &right), Some((a == b).to_string()));
    }

    #[test]
    fn decimals_calculate_exactly(a in -10_i128.pow(13)..10_i128.pow(13), b in -10_i128.pow(13)..10_i128.pow(13), m in 0_usize..9, n in 0_usize..9) {
        let (left, right) = (written(a, m), written(b, n));
        let scale = m.max(n);
        let (wide_a, wide_b) = (a * 10_i128.pow((scale - m) as u32), b * 10_i128.pow((scale - n) as u32));
        prop_assert_eq!(calculated(&left, "+", &right), Some(written(wide_a + wide_b, scale)));
        prop_assert_eq!(calculated(&left, "-", &right), Some(written(wide_a - wide_b, scale)));
        let product = written(a * b, m + n);
        let fits = product.contains('.') || product.parse::<i64>().is_ok();
        prop_assert_eq!(calculated(&left, "*", &right), fits.then_some(product));
        prop_assert_eq!(calculated(&left, "%", &right), wide_a.checked_rem(wide_b).map(|rest| written(rest, scale)));
        prop_assert_eq!(calculated(&left, "<", &right), Some((wide_a < wide_b).to_string()));
    }

    #[test]
    fn quotients_are_rounded_half_to_even(a in any::<i32>(), b in prop_oneof![any::<i32>(), -99..99]) {
        let (left, right) = (i128::from(a), i128::from(b));
        let expected = (b != 0).then(|| divided(left, right));
        // Below 10^-1 the library's 28 decimals are fewer than 28 digits.
        if expected.as_ref().is_none_or(|text| !text.trim_start_matches('-').starts_with("0.0")) {
            prop_assert_eq!(calculated(&left.to_string(), "/", &right.to_string()), expected);
        }
    }

    #[test]
    fn rounding_goes_half_away_from_zero(digits in -10_i128.pow(20)..10_i128.pow(20), scale in 0_usize..10, kept in 0_usize..10) {
        let expected = match scale.checked_sub(kept) {
            None | Some(0) => written(digits, scale),
            Some(dropped) => {
                let unit = 10_i128.pow(dropped as u32);
                let nearest = (digits.abs() + unit / 2) / unit * digits.signum();
                written(nearest, kept)
            }
        };
        let fits = expected.contains('.') || expected.parse::<i64>().is_ok();
        let input = written(digits, scale);
        if input.contains('.') || input.parse::<i64>().is_ok() {
            let found = evaluate(&format!("{{{{ round(input, {kept}) }}}}"), &input).ok().map(|value| value.to_string());
            prop_assert_eq!(found, fits.then_some(expected));
            let floor = digits.div_euclid(10_i128.pow(scale as u32));
            let found = evaluate("{{ floor(input) }}", &input).ok().map(|value| value.to_string());
            prop_assert_eq!(found, i64::try_from(floor).ok().map(|floor| floor.to_string()));
            let ceil = -(-digits).div_euclid(10_i128.pow(scale as u32));
            let found = evaluate("{{ ceil(input) }}", &input).ok().map(|value| value.to_string());
            prop_assert_eq!(found, i64::try_from(ceil).ok().map(|ceil| ceil.to_string()));
        }
    }
}
