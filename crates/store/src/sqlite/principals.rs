//! Whom a key or a session stands for. The answer is kept in memory, since every request asks; the writer drops what is
//! kept whenever a key, a session or a member changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use loopfour_engine::{CompanyId, KeyId, MemberId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tokio::sync::watch::Receiver;
use uuid::Uuid;

use crate::access::{Holder, Principal, Role, Scope};
use crate::credential::{Secret, Token};
use crate::error::StorageError;
use crate::sqlite::{json, named, optional_time, time, uuid};
use crate::{Memory, Store};

/// The last use of a key or member is written down at most this often, in milliseconds.
const USE_INTERVAL: i64 = 60_000;

/// A key or session as it is kept in memory.
#[derive(Clone)]
pub(crate) struct Known {
    principal: Arc<Principal>,
    /// The last use that is written down.
    last_used_at: Arc<AtomicI64>,
}

impl Store {
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
        match key.parse::<Secret>() {
            Ok(secret) => self.known(secret.hash(), find_key, now).await,
            Err(_) => Ok(None),
        }
    }

    /// Whom a session stands for; `None` if it is unknown, ended or past its end. From memory, once it was asked for.
    ///
    /// # Errors
    /// The database failed.
    pub async fn authenticate_session(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<Principal>>, StorageError> {
        match Token::read(token) {
            Some(token) => self.known(token.hash(), find_session, now).await,
            None => Ok(None),
        }
    }

    async fn known(
        &self,
        hash: [u8; 32],
        find: impl FnOnce(&Connection, &[u8; 32]) -> rusqlite::Result<Option<Known>> + Send + 'static,
        now: Timestamp,
    ) -> Result<Option<Arc<Principal>>, StorageError> {
        let known = match self.0.memory.principals.get(&hash) {
            Ok(known) => known,
            Err(mark) => {
                let Some(known) = self.read(move |db| find(db, &hash)).await? else { return Ok(None) };
                self.0.memory.principals.fill(mark, hash, known.clone());
                known
            }
        };
        if known.principal.expires_at.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        self.note_use(&known, now);
        Ok(Some(known.principal))
    }

    /// Changes whenever a key, session or member may have lost a right, whichever it was; then ask
    /// [`Store::is_revoked`]. For what goes on for long.
    pub fn revocations(&self) -> Receiver<u64> {
        self.0.memory.revocations.subscribe()
    }

    /// Whether what a principal was taken for is no longer so: the key was revoked, the session ended, the member
    /// deactivated, or a scope lost. Its end by itself is not asked for here.
    ///
    /// # Errors
    /// The database failed.
    pub async fn is_revoked(&self, principal: &Principal) -> Result<bool, StorageError> {
        let (holder, session, company) = (principal.holder.clone(), principal.session, principal.company);
        let found = self.read(move |db| match (session, holder) {
            (Some(hash), _) => find_session(db, &hash),
            (None, Holder::Key { id, .. }) => find_key_by_id(db, company, id),
            // Members act by sessions.
            (None, Holder::Member { .. }) => Ok(None),
        });
        let now = found.await?;
        let has = |now: &Known| principal.scopes.iter().all(|scope| now.principal.scopes.contains(scope));
        Ok(!now.as_ref().is_some_and(has))
    }

    /// Writes a use down if the last one written is old. Nobody waits for it, and under load it may be left out.
    fn note_use(&self, known: &Known, now: Timestamp) {
        let last = known.last_used_at.load(Ordering::Relaxed);
        let is_due = now.0.saturating_sub(last) >= USE_INTERVAL;
        let claim = || known.last_used_at.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed);
        if !is_due || claim().is_err() {
            return;
        }
        let principal = Arc::clone(&known.principal);
        self.0.writer.write_if_idle(move |db| {
            let sql = match principal.holder {
                Holder::Key { .. } => "UPDATE keys SET last_used_at = ?3 WHERE id = ?1 AND company = ?2",
                Holder::Member { .. } => {
                    "UPDATE members SET last_seen_at = ?3 WHERE id = ?1 AND company = ?2"
                }
            };
            let id = principal.id();
            let values = params![id.as_bytes(), principal.company.0.as_bytes(), now.0];
            db.prepare_cached(sql)?.execute(values).map(drop)
        });
    }
}

