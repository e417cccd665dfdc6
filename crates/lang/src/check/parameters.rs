//! Checks of an action's `config` against the catalogue: names, spellings, literals.
//!
//! A template is taken as possibly right wherever it stands: its value is checked when the step runs.

use std::borrow::Cow;
use std::collections::HashMap;

use super::compile::is_template;
use super::read::{At, opening, quoted};
use super::report::{Report, did_you_mean, list_of};
use crate::catalog::{Action, Parameter, Place as Location, Type, decides, is_money};
use crate::diagnostic::Code;
use crate::json::{Kind, Member, Node};
use crate::value::Value;

/// Stripe's limits of `metadata`: keys, characters of a key, characters of a value.
const METADATA: (usize, usize, usize) = (50, 40, 500);
/// Keys of `metadata` that say which run and step made an object.
const STAMPS: [&str; 2] = ["loopfour_run", "loopfour_step"];
/// Decimal places of a decimal number that travels as text.
const DECIMAL_PLACES: usize = 12;

/// Checks every parameter that is given, and that the required ones are.
pub(super) fn parameters(config: &At<'_, '_>, action: &Action, report: &mut Report<'_>) {
    let mut given: HashMap<&str, &str> = HashMap::new();
    for member in config.members() {
        let Some(parameter) = action.parameter(&member.key) else {
            unknown_parameter(config, action, member, report);
            continue;
        };
        if let Some(other) = given.insert(&parameter.wire, &member.key).filter(|other| *other != member.key) {
            two_spellings(config, member, other, report);
        }
        let at = At { node: &member.value, place: config.place.key(&member.key) };
        parameter_value(&at, parameter, report);
    }
    let missing = |parameter: &&Parameter| parameter.required && !given.contains_key(parameter.wire.as_str());
    for parameter in action.parameters.iter().filter(missing) {
        let known = spellings(action);
        let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
        let misspelled = parameter.spellings().iter().any(|name| report.is_misspelled(config, name, &known));
        if !misspelled {
            let message = format!("`{}` needs `{}`", action.name, parameter.name);
            let place = config.place.key(&parameter.name);
            report.add(Code::MissingKey, &place, opening(config.span()), message);
        }
    }
}

/// All names under which the parameters of an action are known.
fn spellings(action: &Action) -> Vec<Cow<'_, str>> {
    action.parameters.iter().flat_map(Parameter::spellings).collect()
}

fn unknown_parameter(config: &At<'_, '_>, action: &Action, member: &Member, report: &mut Report<'_>) {
    let documented = || action.parameters.iter().filter(|parameter| parameter.documented);
    let known = spellings(action);
    let nearest = report.nearest(&member.key, known.iter().map(AsRef::as_ref));
    let hint = match (action.absent.get(&member.key), nearest) {
        (Some(instead), _) => Some(instead.clone()),
        (None, Some(name)) => did_you_mean(Some(name)),
        (None, None) if documented().next().is_none() => Some("it takes nothing but `expand`".to_owned()),
        (None, None) => {
            Some(format!("documented are {}", list_of(documented().map(|parameter| parameter.name.as_str()))))
        }
    };
    let message = format!("`{}` has no parameter `{}`", action.name, member.key);
    report.add_with(Code::UnknownKey, &config.place.key(&member.key), member.key_span, message, hint);
}

fn two_spellings(owner: &At<'_, '_>, member: &Member, other: &str, report: &mut Report<'_>) {
    let message = format!("`{}` and `{other}` are one parameter in two spellings", member.key);
    let hint = "keep one of them".to_owned();
    report.add_with(Code::ExcludedKey, &owner.place.key(&member.key), member.key_span, message, hint);
}

fn parameter_value(at: &At<'_, '_>, parameter: &Parameter, report: &mut Report<'_>) {
    let empty = says_nothing(at.node) || at.as_text() == Some("");
    if empty && parameter.refuses_empty {
        written_but_empty(at, parameter.required, report);
        return;
    }
    if parameter.place == Location::Path && matches!(at.as_text(), Some("." | "..")) {
        let message = format!("`{}` cannot be {}", at.name(), at.describe());
        report.add(Code::Malformed, &at.place, at.span(), message);
        return;
    }
    if value(at, &parameter.kind, report)
        && let Some(limits) = &parameter.limits
        && let Some(number) = whole_number(at)
    {
        report.within(at, number, limits);
    }
    if parameter.wire == "metadata" {
        stamps(at, report);
    }
}

