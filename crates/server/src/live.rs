//! Runs as they happen: waiting for an end, and the journal as a stream of server-sent events.
//!
//! The stream reads the store whenever a run has moved and keeps nothing itself, so a slow reader holds up nobody and
//! misses nothing; an event's id is its position in the journal, so a reader that comes back goes on where it was.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, Stream};
use hyper::header::HeaderValue;
use loopfour_engine::{
    Actor, CompanyId, ConnectionId, Entry, Event, Resolved, RunId, StepError, StepPath, WorkflowId,
};
use loopfour_lang::step::condition::Branch;
use loopfour_lang::{Document, Value};
use loopfour_store::{Progress, RunRow};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::warn;

use crate::auth::Access;
use crate::error::Error;
use crate::view::{ErrorView, Time, reason_name, trigger_name};
use crate::{App, limits};

/// Waits until a run has ended, but not beyond `until`; returns whether it has. A server that stops waits no longer.
///
/// # Errors
/// The database failed.
pub async fn ended(app: &App, company: CompanyId, run: RunId, until: Instant) -> Result<bool, Error> {
    // Subscribed before the run is read: what the read does not show will be told.
    let (mut progress, mut stopping) = (app.store().watch(run), app.stopping());
    let row = app.store().run(company, run).await?;
    if row.is_some_and(|row| row.status.has_ended()) {
        return Ok(true);
    }
    let ended = progress.wait_for(|progress| progress.status.has_ended());
    Ok(tokio::select! {
        ended = tokio::time::timeout_at(until, ended) => matches!(ended, Ok(Ok(_))),
        _ = stopping.wait_for(|stopping| *stopping) => false,
    })
}

/// The events of a run after the one with the id `after`, until the run has ended. `progress` was subscribed to before
/// `row` was read. The stream also ends when `access` does.
pub fn events(
    app: App,
    access: Access,
    row: &RunRow,
    after: u64,
    progress: watch::Receiver<Progress>,
) -> Response {
    let tail = Tail {
        access,
        run: row.id,
        after,
        over: row.status.has_ended(),
        read: VecDeque::new(),
        progress,
        stopping: app.stopping(),
        app,
    };
    let keep_alive = KeepAlive::new().interval(limits::KEEP_ALIVE);
    let mut response = Sse::new(stream_of(tail)).keep_alive(keep_alive).into_response();
    // Proxies pass events on as they come.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

struct Tail {
    app: App,
    access: Access,
    run: RunId,
    /// The last entry that was read.
    after: u64,
    /// The run had ended before the stream began.
    over: bool,
    /// Read and not yet sent.
    read: VecDeque<Entry>,
    progress: watch::Receiver<Progress>,
    stopping: watch::Receiver<bool>,
}

fn stream_of(tail: Tail) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    stream::unfold(tail, |mut tail| async move {
        let entry = tail.next().await?;
        let event = written(tail.run, &entry)?;
        Some((Ok(event), tail))
    })
}

impl Tail {
    /// The next entry; `None` once no more will come, the server stops, or the key has ended: a client that comes back
    /// loses nothing.
    async fn next(&mut self) -> Option<Entry> {
        loop {
            if *self.stopping.borrow() || self.access.is_over(&self.app).await {
                return None;
            }
            if let Some(entry) = self.read.pop_front() {
                return Some(entry);
            }
            // Marked as seen before the read: what is appended meanwhile wakes us again.
            let ended = self.over || self.progress.borrow_and_update().status.has_ended();
            match self.app.store().entries(self.access.company(), self.run, self.after).await {
                Ok(entries) => self.read.extend(entries),
                Err(error) => {
                    warn!(run = %self.run, %error, "a stream of events ends early");
                    return None;
                }
            }
            match self.read.back() {
                Some(last) => self.after = last.seq,
                // What is told is committed, so a run that has ended had all its entries when they were read.
                None if ended => return None,
                None => tokio::select! {
                    changed = self.progress.changed() => changed.ok()?,
                    _ = self.stopping.wait_for(|stopping| *stopping) => {}
                    () = self.access.changed(&self.app) => {}
                },
            }
        }
    }
}

