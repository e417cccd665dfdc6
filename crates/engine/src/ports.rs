//! What the engine and its hosts need of the outside: the journal, the providers, the clock; and what others need of a
//! host. Whoever implements a port keeps the guarantees written here.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use loopfour_lang::catalog::Action;
use loopfour_lang::template::Tree;
use loopfour_lang::{Document, Value, Workflow};

use crate::call::{Account, Bound, Outcome, Request, Sending};
use crate::cause::{Cause, Queue};
use crate::error::StepError;
use crate::event::{Actor, Entry, Event, StepPath, TriggerKind};
use crate::id::{CompanyId, ConnectionId, RunId, WorkflowId};
use crate::run::{Run, RunStatus, Summary, WaitReason};
use crate::time::Timestamp;

/// A batch of entries for one run: all of them become durable, or none.
#[derive(Clone, Debug)]
pub struct Append {
    /// The run.
    pub run: RunId,
    /// How many entries its journal has already; 0 makes a new run from the `RunStarted` that comes first.
    pub expected: u64,
    /// What is added, `seq` going on from `expected`; shared, so that a batch can be tried again.
    pub entries: Arc<[Entry]>,
    /// How the run stands after the last of them.
    pub summary: Summary,
}

/// Why an append did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Somebody else wrote to the run's journal.
    #[error("the journal of {run} is not where it was expected")]
    Conflict {
        /// The run.
        run: RunId,
    },
    /// A run with this idempotency key exists already, younger than 24 hours; or one of this workflow for this cause.
    #[error("{run} was started with the same idempotency key, or for the same cause")]
    Exists {
        /// The run that exists.
        run: RunId,
    },
    /// Nothing by that name.
    #[error("{0} does not exist")]
    Missing(String),
    /// The disk is full or takes no writes: nothing was stored, and it may be tried again.
    #[error("storage: {0}")]
    Full(String),
    /// The storage failed; whether the entries are there is not known.
    #[error("storage: {0}")]
    Storage(String),
}

/// The journal of all runs.
pub trait Journal: Send + Sync + 'static {
    /// Adds a batch. Returns only after it is durable; on an error nothing of it will ever show, except with
    /// [`JournalError::Storage`].
    fn append(&self, batch: Append) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// All entries of a run in order; none if it does not exist.
    fn load(&self, run: RunId) -> impl Future<Output = Result<Vec<Entry>, JournalError>> + Send;

    /// Every run that has not ended, oldest first.
    fn unfinished(&self) -> impl Future<Output = Result<Vec<Unfinished>, JournalError>> + Send;

    /// The company's runs that wait for a connection, oldest first.
    fn waiting_for_connection(
        &self,
        company: CompanyId,
    ) -> impl Future<Output = Result<Vec<RunId>, JournalError>> + Send;

    /// The text of a workflow's version as it was stored.
    fn definition(
        &self,
        workflow: WorkflowId,
        version: u32,
    ) -> impl Future<Output = Result<String, JournalError>> + Send;
}

/// A run that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The run.
    pub run: RunId,
    /// When there is something to do for it.
    pub due: Due,
    /// Whose turn it waits for, or has.
    pub turn: Option<Turn>,
}

/// A run among those of its workflow that take turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its workflow.
    pub workflow: WorkflowId,
    /// Which of them count together.
    pub queue: Queue,
    /// It was its turn already: it is not `pending`.
    pub begun: bool,
}

/// When there is something to do for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At a start of the host: it was under way, or waits for what a start may bring.
    Now,
    /// Then ([`Summary::due_at`]).
    At(Timestamp),
    /// Only when a person or an event says so.
    Never,
}

impl Due {
    /// When there is something to do for a run that stands so.
    pub fn of(summary: &Summary) -> Due {
        let waits = summary.waiting.as_ref().map(|waiting| (waiting.reason, waiting.until));
        match (summary.status, waits) {
            (RunStatus::Pending | RunStatus::Running, _)
            | (RunStatus::Waiting, None | Some((WaitReason::Connection | WaitReason::Storage, _)))
            | (RunStatus::Waiting, Some((WaitReason::Retry | WaitReason::Pace, None))) => Due::Now,
            (RunStatus::Waiting, Some(_)) => summary.due_at.map_or(Due::Never, Due::At),
            (RunStatus::Completed | RunStatus::Failed | RunStatus::Cancelled | RunStatus::Timeout, _) => {
                Due::Never
            }
        }
    }
}

