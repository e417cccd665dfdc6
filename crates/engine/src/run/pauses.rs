//! Waiting and going on: after a pause, after a stop of the process, and just before a call leaves.

use super::decide::{Command, Context};
use super::{CallState, Run, WaitReason};
use crate::call::{Attempt, Effect};
use crate::event::{Entry, Event, StepPath};
use crate::time::Timestamp;

/// An intent older than this is written anew before its first sending: the safety margin counts from it. Milliseconds.
const FRESH: i64 = 60_000;

/// Why a run is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Its time has come ([`Run::due_at`]).
    Timer,
    /// The process started: what was under way may have been sent, and the connection may be another.
    Start,
    /// A connection can be used again.
    Connection,
}

impl Run {
    /// Goes on with what waited long enough, and notices that the run's time is over. To be followed by
    /// [`Run::advance`]; calls never while a call is under way, except by a process that just started.
    pub fn wake(&mut self, wake: Wake, context: &Context<'_>) -> Vec<Entry> {
        let mut entries = Vec::new();
        if self.status.has_ended() {
            return entries;
        }
        entries.extend(self.expire(context.now));
        if let Some(pause) = &mut self.pause {
            pause.over = match wake {
                Wake::Timer => pause.until <= context.now,
                Wake::Start | Wake::Connection => true,
            };
        }
        if let Some(event) = self.goes_on(wake, context) {
            entries.push(self.record(event, context.now));
        }
        entries
    }

    /// Records that the run's time is over, if it is. May be called while a call is under way.
    pub fn expire(&mut self, now: Timestamp) -> Option<Entry> {
        let over = self.deadline().is_some_and(|deadline| deadline <= now);
        over.then(|| self.record(Event::TimeLimitPassed, now))
    }

    fn goes_on(&self, wake: Wake, context: &Context<'_>) -> Option<Event> {
        let (step, call) = self.in_hand()?;
        let Some(wait) = call.wait else { return Some(self.interrupted(step, call, context)) };
        let resumes = match wait.reason {
            WaitReason::OutcomeUnknown | WaitReason::Parked => false,
            WaitReason::Connection if matches!(wake, Wake::Start | Wake::Connection) => true,
            WaitReason::Storage if wake == Wake::Start => true,
            WaitReason::Connection
            | WaitReason::Storage
            | WaitReason::Timer
            | WaitReason::Approval
            | WaitReason::Event
            | WaitReason::Retry
            | WaitReason::Pace => !wait.is_queued() && wait.until.is_none_or(|until| until <= context.now),
        };
        // What waits and is to end is ended by `advance`.
        if !resumes || self.ending.is_some() {
            return None;
        }
        if call.is_unknown() && self.is_late(call, context) {
            return Some(self.for_a_person(step, call, false));
        }
        Some(self.resumed(step, call))
    }

    /// A call that was under way when the process ended may have been sent.
    fn interrupted(&self, step: usize, call: &CallState, context: &Context<'_>) -> Event {
        let ends = self.ending.is_some() && !call.ordered;
        // A delete is only looked for then.
        let looks = ends && call.request.effect == Effect::Delete;
        if call.writes() && !looks && (ends || self.is_late(call, context)) {
            return self.for_a_person(step, call, true);
        }
        self.queued(step, call.writes())
    }

    /// What must be recorded just before a call leaves, and become durable: that it is too late to send it by itself, or
    /// that it leaves only now. Nothing as a rule.
    pub fn before_sending(&mut self, command: &Command, context: &Context<'_>) -> Option<Entry> {
        let Command::Perform { path, attempt, .. } = command;
        let (step, call) = self.in_hand().filter(|(step, _)| self.path(*step) == *path)?;
        let stale = !call.open && context.now.0.saturating_sub(call.first.at.0) > FRESH;
        let event = if call.is_unknown() && *attempt != Attempt::Look && self.is_late(call, context) {
            self.for_a_person(step, call, false)
        } else if call.wait.is_some() || stale {
            self.resumed(step, call)
        } else {
            return None;
        };
        Some(self.record(event, context.now))
    }

    /// Records that a call which has not left yet stands in the queue for its turn.
    pub fn await_turn(&mut self, path: &StepPath, now: Timestamp) -> Entry {
        let step = self.definition.position(&path.0).expect("a call belongs to a step of the workflow");
        let event = self.queued(step, false);
        self.record(event, now)
    }

    fn queued(&self, step: usize, open: bool) -> Event {
        Event::CallHeld {
            path: self.path(step),
            epoch: self.steps[step].epoch,
            reason: WaitReason::Pace,
            error: None,
            open,
            until: None,
            counted: false,
            replayed: false,
            date: None,
        }
    }

    fn resumed(&self, step: usize, call: &CallState) -> Event {
        Event::CallResumed { path: self.path(step), epoch: self.steps[step].epoch, unsent: !call.open }
    }
}
