//! Types of parameters, in words and as JSON.

use loopfour_lang::catalog::{Type, camel_case};
use serde_json::{Value, json};

/// In a few words.
pub fn text(kind: &Type) -> String {
    match kind {
        Type::Text { .. } => "text".to_owned(),
        Type::Integer => "integer".to_owned(),
        Type::Timestamp => "timestamp, seconds since 1970".to_owned(),
        Type::Number => "number".to_owned(),
        Type::Decimal => "decimal".to_owned(),
        Type::Boolean => "boolean".to_owned(),
        Type::Enumeration(values) => values.join(" | "),
        Type::List(inner) => format!("list of {}", text(inner)),
        Type::Map(inner) => format!("map of {}", text(inner)),
        Type::Object { members, .. } => {
            let names: Vec<String> = members.keys().map(|wire| camel_case(wire)).collect();
            format!("object {{{}}}", names.join(", "))
        }
        Type::OneOf(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        Type::Clearable(inner) => format!("{}; \"\" clears it", text(inner)),
        Type::Any => "anything".to_owned(),
    }
}

/// With everything that is known.
pub fn json(kind: &Type) -> Value {
    match kind {
        Type::Text { max } => json!({"type": "text", "maxLength": max}),
        Type::Integer => json!({"type": "integer"}),
        Type::Timestamp => json!({"type": "timestamp"}),
        Type::Number => json!({"type": "number"}),
        Type::Decimal => json!({"type": "decimal"}),
        Type::Boolean => json!({"type": "boolean"}),
        Type::Enumeration(values) => json!({"type": "enumeration", "values": values}),
        Type::List(inner) => json!({"type": "list", "items": json(inner)}),
        Type::Map(inner) => json!({"type": "map", "values": json(inner)}),
        Type::Object { members, required } => {
            let members: serde_json::Map<String, Value> =
                members.iter().map(|(wire, kind)| (wire.clone(), json(kind))).collect();
            json!({"type": "object", "members": members, "required": required})
        }
        Type::OneOf(kinds) => json!({"type": "oneOf", "types": kinds.iter().map(json).collect::<Vec<_>>()}),
        Type::Clearable(inner) => {
            let mut kind = json(inner);
            kind["clearable"] = json!(true);
            kind
        }
        Type::Any => json!({"type": "any"}),
    }
}
