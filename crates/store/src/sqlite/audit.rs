//! The audit log: who did what in a company, a chain of rows that are only added. A row is written in the transaction of
//! the change that it tells of, so that there is neither one without the other. What is worth a row is decided by those
//! who make changes.
//!
//! A row's hash is the SHA-256 of: the hash of the row before (32 zero bytes before the first), the company's 16 bytes, `seq`
//! and `at` as 8 bytes, most significant first, then the actor's id and name, the address, the action, the object's type
//! and id, `before` and `after` as they are stored. Each text is its length in bytes as 8 bytes and then its bytes in
//! UTF-8; those that may be absent have a byte before it, 0 (absent, and nothing follows) or 1.

use std::fmt;
use std::str::FromStr;

use loopfour_engine::event::Actor;
use loopfour_engine::{CompanyId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::Store;
use crate::error::StorageError;
use crate::page::{Cursor, Page, Span};
use crate::sqlite::runs::count;
use crate::sqlite::{hex, time};

/// The hash of a row of the audit log, which covers all rows before it too. In text 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuditHash(pub [u8; 32]);

impl AuditHash {
    /// What the first row goes on from: the head of an empty log.
    pub const NONE: AuditHash = AuditHash([0; 32]);
}

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not the hash of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash of the audit log is 64 hexadecimal digits")]
pub struct BadAuditHash;

impl FromStr for AuditHash {
    type Err = BadAuditHash;

    fn from_str(text: &str) -> Result<AuditHash, BadAuditHash> {
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(BadAuditHash);
        }
        let mut hash = [0; 32];
        for (index, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| BadAuditHash)?;
        }
        Ok(AuditHash(hash))
    }
}

/// What was done, for the audit log. Nothing in it may be a secret.
#[derive(Clone, Debug)]
pub struct Deed {
    /// `<object>.<verb>`.
    pub action: &'static str,
    /// What kind of thing it was done to.
    pub object_type: &'static str,
    /// The thing's id.
    pub object_id: String,
    /// What of the thing was changed, before.
    pub before: Option<Value>,
    /// And after.
    pub after: Option<Value>,
}

impl Deed {
    /// A deed of which nothing more is told.
    pub fn new(action: &'static str, object_type: &'static str, object_id: impl ToString) -> Deed {
        Deed { action, object_type, object_id: object_id.to_string(), before: None, after: None }
    }

    /// The same with how the thing was before.
    #[must_use]
    pub fn before(self, before: Value) -> Deed {
        Deed { before: Some(before), ..self }
    }

    /// The same with how the thing is after.
    #[must_use]
    pub fn after(self, after: Value) -> Deed {
        Deed { after: Some(after), ..self }
    }
}

/// A row of the audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// Its number in the company's log, from 1 without gaps.
    pub seq: u64,
    /// When it was done.
    pub at: Timestamp,
    /// Who did it, as the name was then, and from which address.
    pub actor: Actor,
    /// `<object>.<verb>`.
    pub action: String,
    /// What kind of thing it was done to.
    pub object_type: String,
    /// The thing's id.
    pub object_id: String,
    /// What of the thing was changed, before.
    pub before: Option<Value>,
    /// And after.
    pub after: Option<Value>,
    /// Covers this row and all before it.
    pub hash: AuditHash,
}

impl AuditRow {
    /// Where it stands in lists. The number alone decides; it stands where other lists have an id.
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.at, id: Uuid::from_u128(u128::from(self.seq)) }
    }
}

/// Which rows a list shows.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Those of this action.
    pub action: Option<String>,
    /// Those of the key or member with this id.
    pub actor: Option<String>,
    /// Those about the thing with this id.
    pub object: Option<String>,
}

/// The end of a company's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditHead {
    /// How many rows it has.
    pub count: u64,
    /// The last row's hash.
    pub hash: AuditHash,
}

impl Store {
    /// Writes down something that changes nothing else.
    ///
    /// # Errors
    /// The database failed, also when there is no such company.
    pub async fn record(
        &self,
        company: CompanyId,
        by: &Actor,
        deed: Deed,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let by = by.clone();
        self.write(move |db| note(db, company, &by, &deed, now).map(Ok::<(), StorageError>), |_, ()| {}).await
    }

    /// A part of a company's log, by number.
    ///
    /// # Errors
    /// The database failed.
    pub async fn audit(
        &self,
        company: CompanyId,
        filter: AuditFilter,
        span: Span,
    ) -> Result<Page<AuditRow>, StorageError> {
        self.read(move |db| {
            let (after, comparison, direction) = span.sql();
            let mut statement = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM audit WHERE company = ?1 AND seq {comparison} ?2
                 AND (?3 IS NULL OR action = ?3) AND (?4 IS NULL OR actor_id = ?4) AND (?5 IS NULL OR object_id = ?5)
                 ORDER BY seq {direction} LIMIT ?6"
            ))?;
            let seq = i64::try_from(after.id.as_u128()).unwrap_or(i64::MAX);
            let keys = params![
                company.0.as_bytes(),
                seq,
                filter.action,
                filter.actor,
                filter.object,
                span.wanted()
            ];
            let rows = statement.query_map(keys, |row| Stored::read(row)?.shown())?;
            let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(span.ordered(rows, AuditRow::cursor))
        })
        .await
    }

    /// The end of a company's log as it is now.
    ///
    /// # Errors
    /// The database failed.
    pub async fn audit_head(&self, company: CompanyId) -> Result<AuditHead, StorageError> {
        self.read(move |db| head(db, company)).await
    }

    /// At most `limit` rows of a company's log in order, those after row `after` and up to row `last`: with
    /// [`Store::audit_head`] a whole log can be read in parts while it grows.
    ///
    /// # Errors
    /// The database failed.
    pub async fn audit_part(
        &self,
        company: CompanyId,
        after: u64,
        last: u64,
        limit: u32,
    ) -> Result<Vec<AuditRow>, StorageError> {
        self.read(move |db| {
            let rows = part(db, company, after, limit)?.into_iter();
            rows.take_while(|row| row.seq <= last).map(Stored::shown).collect()
        })
        .await
    }
}

