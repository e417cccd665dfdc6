//! The sandbox's file: one SQLite database, written in one transaction per batch of calls.
//! It knows rows, not their meaning.

use std::path::Path;

use bytes::Bytes;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value};

use crate::Error;
use crate::state::{Changes, Record, Saved, State};

const SCHEMA_VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE records (account TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL,
        sequence INTEGER NOT NULL, value TEXT NOT NULL, hidden TEXT NOT NULL,
        PRIMARY KEY (account, id)) WITHOUT ROWID;
    CREATE TABLE answers (account TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
        status INTEGER NOT NULL, body BLOB NOT NULL, request_id TEXT NOT NULL, at INTEGER NOT NULL,
        PRIMARY KEY (account, key)) WITHOUT ROWID;
    CREATE TABLE clock (ahead INTEGER NOT NULL);
    PRAGMA user_version = 1;";

/// Where the state is kept: in a file, or nowhere.
pub(crate) struct Disk {
    connection: Option<Connection>,
}

impl Disk {
    /// Opens `sandbox.db` in a folder, which is made if need be; without a folder nothing is kept.
    /// The file is locked for as long as it is open.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Disk, Error> {
        let Some(folder) = folder else { return Ok(Disk { connection: None }) };
        std::fs::create_dir_all(folder)
            .map_err(|source| Error::Folder { path: folder.to_owned(), source })?;
        let mut connection = Connection::open(folder.join("sandbox.db"))?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let transaction = connection.transaction()?;
        match version {
            0 => transaction.execute_batch(SCHEMA)?,
            SCHEMA_VERSION => {}
            found => return Err(Error::Newer { found, known: SCHEMA_VERSION }),
        }
        transaction.commit()?;
        Ok(Disk { connection: Some(connection) })
    }

    /// How far the clock was ahead, in milliseconds.
    pub(crate) fn clock(&self) -> Result<i64, rusqlite::Error> {
        let Some(connection) = &self.connection else { return Ok(0) };
        let ahead = connection.query_row("SELECT ahead FROM clock", [], |row| row.get(0)).optional()?;
        Ok(ahead.unwrap_or(0))
    }

    /// Reads everything that was committed.
    pub(crate) fn load(&self) -> Result<State, rusqlite::Error> {
        let mut state = State::default();
        let Some(connection) = &self.connection else { return Ok(state) };
        let mut rows =
            connection.prepare("SELECT account, id, created, sequence, value, hidden FROM records")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let account: String = row.get(0)?;
            let record = Record {
                id: row.get(1)?,
                place: (row.get(2)?, row.get(3)?),
                value: json(row.get(4)?, 4)?,
                hidden: json(row.get(5)?, 5)?,
            };
            state.place(&account, record);
        }
        let columns = "account, key, fingerprint, status, body, request_id, at";
        let mut rows = connection.prepare(&format!("SELECT {columns} FROM answers"))?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (account, key): (String, String) = (row.get(0)?, row.get(1)?);
            let saved = Saved {
                fingerprint: row.get(2)?,
                status: row.get(3)?,
                body: Bytes::from(row.get::<_, Vec<u8>>(4)?),
                request_id: row.get(5)?,
                at: row.get(6)?,
            };
            state.place_answer(&account, &key, saved);
        }
        Ok(state)
    }

    /// Writes what has changed. Returns only after it is on the disk, all of it or none.
    pub(crate) fn commit(
        &mut self,
        state: &State,
        changes: &Changes,
        clock: i64,
    ) -> Result<(), rusqlite::Error> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        if changes.is_empty() {
            return Ok(());
        }
        let transaction = connection.transaction()?;
        if changes.everything {
            transaction.execute_batch("DELETE FROM records; DELETE FROM answers;")?;
        }
        if changes.everything || changes.clock {
            transaction.execute("DELETE FROM clock", [])?;
            transaction.execute("INSERT INTO clock (ahead) VALUES (?1)", [clock])?;
        }
        for (account, id) in &changes.records {
            write_record(&transaction, account, id, state.record(account, id))?;
        }
        for (account, key) in &changes.answers {
            write_answer(&transaction, account, key, state.answer(account, key))?;
        }
        transaction.commit()
    }
}

fn write_record(
    connection: &Connection,
    account: &str,
    id: &str,
    record: Option<&Record>,
) -> Result<(), rusqlite::Error> {
    let Some(record) = record else {
        let mut delete = connection.prepare_cached("DELETE FROM records WHERE account = ?1 AND id = ?2")?;
        return delete.execute([account, id]).map(drop);
    };
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let (created, sequence) = record.place;
    let (value, hidden) = (text(&record.value), text(&record.hidden));
    insert.execute(params![account, id, created, sequence, value, hidden]).map(drop)
}

fn write_answer(
    connection: &Connection,
    account: &str,
    key: &str,
    saved: Option<&Saved>,
) -> Result<(), rusqlite::Error> {
    let Some(saved) = saved else {
        let mut delete = connection.prepare_cached("DELETE FROM answers WHERE account = ?1 AND key = ?2")?;
        return delete.execute([account, key]).map(drop);
    };
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO answers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    let Saved { fingerprint, status, body, request_id, at } = saved;
    insert.execute(params![account, key, fingerprint, status, &body[..], request_id, at]).map(drop)
}

fn text(map: &Map<String, Value>) -> String {
    serde_json::to_string(map).expect("a map with text keys is JSON")
}

fn json(text: String, column: usize) -> Result<Map<String, Value>, rusqlite::Error> {
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}
