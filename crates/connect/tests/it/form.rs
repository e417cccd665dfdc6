//! The bracket form, read back: what was written is what arrives.

use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use crate::support::{Stamp, anything, prepare};

/// Reads a form as a server does: split, decode, descend along the brackets. Everything is text afterwards.
pub fn decode(form: &str) -> serde_json::Value {
    let mut root = serde_json::Value::Null;
    for pair in form.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap();
        let mut at = &mut root;
        for segment in key.split('[') {
            let segment = decoded(segment.strip_suffix(']').unwrap_or(segment));
            if at.is_null() {
                *at = serde_json::json!({});
            }
            at = at.as_object_mut().unwrap().entry(segment).or_insert(serde_json::Value::Null);
        }
        assert!(at.is_null(), "{key} is there twice in {form}");
        *at = decoded(value).into();
    }
    root
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

/// What must arrive: nulls gone, scalars as text, lists by their indexes, nothing for what is empty.
pub fn expected(value: &serde_json::Value) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    let members: serde_json::Map<String, Json> = match value {
        Json::Null => return None,
        Json::String(text) => return Some(Json::String(text.clone())),
        Json::Bool(_) | Json::Number(_) => return Some(Json::String(value.to_string())),
        Json::Array(items) => {
            let items = items.iter().filter_map(expected).enumerate();
            items.map(|(index, item)| (index.to_string(), item)).collect()
        }
        Json::Object(members) => {
            members.iter().filter_map(|(key, value)| Some((key.clone(), expected(value)?))).collect()
        }
    };
    (!members.is_empty()).then_some(Json::Object(members))
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value as Json;
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        text().prop_map(Json::from),
    ];
    scalar.prop_recursive(4, 32, 5, |inner| {
        let key = "[^\\[\\]{}]{1,6}";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            proptest::collection::btree_map(key, inner, 0..5)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

/// Any text that is no template.
fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace('{', "("))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_written_arrives(value in json()) {
        let config = serde_json::json!({"x": value}).to_string();
        let request = prepare(&anything(), &config, "{}", Stamp::Off).unwrap();
        prop_assert!(request.form.is_ascii());
        let arrived = decode(&request.form);
        let due = expected(&value).map_or(serde_json::Value::Null, |value| serde_json::json!({"x": value}));
        prop_assert_eq!(arrived, due);
    }

    #[test]
    fn a_path_value_never_leaves_its_segment(id in any::<String>()) {
        let input = serde_json::json!({"id": id}).to_string();
        match prepare(&crate::support::removal(), r#"{"thingId": "{{input.id}}"}"#, &input, Stamp::Off) {
            Ok(request) => {
                let segment = request.path.strip_prefix("/v1/things/").unwrap();
                prop_assert_eq!(decoded(segment), id);
                prop_assert!(!segment.contains(['/', '?', '#', '\\']) && segment != "." && segment != "..");
            }
            Err(_) => prop_assert!(matches!(id.as_str(), "" | "." | "..")),
        }
    }
}

#[test]
fn the_same_call_is_always_the_same_request() {
    let config = r#"{"x": {"z": 1, "a": {"y": [1, 2]}, "m": "t"}}"#;
    let first = prepare(&anything(), config, "{}", Stamp::Off).unwrap();
    assert_eq!(first.form, "x[z]=1&x[a][y][0]=1&x[a][y][1]=2&x[m]=t");
    assert_eq!(prepare(&anything(), config, "{}", Stamp::Off).unwrap(), first);
}
