//! What the engine and its hosts need of the outside: the journal, the providers, the clock; and what others need of a
//! host. Whoever implements a port keeps the guarantees written here.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use loopfour_lang::catalog::Action;
use loopfour_lang::template::Tree;
use loopfour_lang::{Value, Workflow};

use crate::call::{Outcome, Request, Sending};
use crate::error::StepError;
use crate::event::{Entry, StepPath, TriggerKind};
use crate::id::{CompanyId, ConnectionId, RunId, WorkflowId};
use crate::run::{Run, Summary};
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
    /// A run with this idempotency key exists already, younger than 24 hours.
    #[error("{run} was started with the same idempotency key")]
    Exists {
        /// The run that exists.
        run: RunId,
    },
    /// Nothing by that name.
    #[error("{0} does not exist")]
    Missing(String),
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
    fn unfinished(&self) -> impl Future<Output = Result<Vec<RunId>, JournalError>> + Send;

    /// The text of a workflow's version as it was stored.
    fn definition(
        &self,
        workflow: WorkflowId,
        version: u32,
    ) -> impl Future<Output = Result<String, JournalError>> + Send;
}

/// A step's config, resolved and about to become a request.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The row of the catalogue.
    pub action: &'a Action,
    /// The config as written: tells what a template gave from what stands there.
    pub config: &'a Tree,
    /// The config with its templates filled in.
    pub input: &'a Value,
    /// The connection asked for, by step or run.
    pub connection: Option<ConnectionId>,
    /// The run.
    pub run: RunId,
    /// The step.
    pub path: &'a StepPath,
    /// Whether created objects carry run and step in their metadata.
    pub stamp: bool,
}

/// Turns a step's config into a request. Pure: the same call always gives the same request.
pub trait Prepare {
    /// The request, ready to be journaled.
    ///
    /// # Errors
    /// `EMPTY_PARAMETER`, `INVALID_PARAMETER`, or that no connection can be used.
    fn prepare(&self, call: &Call<'_>) -> Result<Request, StepError>;
}

/// The providers.
pub trait Actions: Prepare + Send + Sync + 'static {
    /// Sends a request once and judges the answer. Never retries, never panics, ends within the sending's time limit.
    fn perform(&self, sending: Sending<'_>) -> impl Future<Output = Outcome> + Send;
}

/// The time.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// A future behind a pointer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What starts a run.
#[derive(Clone, Debug)]
pub struct Start {
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
}

/// Why a run was not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The host is stopping.
    #[error("the server is stopping")]
    Stopping,
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

/// What others may ask of a host.
pub trait Runs: Send + Sync + 'static {
    /// Starts a run. Returns only after its start is durable; an idempotency key that started one before is
    /// [`JournalError::Exists`].
    fn start(&self, start: Start) -> BoxFuture<'_, Result<Started, StartError>>;
}
