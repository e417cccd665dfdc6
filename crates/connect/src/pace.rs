//! When a call may go out: evenly spaced under the limits of one account, first come first served, and slower where an
//! answer asked for it (spec 12.6).
//!
//! A turn is granted once every limit that it is under has room. A call that one limit holds back stands in nobody's way
//! who is not under that limit. Nothing here knows runs, and nothing is refused: whoever asks waits, or leaves.

mod config;
mod gate;
mod line;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

pub use config::{Figure, PaceConfig};
use line::{Line, Seat};

/// What a call does, as far as limits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads.
    Read,
    /// Writes or deletes.
    Write,
}

/// Which limits a call is under, beside those of the whole account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane<'a> {
    /// What it does.
    pub kind: Kind,
    /// Method and path with its ids left open: `POST /v1/invoices/*/finalize`.
    pub endpoint: &'a str,
}

/// Where in the line a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Before those at its end: a part of a call that had its turn, or a person waits for it.
    Ahead,
    /// At its end.
    Last,
}

/// What a refused call was one too many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of the account's.
    Account,
    /// Of those to its endpoint.
    Endpoint,
}

/// The pace of one account in one mode.
#[derive(Debug)]
pub struct Pace {
    line: Mutex<Line>,
    /// The first in the line may go earlier than the usher sleeps.
    earlier: Notify,
}

impl Pace {
    /// The pace of an account in that mode (`live`, `test`, `sandbox`), on which the usual figures depend.
    pub fn new(config: &PaceConfig, mode: &str) -> Arc<Pace> {
        Arc::new(Pace { line: Mutex::new(Line::new(config, mode)), earlier: Notify::new() })
    }

    /// Waits until the call may go out. Dropping it gives the place up, and takes nothing from those behind unless the turn
    /// had come.
    pub async fn turn(self: &Arc<Pace>, lane: Lane<'_>, place: Place) {
        let Some(waiting) = self.stand(lane, place) else { return };
        let Waiting { seat, pace, granted } = waiting;
        let mut leaving = Leaving { pace, seat: Some(seat) };
        // The sender is dropped only with the line, which `self` keeps.
        let _ = granted.await;
        leaving.seat = None;
    }

    /// Takes note of an answer that asks for fewer calls: what it names goes at half its rate, once for all calls that were
    /// under way, and comes back step by step within a minute; it stops for as long as the answer says.
    pub fn slow_down(&self, lane: Lane<'_>, scope: Scope, sent: Instant, retry_after: Option<Duration>) {
        self.line().slow_down(lane, scope, Heard { sent, now: Instant::now(), retry_after });
    }

    /// How many calls wait for their turn.
    pub fn waiting(&self) -> usize {
        self.line().waiting()
    }

    /// Takes a turn that is free at once, or a place in the line.
    fn stand(self: &Arc<Pace>, lane: Lane<'_>, place: Place) -> Option<Waiting> {
        let now = Instant::now();
        let mut line = self.line();
        if line.pass(lane, now) {
            return None;
        }
        let (sender, granted) = oneshot::channel();
        let seat = line.join(lane, place, now, sender);
        if let Some(next) = line.grant(now) {
            match line.usher_sleeps_until {
                Some(until) if until <= next => {}
                Some(_) => self.earlier.notify_one(),
                None => {
                    line.usher_sleeps_until = Some(next);
                    tokio::spawn(usher(Arc::clone(self)));
                }
            }
        }
        Some(Waiting { pace: Arc::clone(self), seat, granted })
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that asked for fewer calls.
#[derive(Clone, Copy)]
struct Heard {
    /// When its call left.
    sent: Instant,
    now: Instant,
    retry_after: Option<Duration>,
}

struct Waiting {
    pace: Arc<Pace>,
    seat: Seat,
    granted: oneshot::Receiver<()>,
}

/// Gives the place up unless the turn came.
struct Leaving {
    pace: Arc<Pace>,
    seat: Option<Seat>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            self.pace.line().leave(&seat);
        }
    }
}

/// Grants turns as they come due; ends when nobody waits. There is one at a time.
async fn usher(pace: Arc<Pace>) {
    let mut on_duty = OnDuty { pace: &pace, is: true };
    loop {
        let next = {
            let mut line = pace.line();
            line.usher_sleeps_until = line.grant(Instant::now());
            let Some(next) = line.usher_sleeps_until else {
                on_duty.is = false;
                return;
            };
            next
        };
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = pace.earlier.notified() => {}
        }
    }
}

/// Lets the next caller start another usher where this one is dropped with its runtime.
struct OnDuty<'a> {
    pace: &'a Pace,
    is: bool,
}

impl Drop for OnDuty<'_> {
    fn drop(&mut self) {
        if self.is {
            self.pace.line().usher_sleeps_until = None;
        }
    }
}
