//! Checks answered objects against the objects table: required fields, types, no unknown field.
//! For tests and fixtures; a call's answer is built right by `objects` and not checked again.

use serde_json::Value;

use crate::table::{Fields, Shape, TABLE, Type};

/// What is wrong with an answer of Stripe's API (an object, a list, or a deleted object), by path.
/// Empty where nothing is.
///
/// ```
/// use loopfour_sandbox::shape::problems;
/// use serde_json::json;
///
/// let customer = json!({"id": "cus_x", "object": "customer", "created": 1, "livemode": "no"});
/// assert_eq!(problems(&customer), ["customer.livemode: not a boolean"]);
/// ```
pub fn problems(answer: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if answer["object"] == "list" {
        page(None, answer, "list", &mut found);
    } else {
        object(answer, answer["object"].as_str().unwrap_or_default(), &mut found);
    }
    found
}

fn object(value: &Value, path: &str, found: &mut Vec<String>) {
    let name = value["object"].as_str().unwrap_or_default();
    let Some(table) = TABLE.object(name) else {
        return found.push(format!("{path}: no object of the kind `{name}`"));
    };
    if value["deleted"] == true {
        if value.as_object().is_some_and(|fields| fields.len() != 3) || !value["id"].is_string() {
            found.push(format!("{path}: a deleted object has an id and nothing else"));
        }
        return;
    }
    fields(table, value, path, found);
}

fn fields(table: &Fields, value: &Value, path: &str, found: &mut Vec<String>) {
    let Some(given) = value.as_object() else { return found.push(format!("{path}: not an object")) };
    for (name, kind) in &table.types {
        let path = format!("{path}.{name}");
        match given.get(name) {
            None | Some(Value::Null) if table.nullable.contains(name) => {}
            None => found.push(format!("{path}: missing")),
            Some(value) => check(kind, value, &path, found),
        }
    }
    let unknown = given.keys().filter(|name| !table.types.contains_key(*name));
    found.extend(unknown.map(|name| format!("{path}.{name}: unknown")));
}

fn check(kind: &Type, value: &Value, path: &str, found: &mut Vec<String>) {
    let mut need = |sound: bool, fault: &str| {
        if !sound {
            found.push(format!("{path}: {fault}"));
        }
    };
    match &kind.shape {
        Shape::Text { .. } => need(value.is_string(), "not a text"),
        Shape::Integer => need(value.is_i64(), "not an integer"),
        Shape::Number => need(value.is_number(), "not a number"),
        Shape::Boolean => need(value.is_boolean(), "not a boolean"),
        Shape::Decimal => {
            need(value.as_str().is_some_and(|text| text.parse::<f64>().is_ok()), "not a decimal");
        }
        Shape::Enum(known) => need(known.iter().any(|known| value == known), "not one of the known values"),
        Shape::Mark => need(*value == true, "not true"),
        Shape::Anything => {}
        Shape::List(item) => {
            need(value.is_array(), "not an array");
            for (index, value) in value.as_array().into_iter().flatten().enumerate() {
                check(item, value, &format!("{path}[{index}]"), found);
            }
        }
        Shape::Map(item) => {
            need(value.is_object(), "not an object");
            for (key, value) in value.as_object().into_iter().flatten() {
                check(item, value, &format!("{path}[{key}]"), found);
            }
        }
        Shape::OneOf(kinds) => {
            let fits = |kind: &Type| {
                let mut inner = Vec::new();
                check(kind, value, path, &mut inner);
                inner.is_empty()
            };
            need(kinds.iter().any(fits), "fits no alternative");
        }
        Shape::Object(table) => fields(table, value, path, found),
        Shape::Use(name) => match TABLE.object_type(name) {
            Some(kind) => check(kind, value, path, found),
            None => need(false, "a type without a row in the table"),
        },
        Shape::Inline(name) => inline(std::slice::from_ref(name), value, path, found),
        Shape::Expandable(names) if value.is_object() => inline(names, value, path, found),
        Shape::Expandable(_) => need(value.is_string(), "neither an id nor an object"),
        Shape::Page(item) => page(Some(item), value, path, found),
    }
}

fn inline(names: &[String], value: &Value, path: &str, found: &mut Vec<String>) {
    if names.iter().any(|name| value["object"] == name.as_str()) {
        object(value, path, found);
    } else {
        found.push(format!("{path}: an object of another kind"));
    }
}

fn page(item: Option<&Type>, value: &Value, path: &str, found: &mut Vec<String>) {
    let names: Vec<&str> = value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let sound = value["object"] == "list" && value["has_more"].is_boolean() && value["url"].is_string();
    if !sound || names.len() != 4 {
        found.push(format!("{path}: a list has object, data, has_more and url"));
    }
    let Some(data) = value["data"].as_array() else {
        return found.push(format!("{path}.data: not an array"));
    };
    for (index, value) in data.iter().enumerate() {
        let path = format!("{path}.data[{index}]");
        match item {
            Some(item) => check(item, value, &path, found),
            None => object(value, &path, found),
        }
    }
}
