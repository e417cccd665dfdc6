//! The thread that owns the state and its file. Calls reach it as pieces of work; it runs what has
//! come in, commits once for all of it, and only then lets the answers go.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{Notify, mpsc, oneshot};

use crate::Error;
use crate::clock::Clock;
use crate::controls::{Existing, Fixtures};
use crate::disk::Disk;
use crate::resources;
use crate::state::{Changes, State};

/// The most pieces of work that one commit covers.
const BATCH: usize = 256;

/// Runs on the state, and gives what is to be done once the outcome is on the disk or has failed.
type Work = Box<dyn FnOnce(&mut State) -> Finish + Send>;
type Finish = Box<dyn FnOnce(Written) + Send>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Yes,
    No,
}

/// A store that has been opened.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) clock: Arc<Clock>,
    /// Told when there is something to deliver, or when something happens by itself earlier than was thought.
    pub(crate) wake: Arc<Notify>,
    pub(crate) thread: JoinHandle<()>,
}

/// A handle to the state.
#[derive(Clone)]
pub(crate) struct Store {
    sender: mpsc::Sender<Work>,
}

impl Store {
    /// Loads what a folder holds and the fixtures, from the file that they are named with, and starts
    /// the thread, which ends when the last handle is gone.
    pub(crate) fn open(
        folder: Option<&Path>,
        fixtures: Option<(PathBuf, Fixtures)>,
    ) -> Result<Opened, Error> {
        let mut disk = Disk::open(folder)?;
        let mut state = disk.load()?;
        let clock = Arc::new(Clock::ahead_by(disk.clock()?));
        if let Some((path, fixtures)) = fixtures {
            let loaded = fixtures.load(&mut state, clock.seconds(), Existing::Leave);
            loaded.map_err(|message| Error::Fixtures { path, message })?;
            let changes = std::mem::take(&mut state.changes);
            disk.commit(&state, &changes, clock.offset())?;
        }
        let (sender, receiver) = mpsc::channel(1024);
        let wake = Arc::new(Notify::new());
        let (own_clock, own_wake) = (Arc::clone(&clock), Arc::clone(&wake));
        let owner = Owner { disk, state, clock: own_clock, wake: own_wake, next: None, receiver };
        let thread = std::thread::Builder::new().name("sandbox-store".to_owned());
        let thread = thread.spawn(move || owner.run()).map_err(Error::System)?;
        Ok(Opened { store: Store { sender }, clock, wake, thread })
    }

    /// Runs work on the state and gives its result after everything it changed is on the disk.
    /// `None` where it could not be written, or the work panicked: then nothing has changed.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, result) = oneshot::channel();
        let work: Work = Box::new(move |state| {
            let value = work(state);
            Box::new(move |written| {
                if written == Written::Yes {
                    // The caller may have hung up; the work stands all the same.
                    let _ = reply.send(value);
                }
            })
        });
        self.sender.send(work).await.ok()?;
        result.await.ok()
    }
}

struct Owner {
    disk: Disk,
    state: State,
    clock: Arc<Clock>,
    wake: Arc<Notify>,
    /// When something happens by itself next, as far as was told.
    next: Option<i64>,
    receiver: mpsc::Receiver<Work>,
}

impl Owner {
    fn run(mut self) {
        let mut batch: Vec<Work> = Vec::new();
        while self.receiver.blocking_recv_many(&mut batch, BATCH) > 0 {
            let mut finishes = Vec::new();
            for work in batch.drain(..) {
                let run = || {
                    resources::settle(&mut self.state, self.clock.seconds());
                    work(&mut self.state)
                };
                match catch_unwind(AssertUnwindSafe(run)) {
                    Ok(finish) => finishes.push(finish),
                    Err(_) => tracing::error!("a call to the sandbox panicked and was undone"),
                }
            }
            let changes = std::mem::take(&mut self.state.changes);
            let written = self.disk.commit(&self.state, &changes, self.clock.offset());
            let outcome = if written.is_ok() { Written::Yes } else { Written::No };
            for finish in finishes {
                finish(outcome);
            }
            self.tell(&changes);
            if let Err(error) = written {
                tracing::error!(%error, "the sandbox could not write its file; these calls have not happened");
                match self.disk.load() {
                    Ok(state) => self.state = state,
                    Err(error) => return tracing::error!(%error, "nor read it again; the sandbox stops"),
                }
            }
        }
    }

    /// Wakes the sender where that has something to do, or has to be on its feet at another time.
    fn tell(&mut self, changes: &Changes) {
        let next = self.state.next_due();
        if changes.deliveries || changes.clock || changes.everything || next != self.next {
            self.next = next;
            self.wake.notify_one();
        }
    }
}