/// Says so of keys that LoopFour writes itself.
fn stamps(metadata: &At<'_, '_>, report: &mut Report<'_>) {
    for member in metadata.members().iter().filter(|member| STAMPS.contains(&member.key.as_str())) {
        let message = format!("LoopFour writes the key `{}` of `metadata` itself", member.key);
        let hint = "use another key: by this one a run finds what it made".to_owned();
        report.add_with(Code::StampedKey, &metadata.place.key(&member.key), member.key_span, message, hint);
    }
}

/// Whether nothing of it would go out, whatever else the run has: null, and lists and objects of nothing else.
fn says_nothing(node: &Node) -> bool {
    match &node.kind {
        Kind::Null => true,
        Kind::Array(items) => items.iter().all(says_nothing),
        Kind::Object(members) => members.iter().all(|member| says_nothing(&member.value)),
        Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) => false,
    }
}

fn written_but_empty(at: &At<'_, '_>, required: bool, report: &mut Report<'_>) {
    let message = format!("`{}` is written but empty", at.name());
    let hint = if required {
        "it is required: give it a value"
    } else {
        "give it a value, or leave the key out if that is meant"
    };
    report.add_with(Code::EmptyParameter, &at.place, at.span(), message, hint.to_owned());
}

/// Checks a literal; true where nothing was found.
fn value(at: &At<'_, '_>, kind: &Type, report: &mut Report<'_>) -> bool {
    // Null is left out on the way to the provider; a template's value is not known yet.
    if matches!(at.node.kind, Kind::Null) || at.as_text().is_some_and(is_template) {
        return true;
    }
    match kind {
        Type::Any => true,
        Type::Text { max } => text(at, *max, report),
        Type::Integer | Type::Timestamp => {
            expect(whole_number(at).is_some(), at, "a whole number", integer_hint(at, kind), report)
        }
        Type::Number => expect(number(at), at, "a number", None, report),
        Type::Decimal => {
            let hint = format!("a number with at most {DECIMAL_PLACES} decimal places");
            expect(
                number(at) && decimal_places(at) <= DECIMAL_PLACES,
                at,
                "a decimal number",
                Some(hint),
                report,
            )
        }
        Type::Boolean => {
            let quoted = matches!(at.as_text(), Some("true" | "false"));
            let hint = quoted.then(|| "write it without quotes".to_owned());
            expect(matches!(at.node.kind, Kind::Boolean(_)), at, "`true` or `false`", hint, report)
        }
        Type::Enumeration(values) => {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            report.choice(at, &format!("`{}`", at.name()), &values).is_some()
        }
        Type::List(item) => {
            if !report.list(at) {
                return false;
            }
            let items = at.items().iter().enumerate();
            items.fold(true, |fine, (index, node)| value(&at.item(index, node), item, report) && fine)
        }
        Type::Map(inner) => map(at, inner, report),
        Type::Object { required, .. } => object(at, kind, required, report),
        Type::OneOf(kinds) => one_of(at, kinds, report),
        Type::Clearable(inner) => at.as_text() == Some("") || value(at, inner, report),
    }
}

fn expect(fits: bool, at: &At<'_, '_>, wanted: &str, hint: Option<String>, report: &mut Report<'_>) -> bool {
    if !fits {
        let message = format!("`{}` must be {wanted}, not {}", at.name(), at.describe());
        report.add_with(Code::WrongType, &at.place, at.span(), message, hint);
    }
    fits
}

