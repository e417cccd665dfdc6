//! The scheduler: one task that waits for the earliest firing and starts its run. How far each schedule is stands in the
//! store; here are only the times at which it is to be looked at next.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use loopfour_engine::ports::{Clock, Journal};
use loopfour_engine::provider_events::Inbox;
use loopfour_engine::schedules::{Scheduled, Schedules};
use loopfour_engine::{Timestamp, WorkflowId};
use tracing::error;

use super::firing::{Look, Progress};
use super::{PAUSE, Triggers};

/// Who looks so much later than planned has slept: the firings until then count as missed, milliseconds.
const SLEPT: i64 = 60_000;

/// So many schedules are looked at at once.
const AT_ONCE: usize = 64;

/// Every schedule that may fire.
struct Plan {
    known: HashMap<WorkflowId, Known>,
    /// When to look at which; what does not agree with `known` is out of date.
    heap: BinaryHeap<Reverse<(Timestamp, WorkflowId)>>,
    /// The firings up to then are missed if they have no run.
    awake_since: Timestamp,
    /// When the plan is to be looked at next.
    planned: Timestamp,
}

/// A schedule, and when to look at it next.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) row: Scheduled,
    /// `None`: it does not fire as it is.
    pub(super) next: Option<Timestamp>,
    /// How often the firing that is due was tried in vain.
    pub(super) tries: u32,
}

impl<S: Inbox + Schedules + Journal, C: Clock> Triggers<S, C> {
    /// Starts the runs of all schedules, until it is stopped. Firings up to `begun` count as missed.
    pub(super) async fn follow_schedules(&self, begun: Timestamp) {
        let store = &self.shared.store;
        let mut plan = Plan::new(begun);
        let mut seen = None;
        while !self.is_stopping() {
            let changes = store.changed(seen.unwrap_or(0)).now_or_never();
            if seen.is_none() || changes.is_some() {
                match store.scheduled().await {
                    Ok(rows) => plan.follow(rows),
                    Err(error) => {
                        error!(%error, "the schedules cannot be read; it is tried again");
                        self.rest(&mut plan).await;
                        continue;
                    }
                }
                seen = Some(changes.unwrap_or(0));
            }
            let changes = seen.unwrap_or(0);
            let now = self.now();
            plan.look(now);
            let due = plan.due(now);
            if due.is_empty() {
                self.wait(&mut plan, changes).await;
                continue;
            }
            let look = Look { awake_since: plan.awake_since, changes };
            let progress = join_all(due.into_iter().map(|known| self.advance(known, look))).await;
            let blocked = progress.iter().any(|progress| matches!(progress, Progress::Blocked(_)));
            for progress in progress {
                plan.put(progress.known());
            }
            if blocked {
                self.rest(&mut plan).await;
            }
        }
    }

    /// Waits for the next firing, or for a change.
    async fn wait(&self, plan: &mut Plan, changes: u64) {
        let earliest = plan.earliest();
        plan.planned = earliest.unwrap_or(Timestamp(i64::MAX));
        let firing = async {
            match earliest {
                Some(at) => self.shared.clock.until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = firing => {}
            _ = self.shared.store.changed(changes) => {}
            () = self.stopped() => {}
        }
    }

    async fn rest(&self, plan: &mut Plan) {
        plan.planned = Timestamp(self.now().0.saturating_add(PAUSE));
        self.pause().await;
    }
}

impl Plan {
    fn new(begun: Timestamp) -> Plan {
        Plan { known: HashMap::new(), heap: BinaryHeap::new(), awake_since: begun, planned: begun }
    }

    /// Takes over what the store says. What did not change keeps its time.
    fn follow(&mut self, rows: Vec<Scheduled>) {
        let mut before = std::mem::take(&mut self.known);
        self.heap.clear();
        for row in rows {
            let known = before.remove(&row.workflow).filter(|known| known.row == row);
            self.put(known.unwrap_or(Known { row, next: Some(row.after), tries: 0 }));
        }
    }

    fn put(&mut self, known: Known) {
        if let Some(next) = known.next {
            self.heap.push(Reverse((next, known.row.workflow)));
        }
        self.known.insert(known.row.workflow, known);
    }

    /// Notices that the machine slept, or was too busy for the schedules.
    fn look(&mut self, now: Timestamp) {
        let asleep_until = Timestamp(now.0.saturating_sub(SLEPT));
        if asleep_until > self.planned {
            self.awake_since = self.awake_since.max(asleep_until);
        }
        self.planned = now;
    }

    /// Some of the schedules whose time has come, earliest first.
    fn due(&mut self, now: Timestamp) -> Vec<Known> {
        let mut due = Vec::new();
        while due.len() < AT_ONCE && self.earliest().is_some_and(|at| at <= now) {
            let workflow = self.heap.pop().map(|Reverse((_, workflow))| workflow);
            due.extend(workflow.and_then(|workflow| self.known.get(&workflow)).copied());
        }
        due
    }

    fn earliest(&mut self) -> Option<Timestamp> {
        while let Some(Reverse((at, workflow))) = self.heap.peek() {
            if self.known.get(workflow).is_some_and(|known| known.next == Some(*at)) {
                return Some(*at);
            }
            self.heap.pop();
        }
        None
    }
}
