//! Reading JSON strictly.

use loopfour_lang::json::{Kind, Node, parse, parse_exact, parse_nodes, place_in_literal};
use proptest::prelude::*;

/// What is read is written like this, by both readers alike.
#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(parse(text.as_bytes()).map(|value| value.to_string()).as_deref(), Ok(expected), "{text}");
    assert_eq!(parse_nodes(text).map(|node| node.to_value().to_string()).as_deref(), Ok(expected), "{text}");
}

/// Both readers refuse it with this message, at this line and column.
#[track_caller]
fn refused(text: &str, message: &str, line: usize, column: usize) {
    for error in [parse(text.as_bytes()).expect_err(text), parse_nodes(text).expect_err(text)] {
        assert_eq!((error.message.as_str(), error.line, error.column), (message, line, column), "{text}");
        assert_eq!(error.to_string(), format!("{message} at line {line}, column {column}"));
        assert!(error.at <= text.len());
    }
}

#[test]
fn values_are_read() {
    check("null", "null");
    check(" \t\r\n true \n", "true");
    check("false", "false");
    check("\"\"", "\"\"");
    check("[]", "[]");
    check("{}", "{}");
    check("[ 1 , \"a\" , [ ] , { } ]", r#"[1,"a",[],{}]"#);
    check(r#"{ "b" : 1 , "a" : { "c" : null } }"#, r#"{"b":1,"a":{"c":null}}"#);
    check(r#""\"\\\/\b\f\n\r\t""#, r#""\"\\/\u0008\u000c\n\r\t""#);
    check(r#""\u0041\u00e9\u20AC\ud83e\udd80""#, "\"Aé€🦀\"");
    check("\"é🦀\u{7f}\"", "\"é🦀\u{7f}\"");
    check(r#""\u0000""#, r#""\u0000""#);
    check(r#"{"":0,"\u0061":1}"#, r#"{"":0,"a":1}"#);
}

#[test]
fn numbers_are_exact() {
    check("0", "0");
    check("-0", "0");
    check("-0.0", "0");
    check("9900.0", "9900");
    check("1e2", "100");
    check("1E+2", "100");
    check("1.5e1", "15");
    check("1e-2", "0.01");
    check("0.10", "0.1");
    check("-12.50", "-12.5");
    check("0.1", "0.1");
    check("0.30000000000000004", "0.30000000000000004");
    check("0.1000000000000000055511151231257827", "0.1");
    check("9223372036854775807", "9223372036854775807");
    check("-9223372036854775808", "-9223372036854775808");
    check("0e999999999999", "0");
    for text in [
        "9223372036854775808",
        "-9223372036854775809",
        "1e19",
        "1e400",
        "-1e400",
        "1e-30",
        "1e-400",
        "1e999999999999999999999",
        "123456789012345678901234567890",
    ] {
        refused(text, &format!("the number {text} is out of range"), 1, 1);
    }
    let long = "9".repeat(100);
    refused(&long, &format!("the number {}… is out of range", "9".repeat(60)), 1, 1);
    for text in ["01", "-01", "1.", "-", "1e", "1e+", "-a", "00", "1.e5", "-.5"] {
        refused(text, "this is not a number in JSON's form", 1, 1);
    }
    for (text, found) in [("+1", "+"), (".5", "."), ("NaN", "N"), ("Infinity", "I")] {
        refused(text, &format!("expected a JSON value, found `{found}`"), 1, 1);
    }
}

#[test]
fn our_own_decimals_keep_every_digit() {
    for text in ["0.1234567890123456789012345678", "-1234567890123.123456789012345", "9223372036854775807.5"]
    {
        assert_eq!(parse_exact(text.as_bytes()).unwrap().to_string(), text);
    }
    assert!(parse_exact(b"1.2345678901234567890123456789").is_err());
}

#[test]
fn what_is_no_json_is_refused() {
    refused("", "the text ends where a value is expected", 1, 1);
    refused("  ", "the text ends where a value is expected", 1, 3);
    refused("\u{feff}{}", "there is a byte-order mark before the JSON", 1, 1);
    refused("{} x", "there is more text after the JSON", 1, 4);
    refused("1 2", "there is more text after the JSON", 1, 3);
    refused("nullx", "there is more text after the JSON", 1, 5);
    refused("[1,]", "there is nothing after the comma", 1, 4);
    refused(r#"{"a":1,}"#, "there is nothing after the comma", 1, 8);
    refused("[1 2]", "expected `,` or `]`", 1, 4);
    refused(r#"{"a":1 "b":2}"#, "expected `,` or `}`", 1, 8);
    refused("[1", "the text ends before `]`", 1, 3);
    refused(r#"{"a":1"#, "the text ends before `}`", 1, 7);
    refused("{", "the text ends before `}`", 1, 2);
    refused("[,1]", "expected a JSON value, found `,`", 1, 2);
    refused("{a:1}", "expected a key in double quotes", 1, 2);
    refused("{1:1}", "expected a key in double quotes", 1, 2);
    refused(r#"{"a" 1}"#, "expected `:` after the key", 1, 6);
    refused(r#"{"a":}"#, "expected a JSON value, found `}`", 1, 6);
    refused(r#"{"a":1,"#, "the text ends before a key", 1, 8);
    refused("'a'", "expected a JSON value, found `'`", 1, 1);
    refused("// c\n1", "expected a JSON value, found `/`", 1, 1);
    refused("True", "expected a JSON value, found `T`", 1, 1);
    refused("\"abc", "this string is not closed", 1, 1);
    refused("\"abc\\", "this escape does not exist in JSON", 1, 5);
    refused("\"\\x\"", "this escape does not exist in JSON", 1, 2);
    refused("\"\\é\"", "this escape does not exist in JSON", 1, 2);
    refused("\"\\u12\"", "`\\u` needs four hexadecimal digits", 1, 2);
    refused("\"\\u+123\"", "`\\u` needs four hexadecimal digits", 1, 2);
    refused("\"\\u12é\"", "`\\u` needs four hexadecimal digits", 1, 2);
    refused("\"a\nb\"", "a control character in a string must be escaped", 1, 3);
    refused("\"a\tb\"", "a control character in a string must be escaped", 1, 3);
    refused("\"\u{0}\"", "a control character in a string must be escaped", 1, 2);
    refused("[1\u{a0}]", "expected `,` or `]`", 1, 3);
}

#[test]
fn lone_surrogates_are_refused() {
    for half in [
        r"\ud800",
        r"\udbff",
        r"\udc00",
        r"\udfff",
        r"\ud800x",
        r"\ud800\n",
        r"\ud800\u0041",
        r"\ud800\ud800",
        r"\udc00\ud800",
    ] {
        refused(&format!("\"{half}\""), "half of a surrogate pair stands alone", 1, 2);
        refused(&format!("{{\"{half}\":1}}"), "half of a surrogate pair stands alone", 1, 3);
    }
}

#[test]
fn places_count_characters() {
    refused("{\n  \"é🦀\": x\n}", "expected a JSON value, found `x`", 2, 9);
    refused("[\r\n1,\r\n?]", "expected a JSON value, found `?`", 3, 1);
    let error = parse(b"[\"\xc3\xa9\", \"\xff\"]").unwrap_err();
    assert_eq!((error.message.as_str(), error.line, error.column, error.at), ("this is not UTF-8", 1, 8, 8));
}

#[test]
fn a_key_stands_once_in_an_object() {
    for (text, line, column) in [
        (r#"{"a":1,"a":2}"#, 1, 8),
        (r#"{"a":1,"\u0061":2}"#, 1, 8),
        ("[{\"x\":\n{\"a\":{},\"b\":1,\"a\":1}}]", 2, 15),
    ] {
        let error = parse(text.as_bytes()).unwrap_err();
        assert_eq!(
            (error.message.as_str(), error.line, error.column),
            ("the key `a` stands twice in one object", line, column)
        );
        assert!(parse_nodes(text).is_ok());
    }
    let Kind::Object(members) = parse_nodes(r#"{"a":1,"a":2}"#).unwrap().kind else { panic!() };
    assert_eq!(members.len(), 2);
    assert_eq!(parse_nodes(r#"{"a":1,"a":2}"#).unwrap().to_value().to_string(), r#"{"a":2}"#);
    check(r#"{"a":{"a":1},"A":[{"a":2},{"a":3}]}"#, r#"{"a":{"a":1},"A":[{"a":2},{"a":3}]}"#);
}

#[test]
fn nesting_ends_at_64() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
        check(&nested(64), &nested(64));
        refused(&nested(65), "this is nested more than 64 levels deep", 1, 64 * open.len() + 1);
        refused(&nested(10_000), "this is nested more than 64 levels deep", 1, 64 * open.len() + 1);
    }
    let wide = format!("[{}[]]", "[[]],".repeat(100));
    check(&wide, &wide);
}

#[test]
fn nodes_know_where_they_stand() {
    let text = "{ \"é\" : [ 1.50 , null ],\n\"b\\n\":\"x\\u0041\" }";
    let node = parse_nodes(text).unwrap();
    let slice = |node: &Node| &text[node.span.start..node.span.end];
    assert_eq!(slice(&node), text);
    let Kind::Object(members) = &node.kind else { panic!() };
    assert_eq!(&text[members[0].key_span.start..members[0].key_span.end], "\"é\"");
    assert_eq!(slice(&members[0].value), "[ 1.50 , null ]");
    let Kind::Array(items) = &members[0].value.kind else { panic!() };
    assert_eq!((slice(&items[0]), slice(&items[1])), ("1.50", "null"));
    assert_eq!(&text[members[1].key_span.start..members[1].key_span.end], "\"b\\n\"");
    assert_eq!(members[1].key, "b\n");
    assert_eq!(slice(&members[1].value), "\"x\\u0041\"");
}

/// A string written with as many `\u` escapes as can be.
fn escaped(text: &str) -> String {
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{units}\"")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_character_is_found_in_its_literal(text in "(\\PC|[\\x00-\\x1f\"\\\\/]|🦀|é){0,40}") {
        for literal in [serde_json::to_string(&text).unwrap(), escaped(&text)] {
            let mut places = Vec::new();
            for (offset, character) in text.char_indices() {
                let place = place_in_literal(&literal, offset);
                let rest = format!("\"{}", &literal[place..]);
                let read = parse(rest.as_bytes()).unwrap().to_text();
                prop_assert_eq!(&read, &text[offset..], "{:?} in {}", character, literal);
                places.push(place);
            }
            prop_assert_eq!(place_in_literal(&literal, text.len()), literal.len() - 1);
            prop_assert_eq!(place_in_literal(&literal, text.len() + 9), literal.len() - 1);
            prop_assert!(places.is_sorted());
        }
    }

    #[test]
    fn nothing_makes_the_readers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let read = parse(&bytes);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            prop_assert_eq!(parse_nodes(text).is_ok(), read.is_ok() || read.is_err_and(|error| error.message.contains("twice")));
        }
    }

    #[test]
    fn nothing_like_json_makes_the_readers_panic(text in "([\\[\\]{}:,\"\\\\]|\\\\u|[0-9eE.+-]|d8|dc|true|null|é| |\n){0,60}") {
        let read = parse(text.as_bytes());
        prop_assert_eq!(parse_nodes(&text).is_ok(), read.is_ok() || read.is_err_and(|error| error.message.contains("twice")));
    }

    #[test]
    fn places_in_any_literal_are_within_it(literal in "\"(\\\\u[0-9a-f]{0,4}|\\\\|é|a){0,20}\"", offset in 0_usize..80) {
        prop_assert!(place_in_literal(&literal, offset) <= literal.len());
    }
}
