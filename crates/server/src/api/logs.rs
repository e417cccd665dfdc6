//! `/api/v1/runs/:id/logs`: what a run did, step by step, as lines for people. Made from the journal when they are asked
//! for; values stand in the run itself, not here.

use axum::extract::State;
use hyper::{StatusCode, Uri};
use loopfour_engine::{Entry, Event, Run, RunId, StepError, StepPath};
use loopfour_lang::step::condition::Branch;
use loopfour_store::{Order, Scope};
use serde::Serialize;

use super::runs;
use crate::App;
use crate::auth::{Caller, Id};
use crate::definition::apart;
use crate::envelope::{Answer, Meta};
use crate::error::Error;
use crate::live;
use crate::query::{List, Query};
use crate::view::{Time, reason_name, trigger_name};

/// One line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    seq: u64,
    at: Time,
    level: Level,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_id: Option<String>,
    message: String,
}

/// How much a line matters.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Info,
    Warn,
    Error,
}

/// `GET /runs/:id/logs`: the oldest line first, unless told otherwise.
///
/// # Errors
/// 400, 401, 403, 404.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<RunId>,
    uri: Uri,
) -> Result<Answer, Error> {
    caller.needs(Scope::RunsRead)?;
    let mut query = Query::of(&uri);
    let span = query.span_from(List::Logs, Order::Ascending);
    query.finish()?;
    let row = app.store().run(caller.company(), id).await?;
    row.ok_or_else(|| Error::missing("run", &id.to_string()))?;
    let page = app.store().entries_page(caller.company(), id, span).await?;
    let mut lines: Vec<Line> = page.rows.iter().map(line).collect();
    let end = page.rows.iter().position(|entry| matches!(entry.event, Event::RunCompleted { .. }));
    if let Some(end) = end
        && let Some(remark) = misfits(runs::folded(&app, caller.company(), id).await?).await?
    {
        lines[end].level = Level::Warn;
        lines[end].message += &remark;
    }
    Answer::with_meta(StatusCode::OK, &lines, &Meta::list(List::Logs, page.next))
}

/// What the workflow's `outputSchema` does not allow in the output. The run has done what it did, so this ends nothing:
/// it is only told.
async fn misfits(run: Run) -> Result<Option<String>, Error> {
    if run.definition().output_schema.is_none() {
        return Ok(None);
    }
    let misfits = apart(run.output.text().len(), move || {
        run.definition().output_schema.as_ref().map(|schema| schema.misfits("output", run.output.value()))
    })
    .await?
    .unwrap_or_default();
    let told = misfits.iter().map(|misfit| format!("`{}`: {}", misfit.field, misfit.message));
    let told: Vec<String> = told.collect();
    Ok((!told.is_empty())
        .then(|| format!(", but its output does not fit `outputSchema`: {}", told.join("; "))))
}

fn line(entry: &Entry) -> Line {
    let (level, step, message) = told(&entry.event);
    Line {
        seq: entry.seq,
        at: Time(entry.at),
        level,
        kind: live::name(&entry.event),
        step_id: step.map(|path| path.0.clone()),
        message,
    }
}

fn told(event: &Event) -> (Level, Option<&StepPath>, String) {
    match event {
        Event::RunStarted { version, trigger, .. } => {
            let message = format!("the run of version {version} was started by {}", trigger_name(*trigger));
            (Level::Info, None, message)
        }
        Event::ConditionDecided { path, branch, .. } => {
            let branch = match branch {
                Branch::Then => "then",
                Branch::Else => "else",
            };
            (Level::Info, Some(path), format!("condition `{path}` chose `{branch}`"))
        }
        Event::CallIntended { path, epoch, request, .. } => {
            let again = if *epoch > 1 { format!(", try {epoch}") } else { String::new() };
            (Level::Info, Some(path), format!("step `{path}` calls {}{again}", request.action))
        }
        Event::CallResumed { path, unsent: true, .. } => {
            (Level::Info, Some(path), format!("step `{path}` sends its call"))
        }
        Event::CallResumed { path, unsent: false, .. } => {
            (Level::Warn, Some(path), format!("step `{path}` sends its call again, under the same key"))
        }
        Event::CallHeld { path, reason, error: None, .. } => {
            let message = format!("step `{path}` waits for its turn ({})", reason_name(*reason));
            (Level::Info, Some(path), message)
        }
        Event::CallHeld { path, reason, error: Some(error), until, .. } => {
            let until = until.map(|until| format!(", until {until}")).unwrap_or_default();
            let message =
                format!("step `{path}` waits ({}{until}): {}", reason_name(*reason), failure(error));
            (Level::Warn, Some(path), message)
        }
        Event::StepHeld { path, reason, error, until, account: _, connection: _ } => {
            let reason = reason_name(*reason);
            let message = format!("step `{path}` waits ({reason}, until {until}): {}", failure(error));
            (Level::Warn, Some(path), message)
        }
        Event::StepKept { path, .. } => {
            (Level::Info, Some(path), format!("step `{path}` keeps its result of the run before"))
        }
        Event::StepSucceeded { path, receipt, .. } => {
            let request = receipt.request_id.as_ref().map(|id| format!(", provider's request {id}"));
            (Level::Info, Some(path), format!("step `{path}` succeeded{}", request.unwrap_or_default()))
        }
        Event::StepFailed { path, error, fallback: None, .. } => {
            (Level::Error, Some(path), format!("step `{path}` failed: {}", failure(error)))
        }
        Event::StepFailed { path, error, fallback: Some(_), .. } => {
            let message =
                format!("step `{path}` failed, the run goes on with its fallback: {}", failure(error));
            (Level::Warn, Some(path), message)
        }
        Event::StepSkipped { path } => {
            (Level::Info, Some(path), format!("step `{path}` was skipped: no branch led to it"))
        }
        Event::RunCompleted { .. } => (Level::Info, None, "the run completed".to_owned()),
        Event::RunFailed { error } => (Level::Error, None, format!("the run failed: {}", failure(error))),
        Event::CancelRequested { by } => {
            (Level::Warn, None, format!("`{}` wants the run cancelled", by.name))
        }
        Event::TimeLimitPassed => (Level::Warn, None, "the run's time is over".to_owned()),
        Event::RunCancelled => (Level::Warn, None, "the run was cancelled".to_owned()),
        Event::RunTimedOut { error } => {
            (Level::Error, None, format!("the run ended by its time limit: {}", failure(error)))
        }
        Event::RetryRequested { by, not_done } => {
            let looked = if *not_done { ", who says that the failed call was not done" } else { "" };
            (Level::Info, None, format!("`{}`{looked} lets the run go on", by.name))
        }
        Event::OutcomeResolved { path, by, reason, resolution, .. } => {
            let resolution = live::resolution_name(*resolution);
            let message = format!("`{}` resolved step `{path}` as {resolution}: {reason}", by.name);
            (Level::Info, Some(path), message)
        }
        Event::RunRestored { backup_at } => {
            let message =
                format!("the run was restored from a backup of {backup_at}; its writes wait for a person");
            (Level::Warn, None, message)
        }
        Event::RunParked { path, error } => (
            Level::Error,
            path.as_ref(),
            format!("the run is parked by a defect of the server: {}", failure(error)),
        ),
    }
}

fn failure(error: &StepError) -> String {
    format!("{}: {}", error.code, error.message)
}
