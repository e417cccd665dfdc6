//! Facts about the database itself, by name.

use loopfour_engine::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::sqlite::time;

/// In a backup: when it was made.
const BACKUP_AT: &str = "backup_at";

/// In a restored database: when the backup was made.
const RESTORED_FROM: &str = "restored_from";

/// A row that comes and goes, to see whether there is room.
const TRIAL: &str = "trial";

/// Bytes that the disk must have room for.
const TRIAL_BYTES: i64 = 64 << 10;

/// Stores a row that needs room.
pub(crate) fn put_trial(db: &Connection) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, zeroblob(?2))";
    db.prepare_cached(sql)?.execute(params![TRIAL, TRIAL_BYTES]).map(drop)
}

/// Removes that row.
pub(crate) fn remove_trial(db: &Connection) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM meta WHERE name = ?1")?.execute([TRIAL]).map(drop)
}

/// Says in a backup when it was made. One of an earlier version has no place for it.
pub(crate) fn mark_backup(db: &Connection, at: Timestamp) -> rusqlite::Result<()> {
    match db.table_exists(None::<&str>, "meta")? {
        true => put(db, BACKUP_AT, at),
        false => Ok(()),
    }
}

/// Makes of a backup a database in use, and gives the time of the backup: what it says itself, else the time of its last
/// entry.
pub(crate) fn mark_restored(db: &Connection) -> rusqlite::Result<Timestamp> {
    let said = db.query_row("SELECT value FROM meta WHERE name = ?1", [BACKUP_AT], |row| time(row, 0));
    let at = match said.optional()? {
        Some(at) => at,
        None => db.query_row("SELECT coalesce(max(at), 0) FROM events", [], |row| time(row, 0))?,
    };
    db.execute("DELETE FROM meta WHERE name = ?1", [BACKUP_AT])?;
    put(db, RESTORED_FROM, at)?;
    Ok(at)
}

fn put(db: &Connection, name: &str, value: Timestamp) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    db.execute(sql, params![name, value.0]).map(drop)
}
