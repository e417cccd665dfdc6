//! Runs, steps and their errors as clients see them. Borrowed from the engine's state, so that nothing large is copied
//! on its way out.

use loopfour_engine::event::TriggerKind;
use loopfour_engine::run::StepState;
use loopfour_engine::{
    Ending, Run, RunId, RunStatus, StepError, StepStatus, Timestamp, WaitReason, Waiting, WorkflowId,
};
use loopfour_lang::{Document, Value};
use loopfour_store::ListedRun;
use serde::{Serialize, Serializer};

/// A point in time, written as ISO 8601 in UTC with milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A run with its steps.
#[derive(Debug, Serialize)]
pub struct RunView<'a> {
    #[serde(flatten)]
    run: ListedView<'a>,
    steps: Vec<StepView<'a>>,
}

impl<'a> RunView<'a> {
    /// This run; `is_stalled`: it waits for room on the disk ([`loopfour_engine::ports::Runs::is_stalled`]).
    pub fn of(run: &'a Run, is_stalled: bool) -> RunView<'a> {
        let steps = run.definition().steps.iter().zip(&run.steps);
        let under_way = steps.clone().find(|(_, state)| state.status == StepStatus::Running);
        let under_way = under_way.map(|(step, _)| step.id.as_str());
        let waiting = run.waiting.as_ref().map(WaitingView::of);
        let (status, waiting) = standing(run.status, waiting, is_stalled, under_way);
        let view = ListedView {
            id: run.id,
            title: run.title(),
            workflow_id: run.workflow,
            workflow_version: run.version,
            status,
            waiting,
            trigger_type: trigger_name(run.trigger),
            input: &run.input,
            output: Some(&run.output),
            error: run.error.as_ref().map(ErrorView::of),
            started_at: run.started_at.map(Time),
            completed_at: run.completed_at.map(Time),
            duration_ms: duration(run.started_at, run.completed_at),
            created_at: Time(run.created_at),
            restarted_from: run.restarted_from,
        };
        RunView { run: view, steps: steps.map(|(step, state)| StepView::of(&step.id, state)).collect() }
    }
}

/// A run as lists show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedView<'a> {
    id: RunId,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    workflow_id: WorkflowId,
    workflow_version: u32,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<WaitingView<'a>>,
    trigger_type: &'static str,
    input: &'a Value,
    output: Option<&'a Document>,
    error: Option<ErrorView<'a>>,
    started_at: Option<Time>,
    completed_at: Option<Time>,
    duration_ms: Option<i64>,
    created_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    restarted_from: Option<RunId>,
}

impl<'a> ListedView<'a> {
    /// This run, with its title; `is_stalled` as for [`RunView::of`].
    pub fn of(run: &'a ListedRun, title: Option<String>, is_stalled: bool) -> ListedView<'a> {
        let row = &run.row;
        let waiting = row.waiting.as_ref().map(WaitingView::of);
        let (status, waiting) = standing(row.status, waiting, is_stalled, None);
        ListedView {
            id: row.id,
            title,
            workflow_id: row.workflow,
            workflow_version: row.version,
            status,
            waiting,
            trigger_type: trigger_name(row.trigger),
            input: &run.input,
            output: run.output.as_ref(),
            error: run.error.as_ref().map(ErrorView::of),
            started_at: row.started_at.map(Time),
            completed_at: row.completed_at.map(Time),
            duration_ms: duration(row.started_at, row.completed_at),
            created_at: Time(row.created_at),
            restarted_from: row.restarted_from,
        }
    }
}

/// How a run stands and why it waits. What its journal cannot say, that the disk takes nothing, is said here.
fn standing<'a>(
    status: RunStatus,
    waiting: Option<WaitingView<'a>>,
    is_stalled: bool,
    under_way: Option<&'a str>,
) -> (&'static str, Option<WaitingView<'a>>) {
    if !is_stalled || status.has_ended() {
        return (status.name(), waiting);
    }
    let reason = reason_name(WaitReason::Storage);
    let step_id = under_way.or_else(|| waiting?.step_id);
    let waiting = WaitingView { reason, step_id, until: None, then: None, error: None };
    (RunStatus::Waiting.name(), Some(waiting))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WaitingView<'a> {
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    then: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView<'a>>,
}

impl<'a> WaitingView<'a> {
    fn of(waiting: &'a Waiting) -> WaitingView<'a> {
        WaitingView {
            reason: reason_name(waiting.reason),
            step_id: waiting.step_id.as_ref().map(|path| path.0.as_str()),
            until: waiting.until.map(Time),
            then: waiting.then.map(ending_name),
            error: waiting.error.as_ref().map(ErrorView::of),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StepView<'a> {
    step_id: &'a str,
    status: &'static str,
    started_at: Option<Time>,
    completed_at: Option<Time>,
    duration_ms: Option<i64>,
    input: Option<&'a Value>,
    output: &'a Document,
    error: Option<ErrorView<'a>>,
    attempt: u32,
}

impl<'a> StepView<'a> {
    fn of(id: &'a str, state: &'a StepState) -> StepView<'a> {
        StepView {
            step_id: id,
            status: state.status.name(),
            started_at: state.started_at.map(Time),
            completed_at: state.completed_at.map(Time),
            duration_ms: duration(state.started_at, state.completed_at),
            input: state.input.as_ref(),
            output: &state.output,
            error: state.error.as_ref().map(ErrorView::of),
            attempt: state.attempt,
        }
    }
}

/// How a step failed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorView<'a> {
    code: &'a str,
    message: &'a str,
    step: &'a str,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decline_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    retryable: bool,
    hint: &'a str,
}

impl<'a> ErrorView<'a> {
    /// This error.
    pub fn of(error: &'a StepError) -> ErrorView<'a> {
        ErrorView {
            code: &error.code,
            message: &error.message,
            step: &error.step,
            attempt: error.attempt,
            provider: error.provider.as_deref(),
            kind: error.kind.as_deref(),
            decline_code: error.decline_code.as_deref(),
            param: error.param.as_deref(),
            request_id: error.request_id.as_deref(),
            status: error.status,
            doc_url: error.doc_url.as_deref(),
            reason: error.reason.as_deref(),
            retryable: error.retryable,
            hint: &error.hint,
        }
    }
}

/// How long something took, milliseconds, once it is over.
fn duration(started: Option<Timestamp>, completed: Option<Timestamp>) -> Option<i64> {
    Some(completed?.0.saturating_sub(started?.0))
}

/// The name that clients see.
pub fn trigger_name(trigger: TriggerKind) -> &'static str {
    match trigger {
        TriggerKind::Api => "api",
        TriggerKind::Webhook => "webhook",
        TriggerKind::Schedule => "schedule",
        TriggerKind::Failure => "failure",
    }
}

/// The status that clients see once the run has ended so.
pub fn ending_name(ending: Ending) -> &'static str {
    match ending {
        Ending::Cancelled => "cancelled",
        Ending::Timeout => "timeout",
    }
}

/// The name that clients see.
pub fn reason_name(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::Timer => "timer",
        WaitReason::Approval => "approval",
        WaitReason::Event => "event",
        WaitReason::Retry => "retry",
        WaitReason::Pace => "pace",
        WaitReason::Connection => "connection",
        WaitReason::Storage => "storage",
        WaitReason::OutcomeUnknown => "outcome_unknown",
        WaitReason::Parked => "parked",
    }
}
