//! The embedded database: the journal of every run, workflows and their versions, API keys, companies. All that is
//! known about SQL is here; what an event means, who may ask for what, and how an answer looks is known elsewhere.
//!
//! One thread writes and commits many requests at once; a few read-only connections answer queries. Each query takes the
//! company it is asked for, and rows of other companies do not exist for it.

mod access;
mod cache;
mod error;
mod migrate;
mod page;
mod sqlite;
mod watch;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use loopfour_engine::{CompanyId, RunId, Timestamp, WorkflowId};
use rusqlite::Connection;
use tokio::sync::watch::{Receiver, Sender};

use cache::Cache;
use sqlite::keys::KnownKey;
use sqlite::readers::Readers;
use sqlite::writer::Writer;
use watch::Watchers;

pub use access::{BadSecret, Principal, Scope, Secret, UnknownScope};
pub use error::{OpenError, StorageError};
pub use page::{Cursor, Order, Page, Span};
pub use sqlite::companies::CompanyError;
pub use sqlite::keys::{KeyError, KeyRow, NewKey};
pub use sqlite::runs::{ListedRun, RunFilter, RunRow};
pub use sqlite::workflows::{
    Edit, StatusChange, VersionHead, VersionRow, WorkflowError, WorkflowFilter, WorkflowRow, WorkflowStatus,
};
pub use watch::Progress;

/// The name of the company that a first start makes.
pub const DEFAULT_COMPANY: &str = "default";

/// An open data directory. Clones are handles of the same one; dropping the last finishes what was asked for and closes
/// it.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    // In this order: the last connection to close is the writer, which tidies up the log, and the lock goes after it.
    readers: Arc<Readers>,
    writer: Writer,
    memory: Arc<Memory>,
    default_company: CompanyId,
    _lock: File,
}

/// What is known without asking the database; the writer keeps it right.
struct Memory {
    workflows: Cache<WorkflowId, WorkflowRow>,
    keys: Cache<[u8; 32], KnownKey>,
    watchers: Watchers,
    /// How many keys were revoked since the start.
    revocations: Sender<u64>,
}

impl Store {
    /// Opens a data directory: makes it (mode 0700) if there is none, locks it against other processes, brings the
    /// database to this version's form, and makes the company [`DEFAULT_COMPANY`] in a new one. Blocks.
    ///
    /// # Errors
    /// The directory cannot be used, is locked, or holds something else than an undamaged database of this version or
    /// an earlier one.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Store, OpenError> {
        let opened = sqlite::open(directory, now)?;
        let memory = Memory {
            workflows: Cache::new(),
            keys: Cache::new(),
            watchers: Watchers::new(),
            revocations: Sender::new(0),
        };
        let writer = Writer::start(opened.writer, opened.checkpointer, &opened.path)?;
        Ok(Store(Arc::new(Shared {
            readers: Arc::new(Readers::new(opened.path)),
            writer,
            memory: Arc::new(memory),
            default_company: opened.default_company,
            _lock: opened.lock,
        })))
    }

    /// The company that the first start made.
    pub fn default_company(&self) -> CompanyId {
        self.0.default_company
    }

    /// Whether the database takes writes and answers reads now.
    ///
    /// # Errors
    /// It does not; the error says why.
    pub async fn ready(&self) -> Result<(), StorageError> {
        self.write(|_| Ok(Ok::<(), StorageError>(())), |_, ()| {}).await?;
        self.read(|db| db.query_row("SELECT 1 FROM companies LIMIT 1", [], |_| Ok(()))).await
    }

    /// Watches a run's journal grow. Every commit after this call is told, so subscribe first and read the run then:
    /// what the read does not show will wake the receiver. Before the first commit its value is length 0, which means
    /// that nothing is known, not that the run is new. Says nothing about whose the run is.
    pub fn watch(&self, run: RunId) -> Receiver<Progress> {
        self.0.memory.watchers.watch(run)
    }

    /// Makes a change in the writer. The outer result of `change` is the database's, the inner one the caller's; at
    /// either error it stops and is taken back whole. It may be made again after it was taken back. `committed` runs after the commit and before anybody hears of it.
    async fn write<T, E>(
        &self,
        change: impl Fn(&Connection) -> rusqlite::Result<Result<T, E>> + Send + 'static,
        committed: impl FnOnce(&Memory, &T) + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let memory = Arc::clone(&self.0.memory);
        self.0.writer.write(change, move |value| committed(&memory, value)).await
    }

    /// Asks one of the readers, off the threads of the runtime.
    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        Arc::clone(&self.0.readers).read(query).await
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}
