//! Who watches which run. Each run that is watched has a channel of its own, so a run that nobody watches costs nothing
//! and watchers of different runs do not wake each other.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loopfour_engine::{RunId, RunStatus};
use tokio::sync::watch::{Receiver, Sender};

/// Waits until something was counted more than `seen` times, and gives the count.
pub(crate) async fn more_than(counted: &Sender<u64>, seen: u64) -> u64 {
    let mut counted_so_far = counted.subscribe();
    let found = counted_so_far.wait_for(|times| *times > seen).await.map(|times| *times);
    // Only where the sender is gone, and it is borrowed here.
    found.unwrap_or(seen)
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many entries its journal has.
    pub length: u64,
    /// How it stands after them.
    pub status: RunStatus,
}

/// The runs that are watched.
pub(crate) struct Watchers(Mutex<Channels>);

struct Channels {
    by_run: HashMap<RunId, Sender<Progress>>,
    /// At this size the channels that nobody listens to any more are removed.
    sweep_at: usize,
}

const SMALLEST_SWEEP: usize = 64;

impl Watchers {
    pub(crate) fn new() -> Watchers {
        Watchers(Mutex::new(Channels { by_run: HashMap::new(), sweep_at: SMALLEST_SWEEP }))
    }

    pub(crate) fn watch(&self, run: RunId) -> Receiver<Progress> {
        let mut channels = self.lock();
        if channels.by_run.len() >= channels.sweep_at {
            channels.by_run.retain(|_, channel| channel.receiver_count() > 0);
            // Twice what is left: the cost of sweeping stays a constant per watcher.
            channels.sweep_at = SMALLEST_SWEEP.max(channels.by_run.len() * 2);
        }
        let unknown = Progress { length: 0, status: RunStatus::Pending };
        channels.by_run.entry(run).or_insert_with(|| Sender::new(unknown)).subscribe()
    }

    /// Tells a run's watchers; only after the commit.
    pub(crate) fn tell(&self, run: RunId, progress: Progress) {
        let mut channels = self.lock();
        if let Some(channel) = channels.by_run.get(&run)
            && channel.send(progress).is_err()
        {
            channels.by_run.remove(&run);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Channels> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
