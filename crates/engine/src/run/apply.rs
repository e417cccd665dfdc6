//! Folding: one entry makes one state of another, or the history is impossible.

use std::collections::BTreeMap;
use std::sync::Arc;

use loopfour_lang::step::StepKind;
use loopfour_lang::step::condition::Branch;
use loopfour_lang::{Document, Object, Value, Workflow};

use super::clocks::{Left, ProviderClock};
use super::rules;
use super::{
    CallState, CallWait, Ending, Pause, Restored, Run, RunStatus, StepState, StepStatus, WaitReason, Waiting,
};
use crate::call::{Account, Request};
use crate::error::StepError;
use crate::event::{Entry, Event, Resolved, StepPath};
use crate::id::ConnectionId;
use crate::time::Timestamp;

/// A history that no run can have: the journal is damaged, or from a newer version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq}: {message}")]
pub struct Impossible {
    /// Which entry.
    pub seq: u64,
    /// What is impossible about it.
    pub message: String,
}

impl Run {
    /// The state after the first entry of a journal, which is always [`Event::RunStarted`].
    ///
    /// # Errors
    /// It is another one.
    pub fn begin(definition: Arc<Workflow>, first: &Entry) -> Result<Run, Impossible> {
        let Event::RunStarted {
            run,
            company,
            workflow,
            version,
            trigger,
            input,
            connection,
            restarted_from,
            queue,
            ..
        } = &first.event
        else {
            return Err(Impossible {
                seq: first.seq,
                message: "a journal begins with the run's start".to_owned(),
            });
        };
        let steps = definition.steps.iter().map(|_| StepState::default()).collect();
        Ok(Run {
            id: *run,
            company: *company,
            workflow: *workflow,
            version: *version,
            trigger: *trigger,
            input: input.clone(),
            connection: *connection,
            queue: queue.clone(),
            status: RunStatus::Pending,
            waiting: None,
            created_at: first.at,
            started_at: None,
            completed_at: None,
            output: Document::default(),
            error: None,
            steps,
            length: 1,
            restarted_from: *restarted_from,
            definition,
            output_at: None,
            last_success: None,
            ending: None,
            timed_from: first.at,
            pause: None,
            bound: BTreeMap::new(),
            provider_clock: None,
            restored: None,
        })
    }

    /// The state after all entries of a journal.
    ///
    /// # Errors
    /// An entry that cannot follow on those before it.
    pub fn fold(definition: Arc<Workflow>, entries: &[Entry]) -> Result<Run, Impossible> {
        let missing = || Impossible { seq: 1, message: "the journal is empty".to_owned() };
        let (first, rest) = entries.split_first().ok_or_else(missing)?;
        let mut run = Run::begin(definition, first)?;
        for entry in rest {
            run.apply(entry)?;
        }
        Ok(run)
    }

