//! The journal's entries, version 1. Whatever was written once must be read by every later version: add variants and
//! optional fields, never change or remove any.

use std::fmt;
use std::sync::Arc;

use loopfour_lang::step::condition::Branch;
use loopfour_lang::{Document, Value};
use serde::{Deserialize, Deserializer, Serialize};

use crate::call::{Account, Receipt, Request};
use crate::cause::{Cause, Queue};
use crate::error::{RunError, StepError};
use crate::id::{CompanyId, ConnectionId, RunId, WorkflowId};
use crate::run::{StepStatus, WaitReason};
use crate::time::Timestamp;

/// Where a step stands: its id at the top level; below it scopes and loop indexes are added (`each[3].charge`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepPath(pub String);

impl fmt::Display for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One entry of a run's journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the run's journal, from 1, without gaps.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Of the API key (`key_…`) or the member (`mem_…`), or [`Actor::SYSTEM`].
    pub id: String,
    /// Its name, as it was then.
    pub name: String,
    /// The network address that it came from, where it came over the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl Actor {
    /// The id of what is neither a key nor a member: the command line on the data directory, the server itself.
    pub const SYSTEM: &str = "system";

    /// The command line, or a part of the server, by its name.
    pub fn system(name: &str) -> Actor {
        Actor { id: Actor::SYSTEM.to_owned(), name: name.to_owned(), address: None }
    }
}

/// What a person said of a call whose outcome was unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Resolved {
    /// It is done.
    Done,
    /// It is sent again under the same key.
    Again,
    /// It was not done, and is tried anew in the next epoch.
    Anew,
    /// The step fails.
    Failed,
}

/// What started a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TriggerKind {
    /// A call of the API, or the command line.
    Api,
    /// A provider's event.
    Webhook,
    /// The clock.
    Schedule,
    /// Another workflow's failure.
    Failure,
}

