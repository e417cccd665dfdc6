//! API keys: only their hashes are stored. What a scope allows is decided elsewhere.

use loopfour_engine::event::Actor;
use loopfour_engine::{CompanyId, KeyId, MemberId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Store;
use crate::access::Scope;
use crate::credential::Secret;
use crate::error::StorageError;
use crate::page::{Cursor, Page, Span};
use crate::sqlite::audit::{self, Deed};
use crate::sqlite::{json as from_json, members, optional_time, time, uuid};

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// The member whose it is, and with whom it ends; none for a machine's.
    pub member: Option<MemberId>,
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
    /// The member whose it is; none for a machine's.
    pub member: Option<MemberId>,
}

/// Why a key was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The very same key is known, valid or not.
    #[error("this API key exists already")]
    Exists,
    /// The member whose it is to be does not exist in the company, or is not active.
    #[error("{0} is not an active member")]
    Member(MemberId),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A key with its secret, ready to be written.
pub(crate) struct Prepared {
    id: KeyId,
    key: NewKey,
    hash: [u8; 32],
    prefix: String,
    scopes: String,
}

impl Prepared {
    pub(crate) fn new(key: NewKey, secret: &Secret) -> Result<Prepared, StorageError> {
        let scopes =
            serde_json::to_string(&key.scopes).map_err(|cause| StorageError::other(cause.to_string()))?;
        let (hash, prefix) = (secret.hash(), secret.prefix().to_owned());
        Ok(Prepared { id: KeyId(Uuid::now_v7()), key, hash, prefix, scopes })
    }

    pub(crate) fn store(
        &self,
        db: &Connection,
        company: CompanyId,
        by: &Actor,
        now: Timestamp,
    ) -> rusqlite::Result<Result<KeyId, KeyError>> {
        if let Some(member) = self.key.member
            && !members::is_active(db, company, member)?
        {
            return Ok(Err(KeyError::Member(member)));
        }
        let sql = "INSERT INTO keys (id, company, hash, prefix, name, scopes, created_at, expires_at, member)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (hash) DO NOTHING";
        let inserted = db.prepare_cached(sql)?.execute(params![
            self.id.0.as_bytes(),
            company.0.as_bytes(),
            self.hash,
            self.prefix,
            self.key.name,
            self.scopes,
            now.0,
            self.key.expires_at.map(|at| at.0),
            self.key.member.as_ref().map(|member| member.0.as_bytes()),
        ])?;
        if inserted == 0 {
            return Ok(Err(KeyError::Exists));
        }
        let told = told(&self.key.name, &self.key.scopes, self.key.expires_at, self.key.member);
        audit::note(db, company, by, &Deed::new("key.create", "key", self.id).after(told), now)?;
        Ok(Ok(self.id))
    }
}

impl Store {
    /// Makes a key with a new secret, which is nowhere else and cannot be shown again.
    ///
    /// # Errors
    /// There is no such company, its member is not active, the system has no randomness, or the database failed.
    pub async fn create_key(
        &self,
        company: CompanyId,
        key: NewKey,
        by: &Actor,
        now: Timestamp,
    ) -> Result<(KeyId, Secret), KeyError> {
        let secret = Secret::random()?;
        let id = self.insert_key(company, key, &secret, by, now).await?;
        Ok((id, secret))
    }

    /// Makes a key whose secret is given.
    ///
    /// # Errors
    /// The secret is known already, there is no such company, its member is not active, or the database failed.
    pub async fn insert_key(
        &self,
        company: CompanyId,
        key: NewKey,
        secret: &Secret,
        by: &Actor,
        now: Timestamp,
    ) -> Result<KeyId, KeyError> {
        let (key, by) = (Prepared::new(key, secret)?, by.clone());
        self.write(move |db| key.store(db, company, &by, now), |_, _| {}).await
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

    /// Ends a key from now on, and the sessions that were opened with it. Returns it, if the company had such a key that
    /// was not revoked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn revoke_key(
        &self,
        company: CompanyId,
        id: KeyId,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Option<KeyRow>, StorageError> {
        let by = by.clone();
        let revoke = move |db: &Connection| {
            let sql = format!(
                "UPDATE keys SET revoked_at = ?3 WHERE id = ?1 AND company = ?2 AND revoked_at IS NULL
                 RETURNING {COLUMNS}"
            );
            let keys = params![id.0.as_bytes(), company.0.as_bytes(), now.0];
            let revoked = db.prepare_cached(&sql)?.query_row(keys, read_row).optional()?;
            if let Some(key) = &revoked {
                let told = told(&key.name, &key.scopes, key.expires_at, key.member);
                audit::note(db, company, &by, &Deed::new("key.revoke", "key", id).before(told), now)?;
            }
            Ok(Ok(revoked))
        };
        self.write(revoke, |memory, _| memory.revoked()).await
    }

    /// Whether there is any key, of any company, valid or not: whether this is a first start.
    ///
    /// # Errors
    /// The database failed.
    pub async fn has_keys(&self) -> Result<bool, StorageError> {
        self.read(|db| db.query_row("SELECT EXISTS (SELECT 1 FROM keys)", [], |row| row.get(0))).await
    }
}

const COLUMNS: &str = "id, name, prefix, scopes, created_at, expires_at, last_used_at, member";

fn read_row(row: &Row<'_>) -> rusqlite::Result<KeyRow> {
    Ok(KeyRow {
        id: KeyId(uuid(row, 0)?),
        name: row.get(1)?,
        prefix: row.get(2)?,
        scopes: from_json(row, 3)?,
        created_at: time(row, 4)?,
        expires_at: optional_time(row, 5)?,
        last_used_at: optional_time(row, 6)?,
        member: row.get::<_, Option<[u8; 16]>>(7)?.map(|id| MemberId(Uuid::from_bytes(id))),
    })
}

/// What the audit log says of a key.
fn told(name: &str, scopes: &[Scope], end: Option<Timestamp>, member: Option<MemberId>) -> Value {
    json!({ "name": name, "scopes": scopes, "expiresAt": end.map(|end| end.to_string()), "member": member })
}
