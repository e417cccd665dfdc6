//! Steps: ids, types, what every step may carry, and the hand-over to the checks of each type.

use std::sync::Arc;

use indexmap::IndexMap;

use super::compile::{Compiler, Feed, Purpose, is_template};
use super::condition::Parts;
use super::read::{At, is_id, opening, quoted};
use super::report::{Report, did_you_mean, list_of};
use super::{condition, parameters, policy, stripe};
use crate::catalog::{Action, Catalog};
use crate::diagnostic::Code;
use crate::graph::Lists;
use crate::step::{ActionStep, ConditionStep, OnError, Step, StepKind};
use crate::template::{Template, Tree};

const KEYS: [&str; 10] = [
    "id",
    "type",
    "name",
    "action",
    "config",
    "connectionId",
    "retryConfig",
    "errorHandling",
    "timeoutMs",
    "compensate",
];
const TYPES: [&str; 2] = ["action", "condition"];
const LATER_TYPES: [&str; 6] = ["transform", "wait", "approval", "loop", "parallel", "workflow"];
const LATER_ACTION: &str = "http.request";
const LONGEST_ID: usize = 255;

/// A step as far as it could be read.
#[derive(Default)]
pub(super) struct Draft {
    /// There if nothing is wrong with it.
    pub(super) step: Option<Step>,
    /// Whom it names, if it is a condition.
    pub(super) lists: Option<Lists>,
    /// What can make branches meet in it.
    pub(super) feeds: Vec<Feed>,
}

/// Checks the ids of all steps and gives their positions.
pub(super) fn ids<'n>(steps: &At<'_, 'n>, report: &mut Report<'_>) -> IndexMap<&'n str, usize> {
    let mut positions = IndexMap::new();
    for (index, item) in steps.items().iter().enumerate() {
        let step = steps.item(index, item);
        let Some(at) = step.get("id") else { continue };
        let Some(id) = report.text(&at) else { continue };
        let plain = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_');
        if id.is_empty() || !id.chars().all(plain) {
            let message = format!("{} cannot be a step's id", quoted(id));
            let hint = "an id is made of letters, digits, `-` and `_`".to_owned();
            report.add_with(Code::Malformed, &at.place, at.span(), message, hint);
        } else if id.chars().count() > LONGEST_ID {
            let message = format!("`id` has {} characters, but {LONGEST_ID} is the most", id.chars().count());
            report.add(Code::OutOfLimits, &at.place, at.span(), message);
        }
        if let Some(first) = positions.get(id) {
            let message = format!("two steps have the id {}", quoted(id));
            let hint = format!("the first is `steps[{first}]`; every step needs an id of its own");
            report.add_with(Code::DuplicateId, &at.place, at.span(), message, hint);
        } else {
            positions.insert(id, index);
        }
    }
    positions
}

/// Checks one step.
pub(super) fn step(at: &At<'_, '_>, catalog: &Catalog, mut compiler: Compiler<'_, '_>) -> Draft {
    let report = &mut *compiler.report;
    if !report.object(at, &KEYS) {
        return Draft::default();
    }
    let id = report.require(at, "id", &KEYS).and_then(|id| id.as_text());
    let name = at.get("name").and_then(|name| report.text(&name)).map(str::to_owned);
    let retry = at.get("retryConfig").and_then(|retry| policy::retry(&retry, report));
    let handling = at.get("errorHandling").map(|handling| policy::error_handling(&handling, report));
    let on_error = handling.unwrap_or_default();
    let timeout_ms = at.get("timeoutMs").and_then(|timeout| policy::milliseconds(&timeout, report));
    if let Some(compensate) = at.get("compensate") {
        not_yet_available(&compensate, "`compensate`", report);
    }
    let mut lists = None;
    let kind = match kind(at, report) {
        Some("action") => action_step(at, catalog, &mut compiler).map(StepKind::Action),
        Some(_) => {
            let may_fail = matches!(on_error, OnError::Continue { .. });
            let Parts { test, then, otherwise } = condition_step(at, &mut compiler);
            lists = Some(Lists { then: then.clone(), otherwise: otherwise.clone(), may_fail });
            test.map(|test| StepKind::Condition(ConditionStep { test, then, otherwise }))
        }
        None => None,
    };
    let step =
        id.zip(kind).map(|(id, kind)| Step { id: id.to_owned(), name, kind, retry, on_error, timeout_ms });
    Draft { step, lists, feeds: compiler.feeds }
}

