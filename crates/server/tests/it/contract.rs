//! Holds every answer that a test gets against the OpenAPI document: its status, its code, its body, its headers.

use std::sync::LazyLock;

use jsonschema::Validator;
use loopfour_server::openapi::DOCUMENT;
use serde_json::{Value, json};

use crate::server::Reply;

pub static API: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&DOCUMENT).unwrap());

/// The document's entry for a request line such as `GET /api/v1/me?x=1`.
pub fn operation(line: &str) -> Option<&'static Value> {
    let (method, target) = line.split_once(' ')?;
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
    // The page's other address answers as the one that is told of.
    let path = target.split('?').next().map(|path| if path == "/docs/" { "/docs" } else { path })?;
    let fits = |template: &str| {
        let (template, path): (Vec<&str>, Vec<&str>) =
            (template.split('/').collect(), path.split('/').collect());
        let alike =
            |(one, other): (&&str, &&str)| one == other || (one.starts_with('{') && !other.is_empty());
        template.len() == path.len() && template.iter().zip(&path).all(alike)
    };
    let mut found: Vec<(&String, &Value)> =
        API["paths"].as_object()?.iter().filter(|(template, _)| fits(template)).collect();
    // What is written out goes before what varies.
    found.sort_by_key(|(template, _)| template.matches('{').count());
    found.first()?.1.get(&method)
}

pub fn validator(schema: &Value) -> Validator {
    let mut whole = schema.clone();
    whole["components"] = API["components"].clone();
    jsonschema::options().should_validate_formats(true).build(&whole).unwrap()
}

/// Panics where the answer is not one that the document promises. What has no entry is 404 or 405, with a key
/// also 401 or 429.
#[track_caller]
pub fn check(line: &str, reply: &Reply) {
    if reply.status == 431 && reply.body.is_empty() {
        // The parser's own answer, before any address is looked at.
        return;
    }
    let Some(operation) = operation(line) else {
        let known: &[u16] = if line.contains(" /api/v1") { &[404, 405, 401, 429] } else { &[404, 405] };
        assert!(known.contains(&reply.status), "{line} is in no document, but answers {}", reply.status);
        return;
    };
    let response = &operation["responses"][reply.status.to_string()];
    assert!(!response.is_null(), "{line} answers {}, which is not documented: {}", reply.status, reply.body);
    for name in reply.headers.keys().filter(|name| name.starts_with("x-ratelimit")) {
        let known = response["headers"].as_object().unwrap();
        assert!(known.keys().any(|known| known.eq_ignore_ascii_case(name)), "{line}: {name}");
    }
    if response["headers"].get("ETag").is_some() {
        assert!(reply.headers.contains_key("etag"), "{line} has no entity tag");
    }
    let Some(contents) = response["content"].as_object() else {
        assert_eq!(reply.body, "", "{line}");
        return;
    };
    let given = &reply.headers["content-type"];
    let Some((kind, content)) = contents.iter().find(|(kind, _)| given.split(';').next() == Some(kind))
    else {
        panic!("{line} answers with {given}");
    };
    if line.starts_with("HEAD") || kind != "application/json" {
        return;
    }
    let body = reply.json();
    let wrong: Vec<String> = validator(&content["schema"])
        .iter_errors(&body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{line} {}: {wrong:#?}\n{}", reply.status, reply.body);
    if let Some(codes) = response["x-error-codes"].as_array() {
        assert!(codes.contains(&body["error"]["code"]), "{line}: {}", reply.body);
    }
}

/// Every reference of the document.
pub fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match member {
                    Value::String(text) if key == "$ref" => found.push(text.clone()),
                    member => references(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
#[should_panic(expected = "which is not documented")]
fn an_answer_that_is_not_promised_fails_the_test() {
    let reply = Reply { status: 418, headers: Default::default(), body: json!({}).to_string() };
    check("GET /api/v1/me", &reply);
}
