//! The embedded database: the journal of every run, workflows and their versions, provider events, API keys, companies.
//! All that is known about SQL is here; what an event means, who may ask for what, and how an answer looks is known
//! elsewhere.
//!
//! One thread writes and commits many requests at once; a few read-only connections answer queries. Each query takes the
//! company it is asked for, and rows of other companies do not exist for it.

mod access;
mod active;
mod cache;
mod credential;
mod error;
mod health;
mod listening;
mod migrate;
mod page;
mod refusals;
mod secrets;
mod sqlite;
mod watch;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use loopfour_engine::{CompanyId, RunId, Timestamp, WorkflowId};
use rusqlite::Connection;
use tokio::sync::watch::{Receiver, Sender};

use active::ActiveWorkflows;
use cache::Cache;
use health::Health;
use listening::Listening;
use refusals::Refusals;
use secrets::Vault;
use sqlite::meta;
use sqlite::principals::Known;
use sqlite::readers::Readers;
use sqlite::writer::Writer;
use watch::Watchers;

pub use access::{Holder, Principal, Role, Scope, UnknownRole, UnknownScope};
pub use credential::{BadSecret, Secret, Token};
pub use error::{BackupError, OpenError, RestoreError, StorageError, Trouble};
pub use page::{Cursor, Order, Page, Span};
pub use refusals::WebhookRefusals;
pub use secrets::{KEY_FILE, SecretKeyId, SecretsError};
pub use sqlite::audit::{AuditFilter, AuditHash, AuditHead, AuditRow, BadAuditHash, Deed};
pub use sqlite::chain::{AuditBreak, AuditChain, AuditVerified};
pub use sqlite::companies::{CompanyError, CompanyRow};
pub use sqlite::connections::ConnectionFilter;
pub use sqlite::keys::{KeyError, KeyRow, NewKey};
pub use sqlite::members::{MemberChange, MemberError, MemberRow};
pub use sqlite::notices::{MOST_NOTICES, NewNotice, NoticeError};
pub use sqlite::provider_events::{EventFilter, ListedEvent};
pub use sqlite::read_only::ReadOnly;
pub use sqlite::restore::{HeldRun, Restored};
pub use sqlite::runs::{ListedRun, RunFilter, RunRow};
pub use sqlite::sealed::{RotateError, Rotated};
pub use sqlite::sessions::{Opened, SessionOf};
pub use sqlite::verify::{Difference, Verified};
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
    health: Arc<Health>,
    default_company: CompanyId,
    vault: Arc<RwLock<Vault>>,
    /// Held by the one who exchanges the key.
    rotation: tokio::sync::Mutex<()>,
    _lock: File,
}

impl Shared {
    /// Writes the counts of refused webhooks down, if there is not much else to do.
    fn write_refusals(&self) {
        let memory = Arc::clone(&self.memory);
        self.writer.write_if_idle(move |db| sqlite::refusals::store(db, &memory));
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The writer finishes what it was asked for.
        self.write_refusals();
    }
}

/// What is known without asking the database; the writer keeps it right.
struct Memory {
    workflows: Cache<WorkflowId, WorkflowRow>,
    active: ActiveWorkflows,
    refusals: Refusals,
    /// Keys and sessions by their hashes.
    principals: Cache<[u8; 32], Known>,
    watchers: Watchers,
    /// Which companies are told of what happens.
    listening: Listening,
    /// How often since the start somebody may have lost a right.
    revocations: Sender<u64>,
    /// How often since the start hand-overs were put in.
    put_in: Sender<u64>,
    /// How often since the start a workflow with a schedule changed.
    scheduled: Sender<u64>,
}