/// The step's type, where it is one that this version has.
fn kind(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<&'static str> {
    let Some(kind) = at.get("type") else {
        if at.get("action").is_some() {
            return Some("action");
        }
        report.require(at, "type", &KEYS);
        return None;
    };
    let name = report.text(&kind)?;
    if let Some(known) = TYPES.into_iter().find(|known| *known == name) {
        return Some(known);
    }
    if LATER_TYPES.contains(&name) {
        not_yet_available(&kind, &format!("the step type `{name}`"), report);
        return None;
    }
    let hint = did_you_mean(report.nearest(name, TYPES.into_iter().chain(LATER_TYPES)))
        .unwrap_or_else(|| format!("there are {}", list_of(TYPES)));
    let message = format!("there is no step type {}", quoted(name));
    report.add_with(Code::UnknownValue, &kind.place, kind.span(), message, hint);
    None
}

fn not_yet_available(at: &At<'_, '_>, what: &str, report: &mut Report<'_>) {
    report.add(
        Code::NotYetAvailable,
        &at.place,
        at.span(),
        format!("{what} is not yet available in this version"),
    );
}

fn action_step(at: &At<'_, '_>, catalog: &Catalog, compiler: &mut Compiler<'_, '_>) -> Option<ActionStep> {
    let action = compiler
        .report
        .require(at, "action", &KEYS)
        .and_then(|action| find_action(&action, catalog, compiler.report));
    let connection = at.get("connectionId").and_then(|connection| connection_id(&connection, compiler));
    let config = at.get("config");
    let config = match &config {
        Some(config) if compiler.report.any_object(config) => Some(config),
        Some(_) => return None,
        None => None,
    };
    let Some(config) = config else {
        return without_config(at, action?, compiler.report).map(|action| ActionStep {
            action,
            config: Tree::Object(Vec::new()),
            connection,
        });
    };
    if let Some(action) = &action {
        parameters::parameters(config, action, compiler.report);
        stripe::combinations(config, action, compiler.report);
    }
    // What a misspelt action requires is not known: any parameter may be where branches meet, and nothing is said of it.
    let required = |key: &str| {
        let parameter =
            |action: &Arc<Action>| action.parameter(key).is_some_and(|parameter| parameter.required);
        action.as_ref().is_none_or(parameter)
    };
    let members = compiler.members(config, |key| Purpose { guarded: false, joins: required(key) });
    Some(ActionStep { action: action?, config: Tree::Object(members), connection })
}

/// The id of a connection, or templates that give it.
fn connection_id(at: &At<'_, '_>, compiler: &mut Compiler<'_, '_>) -> Option<Template> {
    if let Some(text) = at.as_text().filter(|text| !is_template(text) && !is_id("conn_", text)) {
        let message = format!("{} is no connection's id", quoted(text));
        let hint =
            "it is `conn_` and a UUID, as the list of connections has it, or a template that gives one";
        compiler.report.add_with(Code::Malformed, &at.place, at.span(), message, hint.to_owned());
        return None;
    }
    compiler.text(at)
}

/// An action without `config` is fine where it requires nothing.
fn without_config(at: &At<'_, '_>, action: Arc<Action>, report: &mut Report<'_>) -> Option<Arc<Action>> {
    let mut required = action.parameters.iter().filter(|parameter| parameter.required).peekable();
    if required.peek().is_none() {
        return Some(action);
    }
    if !report.is_misspelled(at, "config", &KEYS) {
        for parameter in required {
            let message = format!("`{}` needs `{}`", action.name, parameter.name);
            let config = at.place.key("config");
            report.add(Code::MissingKey, &config.key(&parameter.name), opening(at.span()), message);
        }
    }
    None
}

fn find_action(at: &At<'_, '_>, catalog: &Catalog, report: &mut Report<'_>) -> Option<Arc<Action>> {
    let name = report.text(at)?;
    if let Some(action) = catalog.action(name) {
        return Some(Arc::clone(action));
    }
    if name == LATER_ACTION {
        not_yet_available(at, &format!("the action `{LATER_ACTION}`"), report);
        return None;
    }
    let known = || catalog.actions.keys().map(String::as_str);
    let unqualified = known().find(|known| known.split_once('.').is_some_and(|(_, own)| own == name));
    let hint = did_you_mean(unqualified.or_else(|| report.nearest(name, known())));
    let message = format!("there is no action {}", quoted(name));
    report.add_with(Code::UnknownAction, &at.place, at.span(), message, hint);
    None
}

fn condition_step(at: &At<'_, '_>, compiler: &mut Compiler<'_, '_>) -> Parts {
    for key in ["action", "connectionId"] {
        if let Some(other) = at.get(key) {
            let message = format!("a condition has no `{key}`");
            compiler.report.add(Code::ExcludedKey, &other.place, other.span(), message);
        }
    }
    match compiler.report.require(at, "config", &KEYS) {
        Some(config) => condition::condition(&config, compiler),
        None => Parts::default(),
    }
}
