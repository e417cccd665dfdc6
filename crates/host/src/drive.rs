//! The task of one run: it makes the calls that are due, one after the other, hears what people want meanwhile, and ends
//! when the run ends or waits.

use std::collections::hash_map::Entry;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures_util::FutureExt as _;
use loopfour_engine::error::code;
use loopfour_engine::ports::{Actions, Clock, Journal, JournalError};
use loopfour_engine::{Command, Outcome, Run, RunId, RunStatus, StepError, StepPath, Timestamp, Wake};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tracing::{Instrument as _, debug, error, info_span};

use crate::Host;
use crate::load::LoadError;
use crate::people::Signal;

/// A turn that does not come within so many milliseconds is told in the journal: the run waits (`pace`).
const SHORT_WAIT: i64 = 1000;

/// Before a run is looked at again that could not be woken because of the storage, milliseconds.
const STORAGE_PAUSE: i64 = 10_000;

/// So many signals wait for a run at most.
const MAILBOX: usize = 16;

/// The right to drive a run in this process. Dropping it lets others have it.
pub(crate) struct Task {
    pub(crate) run: RunId,
    /// How often a connection had come to be usable again when it began.
    changes: u64,
    _slot: Option<OwnedSemaphorePermit>,
    _active: Active,
}

impl Task {
    pub(crate) fn with_slot(self, slot: Option<OwnedSemaphorePermit>) -> Task {
        Task { _slot: slot, ..self }
    }
}

/// The journal could not be written before the host stopped, or somebody else wrote to it.
pub(crate) struct Lost;

/// A run that is to go on.
pub(crate) enum Ready {
    /// It stands so, and here is its task.
    Run(Task, mpsc::Receiver<Signal>, Box<Run>),
    /// It has a task.
    UnderWay,
    /// It could not be read, or the host stops.
    Unreadable,
}

/// What ended the wait for a turn.
enum Turn {
    /// The call may go now.
    Came,
    /// Something else happened first; the state may be another.
    Interrupted,
}

impl<J: Journal, A: Actions, C: Clock> Host<J, A, C> {
    /// Gives the run a task, unless it has one already.
    pub(crate) fn enter(
        &self,
        run: RunId,
        slot: Option<OwnedSemaphorePermit>,
    ) -> Option<(Task, mpsc::Receiver<Signal>)> {
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        let mut state = self.state();
        match state.tasks.entry(run) {
            Entry::Occupied(task) if !task.get().is_closed() => return None,
            // What stood there ended with a defect.
            entry => entry.insert_entry(sender),
        };
        let (changes, active) = (state.changes, Active::enter(&self.shared.active));
        Some((Task { run, changes, _slot: slot, _active: active }, mailbox))
    }

    /// Drives a run, all of whose entries are durable. `rested` is told its state when nothing more happens to it by
    /// itself.
    pub(crate) fn spawn(
        &self,
        task: Task,
        mailbox: mpsc::Receiver<Signal>,
        run: Run,
        rested: Option<oneshot::Sender<Box<Run>>>,
    ) {
        if run.status != RunStatus::Pending {
            self.state().turns.begin(run.id);
        }
        let host = self.clone();
        let span = info_span!("run", run = %task.run);
        let driven = async move { host.drive(task, mailbox, Box::new(run), rested).await };
        tokio::spawn(driven.instrument(span));
    }

    async fn drive(
        &self,
        task: Task,
        mut mailbox: mpsc::Receiver<Signal>,
        mut run: Box<Run>,
        mut rested: Option<oneshot::Sender<Box<Run>>>,
    ) {
        let id = task.run;
        let work = async {
            loop {
                self.work(&mut run, &mut mailbox).await?;
                if self.leave(&run, &mailbox, &mut rested) {
                    return Ok::<(), Lost>(());
                }
            }
        };
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        match ended {
            Ok(Ok(())) => self.rest(run, rested, task.changes),
            Ok(Err(Lost)) => self.forget(id),
            Err(_) => {
                error!("the run met a defect and is parked");
                self.forget(id);
                self.park(id).await;
            }
        }
        drop(task);
    }

    /// Does everything that is to be done now.
    async fn work(&self, run: &mut Run, mailbox: &mut mpsc::Receiver<Signal>) -> Result<(), Lost> {
        loop {
            while let Ok(signal) = mailbox.try_recv() {
                self.obey_before_sending(run, signal).await?;
            }
            self.end_in_time(run).await?;
            let Some(command) = run.due() else { return Ok(()) };
            if self.is_stopping() {
                return Err(Lost);
            }
            match self.await_turn(run, &command, mailbox).await? {
                Turn::Interrupted => continue,
                Turn::Came => {}
            }
            let now = self.shared.clock.now();
            if let Some(entry) = run.before_sending(&command, &self.context(now)) {
                self.record(run, vec![entry]).await?;
            }
            // What was just recorded may hold it, or change what the sending is.
            let Some(command) = run.due() else { continue };
            let outcome = self.perform(run, &command, mailbox).await?;
            let Command::Perform { path, .. } = &command;
            self.settle(run, path, outcome).await?;
        }
    }

