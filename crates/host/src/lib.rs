//! Carries out what the engine asks for, on tokio: appends entries through the [`Journal`], makes calls through the
//! [`Actions`], wakes runs when their time comes, and passes on what people do to them. It decides nothing itself; what
//! collects here belongs in the engine.
//!
//! A run has a task only while there is something to do for it; all others are a row in the journal and, where they go on
//! by themselves, an entry among the timers.

mod connections;
mod drive;
mod load;
mod notices;
mod people;
mod recovery;
mod storage;
mod timers;
pub mod triggers;
mod turns;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use loopfour_engine::definitions::Definitions;
use loopfour_engine::ports::{
    Act, ActError, Actions, BoxFuture, Candidates, Clock, Journal, JournalError, Runs, Start, StartError,
    Started,
};
use loopfour_engine::{CompanyId, Context, Policy, Run, RunId, StepPath, Timestamp};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tracing::Instrument as _;
use uuid::Uuid;

use people::Signal;
use timers::Timers;
use turns::Turns;

pub use notices::Notices;
pub use recovery::Recovered;

/// So many runs have a task at most, unless told otherwise: each takes a few kilobytes, and whoever comes then is asked to
/// come again.
const MOST_RUNS: usize = 10_000;

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// The system's clock is looked at so often while somebody waits for a time: it may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    async fn until(&self, at: Timestamp) {
        loop {
            let left = u64::try_from(at.0.saturating_sub(self.now().0)).unwrap_or(0);
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left).min(LONGEST_SLEEP)).await;
        }
    }
}

/// How a host works.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long things may take.
    pub policy: Policy,
    /// So many runs have a task at most.
    pub most_runs: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { policy: Policy::default(), most_runs: MOST_RUNS }
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
    policy: Policy,
    stopping: watch::Sender<bool>,
    /// How many runs have a task.
    active: watch::Sender<usize>,
    /// One permit for each task of a run.
    slots: Arc<Semaphore>,
    state: Mutex<State>,
    timers: Timers,
}

/// What is known of runs beside their journals.
#[derive(Default)]
struct State {
    /// The runs that have a task, and where to reach it.
    tasks: HashMap<RunId, mpsc::Sender<Signal>>,
    /// Who wants to know when a run comes to rest, while it has no task.
    waiters: HashMap<RunId, oneshot::Sender<Box<Run>>>,
    /// Runs whose last answer the storage does not take.
    stalled: HashSet<RunId>,
    /// Which runs wait for each other.
    turns: Turns,
    /// How often a connection came to be usable again.
    changes: u64,
    /// Which of those was the last of a company.
    changed: HashMap<CompanyId, u64>,
}

impl<J: Journal, A: Actions, C: Clock> Host<J, A, C> {
    /// A host over these ports. It does nothing until it is told to recover or to start a run.
    pub fn new(
        journal: J,
        actions: A,
        clock: C,
        definitions: Arc<Definitions>,
        settings: Settings,
    ) -> Host<J, A, C> {
        let (stopping, active) = (watch::Sender::new(false), watch::Sender::new(0));
        let slots = Arc::new(Semaphore::new(settings.most_runs.min(Semaphore::MAX_PERMITS)));
        let (state, timers, policy) = (Mutex::default(), Timers::default(), settings.policy);
        let shared =
            Shared { journal, actions, clock, definitions, policy, stopping, active, slots, state, timers };
        Host { shared: Arc::new(shared) }
    }

    /// Stops: no run begins, no further call is made; calls under way may take `grace` to be answered and recorded.
    /// Whatever is left goes on at the next start. Returns whether all calls were answered in time.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.shared.stopping.send_replace(true);
        self.state().waiters.clear();
        let mut active = self.shared.active.subscribe();
        tokio::time::timeout(grace, active.wait_for(|active| *active == 0)).await.is_ok()
    }

    /// Waits until no run has a task: every one has ended or waits.
    pub async fn idle(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.shared.active.subscribe().wait_for(|active| *active == 0).await;
    }

    async fn begin(&self, start: Start) -> Result<Started, StartError> {
        if self.is_stopping() {
            return Err(StartError::Stopping);
        }
        let slot = Arc::clone(&self.shared.slots).try_acquire_owned().ok();
        let takes_turns = start.queue.is_some() || start.definition.settings.concurrency.is_some();
        if slot.is_none() && !takes_turns {
            return Err(StartError::Busy);
        }
        let id = start.run.unwrap_or_else(|| RunId(Uuid::now_v7()));
        let now = self.shared.clock.now();
        let (mut run, mut entries) = Run::start(start, id, now);
        let Some((task, mailbox)) = self.enter(id, None) else { return Err(self.known(id).await) };
        let Some(its_turn) = self.state().turns.enter(&run) else {
            self.forget(id);
            return Err(self.known(id).await);
        };
        // Until its turn comes, it needs none.
        let slot = slot.filter(|_| its_turn);
        if its_turn && slot.is_none() {
            self.forget(id);
            self.give_turn_on(id);
            return Err(StartError::Busy);
        }
        let task = task.with_slot(slot);
        if its_turn {
            entries.extend(run.advance(&self.context(now)));
        }
        if let Err(cause) = self.append(&run, 0, entries).await {
            self.forget(id);
            self.unplace(id, &cause);
            return Err(cause.into());
        }
        let (rested, rest) = oneshot::channel();
        self.spawn(task, mailbox, run, Some(rested));
        Ok(Started { run: id, rest: Box::pin(async move { rest.await.ok() }) })
    }

    /// Why a run is not started whose id is known here: it exists, or that is about to be decided.
    async fn known(&self, run: RunId) -> StartError {
        match self.shared.journal.load(run).await {
            Ok(entries) if entries.is_empty() => StartError::Busy,
            Ok(_) => JournalError::Exists { run }.into(),
            Err(cause) => cause.into(),
        }
    }

    fn context(&self, now: Timestamp) -> Context<'_> {
        Context { prepare: &self.shared.actions, policy: &self.shared.policy, now }
    }

    fn is_stopping(&self) -> bool {
        *self.shared.stopping.borrow()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: Journal, A: Actions, C: Clock> Runs for Host<J, A, C> {
    fn start(&self, start: Start) -> BoxFuture<'_, Result<Started, StartError>> {
        let host = self.clone();
        Box::pin(to_its_end(async move { host.begin(start).await }))
    }

    fn act(&self, run: RunId, act: Act) -> BoxFuture<'_, Result<Box<Run>, ActError>> {
        let host = self.clone();
        Box::pin(to_its_end(async move { host.carry_out(run, act).await }))
    }

    fn candidates(&self, run: RunId, path: StepPath) -> BoxFuture<'_, Result<Candidates, ActError>> {
        Box::pin(self.look_for(run, path))
    }

    fn is_stalled(&self, run: RunId) -> bool {
        self.state().stalled.contains(&run)
    }
}

/// Does work that is not to be left half done where whoever asked for it goes away, as a client does that hangs up: a run
/// that is stored has its task.
async fn to_its_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let mut work = Box::pin(work.in_current_span());
    if let Some(result) = work.as_mut().now_or_never() {
        return result;
    }
    match tokio::spawn(work).await {
        Ok(result) => result,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and with it whoever waits here.
            Err(_) => std::future::pending().await,
        },
    }
}
