//! The thread that owns the only writing connection. Requests that arrive while it commits are committed together next,
//! so the disk's pace sets the size of a batch; each has a savepoint of its own and may fail alone. Nobody hears of a
//! change before its commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::error::{OpenError, StorageError};
use crate::sqlite::checkpoint::Checkpointer;

/// So many requests wait at most; who comes then waits outside.
const QUEUE: usize = 1024;

/// So many requests share a commit at most: more would lengthen the slowest answer and raise the rate no further.
const BATCH: usize = 128;

/// A request gets the connection, or the reason why there is none to use.
type Request = Box<dyn FnOnce(Result<&Connection, StorageError>) -> Answer + Send>;

/// What a request leaves behind when it ran.
struct Answer {
    /// Whether its changes stay.
    keep: bool,
    /// Tells whoever asked, once it is known whether the commit happened.
    tell: Box<dyn FnOnce(Result<(), StorageError>)>,
}

/// The handle of the thread. Dropping it finishes what was asked for and waits for the thread's end.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(db: Connection, checkpointer: Connection, path: &Path) -> Result<Writer, OpenError> {
        let unusable = |cause| OpenError::Unusable { path: path.to_owned(), cause };
        let (queue, requests) = mpsc::channel(QUEUE);
        let checkpointer = Checkpointer::start(checkpointer).map_err(unusable)?;
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let thread = thread.spawn(move || run(db, requests, checkpointer)).map_err(unusable)?;
        Ok(Writer { queue: Some(queue), thread: Some(thread) })
    }

    /// Makes a change, which must stop at its first error; see `Store::write`.
    pub(crate) async fn write<T, E>(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, E>> + Send + 'static,
        committed: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let tell = move |result: Result<T, E>| {
            if let Ok(value) = &result {
                committed(value);
            }
            // Who asked may have gone meanwhile.
            let _ = reply.send(result);
        };
        let sent = match &self.queue {
            Some(queue) => queue.send(request(change, tell)).await.is_ok(),
            None => false,
        };
        let result = if sent { answer.await.ok() } else { None };
        result.unwrap_or_else(|| Err(StorageError::no_answer().into()))
    }

    /// Makes a change that nobody waits for; it is dropped when there is much else to do.
    pub(crate) fn write_if_idle(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) {
        let request = request(|db| change(db).map(Ok::<(), StorageError>), |_| {});
        if let Some(queue) = &self.queue {
            // A full queue is the case in which it is dropped.
            let _ = queue.try_send(request);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("the database's writer ended with a defect");
        }
    }
}

fn request<T: 'static, E: From<StorageError> + 'static>(
    change: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, E>> + Send + 'static,
    tell: impl FnOnce(Result<T, E>) + Send + 'static,
) -> Request {
    Box::new(move |db| {
        let result = db.and_then(|db| change(db).map_err(StorageError::from));
        Answer {
            keep: matches!(result, Ok(Ok(_))),
            // A refusal too counts only with the commit: it may rest on changes that were before it in the batch.
            tell: Box::new(move |commit| tell(commit.and(result).unwrap_or_else(|error| Err(error.into())))),
        }
    })
}

fn run(mut db: Connection, mut requests: mpsc::Receiver<Request>, checkpointer: Checkpointer) {
    let log = Arc::new(AtomicI32::new(0));
    let pages = Arc::clone(&log);
    let hook = move |_: &mut Wal, size| {
        pages.store(size, Ordering::Relaxed);
        Ok(())
    };
    if let Err(cause) = db.wal_hook(Some(hook)) {
        error!(%cause, "the size of the database's log is not known: it grows until the next start");
    }
    let mut batch = Vec::with_capacity(BATCH);
    while requests.blocking_recv_many(&mut batch, BATCH) > 0 {
        commit(&db, &mut batch);
        checkpointer.after_commit(&db, log.load(Ordering::Relaxed));
    }
}

/// Commits a batch and tells everyone in it.
fn commit(db: &Connection, batch: &mut Vec<Request>) {
    let mut answers = Vec::with_capacity(batch.len());
    let mut state = execute(db, "BEGIN IMMEDIATE");
    for request in batch.drain(..) {
        match &state {
            Ok(()) => state = apart(db, request, &mut answers),
            Err(cause) => answers.push(request(Err(cause.clone()))),
        }
    }
    let state = state.and_then(|()| execute(db, "COMMIT"));
    if let Err(cause) = &state {
        error!(%cause, requests = answers.len(), "a commit failed");
        if !db.is_autocommit()
            && let Err(cause) = execute(db, "ROLLBACK")
        {
            error!(%cause, "and could not be taken back");
        }
    }
    for answer in answers {
        let told = state.clone();
        if catch_unwind(AssertUnwindSafe(|| (answer.tell)(told))).is_err() {
            error!("telling of a commit met a defect");
        }
    }
}

