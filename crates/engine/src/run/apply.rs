//! Folding: one entry makes one state of another, or the history is impossible.

use std::sync::Arc;

use loopfour_lang::step::condition::Branch;
use loopfour_lang::{Document, Object, Value, Workflow};

use super::{CallState, Run, RunStatus, StepState, StepStatus, WaitReason, Waiting};
use crate::error::StepError;
use crate::event::{Entry, Event, StepPath};
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
        let Event::RunStarted { run, company, workflow, version, trigger, input, connection, .. } =
            &first.event
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
            status: RunStatus::Pending,
            waiting: None,
            created_at: first.at,
            started_at: None,
            completed_at: None,
            output: Document::default(),
            error: None,
            steps,
            length: 1,
            definition,
            output_at: None,
            last_success: None,
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
        if self.status.has_ended() {
            return Err(impossible(format!("the run is {} already", self.status.name())));
        }
        self.apply_event(entry).map_err(impossible)?;
        self.length = entry.seq;
        self.started_at = self.started_at.or(Some(entry.at));
        if self.status.has_ended() {
            self.completed_at = Some(entry.at);
        }
        Ok(())
    }

    fn apply_event(&mut self, entry: &Entry) -> Result<(), String> {
        match &entry.event {
            Event::RunStarted { .. } => Err("a run starts once".to_owned()),
            Event::ConditionDecided { path, epoch, input, branch } => {
                let step = self.entered(path)?;
                self.steps[step].begin(*epoch, entry.at);
                self.steps[step].input = Some(input.clone());
                self.steps[step].branch = Some(*branch);
                self.succeed(step, condition_output(*branch).into(), entry);
                Ok(())
            }
            Event::CallIntended { path, epoch, input, request } => {
                let step = self.entered(path)?;
                self.steps[step].begin(*epoch, entry.at);
                self.steps[step].input = Some(input.clone());
                self.steps[step].call =
                    Some(CallState { request: request.clone(), open: false, held: false });
                self.go_on();
                Ok(())
            }
            Event::CallResumed { path, epoch } => {
                let (step, call) = self.call(path, *epoch)?;
                // A call that nothing holds was under way when the process ended: it may have been sent.
                call.open |= !call.held;
                call.held = false;
                self.steps[step].status = StepStatus::Running;
                self.steps[step].attempt += 1;
                self.steps[step].error = None;
                self.go_on();
                Ok(())
            }
            Event::CallHeld { path, epoch, reason, error, open } => {
                let (step, call) = self.call(path, *epoch)?;
                call.open |= *open;
                call.held = true;
                let state = &mut self.steps[step];
                state.status = StepStatus::Waiting;
                state.error = Some((**error).clone());
                // What did not leave the machine counts only as long as nothing did.
                state.attempt = if *open { state.attempt } else { state.attempt.saturating_sub(1).max(1) };
                self.wait(*reason, Some(path.clone()), error);
                Ok(())
            }
            Event::StepSucceeded { path, epoch, output, .. } => {
                let (step, _) = self.call(path, *epoch)?;
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
                self.status = RunStatus::Failed;
                self.waiting = None;
                self.error = Some((**error).clone());
                Ok(())
            }
            Event::RunParked { path, error } => {
                let position = path.as_ref().and_then(|path| self.definition.position(&path.0));
                if let Some(step) = position {
                    self.steps[step].status = StepStatus::Waiting;
                    self.steps[step].error = Some((**error).clone());
                }
                self.wait(WaitReason::Parked, path.clone(), error);
                Ok(())
            }
        }
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

    fn wait(&mut self, reason: WaitReason, step_id: Option<StepPath>, error: &StepError) {
        self.status = RunStatus::Waiting;
        self.waiting = Some(Waiting { reason, step_id, error: Some(error.clone()) });
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
        self.started_at = Some(at);
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