/// A step's config, resolved and about to become a request.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Whose run it is.
    pub company: CompanyId,
    /// The row of the catalogue.
    pub action: &'a Action,
    /// The config as written: tells what a template gave from what stands there.
    pub config: &'a Tree,
    /// The config with its templates filled in.
    pub input: &'a Value,
    /// The connection asked for, by the step, else by the run.
    pub connection: Option<ConnectionId>,
    /// The run.
    pub run: RunId,
    /// The step.
    pub path: &'a StepPath,
    /// Whether created objects carry run and step in their metadata.
    pub stamp: bool,
    /// What the run is bound to, where that is settled before a connection is chosen: by its first call of a step that
    /// asks for no connection itself, or by an earlier one on the very connection that this step asks for.
    pub bound: Option<&'a Bound>,
    /// What it used at this provider so far, one per connection.
    pub used: &'a [Bound],
}

impl<'a> Call<'a> {
    /// What the call must keep to if it goes out under the connection of this name ([`Account::connection`]): what the run
    /// is bound to, which may be another connection, else what it used there before.
    pub fn bound_on(&self, connection: &str) -> Option<&'a Bound> {
        self.bound.or_else(|| self.used.iter().find(|used| used.account.connection == connection))
    }
}

/// Why there is no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unprepared {
    /// The step fails: `EMPTY_PARAMETER`, `INVALID_PARAMETER`, no connection configured.
    Refused(StepError),
    /// The run waits for its connection: it is not active, whose account it is cannot be told yet, or it is another than
    /// the run's.
    NotReady {
        /// Why.
        error: StepError,
        /// The connection that was chosen, if one was: from here on the run is bound to it and its mode.
        account: Option<Account>,
    },
}

impl From<StepError> for Unprepared {
    fn from(error: StepError) -> Unprepared {
        Unprepared::Refused(error)
    }
}

/// Turns a step's config into a request. Pure: the same call always gives the same request.
pub trait Prepare {
    /// The request, ready to be journaled.
    ///
    /// # Errors
    /// The step cannot be sent at all, or not now.
    fn prepare(&self, call: &Call<'_>) -> Result<Request, Unprepared>;
}

/// The providers.
pub trait Actions: Prepare + Send + Sync + 'static {
    /// Waits until the provider's pace allows the call, first come first served. Dropping it gives the place up.
    fn turn(&self, request: &Request) -> impl Future<Output = ()> + Send;

    /// Sends a request once and judges the answer. Never retries, never panics, ends within the sending's time limit.
    fn perform(&self, sending: Sending<'_>) -> impl Future<Output = Outcome> + Send;

    /// Reads an object of which a person says that this call made or changed it.
    ///
    /// # Errors
    /// There is no such object, it cannot be what the call gives, or the provider gave no answer.
    fn find(&self, request: &Request, id: &str) -> impl Future<Output = Result<Document, FindError>> + Send;

    /// Looks for what a call may have done: objects made since then that carry run and step in their metadata, or the
    /// object that it was about.
    ///
    /// # Errors
    /// Nothing that the call makes could be told from others, or the provider gave no answer.
    fn candidates(
        &self,
        request: &Request,
        run: RunId,
        path: &StepPath,
        since: Timestamp,
    ) -> impl Future<Output = Result<Candidates, FindError>> + Send;
}

/// Why an object was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// What was asked for cannot be: no such object, or one of another kind. The text is for people.
    #[error("{0}")]
    Unfit(String),
    /// The provider gave no answer.
    #[error("{0}")]
    Unavailable(String),
}

/// What a look at the provider found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Objects that carry the run and the step, or the one that the call was to change.
    pub found: Vec<Candidate>,
    /// How many objects were looked at.
    pub searched: u64,
    /// Whether those were all that there are since the call was first sent.
    pub complete: bool,
    /// The call was to change an object, whose state alone says whether it is done.
    pub changes: bool,
}

/// An object that a call may have made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// The provider's id.
    pub id: String,
    /// Its kind, `invoice`.
    pub object: String,
    /// When it was made, Unix seconds.
    pub created: i64,
    /// Its amount in the currency's smallest unit.
    pub amount: Option<i64>,
    /// Its currency.
    pub currency: Option<String>,
    /// How it stands.
    pub status: Option<String>,
}

