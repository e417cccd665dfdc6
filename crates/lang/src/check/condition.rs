//! Conditions: the test, and the lists of steps.

use std::collections::HashSet;

use regex::Regex;

use super::compile::{Compiler, Purpose, is_template};
use super::expression::{Names, Reader};
use super::read::{At, quoted};
use super::report::{Report, did_you_mean, list_of};
use crate::diagnostic::Code;
use crate::json::Kind;
use crate::step::condition::{Operator, Test, compile};
use crate::template::Tree;
use crate::value::Value;

const KEYS: [&str; 3] = ["conditions", "then", "else"];
const COMPARISON_KEYS: [&str; 3] = ["left", "operator", "right"];
const GROUP_KEYS: [&str; 2] = ["operator", "conditions"];
const GROUPS: [&str; 3] = ["and", "or", "not"];
/// What could be read of a condition. The lists are there also where the test is wrong, for the branches.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) test: Option<Test>,
    pub(super) then: Vec<usize>,
    pub(super) otherwise: Vec<usize>,
}

/// Checks the `config` of a condition.
pub(super) fn condition(config: &At<'_, '_>, compiler: &mut Compiler<'_, '_>) -> Parts {
    if !compiler.report.object(config, &KEYS) {
        return Parts::default();
    }
    let test =
        compiler.report.require(config, "conditions", &KEYS).and_then(|test| self::test(&test, compiler));
    let mut seen = HashSet::new();
    let (names, reader) = (compiler.names, compiler.reader);
    let then = compiler.report.require(config, "then", &KEYS);
    let then = then.map(|at| named(&at, compiler.report, names, reader, &mut seen)).unwrap_or_default();
    let otherwise = config.get("else");
    let otherwise =
        otherwise.map(|at| named(&at, compiler.report, names, reader, &mut seen)).unwrap_or_default();
    Parts { test, then, otherwise }
}

fn named<'n>(
    at: &At<'_, 'n>,
    report: &mut Report<'_>,
    names: &Names<'_>,
    reader: Reader,
    seen: &mut HashSet<&'n str>,
) -> Vec<usize> {
    let mut steps = Vec::new();
    if !report.list(at) {
        return steps;
    }
    for (index, item) in at.items().iter().enumerate() {
        let entry = at.item(index, item);
        let Some(id) = report.text(&entry) else { continue };
        let Some(&step) = names.steps.get(id) else {
            let hint = did_you_mean(report.nearest(id, names.steps.keys().copied()));
            report.add_with(
                Code::UnknownStep,
                &entry.place,
                entry.span(),
                format!("there is no step {}", quoted(id)),
                hint,
            );
            continue;
        };
        if !is_later(step, reader) {
            let message = match reader {
                Reader::Step(own) if own == step => format!("condition `{id}` names itself"),
                Reader::Step(_) | Reader::Start | Reader::End => {
                    format!("step `{id}` comes before the condition that names it")
                }
            };
            let hint = "a condition decides on steps that come after it".to_owned();
            report.add_with(Code::StepNotLater, &entry.place, entry.span(), message, hint);
        } else if !seen.insert(id) {
            let message = format!("the condition names step `{id}` twice");
            let hint = "a step that runs either way is named by no condition".to_owned();
            report.add_with(Code::NamedTwice, &entry.place, entry.span(), message, hint);
        } else {
            steps.push(step);
        }
    }
    steps
}

fn is_later(step: usize, reader: Reader) -> bool {
    matches!(reader, Reader::Step(own) if step > own)
}

fn test(at: &At<'_, '_>, compiler: &mut Compiler<'_, '_>) -> Option<Test> {
    if matches!(at.node.kind, Kind::Array(_)) {
        let message = format!("`{}` must be an object, not a list", at.name());
        let hint = "write `{\"operator\": \"and\", \"conditions\": […]}` around it".to_owned();
        compiler.report.add_with(Code::WrongType, &at.place, at.span(), message, hint);
        return None;
    }
    let operator = at.get("operator");
    let name = operator.as_ref().and_then(At::as_text);
    let is_group = match name {
        Some(name) => GROUPS.contains(&name),
        None => at.get("conditions").is_some() && at.get("left").is_none(),
    };
    let keys: &[&str] = if is_group { &GROUP_KEYS } else { &COMPARISON_KEYS };
    if !compiler.report.object(at, keys) {
        return None;
    }
    let operator = compiler.report.require(at, "operator", keys);
    if is_group { group(at, name, compiler) } else { comparison(at, operator, compiler) }
}

