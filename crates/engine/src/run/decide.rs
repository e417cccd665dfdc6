//! Deciding: what follows from a state, and what an outcome means.

use std::time::Duration;

use loopfour_lang::graph::Verdict;
use loopfour_lang::step::condition::Branch;
use loopfour_lang::step::{ActionStep, ConditionStep, OnError, Step, StepKind};
use loopfour_lang::template::EvaluationError;
use loopfour_lang::{Document, Value};
use uuid::Uuid;

use super::scope::RunScope;
use super::{Run, StepStatus, WaitReason};
use crate::call::{Effect, Outcome, Request, Sending};
use crate::error::{StepError, code};
use crate::event::{Entry, Event, StepPath};
use crate::id::RunId;
use crate::ports::{Call, Prepare};
use crate::time::Timestamp;

/// How long the answer to an action's call is waited for, where the step does not say.
const ACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// The name space of idempotency keys. Never changes: a run that began under another version keeps its keys.
const KEYS: Uuid = Uuid::from_u128(0x6a1f_0c52_7d4e_5b83_9c1e_4f0a_2b7d_9e31);

/// An effect that is due. It is carried out only after the entry that led to it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send this step's request; the outcome goes to [`Run::settle`].
    Perform {
        /// The step.
        path: StepPath,
        /// What is sent.
        request: Box<Request>,
        /// Under which idempotency key.
        key: Uuid,
        /// How long the answer is waited for.
        timeout: Duration,
        /// Whether an earlier sending may have reached the provider.
        again: bool,
    },
}

impl Command {
    /// The sending that it asks for.
    pub fn sending(&self) -> Sending<'_> {
        let Command::Perform { request, key, timeout, again, .. } = self;
        Sending { request, key: *key, timeout: *timeout, again: *again }
    }
}

impl Run {
    /// Adds everything that follows without the outside world: conditions, skipped steps, the intent of the next call,
    /// the end. The entries are folded already; they must become durable, in one batch with what led to them, before
    /// anything that is [`due`](Run::due) is done.
    pub fn advance(&mut self, prepare: &dyn Prepare, now: Timestamp) -> Vec<Entry> {
        let mut entries = Vec::new();
        while let Some(event) = self.next(prepare, now) {
            entries.push(self.record(event, now));
        }
        entries
    }

    /// After a stop: calls that were under way or held go on, under their keys. A parked run stays parked.
    pub fn resume(&mut self, now: Timestamp) -> Vec<Entry> {
        if self.status.has_ended() || self.is_parked() {
            return Vec::new();
        }
        let unsettled = |step: &usize| self.steps[*step].call.is_some();
        let unsettled: Vec<usize> = (0..self.steps.len()).filter(unsettled).collect();
        let resumed = |step: usize| (self.path(step), self.steps[step].epoch);
        let events: Vec<_> = unsettled.into_iter().map(resumed).collect();
        events.into_iter().map(|(path, epoch)| self.record(Event::CallResumed { path, epoch }, now)).collect()
    }

    /// The calls that are to be made now.
    pub fn due(&self) -> Vec<Command> {
        if self.status.has_ended() || self.is_parked() {
            return Vec::new();
        }
        let due = |(step, state): (usize, &super::StepState)| {
            let call = state.call.as_ref().filter(|call| !call.held)?;
            let path = self.path(step);
            let timeout =
                self.definition.steps[step].timeout_ms.map_or(ACTION_TIMEOUT, Duration::from_millis);
            let key = idempotency_key(self.id, &path, state.epoch);
            Some(Command::Perform { path, request: call.request.clone(), key, timeout, again: call.open })
        };
        self.steps.iter().enumerate().filter_map(due).collect()
    }

    /// Records what came of a step's call.
    pub fn settle(&mut self, path: &StepPath, outcome: Outcome, now: Timestamp) -> Entry {
        let event = self.judge(path, outcome);
        self.record(event, now)
    }

    /// Stops the run, and no other, because of a defect of ours.
    pub fn park(&mut self, error: StepError, now: Timestamp) -> Entry {
        self.record(Event::RunParked { path: None, error: Box::new(error) }, now)
    }

    fn record(&mut self, event: Event, now: Timestamp) -> Entry {
        let entry = Entry { seq: self.length + 1, at: now, event };
        self.apply(&entry).expect("what the run decides about itself can follow on its state");
        entry
    }

    fn next(&self, prepare: &dyn Prepare, now: Timestamp) -> Option<Event> {
        if self.status.has_ended() || self.is_parked() {
            return None;
        }
        for (position, step) in self.definition.steps.iter().enumerate() {
            let state = &self.steps[position];
            match state.status {
                StepStatus::Running | StepStatus::Waiting => return None,
                StepStatus::Success | StepStatus::Skipped => {}
                StepStatus::Error => match (&step.on_error, &state.error) {
                    (OnError::Continue { .. }, _) | (_, None) => {}
                    (OnError::Fail | OnError::Retry, Some(error)) => {
                        return Some(Event::RunFailed { error: Box::new(error.clone()) });
                    }
                },
                StepStatus::Pending => return Some(self.enter(position, step, prepare, now)),
            }
        }
        Some(self.end(now))
    }

    fn enter(&self, position: usize, step: &Step, prepare: &dyn Prepare, now: Timestamp) -> Event {
        let path = self.path(position);
        match self.definition.graph.verdict(position, &|condition| self.steps[condition].branch) {
            Verdict::Skip => Event::StepSkipped { path },
            Verdict::Run | Verdict::Join => match &step.kind {
                StepKind::Condition(condition) => self.choose(path, step, condition, now),
                StepKind::Action(action) => self.intend(path, step, action, prepare, now),
            },
        }
    }

