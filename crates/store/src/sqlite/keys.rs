//! API keys: only their hashes are stored. What a scope allows is decided elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use loopfour_engine::{CompanyId, KeyId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tokio::sync::watch::Receiver;
use uuid::Uuid;

use crate::access::{Principal, Scope, Secret};
use crate::error::StorageError;
use crate::page::{Cursor, Page, Span};
use crate::sqlite::{json, optional_time, time, uuid};
use crate::{Memory, Store};

/// A key's last use is written down at most this often, in milliseconds.
const USE_INTERVAL: i64 = 60_000;

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// A key as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Its id.
    pub id: KeyId,
    /// What it is for.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// Why a key was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The very same key is known, valid or not.
    #[error("this API key exists already")]
    Exists,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A key as it is kept in memory.
#[derive(Clone)]
pub(crate) struct KnownKey {
    principal: Arc<Principal>,
    /// The last use that is written down.
    last_used_at: Arc<AtomicI64>,
}

impl Store {
    /// Makes a key with a new secret, which is nowhere else and cannot be shown again.
    ///
    /// # Errors
    /// There is no such company, the system has no randomness, or the database failed.
    pub async fn create_key(
        &self,
        company: CompanyId,
        key: NewKey,
        now: Timestamp,
    ) -> Result<(KeyId, Secret), StorageError> {
        let secret = Secret::random()?;
        match self.insert_key(company, key, &secret, now).await {
            Ok(id) => Ok((id, secret)),
            Err(KeyError::Exists) => Err(StorageError::other("the system's randomness repeats itself")),
            Err(KeyError::Storage(cause)) => Err(cause),
        }
    }

    /// Makes a key whose secret is given.
    ///
    /// # Errors
    /// The secret is known already, there is no such company, or the database failed.
    pub async fn insert_key(
        &self,
        company: CompanyId,
        key: NewKey,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<KeyId, KeyError> {
        let id = KeyId(Uuid::now_v7());
        let (hash, prefix) = (secret.hash(), secret.prefix().to_owned());
        let scopes =
            serde_json::to_string(&key.scopes).map_err(|cause| StorageError::other(cause.to_string()))?;
        let insert = move |db: &Connection| {
            let sql = "INSERT INTO keys (id, company, hash, prefix, name, scopes, created_at, expires_at)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (hash) DO NOTHING";
            let inserted = db.prepare_cached(sql)?.execute(params![
                id.0.as_bytes(),
                company.0.as_bytes(),
                hash,
                prefix,
                key.name,
                scopes,
                now.0,
                key.expires_at.map(|at| at.0),
            ])?;
            Ok(if inserted == 1 { Ok(id) } else { Err(KeyError::Exists) })
        };
        self.write(insert, |memory, _| memory.keys.clear()).await
    }

    /// Whom a key stands for; `None` if it is unknown, revoked or past its end. From memory, once it was asked for.
    ///
    /// # Errors
    /// The database failed.
    pub async fn authenticate(
        &self,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<Principal>>, StorageError> {
        // What does not look like a key costs no look-up.
        let Ok(secret) = key.parse::<Secret>() else { return Ok(None) };
        let hash = secret.hash();
        let known = match self.0.memory.keys.get(&hash) {
            Ok(known) => known,
            Err(mark) => {
                let Some(known) = self.read(move |db| find(db, &hash)).await? else { return Ok(None) };
                self.0.memory.keys.fill(mark, hash, known.clone());
                known
            }
        };
        if known.principal.expires_at.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        self.note_use(&known, now);
        Ok(Some(known.principal))
    }

    /// A part of the list of keys, without revoked ones.
    ///
    /// # Errors
    /// The database failed.
    pub async fn keys(&self, company: CompanyId, span: Span) -> Result<Page<KeyRow>, StorageError> {
        self.read(move |db| {
            let (after, comparison, direction) = span.sql();
            let mut statement = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM keys
                 WHERE company = ?1 AND revoked_at IS NULL AND (created_at, id) {comparison} (?2, ?3)
                 ORDER BY created_at {direction}, id {direction} LIMIT ?4"
            ))?;
            let keys = params![company.0.as_bytes(), after.created_at.0, after.id.as_bytes(), span.wanted()];
            let rows = statement.query_map(keys, read_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(span.page(rows, |row| Cursor { created_at: row.created_at, id: row.id.0 }))
        })
        .await
    }

    /// Ends a key from now on. Returns it, if the company had such a key that was not revoked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn revoke_key(
        &self,
        company: CompanyId,
        id: KeyId,
        now: Timestamp,
    ) -> Result<Option<KeyRow>, StorageError> {
        let revoke = move |db: &Connection| {
            let sql = format!(
                "UPDATE keys SET revoked_at = ?3 WHERE id = ?1 AND company = ?2 AND revoked_at IS NULL
                 RETURNING {COLUMNS}"
            );
            let keys = params![id.0.as_bytes(), company.0.as_bytes(), now.0];
            Ok(Ok(db.prepare_cached(&sql)?.query_row(keys, read_row).optional()?))
        };
        let committed = |memory: &Memory, _: &Option<KeyRow>| {
            memory.keys.clear();
            memory.revocations.send_modify(|count| *count += 1);
        };
        self.write(revoke, committed).await
    }