impl Memory {
    /// Somebody may have lost a right: what is kept is dropped, and those who go on for long are told.
    pub(crate) fn revoked(&self) {
        self.principals.clear();
        self.revocations.send_modify(|count| *count += 1);
    }
}

/// What [`read_key`] reads; a key of a member who is not active is none.
const KEY: &str =
    "SELECT k.id, k.name, k.scopes, k.expires_at, k.last_used_at, c.id, c.name, k.member, m.role
                   FROM keys k JOIN companies c ON c.id = k.company
                   LEFT JOIN members m ON m.id = k.member AND m.company = k.company AND m.active
                   WHERE k.revoked_at IS NULL AND (k.member IS NULL OR m.id IS NOT NULL)";

fn find_key(db: &Connection, hash: &[u8; 32]) -> rusqlite::Result<Option<Known>> {
    let sql = format!("{KEY} AND k.hash = ?1");
    db.prepare_cached(&sql)?.query_row([hash], read_key).optional()
}

fn find_key_by_id(db: &Connection, company: CompanyId, id: KeyId) -> rusqlite::Result<Option<Known>> {
    let sql = format!("{KEY} AND k.id = ?1 AND k.company = ?2");
    let keys = params![id.0.as_bytes(), company.0.as_bytes()];
    db.prepare_cached(&sql)?.query_row(keys, read_key).optional()
}

fn read_key(row: &Row<'_>) -> rusqlite::Result<Known> {
    let member = row.get::<_, Option<[u8; 16]>>(7)?.map(|id| MemberId(Uuid::from_bytes(id)));
    let mut scopes: Vec<Scope> = json(row, 2)?;
    if member.is_some() {
        let role = role(row, 8)?;
        scopes.retain(|scope| role.scopes().contains(scope));
    }
    let principal = Principal {
        company: CompanyId(uuid(row, 5)?),
        company_name: row.get(6)?,
        holder: Holder::Key { id: KeyId(uuid(row, 0)?), name: row.get(1)?, member },
        scopes,
        expires_at: optional_time(row, 3)?,
        session: None,
    };
    Ok(known(principal, optional_time(row, 4)?))
}

fn find_session(db: &Connection, hash: &[u8; 32]) -> rusqlite::Result<Option<Known>> {
    let sql = "SELECT s.key, s.company, s.expires_at, m.id, m.email, m.role, m.last_seen_at, c.name
               FROM sessions s JOIN companies c ON c.id = s.company
               LEFT JOIN members m ON m.id = s.member AND m.company = s.company AND m.active
               WHERE s.hash = ?1 AND s.ended_at IS NULL AND (s.member IS NULL OR m.id IS NOT NULL)";
    let read = |row: &Row<'_>| {
        let (company, end) = (CompanyId(uuid(row, 1)?), time(row, 2)?);
        if let Some(key) = row.get::<_, Option<[u8; 16]>>(0)? {
            return Ok((company, end, Err(KeyId(Uuid::from_bytes(key)))));
        }
        let principal = Principal {
            company,
            company_name: row.get(7)?,
            holder: Holder::Member { id: MemberId(uuid(row, 3)?), email: row.get(4)? },
            scopes: role(row, 5)?.scopes().to_vec(),
            expires_at: Some(end),
            session: Some(*hash),
        };
        Ok((company, end, Ok(known(principal, optional_time(row, 6)?))))
    };
    let Some((company, end, found)) = db.prepare_cached(sql)?.query_row([hash], read).optional()? else {
        return Ok(None);
    };
    let key = match found {
        Ok(member) => return Ok(Some(member)),
        Err(key) => key,
    };
    // A key's session is worth what the key is, and ends with it.
    let found = find_key_by_id(db, company, key)?;
    Ok(found.map(|key| {
        let mut principal = Principal::clone(&key.principal);
        principal.expires_at = Some(principal.expires_at.map_or(end, |own| own.min(end)));
        principal.session = Some(*hash);
        Known { principal: Arc::new(principal), last_used_at: key.last_used_at }
    }))
}

fn known(principal: Principal, last_used_at: Option<Timestamp>) -> Known {
    let last_used_at = AtomicI64::new(last_used_at.map_or(i64::MIN, |at| at.0));
    Known { principal: Arc::new(principal), last_used_at: Arc::new(last_used_at) }
}

/// A role in a column.
pub(crate) fn role(row: &Row<'_>, column: usize) -> rusqlite::Result<Role> {
    named(row, column, |name| name.parse().ok())
}
