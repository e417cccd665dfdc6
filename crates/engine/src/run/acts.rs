//! What people do to a run: cancel it, let it go on, say what became of a call, start it anew.

use std::sync::Arc;

use loopfour_lang::step::{OnError, StepKind};
use loopfour_lang::{Document, Workflow};

use super::decide::{Context, failed, located};
use super::{CallState, Run, RunStatus, StepStatus, WaitReason};
use crate::call::{Receipt, Request};
use crate::error::{StepError, code};
use crate::event::{Actor, Entry, Event, Resolved, StepPath};
use crate::ports::{Act, ActError, Deed, Resolution};
use crate::time::Timestamp;

impl Run {
    /// Records what a person does to the run; to be followed by [`Run::advance`]. [`Resolution::Found`] must have been
    /// replaced by [`Resolution::Done`] with what was found ([`Run::unresolved`] says what to look for).
    ///
    /// # Errors
    /// The run does not stand so.
    pub fn act(&mut self, act: Act, context: &Context<'_>) -> Result<Vec<Entry>, ActError> {
        let Act { by, what } = act;
        let events = match what {
            Deed::Cancel => self.cancel(by)?,
            Deed::Retry { not_done } => self.retry(by, not_done)?,
            Deed::Resolve { path, reason, resolution } => {
                self.resolve(path, by, reason, resolution, context)?
            }
        };
        Ok(events.into_iter().map(|event| self.record(event, context.now)).collect())
    }

    fn cancel(&self, by: Actor) -> Result<Vec<Event>, ActError> {
        if self.status.has_ended() {
            return Err(ActError::State(format!("run `{}` is {} already", self.id, self.status.name())));
        }
        // A second wish changes nothing.
        let wanted = self.ending.is_none();
        Ok(wanted.then_some(Event::CancelRequested { by }).into_iter().collect())
    }

    fn retry(&self, by: Actor, not_done: bool) -> Result<Vec<Event>, ActError> {
        let status = self.status;
        if !matches!(status, RunStatus::Failed | RunStatus::Timeout) {
            let hint = match status {
                RunStatus::Waiting => ": it goes on by itself, or waits for a person to resolve its step",
                RunStatus::Completed | RunStatus::Cancelled => ": restart it to run it anew",
                RunStatus::Pending | RunStatus::Running | RunStatus::Failed | RunStatus::Timeout => "",
            };
            return Err(ActError::State(format!(
                "run `{}` is {}; only a failed or timed out run can be retried{hint}",
                self.id,
                status.name()
            )));
        }
        if let Some(step) = self.failed_step().filter(|step| !not_done && self.may_be_done(*step)) {
            return Err(ActError::State(format!(
                "the call of step `{}` may be done, so trying it anew could do it twice; look at the provider, then \
                 retry with `notDone: true`",
                self.path(step)
            )));
        }
        Ok(vec![Event::RetryRequested { by, not_done }])
    }

    /// Whether a step that failed may have done its write all the same.
    pub fn may_be_done(&self, step: usize) -> bool {
        let state = &self.steps[step];
        let code =
            state.error.as_ref().filter(|_| state.status == StepStatus::Error).map(|error| &*error.code);
        match code {
            Some(code::OUTCOME_UNKNOWN) => true,
            Some(code::OUTPUT_TOO_LARGE) => match &self.definition.steps[step].kind {
                StepKind::Action(action) => action.action.method != loopfour_lang::catalog::Method::Get,
                StepKind::Condition(_) => false,
            },
            Some(_) | None => false,
        }
    }

    /// The request of a call that waits for a person, and since when it may be done.
    ///
    /// # Errors
    /// There is no such step, or it does not wait so.
    pub fn unresolved(&self, path: &StepPath) -> Result<(&Arc<Request>, Timestamp), ActError> {
        let call = self.held_call(path)?;
        Ok((&call.request, call.first.at))
    }