    /// Changes whenever a key was revoked, whichever it was; then ask [`Store::is_revoked`]. For what goes on for long.
    pub fn revocations(&self) -> Receiver<u64> {
        self.0.memory.revocations.subscribe()
    }

    /// Whether a key was revoked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_revoked(&self, key: KeyId) -> Result<bool, StorageError> {
        self.read(move |db| {
            let sql = "SELECT 1 FROM keys WHERE id = ?1 AND revoked_at IS NULL";
            Ok(!db.prepare_cached(sql)?.exists([key.0.as_bytes()])?)
        })
        .await
    }

    /// Whether there is any key, of any company, valid or not: whether this is a first start.
    ///
    /// # Errors
    /// The database failed.
    pub async fn has_keys(&self) -> Result<bool, StorageError> {
        self.read(|db| db.query_row("SELECT EXISTS (SELECT 1 FROM keys)", [], |row| row.get(0))).await
    }

    /// Writes a use down if the last one written is old. Nobody waits for it, and under load it may be left out.
    fn note_use(&self, key: &KnownKey, now: Timestamp) {
        let last = key.last_used_at.load(Ordering::Relaxed);
        let is_due = now.0.saturating_sub(last) >= USE_INTERVAL;
        let claim = || key.last_used_at.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed);
        if !is_due || claim().is_err() {
            return;
        }
        let id = key.principal.key;
        self.0.writer.write_if_idle(move |db| {
            let sql = "UPDATE keys SET last_used_at = ?2 WHERE id = ?1";
            db.prepare_cached(sql)?.execute(params![id.0.as_bytes(), now.0])?;
            Ok(())
        });
    }
}

const COLUMNS: &str = "id, name, prefix, scopes, created_at, expires_at, last_used_at";

fn find(db: &Connection, hash: &[u8; 32]) -> rusqlite::Result<Option<KnownKey>> {
    let sql = "SELECT k.id, k.name, k.scopes, k.expires_at, k.last_used_at, c.id, c.name
               FROM keys k JOIN companies c ON c.id = k.company WHERE k.hash = ?1 AND k.revoked_at IS NULL";
    let read = |row: &Row<'_>| {
        let principal = Principal {
            company: CompanyId(uuid(row, 5)?),
            company_name: row.get(6)?,
            key: KeyId(uuid(row, 0)?),
            key_name: row.get(1)?,
            scopes: json(row, 2)?,
            expires_at: optional_time(row, 3)?,
        };
        let last_used_at = row.get::<_, Option<i64>>(4)?.unwrap_or(i64::MIN);
        Ok(KnownKey { principal: Arc::new(principal), last_used_at: Arc::new(AtomicI64::new(last_used_at)) })
    };
    db.prepare_cached(sql)?.query_row([hash], read).optional()
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    Ok(KeyRow {
        id: KeyId(uuid(row, 0)?),
        name: row.get(1)?,
        prefix: row.get(2)?,
        scopes: json(row, 3)?,
        created_at: time(row, 4)?,
        expires_at: optional_time(row, 5)?,
        last_used_at: optional_time(row, 6)?,
    })
}
