//! Facts about the database itself, by name.

use rusqlite::{Connection, params};

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
