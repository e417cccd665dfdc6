//! The thread that owns the only writing connection. Requests that arrive while it commits are committed together next,
//! so the disk's pace sets the size of a batch. Each may fail alone: a batch in which one fails is taken back and made
//! again, every request with a savepoint of its own. Nobody hears of a change before its commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::hooks::Wal;
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::error::{OpenError, StorageError, Trouble};
use crate::health::Health;
use crate::sqlite::checkpoint::{Checkpointer, leave_log};

/// So many requests wait at most; who comes then waits outside.
const QUEUE: usize = 1024;

/// So many requests share a commit at most: more would lengthen the slowest answer and raise the rate no further.
const BATCH: usize = 128;

/// What is asked of the thread.
trait Request: Send {
    /// Makes the change and says whether it is to stay. Called anew when what it did was taken back. An error is one of
    /// the disk, which no other request of the batch escapes.
    fn make(&mut self, db: &Connection) -> Result<bool, StorageError>;

    /// Tells whoever asked, once it is known whether the commit happened; nobody if the change met a defect.
    fn tell(self: Box<Self>, commit: Result<(), StorageError>);
}

struct Asked<C, T, E, F> {
    change: C,
    /// What came of the change when it was made last.
    result: Option<Result<T, E>>,
    tell: F,
}

