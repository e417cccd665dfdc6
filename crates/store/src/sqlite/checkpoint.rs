//! Moves what the write-ahead log holds into the database. A thread of its own does the long part, so that commits wait
//! for the disk only; the writer does the short rest, since only between its commits can the log begin anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::wal::CheckpointMode;
use tracing::{error, warn};

use crate::error::{StorageError, Trouble};
use crate::health::Health;

/// From this size on the log is moved, in pages of 4 KiB: 16 MiB.
const PAGES: i32 = 4096;

/// Nothing is under way.
const IDLE: u8 = 0;
/// The thread is at work.
const MOVING: u8 = 1;
/// The thread is done; the writer may finish.
const MOVED: u8 = 2;

/// The handle of the thread; dropping it ends the thread.
pub(crate) struct Checkpointer {
    state: Arc<AtomicU8>,
    health: Arc<Health>,
    start: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread.
    pub(crate) fn start(db: Connection, health: Arc<Health>) -> std::io::Result<Checkpointer> {
        let (start, started) = sync_channel(1);
        let state = Arc::new(AtomicU8::new(IDLE));
        let (shared, told) = (Arc::clone(&state), Arc::clone(&health));
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned());
        let thread = thread.spawn(move || {
            while started.recv().is_ok() {
                checkpoint(&db, &told);
                shared.store(MOVED, Ordering::Release);
            }
            if told.broken().is_some() {
                leave_log(&db);
            }
        })?;
        Ok(Checkpointer { state, health, start: Some(start), thread: Some(thread) })
    }

    /// What the writer does after each commit, told the log's size in pages.
    pub(crate) fn after_commit(&self, db: &Connection, pages: i32) {
        if pages < PAGES {
            return;
        }
        match self.state.load(Ordering::Acquire) {
            IDLE => {
                self.state.store(MOVING, Ordering::Release);
                if self.start.as_ref().is_none_or(|start| start.try_send(()).is_err()) {
                    warn!("the database's checkpoints have stopped: its log grows until the next start");
                }
            }
            MOVED => {
                // What came in while the thread was at work; when nothing is left, the next commit begins the log anew.
                checkpoint(db, &self.health);
                self.state.store(IDLE, Ordering::Release);
            }
            _ => {}
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.start = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("the database's checkpoints ended with a defect");
        }
    }
}

/// Moves as much as can be moved without waiting for anybody; nothing where the database is broken.
fn checkpoint(db: &Connection, health: &Health) {
    if health.broken().is_some() {
        return;
    }
    if let Err(cause) = db.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE) {
        warn!(%cause, "a checkpoint failed and is tried again");
        let cause = StorageError::from(cause);
        // No room in the database is no trouble yet: what is asked to be stored goes to the log.
        if cause.trouble() == Trouble::Broken {
            health.note(cause);
        }
    }
}

/// Lets the log stand when the connection closes: after a failed write what is read back of it may not be what the disk
/// holds. The next start takes from it what its checksums prove.
pub(crate) fn leave_log(db: &Connection) {
    if let Err(cause) = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
        error!(%cause, "the database's log cannot be left alone");
    }
}
