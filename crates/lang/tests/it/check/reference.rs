//! The reference of the actions in `docs/reference/`, written from the catalogue and the calls that are checked. The page
//! must be current; `LOOPFOUR_WRITE_REFERENCE=1 cargo test -p loopfour-lang reference` writes it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use loopfour_lang::catalog::{Action, Catalog, Method, Parameter, Place, Type};
use loopfour_lang::{Value, json};

const OVERLAY: &str = include_str!("../../../../../catalog/stripe/overlay.json");
const CALLS: &str = include_str!("../../../../../checks/calls.json");
/// Other parameters that are named one by one; where there are more, Stripe's reference is shorter.
const MOST_OTHERS: usize = 60;

const HEAD: &str = "# The Stripe actions

Every action of Stripe and its parameters, as Stripe's API version 2026-08-26.dahlia takes them.
This page is made from the catalogue; do not edit it.

A parameter may also be written under its name on the wire, and keys of nested objects likewise: `postalCode` is `postal_code`.
Keys of `metadata` are yours and go out as they are written.
A value that comes out null is left out, and so is a template that comes out empty; a literal `\"\"` clears the field where Stripe allows it.
What would widen the call, or move another amount, must not come out empty (`EMPTY_PARAMETER`): those parameters are marked with \u{2020}.
Every list takes `limit`, `startingAfter` and `endingBefore`; a cursor that comes out empty is left out.
Every action takes `expand`.

The last column names the calls in `checks/calls.json` that set the parameter; each is compared with what Stripe's official SDK sends.
";

struct Call {
    name: String,
    action: String,
    config: Value,
}

fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::Text(text)) => text.to_string(),
        other => panic!("{key}: {other:?}"),
    }
}

fn calls() -> Vec<Call> {
    let Ok(Value::Array(calls)) = json::parse(CALLS.as_bytes()) else { panic!("calls.json is a list") };
    let call = |call: &Value| Call {
        name: text(call, "name"),
        action: text(call, "action"),
        config: call.get("config").expect("a call has a config").clone(),
    };
    calls.iter().map(call).collect()
}

/// The actions in the order of the source document.
fn actions() -> Vec<&'static Action> {
    let overlay = json::parse(OVERLAY.as_bytes()).expect("the overlay is JSON");
    let Some(Value::Object(actions)) = overlay.get("actions") else { panic!("the overlay has actions") };
    let find = |name: &String| {
        let action = Catalog::builtin().action(&format!("stripe.{name}"));
        &**action.expect("the catalogue has the overlay's actions")
    };
    actions.keys().map(find).collect()
}

/// The names of the calls that set a parameter.
fn tested<'c>(action: &Action, parameter: &Parameter, calls: &'c [Call]) -> Vec<&'c str> {
    let sets = |call: &&Call| {
        let names = [&parameter.name, &parameter.wire];
        call.action == action.name && names.iter().any(|name| call.config.get(name).is_some())
    };
    calls.iter().filter(sets).map(|call| call.name.as_str()).collect()
}

fn page(calls: &[Call]) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n| action | call | answers |\n|---|---|---|\n");
    for action in actions() {
        let anchor = action.name.replace('.', "").to_lowercase();
        let _ =
            writeln!(page, "| [{}](#{anchor}) | `{}` | {} |", action.name, call_line(action), answer(action));
    }
    for action in actions() {
        section(&mut page, action, calls);
    }
    page
}

fn call_line(action: &Action) -> String {
    let method = match action.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    };
    format!("{method} {}", action.path)
}

fn answer(action: &Action) -> String {
    let object = action.returns.as_deref().unwrap_or("one of several objects");
    if action.list { format!("a page of `{object}`") } else { format!("`{object}`") }
}

