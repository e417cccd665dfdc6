//! After a start: every unfinished run goes on from its journal.

use std::sync::Arc;

use futures_util::StreamExt as _;
use loopfour_engine::ports::{Actions, Clock, Journal, JournalError};
use loopfour_engine::{Event, Run, RunId};
use tracing::{error, info};

use crate::Host;

/// So many runs are read at a time.
const CONCURRENCY: usize = 64;

/// What a recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Runs that go on.
    pub resumed: usize,
    /// Runs whose journal cannot be read; the log names them.
    pub unreadable: usize,
}

impl<J: Journal, A: Actions, C: Clock> Host<J, A, C> {
    /// Lets every unfinished run go on: a call that was under way is sent again, under its key.
    ///
    /// # Errors
    /// The list of unfinished runs cannot be read. A single run that cannot go on is logged, and stops no other.
    pub async fn recover(&self) -> Result<Recovered, JournalError> {
        let unfinished = self.shared.journal.unfinished().await?;
        let resumed = futures_util::stream::iter(unfinished).map(|id| async move {
            let resumed = self.resume(id).await;
            if let Err(cause) = &resumed {
                error!(run = %id, %cause, "the run cannot go on");
            }
            resumed.is_ok()
        });
        let resumed: Vec<bool> = resumed.buffer_unordered(CONCURRENCY).collect().await;
        let count = |wanted| resumed.iter().filter(|resumed| **resumed == wanted).count();
        let recovered = Recovered { resumed: count(true), unreadable: count(false) };
        info!(resumed = recovered.resumed, unreadable = recovered.unreadable, "recovered unfinished runs");
        Ok(recovered)
    }

    async fn resume(&self, id: RunId) -> Result<(), String> {
        let mut run = self.load(id).await?;
        let now = self.shared.clock.now();
        let expected = run.length;
        let mut entries = run.resume(now);
        entries.extend(run.advance(&self.shared.actions, now));
        if !entries.is_empty() {
            self.append(&run, expected, entries).await.map_err(|cause| cause.to_string())?;
        }
        drop(self.spawn(run));
        Ok(())
    }

    /// The state of a run, folded from its journal.
    pub(crate) async fn load(&self, id: RunId) -> Result<Run, String> {
        let entries = self.shared.journal.load(id).await.map_err(|cause| cause.to_string())?;
        let Some(Event::RunStarted { workflow, version, .. }) = entries.first().map(|entry| &entry.event)
        else {
            return Err("its journal does not begin with its start".to_owned());
        };
        let definitions = &self.shared.definitions;
        let definition = match definitions.get(*workflow, *version) {
            Some(definition) => definition,
            None => {
                let source = self.shared.journal.definition(*workflow, *version).await;
                let source = source.map_err(|cause| cause.to_string())?;
                let checked = definitions.insert(*workflow, *version, &source);
                checked
                    .ok_or_else(|| format!("version {version} of {workflow} no longer passes the checks"))?
            }
        };
        Run::fold(Arc::clone(&definition), &entries).map_err(|cause| cause.to_string())
    }
}