impl Store {
    /// Opens a data directory: makes it (mode 0700) if there is none, locks it against other processes, brings the
    /// database to this version's form, and makes the company [`DEFAULT_COMPANY`] in a new one. Blocks.
    ///
    /// # Errors
    /// The directory cannot be used, is locked, or holds something else than an undamaged database of this version or
    /// an earlier one.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Store, OpenError> {
        Store::open_with(directory, None, now)
    }

    /// The same with the key file of its secrets named; else it is [`KEY_FILE`] in the directory. A new database makes the
    /// file where there is none; one that was made with a file is opened with that file alone.
    ///
    /// # Errors
    /// As [`Store::open`]; or the key file is lost, another database's, damaged, or cannot be used. Nothing was
    /// overwritten then.
    pub fn open_with(
        directory: &Path,
        secrets_file: Option<&Path>,
        now: Timestamp,
    ) -> Result<Store, OpenError> {
        let secrets_file = secrets_file.map_or_else(|| directory.join(KEY_FILE), Path::to_owned);
        let opened = sqlite::open(directory, &secrets_file, now)?;
        let memory = Memory {
            workflows: Cache::new(),
            active: ActiveWorkflows::of(&opened.active),
            refusals: Refusals::of(opened.refusals),
            principals: Cache::new(),
            watchers: Watchers::new(),
            listening: Listening::new(opened.listening),
            revocations: Sender::new(0),
            put_in: Sender::new(0),
            scheduled: Sender::new(0),
        };
        let health = Arc::new(Health::new(directory.to_owned()));
        let writer = Writer::start(opened.writer, opened.checkpointer, &opened.path, Arc::clone(&health))?;
        Ok(Store(Arc::new(Shared {
            readers: Arc::new(Readers::new(opened.path, Arc::clone(&health))),
            writer,
            memory: Arc::new(memory),
            health,
            default_company: opened.default_company,
            vault: Arc::new(RwLock::new(opened.vault)),
            rotation: tokio::sync::Mutex::new(()),
            _lock: opened.lock,
        })))
    }

    /// The company that the first start made.
    pub fn default_company(&self) -> CompanyId {
        self.0.default_company
    }

    /// Where the key file of its secrets is.
    pub fn secrets_file(&self) -> PathBuf {
        secrets::read(&self.0.vault).path().to_owned()
    }

    /// Whether the database takes writes and answers reads now. While nothing could be stored it finds out by storing
    /// something.
    ///
    /// # Errors
    /// It does not; the error says why.
    pub async fn ready(&self) -> Result<(), StorageError> {
        if self.0.health.is_troubled() {
            self.write(|db| meta::put_trial(db).map(Ok::<(), StorageError>), |_, ()| {}).await?;
            self.write(|db| meta::remove_trial(db).map(Ok::<(), StorageError>), |_, ()| {}).await?;
        }
        self.write(|_| Ok(Ok::<(), StorageError>(())), |_, ()| {}).await?;
        self.read(|db| db.query_row("SELECT 1 FROM companies LIMIT 1", [], |_| Ok(()))).await
    }

    /// Why nothing can be stored for now, such as a full disk; none while all is well. Changes that failed with
    /// [`Trouble::Full`] may be made again.
    pub fn trouble(&self) -> Receiver<Option<String>> {
        self.0.health.watch_trouble()
    }

    /// The first sign that the disk or the file is broken; none while all is well. From then on every change is refused,
    /// nothing is certain that was not stored before, and the process is to end.
    pub fn broken(&self) -> Receiver<Option<String>> {
        self.0.health.watch_broken()
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

#[cfg(test)]
mod tests {
    use loopfour_engine::Actor;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    impl Store {
        /// Lets the database have so many pages at most; a number below what it has means what it has.
        async fn limit_pages(&self, most: u32) {
            let sql = format!("PRAGMA max_page_count = {most}");
            let limit = move |db: &Connection| db.query_row(&sql, [], |_| Ok(Ok::<(), StorageError>(())));
            self.write(limit, |_, ()| {}).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_full_disk_stores_nothing_until_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), NOW).unwrap();
        let trouble = store.trouble();
        assert_eq!((trouble.borrow().clone(), store.ready().await), (None, Ok(())));
        let source = "x".repeat(1_000_000);
        let create = async || {
            let made = store
                .create_workflow(store.default_company(), "x", &source, &Actor::system("test"), NOW)
                .await;
            made.map(drop).map_err(|cause| cause.trouble())
        };

        store.limit_pages(1).await;
        assert_eq!(create().await, Err(Trouble::Full));
        assert_eq!(trouble.borrow().as_deref(), Some("database or disk is full"));
        for _ in 0..2 {
            let error = store.ready().await.unwrap_err();
            assert_eq!(error.trouble(), Trouble::Full, "there is no room yet");
        }
        assert_eq!((store.broken().borrow().clone(), trouble.borrow().is_some()), (None, true));

        store.limit_pages(u32::MAX - 1).await;
        assert_eq!((store.ready().await, trouble.borrow().clone()), (Ok(()), None));
        assert_eq!(create().await, Ok(()));
        let trials = store.read(|db| {
            db.query_row("SELECT count(*) FROM meta WHERE name = 'trial'", [], |row| row.get::<_, i64>(0))
        });
        assert_eq!(trials.await, Ok(0), "what it was tried with is gone");
    }
}
