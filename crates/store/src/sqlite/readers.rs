//! The read-only connections. A query runs on one of the runtime's blocking threads, so that a slow one delays no
//! request but its own; how many run at a time is bounded.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::error::StorageError;
use crate::health::Health;
use crate::sqlite::connect;

/// So many queries run at a time.
const CONNECTIONS: usize = 8;

pub(crate) struct Readers {
    path: PathBuf,
    health: Arc<Health>,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Connections are made when they are first needed.
    pub(crate) fn new(path: PathBuf, health: Arc<Health>) -> Readers {
        Readers { path, health, idle: Mutex::new(Vec::new()), permits: Arc::new(Semaphore::new(CONNECTIONS)) }
    }

    /// Runs a query.
    pub(crate) async fn read<T: Send + 'static>(
        self: Arc<Readers>,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let permit =
            Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StorageError::no_answer())?;
        let task = tokio::task::spawn_blocking(move || {
            // Held here and not by the caller, who may give up while the query still runs.
            let _permit = permit;
            self.ask(query).map_err(|cause| self.health.note(cause.into()))
        });
        task.await.map_err(|_| StorageError::no_answer())?
    }

    fn ask<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = self.idle().pop();
        let db = idle.map_or_else(|| self.connect(), Ok)?;
        let answer = query(&db);
        self.idle().push(db);
        answer
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let db = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;")?;
        Ok(db)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
