//! What follows from the branches: who may decide for a step, where branches meet, which outputs can be there.

use super::expression::{Reader, Reading};
use super::read::At;
use super::report::{Report, did_you_mean};
use super::steps::Draft;
use crate::catalog::{Objects, Segment};
use crate::diagnostic::Code;
use crate::graph::{Conflict, Graph, Lists, Outline};
use crate::step::{OnError, StepKind};
use crate::value::Value;

/// Builds the graph and says what it shows.
pub(super) fn branches(
    steps: &At<'_, '_>,
    drafts: &[Draft],
    readings: &[Reading],
    report: &mut Report<'_>,
) -> Graph {
    let outline = |draft: &Draft| Outline {
        condition: draft.lists.clone(),
        feeds: draft.feeds.iter().flat_map(|feed| feed.sources.iter().copied()).collect(),
    };
    let outlines: Vec<Outline> = drafts.iter().map(outline).collect();
    let Ok((graph, conflicts)) = Graph::build(&outlines) else {
        let message = "the conditions depend on each other in more ways than can be followed";
        let hint = "split the workflow, or name fewer steps in each condition".to_owned();
        report.add_with(Code::TooEntangled, &steps.place, super::read::opening(steps.span()), message, hint);
        return Graph::default();
    };
    for conflict in &conflicts {
        two_deciders(steps, drafts, conflict, report);
    }
    if conflicts.is_empty() {
        joins(steps, drafts, &graph, report);
        outputs(steps, &graph, readings, report);
    }
    graph
}

/// A step's id, for messages.
fn id<'n>(steps: &At<'_, 'n>, position: usize) -> &'n str {
    steps
        .items()
        .get(position)
        .and_then(|node| steps.item(position, node).get("id")?.as_text())
        .unwrap_or("?")
}

fn two_deciders(steps: &At<'_, '_>, drafts: &[Draft], conflict: &Conflict, report: &mut Report<'_>) {
    let Conflict { step, first, second } = *conflict;
    let in_then = drafts[second].lists.as_ref().is_some_and(|Lists { then, .. }| then.contains(&step));
    let condition = steps.item(second, &steps.items()[second]);
    let name = id(steps, step);
    let Some(config) = condition.get("config") else { return };
    let Some(list) = config.get(if in_then { "then" } else { "else" }) else { return };
    let entry = list.items().iter().position(|item| list.item(0, item).as_text() == Some(name));
    let Some(entry) = entry.map(|index| list.item(index, &list.items()[index])) else { return };
    let message = format!(
        "conditions `{}` and `{}` can both run, and neither leads to the other, so that both would decide on step `{name}`",
        id(steps, first),
        id(steps, second),
    );
    let hint = "write one condition with `and` or `or`".to_owned();
    report.add_with(Code::TwoDeciders, &entry.place, entry.span(), message, hint);
}

fn joins(steps: &At<'_, '_>, drafts: &[Draft], graph: &Graph, report: &mut Report<'_>) {
    for (position, draft) in drafts.iter().enumerate().filter(|(position, _)| graph.can_join(*position)) {
        let Some(feed) = draft.feeds.first() else { continue };
        let conditions = graph.named_by(position).iter().map(|naming| id(steps, naming.condition));
        let conditions = super::report::list_of(conditions);
        let message = format!(
            "step `{}` also runs when {conditions} did not choose it: it reads the output of the other branch, so the branches meet here",
            id(steps, position),
        );
        report.add_at(Code::Joins, &feed.spot, message, None);
    }
}

fn outputs(steps: &At<'_, '_>, graph: &Graph, readings: &[Reading], report: &mut Report<'_>) {
    for reading in readings.iter().filter(|reading| !reading.guarded) {
        let reader = match reading.reader {
            Reader::Start => continue,
            Reader::End => None,
            Reader::Step(reader) if graph.can_run(reader) => Some(reader),
            Reader::Step(_) => continue,
        };
        let source = id(steps, reading.source);
        let hint = "give a fallback, as in `{{ steps.a.output.id || steps.b.output.id }}`";
        let (code, message) = if !graph.can_both_run(reader, reading.source) {
            let message = format!(
                "`{}` can never be there: step `{source}` is skipped whenever this is read",
                reading.expression
            );
            (Code::OutputNeverThere, message)
        } else if graph.can_run_without(reader, reading.source) {
            let message = format!(
                "`{}` may be absent: step `{source}` can be skipped while this is read",
                reading.expression
            );
            (Code::OutputMayBeAbsent, message)
        } else {
            continue;
        };
        report.add_at(code, &reading.spot, message, hint.to_owned());
    }
}

/// Warns of paths into an answer that the answered object cannot have.
pub(super) fn fields(drafts: &[Draft], readings: &[Reading], objects: &Objects, report: &mut Report<'_>) {
    for reading in readings {
        let Some(step) = drafts.get(reading.source).and_then(|draft| draft.step.as_ref()) else { continue };
        if let OnError::Continue { fallback } = &step.on_error
            && *fallback != Value::Null
        {
            // The fallback may have other fields than an answer.
            continue;
        }
        let path: Vec<Segment<'_>> = reading.path.iter().map(super::expression::PathStep::segment).collect();
        let found = match &step.kind {
            StepKind::Action(step) => {
                let Some(object) = &step.action.returns else { continue };
                objects
                    .leaves(object, step.action.list, &path)
                    .map(|(position, names)| (position, names, object.as_str()))
            }
            StepKind::Condition(_) => match path.first() {
                Some(Segment::Key(name)) if !["result", "branch"].contains(name) => {
                    Some((0, ["result", "branch"].map(str::to_owned).into(), "condition"))
                }
                _ => None,
            },
        };
        let Some((position, names, object)) = found else { continue };
        let (thing, hint) = match &path[position] {
            Segment::Key(name) => {
                (format!("`{name}`"), did_you_mean(report.nearest(name, names.iter().map(String::as_str))))
            }
            Segment::Index => ("items".to_owned(), None),
        };
        let message = if position == 0 {
            format!(
                "`{}`: what step `{}` gives, {}, has no {thing}",
                reading.expression,
                step.id,
                article(object, step)
            )
        } else {
            format!(
                "`{}`: there is no {thing} at that place of {}",
                reading.expression,
                article(object, step)
            )
        };
        report.add_at(Code::UnknownField, &reading.spot, message, hint);
    }
}

/// What a step gives, in words.
fn article(object: &str, step: &crate::step::Step) -> String {
    match &step.kind {
        StepKind::Action(step) if step.action.list => format!("a list of `{object}`"),
        StepKind::Action(_) => format!("the object `{object}`"),
        StepKind::Condition(_) => "a condition's result".to_owned(),
    }
}
