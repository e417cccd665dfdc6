//! A run in this process: on the data directory, without a server.
//!
//! Other runs of the data directory are left as they are; `serve` goes on with them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use loopfour_engine::Actor;
use loopfour_engine::definitions::Definitions;
use loopfour_engine::ports::{Append, Clock as _, Journal, JournalError, Runs as _, Start, Unfinished};
use loopfour_engine::{
    CompanyId, Entry, Event, Policy, Run, RunId, Timestamp, TriggerKind, WaitReason, WorkflowId,
};
use loopfour_host::{Host, Settings, SystemClock};
use loopfour_lang::step::condition::Branch;
use loopfour_lang::{Value, Workflow};
use loopfour_server::view::RunView;
use loopfour_store::{
    Order, Span, StatusChange, Store, WorkflowError, WorkflowFilter, WorkflowRow, WorkflowStatus,
};
use tokio::sync::watch;

use crate::config::Config;
use crate::ending::{Ending, Output};
use crate::failure::{FAILED, Failure, INTERRUPTED};
use crate::instance::{self, Embedded};
use crate::print;
use crate::progress::{Happening, Progress, What};
use crate::signals::Signals;
use crate::waits;

/// A journal that shows each entry once it is durable, and tells when only a person can help.
struct Shown<J> {
    journal: J,
    progress: Mutex<Progress>,
    needs_person: watch::Sender<bool>,
}

impl<J: Journal> Journal for Shown<J> {
    async fn append(&self, batch: Append) -> Result<(), JournalError> {
        let entries = batch.entries.clone();
        let reason = batch.summary.waiting.as_ref().map(|waiting| name(waiting.reason));
        self.journal.append(batch).await?;
        let mut progress = self.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let lines = entries.iter().filter_map(happening).filter_map(|happening| progress.tell(&happening));
        lines.for_each(|line| print::talk(&line));
        self.needs_person.send_replace(reason.is_some_and(|reason| waits::is_for_a_person(&reason)));
        Ok(())
    }

