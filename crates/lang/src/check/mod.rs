//! All checks of a workflow's text. Everything that is wrong is reported at once.
//!
//! One file per subject. A check never stops another: what could not be read is left out, and the rest is looked at.

mod branches;
mod compile;
mod condition;
mod expression;
mod filter;
mod outcomes;
mod parameters;
mod policy;
mod read;
mod report;
mod schedule;
mod settings;
mod steps;
mod stripe;
mod trigger;

use crate::catalog::Catalog;
use crate::diagnostic::{Code, Diagnostic};
use crate::json::{self, Kind};
use crate::schema::{Misfit, Schema};
use crate::source::{Place, Span};
use crate::step::Step;
use crate::value::{Object, Value};
use crate::workflow::Workflow;

use compile::Compiler;
use expression::{Names, Reader};
use read::At;
use report::Report;
use steps::Draft;

const KEYS: [&str; 8] =
    ["name", "description", "trigger", "steps", "inputSchema", "outputSchema", "variables", "settings"];
const LONGEST_NAME: usize = 255;

/// What the checker needs to know of the server.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The actions that exist.
    pub catalog: &'a Catalog,
    /// Names of environment variables that the operator allows.
    pub environment: &'a [String],
}

/// The outcome of a check.
#[derive(Debug)]
pub struct Checked {
    /// There unless a diagnostic is an error.
    pub workflow: Option<Workflow>,
    /// In the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether the text has the shape of a workflow: JSON without duplicate keys, with a name, a trigger and steps of the
    /// right kinds. Only then may an editor store it as an incomplete draft.
    pub has_shape: bool,
}

/// Checks the text of a workflow.
///
/// ```
/// use loopfour_lang::{Catalog, Options, check};
/// let options = Options { catalog: Catalog::builtin(), environment: &[] };
/// let checked = check(r#"{"name": "x", "trigger": {"type": "api"}, "steps": []}"#, options);
/// assert_eq!(checked.diagnostics[0].field, "steps");
/// ```
pub fn check(text: &str, options: Options<'_>) -> Checked {
    let mut report = Report::new(text);
    let document = match json::parse_nodes(text) {
        Ok(document) => document,
        Err(problem) => {
            let span = Span { start: problem.at, end: text.ceil_char_boundary(problem.at + 1) };
            report.add(Code::NotJson, &Place::Root, span, problem.message);
            return Checked { workflow: None, diagnostics: report.finish(&[]), has_shape: false };
        }
    };
    let root = At { node: &document, place: Place::Root };
    duplicate_keys(&root, &mut report);
    let has_shape = !report.has_errors() && has_shape(&root);
    let (workflow, ignored) = workflow(&root, options, &mut report);
    let workflow = workflow.filter(|_| !report.has_errors());
    Checked { workflow, diagnostics: report.finish(&ignored), has_shape }
}

/// Reads a version that was accepted before, by this release or an earlier one: rules that were added since do not stop
/// what runs by it. `None` if no workflow can be made of the text at all.
pub fn read_accepted(text: &str, options: Options<'_>) -> Option<Workflow> {
    let document = json::parse_nodes(text).ok()?;
    workflow(&At { node: &document, place: Place::Root }, options, &mut Report::new(text)).0
}

fn has_shape(root: &At<'_, '_>) -> bool {
    root.get("name").is_some_and(|name| matches!(name.node.kind, Kind::Text(_)))
        && root.get("trigger").is_some_and(|trigger| matches!(trigger.node.kind, Kind::Object(_)))
        && root.get("steps").is_some_and(|steps| matches!(steps.node.kind, Kind::Array(_)))
}

fn duplicate_keys(at: &At<'_, '_>, report: &mut Report<'_>) {
    let mut seen = std::collections::HashSet::new();
    for member in at.members() {
        let place = at.place.key(&member.key);
        if !seen.insert(member.key.as_str()) {
            let message = format!("the key `{}` stands twice in one object", member.key);
            report.add(Code::DuplicateKey, &place, member.key_span, message);
        }
        duplicate_keys(&At { node: &member.value, place }, report);
    }
    for (index, item) in at.items().iter().enumerate() {
        duplicate_keys(&at.item(index, item), report);
    }
}