fn section(page: &mut String, action: &Action, calls: &[Call]) {
    let _ = write!(page, "\n## {}\n\n{}\n", action.name, action.summary);
    for note in &action.notes {
        let _ = writeln!(page, "{}", note.replace(". ", ".\n"));
    }
    let (documented, others): (Vec<_>, Vec<_>) =
        action.parameters.iter().partition(|parameter| parameter.documented);
    if !documented.is_empty() {
        page.push_str("\n| parameter | on the wire | type | required | tested by |\n|---|---|---|---|---|\n");
    }
    for parameter in documented {
        let Parameter { name, wire, .. } = parameter;
        let place = if parameter.place == Place::Path { " (path)" } else { "" };
        let mark = if parameter.refuses_empty { " \u{2020}" } else { "" };
        let required = if parameter.required { "yes" } else { "no" };
        let tested = tested(action, parameter, calls).join("; ");
        let kind = kind_with_limits(parameter);
        let _ = writeln!(page, "| `{name}`{mark} | `{wire}`{place} | {kind} | {required} | {tested} |");
    }
    if !others.is_empty() && others.len() <= MOST_OTHERS {
        let names: Vec<String> = others.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
        let _ = write!(page, "\nAlso taken, as Stripe's reference has them: {}.\n", names.join(", "));
    }
    let first = calls.iter().find(|call| call.action == action.name).expect("every action is called");
    let own = action.name.strip_prefix("stripe.").unwrap_or(&action.name);
    let _ = write!(
        page,
        "\n```json\n{{\n  \"id\": \"{own}\",\n  \"action\": \"{}\",\n  \"config\": {}\n}}\n```\n",
        action.name,
        indented(&first.config)
    );
}

fn indented(value: &Value) -> String {
    let value: serde_json::Value = serde_json::from_str(&value.to_string()).expect("a value is JSON");
    let text = serde_json::to_string_pretty(&value).expect("JSON can be written");
    text.replace('\n', "\n  ")
}

fn kind_with_limits(parameter: &Parameter) -> String {
    let mut words = kind(&parameter.kind);
    if let Some(limits) = &parameter.limits {
        let _ = write!(words, ", {} to {}", limits.start(), limits.end());
    }
    if let Some(default) = &parameter.default {
        let _ = write!(words, ", `{default}` when absent");
    }
    words
}

fn kind(kind: &Type) -> String {
    match kind {
        Type::Text { max: 5000 } => "text".to_owned(),
        Type::Text { max } => format!("text of at most {max} characters"),
        Type::Integer => "whole number".to_owned(),
        Type::Timestamp => "seconds since 1970".to_owned(),
        Type::Number | Type::Decimal => "number".to_owned(),
        Type::Boolean => "true or false".to_owned(),
        Type::Enumeration(values) if values.len() > 12 => "one of Stripe's types".to_owned(),
        Type::Enumeration(values) => {
            values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
        }
        Type::List(inner) => match &**inner {
            Type::Object { .. } => format!("list of {}", self::kind(inner)),
            inner => format!("list: {}", self::kind(inner)),
        },
        Type::Map(_) => "object of free keys and texts".to_owned(),
        Type::Object { members, .. } if members.len() > 12 => "object".to_owned(),
        Type::Object { members, .. } => {
            let names: Vec<String> = members.keys().map(|name| format!("`{name}`")).collect();
            format!("object: {}", names.join(", "))
        }
        Type::OneOf(kinds) => kinds.iter().map(self::kind).collect::<Vec<_>>().join(", or "),
        Type::Clearable(inner) => format!("{}; `\"\"` clears", self::kind(inner)),
        Type::Any => "anything".to_owned(),
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/stripe-actions.md")
}

#[test]
fn the_reference_is_current() {
    let page = page(&calls());
    if std::env::var_os("LOOPFOUR_WRITE_REFERENCE").is_some() {
        std::fs::write(path(), &page).expect("the reference can be written");
    }
    let stored = std::fs::read_to_string(path()).unwrap_or_default();
    assert!(
        stored == page,
        "docs/reference/stripe-actions.md is stale: LOOPFOUR_WRITE_REFERENCE=1 cargo test -p loopfour-lang reference"
    );
}

#[test]
fn every_documented_parameter_is_in_a_call_that_is_checked() {
    let calls = calls();
    for action in actions() {
        assert!(calls.iter().any(|call| call.action == action.name), "{} is never called", action.name);
        for parameter in action.parameters.iter().filter(|parameter| parameter.documented) {
            assert!(
                !tested(action, parameter, &calls).is_empty(),
                "no call sets `{}` of {}",
                parameter.name,
                action.name
            );
        }
    }
}
