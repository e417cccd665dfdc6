//! How people come in: links that sign a member in once, and sessions. Only hashes are stored of both. How a token
//! travels is the server's business.

use loopfour_engine::event::Actor;
use loopfour_engine::{CompanyId, KeyId, MemberId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::json;
use uuid::Uuid;

use crate::Store;
use crate::credential::Token;
use crate::error::StorageError;
use crate::sqlite::audit::{self, Deed};
use crate::sqlite::members::{self, MemberError, MemberRow};
use crate::sqlite::uuid;

/// How long a link can be used, in milliseconds: 72 hours.
const LINK_LIFETIME: i64 = 72 * 60 * 60 * 1000;

/// How long a session lasts, in milliseconds: 12 hours.
const SESSION_LIFETIME: i64 = 12 * 60 * 60 * 1000;

/// What was opened for a while: a link or a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// For its holder; shown only here.
    pub token: Token,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// Whose a session is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionOf {
    /// A member's.
    Member(MemberId),
    /// A key's; it ends with the key.
    Key(KeyId),
}

impl Store {
    /// Makes a link's token that signs the member in once, within 72 hours. Earlier ones of the member end. Whom a group
    /// made a member has the role by invitation from now on.
    ///
    /// # Errors
    /// There is no such member or it is not active, the system has no randomness, or the database failed.
    pub async fn invite(
        &self,
        company: CompanyId,
        member: MemberId,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Opened, MemberError> {
        let opened = opened(now, LINK_LIFETIME)?;
        let (hash, end, by) = (opened.token.hash(), opened.expires_at, by.clone());
        let invite = move |db: &Connection| {
            let found = members::find(db, company, member)?;
            if let Err(refusal) = able(found, member) {
                return Ok(Err(refusal));
            }
            let keys = params![company.0.as_bytes(), member.0.as_bytes()];
            let old = "DELETE FROM login_links WHERE company = ?1 AND member = ?2";
            db.prepare_cached(old)?.execute(keys)?;
            let invited =
                "UPDATE members SET invited_as = role WHERE company = ?1 AND id = ?2 AND invited_as IS NULL";
            db.prepare_cached(invited)?.execute(keys)?;
            let sql = "INSERT INTO login_links (hash, company, member, created_at, expires_at)
                       VALUES (?1, ?2, ?3, ?4, ?5)";
            let values = params![hash, company.0.as_bytes(), member.0.as_bytes(), now.0, end.0];
            db.prepare_cached(sql)?.execute(values)?;
            let deed = Deed::new("member.invite", "member", member);
            audit::note(db, company, &by, &deed.after(json!({ "expiresAt": end.to_string() })), now)?;
            Ok(Ok(()))
        };
        self.write(invite, |_, ()| {}).await.map(|()| opened)
    }

    /// Uses a link up, and gives its member; `None` if it is unknown, used or past its end, or the member is not active.
    ///
    /// # Errors
    /// The database failed.
    pub async fn redeem(&self, link: &str, now: Timestamp) -> Result<Option<MemberRow>, StorageError> {
        let Some(hash) = Token::read(link).map(|token| token.hash()) else { return Ok(None) };
        let redeem = move |db: &Connection| {
            let sql = "UPDATE login_links SET used_at = ?2
                       WHERE hash = ?1 AND used_at IS NULL AND expires_at > ?2 RETURNING company, member";
            let read = |row: &Row<'_>| Ok((CompanyId(uuid(row, 0)?), MemberId(uuid(row, 1)?)));
            let found = db.prepare_cached(sql)?.query_row(params![hash, now.0], read).optional()?;
            let Some((company, member)) = found else { return Ok(Ok(None)) };
            Ok(Ok(members::find(db, company, member)?.filter(|member| member.active)))
        };
        self.write(redeem, |_, _| {}).await
    }

    /// Opens a session of 12 hours.
    ///
    /// # Errors
    /// The company has no such member or key, or it is not active, the system has no randomness, or the database failed.
    pub async fn open_session(
        &self,
        company: CompanyId,
        holder: SessionOf,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Opened, MemberError> {
        let opened = opened(now, SESSION_LIFETIME)?;
        let (hash, end, by) = (opened.token.hash(), opened.expires_at, by.clone());
        let open = move |db: &Connection| {
            let (member, key, deed) = match holder {
                SessionOf::Member(id) => {
                    if let Err(refusal) = able(members::find(db, company, id)?, id) {
                        return Ok(Err(refusal));
                    }
                    (Some(id.0), None, Deed::new("session.open", "member", id))
                }
                SessionOf::Key(id) => {
                    let sql = "SELECT 1 FROM keys WHERE id = ?1 AND company = ?2 AND revoked_at IS NULL";
                    let keys = params![id.0.as_bytes(), company.0.as_bytes()];
                    if !db.prepare_cached(sql)?.exists(keys)? {
                        return Ok(Err(MemberError::Inactive(id.to_string())));
                    }
                    (None, Some(id.0), Deed::new("session.open", "key", id))
                }
            };
            let over = "DELETE FROM sessions WHERE company = ?1 AND expires_at <= ?2";
            db.prepare_cached(over)?.execute(params![company.0.as_bytes(), now.0])?;
            let sql = "INSERT INTO sessions (hash, company, member, key, created_at, expires_at)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            db.prepare_cached(sql)?.execute(params![
                hash,
                company.0.as_bytes(),
                member.as_ref().map(Uuid::as_bytes),
                key.as_ref().map(Uuid::as_bytes),
                now.0,
                end.0,
            ])?;
            audit::note(db, company, &by, &deed.after(json!({ "expiresAt": end.to_string() })), now)?;
            Ok(Ok(()))
        };
        self.write(open, |_, ()| {}).await.map(|()| opened)
    }