    async fn load(&self, run: RunId) -> Result<Vec<Entry>, JournalError> {
        self.journal.load(run).await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, JournalError> {
        self.journal.unfinished().await
    }

    async fn waiting_for_connection(&self, company: CompanyId) -> Result<Vec<RunId>, JournalError> {
        self.journal.waiting_for_connection(company).await
    }

    async fn definition(&self, workflow: WorkflowId, version: u32) -> Result<String, JournalError> {
        self.journal.definition(workflow, version).await
    }
}

/// So long may the call under way take to be answered after Ctrl-C.
const GRACE: Duration = Duration::from_secs(8);

/// Runs a workflow's text with that input, and gives the exit code.
///
/// # Errors
/// The run was not started, or its record cannot be read.
pub async fn run(
    config: Config,
    source: &str,
    workflow: Workflow,
    input: Value,
    output: Output,
) -> Result<u8, Failure> {
    instance::log("error");
    let signals = Signals::new()?;
    let store = instance::open(&config)?;
    let sandbox = if config.sandbox { Some(Embedded::start(&config).await?) } else { None };
    let connect = instance::connect(&config, &store, sandbox.as_ref(), None).await?;
    instance::identify(&connect).await;
    let row =
        stored(&store, &workflow.name, source).await.map_err(|cause| Failure::refused(cause.to_string()))?;
    let definition = Arc::new(workflow);
    let progress = Progress::new(definition.steps.iter().map(|step| step.id.as_str()));
    let needs_person = watch::Sender::new(false);
    let mut waits_for_person = needs_person.subscribe();
    let journal = Shown { journal: store.clone(), progress: Mutex::new(progress), needs_person };
    let mut broken = store.broken();
    // Nobody mends a connection while a command runs.
    let policy = Policy { connection_wait: 0, ..config.policy };
    let settings = Settings { policy, ..Settings::default() };
    let host = Host::new(journal, connect, SystemClock, Arc::new(Definitions::default()), settings);

    print::talk(&print::one_line(&definition.name));
    let start = Start {
        run: None,
        company: row.company,
        workflow: row.id,
        version: row.version,
        definition: Arc::clone(&definition),
        trigger: TriggerKind::Api,
        input,
        connection: None,
        idempotency_key: None,
        restarted_from: None,
        by: Some(Actor::system("loopfour run")),
        cause: None,
        queue: None,
        kept: Vec::new(),
    };
    let started = host.start(start).await.map_err(|cause| Failure::refused(cause.to_string()))?;
    let run = started.run;
    let interrupted = tokio::select! {
        _ = started.rest => false,
        // Its time limit may wake it later; nobody waits for that here.
        _ = waits_for_person.wait_for(|needs_person| *needs_person) => false,
        cause = broken.wait_for(Option::is_some) => {
            let cause = cause.ok().and_then(|cause| cause.clone()).unwrap_or_default();
            let message = format!("the database failed, and nothing after that is certain: {cause}");
            return Err(Failure::failed(message));
        }
        () = signals.stop() => true,
    };
    if interrupted {
        host.stop(GRACE).await;
    }
    let ended = ending(&store, run, definition).await;
    if let Some(sandbox) = sandbox {
        sandbox.stop().await;
    }
    let ended = ended?;
    if matches!(ended.status.as_str(), "pending" | "running") {
        print::talk(&format!("stopped; the next `loopfour serve` on this data directory goes on with {run}"));
        return Ok(if interrupted { INTERRUPTED } else { FAILED });
    }
    ended.tell(output)
}

/// The text as an active workflow: the one that holds it already, or a new one. A workflow with another text is never
/// touched, whatever its name.
async fn stored(store: &Store, name: &str, source: &str) -> Result<WorkflowRow, WorkflowError> {
    let (company, by, now) = (store.default_company(), Actor::system("loopfour run"), SystemClock.now());
    let filter = WorkflowFilter { status: Some(WorkflowStatus::Active), search: Some(name.to_owned()) };
    let newest = Span { order: Order::Descending, after: None, limit: 100 };
    for row in store.workflows(company, filter, newest).await?.rows {
        let version = store.workflow_version(company, row.id, row.version).await?;
        if version.is_some_and(|version| version.source == source) {
            return Ok(row);
        }
    }
    let row = store.create_workflow(company, name, source, &by, now).await?;
    let activate = StatusChange {
        from: vec![WorkflowStatus::Draft],
        to: WorkflowStatus::Active,
        expected_version: Some(row.version),
    };
    store.set_status(company, row.id, activate, &by, now).await
}

/// How a run stands by its journal.
async fn ending(store: &Store, run: RunId, definition: Arc<Workflow>) -> Result<Ending, Failure> {
    let unreadable = |cause: String| Failure::failed(format!("the record of {run} cannot be read: {cause}"));
    let entries = store.load(run).await.map_err(|cause| unreadable(cause.to_string()))?;
    let state = Run::fold(definition, &entries).map_err(|cause| unreadable(cause.to_string()))?;
    let record = serde_json::value::to_raw_value(&RunView::of(&state, false));
    Ending::of_answer(record.map_err(|cause| unreadable(cause.to_string()))?)
}

fn happening(entry: &Entry) -> Option<Happening> {
    let (path, what) = match &entry.event {
        Event::CallIntended { path, .. } | Event::CallResumed { path, .. } => (path, What::Begun),
        Event::ConditionDecided { path, branch, .. } => {
            let branch = match branch {
                Branch::Then => "then",
                Branch::Else => "else",
            };
            (path, What::Decided { branch: branch.to_owned() })
        }
        Event::StepSucceeded { path, output, .. } => (path, What::Succeeded { output: plain(output) }),
        Event::StepSkipped { path } => (path, What::Skipped),
        Event::StepFailed { path, error, fallback, .. } => {
            (path, What::Failed { error: plain(error), goes_on: fallback.is_some() })
        }
        Event::CallHeld { path, reason, error, until, .. } => {
            (path, What::Waits { reason: name(*reason), until: text(*until), error: plain(error) })
        }
        Event::StepHeld { path, reason, error, until, account: _, connection: _ } => {
            (path, What::Waits { reason: name(*reason), until: text(Some(*until)), error: plain(error) })
        }
        Event::RunStarted { .. }
        | Event::StepKept { .. }
        | Event::RunCompleted { .. }
        | Event::RunFailed { .. }
        | Event::CancelRequested { .. }
        | Event::TimeLimitPassed
        | Event::RunCancelled
        | Event::RunTimedOut { .. }
        | Event::RetryRequested { .. }
        | Event::OutcomeResolved { .. }
        | Event::RunRestored { .. }
        | Event::RunParked { .. } => return None,
    };
    Some(Happening { at: entry.at.0, step: path.0.clone(), what })
}

fn plain(value: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("what is stored as JSON is JSON")
}

/// A time as the API tells it.
fn text(time: Option<Timestamp>) -> Option<String> {
    time.map(|time| time.to_string())
}

/// The API's name of a reason.
fn name(reason: WaitReason) -> String {
    plain(&reason).as_str().unwrap_or_default().to_owned()
}
