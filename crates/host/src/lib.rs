//! Carries out what the engine asks for, on tokio: appends entries through the [`Journal`], makes calls through the
//! [`Actions`], and starts and recovers runs. It decides nothing itself; what collects here belongs in the engine.

mod recovery;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use loopfour_engine::definitions::Definitions;
use loopfour_engine::error::code;
use loopfour_engine::ports::{
    Actions, Append, BoxFuture, Clock, Journal, JournalError, Runs, Start, StartError, Started,
};
use loopfour_engine::{Command, Entry, Event, Run, RunId, StepError, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{Instrument as _, debug, error, info_span};
use uuid::Uuid;

pub use recovery::Recovered;

/// Before a batch that the storage did not take is tried again; it doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Runs workflows in this process. Clones are handles of the same host.
pub struct Host<J, A, C> {
    shared: Arc<Shared<J, A, C>>,
}

impl<J, A, C> Clone for Host<J, A, C> {
    fn clone(&self) -> Self {
        Host { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<J, A, C> {
    journal: J,
    actions: A,
    clock: C,
    definitions: Arc<Definitions>,
    stopping: watch::Sender<bool>,
    /// How many runs have a task.
    active: watch::Sender<usize>,
}

impl<J: Journal, A: Actions, C: Clock> Host<J, A, C> {
    /// A host over these ports. It does nothing until it is told to recover or to start a run.
    pub fn new(journal: J, actions: A, clock: C, definitions: Arc<Definitions>) -> Host<J, A, C> {
        let (stopping, active) = (watch::Sender::new(false), watch::Sender::new(0));
        Host { shared: Arc::new(Shared { journal, actions, clock, definitions, stopping, active }) }
    }

    /// Stops: no run begins, no further call is made; calls under way may take `grace` to be answered and recorded.
    /// Whatever is left goes on at the next start. Returns whether all calls were answered in time.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.shared.stopping.send_replace(true);
        let mut active = self.shared.active.subscribe();
        tokio::time::timeout(grace, active.wait_for(|active| *active == 0)).await.is_ok()
    }

    /// Waits until no run has anything left to do here: every one has ended or waits.
    pub async fn idle(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.shared.active.subscribe().wait_for(|active| *active == 0).await;
    }

    async fn begin(&self, start: Start) -> Result<Started, StartError> {
        if self.is_stopping() {
            return Err(StartError::Stopping);
        }
        let id = RunId(Uuid::now_v7());
        let now = self.shared.clock.now();
        let event = Event::RunStarted {
            run: id,
            company: start.company,
            workflow: start.workflow,
            version: start.version,
            trigger: start.trigger,
            input: start.input,
            connection: start.connection,
            idempotency_key: start.idempotency_key,
        };
        let first = Entry { seq: 1, at: now, event };
        let mut run =
            Run::begin(start.definition, &first).expect("a journal that begins with the run's start");
        let mut entries = vec![first];
        entries.extend(run.advance(&self.shared.actions, now));
        self.append(&run, 0, entries).await?;
        let rest = self.spawn(run);
        Ok(Started { run: id, rest: Box::pin(async move { rest.await.ok().flatten() }) })
    }

    /// Gives a run a task of its own, which gives its state back when the run rests. All its entries are durable.
    fn spawn(&self, run: Run) -> JoinHandle<Option<Box<Run>>> {
        let host = self.clone();
        let active = Active::enter(&self.shared.active);
        let id = run.id;
        let span = info_span!("run", run = %id);
        let task = async move {
            let _active = active;
            let rested = AssertUnwindSafe(host.drive(Box::new(run))).catch_unwind().await;
            if rested.is_err() {
                error!("the run met a defect and is parked");
                host.park(id).await;
            }
            rested.ok().flatten()
        };
        tokio::spawn(task.instrument(span))
    }

    /// Makes the calls that are due, one after the other, until the run ends or waits; `None` if the host stops first.
    async fn drive(&self, mut run: Box<Run>) -> Option<Box<Run>> {
        while let Some(command) = run.due().into_iter().next() {
            if self.is_stopping() {
                return None;
            }
            let outcome = self.shared.actions.perform(command.sending()).await;
            let Command::Perform { path, .. } = &command;
            let now = self.shared.clock.now();
            let expected = run.length;
            let mut entries = vec![run.settle(path, outcome, now)];
            entries.extend(run.advance(&self.shared.actions, now));
            if !self.keep(&run, expected, entries).await {
                return None;
            }
        }
        debug!(status = run.status.name(), "the run rests");
        Some(run)
    }

    async fn append(&self, run: &Run, expected: u64, entries: Vec<Entry>) -> Result<(), JournalError> {
        let (entries, summary) = (entries.into(), run.summary());
        self.shared.journal.append(Append { run: run.id, expected, entries, summary }).await
    }

    /// Appends what came of a call. While the storage fails, the answer stays in memory and is tried again, and the run
    /// sends nothing more. False if the host stops first: then the call goes out again under its key at the next start.
    async fn keep(&self, run: &Run, expected: u64, entries: Vec<Entry>) -> bool {
        let batch = Append { run: run.id, expected, entries: entries.into(), summary: run.summary() };
        let mut stopping = self.shared.stopping.subscribe();
        let mut pause = FIRST_PAUSE;
        loop {
            let cause = match self.shared.journal.append(batch.clone()).await {
                Ok(()) => return true,
                Err(cause) => cause,
            };
            error!(%cause, "what came of a call could not be recorded");
            if !matches!(cause, JournalError::Storage(_)) {
                return false;
            }
            let stopped = stopping.wait_for(|stopping| *stopping);
            if tokio::time::timeout(pause, stopped).await.is_ok() {
                return false;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            // A storage that failed may have kept the batch all the same.
            if self.shared.journal.load(run.id).await.is_ok_and(|stored| stored.len() as u64 == run.length) {
                return true;
            }
        }
    }

    /// Parks a run whose task panicked, from what is in its journal.
    async fn park(&self, id: RunId) {
        let parked = async {
            let mut run = self.load(id).await?;
            if run.status.has_ended() {
                return Ok(());
            }
            let expected = run.length;
            let error = StepError::new(
                code::INTERNAL_ERROR,
                "the server met a defect of its own while it ran this",
                "see the server's log for this run, and report it",
            );
            let entry = run.park(error, self.shared.clock.now());
            self.append(&run, expected, vec![entry]).await.map_err(|cause| cause.to_string())
        };
        if let Err(cause) = parked.await {
            error!(%cause, "the run could not be parked");
        }
    }

    fn is_stopping(&self) -> bool {
        *self.shared.stopping.borrow()
    }
}

impl<J: Journal, A: Actions, C: Clock> Runs for Host<J, A, C> {
    fn start(&self, start: Start) -> BoxFuture<'_, Result<Started, StartError>> {
        Box::pin(self.begin(start))
    }
}

/// Counts a task while it lives, however it ends.
struct Active(watch::Sender<usize>);

impl Active {
    fn enter(count: &watch::Sender<usize>) -> Active {
        count.send_modify(|active| *active += 1);
        Active(count.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.send_modify(|active| *active -= 1);
    }
}