fn written(run: RunId, entry: &Entry) -> Option<sse::Event> {
    let (name, happened) = happened(&entry.event);
    let data = EventView { run_id: run, seq: entry.seq, at: Time(entry.at), kind: name, happened };
    match serde_json::to_string(&data) {
        Ok(data) => Some(sse::Event::default().id(entry.seq.to_string()).event(name).data(data)),
        Err(error) => {
            warn!(%run, %error, "an event cannot be written");
            None
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventView<'a> {
    run_id: RunId,
    seq: u64,
    at: Time,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    happened: Happened<'a>,
}

/// What an event says beside its name; only what belongs to it is there.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Happened<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    step_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_id: Option<WorkflowId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow_version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<ConnectionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a Document>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a Actor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restarted_from: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView<'a>>,
}

impl<'a> Happened<'a> {
    fn at(path: &'a StepPath) -> Happened<'a> {
        Happened { step_id: Some(&path.0), ..Happened::default() }
    }

    fn failed(error: &'a StepError) -> Happened<'a> {
        Happened { error: Some(ErrorView::of(error)), ..Happened::default() }
    }
}

/// An event's public name, which once released stays.
pub fn name(event: &Event) -> &'static str {
    happened(event).0
}

/// An event's public name and what is told of it.
fn happened(event: &Event) -> (&'static str, Happened<'_>) {
    match event {
        Event::RunStarted { workflow, version, trigger, input, connection, restarted_from, .. } => (
            "run.started",
            Happened {
                workflow_id: Some(*workflow),
                workflow_version: Some(*version),
                trigger_type: Some(trigger_name(*trigger)),
                connection_id: *connection,
                input: Some(input),
                restarted_from: *restarted_from,
                ..Happened::default()
            },
        ),
        Event::StepKept { path, input, output, .. } => {
            ("step.kept", Happened { input: input.as_ref(), output: Some(output), ..Happened::at(path) })
        }
        Event::ConditionDecided { path, input, branch, .. } => {
            let branch = match branch {
                Branch::Then => "then",
                Branch::Else => "else",
            };
            ("condition.decided", Happened { input: Some(input), branch: Some(branch), ..Happened::at(path) })
        }
        Event::CallIntended { path, input, request, .. } => {
            let action = Some(request.action.as_str());
            ("call.intended", Happened { action, input: Some(input), ..Happened::at(path) })
        }
        Event::CallResumed { path, .. } => ("call.resumed", Happened::at(path)),
        Event::CallHeld { path, reason, error, until, .. } => {
            let error = error.as_deref().map(ErrorView::of);
            let (reason, until) = (Some(reason_name(*reason)), until.map(Time));
            ("call.held", Happened { reason, until, error, ..Happened::at(path) })
        }
        Event::StepHeld { path, reason, error, until, account: _, connection: _ } => {
            let (reason, until) = (Some(reason_name(*reason)), Some(Time(*until)));
            ("step.held", Happened { reason, until, step_id: Some(&path.0), ..Happened::failed(error) })
        }
        Event::StepSucceeded { path, output, receipt, .. } => {
            let provider_request_id = receipt.request_id.as_deref();
            ("step.succeeded", Happened { output: Some(output), provider_request_id, ..Happened::at(path) })
        }
        Event::StepFailed { path, input, error, fallback, .. } => (
            "step.failed",
            Happened {
                step_id: Some(&path.0),
                input: input.as_ref(),
                fallback: fallback.as_ref(),
                ..Happened::failed(error)
            },
        ),
        Event::StepSkipped { path } => ("step.skipped", Happened::at(path)),
        Event::RunCompleted { output } => {
            ("run.completed", Happened { output: output.as_ref(), ..Happened::default() })
        }
        Event::RunFailed { error } => ("run.failed", Happened::failed(error)),
        Event::CancelRequested { by } => {
            ("run.cancel_requested", Happened { by: Some(by), ..Happened::default() })
        }
        Event::TimeLimitPassed => ("run.time_limit_passed", Happened::default()),
        Event::RunCancelled => ("run.cancelled", Happened::default()),
        Event::RunTimedOut { error } => ("run.timed_out", Happened::failed(error)),
        Event::RetryRequested { by, .. } => {
            ("run.retry_requested", Happened { by: Some(by), ..Happened::default() })
        }
        Event::OutcomeResolved { path, by, reason, resolution, .. } => {
            let resolution = Some(resolution_name(*resolution));
            let reason = Some(reason.as_str());
            ("outcome.resolved", Happened { by: Some(by), reason, resolution, ..Happened::at(path) })
        }
        Event::RunRestored { .. } => ("run.restored", Happened::default()),
        Event::RunParked { path, error } => {
            let step_id = path.as_ref().map(|path| path.0.as_str());
            ("run.parked", Happened { step_id, ..Happened::failed(error) })
        }
    }
}

/// What a person said of a call, as clients see it.
pub fn resolution_name(resolution: Resolved) -> &'static str {
    match resolution {
        Resolved::Done => "done",
        Resolved::Again => "retry",
        Resolved::Anew => "retry_anew",
        Resolved::Failed => "fail",
    }
}