    /// Ends a session at once. Says whether there was one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn end_session(&self, token: &str, by: &Actor, now: Timestamp) -> Result<bool, StorageError> {
        let Some(hash) = Token::read(token).map(|token| token.hash()) else { return Ok(false) };
        let by = by.clone();
        let end = move |db: &Connection| {
            let sql = "UPDATE sessions SET ended_at = ?2 WHERE hash = ?1 AND ended_at IS NULL
                       RETURNING company, member, key";
            let id = |row: &Row<'_>, column| row.get::<_, Option<[u8; 16]>>(column);
            let read = |row: &Row<'_>| Ok((CompanyId(uuid(row, 0)?), id(row, 1)?, id(row, 2)?));
            let found = db.prepare_cached(sql)?.query_row(params![hash, now.0], read).optional()?;
            let Some((company, member, key)) = found else { return Ok(Ok(false)) };
            let member = member.map(|id| Deed::new("session.end", "member", MemberId(Uuid::from_bytes(id))));
            let key = key.map(|id| Deed::new("session.end", "key", KeyId(Uuid::from_bytes(id))));
            if let Some(deed) = member.or(key) {
                audit::note(db, company, &by, &deed, now)?;
            }
            Ok(Ok(true))
        };
        self.write(end, |memory, ended| {
            if *ended {
                memory.revoked();
            }
        })
        .await
    }
}

/// Removes links and sessions that are over.
pub(crate) fn sweep(db: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    for table in ["login_links", "sessions"] {
        let sql =
            format!("DELETE FROM {table} WHERE company IN (SELECT id FROM companies) AND expires_at <= ?1");
        db.execute(&sql, [now.0])?;
    }
    Ok(())
}

fn opened(now: Timestamp, lifetime: i64) -> Result<Opened, StorageError> {
    Ok(Opened { token: Token::random()?, expires_at: Timestamp(now.0.saturating_add(lifetime)) })
}

/// Refuses a member who cannot act.
fn able(found: Option<MemberRow>, id: MemberId) -> Result<(), MemberError> {
    match found {
        None => Err(MemberError::Missing(id)),
        Some(member) if !member.active => Err(MemberError::Inactive(id.to_string())),
        Some(_) => Ok(()),
    }
}
