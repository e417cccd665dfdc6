//! Restoring a backup: what runs sent after it was made is not in it, so no write of theirs may leave again before a
//! person looked; and nothing that was to start a run starts it by itself, for it may have done so.

use std::path::Path;

use loopfour_engine::definitions::Definitions;
use loopfour_engine::ports::Append;
use loopfour_engine::{Entry, Event, Run, RunId, RunStatus, StepPath, Timestamp};
use rusqlite::{Connection, params};

use crate::error::{BackupError, RestoreError};
use crate::listening::Listening;
use crate::sqlite::journal::Prepared;
use crate::sqlite::read_only::ReadOnly;
use crate::sqlite::verify::{fold_run, verify};
use crate::sqlite::{
    DATABASE, LOCK, copy, hand_overs, make_directory, meta, provider_events, schedules, sealed, signing,
    take_lock, uuid,
};
use crate::{Store, Verified, migrate};

/// A database that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// When the backup was made.
    pub backup_at: Timestamp,
    /// Runs in it.
    pub runs: u64,
    /// Entries of their journals.
    pub entries: u64,
    /// Runs that may have sent something after the backup, oldest first. No write of theirs is sent before a person says
    /// what became of one.
    pub held: Vec<HeldRun>,
    /// How many more had failed by then: one that is tried again waits for a person at its first write.
    pub failed: u64,
    /// How many hand-overs of events and failures were pending. Their runs may have begun after the backup, so none begins by
    /// itself: their events are dead, to be replayed by a person who looked.
    pub given_up: u64,
    /// Whether it can only be opened with the key file of the database that was backed up, which is in no backup.
    pub needs_key: bool,
}

/// A run that was under way when the backup was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRun {
    /// The run.
    pub run: RunId,
    /// The name of its workflow.
    pub workflow: String,
    /// The step that it was at, or came to next.
    pub step: Option<StepPath>,
    /// How it stood in the backup.
    pub status: RunStatus,
    /// Since when.
    pub since: Timestamp,
}

/// Why an event is dead whose hand-over was pending in a backup.
const GIVEN_UP: &str = "restored from a backup: replay it if it did not run since";

impl Store {
    /// Makes the database of a data directory that has none from a backup: the backup is checked and every journal played
    /// back first, what may have been sent since is held, and only then has the database its name. Blocks.
    ///
    /// # Errors
    /// The directory has a database or is in use; the backup is damaged, not ours or newer; a file cannot be read or
    /// written. The directory has no database then.
    pub fn restore(file: &Path, directory: &Path, now: Timestamp) -> Result<Restored, RestoreError> {
        let backup = ReadOnly::open_file(file)?;
        make_directory(directory)?;
        let _lock = take_lock(&directory.join(LOCK))?;
        let database = directory.join(DATABASE);
        refuse_existing(&database)?;
        let (restored, _) = copy::copy(backup.db(), &database, |copy| {
            migrate::migrate_copy(copy, file, now)?;
            let verified = checked(copy, file)?;
            hold(copy, verified, now)
                .map_err(|cause| BackupError::Failed { path: database.clone(), cause })
                .map_err(RestoreError::from)
        })?;
        Ok(restored)
    }
}

/// What stands beside a database that is gone would be taken for the restored one's.
fn refuse_existing(database: &Path) -> Result<(), RestoreError> {
    match copy::beside(database).into_iter().find(|path| path.symlink_metadata().is_ok()) {
        Some(path) => Err(RestoreError::Exists { path }),
        None => Ok(()),
    }
}

/// Refuses a backup of which something is wrong.
fn checked(db: &Connection, file: &Path) -> Result<Verified, RestoreError> {
    let mut first = None;
    let verified = verify(db, |difference| {
        first.get_or_insert_with(|| difference.to_string());
    });
    let verified = verified.map_err(|cause| crate::sqlite::refusal(file, &cause))?;
    match first {
        None => Ok(verified),
        Some(first) => Err(RestoreError::Differs { path: file.to_owned(), first, count: verified.differ }),
    }
}

/// Marks every run that can send anything again.
fn hold(db: &Connection, verified: Verified, now: Timestamp) -> Result<Restored, String> {
    let text = |cause: rusqlite::Error| cause.to_string();
    let transaction = db.unchecked_transaction().map_err(text)?;
    let backup_at = meta::mark_restored(&transaction).map_err(text)?;
    let needs_key = sealed::needs_key(&transaction).map_err(text)?;
    let (runs, entries) = (verified.runs, verified.entries);
    let mut restored =
        Restored { backup_at, runs, entries, held: Vec::new(), failed: 0, given_up: 0, needs_key };
    let definitions = Definitions::default();
    for (run, since) in resumable(&transaction).map_err(text)? {
        let before = fold_run(&transaction, &definitions, run).map_err(text)??;
        mark(&transaction, before.clone(), backup_at, now)?;
        if before.status.has_ended() {
            restored.failed += 1;
        } else {
            restored.held.push(held(before, since));
        }
    }
    restored.given_up = cut_off(&transaction, now).map_err(text)?;
    transaction.commit().map_err(text)?;
    Ok(restored)
}

/// Sees to it that nothing starts a run which may have been started after the backup: it would do everything twice, since
/// its writes would have other idempotency keys. Gives the number of hand-overs that were pending.
fn cut_off(db: &Connection, now: Timestamp) -> rusqlite::Result<u64> {
    let pending = hand_overs::due(db, Timestamp(i64::MAX), usize::MAX)?;
    pending.iter().try_for_each(|hand_over| provider_events::give_up(db, hand_over, GIVEN_UP).map(drop))?;
    schedules::restored(db, now)?;
    signing::forget_cursors(db)?;
    Ok(pending.len() as u64)
}

/// The runs that go on, or do when a person wants it, oldest first, with the time of their last entries.
fn resumable(db: &Connection) -> rusqlite::Result<Vec<(RunId, Timestamp)>> {
    let sql = "SELECT r.id, e.at FROM runs r JOIN events e ON e.run = r.id AND e.seq = r.length
               WHERE r.status IN ('pending', 'running', 'waiting', 'failed', 'timeout') ORDER BY r.created_at, r.id";
    db.prepare(sql)?.query_map(params![], |row| Ok((RunId(uuid(row, 0)?), Timestamp(row.get(1)?))))?.collect()
}

fn mark(db: &Connection, mut run: Run, backup_at: Timestamp, now: Timestamp) -> Result<(), String> {
    let expected = run.length;
    let entry = Entry { seq: expected + 1, at: now, event: Event::RunRestored { backup_at } };
    run.apply(&entry).map_err(|cause| cause.to_string())?;
    let batch = Append { run: run.id, expected, entries: [entry].into(), summary: run.summary() };
    let stored = Prepared::new(batch).and_then(|batch| match batch.store(db, &Listening::nobody()) {
        Ok(stored) => stored.map(drop),
        Err(cause) => Err(crate::StorageError::from(cause).into()),
    });
    stored.map_err(|cause| cause.to_string())
}

fn held(run: Run, since: Timestamp) -> HeldRun {
    let waits_at = run.waiting.as_ref().and_then(|waiting| waiting.step_id.clone());
    let definition = run.definition();
    let next = run.steps.iter().zip(&definition.steps).find(|(state, _)| !state.status.is_through());
    HeldRun {
        run: run.id,
        workflow: definition.name.clone(),
        step: waits_at.or_else(|| next.map(|(_, step)| StepPath(step.id.clone()))),
        status: run.status,
        since,
    }
}
