//! Appending, also while the storage takes nothing: what came of a call stays in memory and is committed first when there
//! is room again, and until then its run sends nothing more.

use std::time::Duration;

use loopfour_engine::ports::{Actions, Append, Clock, Journal, JournalError};
use loopfour_engine::{Entry, Run, RunId};
use tracing::{error, info};

use crate::Host;
use crate::load::{self, LoadError};

/// Before a batch that the storage did not take is tried again; it doubles from try to try.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl<J: Journal, A: Actions, C: Clock> Host<J, A, C> {
    /// Adds entries that are folded already. Returns only after they are durable.
    pub(crate) async fn append(
        &self,
        run: &Run,
        expected: u64,
        entries: Vec<Entry>,
    ) -> Result<(), JournalError> {
        self.shared.journal.append(batch(run, expected, entries)).await
    }

    /// The same, as often as it takes. False if the host stops first, or the journal is not where it should be: then the
    /// call goes out again under its key at the next start.
    pub(crate) async fn keep(&self, run: &Run, expected: u64, entries: Vec<Entry>) -> bool {
        let batch = batch(run, expected, entries);
        match self.shared.journal.append(batch.clone()).await {
            Ok(()) => true,
            Err(cause) => {
                self.state().stalled.insert(run.id);
                let kept = self.keep_trying(run, batch, cause).await;
                self.state().stalled.remove(&run.id);
                kept
            }
        }
    }

    async fn keep_trying(&self, run: &Run, batch: Append, mut cause: JournalError) -> bool {
        let mut stopping = self.shared.stopping.subscribe();
        let mut pause = FIRST_PAUSE;
        error!(%cause, "what came of a call could not be recorded; it is kept, and the run waits");
        loop {
            if !matches!(cause, JournalError::Storage(_) | JournalError::Full(_)) {
                error!(%cause, "somebody else wrote to the run's journal; it goes on at the next start");
                return false;
            }
            let stopped = stopping.wait_for(|stopping| *stopping);
            if tokio::time::timeout(pause, stopped).await.is_ok() {
                return false;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            // A storage that failed may have kept the batch all the same.
            let stored = self.shared.journal.load(run.id).await;
            if stored.is_ok_and(|stored| stored.len() as u64 == run.length) {
                return true;
            }
            match self.shared.journal.append(batch.clone()).await {
                Ok(()) => {
                    info!("what came of the call is recorded now");
                    return true;
                }
                Err(again) => cause = again,
            }
        }
    }

    /// The state of a run, folded from its journal.
    pub(crate) async fn load(&self, id: RunId) -> Result<Run, LoadError> {
        load::run(&self.shared.journal, &self.shared.definitions, id, None).await
    }
}

fn batch(run: &Run, expected: u64, entries: Vec<Entry>) -> Append {
    Append { run: run.id, expected, entries: entries.into(), summary: run.summary() }
}
