//! What people do to runs: it reaches the task of the run, or gives it one.

use std::sync::Arc;

use loopfour_engine::ports::{
    Act, ActError, Actions, Candidates, Clock, Deed, FindError, Journal, JournalError, Resolution,
};
use loopfour_engine::{Event, Run, RunId, StepPath, Wake};
use tokio::sync::{mpsc, oneshot};

use crate::Host;
use crate::drive::Lost;
use crate::load::LoadError;

/// An act on its way to the run's task.
pub(crate) struct Signal {
    act: Act,
    reply: oneshot::Sender<Result<Box<Run>, ActError>>,
}

impl<J: Journal, A: Actions, C: Clock> Host<J, A, C> {
    /// See [`Runs::act`](loopfour_engine::ports::Runs::act).
    pub(crate) async fn carry_out(&self, id: RunId, act: Act) -> Result<Box<Run>, ActError> {
        let act = self.with_what_was_found(id, act).await?;
        if self.is_stopping() {
            return Err(ActError::Stopping);
        }
        let (reply, answer) = oneshot::channel();
        let mut signal = Signal { act, reply };
        loop {
            if self.state().stalled.contains(&id) {
                return Err(JournalError::Full(
                    "what came of the run's last call is not stored yet".to_owned(),
                )
                .into());
            }
            let known = self.state().tasks.get(&id).filter(|task| !task.is_closed()).cloned();
            let left = match &known {
                None => self.begin_with(id, signal).await,
                Some(task) => match task.reserve().await {
                    Ok(room) => self.deliver(id, task, room, signal),
                    Err(_) => Some(signal),
                },
            };
            match left {
                // The task ended meanwhile, or there is one now.
                Some(back) => signal = back,
                None => break,
            }
        }
        answer.await.unwrap_or(Err(ActError::Stopping))
    }

    /// Puts the signal into the mailbox of the run's task, and gives it back if that left: under the lock, so that no task
    /// leaves without reading it.
    fn deliver(
        &self,
        id: RunId,
        task: &mpsc::Sender<Signal>,
        room: mpsc::Permit<'_, Signal>,
        signal: Signal,
    ) -> Option<Signal> {
        let state = self.state();
        if !state.tasks.get(&id).is_some_and(|now| now.same_channel(task)) {
            return Some(signal);
        }
        room.send(signal);
        None
    }

    /// Gives the run a task that begins with this signal. Gives it back if the run has one meanwhile.
    async fn begin_with(&self, id: RunId, signal: Signal) -> Option<Signal> {
        // A person need not wait until fewer runs are under way.
        let slot = Arc::clone(&self.shared.slots).try_acquire_owned().ok();
        let Some((task, mut mailbox)) = self.enter(id, slot) else { return Some(signal) };
        let mut signal = signal;
        loop {
            // Who asked may have gone meanwhile, so that nobody hears the answer.
            match self.acted(id, &signal.act).await {
                Ok(run) => {
                    let _ = signal.reply.send(Ok(Box::new(run.clone())));
                    let rested = self.state().waiters.remove(&id);
                    self.spawn(task, mailbox, run, rested);
                    return None;
                }
                Err(error) => {
                    let _ = signal.reply.send(Err(error));
                }
            }
            let mut state = self.state();
            match mailbox.try_recv() {
                Ok(next) => signal = next,
                Err(_) => {
                    state.tasks.remove(&id);
                    drop(state);
                    // Its time or its turn may have come meanwhile and found it busy; and what was done may be stored
                    // although its storage failed.
                    self.call(vec![id]);
                    return None;
                }
            }
        }
    }

    /// Loads the run, does this to it, and makes that durable.
    async fn acted(&self, id: RunId, act: &Act) -> Result<Run, ActError> {
        let mut run = self.load(id).await.map_err(unloaded)?;
        let context = self.context(self.shared.clock.now());
        let (before, ended) = (run.length, run.status.has_ended());
        let mut entries = Vec::new();
        if matches!(act.what, Deed::Cancel) {
            // Before what its time has come for: from here on a write of unknown outcome is not sent again by itself.
            entries.extend(run.act(act.clone(), &context)?);
            entries.extend(run.wake(Wake::Timer, &context));
        } else {
            entries.extend(run.wake(Wake::Timer, &context));
            entries.extend(run.act(act.clone(), &context)?);
        }
        entries.extend(self.advance(&mut run, &context));
        if !entries.is_empty()
            && let Err(cause) = self.append(&run, before, entries).await
        {
            if ended {
                self.unplace(id, &cause);
            }
            return Err(cause.into());
        }
        Ok(run)
    }

    /// Does what a person wants to the run of this task.
    pub(crate) async fn obey(&self, run: &mut Run, signal: Signal) -> Result<(), Lost> {
        let context = self.context(self.shared.clock.now());
        let done = match run.act(signal.act, &context) {
            Ok(mut entries) => {
                entries.extend(self.advance(run, &context));
                let recorded = self.record(run, entries).await;
                recorded.map(|()| Ok(Box::new(run.clone())))
            }
            Err(refused) => Ok(Err(refused)),
        };
        let (answer, result) = match done {
            Ok(answer) => (answer, Ok(())),
            Err(lost) => (Err(ActError::Stopping), Err(lost)),
        };
        // Who asked may have gone meanwhile.
        let _ = signal.reply.send(answer);
        result
    }

    /// Looks for an object that a person named, so that it can become the step's output.
    async fn with_what_was_found(&self, id: RunId, act: Act) -> Result<Act, ActError> {
        let Act { by, what: Deed::Resolve { path, reason, resolution: Resolution::Found { id: object } } } =
            act
        else {
            return Ok(act);
        };
        let run = self.load(id).await.map_err(unloaded)?;
        let (request, _) = run.unresolved(&path)?;
        let output = self.shared.actions.find(request, &object).await.map_err(unfound)?;
        Ok(Act { by, what: Deed::Resolve { path, reason, resolution: Resolution::Done { output } } })
    }

    /// See [`Runs::candidates`](loopfour_engine::ports::Runs::candidates). The last call of the step is meant, settled or
    /// not.
    pub(crate) async fn look_for(&self, id: RunId, path: StepPath) -> Result<Candidates, ActError> {
        let entries = self.shared.journal.load(id).await?;
        let intended = entries.iter().rev().find_map(|entry| match &entry.event {
            Event::CallIntended { path: of, request, .. } if *of == path => Some((request, entry.at)),
            _ => None,
        });
        let Some((request, since)) = intended else {
            let run = self.load(id).await.map_err(unloaded)?;
            return Err(match run.definition().position(&path.0) {
                Some(_) => ActError::State(format!("step `{path}` made no call")),
                None => ActError::Missing(format!("run `{id}` has no step `{path}`")),
            });
        };
        self.shared.actions.candidates(request, id, &path, since).await.map_err(unfound)
    }
}

fn unloaded(error: LoadError) -> ActError {
    match error {
        LoadError::Missing(run) => ActError::Missing(format!("run `{run}` does not exist")),
        LoadError::Journal(error) => error.into(),
        LoadError::Damaged(cause) => JournalError::Storage(cause).into(),
    }
}

fn unfound(error: FindError) -> ActError {
    match error {
        FindError::Unfit(message) => ActError::Unfit(message),
        FindError::Unavailable(message) => ActError::Unavailable(message),
    }
}