fn integer_hint(at: &At<'_, '_>, kind: &Type) -> Option<String> {
    let hint = match kind {
        Type::Timestamp => "a time is given in seconds since 1970",
        _ if is_money(&at.name()) => {
            "amounts are whole numbers in the currency's smallest unit: 99 dollars are 9900"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn text(at: &At<'_, '_>, max: usize, report: &mut Report<'_>) -> bool {
    let Some(text) = report.text(at) else { return false };
    if text.is_empty() {
        let message = format!("`{}` is empty, and Stripe cannot clear it", at.name());
        let hint = "give it a value, or leave the key out".to_owned();
        report.add_with(Code::EmptyParameter, &at.place, at.span(), message, hint);
        return false;
    }
    longest(at, text, max, report)
}

fn longest(at: &At<'_, '_>, text: &str, max: usize, report: &mut Report<'_>) -> bool {
    let length = text.chars().count();
    if length > max {
        let message = format!("`{}` has {length} characters, but {max} is the most", at.name());
        report.add(Code::OutOfLimits, &at.place, at.span(), message);
    }
    length <= max
}

fn map(at: &At<'_, '_>, inner: &Type, report: &mut Report<'_>) -> bool {
    if !report.any_object(at) {
        return false;
    }
    let metadata = at.name() == "metadata";
    let (most, longest_key, longest_value) = METADATA;
    let mut fine = true;
    if metadata && at.members().len() > most {
        let message = format!("`metadata` has {} keys, but {most} is the most", at.members().len());
        report.add(Code::OutOfLimits, &at.place, at.span(), message);
        fine = false;
    }
    for member in at.members() {
        let item = At { node: &member.value, place: at.place.key(&member.key) };
        let length = member.key.chars().count();
        if metadata && length > longest_key {
            let message = format!(
                "the key {} has {length} characters, but {longest_key} is the most",
                quoted(&member.key)
            );
            report.add(Code::OutOfLimits, &item.place, member.key_span, message);
            fine = false;
        }
        fine &= match (&item.node.kind, inner) {
            // Numbers and booleans become text on the wire.
            (Kind::Number(_) | Kind::Boolean(_), Type::Text { .. }) => true,
            (Kind::Text(text), Type::Text { .. }) if metadata && !is_template(text) => {
                longest(&item, text, longest_value, report)
            }
            (
                Kind::Null
                | Kind::Boolean(_)
                | Kind::Number(_)
                | Kind::Text(_)
                | Kind::Array(_)
                | Kind::Object(_),
                _,
            ) => value(&item, inner, report),
        };
    }
    fine
}

fn object(at: &At<'_, '_>, kind: &Type, required: &[String], report: &mut Report<'_>) -> bool {
    if !report.any_object(at) {
        return false;
    }
    let Type::Object { members, .. } = kind else { return true };
    let known: Vec<&str> = members.keys().map(String::as_str).collect();
    let mut given: HashMap<&str, &str> = HashMap::new();
    let mut fine = true;
    for member in at.members() {
        let Some((wire, inner)) = kind.member(&member.key) else {
            let hint = did_you_mean(report.nearest(&member.key, known.iter().copied()));
            report.unknown_key(at, member, hint);
            fine = false;
            continue;
        };
        if let Some(other) = given.insert(wire, &member.key).filter(|other| *other != member.key) {
            two_spellings(at, member, other, report);
            fine = false;
        }
        let item = At { node: &member.value, place: at.place.key(&member.key) };
        let must = required.iter().any(|required| required == wire);
        let empty = matches!(item.node.kind, Kind::Null) || item.as_text() == Some("");
        if empty && (must || decides(wire)) {
            written_but_empty(&item, must, report);
            fine = false;
        } else {
            fine &= value(&item, inner, report);
        }
    }
    for wire in required {
        if !given.contains_key(wire.as_str()) && !report.is_misspelled(at, wire, &known) {
            let message = format!("`{}` needs `{wire}`", at.name());
            report.add(Code::MissingKey, &at.place.key(wire), opening(at.span()), message);
            fine = false;
        }
    }
    fine
}

/// One of several types: what the likeliest says is reported.
fn one_of(at: &At<'_, '_>, kinds: &[Type], report: &mut Report<'_>) -> bool {
    if kinds.iter().any(|kind| value(at, kind, &mut Report::trial())) {
        return true;
    }
    let shape = kinds.iter().find(|kind| {
        matches!(
            (kind, &at.node.kind),
            (Type::Object { .. } | Type::Map(_), Kind::Object(_))
                | (Type::List(_), Kind::Array(_))
                | (Type::Enumeration(_), Kind::Text(_))
        )
    });
    match shape.or(kinds.last()) {
        Some(kind) => value(at, kind, report),
        None => true,
    }
}

/// The whole number that a literal stands for: `9900`, `9900.0`, `"9900"`.
pub(super) fn whole_number(at: &At<'_, '_>) -> Option<i64> {
    match &at.node.kind {
        Kind::Number(Value::Integer(number)) => Some(*number),
        Kind::Text(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| plain)
        }
        Kind::Number(_) | Kind::Null | Kind::Boolean(_) | Kind::Array(_) | Kind::Object(_) => None,
    }
}

fn number(at: &At<'_, '_>) -> bool {
    match &at.node.kind {
        Kind::Number(_) => true,
        Kind::Text(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            digits
                .split_once('.')
                .map_or_else(|| all(digits), |(whole, fraction)| all(whole) && all(fraction))
        }
        Kind::Null | Kind::Boolean(_) | Kind::Array(_) | Kind::Object(_) => false,
    }
}

fn decimal_places(at: &At<'_, '_>) -> usize {
    match &at.node.kind {
        Kind::Number(Value::Decimal(number)) => number.scale() as usize,
        Kind::Text(text) => text.split_once('.').map_or(0, |(_, fraction)| fraction.len()),
        Kind::Number(_) | Kind::Null | Kind::Boolean(_) | Kind::Array(_) | Kind::Object(_) => 0,
    }
}