    fn held_call(&self, path: &StepPath) -> Result<&CallState, ActError> {
        let step = self.definition.position(&path.0);
        let missing = || ActError::Missing(format!("run `{}` has no step `{path}`", self.id));
        let state = &self.steps[step.ok_or_else(missing)?];
        let reason = |call: &&CallState| call.wait.map(|wait| wait.reason);
        let held = state.call.as_ref().filter(|call| {
            matches!(reason(call), Some(WaitReason::OutcomeUnknown | WaitReason::Parked))
                && !self.status.has_ended()
        });
        held.ok_or_else(|| {
            let stands = state.status.name();
            ActError::State(format!(
                "step `{path}` is {stands}, and its outcome is not for a person to resolve"
            ))
        })
    }

    fn resolve(
        &self,
        path: StepPath,
        by: Actor,
        reason: String,
        resolution: Resolution,
        context: &Context<'_>,
    ) -> Result<Vec<Event>, ActError> {
        let call = self.held_call(&path)?;
        let step = self.definition.position(&path.0).expect("it has a call");
        let epoch = self.steps[step].epoch;
        let resolved = |resolution| Event::OutcomeResolved {
            path: path.clone(),
            epoch,
            by: by.clone(),
            reason: reason.clone(),
            resolution,
        };
        Ok(match resolution {
            Resolution::Found { id } => {
                return Err(ActError::Unavailable(format!("`{id}` was not looked for")));
            }
            Resolution::Done { output } => vec![resolved(Resolved::Done), self.done(step, output)],
            Resolution::Retry { .. } if call.replays == 0 && !self.is_late(call, context) => {
                let again = Event::CallResumed { path: path.clone(), epoch, unsent: false };
                vec![resolved(Resolved::Again), again]
            }
            Resolution::Retry { not_done: true } => vec![resolved(Resolved::Anew)],
            Resolution::Retry { not_done: false } => {
                let why = if call.replays > 0 {
                    "the provider keeps answering with the failure that it saved under the idempotency key"
                } else {
                    "its idempotency key may be forgotten by now"
                };
                return Err(ActError::State(format!(
                    "step `{path}` cannot be sent again under its key, since {why}; look at the provider, then retry \
                     with `notDone: true`, which begins a new try"
                )));
            }
            Resolution::Fail => {
                let hint = "whether it is done is not known; before a retry with `notDone: true`, look at the provider";
                let message = format!("a person ended the step without knowing its outcome: {reason}");
                let error = located(
                    StepError::new(code::OUTCOME_UNKNOWN, message, hint),
                    &path,
                    self.steps[step].attempt,
                );
                vec![
                    resolved(Resolved::Failed),
                    failed(path.clone(), epoch, &self.definition.steps[step], None, error),
                ]
            }
        })
    }

    fn done(&self, step: usize, output: Document) -> Event {
        let (path, epoch) = (self.path(step), self.steps[step].epoch);
        Event::StepSucceeded { path, epoch, output, receipt: Receipt::default() }
    }

    /// What a run that starts this one anew at a step of `definition` takes over: the results of the steps before it.
    ///
    /// # Errors
    /// The name of the step: the one asked for if it does not exist, or one before it that has no result here.
    pub fn kept(&self, definition: &Workflow, from_step: &str) -> Result<Vec<Event>, String> {
        let position = definition.position(from_step).ok_or_else(|| from_step.to_owned())?;
        let kept = definition.steps[..position].iter().map(|step| {
            let here = self.definition.position(&step.id).ok_or_else(|| step.id.clone())?;
            let same = self.definition.steps[here].kind.name() == step.kind.name();
            let state = &self.steps[here];
            let both = [step, &self.definition.steps[here]];
            let goes_on = both.iter().all(|step| matches!(step.on_error, OnError::Continue { .. }));
            let ended_it = state.status == StepStatus::Error && !goes_on;
            if !same || !state.status.is_through() || ended_it {
                return Err(step.id.clone());
            }
            Ok(Event::StepKept {
                path: StepPath(step.id.clone()),
                status: state.status,
                input: state.input.clone(),
                output: state.output.clone(),
                branch: state.branch,
                error: state.error.clone().map(Box::new),
            })
        });
        kept.collect()
    }
}
