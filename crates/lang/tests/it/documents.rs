//! Documents: they take, refuse and mean what the strict reader does, and their text says the same as their value.

use loopfour_lang::json::{parse, parse_exact};
use loopfour_lang::{Document, Value};
use proptest::prelude::*;

/// Documents and the reader agree on it: both read the same value, or both have the same error.
#[track_caller]
fn agrees(text: &[u8]) {
    let shown = String::from_utf8_lossy(text);
    match (parse(text), Document::parse(text)) {
        (Ok(value), Ok(document)) => {
            assert_eq!(parse_exact(document.text().as_bytes()).as_ref(), Ok(&value), "{shown}");
            assert_eq!(document.value(), &value, "{shown}");
            assert_eq!(document, Document::from(value.clone()), "{shown}");
            assert_eq!(document.is_object(), matches!(value, Value::Object(_)), "{shown}");
            let written = serde_json::to_string(&document).expect("a document is JSON");
            assert_eq!(written, document.text());
            assert_eq!(
                serde_json::from_str::<Document>(&written).expect("it was written"),
                document,
                "{shown}"
            );
            assert_eq!(serde_json::from_str::<Value>(&written).expect("it was written"), value, "{shown}");
        }
        (Err(expected), Err(error)) => assert_eq!(error, expected, "{shown}"),
        (value, document) => panic!("{shown}: {value:?} and {document:?}"),
    }
}

/// It is kept as this text.
#[track_caller]
fn check(text: &str, kept: &str) {
    agrees(text.as_bytes());
    assert_eq!(Document::parse(text.as_bytes()).expect(text).text(), kept, "{text}");
}

#[test]
fn white_space_goes_and_numbers_are_written_as_values_write_them() {
    check("null", "null");
    check(" \t\r\n {} \n", "{}");
    check(" { \"a\" : [ 1 , \" \\\" \" , { } ] ,\n\"b\": null } ", r#"{"a":[1," \" ",{}],"b":null}"#);
    check("[0,-0,-0.0,9900.0,1e2,0.10,-12.50,1E-7]", "[0,0,0,9900,100,0.1,-12.5,0.0000001]");
    check("[9223372036854775807,-9223372036854775808]", "[9223372036854775807,-9223372036854775808]");
    check("0.1000000000000000055511151231257827", "0.1");
    check(r#" "\u00e9\/" "#, r#""\u00e9\/""#);
}

#[test]
fn what_the_reader_refuses_is_refused_alike() {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "[1 2]",
        "{\"a\" 1}",
        "{a:1}",
        "nul",
        "01",
        "1.",
        "1e",
        "--1",
        "\"",
        "\"\t\"",
        "[]x",
        "\u{feff}{}",
        r#""\ud800""#,
        r#""\ud800\u0041""#,
        r#""\x""#,
        r#""\u12""#,
        "9223372036854775808",
        "1e400",
        "1e-400",
        "1e30",
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"a":1,"b":{"c":1,"c":2},"d":01}"#,
        r#"{"a":01,"b":1,"b":2}"#,
        &deep(65),
    ] {
        assert!(parse(text.as_bytes()).is_err(), "{text}");
        agrees(text.as_bytes());
    }
    agrees(b"\"\xff\"");
    agrees(deep(64).as_bytes());
    agrees(br#"{"a":{"b":1,"c":2},"b":{"b":1,"c":2},"c":[{"b":1},{"b":1}]}"#);
}

#[test]
fn many_keys_are_told_apart() {
    let object = |last: &str| {
        let members: Vec<String> =
            (0..20_000).map(|n| format!("\"key_{n}_with_one_and_the_same_end\":0")).collect();
        format!("{{{},\"{last}\":0}}", members.join(","))
    };
    agrees(object("another").as_bytes());
    agrees(object("key_7_with_one_and_the_same_end").as_bytes());
}

#[test]
fn documents_are_equal_by_value() {
    let document = |text: &str| Document::parse(text.as_bytes()).unwrap();
    assert_eq!(document(r#"{"a":"é","b":1}"#), document(r#"{"b":1.0,"a":"\u00e9"}"#));
    assert_ne!(document("[1]"), document("[2]"));
    assert_eq!(Document::default().value(), &Value::Null);
}

#[test]
fn what_was_stored_is_read_exactly_and_never_unchecked() {
    let read = |text: &str| serde_json::from_str::<Document>(text);
    assert_eq!(read("3.333333333333333333333333333").unwrap().to_string(), "3.333333333333333333333333333");
    let deep = "[".repeat(256) + &"]".repeat(256);
    assert_eq!(read(&deep).unwrap().text(), deep);
    for text in [r#"{"a":1,"a":1}"#, r#""\ud800""#, "1e30", &format!("[{deep}]")] {
        assert!(read(text).is_err(), "{text}");
    }
}

/// Nearly JSON: tokens in any order, so that all rules of the reader are met.
fn tokens() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just(" "),
        Just("\n"),
        Just("\"a\""),
        Just("\"b\""),
        Just("\"\\u0061\""),
        Just("\"\\n\\/é\""),
        Just("1"),
        Just("-0"),
        Just("1.50"),
        Just("2e3"),
        Just("null"),
        Just("true"),
    ];
    proptest::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

/// JSON in any layout, seldom with a key that stands twice.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("false".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        (any::<i32>(), 0..40_u32)
            .prop_map(|(number, scale)| format!("{number}.{scale}e{}", i64::from(scale) - 20)),
        any::<f64>().prop_map(|float| format!("{float:?}")),
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("text is JSON")),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let space = prop_oneof![Just(""), Just(" "), Just("\n\t")];
        let member = ("[a-f]{1,2}", inner.clone(), space.clone())
            .prop_map(|(key, value, space)| format!("{space}\"{key}\"{space}:{space}{value}"));
        let item = (inner, space).prop_map(|(value, space)| format!("{space}{value}{space}"));
        prop_oneof![
            proptest::collection::vec(item, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec(member, 1..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn documents_and_the_reader_agree_on_json(text in json()) {
        agrees(text.as_bytes());
    }

    #[test]
    fn documents_and_the_reader_agree_on_tokens(text in tokens()) {
        agrees(text.as_bytes());
    }

    #[test]
    fn documents_and_the_reader_agree_on_bytes(text in proptest::collection::vec(any::<u8>(), 0..24)) {
        agrees(&text);
    }
}