    /// Does what a person wants while no call is under way: one that is due did not leave, and need not.
    async fn obey_before_sending(&self, run: &mut Run, signal: Signal) -> Result<(), Lost> {
        self.hold_back(run).await?;
        self.obey(run, signal).await
    }

    /// Notices that the run's time is over while no call is under way: what came before took long, as where the storage
    /// took nothing.
    async fn end_in_time(&self, run: &mut Run) -> Result<(), Lost> {
        let now = self.shared.clock.now();
        if run.deadline().is_none_or(|deadline| deadline > now) {
            return Ok(());
        }
        self.hold_back(run).await?;
        let mut entries = run.wake(Wake::Timer, &self.context(now));
        entries.extend(self.advance(run, &self.context(now)));
        self.record(run, entries).await
    }

    /// Records that a call which is due did not leave yet.
    async fn hold_back(&self, run: &mut Run) -> Result<(), Lost> {
        if let Some(Command::Perform { path, .. }) = run.due().filter(|_| run.waiting.is_none()) {
            let entry = run.await_turn(&path, self.shared.clock.now());
            self.record(run, vec![entry]).await?;
        }
        Ok(())
    }

    async fn settle(&self, run: &mut Run, path: &StepPath, outcome: Outcome) -> Result<(), Lost> {
        let now = self.shared.clock.now();
        let mut entries = vec![run.settle(path, outcome, &self.context(now))];
        entries.extend(self.advance(run, &self.context(now)));
        self.record(run, entries).await
    }

    /// Makes entries durable that are folded already.
    pub(crate) async fn record(&self, run: &Run, entries: Vec<loopfour_engine::Entry>) -> Result<(), Lost> {
        if entries.is_empty() {
            return Ok(());
        }
        let expected = run.length - entries.len() as u64;
        if self.keep(run, expected, entries).await { Ok(()) } else { Err(Lost) }
    }

    /// Waits for the call's turn under the provider's pace. A wait that is worth telling is told in the journal.
    async fn await_turn(
        &self,
        run: &mut Run,
        command: &Command,
        mailbox: &mut mpsc::Receiver<Signal>,
    ) -> Result<Turn, Lost> {
        let Command::Perform { path, request, .. } = command;
        let mut turn = pin!(self.shared.actions.turn(request));
        if turn.as_mut().now_or_never().is_some() {
            return Ok(Turn::Came);
        }
        let mut stopping = self.shared.stopping.subscribe();
        let mut told = run.waiting.is_some();
        let soon = Timestamp(self.shared.clock.now().0.saturating_add(SHORT_WAIT));
        loop {
            let deadline = run.deadline();
            let interrupted = tokio::select! {
                () = &mut turn => return Ok(Turn::Came),
                () = self.shared.clock.until(soon), if !told => None,
                () = self.at(deadline) => Some(None),
                Some(signal) = mailbox.recv() => Some(Some(signal)),
                _ = stopping.wait_for(|stopping| *stopping) => return Err(Lost),
            };
            let now = self.shared.clock.now();
            if !told {
                // Also before anything else happens: a call that did not leave is not under way.
                told = true;
                let entry = run.await_turn(path, now);
                self.record(run, vec![entry]).await?;
            }
            match interrupted {
                None => {}
                Some(Some(signal)) => {
                    let length = run.length;
                    self.obey(run, signal).await?;
                    if run.length != length {
                        return Ok(Turn::Interrupted);
                    }
                }
                Some(None) => {
                    let mut entries = run.wake(Wake::Timer, &self.context(now));
                    entries.extend(self.advance(run, &self.context(now)));
                    self.record(run, entries).await?;
                    return Ok(Turn::Interrupted);
                }
            }
        }
    }

    /// Makes the call. What people want meanwhile, and that the run's time is over, is recorded at once.
    async fn perform(
        &self,
        run: &mut Run,
        command: &Command,
        mailbox: &mut mpsc::Receiver<Signal>,
    ) -> Result<Outcome, Lost> {
        let mut sending = pin!(self.shared.actions.perform(command.sending()));
        loop {
            let deadline = run.deadline();
            tokio::select! {
                // First of all it leaves; what is recorded from then on meets a call under way.
                biased;
                outcome = &mut sending => return Ok(outcome),
                Some(signal) = mailbox.recv() => self.obey(run, signal).await?,
                () = self.at(deadline) => {
                    let expired = run.expire(self.shared.clock.now());
                    self.record(run, expired.into_iter().collect()).await?;
                }
            }
        }
    }