    fn choose(&self, path: StepPath, step: &Step, condition: &ConditionStep, now: Timestamp) -> Event {
        match condition.test.evaluate(&RunScope { run: self, now }) {
            Ok((held, input)) => {
                let branch = if held { Branch::Then } else { Branch::Else };
                Event::ConditionDecided { path, epoch: 1, input, branch }
            }
            Err(error) => failed(path, 1, step, None, expression_error(&error)),
        }
    }

    fn intend(
        &self,
        path: StepPath,
        step: &Step,
        action: &ActionStep,
        prepare: &dyn Prepare,
        now: Timestamp,
    ) -> Event {
        let epoch = 1;
        let input = match action.config.evaluate(&RunScope { run: self, now }) {
            Ok(input) => input,
            Err(error) => return failed(path, epoch, step, None, expression_error(&error)),
        };
        let call = Call {
            action: &action.action,
            config: &action.config,
            input: &input,
            connection: self.connection,
            run: self.id,
            path: &path,
            stamp: self.definition.settings.stamp_metadata,
        };
        match prepare.prepare(&call) {
            Ok(request) => Event::CallIntended { path, epoch, input, request: Box::new(request) },
            Err(error) => failed(path, epoch, step, Some(input), error),
        }
    }

    fn end(&self, now: Timestamp) -> Event {
        let output = self.definition.settings.output.as_ref();
        match output.map(|output| output.evaluate(&RunScope { run: self, now })).transpose() {
            Ok(output) => Event::RunCompleted { output: output.map(Document::from) },
            Err(error) => Event::RunFailed { error: Box::new(expression_error(&error)) },
        }
    }

    /// What an outcome means for a call (spec 8, "Unknown belongs to the epoch").
    fn judge(&self, path: &StepPath, outcome: Outcome) -> Event {
        let position =
            self.definition.position(&path.0).expect("an outcome belongs to a step of the workflow");
        let step = &self.definition.steps[position];
        let state = &self.steps[position];
        let call = state.call.as_ref().expect("an outcome belongs to a call under way");
        let writes = call.request.effect != Effect::Read;
        let path = path.clone();
        let epoch = state.epoch;
        let held = |error: StepError, reason, open| {
            let error = Box::new(located(error, &path, state.attempt));
            Event::CallHeld { path: path.clone(), epoch, reason, error, open }
        };
        let refused =
            |error: StepError| failed(path.clone(), epoch, step, None, located(error, &path, state.attempt));
        match outcome {
            Outcome::Done { output, receipt } => Event::StepSucceeded { path, epoch, output, receipt },
            Outcome::Refused { error, settles } if writes && call.open && !settles => {
                held(still_open(error), WaitReason::OutcomeUnknown, true)
            }
            Outcome::Refused { error, .. } => refused(error),
            Outcome::Unknown { error } if writes => held(error, WaitReason::OutcomeUnknown, true),
            Outcome::Unknown { error } => refused(error),
            Outcome::NotSent { error, reason } if writes && call.open => {
                let reason = match reason {
                    WaitReason::Connection => reason,
                    _ => WaitReason::OutcomeUnknown,
                };
                held(still_open(error), reason, false)
            }
            Outcome::NotSent { error, reason: WaitReason::Retry } if !writes => refused(error),
            Outcome::NotSent { error, reason } => held(error, reason, false),
            Outcome::Defect { error } => {
                let error = Box::new(located(error, &path, state.attempt));
                Event::RunParked { path: Some(path), error }
            }
        }
    }

    fn is_parked(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.reason == WaitReason::Parked)
    }

    fn path(&self, position: usize) -> StepPath {
        StepPath(self.definition.steps[position].id.clone())
    }
}

/// The idempotency key of a step's call: the same for every sending within an epoch, whatever crashes (spec 11.1).
pub fn idempotency_key(run: RunId, path: &StepPath, epoch: u32) -> Uuid {
    Uuid::new_v5(&KEYS, format!("{run}/{path}/{epoch}").as_bytes())
}

fn failed(path: StepPath, epoch: u32, step: &Step, input: Option<Value>, error: StepError) -> Event {
    let attempt = error.attempt.max(1);
    let error = Box::new(located(error, &path, attempt));
    let fallback = match &step.on_error {
        OnError::Continue { fallback } => Some(fallback.clone()),
        OnError::Fail | OnError::Retry => None,
    };
    Event::StepFailed { path, epoch, input, error, fallback }
}

/// What came of this sending says nothing of the one before: whoever read "nothing was done, run it again" would pay twice.
fn still_open(mut error: StepError) -> StepError {
    const OPEN: &str = "an earlier sending had no answer, so it may be done: do not run it anew; it is sent again \
                        under the same idempotency key at the next start";
    error.hint = if error.retryable { OPEN.to_owned() } else { format!("{OPEN}; {}", error.hint) };
    error
}

fn located(mut error: StepError, path: &StepPath, attempt: u32) -> StepError {
    error.step = path.0.clone();
    error.attempt = attempt;
    error
}

fn expression_error(error: &EvaluationError) -> StepError {
    let hint = error
        .hint
        .clone()
        .unwrap_or_else(|| "correct the expression, or the values that it reads".to_owned());
    StepError::new(code::EXPRESSION_ERROR, error.to_string(), hint)
}