/// The handle of the thread. Dropping it finishes what was asked for and waits for the thread's end.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Request>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(
        db: Connection,
        checkpointer: Connection,
        path: &Path,
        health: Arc<Health>,
    ) -> Result<Writer, OpenError> {
        let unusable = |cause| OpenError::Unusable { path: path.to_owned(), cause };
        let (queue, requests) = mpsc::channel(QUEUE);
        let checkpointer = Checkpointer::start(checkpointer, Arc::clone(&health)).map_err(unusable)?;
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let thread = thread.spawn(move || run(db, requests, checkpointer, &health)).map_err(unusable)?;
        Ok(Writer { queue: Some(queue), thread: Some(thread) })
    }

    /// Makes a change, which must stop at its first error; see `Store::write`.
    pub(crate) async fn write<T, E>(
        &self,
        change: impl Fn(&Connection) -> rusqlite::Result<Result<T, E>> + Send + 'static,
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
        change: impl Fn(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) {
        let request = request(move |db| change(db).map(Ok::<(), StorageError>), |_| {});
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

fn request<T: Send + 'static, E: From<StorageError> + Send + 'static>(
    change: impl Fn(&Connection) -> rusqlite::Result<Result<T, E>> + Send + 'static,
    tell: impl FnOnce(Result<T, E>) + Send + 'static,
) -> Box<dyn Request> {
    Box::new(Asked { change, result: None, tell })
}

impl<C, T, E, F> Request for Asked<C, T, E, F>
where
    C: Fn(&Connection) -> rusqlite::Result<Result<T, E>> + Send,
    T: Send,
    E: From<StorageError> + Send,
    F: FnOnce(Result<T, E>) + Send,
{
    fn make(&mut self, db: &Connection) -> Result<bool, StorageError> {
        self.result = None;
        let result = match (self.change)(db).map_err(StorageError::from) {
            Ok(result) => result,
            Err(error) => match error.trouble() {
                Trouble::Full | Trouble::Broken => return Err(error),
                Trouble::Other => Err(error.into()),
            },
        };
        Ok(self.result.insert(result).is_ok())
    }

    fn tell(self: Box<Self>, commit: Result<(), StorageError>) {
        match (commit, self.result) {
            // A refusal too counts only with the commit: it may rest on changes that were before it in the batch.
            (Ok(()), Some(result)) => (self.tell)(result),
            (Ok(()), None) => {}
            (Err(error), _) => (self.tell)(Err(error.into())),
        }
    }
}

fn run(
    mut db: Connection,
    mut requests: mpsc::Receiver<Box<dyn Request>>,
    checkpointer: Checkpointer,
    health: &Arc<Health>,
) {
    let log = Arc::new(AtomicI32::new(0));
    let (pages, told) = (Arc::clone(&log), Arc::clone(health));
    let hook = move |_: &mut Wal, size| {
        pages.store(size, Ordering::Relaxed);
        told.stored();
        Ok(())
    };
    if let Err(cause) = db.wal_hook(Some(hook)) {
        error!(%cause, "the size of the database's log is not known: it grows until the next start");
    }
    let mut batch = Vec::with_capacity(BATCH);
    while requests.blocking_recv_many(&mut batch, BATCH) > 0 {
        commit(&db, &mut batch, health);
        checkpointer.after_commit(&db, log.load(Ordering::Relaxed));
    }
    if health.broken().is_some() {
        leave_log(&db);
    }
}

/// Commits a batch and tells everyone in it. Where the database is broken nothing is tried any more.
fn commit(db: &Connection, batch: &mut Vec<Box<dyn Request>>, health: &Health) {
    let state = match health.broken() {
        Some(cause) => Err(cause),
        None => try_commit(db, batch).map_err(|cause| health.note(cause)),
    };
    // The others were told of by whoever took note.
    if let Some(cause) = state.as_ref().err().filter(|cause| cause.trouble() == Trouble::Other) {
        error!(%cause, requests = batch.len(), "a commit failed");
    }
    for request in batch.drain(..) {
        let told = state.clone();
        if catch_unwind(AssertUnwindSafe(|| request.tell(told))).is_err() {
            error!("telling of a commit met a defect");
        }
    }
}

fn try_commit(db: &Connection, batch: &mut [Box<dyn Request>]) -> Result<(), StorageError> {
    let state = make(db, batch).and_then(|()| execute(db, "COMMIT"));
    if state.is_err()
        && !db.is_autocommit()
        && let Err(cause) = execute(db, "ROLLBACK")
    {
        error!(%cause, "what was not committed could not be taken back");
    }
    state
}

/// Makes the changes of a batch in one transaction. An error means that it is lost as a whole.
fn make(db: &Connection, batch: &mut [Box<dyn Request>]) -> Result<(), StorageError> {
    execute(db, "BEGIN IMMEDIATE")?;
    // Nearly always all of them stay, and two statements a request are saved.
    if together(db, batch)? {
        return Ok(());
    }
    execute(db, "ROLLBACK")?;
    execute(db, "BEGIN IMMEDIATE")?;
    batch.iter_mut().try_for_each(|request| apart(db, request))
}

/// Makes the changes one after the other, and says whether none of those that are not to stay left anything behind.
fn together(db: &Connection, batch: &mut [Box<dyn Request>]) -> Result<bool, StorageError> {
    for request in batch {
        let before = db.total_changes();
        let keep = made(db, request)?;
        within_transaction(db)?;
        if !keep && db.total_changes() != before {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes one change so that it can fail alone.
fn apart(db: &Connection, request: &mut Box<dyn Request>) -> Result<(), StorageError> {
    execute(db, "SAVEPOINT request")?;
    let keep = made(db, request)?;
    within_transaction(db)?;
    if !keep {
        execute(db, "ROLLBACK TO request")?;
    }
    execute(db, "RELEASE request")
}

/// Whether the change is to stay; one that meets a defect is not.
fn made(db: &Connection, request: &mut Box<dyn Request>) -> Result<bool, StorageError> {
    catch_unwind(AssertUnwindSafe(|| request.make(db))).unwrap_or_else(|_| {
        error!("a request to the database met a defect");
        Ok(false)
    })
}

/// SQLite takes a whole transaction back by itself at some errors.
fn within_transaction(db: &Connection) -> Result<(), StorageError> {
    match db.is_autocommit() {
        true => Err(StorageError::other("the transaction was taken back")),
        false => Ok(()),
    }
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
        commit(&db, &mut requests, &Health::new(std::env::temp_dir()));
        assert_eq!(*answers.lock().unwrap(), told);
        let mut statement = db.prepare("SELECT n FROM numbers ORDER BY n").unwrap();
        let numbers: Vec<i64> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(numbers, stored);
        assert!(db.is_autocommit(), "no transaction is left open");
    }

    fn named(name: &'static str, sql: &'static str, told: Told) -> Box<dyn Request> {
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
    fn a_request_that_fails_with_nothing_changed_costs_the_others_nothing() {
        let batch = [
            ("a", "INSERT INTO numbers VALUES (1, NULL)"),
            ("b", "SELECT * FROM nowhere"),
            ("c", "INSERT INTO numbers VALUES (3, NULL)"),
        ];
        check(&batch, &[("a", true), ("b", false), ("c", true)], &[1, 3]);
    }

    #[test]
    fn a_request_that_is_made_again_counts_once() {
        let batch = [
            ("a", "INSERT INTO numbers SELECT coalesce(max(n), 0) + 1, NULL FROM numbers"),
            ("b", "INSERT INTO numbers VALUES (9, NULL); SELECT * FROM nowhere"),
            ("c", "INSERT INTO numbers SELECT coalesce(max(n), 0) + 1, NULL FROM numbers"),
            ("d", "INSERT INTO numbers VALUES (7, NULL); SELECT * FROM nowhere"),
        ];
        check(&batch, &[("a", true), ("b", false), ("c", true), ("d", false)], &[1, 2]);
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

    /// Commits batches on a database of one page more than it has, which one number fits in.
    fn told_with_little_room(sql: &[&'static str], health: &Health) -> Vec<(&'static str, bool)> {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE texts (t)").unwrap();
        db.query_row("PRAGMA max_page_count = 3", [], |_| Ok(())).unwrap();
        let told = Told::default();
        let mut batch = sql.iter().map(|sql| named(sql, sql, Arc::clone(&told))).collect();
        commit(&db, &mut batch, health);
        assert!(db.is_autocommit() && batch.is_empty());
        told.lock().unwrap().clone()
    }

    const SMALL: &str = "INSERT INTO texts VALUES (1)";
    const LARGE: &str = "INSERT INTO texts VALUES (zeroblob(1000000))";

    #[test]
    fn a_full_disk_takes_the_whole_batch_back() {
        let health = Health::new(std::env::temp_dir());
        assert_eq!(told_with_little_room(&[SMALL], &health), [(SMALL, true)]);
        assert!(!health.is_troubled());
        assert_eq!(told_with_little_room(&[SMALL, LARGE], &health), [(SMALL, false), (LARGE, false)]);
        assert!(health.is_troubled() && health.broken().is_none());
    }

    #[test]
    fn nothing_is_tried_once_the_database_is_broken() {
        let health = Health::new(std::env::temp_dir());
        let broken = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
        health.note(rusqlite::Error::SqliteFailure(broken, None).into());
        assert_eq!(told_with_little_room(&[SMALL, SMALL], &health), [(SMALL, false), (SMALL, false)]);
    }

    #[test]
    fn the_first_sign_of_a_broken_disk_is_told_to_the_whole_batch() {
        let broken = |db: &Connection| {
            db.execute_batch(SMALL)?;
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_READ);
            Err::<Result<(), StorageError>, _>(rusqlite::Error::SqliteFailure(code, None))
        };
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE texts (t)").unwrap();
        let (health, told) = (Health::new(std::env::temp_dir()), Arc::new(Mutex::new(Vec::new())));
        let answers = Arc::clone(&told);
        let tell = move |result: Result<(), StorageError>| {
            answers.lock().unwrap().push(result.unwrap_err().trouble());
        };
        let other = tell.clone();
        let small = |db: &Connection| db.execute_batch(SMALL).map(Ok::<(), StorageError>);
        commit(&db, &mut vec![request(small, tell), request(broken, other)], &health);
        assert_eq!(*told.lock().unwrap(), [Trouble::Broken, Trouble::Broken]);
        assert!(health.broken().is_some());
        let rows: i64 = db.query_row("SELECT count(*) FROM texts", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0);
    }
}