/// Adds a row to a company's log.
pub(crate) fn note(
    db: &Connection,
    company: CompanyId,
    by: &Actor,
    deed: &Deed,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let head = head(db, company)?;
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let row = Stored {
        seq: head.count + 1,
        at,
        actor: by.clone(),
        action: deed.action.to_owned(),
        object_type: deed.object_type.to_owned(),
        object_id: deed.object_id.clone(),
        before: text(&deed.before),
        after: text(&deed.after),
        hash: head.hash,
    };
    let sql =
        "INSERT INTO audit (company, seq, at, actor_id, actor_name, address, action, object_type, object_id,
                                  before, after, hash)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    db.prepare_cached(sql)?.execute(params![
        company.0.as_bytes(),
        i64::try_from(row.seq).unwrap_or(i64::MAX),
        row.at.0,
        row.actor.id,
        row.actor.name,
        row.actor.address,
        row.action,
        row.object_type,
        row.object_id,
        row.before,
        row.after,
        row.after_hash(company, head.hash).0,
    ])?;
    Ok(())
}

/// The end of a company's log.
pub(crate) fn head(db: &Connection, company: CompanyId) -> rusqlite::Result<AuditHead> {
    let sql = "SELECT seq, hash FROM audit WHERE company = ?1 ORDER BY seq DESC LIMIT 1";
    let read = |row: &Row<'_>| Ok(AuditHead { count: count(row, 0)?, hash: AuditHash(row.get(1)?) });
    let found = db.prepare_cached(sql)?.query_row([company.0.as_bytes()], read).optional()?;
    Ok(found.unwrap_or(AuditHead { count: 0, hash: AuditHash::NONE }))
}

/// Some rows of a company's log in order.
pub(crate) fn part(
    db: &Connection,
    company: CompanyId,
    after: u64,
    limit: u32,
) -> rusqlite::Result<Vec<Stored>> {
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE company = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3");
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let keys = params![company.0.as_bytes(), after, limit];
    db.prepare_cached(&sql)?.query_map(keys, Stored::read)?.collect()
}

const COLUMNS: &str =
    "seq, at, actor_id, actor_name, address, action, object_type, object_id, before, after, hash";

/// A row as it is stored.
pub(crate) struct Stored {
    pub seq: u64,
    at: Timestamp,
    actor: Actor,
    action: String,
    object_type: String,
    object_id: String,
    before: Option<String>,
    after: Option<String>,
    pub hash: AuditHash,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Stored> {
        Ok(Stored {
            seq: count(row, 0)?,
            at: time(row, 1)?,
            actor: Actor { id: row.get(2)?, name: row.get(3)?, address: row.get(4)? },
            action: row.get(5)?,
            object_type: row.get(6)?,
            object_id: row.get(7)?,
            before: row.get(8)?,
            after: row.get(9)?,
            hash: AuditHash(row.get(10)?),
        })
    }

    /// The hash that the row has after a row with the hash `previous`.
    pub(crate) fn after_hash(&self, company: CompanyId, previous: AuditHash) -> AuditHash {
        fn text(hasher: &mut Sha256, text: &str) {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        fn optional(hasher: &mut Sha256, found: Option<&str>) {
            hasher.update([u8::from(found.is_some())]);
            if let Some(found) = found {
                text(hasher, found);
            }
        }
        let mut hasher = Sha256::new();
        hasher.update(previous.0);
        hasher.update(company.0.as_bytes());
        hasher.update(self.seq.to_be_bytes());
        hasher.update(self.at.0.to_be_bytes());
        text(&mut hasher, &self.actor.id);
        text(&mut hasher, &self.actor.name);
        optional(&mut hasher, self.actor.address.as_deref());
        text(&mut hasher, &self.action);
        text(&mut hasher, &self.object_type);
        text(&mut hasher, &self.object_id);
        optional(&mut hasher, self.before.as_deref());
        optional(&mut hasher, self.after.as_deref());
        AuditHash(hasher.finalize().into())
    }

    /// The row as lists show it.
    fn shown(self) -> rusqlite::Result<AuditRow> {
        let value = |column, text: Option<String>| {
            let value = text.map(|text| serde_json::from_str(&text)).transpose();
            value.map_err(|cause| crate::sqlite::unreadable(column, cause))
        };
        Ok(AuditRow {
            seq: self.seq,
            at: self.at,
            actor: self.actor,
            action: self.action,
            object_type: self.object_type,
            object_id: self.object_id,
            before: value(8, self.before)?,
            after: value(9, self.after)?,
            hash: self.hash,
        })
    }
}
