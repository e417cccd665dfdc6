//! Starts runs that nobody asks for by name: for provider events, for firings of schedules, for failures of other runs.
//!
//! Events are taken in and kept first; a dispatcher hands them over then, in their order, each once. A scheduler starts
//! what the clock asks for. Both wake up when there is something to do, and never look around. Who may send events, how
//! runs go on and what is stored how is the business of others.

mod bodies;
mod dispatch;
mod failures;
mod firing;
mod hand_over;
mod listeners;
mod replay;
mod schedules;
mod take_in;

use std::sync::{Arc, Mutex, PoisonError};

use loopfour_engine::definitions::Definitions;
use loopfour_engine::event::Actor;
use loopfour_engine::ports::{BoxFuture, Clock, Journal, JournalError, Runs};
use loopfour_engine::provider_events::{Inbox, Incoming, Intake, Replay, ReplayError, Senders, TakenIn};
use loopfour_engine::schedules::Schedules;
use loopfour_engine::{CompanyId, EventId, Timestamp, WorkflowId};
use loopfour_lang::Workflow;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::load;
use bodies::Bodies;

/// Before something is tried again that there was no room for, or that the storage did not take, milliseconds.
const PAUSE: i64 = 1000;

/// What is tried in vain is tried again after so many milliseconds, and then no more.
const BACKOFF: [i64; 5] = [5_000, 30_000, 120_000, 600_000, 3_600_000];

/// Starts the runs of events, schedules and failures. Clones are handles of the same.
pub struct Triggers<S, C> {
    shared: Arc<Shared<S, C>>,
}

impl<S, C> Clone for Triggers<S, C> {
    fn clone(&self) -> Self {
        Triggers { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<S, C> {
    store: S,
    senders: Arc<dyn Senders>,
    runs: Arc<dyn Runs>,
    definitions: Arc<Definitions>,
    clock: C,
    bodies: Bodies,
    stopping: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl<S: Inbox + Schedules + Journal, C: Clock> Triggers<S, C> {
    /// Over these ports. Takes events in from now on, and hands over nothing until it is told to start.
    pub fn new(
        store: S,
        senders: Arc<dyn Senders>,
        runs: Arc<dyn Runs>,
        definitions: Arc<Definitions>,
        clock: C,
    ) -> Triggers<S, C> {
        let (bodies, stopping, tasks) = (Bodies::default(), watch::Sender::new(false), Mutex::default());
        let shared = Shared { store, senders, runs, definitions, clock, bodies, stopping, tasks };
        Triggers { shared: Arc::new(shared) }
    }

    /// Begins to hand over what is due and to follow the schedules; firings up to now count as missed. To be called once,
    /// after the host found its unfinished runs.
    pub fn start(&self) {
        let (dispatcher, scheduler, begun) = (self.clone(), self.clone(), self.now());
        let tasks = [
            tokio::spawn(async move { dispatcher.dispatch().await }),
            tokio::spawn(async move { scheduler.follow_schedules(begun).await }),
        ];
        self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner).extend(tasks);
    }

    /// Starts no further run, and returns once none is being started. What is left is handed over after the next start.
    /// To be called before the host is stopped.
    pub async fn stop(&self) {
        self.shared.stopping.send_replace(true);
        let tasks = std::mem::take(&mut *self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // One that met a defect has ended as well.
            let _ = task.await;
        }
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    fn is_stopping(&self) -> bool {
        *self.shared.stopping.borrow()
    }

    /// Resolves when all of this is to stop.
    async fn stopped(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.shared.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// Waits a moment, until there may be room again.
    async fn pause(&self) {
        let later = Timestamp(self.now().0.saturating_add(PAUSE));
        tokio::select! {
            () = self.shared.clock.until(later) => {}
            () = self.stopped() => {}
        }
    }

    async fn definition(
        &self,
        workflow: WorkflowId,
        version: u32,
    ) -> Result<Option<Arc<Workflow>>, JournalError> {
        load::definition(&self.shared.store, &self.shared.definitions, workflow, version).await
    }
}

impl<S: Inbox + Schedules + Journal, C: Clock> Intake for Triggers<S, C> {
    fn take_in(&self, event: Incoming) -> BoxFuture<'_, Result<TakenIn, JournalError>> {
        Box::pin(self.keep(event))
    }

    fn asks_for_signature(&self, company: CompanyId, path: &str) -> BoxFuture<'_, Option<bool>> {
        let path = path.to_owned();
        Box::pin(async move { self.signature_at(company, path).await })
    }

    fn replay<'a>(
        &'a self,
        company: CompanyId,
        event: EventId,
        wish: Replay,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<usize, ReplayError>> {
        Box::pin(self.hand_over_again(company, event, wish, by))
    }
}

/// When what failed so often is tried again; `None`: never.
fn next_try(attempts: u32, now: Timestamp) -> Option<Timestamp> {
    let pause = BACKOFF.get(usize::try_from(attempts).ok()?)?;
    Some(Timestamp(now.0.saturating_add(*pause)))
}

/// What people are told of a version whose text has errors by now.
fn no_longer_passes(workflow: WorkflowId, version: u32) -> String {
    format!("version {version} of workflow `{workflow}` no longer passes the checks; validate and update it")
}

/// What people are told of a panic.
fn defect() -> String {
    "the server met a defect of its own; see its log, and report it".to_owned()
}
