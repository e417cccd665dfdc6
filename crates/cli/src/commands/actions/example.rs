//! An example step for an action: its required parameters and as many of the documented ones as go together, which the
//! checker decides.

use loopfour_lang::catalog::{Action, Parameter, Type, camel_case};
use loopfour_lang::{Catalog, Options};
use serde_json::{Map, Value, json};

/// Values that say more than one made from the type, by wire name.
const SAMPLES: [(&str, &str); 9] = [
    ("amount", "9900"),
    ("currency", "\"usd\""),
    ("days_until_due", "30"),
    ("limit", "10"),
    ("metadata", "{\"order\": \"{{input.order}}\"}"),
    ("off_session", "false"),
    ("payment_method_types", "[\"card\"]"),
    ("quantity", "2"),
    ("return_url", "\"https://example.com/done\""),
];
/// Members of objects that are shown, where the object has them.
const MEMBERS: [&str; 6] = ["id", "price", "line1", "city", "postal_code", "country"];

/// The example.
pub fn step(action: &Action) -> Value {
    let mut chosen: Vec<&Parameter> =
        action.parameters.iter().filter(|parameter| parameter.required).collect();
    let mut alone: Vec<&Parameter> = Vec::new();
    for parameter in action.parameters.iter().filter(|parameter| parameter.documented && !parameter.required)
    {
        let with = |others: &[&'_ Parameter]| is_right(action, &[&chosen[..], &[parameter], others].concat());
        if with(&[]) {
            chosen.push(parameter);
        } else if let Some(index) = alone.iter().position(|other| with(&[other])) {
            // Some parameters are right only in the company of another.
            chosen.extend([alone.remove(index), parameter]);
        } else {
            alone.push(parameter);
        }
    }
    written(action, &chosen)
}

fn is_right(action: &Action, chosen: &[&Parameter]) -> bool {
    let workflow = json!({"name": "Example", "trigger": {"type": "api"}, "steps": [written(action, chosen)]})
        .to_string();
    let options = Options { catalog: Catalog::builtin(), environment: &[] };
    loopfour_lang::check(&workflow, options).diagnostics.is_empty()
}

fn written(action: &Action, chosen: &[&Parameter]) -> Value {
    let name = action.name.split_once('.').map_or(action.name.as_str(), |(_, name)| name);
    let mut config = Map::new();
    // In the catalogue's order, whichever was chosen first.
    for parameter in &action.parameters {
        if chosen.iter().any(|other| other.name == parameter.name) {
            config.insert(parameter.name.clone(), sample(&parameter.name, &parameter.wire, &parameter.kind));
        }
    }
    json!({"id": dashed(name), "action": action.name, "config": config})
}

fn sample(name: &str, wire: &str, kind: &Type) -> Value {
    if let Some((_, text)) = SAMPLES.iter().find(|(known, _)| *known == wire) {
        return serde_json::from_str(text).unwrap_or_default();
    }
    let from_input = || Value::String(format!("{{{{input.{name}}}}}"));
    match kind {
        Type::Boolean => true.into(),
        // The first is as a rule what happens without the parameter.
        Type::Enumeration(values) => values.last().map_or(Value::Null, |value| value.as_str().into()),
        Type::List(inner) => json!([sample(name, "", inner)]),
        Type::Object { members, required } => {
            let shown = MEMBERS.into_iter().filter_map(|member| members.get_key_value(member));
            let shown = shown.chain(members.iter().filter(|(member, _)| required.contains(member)));
            let written = |(wire, kind): (&String, &Type)| {
                let name = camel_case(wire);
                (name.clone(), sample(&name, wire, kind))
            };
            Value::Object(shown.map(written).collect())
        }
        Type::OneOf(kinds) => kinds.first().map_or_else(from_input, |kind| sample(name, wire, kind)),
        Type::Clearable(inner) => sample(name, wire, inner),
        Type::Text { .. }
        | Type::Integer
        | Type::Timestamp
        | Type::Number
        | Type::Decimal
        | Type::Map(_)
        | Type::Any => from_input(),
    }
}

/// How steps are called: `createInvoice` is `create-invoice`.
fn dashed(name: &str) -> String {
    let mut dashed = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !dashed.is_empty() {
            dashed.push('-');
        }
        dashed.push(letter.to_ascii_lowercase());
    }
    dashed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_has_a_right_example_with_what_it_requires() {
        for action in Catalog::builtin().actions.values() {
            let step = step(action);
            let shown: Vec<&Parameter> = action
                .parameters
                .iter()
                .filter(|parameter| step["config"].get(&parameter.name).is_some())
                .collect();
            assert!(is_right(action, &shown), "{step:#}");
            let missing = action.parameters.iter().find(|parameter| {
                parameter.required && !shown.iter().any(|other| other.name == parameter.name)
            });
            assert!(missing.is_none(), "{step:#}");
        }
    }

    #[test]
    fn parameters_that_need_each_other_are_shown_together() {
        let action = Catalog::builtin().action("stripe.createInvoice").expect("it is in the catalogue");
        let config = &step(action)["config"];
        assert_eq!(
            (&config["collectionMethod"], &config["daysUntilDue"]),
            (&json!("send_invoice"), &json!(30))
        );
    }
}