    async fn at(&self, time: Option<Timestamp>) {
        match time {
            Some(at) => self.shared.clock.until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Goes on with a run whose time has come, unless it has a task.
    pub(crate) async fn wake(&self, id: RunId) {
        self.go_on(id, Wake::Timer).await;
    }

    /// Loads a run and goes on with it, unless it has a task; waits for a slot.
    pub(crate) async fn go_on(&self, id: RunId, wake: Wake) {
        if let Some(slot) = self.slot().await {
            let ready = self.ready(id, slot, wake).await;
            self.spawn_ready(ready);
        }
    }

    /// Waits until there are fewer tasks than there may be; none once the host stops.
    pub(crate) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        self.shared.slots.clone().acquire_owned().await.ok().filter(|_| !self.is_stopping())
    }

    /// Loads a run that has no task and records that it goes on.
    pub(crate) async fn ready(&self, id: RunId, slot: OwnedSemaphorePermit, wake: Wake) -> Ready {
        if self.is_stopping() {
            return Ready::Unreadable;
        }
        let Some((task, mailbox)) = self.enter(id, Some(slot)) else { return Ready::UnderWay };
        let cause = match self.woken(id, wake).await {
            Ok(run) => return Ready::Run(task, mailbox, Box::new(run)),
            Err(cause) => cause,
        };
        error!(run = %id, %cause, "the run cannot go on");
        self.forget(id);
        match cause {
            LoadError::Journal(JournalError::Full(_) | JournalError::Storage(_)) => {
                let later = self.shared.clock.now().0.saturating_add(STORAGE_PAUSE);
                self.set_timer(id, Timestamp(later));
            }
            LoadError::Journal(JournalError::Conflict { .. } | JournalError::Exists { .. }) => {}
            LoadError::Missing(_) | LoadError::Damaged(_) | LoadError::Journal(JournalError::Missing(_)) => {
                self.pass_over(id);
            }
        }
        Ready::Unreadable
    }

    /// Gives a run that is ready its task. Says whether it could be read.
    pub(crate) fn spawn_ready(&self, ready: Ready) -> bool {
        match ready {
            Ready::Run(task, mailbox, run) => {
                let rested = self.state().waiters.remove(&task.run);
                self.spawn(task, mailbox, *run, rested);
                true
            }
            Ready::UnderWay => true,
            Ready::Unreadable => false,
        }
    }

    async fn woken(&self, id: RunId, wake: Wake) -> Result<Run, LoadError> {
        let mut run = self.load(id).await?;
        let context = self.context(self.shared.clock.now());
        let before = run.length;
        let mut entries = run.wake(wake, &context);
        entries.extend(self.advance(&mut run, &context));
        if !entries.is_empty() {
            self.append(&run, before, entries).await?;
        }
        Ok(run)
    }

    /// Gives up the run if nobody wants anything of it; a signal that came meanwhile is not lost, nor that its turn came. Who
    /// wants to know when it rests waits on where it goes on by itself.
    fn leave(
        &self,
        run: &Run,
        mailbox: &mpsc::Receiver<Signal>,
        rested: &mut Option<oneshot::Sender<Box<Run>>>,
    ) -> bool {
        let mut state = self.state();
        if !mailbox.is_empty() {
            return false;
        }
        state.tasks.remove(&run.id);
        let goes_on = run.status == RunStatus::Pending || run.due_at().is_some();
        if goes_on
            && !self.is_stopping()
            && let Some(waiter) = rested.take_if(|rested| !rested.is_closed())
        {
            state.waiters.insert(run.id, waiter);
        }
        let next = match run.status {
            RunStatus::Pending => state.turns.is_called(run.id).then_some(run.id).into_iter().collect(),
            RunStatus::Running | RunStatus::Waiting => {
                state.turns.begin(run.id);
                Vec::new()
            }
            RunStatus::Completed | RunStatus::Failed | RunStatus::Cancelled | RunStatus::Timeout => {
                state.turns.leave(run.id)
            }
        };
        drop(state);
        self.call(next);
        true
    }

    pub(crate) fn forget(&self, id: RunId) {
        self.state().tasks.remove(&id);
    }

    /// The run ended, or waits: whoever wants to know is told where it does not go on by itself.
    fn rest(&self, run: Box<Run>, rested: Option<oneshot::Sender<Box<Run>>>, changes: u64) {
        debug!(status = run.status.name(), "the run rests");
        let (id, due, pending) = (run.id, run.due_at(), run.status == RunStatus::Pending);
        let missed = self.missed_a_change(&run, changes);
        if let Some(rested) = rested.filter(|_| due.is_none() && !pending) {
            // Nobody need wait for it.
            let _ = rested.send(run);
        }
        if let Some(at) = due {
            self.set_timer(id, at);
        }
        if missed {
            let host = self.clone();
            tokio::spawn(async move { host.go_on(id, Wake::Connection).await });
        }
    }

    /// Parks a run whose task panicked, from what is in its journal.
    async fn park(&self, id: RunId) {
        let parked = async {
            let mut run = self.load(id).await.map_err(|cause| cause.to_string())?;
            if run.status.has_ended() {
                self.give_turn_on(id);
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
}

/// Counts a task while it lives, however it ends.
pub(crate) struct Active(watch::Sender<usize>);

impl Active {
    pub(crate) fn enter(count: &watch::Sender<usize>) -> Active {
        count.send_modify(|active| *active += 1);
        Active(count.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.send_modify(|active| *active -= 1);
    }
}