/// The time.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Waits until then; not at all if that is past.
    fn until(&self, at: Timestamp) -> impl Future<Output = ()> + Send
    where
        Self: Sized;
}

/// A future behind a pointer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What starts a run.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its id, where whoever starts it has to know it before; else one is drawn.
    pub run: Option<RunId>,
    /// Whose.
    pub company: CompanyId,
    /// Which workflow.
    pub workflow: WorkflowId,
    /// Which version.
    pub version: u32,
    /// That version, checked.
    pub definition: Arc<Workflow>,
    /// What started it.
    pub trigger: TriggerKind,
    /// What it is given.
    pub input: Value,
    /// The connection that its actions use.
    pub connection: Option<ConnectionId>,
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// The run that this one starts anew.
    pub restarted_from: Option<RunId>,
    /// Who starts it, where somebody does.
    pub by: Option<Actor>,
    /// Why, where nobody asked for it by name. A second start for the same workflow and cause is
    /// [`JournalError::Exists`].
    pub cause: Option<Cause>,
    /// Whose turn it waits for; none: what the workflow's `settings.concurrency` says.
    pub queue: Option<Queue>,
    /// Steps of that run whose results it keeps ([`Run::kept`]).
    pub kept: Vec<Event>,
}

/// Why a run was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The host is stopping.
    #[error("the server is stopping")]
    Stopping,
    /// As many runs are under way as may be; try again in a moment.
    #[error("too many runs are under way")]
    Busy,
    /// The journal did not take it.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A run that was started.
pub struct Started {
    /// Its id.
    pub run: RunId,
    /// Resolves when nothing more happens to the run in this process for now, with its state: ended or waiting. `None` if
    /// that is not known: the process stops, or met a defect. Nobody need wait for it.
    pub rest: BoxFuture<'static, Option<Box<Run>>>,
}

/// What a person does to a run.
#[derive(Clone, Debug)]
pub struct Act {
    /// Who.
    pub by: Actor,
    /// What.
    pub what: Deed,
}

/// What can be done to a run.
#[derive(Clone, Debug)]
pub enum Deed {
    /// End it, once the outcome of the step in hand is known.
    Cancel,
    /// Go on with a failed run at its first failed step.
    Retry {
        /// A person looked and says that the failed step's call was not done.
        not_done: bool,
    },
    /// Say what became of a call whose outcome is unknown.
    Resolve {
        /// The step.
        path: StepPath,
        /// Why the person knows.
        reason: String,
        /// What it is.
        resolution: Resolution,
    },
}

/// What a person says of a call whose outcome is unknown.
#[derive(Clone, Debug)]
pub enum Resolution {
    /// It is done: this object came of it, which is read back.
    Found {
        /// The provider's id.
        id: String,
    },
    /// It is done, and this is its output.
    Done {
        /// As the provider would have answered.
        output: Document,
    },
    /// It is to be sent again.
    Retry {
        /// A person looked and says that it was not done: a new epoch may begin.
        not_done: bool,
    },
    /// The step fails.
    Fail,
}

/// Why a person's act was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// There is no such run or step.
    #[error("{0}")]
    Missing(String),
    /// The run does not stand so that this can be done.
    #[error("{0}")]
    State(String),
    /// What was said cannot be right.
    #[error("{0}")]
    Unfit(String),
    /// The provider, which was to be asked, gave no answer.
    #[error("{0}")]
    Unavailable(String),
    /// The host is stopping.
    #[error("the server is stopping")]
    Stopping,
    /// The journal did not take it.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What others may ask of a host.
pub trait Runs: Send + Sync + 'static {
    /// Starts a run. Returns only after its start is durable; an idempotency key that started one before is
    /// [`JournalError::Exists`].
    fn start(&self, start: Start) -> BoxFuture<'_, Result<Started, StartError>>;

    /// Does something to a run. Returns only after that is durable, with the state right after it.
    fn act(&self, run: RunId, act: Act) -> BoxFuture<'_, Result<Box<Run>, ActError>>;

    /// Objects at the provider that may have come of a step's call.
    fn candidates(&self, run: RunId, path: StepPath) -> BoxFuture<'_, Result<Candidates, ActError>>;

    /// Whether what came of the run's last call cannot be stored for now: it waits for `storage`, which its journal
    /// cannot say.
    fn is_stalled(&self, run: RunId) -> bool;
}
