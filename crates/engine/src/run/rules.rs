//! What follows from a sending that did not succeed: one table ([`rule`]), and the few limits that apply to it.
//!
//! The provider says what it saw ([`Finding`]); nothing here looks at a status or a code. The same table, in words, is in
//! `docs/concepts/outcomes.md`, and a test holds the two together.

use loopfour_lang::workflow::RetryConfig;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::decide::{Context, failed, located};
use super::{CallState, Ending, Run, WaitReason};
use crate::call::{Effect, Failure, Finding};
use crate::error::{StepError, code};
use crate::event::{Event, StepPath};
use crate::time::Timestamp;

/// How long things may take; settings of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// So long after its first sending a write of unknown outcome is sent again by itself, milliseconds. Stripe forgets
    /// keys after 24 hours.
    pub safety_margin: i64,
    /// So long a run waits for usable credentials, milliseconds.
    pub connection_wait: i64,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { safety_margin: 20 * HOUR, connection_wait: 72 * HOUR }
    }
}

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Repeated failures from the provider's memory of a key after which only a person can tell.
const MOST_REPLAYS: u32 = 3;

/// Before a step whose connection cannot be used yet is tried again: that is asked of nobody, so it costs little.
const FIRST_TRY: i64 = 5 * SECOND;

/// Before a call whose credentials were refused is sent again.
const FIRST_LOOK: i64 = MINUTE;

/// Longest pause between two looks for usable credentials.
const LONGEST_LOOK: i64 = 15 * MINUTE;

/// Retries where neither the step nor the workflow says how.
const USUAL: RetryConfig = RetryConfig {
    max_attempts: 3,
    initial_delay_ms: 1000,
    max_delay_ms: 30_000,
    backoff_multiplier: Decimal::TWO,
};

/// What is done about a sending that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// An answer: the step fails, unless the provider says that trying again may help and the step has attempts left; the
    /// next one is under the same key.
    Answered,
    /// Sent again under the same key after a pause, not counted. `opens`: from now on only an answer about the key says
    /// whether it is done.
    Again {
        /// Whether the sending may have arrived.
        opens: bool,
    },
    /// Waits for the provider's rate limit, not counted.
    Pace,
    /// Waits for usable credentials, not counted.
    Connection,
    /// Only a person can tell.
    Person,
    /// The run is parked.
    Park,
}

/// The table: what follows from a finding, for calls that read or write, with an earlier sending open or not (spec 8 and
/// 11). No row raises the epoch; only a person does.
pub fn rule(finding: Finding, effect: Effect, open: bool) -> Rule {
    let writes = effect != Effect::Read;
    let unknown = writes && open;
    match finding {
        Finding::Refused => Rule::Answered,
        Finding::Forbidden | Finding::Conflict if unknown => Rule::Again { opens: false },
        Finding::Forbidden | Finding::Conflict => Rule::Answered,
        Finding::Unauthorized | Finding::NoConnection => Rule::Connection,
        Finding::KeyInUse => Rule::Again { opens: writes },
        Finding::Busy | Finding::Unreachable => Rule::Again { opens: false },
        Finding::Throttled => Rule::Pace,
        Finding::Unknown | Finding::ReplayedError if writes => Rule::Again { opens: true },
        Finding::Unknown | Finding::ReplayedError => Rule::Answered,
        Finding::NotFoundDone if unknown => Rule::Person,
        Finding::NotFoundDone => Rule::Answered,
        Finding::Defect => Rule::Park,
    }
}

impl Run {
    /// What a failed sending does to the run.
    pub(super) fn judge(&self, path: &StepPath, failure: Failure, context: &Context<'_>) -> Event {
        let step = self.definition.position(&path.0).expect("a call belongs to a step of the workflow");
        let state = &self.steps[step];
        let call = state.call.as_ref().expect("an outcome belongs to a call under way");
        let Failure { finding, error, retry_after, date } = failure;
        let error = located(error, path, state.attempt);
        let rule = rule(finding, call.request.effect, call.open);
        let opens = rule == Rule::Again { opens: true };
        let unknown = call.writes() && (call.open || opens);
        let replayed = finding == Finding::ReplayedError;
        let (reason, counted) = match rule {
            Rule::Answered if self.tries_again(step, &error) => (WaitReason::Retry, true),
            Rule::Answered => return self.failed(path, step, error),
            Rule::Again { .. } => (WaitReason::Retry, false),
            Rule::Pace => (WaitReason::Pace, false),
            Rule::Connection => (WaitReason::Connection, false),
            Rule::Person => (WaitReason::OutcomeUnknown, false),
            Rule::Park => return Event::RunParked { path: Some(path.clone()), error: Box::new(error) },
        };
        let since =
            call.waited.filter(|(waited, _)| *waited == reason).map_or(context.now, |(_, since)| since);
        let gives_up = Timestamp(since.0.saturating_add(context.policy.connection_wait));
        let too_often = replayed && call.replays + 1 >= MOST_REPLAYS;
        // A delete that met the wish to end while it was under way is looked for once.
        let looks = call.request.effect == Effect::Delete && opens && !call.open;
        let ends = self.ending.is_some() && !looks;
        let person = rule == Rule::Person || ends || too_often || self.is_late(call, context);
        let asks = unknown && person;
        if !asks && (ends || (reason == WaitReason::Connection && !unknown && context.now >= gives_up)) {
            return self.failed(path, step, error);
        }
        let again = match reason {
            WaitReason::Connection => {
                // Where nothing was sent, looking again bothers nobody with a key that it refused.
                let next = if finding == Finding::NoConnection { next_try } else { next_look };
                let again = next(context.now, call.tries);
                if unknown { again } else { again.min(gives_up) }
            }
            _ => {
                let pause =
                    self.pause_after(step, call.tries + 1).max(milliseconds(retry_after.unwrap_or(0)));
                Timestamp(context.now.0.saturating_add(pause))
            }
        };
        let (reason, until, error) = if asks {
            (WaitReason::OutcomeUnknown, None, ask_a_person(error, self.ending))
        } else if unknown {
            let error = still_open(error, call.request.effect);
            (reason, Some(again.min(margin_end(call, context))), error)
        } else {
            (reason, Some(again), error)
        };
        Event::CallHeld {
            path: path.clone(),
            epoch: state.epoch,
            reason,
            error: Some(Box::new(error)),
            open: opens,
            until,
            counted,
            replayed,
            date,
        }
    }

