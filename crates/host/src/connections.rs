//! A connection can be used again: the runs that wait for one go on at once, and not only at their next look.

use loopfour_engine::ports::{Actions, Clock, Journal};
use loopfour_engine::{CompanyId, Run, WaitReason, Wake};
use tracing::{error, info};

use crate::Host;

impl<J: Journal, A: Actions, C: Clock> Host<J, A, C> {
    /// Lets the company's runs go on that wait for a connection, oldest first; a run under way hears of it if it comes to
    /// wait. Nothing happens once the host stops, nor where the journal cannot be read: they look again by themselves.
    pub async fn connection_changed(&self, company: CompanyId) {
        if self.is_stopping() {
            return;
        }
        {
            let mut state = self.state();
            state.changes += 1;
            let change = state.changes;
            state.changed.insert(company, change);
        }
        match self.shared.journal.waiting_for_connection(company).await {
            Ok(waiting) => {
                let woken = self.go_on_in_order(waiting, Wake::Connection).await;
                let runs = woken.iter().filter(|went_on| **went_on).count();
                info!(%company, runs, "runs go on that waited for a connection");
            }
            Err(cause) => error!(%company, %cause, "runs that wait for a connection cannot be read"),
        }
    }

    /// Whether a connection of the run's company changed after so many changes, while the run came to wait for one.
    pub(crate) fn missed_a_change(&self, run: &Run, seen: u64) -> bool {
        let waits = run.waiting.as_ref().is_some_and(|waiting| waiting.reason == WaitReason::Connection);
        waits && self.state().changed.get(&run.company).is_some_and(|change| *change > seen)
    }
}