/// Runs one request so that it can fail alone. An error means that the transaction as a whole is lost.
fn apart(db: &Connection, request: Request, answers: &mut Vec<Answer>) -> Result<(), StorageError> {
    execute(db, "SAVEPOINT request")?;
    let answer = catch_unwind(AssertUnwindSafe(|| request(Ok(db)))).ok();
    let keep = answer.as_ref().is_some_and(|answer| answer.keep);
    match answer {
        Some(answer) => answers.push(answer),
        None => error!("a request to the database met a defect"),
    }
    if db.is_autocommit() {
        // SQLite takes a whole transaction back by itself when the disk is full or broken.
        return Err(StorageError("the transaction was taken back: the disk may be full".to_owned()));
    }
    if !keep {
        execute(db, "ROLLBACK TO request")?;
    }
    execute(db, "RELEASE request")
}

fn execute(db: &Connection, statement: &str) -> Result<(), StorageError> {
    db.prepare_cached(statement)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Who was told, and whether of success.
    type Told = Arc<Mutex<Vec<(&'static str, bool)>>>;

    /// Commits a batch of requests, each a name and the SQL that it runs; `panic` stands for a defect.
    #[track_caller]
    fn check(batch: &[(&'static str, &'static str)], told: &[(&str, bool)], stored: &[i64]) {
        let db = Connection::open_in_memory().unwrap();
        let schema = "PRAGMA foreign_keys = ON; CREATE TABLE parents (n INTEGER PRIMARY KEY);
                      CREATE TABLE numbers (n INTEGER PRIMARY KEY, parent REFERENCES parents DEFERRABLE INITIALLY DEFERRED);";
        db.execute_batch(schema).unwrap();
        let answers = Told::default();
        let mut requests = batch.iter().map(|(name, sql)| named(name, sql, Arc::clone(&answers))).collect();
        commit(&db, &mut requests);
        assert_eq!(*answers.lock().unwrap(), told);
        let mut statement = db.prepare("SELECT n FROM numbers ORDER BY n").unwrap();
        let numbers: Vec<i64> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(numbers, stored);
        assert!(db.is_autocommit(), "no transaction is left open");
    }

    fn named(name: &'static str, sql: &'static str, told: Told) -> Request {
        let change = move |db: &Connection| {
            assert_ne!(sql, "panic");
            db.execute_batch(sql).map(Ok::<(), StorageError>)
        };
        request(change, move |result| told.lock().unwrap().push((name, result.is_ok())))
    }

    #[test]
    fn a_request_that_fails_takes_back_its_own_changes_only() {
        let batch = [
            ("a", "INSERT INTO numbers VALUES (1, NULL)"),
            ("b", "INSERT INTO numbers VALUES (2, NULL); INSERT INTO numbers VALUES (1, NULL)"),
            ("c", "INSERT INTO numbers VALUES (3, NULL)"),
        ];
        check(&batch, &[("a", true), ("b", false), ("c", true)], &[1, 3]);
    }

    #[test]
    fn a_defect_in_a_request_harms_no_other() {
        let batch = [
            ("a", "INSERT INTO numbers VALUES (1, NULL)"),
            ("b", "panic"),
            ("c", "INSERT INTO numbers VALUES (3, NULL)"),
        ];
        check(&batch, &[("a", true), ("c", true)], &[1, 3]);
    }

    #[test]
    fn a_commit_that_fails_is_told_to_all_and_stores_nothing() {
        let batch =
            [("a", "INSERT INTO numbers VALUES (1, NULL)"), ("b", "INSERT INTO numbers VALUES (2, 7)")];
        check(&batch, &[("a", false), ("b", false)], &[]);
    }

    #[test]
    fn after_a_lost_transaction_nothing_is_written_outside_of_one() {
        let batch = [
            ("a", "INSERT INTO numbers VALUES (1, NULL)"),
            // As SQLite does by itself when the disk is full.
            ("b", "ROLLBACK"),
            ("c", "INSERT INTO numbers VALUES (3, NULL)"),
        ];
        check(&batch, &[("a", false), ("b", false), ("c", false)], &[]);
    }
}