/// What happened. The names are stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// The first entry of every journal.
    RunStarted {
        /// The run.
        run: RunId,
        /// Whose it is.
        company: CompanyId,
        /// Which workflow.
        workflow: WorkflowId,
        /// Which version of it; the run keeps it to its end.
        version: u32,
        /// What started it.
        trigger: TriggerKind,
        /// What it was given.
        input: Value,
        /// The connection that its actions use.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<ConnectionId>,
        /// The caller's key: the same key starts no second run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<String>,
        /// The run that this one starts anew.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restarted_from: Option<RunId>,
        /// Who started it, where somebody did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Actor>,
        /// Why, where nobody asked for it by name: the same cause starts one run of the workflow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
        /// Whose turn it waits for, where runs of the workflow take turns.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queue: Option<Queue>,
    },
    /// A step is through already: its result is taken over from the run that this one starts anew.
    StepKept {
        /// The step.
        path: StepPath,
        /// How it stands there.
        status: StepStatus,
        /// Its config with the templates filled in.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        input: Option<Value>,
        /// What it gave.
        output: Document,
        /// What a condition chose.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        branch: Option<Branch>,
        /// How it failed, where the run went on with its fallback.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Box<StepError>>,
    },
    /// A condition chose a branch.
    ConditionDecided {
        /// The condition.
        path: StepPath,
        /// Which try of the step this belongs to.
        epoch: u32,
        /// The conditions with their templates filled in.
        input: Value,
        /// What it chose.
        branch: Branch,
    },
    /// The intent of a call: durable before its first byte leaves.
    CallIntended {
        /// The step.
        path: StepPath,
        /// Which deliberate try of this call it is, from 1; with run and path it makes the idempotency key.
        epoch: u32,
        /// The config with its templates filled in, before the wire rules.
        input: Value,
        /// What is sent.
        request: Arc<Request>,
        /// The connection that the step itself asks for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<ConnectionId>,
    },
    /// The step's call cannot be made ready for now.
    StepHeld {
        /// The step.
        path: StepPath,
        /// What it waits for.
        reason: WaitReason,
        /// What happened.
        error: Box<StepError>,
        /// When it is tried again.
        until: Timestamp,
        /// The connection that it waits for, where one was chosen: the run is bound to it and its mode from here on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<Account>,
        /// The connection that the step itself asks for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<ConnectionId>,
    },
    /// The call is sent, after a wait or a stop, under the same key.
    CallResumed {
        /// The step.
        path: StepPath,
        /// Which try.
        epoch: u32,
        /// Nothing of it was sent before: the safety margin counts from here.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unsent: bool,
    },
    /// The call waits.
    CallHeld {
        /// The step.
        path: StepPath,
        /// Which try.
        epoch: u32,
        /// What it waits for.
        reason: WaitReason,
        /// What happened, if anything did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Box<StepError>>,
        /// Whether this sending may have reached the provider: from then on only an answer about the key settles it.
        open: bool,
        /// When it goes on by itself; absent: when something else happens.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Whether this sending counts as one of the step's attempts.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        counted: bool,
        /// The provider answered with a failure that it keeps under the key.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        replayed: bool,
        /// The provider's clock, Unix seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        date: Option<i64>,
    },
    /// The step is done.
    StepSucceeded {
        /// The step.
        path: StepPath,
        /// Which try.
        epoch: u32,
        /// What it gave.
        output: Document,
        /// What the provider said beside its answer.
        receipt: Receipt,
    },
    /// The step failed for good.
    StepFailed {
        /// The step.
        path: StepPath,
        /// Which try.
        epoch: u32,
        /// The config with its templates filled in, where it came so far and no intent holds it.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        input: Option<Value>,
        /// Why.
        error: Box<StepError>,
        /// The run goes on with this as the step's output (`errorHandling: continue`).
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        fallback: Option<Value>,
    },
    /// No branch led to the step.
    StepSkipped {
        /// The step.
        path: StepPath,
    },
    /// The end: all steps are through.
    RunCompleted {
        /// `settings.output`, filled in; absent: the last successful step's output.
        #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
        output: Option<Document>,
    },
    /// The end: a step failed.
    RunFailed {
        /// The failing step's error.
        error: Box<RunError>,
    },
    /// A person wants the run to end.
    CancelRequested {
        /// Who.
        by: Actor,
    },
    /// The run's time is over.
    TimeLimitPassed,
    /// The end that a person wanted.
    RunCancelled,
    /// The end by its time limit.
    RunTimedOut {
        /// What kept it, or that it took too long.
        error: Box<RunError>,
    },
    /// A person lets a failed run go on at its first failed step.
    RetryRequested {
        /// Who.
        by: Actor,
        /// The person says that the failed call was not done.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        not_done: bool,
    },
    /// A person says what became of a call whose outcome was unknown.
    OutcomeResolved {
        /// The step.
        path: StepPath,
        /// Which try.
        epoch: u32,
        /// Who.
        by: Actor,
        /// Why the person knows.
        reason: String,
        /// What it is.
        resolution: Resolved,
    },
    /// The run comes from a backup: what it sent after that is not known here.
    RunRestored {
        /// When the backup was made.
        backup_at: Timestamp,
    },
    /// A defect of ours stops the run, and no other.
    RunParked {
        /// The step at which it showed, if it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<StepPath>,
        /// What happened.
        error: Box<StepError>,
    },
}

impl Event {
    /// The output that this entry holds, of a step or of the run.
    pub fn output(&self) -> Option<Document> {
        match self {
            Event::StepSucceeded { output, .. } => Some(output.clone()),
            Event::ConditionDecided { branch, .. } => Some(crate::run::condition_output(*branch).into()),
            Event::StepFailed { fallback, .. } => fallback.clone().map(Document::from),
            Event::StepKept { output, .. } => Some(output.clone()),
            Event::RunCompleted { output } => output.clone(),
            Event::RunStarted { .. }
            | Event::CallIntended { .. }
            | Event::StepHeld { .. }
            | Event::CallResumed { .. }
            | Event::CallHeld { .. }
            | Event::StepSkipped { .. }
            | Event::RunFailed { .. }
            | Event::CancelRequested { .. }
            | Event::TimeLimitPassed
            | Event::RunCancelled
            | Event::RunTimedOut { .. }
            | Event::RetryRequested { .. }
            | Event::OutcomeResolved { .. }
            | Event::RunRestored { .. }
            | Event::RunParked { .. } => None,
        }
    }
}

/// A value that is there is there, null too: serde would read null as absent.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