fn group(at: &At<'_, '_>, name: Option<&str>, compiler: &mut Compiler<'_, '_>) -> Option<Test> {
    let inner = compiler.report.require(at, "conditions", &GROUP_KEYS)?;
    if !compiler.report.list(&inner) {
        return None;
    }
    let items = inner.items();
    let fits = if name == Some("not") { items.len() == 1 } else { !items.is_empty() };
    if !fits {
        let wanted = if name == Some("not") { "exactly one condition" } else { "at least one condition" };
        let message = format!("`{}` takes {wanted}, not {}", name.unwrap_or("and"), items.len());
        compiler.report.add(Code::OutOfLimits, &inner.place, inner.span(), message);
    }
    let tests: Vec<Option<Test>> =
        items.iter().enumerate().map(|(index, item)| test(&inner.item(index, item), compiler)).collect();
    let mut tests = tests.into_iter().collect::<Option<Vec<Test>>>()?;
    match name? {
        "and" => Some(Test::And(tests)),
        "or" => Some(Test::Or(tests)),
        _ => tests.pop().map(|test| Test::Not(Box::new(test))),
    }
}

fn comparison(
    at: &At<'_, '_>,
    operator: Option<At<'_, '_>>,
    compiler: &mut Compiler<'_, '_>,
) -> Option<Test> {
    let operator = operator.and_then(|operator| self::operator(&operator, compiler.report));
    let left = compiler.report.require(at, "left", &COMPARISON_KEYS);
    let exists = operator == Some(Operator::Exists);
    let left = left.map(|left| compiler.tree(&left, Purpose { guarded: exists, joins: true }));
    let takes_right = operator.is_none_or(Operator::takes_right);
    let right = at.get("right");
    if let Some(right) = right.as_ref().filter(|_| !takes_right) {
        let message = "this operator compares with nothing, so it takes no `right`";
        let hint = "for the opposite, put it into `{\"operator\": \"not\", \"conditions\": […]}`".to_owned();
        compiler.report.add_with(Code::ExcludedKey, &right.place, right.span(), message, hint);
        return None;
    }
    if takes_right && operator.is_some() {
        compiler.report.require(at, "right", &COMPARISON_KEYS);
    }
    let pattern = match (&right, operator) {
        (Some(right), Some(Operator::Matches)) => pattern(right, compiler.report)?,
        _ => None,
    };
    let right = right.map(|right| compiler.tree(&right, Purpose { guarded: false, joins: true }));
    let right = match right {
        Some(right) => right,
        None if takes_right => return None,
        None => Tree::Literal(Value::Null),
    };
    Some(Test::Compare { left: left?, operator: operator?, right, pattern })
}

fn operator(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<Operator> {
    let name = report.text(at)?;
    let found = Operator::ALL.into_iter().find(|known| known.name() == name);
    if found.is_none() {
        let known = || Operator::ALL.map(Operator::name).into_iter().chain(GROUPS);
        let hint = symbol(name).or_else(|| report.nearest(name, known()));
        let hint = did_you_mean(hint).unwrap_or_else(|| format!("there are {}", list_of(known())));
        let message = format!("there is no operator {}", quoted(name));
        report.add_with(Code::UnknownValue, &at.place, at.span(), message, hint);
    }
    found
}

/// The operator that a sign from another language stands for.
fn symbol(name: &str) -> Option<&'static str> {
    Some(match name {
        "=" | "==" | "===" | "equals" => "eq",
        "!=" | "!==" | "<>" | "notEquals" => "ne",
        ">" => "gt",
        ">=" => "gte",
        "<" => "lt",
        "<=" => "lte",
        "&&" => "and",
        "||" => "or",
        "!" => "not",
        "~" | "regex" => "matches",
        "in" => "contains",
        _ => return None,
    })
}

/// The pattern of `matches`, compiled where it is constant. `None` where it is wrong, `Some(None)` for a template.
fn pattern(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<Option<Regex>> {
    let text = report.text(at)?;
    if is_template(text) {
        return Some(None);
    }
    regex(at, text, report).map(Some)
}

/// Compiles a constant pattern, or says why not.
pub(super) fn regex(at: &At<'_, '_>, text: &str, report: &mut Report<'_>) -> Option<Regex> {
    if !report.takes_pattern() {
        let message = "there are too many constant patterns in this workflow";
        report.add(Code::OutOfLimits, &at.place, at.span(), message);
        return None;
    }
    let error = match compile(text) {
        Ok(regex) => return Some(regex),
        Err(error) => error,
    };
    let hint = "look-around and back-references do not exist, so that matching takes linear time";
    let hint = error.contains("not supported").then(|| hint.to_owned());
    let message = format!("{} is no regular expression: {error}", quoted(text));
    report.add_with(Code::BadPattern, &at.place, at.span(), message, hint);
    None
}
