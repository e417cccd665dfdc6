//! When runs go on by themselves: a heap of times, and one task that waits for the earliest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use loopfour_engine::ports::{Actions, Clock, Journal};
use loopfour_engine::{RunId, Timestamp};
use tokio::sync::Notify;

use crate::Host;

/// The times. A run may stand in here more than once; who wakes for nothing rests again.
#[derive(Default)]
pub(crate) struct Timers {
    heap: Mutex<BinaryHeap<Reverse<(Timestamp, RunId)>>>,
    /// The earliest time is another.
    changed: Notify,
    begun: AtomicBool,
}

impl Timers {
    fn add(&self, at: Timestamp, run: RunId) {
        let mut heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = heap.peek().is_none_or(|Reverse((first, _))| at < *first);
        heap.push(Reverse((at, run)));
        drop(heap);
        if earliest {
            self.changed.notify_one();
        }
    }

    fn earliest(&self) -> Option<Timestamp> {
        let heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
        heap.peek().map(|Reverse((at, _))| *at)
    }

    /// The next run whose time has come.
    fn pop(&self, now: Timestamp) -> Option<RunId> {
        let mut heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
        heap.peek().filter(|Reverse((at, _))| *at <= now)?;
        heap.pop().map(|Reverse((_, run))| run)
    }
}

impl<J: Journal, A: Actions, C: Clock> Host<J, A, C> {
    /// Wakes the run then.
    pub(crate) fn set_timer(&self, run: RunId, at: Timestamp) {
        self.shared.timers.add(at, run);
        if !self.shared.timers.begun.swap(true, Ordering::AcqRel) {
            let host = self.clone();
            tokio::spawn(async move { host.watch_timers().await });
        }
    }

    async fn watch_timers(&self) {
        let timers = &self.shared.timers;
        let mut stopping = self.shared.stopping.subscribe();
        loop {
            let next = async {
                match timers.earliest() {
                    Some(at) => self.shared.clock.until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = next => {}
                () = timers.changed.notified() => continue,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
            while let Some(run) = timers.pop(self.shared.clock.now()) {
                // Waits while there are as many tasks as may be, so that no more are made.
                self.wake(run).await;
            }
        }
    }
}
