//! The state of a run: exactly the fold of its journal's entries.
//!
//! [`Run::apply`] folds, [`Run::advance`] adds whatever follows without the outside world, [`Run::due`] says which calls
//! are to be made once that is durable, [`Run::settle`] says what an outcome means by the table in [`rules`],
//! [`Run::wake`] goes on after a wait or a stop, and people act through [`Run::act`].

mod acts;
mod apply;
mod binding;
mod clocks;
mod decide;
mod pauses;
pub mod rules;
mod scope;
mod start;

use std::collections::BTreeMap;
use std::sync::Arc;

use loopfour_lang::step::condition::Branch;
use loopfour_lang::{Document, Value, Workflow};
use serde::{Deserialize, Serialize};

use crate::call::{Effect, Request};
use crate::cause::Queue;
use crate::error::{RunError, StepError};
use crate::event::{StepPath, TriggerKind};
use crate::id::{CompanyId, ConnectionId, RunId, WorkflowId};
use crate::time::Timestamp;

use binding::Bindings;
use clocks::{Left, ProviderClock};
use scope::RunScope;

pub use apply::Impossible;
pub(crate) use apply::condition_output;
pub use decide::{Command, Context, idempotency_key};
pub use pauses::Wake;
pub use rules::Policy;

/// Characters.
const LONGEST_TITLE: usize = 255;

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Accepted, not begun; or retried, where others of its [`Queue`] are under way.
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

/// What a waiting run waits for.
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
    /// When it goes on by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How the run ends once the outcome is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Ending>,
    /// What happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
}

/// How a run is to end, whatever its steps would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// A person wants it.
    Cancelled,
    /// Its time is over.
    Timeout,
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
    /// When there is something to do for it: it goes on by itself, or its time limit passes.
    pub due_at: Option<Timestamp>,
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
    /// Whose turn it waits for while it is `pending`, where runs of its workflow take turns.
    pub queue: Option<Queue>,
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
    /// The run that this one starts anew.
    pub restarted_from: Option<RunId>,
    definition: Arc<Workflow>,
    /// Which entry holds the output.
    output_at: Option<u64>,
    /// The last successful step and the entry that says so.
    last_success: Option<(usize, u64)>,
    /// How it is to end, whatever the steps would do.
    ending: Option<Ending>,
    /// The time limit counts from here, once it began.
    timed_from: Timestamp,
    /// The step in hand cannot be made ready for now.
    pause: Option<Pause>,
    /// What it is bound to, by provider.
    bound: BTreeMap<String, Bindings>,
    /// What a provider's clock showed last.
    provider_clock: Option<ProviderClock>,
    /// It comes from a backup.
    restored: Option<Restored>,
}

/// The state of a step.
#[derive(Clone, Debug)]
pub struct StepState {
    /// How it stands.
    pub status: StepStatus,
    /// Which deliberate try it is in, from 1; 0 before the first.
    pub epoch: u32,
    /// Which attempt it is in, from 1: one more than there were definite answers and failed reads that may be tried again.
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
    request: Arc<Request>,
    /// An earlier sending may have reached the provider, and no answer about its key came.
    open: bool,
    /// The safety margin counts from here: when the first sending left, at the latest.
    first: Left,
    /// What went wrong last.
    error: Option<StepError>,
    /// How many sendings came to nothing.
    tries: u32,
    /// How often the provider repeated a failure that it keeps under the key.
    replays: u32,
    /// It waits; else it is to be sent, or under way.
    wait: Option<CallWait>,
    /// What it waited for last, and since when.
    waited: Option<(WaitReason, Timestamp)>,
    /// A person had it sent again, though the run is to end.
    ordered: bool,
}

/// What a call waits for.
#[derive(Clone, Copy, Debug)]
struct CallWait {
    reason: WaitReason,
    until: Option<Timestamp>,
}

impl CallWait {
    /// It stands in the queue for its turn, and goes as soon as that comes.
    fn is_queued(self) -> bool {
        self.reason == WaitReason::Pace && self.until.is_none()
    }
}

impl CallState {
    fn writes(&self) -> bool {
        self.request.effect != Effect::Read
    }

    /// A write that may be done though nobody knows.
    fn is_unknown(&self) -> bool {
        self.writes() && self.open
    }
}

/// A step waits before there is a call.
#[derive(Clone, Copy, Debug)]
struct Pause {
    since: Timestamp,
    until: Timestamp,
    tries: u32,
    /// It is time to try again; not part of what is folded.
    over: bool,
}

/// A run that was taken from a backup.
#[derive(Clone, Copy, Debug)]
struct Restored {
    backup_at: Timestamp,
    /// A person looked at one of its calls since.
    released: bool,
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

    /// Since when a step's call may be done though no answer came; none where that is not so.
    pub fn unknown_since(&self, step: usize) -> Option<Timestamp> {
        self.steps.get(step)?.call.as_ref().filter(|call| call.is_unknown()).map(|call| call.first.at)
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
            due_at: self.due_at(),
        }
    }

    /// When there is something to do for it without anybody's doing; none for one that ended.
    pub fn due_at(&self) -> Option<Timestamp> {
        if self.status.has_ended() {
            return None;
        }
        let call = self.in_hand().and_then(|(_, call)| call.wait?.until);
        let pause = self.pause.map(|pause| pause.until);
        [call, pause, self.deadline()].into_iter().flatten().min()
    }

    /// When its time is over, unless it is to end anyway. Waiting for its turn takes none of it.
    pub fn deadline(&self) -> Option<Timestamp> {
        let counts = self.status != RunStatus::Pending && self.ending.is_none();
        let limit = self.definition.settings.timeout_ms.filter(|_| counts)?;
        Some(Timestamp(self.timed_from.0.saturating_add(i64::try_from(limit).unwrap_or(i64::MAX))))
    }

    /// The step whose call has no outcome in the journal yet.
    fn in_hand(&self) -> Option<(usize, &CallState)> {
        self.steps.iter().enumerate().find_map(|(step, state)| Some((step, state.call.as_ref()?)))
    }
}
