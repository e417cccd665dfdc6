//! Deciding: what follows from a state, and what an outcome means.

use std::sync::Arc;
use std::time::Duration;

use loopfour_lang::graph::Verdict;
use loopfour_lang::step::condition::Branch;
use loopfour_lang::step::{ActionStep, ConditionStep, OnError, Step, StepKind};
use loopfour_lang::template::EvaluationError;
use loopfour_lang::{Document, Value};
use uuid::Uuid;

use super::binding::Bindings;
use super::rules::{self, Policy};
use super::scope::RunScope;
use super::{CallState, CallWait, Ending, Run, StepStatus, WaitReason};
use crate::call::{Attempt, Effect, Outcome, Request, Sending};
use crate::error::{StepError, code};
use crate::event::{Entry, Event, StepPath};
use crate::id::{ConnectionId, RunId};
use crate::ports::{Call, Prepare, Unprepared};
use crate::time::Timestamp;

/// How long the answer to an action's call is waited for, where the step does not say.
const ACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// So much of a text that is no id is told, characters.
const LONGEST_SHOWN: usize = 100;

/// The name space of idempotency keys. Never changes: a run that began under another version keeps its keys.
const KEYS: Uuid = Uuid::from_u128(0x6a1f_0c52_7d4e_5b83_9c1e_4f0a_2b7d_9e31);

/// What a decision depends on beside the run.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Makes requests.
    pub prepare: &'a (dyn Prepare + Sync),
    /// How long things may take.
    pub policy: &'a Policy,
    /// The time.
    pub now: Timestamp,
}

/// An effect that is due. It is carried out only after the entry that led to it is durable, and after
/// [`Run::before_sending`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send this step's request; the outcome goes to [`Run::settle`].
    Perform {
        /// The step.
        path: StepPath,
        /// What is sent.
        request: Arc<Request>,
        /// Under which idempotency key.
        key: Uuid,
        /// How long the answer is waited for.
        timeout: Duration,
        /// What may have happened before.
        attempt: Attempt,
    },
}

impl Command {
    /// The sending that it asks for.
    pub fn sending(&self) -> Sending<'_> {
        let Command::Perform { request, key, timeout, attempt, .. } = self;
        Sending { request, key: *key, timeout: *timeout, attempt: *attempt }
    }
}

impl Run {
    /// Adds everything that follows without the outside world: conditions, skipped steps, the intent of the next call,
    /// the end. The entries are folded already; they must become durable, in one batch with what led to them, before
    /// anything that is [`due`](Run::due) is done.
    pub fn advance(&mut self, context: &Context<'_>) -> Vec<Entry> {
        let mut entries = Vec::new();
        while let Some(event) = self.next(context) {
            entries.push(self.record(event, context.now));
        }
        entries
    }

    /// The call that is to be made as soon as the provider's pace allows. That it is under way already is for the host to
    /// know.
    pub fn due(&self) -> Option<Command> {
        if self.status.has_ended() || self.is_parked() {
            return None;
        }
        let (step, call) = self.in_hand().filter(|(_, call)| call.wait.is_none_or(CallWait::is_queued))?;
        let path = self.path(step);
        let timeout = self.definition.steps[step].timeout_ms.map_or(ACTION_TIMEOUT, Duration::from_millis);
        let attempt = match (call.is_unknown(), self.ending) {
            (false, _) => Attempt::First,
            (true, Some(_)) if !call.ordered => Attempt::Look,
            (true, _) => Attempt::Again,
        };
        let key = idempotency_key(self.id, &path, self.steps[step].epoch);
        Some(Command::Perform { path, request: Arc::clone(&call.request), key, timeout, attempt })
    }

    /// Records what came of a step's call.
    pub fn settle(&mut self, path: &StepPath, outcome: Outcome, context: &Context<'_>) -> Entry {
        let event = match outcome {
            Outcome::Done { output, receipt } => {
                let epoch = self.state(path).epoch;
                Event::StepSucceeded { path: path.clone(), epoch, output, receipt }
            }
            Outcome::Failed(failure) => self.judge(path, *failure, context),
        };
        self.record(event, context.now)
    }

    /// Stops the run, and no other, because of a defect of ours.
    pub fn park(&mut self, error: StepError, now: Timestamp) -> Entry {
        self.record(Event::RunParked { path: None, error: Box::new(error) }, now)
    }

