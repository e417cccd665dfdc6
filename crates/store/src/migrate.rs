//! Brings a database to this version's form: numbered files, each applied once in a transaction of its own and recorded
//! with its checksum. There is no way back down, and a file that was applied is never edited.

use std::path::Path;

use loopfour_engine::definitions::Definitions;
use loopfour_engine::{RunId, Timestamp};
use rusqlite::{Connection, TransactionBehavior, params};
use sha2::{Digest as _, Sha256};
use tracing::info;

use crate::error::{BackupError, OpenError};
use crate::sqlite::{copy, hex, refusal, uuid, verify};

/// A numbered file; its number is its place in the list, from 1.
struct Migration {
    name: &'static str,
    sql: &'static str,
    /// What SQL alone cannot do.
    then: Option<fn(&Connection) -> rusqlite::Result<()>>,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_start.sql",
        sql: include_str!("../migrations/sqlite/0001_start.sql"),
        then: None,
    },
    Migration {
        name: "0002_money_is_safe.sql",
        sql: include_str!("../migrations/sqlite/0002_money_is_safe.sql"),
        then: Some(fill_due),
    },
    Migration {
        name: "0003_people_and_connections.sql",
        sql: include_str!("../migrations/sqlite/0003_people_and_connections.sql"),
        then: None,
    },
    Migration {
        name: "0004_events_in.sql",
        sql: include_str!("../migrations/sqlite/0004_events_in.sql"),
        then: None,
    },
    Migration {
        name: "0005_notices.sql",
        sql: include_str!("../migrations/sqlite/0005_notices.sql"),
        then: None,
    },
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    version    INTEGER NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    checksum   TEXT    NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT";

/// Applies what is missing, after it is clear that what is there is a beginning of [`MIGRATIONS`] and a backup of it is
/// made.
pub(crate) fn migrate(db: &mut Connection, path: &Path, now: Timestamp) -> Result<(), OpenError> {
    let applied = check(db, path)?;
    if let Some(next) = MIGRATIONS.get(applied).filter(|_| applied > 0) {
        keep(db, path, next)?;
    }
    migrate_copy(db, path, now)
}

/// The same without a backup, for what is one.
pub(crate) fn migrate_copy(db: &mut Connection, path: &Path, now: Timestamp) -> Result<(), OpenError> {
    let applied = check(db, path)?;
    for (version, migration) in (1_u32..).zip(MIGRATIONS).skip(applied) {
        apply(db, version, migration, now).map_err(|error| refusal(path, &error))?;
    }
    Ok(())
}

/// How many migrations the database has, if they are a beginning of [`MIGRATIONS`].
pub(crate) fn check(db: &Connection, path: &Path) -> Result<usize, OpenError> {
    let applied = applied(db).map_err(|error| refusal(path, &error))?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if let Some((version, name, _)) = applied.last().filter(|(version, ..)| *version > known) {
        return Err(OpenError::Newer { path: path.to_owned(), found: *version, name: name.clone(), known });
    }
    for ((_, name, checksum), migration) in applied.iter().zip(MIGRATIONS) {
        if name != migration.name || *checksum != sha256(migration.sql) {
            return Err(OpenError::Changed { path: path.to_owned(), name: name.clone() });
        }
    }
    Ok(applied.len())
}

/// Whether the database has this version's form.
pub(crate) fn is_current(applied: usize) -> bool {
    applied == MIGRATIONS.len()
}

/// Makes a backup beside the database of what it is before it is changed, in place of that of an earlier try.
fn keep(db: &Connection, path: &Path, next: &Migration) -> Result<(), OpenError> {
    let number = next.name.split('_').next().unwrap_or_default();
    let backup = path.with_added_extension(format!("before-{number}.bak"));
    // There is none, or it cannot be removed, which the copy finds out as well.
    let _ = std::fs::remove_file(&backup);
    copy::copy(db, &backup, |_| Ok::<(), BackupError>(()))
        .map_err(|cause| OpenError::NoBackup { path: path.to_owned(), cause })?;
    info!(backup = %backup.display(), "kept the database as it was before this version");
    Ok(())
}

/// Version, name and checksum of each migration in the database, in order.
fn applied(db: &Connection) -> rusqlite::Result<Vec<(u32, String, String)>> {
    if !db.table_exists(None::<&str>, "migrations")? {
        return Ok(Vec::new());
    }
    let mut statement = db.prepare("SELECT version, name, checksum FROM migrations ORDER BY version")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
}

fn apply(db: &mut Connection, version: u32, migration: &Migration, now: Timestamp) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "application_id", crate::sqlite::APPLICATION_ID)?;
    transaction.execute_batch(TABLE)?;
    transaction.execute_batch(migration.sql)?;
    if let Some(then) = migration.then {
        then(&transaction)?;
    }
    transaction.execute(
        "INSERT INTO migrations (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
        params![version, migration.name, sha256(migration.sql), now.0],
    )?;
    transaction.commit()
}

/// Finds out when each run that was unfinished goes on. One whose journal cannot be folded does not go on by itself.
fn fill_due(db: &Connection) -> rusqlite::Result<()> {
    let definitions = Definitions::default();
    let mut runs = db.prepare("SELECT id FROM runs WHERE status IN ('pending', 'running', 'waiting')")?;
    let runs: Vec<RunId> = runs.query_map([], |row| uuid(row, 0).map(RunId))?.collect::<Result<_, _>>()?;
    for run in runs {
        if let Ok(state) = verify::fold_run(db, &definitions, run)? {
            let due = state.due_at().map(|at| at.0);
            db.execute("UPDATE runs SET due_at = ?2 WHERE id = ?1", params![run.0.as_bytes(), due])?;
        }
    }
    Ok(())
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text))
}