    fn failed(&self, path: &StepPath, step: usize, error: StepError) -> Event {
        failed(path.clone(), self.steps[step].epoch, &self.definition.steps[step], None, error)
    }

    /// Whether an answer that may be otherwise next time is asked for again.
    fn tries_again(&self, step: usize, error: &StepError) -> bool {
        error.retryable && self.ending.is_none() && self.steps[step].attempt < self.retries(step).max_attempts
    }

    fn retries(&self, step: usize) -> &RetryConfig {
        let own = self.definition.steps[step].retry.as_ref();
        own.or(self.definition.settings.retry.as_ref()).unwrap_or(&USUAL)
    }

    /// The pause after the so-manieth sending came to nothing, milliseconds: full jitter, drawn from the call's own
    /// identity so that a run decides alike wherever it is folded.
    fn pause_after(&self, step: usize, tries: u32) -> i64 {
        let key = super::idempotency_key(self.id, &self.path(step), self.steps[step].epoch);
        let draw = Uuid::new_v5(&key, &tries.to_be_bytes()).as_u128();
        full_jitter(self.retries(step), tries, draw)
    }

    /// Whether a write of unknown outcome is too old to be sent again by itself.
    pub(super) fn is_late(&self, call: &CallState, context: &Context<'_>) -> bool {
        call.first.age(context.now, self.provider_clock) >= context.policy.safety_margin
    }
}

/// A delay from 0 to the limit of that try, milliseconds; `draw` is any number, evenly spread.
pub fn full_jitter(config: &RetryConfig, tries: u32, draw: u128) -> i64 {
    let longest = Decimal::from(config.max_delay_ms);
    let mut limit = Decimal::from(config.initial_delay_ms).min(longest);
    for _ in 1..tries {
        limit = match limit.checked_mul(config.backoff_multiplier) {
            Some(next) if next < longest && next > limit => next,
            Some(next) if next <= limit => break,
            Some(_) | None => {
                limit = longest;
                break;
            }
        };
    }
    let limit = u64::try_from(limit.round()).unwrap_or(config.max_delay_ms);
    milliseconds(u64::try_from(draw % (u128::from(limit) + 1)).unwrap_or(limit))
}

/// When a call whose credentials were refused is sent again.
fn next_look(now: Timestamp, tries: u32) -> Timestamp {
    doubling(now, FIRST_LOOK, tries)
}

/// When a step, or a call, whose connection cannot be used yet is tried again.
pub(super) fn next_try(now: Timestamp, tries: u32) -> Timestamp {
    doubling(now, FIRST_TRY, tries)
}

fn doubling(now: Timestamp, first: i64, tries: u32) -> Timestamp {
    let pause = first.saturating_mul(1_i64 << tries.min(10)).min(LONGEST_LOOK);
    Timestamp(now.0.saturating_add(pause))
}

fn margin_end(call: &CallState, context: &Context<'_>) -> Timestamp {
    Timestamp(call.first.at.0.saturating_add(context.policy.safety_margin))
}

fn milliseconds(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// What came of this sending says nothing of the one before: whoever read "nothing was done, run it again" would pay twice.
fn still_open(mut error: StepError, effect: Effect) -> StepError {
    let how = match effect {
        Effect::Read | Effect::Write => {
            "sent again by itself under the same idempotency key, so it happens once"
        }
        Effect::Delete => "looked for by itself before it is sent again",
    };
    let open =
        format!("an earlier sending had no answer, so it may be done: do not run it anew; it is {how}");
    error.hint = if error.retryable { open } else { format!("{open}; {}", error.hint) };
    error
}

/// The error of a call about which only a person can tell.
pub(super) fn ask_a_person(mut error: StepError, ending: Option<Ending>) -> StepError {
    let why = match ending {
        Some(Ending::Cancelled) => "the run was cancelled, so it is not sent again by itself",
        Some(Ending::Timeout) => "the run's time is over, so it is not sent again by itself",
        None => "it is not sent again by itself",
    };
    error.hint = format!(
        "whether it is done is not known, and {why}: look for it at the provider, then resolve the step as done, to be \
         sent again, or failed"
    );
    error
}

/// An earlier sending had no answer: the server stopped meanwhile, or it is not kept why.
pub(super) fn no_answer(path: &StepPath, attempt: u32) -> StepError {
    let message = "the call was sent, and no answer came";
    located(StepError::new(code::OUTCOME_UNKNOWN, message, ""), path, attempt)
}

/// A write of a run that comes from a backup.
pub(super) fn restored(path: &StepPath, attempt: u32, backup_at: Timestamp) -> StepError {
    let message = format!("the run was restored from a backup of {backup_at}: this may have been sent since");
    let error = StepError::new(code::OUTCOME_UNKNOWN, message, "");
    ask_a_person(located(error, path, attempt), None)
}