    pub(super) fn record(&mut self, event: Event, now: Timestamp) -> Entry {
        let entry = Entry { seq: self.length + 1, at: now, event };
        self.apply(&entry).expect("what the run decides about itself can follow on its state");
        entry
    }

    fn next(&self, context: &Context<'_>) -> Option<Event> {
        if self.status.has_ended() || (self.is_parked() && self.ending.is_none()) {
            return None;
        }
        if let Some(ending) = self.ending {
            return self.come_to(ending);
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
                StepStatus::Pending if self.pause.is_some_and(|pause| !pause.over) => return None,
                StepStatus::Pending => return Some(self.enter(position, step, context)),
            }
        }
        Some(self.complete_event(context.now))
    }

    /// What leads to the end that is wanted: it comes once the outcome of the call in hand is known (spec 8).
    fn come_to(&self, ending: Ending) -> Option<Event> {
        if let Some((step, call)) = self.in_hand() {
            let wait = call.wait.filter(|_| !call.ordered);
            match wait.map(|wait| wait.reason) {
                // It is under way, or about to be.
                None => return None,
                Some(WaitReason::OutcomeUnknown) if call.is_unknown() => return None,
                Some(_) if !call.is_unknown() => {}
                Some(_) if call.request.effect == Effect::Delete => {
                    let (path, epoch) = (self.path(step), self.steps[step].epoch);
                    return Some(Event::CallResumed { path, epoch, unsent: false });
                }
                Some(_) => return Some(self.for_a_person(step, call, true)),
            }
        }
        Some(match ending {
            Ending::Cancelled => Event::RunCancelled,
            Ending::Timeout => Event::RunTimedOut { error: Box::new(self.timeout_error()) },
        })
    }

    /// What kept the run until its time was over.
    fn timeout_error(&self) -> StepError {
        let step = self.in_hand().map(|(step, _)| step).or_else(|| self.failed_step());
        let kept = step.and_then(|step| self.steps[step].error.clone());
        kept.or_else(|| self.waiting.as_ref()?.error.clone()).unwrap_or_else(|| {
            let limit = self.definition.settings.timeout_ms.unwrap_or_default();
            let message = format!("the run took longer than the {limit} ms of `settings.timeoutMs`");
            let hint = "retry it: it goes on where it stopped; or allow it more time";
            StepError::new(code::RUN_TIMEOUT, message, hint)
        })
    }

    /// Holds a call of unknown outcome until a person says what became of it.
    pub(super) fn for_a_person(&self, step: usize, call: &CallState, open: bool) -> Event {
        let path = self.path(step);
        let state = &self.steps[step];
        let error = call.error.clone().unwrap_or_else(|| rules::no_answer(&path, state.attempt));
        Event::CallHeld {
            path,
            epoch: state.epoch,
            reason: WaitReason::OutcomeUnknown,
            error: Some(Box::new(rules::ask_a_person(error, self.ending))),
            open,
            until: None,
            counted: false,
            replayed: false,
            date: None,
        }
    }

    fn enter(&self, position: usize, step: &Step, context: &Context<'_>) -> Event {
        let path = self.path(position);
        match self.definition.graph.verdict(position, &|condition| self.steps[condition].branch) {
            Verdict::Skip => Event::StepSkipped { path },
            Verdict::Run | Verdict::Join => match &step.kind {
                StepKind::Condition(condition) => self.choose(position, step, condition, context.now),
                StepKind::Action(action) => self.intend(position, step, action, context),
            },
        }
    }

    fn choose(&self, position: usize, step: &Step, condition: &ConditionStep, now: Timestamp) -> Event {
        let (path, epoch) = (self.path(position), self.steps[position].epoch + 1);
        match condition.test.evaluate(&RunScope { run: self, now }) {
            Ok((held, input)) => {
                let branch = if held { Branch::Then } else { Branch::Else };
                Event::ConditionDecided { path, epoch, input, branch }
            }
            Err(error) => failed(path, epoch, step, None, expression_error(&error)),
        }
    }

    fn intend(&self, position: usize, step: &Step, action: &ActionStep, context: &Context<'_>) -> Event {
        let (path, epoch) = (self.path(position), self.steps[position].epoch + 1);
        let input = match action.config.evaluate(&RunScope { run: self, now: context.now }) {
            Ok(input) => input,
            Err(error) => return failed(path, epoch, step, None, expression_error(&error)),
        };
        let connection = match self.asked(action, context.now) {
            Ok(connection) => connection,
            Err(error) => return failed(path, epoch, step, Some(input), error),
        };
        let bindings = self.bound.get(&action.action.provider);
        let call = Call {
            company: self.company,
            action: &action.action,
            config: &action.config,
            input: &input,
            connection: connection.or(self.connection),
            run: self.id,
            path: &path,
            stamp: self.definition.settings.stamp_metadata,
            bound: bindings.and_then(|bindings| bindings.bound(connection)),
            used: bindings.map(Bindings::used).unwrap_or_default(),
        };
        match context.prepare.prepare(&call) {
            Ok(request) => Event::CallIntended { path, epoch, input, request: Arc::new(request), connection },
            Err(Unprepared::Refused(error)) => failed(path, epoch, step, Some(input), error),
            Err(Unprepared::NotReady { error, account }) => match self.next_try(context) {
                None => failed(path, epoch, step, None, error),
                Some(until) => {
                    let error = Box::new(located(error, &path, 1));
                    Event::StepHeld {
                        path,
                        reason: WaitReason::Connection,
                        error,
                        until,
                        account,
                        connection,
                    }
                }
            },
        }
    }

    /// The connection that a step asks for itself; empty is none.
    fn asked(&self, action: &ActionStep, now: Timestamp) -> Result<Option<ConnectionId>, StepError> {
        let Some(template) = &action.connection else { return Ok(None) };
        let value = template.evaluate(&RunScope { run: self, now });
        let value = value.map_err(|error| expression_error(&error))?;
        let text = value.to_text();
        if text.is_empty() {
            return Ok(None);
        }
        let id = value.as_text().and_then(|text| text.parse().ok());
        id.map(Some).ok_or_else(|| {
            let shown: String = text.chars().take(LONGEST_SHOWN).collect();
            let message = format!("`connectionId` came out as `{shown}`, which is no connection's id");
            let hint =
                "give the id of a connection, `conn_` and a UUID, or nothing for the run's own connection";
            StepError::new(code::INVALID_PARAMETER, message, hint)
        })
    }

    /// When a step that waits for its connection is tried again: not for ever.
    fn next_try(&self, context: &Context<'_>) -> Option<Timestamp> {
        let (since, tries) = self.pause.map_or((context.now, 0), |pause| (pause.since, pause.tries));
        let last = Timestamp(since.0.saturating_add(context.policy.connection_wait));
        (context.now < last).then(|| last.min(rules::next_try(context.now, tries)))
    }

    fn complete_event(&self, now: Timestamp) -> Event {
        let output = self.definition.settings.output.as_ref();
        match output.map(|output| output.evaluate(&RunScope { run: self, now })).transpose() {
            Ok(output) => Event::RunCompleted { output: output.map(Document::from) },
            Err(error) => Event::RunFailed { error: Box::new(expression_error(&error)) },
        }
    }

    /// The first step whose failure ends the run.
    pub(super) fn failed_step(&self) -> Option<usize> {
        let mut steps = self.definition.steps.iter().zip(&self.steps);
        steps.position(|(step, state)| {
            state.status == StepStatus::Error && !matches!(step.on_error, OnError::Continue { .. })
        })
    }

    pub(super) fn state(&self, path: &StepPath) -> &super::StepState {
        let step = self.definition.position(&path.0).expect("a call belongs to a step of the workflow");
        &self.steps[step]
    }

    pub(super) fn is_parked(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.reason == WaitReason::Parked)
    }

    pub(super) fn path(&self, position: usize) -> StepPath {
        StepPath(self.definition.steps[position].id.clone())
    }
}

/// The idempotency key of a step's call: the same for every sending within an epoch, whatever crashes (spec 11.1).
pub fn idempotency_key(run: RunId, path: &StepPath, epoch: u32) -> Uuid {
    Uuid::new_v5(&KEYS, format!("{run}/{path}/{epoch}").as_bytes())
}

pub(super) fn failed(
    path: StepPath,
    epoch: u32,
    step: &Step,
    input: Option<Value>,
    error: StepError,
) -> Event {
    let attempt = error.attempt.max(1);
    let error = Box::new(located(error, &path, attempt));
    let fallback = match &step.on_error {
        OnError::Continue { fallback } => Some(fallback.clone()),
        OnError::Fail | OnError::Retry => None,
    };
    Event::StepFailed { path, epoch, input, error, fallback }
}

pub(super) fn located(mut error: StepError, path: &StepPath, attempt: u32) -> StepError {
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
