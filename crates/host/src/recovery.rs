//! After a start: every unfinished run with work due goes on from its journal, oldest first; those that wait are woken
//! when their time comes.

use std::time::Instant;

use futures_util::StreamExt as _;
use loopfour_engine::ports::{Actions, Clock, Due, Journal, JournalError, Unfinished};
use loopfour_engine::{RunId, Wake};
use tracing::info;

use crate::Host;
use crate::drive::Ready;

/// So many runs are read at a time.
const CONCURRENCY: usize = 64;

/// What a recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Runs that go on.
    pub resumed: usize,
    /// Runs that wait for a time, a person, an event or their turn.
    pub waiting: usize,
    /// Runs whose journal cannot be read; the log names them.
    pub unreadable: usize,
}

impl<J: Journal, A: Actions, C: Clock> Host<J, A, C> {
    /// Finds every unfinished run, before any new one begins. The future that it gives lets them go on: a call that was
    /// under way is sent again, under its key. That ends once each of them stands queued for its call, or waits with its
    /// reason in the journal.
    ///
    /// # Errors
    /// The list of unfinished runs cannot be read. A single run that cannot go on is logged, and stops no other.
    pub async fn recover(
        &self,
    ) -> Result<impl Future<Output = Recovered> + Send + use<J, A, C>, JournalError> {
        let begun = Instant::now();
        let unfinished = self.shared.journal.unfinished().await?;
        let all = unfinished.len();
        let unfinished = self.state().turns.take_over(unfinished);
        let queued = all - unfinished.len();
        let host = self.clone();
        Ok(async move {
            let mut recovered = host.let_go_on(unfinished).await;
            recovered.waiting += queued;
            let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let Recovered { resumed, waiting, unreadable } = recovered;
            info!(resumed, waiting, unreadable, milliseconds, "recovered unfinished runs");
            recovered
        })
    }

    async fn let_go_on(&self, unfinished: Vec<Unfinished>) -> Recovered {
        let mut recovered = Recovered::default();
        let mut due = Vec::new();
        for unfinished in unfinished {
            match unfinished.due {
                Due::Now => due.push(unfinished.run),
                Due::At(at) => {
                    recovered.waiting += 1;
                    self.set_timer(unfinished.run, at);
                }
                Due::Never => recovered.waiting += 1,
            }
        }
        let resumed = self.go_on_in_order(due, Wake::Start).await;
        recovered.resumed = resumed.iter().filter(|resumed| **resumed).count();
        recovered.unreadable = resumed.len() - recovered.resumed;
        recovered
    }

    /// Loads runs, several at a time, and lets them go on one after the other, so that they queue for their calls in that
    /// order. Says of each whether it could be read.
    pub(crate) async fn go_on_in_order(&self, runs: Vec<RunId>, wake: Wake) -> Vec<bool> {
        let with_slots = futures_util::stream::iter(runs).then(|run| {
            let host = self.clone();
            async move { (run, host.slot().await) }
        });
        let ready = with_slots.map(|(run, slot)| {
            let host = self.clone();
            async move {
                match slot {
                    Some(slot) => host.ready(run, slot, wake).await,
                    None => Ready::Unreadable,
                }
            }
        });
        ready.buffered(CONCURRENCY).map(|ready| self.spawn_ready(ready)).collect().await
    }
}
