//! `filter` of a webhook trigger.

use super::condition::regex;
use super::policy::plain;
use super::read::{At, quoted};
use super::report::{Report, did_you_mean};
use crate::diagnostic::Code;
use crate::json::{Kind, Member};
use crate::step::condition::Operator;
use crate::trigger::{Filter, Predicate};
use crate::value::Value;

const OPERATORS: [&str; 11] =
    ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$contains", "$regex"];

/// Checks and compiles a filter; `None` where a part of it cannot be compiled.
pub(super) fn filter(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<Filter> {
    if !report.any_object(at) {
        return None;
    }
    let mut tests = Some(Vec::new());
    for member in at.members() {
        let place = at.place.key(&member.key);
        let path: Vec<String> = member.key.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) {
            let message = format!("{} is no path into an event", quoted(&member.key));
            let hint = "write names with dots between them, as in `data.object.amount_due`".to_owned();
            report.add_with(Code::Malformed, &place, member.key_span, message, hint);
        }
        let operators = At { node: &member.value, place };
        let found = self::operators(&operators, report);
        tests = tests.zip(found).map(|(mut tests, found): (Vec<_>, Vec<_>)| {
            tests.extend(found.into_iter().map(|predicate| (path.clone(), predicate)));
            tests
        });
    }
    tests.map(Filter::new)
}

fn operators(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<Vec<Predicate>> {
    if !matches!(at.node.kind, Kind::Object(_)) {
        let message = format!("`{}` must be an object of operators, not {}", at.name(), at.describe());
        let hint = "write `{\"$eq\": …}` for a value".to_owned();
        report.add_with(Code::WrongType, &at.place, at.span(), message, hint);
        return None;
    }
    if at.members().is_empty() {
        let message = format!("`{}` compares with nothing", at.name());
        report.add(Code::OutOfLimits, &at.place, at.span(), message);
    }
    let found: Vec<Option<Predicate>> =
        at.members().iter().map(|member| predicate(at, member, report)).collect();
    found.into_iter().collect()
}

fn predicate(operators: &At<'_, '_>, member: &Member, report: &mut Report<'_>) -> Option<Predicate> {
    let at = At { node: &member.value, place: operators.place.key(&member.key) };
    let operator = match member.key.as_str() {
        "$eq" => Operator::Eq,
        "$ne" => Operator::Ne,
        "$gt" => Operator::Gt,
        "$gte" => Operator::Gte,
        "$lt" => Operator::Lt,
        "$lte" => Operator::Lte,
        "$contains" => Operator::Contains,
        "$in" => return one_of(&at, report).map(Predicate::In),
        "$nin" => return list(&at, report).map(Predicate::NotIn),
        "$exists" => return report.boolean(&at).map(Predicate::Exists),
        "$regex" => {
            let text = report.text(&at)?;
            return regex(&at, text, report).map(Predicate::Regex);
        }
        unknown => {
            let hint = did_you_mean(report.nearest(unknown, OPERATORS));
            let message = format!("there is no operator `{unknown}`");
            report.add_with(Code::UnknownKey, &at.place, member.key_span, message, hint);
            return None;
        }
    };
    let orders = matches!(operator, Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte);
    if orders && !matches!(at.node.kind, Kind::Number(_) | Kind::Text(_)) {
        // Nothing is greater or less than such a value: versions that were accepted with one go on matching nothing.
        report.wrong_type(&at, "a number or a text");
    }
    Some(Predicate::Compare(operator, plain(&at, report)))
}

fn list(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<Vec<Value>> {
    let is_list = report.list(at);
    is_list.then(|| {
        at.items().iter().enumerate().map(|(index, item)| plain(&at.item(index, item), report)).collect()
    })
}

fn one_of(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<Vec<Value>> {
    let values = list(at, report)?;
    if values.is_empty() {
        report.add(Code::OutOfLimits, &at.place, at.span(), "`$in` is empty, so that nothing would match");
    }
    Some(values)
}