    /// Folds the next entry.
    ///
    /// # Errors
    /// It cannot follow on those before it; the state is then as it was.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Impossible> {
        let impossible = |message: String| Impossible { seq: entry.seq, message };
        if entry.seq != self.length + 1 {
            return Err(impossible(format!("expected entry {}", self.length + 1)));
        }
        // A failed run goes on when a person says so; everything else comes before the end.
        let late = matches!(entry.event, Event::RetryRequested { .. } | Event::RunRestored { .. });
        if self.status.has_ended() && !late {
            return Err(impossible(format!("the run is {} already", self.status.name())));
        }
        let stood = self.status;
        self.apply_event(entry).map_err(impossible)?;
        self.length = entry.seq;
        if stood == RunStatus::Pending && !matches!(self.status, RunStatus::Pending | RunStatus::Cancelled) {
            self.started_at = self.started_at.or(Some(entry.at));
            self.timed_from = entry.at;
        }
        self.completed_at = self.status.has_ended().then_some(self.completed_at.unwrap_or(entry.at));
        Ok(())
    }

    fn apply_event(&mut self, entry: &Entry) -> Result<(), String> {
        match &entry.event {
            Event::RunStarted { .. } => Err("a run starts once".to_owned()),
            Event::StepKept { path, status, input, output, branch, error } => {
                let step = self.entered(path)?;
                let state = &mut self.steps[step];
                state.begin(1, entry.at);
                state.status = *status;
                state.input = input.clone();
                state.output = output.clone();
                state.branch = *branch;
                state.error = error.as_deref().cloned();
                state.completed_at = Some(entry.at);
                if *status == StepStatus::Success {
                    self.last_success = Some((step, entry.seq));
                }
                Ok(())
            }
            Event::ConditionDecided { path, epoch, input, branch } => {
                let step = self.entered(path)?;
                self.steps[step].begin(*epoch, entry.at);
                self.steps[step].input = Some(input.clone());
                self.steps[step].branch = Some(*branch);
                self.succeed(step, condition_output(*branch).into(), entry);
                Ok(())
            }
            Event::CallIntended { path, epoch, input, request, connection } => {
                let step = self.entered(path)?;
                self.steps[step].begin(*epoch, entry.at);
                self.steps[step].input = Some(input.clone());
                self.bind(path, (&request.account, Some(&request.version)), *connection);
                self.intended(step, request, entry.at);
                Ok(())
            }
            Event::StepHeld { path, reason, error, until, account, connection } => {
                self.entered(path)?;
                if let Some(account) = account {
                    self.bind(path, (account, None), *connection);
                }
                let (since, tries) = match self.pause {
                    Some(pause) => (pause.since, pause.tries.saturating_add(1)),
                    None => (entry.at, 1),
                };
                self.pause = Some(Pause { since, until: *until, tries, over: false });
                self.wait(*reason, Some(path.clone()), Some(*until), Some(error));
                Ok(())
            }
            Event::CallResumed { path, epoch, unsent } => {
                let leaves = Left::new(entry.at, self.provider_clock);
                let (step, call) = self.call(path, *epoch)?;
                match (unsent, call.wait.take()) {
                    (true, _) => call.first = leaves,
                    // So an earlier version said that the call was under way when the process ended.
                    (false, None) => call.open = true,
                    (false, Some(_)) => {}
                }
                self.steps[step].status = StepStatus::Running;
                self.steps[step].error = None;
                self.go_on();
                Ok(())
            }
            Event::CallHeld { .. } => self.hold(entry),
            Event::StepSucceeded { path, epoch, output, receipt } => {
                let (step, _) = self.call(path, *epoch)?;
                self.saw_clock(receipt.date, entry.at);
                self.succeed(step, output.clone(), entry);
                Ok(())
            }
            Event::StepFailed { path, epoch, input, error, fallback } => {
                self.fail(entry, path, *epoch, |state| {
                    state.input = input.clone().or(state.input.take());
                    state.output = fallback.clone().map(Document::from).unwrap_or_default();
                    state.error = Some((**error).clone());
                })
            }
            Event::StepSkipped { path } => {
                let step = self.entered(path)?;
                self.steps[step].status = StepStatus::Skipped;
                self.go_on();
                Ok(())
            }
            Event::RunCompleted { output } => self.complete(entry.seq, output.as_ref()),
            Event::RunFailed { error } => {
                self.end(RunStatus::Failed, Some(error));
                Ok(())
            }
            Event::CancelRequested { .. } => {
                self.end_with(Ending::Cancelled);
                Ok(())
            }
            Event::TimeLimitPassed => {
                self.end_with(Ending::Timeout);
                Ok(())
            }
            Event::RunCancelled => self.withdraw(RunStatus::Cancelled, None),
            Event::RunTimedOut { error } => self.withdraw(RunStatus::Timeout, Some(error)),
            Event::RetryRequested { .. } => self.begin_again(entry.at),
            Event::OutcomeResolved { path, epoch, resolution, .. } => {
                let (step, call) = self.call(path, *epoch)?;
                call.ordered = *resolution == Resolved::Again;
                if *resolution == Resolved::Anew {
                    self.steps[step].renew();
                    self.go_on();
                }
                if let Some(restored) = &mut self.restored {
                    restored.released = true;
                }
                Ok(())
            }
            Event::RunRestored { backup_at } => {
                self.restored = Some(Restored { backup_at: *backup_at, released: false });
                if let Some((step, _)) = self.in_hand() {
                    self.hold_restored(step, *backup_at);
                }
                Ok(())
            }
            Event::RunParked { path, error } => {
                let position = path.as_ref().and_then(|path| self.definition.position(&path.0));
                if let Some(step) = position.or(self.in_hand().map(|(step, _)| step)) {
                    let state = &mut self.steps[step];
                    state.status = StepStatus::Waiting;
                    state.error = Some((**error).clone());
                    if let Some(call) = &mut state.call {
                        call.error = state.error.clone();
                        call.open |= call.wait.is_none();
                        call.wait = Some(CallWait { reason: WaitReason::Parked, until: None });
                    }
                }
                self.pause = None;
                self.wait(WaitReason::Parked, path.clone(), None, Some(error));
                Ok(())
            }
        }
    }

    /// From here on the run keeps to this account and version.
    fn bind(
        &mut self,
        path: &StepPath,
        (account, version): (&Account, Option<&str>),
        asked: Option<ConnectionId>,
    ) {
        let step = self.definition.position(&path.0).map(|step| &self.definition.steps[step].kind);
        if let Some(StepKind::Action(action)) = step {
            let bindings = self.bound.entry(action.action.provider.clone()).or_default();
            bindings.note(account, version, asked);
        }
    }

    /// A call is to be sent. In a run from a backup it may have been sent since that was made.
    fn intended(&mut self, step: usize, request: &Arc<Request>, at: Timestamp) {
        self.pause = None;
        self.steps[step].call = Some(CallState {
            request: Arc::clone(request),
            open: false,
            first: Left::new(at, self.provider_clock),
            error: None,
            tries: 0,
            replays: 0,
            wait: None,
            waited: None,
            ordered: false,
        });
        self.go_on();
        if let Some(restored) = self.restored {
            self.hold_restored(step, restored.backup_at);
        }
    }

    /// Holds a write of a run from a backup until a person looked at one.
    fn hold_restored(&mut self, step: usize, backup_at: Timestamp) {
        let released = self.restored.is_some_and(|restored| restored.released);
        let path = StepPath(self.definition.steps[step].id.clone());
        let state = &mut self.steps[step];
        let Some(call) = state.call.as_mut().filter(|call| call.writes()) else { return };
        if !call.open {
            call.first = Left::new(backup_at, self.provider_clock);
            call.open = true;
        }
        if released {
            return;
        }
        call.wait = Some(CallWait { reason: WaitReason::OutcomeUnknown, until: None });
        state.status = StepStatus::Waiting;
        let error = rules::restored(&path, state.attempt, backup_at);
        state.error = Some(error.clone());
        call.error = Some(error.clone());
        self.wait(WaitReason::OutcomeUnknown, Some(path), None, Some(&error));
    }

    fn hold(&mut self, entry: &Entry) -> Result<(), String> {
        let Event::CallHeld { path, epoch, reason, error, open, until, counted, replayed, date } =
            &entry.event
        else {
            return Err("not a call that waits".to_owned());
        };
        let (step, call) = self.call(path, *epoch)?;
        call.open |= *open;
        // Standing in the queue is no sending, and no new wait.
        if let Some(error) = error {
            call.error = Some((**error).clone());
            let same = call.waited.filter(|(waited, _)| waited == reason);
            call.waited = Some((*reason, same.map_or(entry.at, |(_, since)| since)));
            call.tries = call.tries.saturating_add(1);
            call.ordered = false;
        }
        call.replays += u32::from(*replayed);
        call.wait = Some(CallWait { reason: *reason, until: *until });
        let state = &mut self.steps[step];
        state.status = StepStatus::Waiting;
        state.error = error.as_deref().cloned();
        state.attempt += u32::from(*counted);
        self.wait(*reason, Some(path.clone()), *until, error.as_deref());
        self.saw_clock(*date, entry.at);
        Ok(())
    }

    /// A provider said what its clock shows, if it did.
    fn saw_clock(&mut self, date: Option<i64>, at: Timestamp) {
        let Some(date) = date else { return };
        let seen = ProviderClock::new(date, at);
        for call in self.steps.iter_mut().filter_map(|step| step.call.as_mut()) {
            call.first.saw(seen);
        }
        if self.provider_clock.is_none_or(|before| before.shows <= seen.shows) {
            self.provider_clock = Some(seen);
        }
    }

    fn end_with(&mut self, ending: Ending) {
        self.ending = self.ending.or(Some(ending));
        if let Some(waiting) = &mut self.waiting {
            waiting.then = self.ending;
        }
    }

    /// Ends the run. A call that cannot be done is not waited for any more.
    fn withdraw(&mut self, status: RunStatus, error: Option<&StepError>) -> Result<(), String> {
        if let Some((step, call)) = self.in_hand() {
            if call.is_unknown() || call.wait.is_none() && call.writes() {
                return Err("a run does not end while the outcome of a write is unknown".to_owned());
            }
            self.steps[step].call = None;
            self.steps[step].status = StepStatus::Pending;
        }
        self.end(status, error);
        Ok(())
    }

    fn end(&mut self, status: RunStatus, error: Option<&StepError>) {
        self.status = status;
        self.waiting = None;
        self.pause = None;
        self.error = error.cloned();
    }

    /// A person lets it go on: at the first failed step, or where its time limit met it.
    fn begin_again(&mut self, at: Timestamp) -> Result<(), String> {
        if !matches!(self.status, RunStatus::Failed | RunStatus::Timeout) {
            return Err(format!("the run is {}, so nothing is to be tried again", self.status.name()));
        }
        if let Some(step) = self.failed_step() {
            self.steps[step].renew();
        }
        self.ending = None;
        self.error = None;
        self.completed_at = None;
        self.timed_from = at;
        self.go_on();
        if self.queue.is_some() {
            // Its turn went to others when it ended.
            self.status = RunStatus::Pending;
        }
        Ok(())
    }

    fn fail(
        &mut self,
        entry: &Entry,
        path: &StepPath,
        epoch: u32,
        write: impl FnOnce(&mut StepState),
    ) -> Result<(), String> {
        // Before its call a step fails out of `pending`, after it out of `running` or `waiting`.
        let step = match self.call(path, epoch) {
            Ok((step, _)) => step,
            Err(_) => {
                let step = self.entered(path)?;
                self.steps[step].begin(epoch, entry.at);
                step
            }
        };
        let state = &mut self.steps[step];
        write(state);
        state.status = StepStatus::Error;
        state.call = None;
        state.completed_at = Some(entry.at);
        self.pause = None;
        self.go_on();
        Ok(())
    }

    fn succeed(&mut self, step: usize, output: Document, entry: &Entry) {
        let state = &mut self.steps[step];
        state.status = StepStatus::Success;
        state.output = output;
        state.error = None;
        state.call = None;
        state.completed_at = Some(entry.at);
        self.last_success = Some((step, entry.seq));
        self.go_on();
    }

    fn complete(&mut self, seq: u64, output: Option<&Document>) -> Result<(), String> {
        if !self.steps.iter().all(|step| step.status.is_through()) {
            return Err("a run completes only when every step is through".to_owned());
        }
        self.status = RunStatus::Completed;
        self.waiting = None;
        (self.output, self.output_at) = match (output, self.last_success) {
            (Some(output), _) => (output.clone(), Some(seq)),
            (None, Some((step, at))) => (self.steps[step].output.clone(), Some(at)),
            (None, None) => (Document::default(), None),
        };
        Ok(())
    }

    fn go_on(&mut self) {
        self.status = RunStatus::Running;
        self.waiting = None;
    }

    fn wait(
        &mut self,
        reason: WaitReason,
        step_id: Option<StepPath>,
        until: Option<Timestamp>,
        error: Option<&StepError>,
    ) {
        self.status = RunStatus::Waiting;
        self.waiting = Some(Waiting { reason, step_id, until, then: self.ending, error: error.cloned() });
    }

    /// The step that is entered: nothing happened to it yet, and everything before it is through.
    fn entered(&self, path: &StepPath) -> Result<usize, String> {
        let step = self.definition.position(&path.0).ok_or_else(|| format!("there is no step `{path}`"))?;
        match self.steps[step].status {
            StepStatus::Pending if self.steps[..step].iter().all(|before| before.status.is_through()) => {
                Ok(step)
            }
            StepStatus::Pending => Err(format!("step `{path}` is entered before its turn")),
            found => Err(format!("step `{path}` is {} already", found.name())),
        }
    }

    fn call(&mut self, path: &StepPath, epoch: u32) -> Result<(usize, &mut CallState), String> {
        let step = self.definition.position(&path.0).ok_or_else(|| format!("there is no step `{path}`"))?;
        let state = &mut self.steps[step];
        match &mut state.call {
            Some(call) if state.epoch == epoch => Ok((step, call)),
            _ => Err(format!("step `{path}` has no call under way in epoch {epoch}")),
        }
    }
}

impl Default for StepState {
    fn default() -> StepState {
        StepState {
            status: StepStatus::Pending,
            epoch: 0,
            attempt: 0,
            input: None,
            output: Document::default(),
            error: None,
            started_at: None,
            completed_at: None,
            branch: None,
            call: None,
        }
    }
}

impl StepState {
    fn begin(&mut self, epoch: u32, at: Timestamp) {
        self.status = StepStatus::Running;
        self.epoch = epoch;
        self.attempt = 1;
        self.error = None;
        self.started_at = Some(at);
    }

    /// As if it was never reached, but for the epoch: the next one is another.
    fn renew(&mut self) {
        *self = StepState { epoch: self.epoch, ..StepState::default() };
    }
}

/// The output of a condition: `{result, branch}`.
pub(crate) fn condition_output(branch: Branch) -> Value {
    let (result, name) = match branch {
        Branch::Then => (true, "then"),
        Branch::Else => (false, "else"),
    };
    let members = [("result", Value::Boolean(result)), ("branch", Value::Text(name.into()))];
    Value::Object(Arc::new(
        members.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Object>(),
    ))
}
