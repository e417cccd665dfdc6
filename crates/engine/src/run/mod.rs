//! The state of a run: exactly the fold of its journal's entries.
//!
//! [`Run::apply`] folds, [`Run::advance`] adds whatever follows without the outside world, [`Run::due`] says which calls
//! are to be made once that is durable, [`Run::settle`] says what an outcome means.

mod apply;
mod decide;
mod scope;

use std::sync::Arc;

use loopfour_lang::step::condition::Branch;
use loopfour_lang::{Document, Value, Workflow};
use serde::{Deserialize, Serialize};

use crate::call::Request;
use crate::error::{RunError, StepError};
use crate::event::{StepPath, TriggerKind};
use crate::id::{CompanyId, ConnectionId, RunId, WorkflowId};
use crate::time::Timestamp;

use scope::RunScope;

pub use apply::Impossible;
pub(crate) use apply::condition_output;
pub use decide::{Command, idempotency_key};

/// Characters.
const LONGEST_TITLE: usize = 255;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Accepted, not begun.
    Pending,
    /// Under way.
    Running,
    /// Cannot go on for now; [`Waiting`] says why.
    Waiting,
    /// Ended: every step is through.
    Completed,
    /// Ended: a step failed.
    Failed,
    /// Ended by a person.
    Cancelled,
    /// Ended by its time limit.
    Timeout,
}

impl RunStatus {
    /// Every status.
    pub const ALL: [RunStatus; 7] = [
        RunStatus::Pending,
        RunStatus::Running,
        RunStatus::Waiting,
        RunStatus::Completed,
        RunStatus::Failed,
        RunStatus::Cancelled,
        RunStatus::Timeout,
    ];

    /// The name that the API uses.
    pub fn name(self) -> &'static str {
        match self {
            RunStatus::Pending => "pending",
            RunStatus::Running => "running",
            RunStatus::Waiting => "waiting",
            RunStatus::Completed => "completed",
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
            RunStatus::Timeout => "timeout",
        }
    }

    /// Whether the run is over.
    pub fn has_ended(self) -> bool {
        match self {
            RunStatus::Pending | RunStatus::Running | RunStatus::Waiting => false,
            RunStatus::Completed | RunStatus::Failed | RunStatus::Cancelled | RunStatus::Timeout => true,
        }
    }
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// Not reached.
    Pending,
    /// Under way.
    Running,
    /// Cannot go on for now.
    Waiting,
    /// Done.
    Success,
    /// Failed.
    Error,
    /// No branch led to it.
    Skipped,
}

impl StepStatus {
    /// The name that the API uses.
    pub fn name(self) -> &'static str {
        match self {
            StepStatus::Pending => "pending",
            StepStatus::Running => "running",
            StepStatus::Waiting => "waiting",
            StepStatus::Success => "success",
            StepStatus::Error => "error",
            StepStatus::Skipped => "skipped",
        }
    }

    /// Whether nothing more happens to the step by itself.
    pub fn is_through(self) -> bool {
        match self {
            StepStatus::Success | StepStatus::Error | StepStatus::Skipped => true,
            StepStatus::Pending | StepStatus::Running | StepStatus::Waiting => false,
        }
    }
}

/// What a waiting run waits for. All of spec 7 are read; which of them are written grows with the features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// A point in time.
    Timer,
    /// A person's decision.
    Approval,
    /// A provider's event.
    Event,
    /// The next try.
    Retry,
    /// The provider's rate limit.
    Pace,
    /// Usable credentials.
    Connection,
    /// Room on the disk.
    Storage,
    /// A write was sent and no answer came.
    OutcomeUnknown,
    /// A defect of ours.
    Parked,
}

/// Why a run waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// What for.
    pub reason: WaitReason,
    /// At which step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<StepPath>,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// How a run stands, for lists: stored beside its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How it stands.
    pub status: RunStatus,
    /// Why it waits.
    pub waiting: Option<Waiting>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// Which entry holds its output; [`crate::Event::output`] reads it there.
    pub output_at: Option<u64>,
}

/// The state of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Whose it is.
    pub company: CompanyId,
    /// Which workflow it runs.
    pub workflow: WorkflowId,
    /// Which version of it.
    pub version: u32,
    /// What started it.
    pub trigger: TriggerKind,
    /// What it was given.
    pub input: Value,
    /// The connection that its actions use.
    pub connection: Option<ConnectionId>,
    /// How it stands.
    pub status: RunStatus,
    /// Why it waits, if it does.
    pub waiting: Option<Waiting>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// What it gave; null until it completed.
    pub output: Document,
    /// Why it failed.
    pub error: Option<RunError>,
    /// One per step of the workflow, in its order.
    pub steps: Vec<StepState>,
    /// How many entries were folded.
    pub length: u64,
    definition: Arc<Workflow>,
    /// Which entry holds the output.
    output_at: Option<u64>,
    /// The last successful step and the entry that says so.
    last_success: Option<(usize, u64)>,
}

/// The state of a step.
#[derive(Clone, Debug)]
pub struct StepState {
    /// How it stands.
    pub status: StepStatus,
    /// Which deliberate try it is in, from 1; 0 before the first.
    pub epoch: u32,
    /// How many sendings or evaluations there were in this epoch.
    pub attempt: u32,
    /// Its config with the templates filled in.
    pub input: Option<Value>,
    /// What it gave.
    pub output: Document,
    /// How it failed, or why it waits.
    pub error: Option<StepError>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// What a condition chose.
    pub branch: Option<Branch>,
    call: Option<CallState>,
}

/// A call whose outcome is not in the journal yet.
#[derive(Clone, Debug)]
struct CallState {
    request: Box<Request>,
    /// An earlier sending may have reached the provider.
    open: bool,
    /// It does not go on by itself.
    held: bool,
}

impl Run {
    /// The workflow that it runs.
    pub fn definition(&self) -> &Arc<Workflow> {
        &self.definition
    }

    /// The request of a step whose outcome is not in the journal yet.
    pub fn request(&self, step: usize) -> Option<&Request> {
        self.steps.get(step)?.call.as_ref().map(|call| &*call.request)
    }

    /// What people call it: `settings.title` as it was at the start; none if there is none, or it came out empty or could
    /// not be evaluated. Cut to 255 characters.
    pub fn title(&self) -> Option<String> {
        let title = self.definition.settings.title.as_ref()?;
        let title = title.evaluate(&RunScope { run: self, now: self.created_at }).ok()?.to_text();
        Some(title.chars().take(LONGEST_TITLE).collect()).filter(|title: &String| !title.is_empty())
    }

    /// How it stands, for lists.
    pub fn summary(&self) -> Summary {
        Summary {
            status: self.status,
            waiting: self.waiting.clone(),
            started_at: self.started_at,
            completed_at: self.completed_at,
            output_at: self.output_at,
        }
    }
}