fn workflow(
    root: &At<'_, '_>,
    options: Options<'_>,
    report: &mut Report<'_>,
) -> (Option<Workflow>, Vec<String>) {
    if !report.object(root, &KEYS) {
        return (None, Vec::new());
    }
    let name = name(root, report);
    let description = root.get("description").and_then(|at| report.text(&at)).map(str::to_owned);
    let trigger = report.require(root, "trigger", &KEYS);
    let trigger = trigger.and_then(|at| trigger::trigger(&at, options.catalog, report));
    let input_schema = schema(root, "inputSchema", report);
    let output_schema = schema(root, "outputSchema", report);
    let variables = variables(root, report);
    let list = report.require(root, "steps", &KEYS).filter(|at| is_list_of_steps(at, report));
    let names = Names {
        steps: list.as_ref().map(|list| steps::ids(list, report)).unwrap_or_default(),
        variables: variables.clone(),
        inputs: root.get("inputSchema").map(|schema| properties(&schema).collect()).unwrap_or_default(),
        environment: options.environment,
    };
    let mut readings = Vec::new();
    let settings = settings::settings(root.get("settings"), &names, &mut readings, report);
    let mut drafts: Vec<Draft> = Vec::new();
    let mut graph = None;
    if let Some(list) = &list {
        for (position, item) in list.items().iter().enumerate() {
            let step = list.item(position, item);
            let reader = Reader::Step(position);
            let compiler =
                Compiler { report, names: &names, readings: &mut readings, feeds: Vec::new(), reader };
            drafts.push(steps::step(&step, options.catalog, compiler));
        }
        graph = Some(branches::branches(list, &drafts, &readings, report));
        branches::fields(&drafts, &readings, &options.catalog.objects, report);
        outcomes::outcomes(&drafts, &readings, report);
    }
    let ignored = settings.ignore.clone();
    let steps: Option<Vec<Step>> = drafts.into_iter().map(|draft| draft.step).collect();
    let parts = name.zip(trigger).zip(steps).zip(graph).zip(variables);
    let workflow = parts.map(|((((name, trigger), steps), graph), variables)| Workflow {
        name,
        description,
        trigger,
        steps,
        input_schema,
        output_schema,
        variables,
        settings,
        graph,
    });
    (workflow, ignored)
}

fn name(root: &At<'_, '_>, report: &mut Report<'_>) -> Option<String> {
    let at = report.require(root, "name", &KEYS)?;
    let name = report.text(&at)?;
    let length = name.chars().count();
    if !(1..=LONGEST_NAME).contains(&length) {
        let message = format!("`name` has {length} characters, but must have 1 to {LONGEST_NAME}");
        report.add(Code::OutOfLimits, &at.place, at.span(), message);
        return None;
    }
    Some(name.to_owned())
}

fn schema(root: &At<'_, '_>, key: &str, report: &mut Report<'_>) -> Option<Schema> {
    let at = root.get(key)?;
    if !report.any_object(&at) {
        return None;
    }
    match Schema::compile(key, &at.node.to_value()) {
        Ok(schema) => Some(schema),
        Err(misfits) => {
            for Misfit { pointer, message, .. } in misfits {
                let steps = pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
                let steps: Vec<String> = steps.collect();
                within(&at, &steps, &mut |at| {
                    report.add(Code::BadSchema, &at.place, at.span(), message.clone());
                });
            }
            None
        }
    }
}

/// Calls back with the value at the end of these steps, or the last on the way that is there.
fn within(at: &At<'_, '_>, steps: &[String], found: &mut dyn FnMut(&At<'_, '_>)) {
    let Some((step, rest)) = steps.split_first() else { return found(at) };
    let item = step.parse().ok().and_then(|index: usize| Some((index, at.items().get(index)?)));
    match (at.get(step), item) {
        (Some(member), _) => within(&member, rest, found),
        (None, Some((index, item))) => within(&at.item(index, item), rest, found),
        (None, None) => found(at),
    }
}

/// The names of a schema's properties.
fn properties<'n>(schema: &At<'_, 'n>) -> impl Iterator<Item = &'n str> {
    let members = schema.get("properties").map(|properties| properties.members()).unwrap_or_default();
    members.iter().map(|member| member.key.as_str())
}

fn variables(root: &At<'_, '_>, report: &mut Report<'_>) -> Option<Value> {
    match root.get("variables") {
        None => Some(Value::Object(Object::new().into())),
        Some(at) => report.any_object(&at).then(|| policy::plain(&at, report)),
    }
}

fn is_list_of_steps(at: &At<'_, '_>, report: &mut Report<'_>) -> bool {
    if !report.list(at) {
        return false;
    }
    if at.items().is_empty() {
        report.add(Code::OutOfLimits, &at.place, at.span(), "a workflow needs at least one step");
    }
    !at.items().is_empty()
}
