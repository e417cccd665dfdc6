//! Members: the people of a company. How a person signs in is another file's; whether an address is one is the server's
//! business.

use loopfour_engine::event::Actor;
use loopfour_engine::{CompanyId, MemberId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::json;
use uuid::Uuid;

use crate::Store;
use crate::access::Role;
use crate::error::StorageError;
use crate::page::{Cursor, Page, Span};
use crate::sqlite::audit::{self, Deed};
use crate::sqlite::principals::role;
use crate::sqlite::{optional_time, time, uuid};

/// A member of a company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    /// Its id.
    pub id: MemberId,
    /// The company.
    pub company: CompanyId,
    /// The e-mail address, as it was given.
    pub email: String,
    /// What the member may do.
    pub role: Role,
    /// What a person said that the member may do; none for one whom a group of the OpenID provider made a member.
    pub invited_as: Option<Role>,
    /// Whether the member may do anything.
    pub active: bool,
    /// The OpenID provider where the person signed in, if that happened.
    pub issuer: Option<String>,
    /// When the member was made.
    pub created_at: Timestamp,
    /// When the role, the activity or the identity last changed.
    pub updated_at: Timestamp,
    /// When a session of the member was last used, to the minute.
    pub last_seen_at: Option<Timestamp>,
}

impl MemberRow {
    /// Where it stands in lists.
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: self.id.0 }
    }

    /// The member as journals and the audit log name it, with the address that the request came from.
    pub fn actor(&self, address: Option<String>) -> Actor {
        Actor { id: self.id.to_string(), name: self.email.clone(), address }
    }
}

/// What is to be changed of a member; what is `None` stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemberChange {
    /// What the member may do.
    pub role: Option<Role>,
    /// Whether the member may do anything.
    pub active: Option<bool>,
}

/// Why nothing was done to a member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// The company has none of that id.
    #[error("{0} does not exist")]
    Missing(MemberId),
    /// The company has a member of that address, in whatever case.
    #[error("a member with the address `{0}` exists already")]
    Exists(String),
    /// The member was deactivated, or the key was revoked.
    #[error("{0} is not active")]
    Inactive(String),
    /// The member is another person of this OpenID provider, or the person is another member.
    #[error("{0} is another person of the OpenID provider")]
    OtherPerson(MemberId),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Store {
    /// Makes a member, who is active.
    ///
    /// # Errors
    /// The company has a member of that address, there is no such company, or the database failed.
    pub async fn create_member(
        &self,
        company: CompanyId,
        email: &str,
        role: Role,
        by: &Actor,
        now: Timestamp,
    ) -> Result<MemberRow, MemberError> {
        self.insert_member(company, email, (role, Some(role)), by, now).await
    }

    /// Makes a member, who is active, because a group of the OpenID provider gives the role: without that group it is
    /// none any more.
    ///
    /// # Errors
    /// As [`Store::create_member`].
    pub async fn admit_member(
        &self,
        company: CompanyId,
        email: &str,
        role: Role,
        by: &Actor,
        now: Timestamp,
    ) -> Result<MemberRow, MemberError> {
        self.insert_member(company, email, (role, None), by, now).await
    }

    async fn insert_member(
        &self,
        company: CompanyId,
        email: &str,
        (role, invited_as): (Role, Option<Role>),
        by: &Actor,
        now: Timestamp,
    ) -> Result<MemberRow, MemberError> {
        let row = MemberRow {
            id: MemberId(Uuid::now_v7()),
            company,
            email: email.to_owned(),
            role,
            invited_as,
            active: true,
            issuer: None,
            created_at: now,
            updated_at: now,
            last_seen_at: None,
        };
        let by = by.clone();
        let create = move |db: &Connection| {
            let sql =
                "INSERT INTO members (id, company, email, email_key, role, active, created_at, updated_at, invited_as)
                       VALUES (?1, ?2, ?3, ?4, ?5, TRUE, ?6, ?6, ?7) ON CONFLICT (company, email_key) DO NOTHING";
            let inserted = db.prepare_cached(sql)?.execute(params![
                row.id.0.as_bytes(),
                company.0.as_bytes(),
                row.email,
                row.email.to_lowercase(),
                role.name(),
                now.0,
                invited_as.map(Role::name),
            ])?;
            if inserted == 0 {
                return Ok(Err(MemberError::Exists(row.email.clone())));
            }
            let deed = Deed::new("member.create", "member", row.id);
            audit::note(db, company, &by, &deed.after(json!({ "email": row.email, "role": role })), now)?;
            Ok(Ok(row.clone()))
        };
        self.write(create, |_, _| {}).await
    }

    /// A part of the list of members, inactive ones too.
    ///
    /// # Errors
    /// The database failed.
    pub async fn members(&self, company: CompanyId, span: Span) -> Result<Page<MemberRow>, StorageError> {
        self.read(move |db| {
            let (after, comparison, direction) = span.sql();
            let mut statement = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM members WHERE company = ?1 AND (created_at, id) {comparison} (?2, ?3)
                 ORDER BY created_at {direction}, id {direction} LIMIT ?4"
            ))?;
            let keys = params![company.0.as_bytes(), after.created_at.0, after.id.as_bytes(), span.wanted()];
            let rows = statement.query_map(keys, read_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(span.ordered(rows, MemberRow::cursor))
        })
        .await
    }

    /// A member, inactive or not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn member(&self, company: CompanyId, id: MemberId) -> Result<Option<MemberRow>, StorageError> {
        self.read(move |db| find(db, company, id)).await
    }

    /// The member of whichever company that is this person of an OpenID provider, inactive or not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn member_by_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<MemberRow>, StorageError> {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.read(move |db| {
            let sql = format!("SELECT {COLUMNS} FROM members WHERE issuer = ?1 AND subject = ?2");
            db.prepare_cached(&sql)?.query_row(params![issuer, subject], read_row).optional()
        })
        .await
    }

    /// The members of all companies with this address, in whatever case, the oldest first, inactive ones too.
    ///
    /// # Errors
    /// The database failed.
    pub async fn members_by_email(&self, email: &str) -> Result<Vec<MemberRow>, StorageError> {
        let email = email.to_lowercase();
        self.read(move |db| {
            let sql = format!("SELECT {COLUMNS} FROM members WHERE email_key = ?1 ORDER BY created_at, id");
            db.prepare_cached(&sql)?.query_map([email], read_row)?.collect()
        })
        .await
    }

    /// Changes a member's role or activity; it counts at once for keys and sessions. Deactivating a member revokes all
    /// keys, ends all sessions and links, and forgets the identity at the OpenID provider: what comes after a
    /// reactivation begins anew.
    ///
    /// # Errors
    /// There is no such member, or the database failed.
    pub async fn update_member(
        &self,
        company: CompanyId,
        id: MemberId,
        change: MemberChange,
        by: &Actor,
        now: Timestamp,
    ) -> Result<MemberRow, MemberError> {
        let wanted = move |old: &MemberRow| MemberRow {
            role: change.role.unwrap_or(old.role),
            invited_as: change.role.or(old.invited_as),
            active: change.active.unwrap_or(old.active),
            ..old.clone()
        };
        self.change_member(company, id, wanted, by, now).await
    }

    /// Gives a member the role that a group of the OpenID provider, or the invitation, gives now.
    ///
    /// # Errors
    /// As [`Store::update_member`].
    pub async fn set_role_by_group(
        &self,
        company: CompanyId,
        id: MemberId,
        role: Role,
        by: &Actor,
        now: Timestamp,
    ) -> Result<MemberRow, MemberError> {
        self.change_member(company, id, move |old| MemberRow { role, ..old.clone() }, by, now).await
    }

    async fn change_member(
        &self,
        company: CompanyId,
        id: MemberId,
        wanted: impl Fn(&MemberRow) -> MemberRow + Send + 'static,
        by: &Actor,
        now: Timestamp,
    ) -> Result<MemberRow, MemberError> {
        let by = by.clone();
        let update = move |db: &Connection| {
            let Some(old) = find(db, company, id)? else { return Ok(Err(MemberError::Missing(id))) };
            let row = wanted(&old);
            if row == old {
                return Ok(Ok(old));
            }
            let (role, active) = (row.role, row.active);
            let issuer = old.issuer.clone().filter(|_| active);
            let row = MemberRow { issuer, updated_at: now, ..row };
            let sql = "UPDATE members SET role = ?3, active = ?4, updated_at = ?5, invited_as = ?6,
                              issuer = iif(?4, issuer, NULL), subject = iif(?4, subject, NULL)
                       WHERE id = ?1 AND company = ?2";
            let (key, owner) = (id.0.as_bytes(), company.0.as_bytes());
            let invited_as = row.invited_as.map(Role::name);
            db.prepare_cached(sql)?.execute(params![key, owner, role.name(), active, now.0, invited_as])?;
            if !active {
                end_everything(db, company, id, now)?;
            }
            let told = |row: &MemberRow| json!({ "role": row.role, "active": row.active });
            let deed = Deed::new("member.update", "member", id).before(told(&old)).after(told(&row));
            audit::note(db, company, &by, &deed, now)?;
            Ok(Ok(row))
        };
        self.write(update, |memory, _| memory.revoked()).await
    }

    /// Remembers which person of an OpenID provider a member is. One who was bound to a person of another provider is
    /// this one from now on; to another person of the same provider only after a deactivation.
    ///
    /// # Errors
    /// There is no such member or it is not active, the member is another person or the person another member, or the
    /// database failed.
    pub async fn bind_identity(
        &self,
        member: &MemberRow,
        issuer: &str,
        subject: &str,
        by: &Actor,
        now: Timestamp,
    ) -> Result<(), MemberError> {
        let (company, id) = (member.company, member.id);
        let (issuer, subject, by) = (issuer.to_owned(), subject.to_owned(), by.clone());
        let bind = move |db: &Connection| {
            let (key, owner) = (id.0.as_bytes(), company.0.as_bytes());
            let sql = "SELECT active, issuer, subject FROM members WHERE id = ?1 AND company = ?2";
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let found = db.prepare_cached(sql)?.query_row(params![key, owner], read).optional()?;
            let Some((active, old_issuer, old_subject)): Option<(bool, Option<String>, Option<String>)> =
                found
            else {
                return Ok(Err(MemberError::Missing(id)));
            };
            if !active {
                return Ok(Err(MemberError::Inactive(id.to_string())));
            }
            if old_issuer.as_ref() == Some(&issuer) {
                let is_same = old_subject.as_ref() == Some(&subject);
                return Ok(if is_same { Ok(()) } else { Err(MemberError::OtherPerson(id)) });
            }
            let sql = "UPDATE OR IGNORE members SET issuer = ?3, subject = ?4, updated_at = ?5
                       WHERE id = ?1 AND company = ?2";
            let changed = db.prepare_cached(sql)?.execute(params![key, owner, issuer, subject, now.0])?;
            if changed == 0 {
                return Ok(Err(MemberError::OtherPerson(id)));
            }
            let deed = Deed::new("member.update", "member", id)
                .before(json!({ "issuer": old_issuer, "subject": old_subject }))
                .after(json!({ "issuer": issuer, "subject": subject }));
            audit::note(db, company, &by, &deed, now)?;
            Ok(Ok(()))
        };
        self.write(bind, |_, ()| {}).await
    }
}

const COLUMNS: &str =
    "id, company, email, role, active, issuer, created_at, updated_at, last_seen_at, invited_as";

/// The company's member.
pub(crate) fn find(db: &Connection, company: CompanyId, id: MemberId) -> rusqlite::Result<Option<MemberRow>> {
    let sql = format!("SELECT {COLUMNS} FROM members WHERE id = ?1 AND company = ?2");
    let keys = params![id.0.as_bytes(), company.0.as_bytes()];
    db.prepare_cached(&sql)?.query_row(keys, read_row).optional()
}

/// Whether the company has the member, who may act.
pub(crate) fn is_active(db: &Connection, company: CompanyId, id: MemberId) -> rusqlite::Result<bool> {
    Ok(find(db, company, id)?.is_some_and(|member| member.active))
}

/// Ends what a member could act by.
fn end_everything(db: &Connection, company: CompanyId, id: MemberId, now: Timestamp) -> rusqlite::Result<()> {
    let keys = "UPDATE keys SET revoked_at = ?3 WHERE member = ?1 AND company = ?2 AND revoked_at IS NULL";
    let sessions =
        "UPDATE sessions SET ended_at = ?3 WHERE member = ?1 AND company = ?2 AND ended_at IS NULL";
    for sql in [keys, sessions] {
        db.prepare_cached(sql)?.execute(params![id.0.as_bytes(), company.0.as_bytes(), now.0])?;
    }
    let links = "DELETE FROM login_links WHERE member = ?1 AND company = ?2";
    db.prepare_cached(links)?.execute(params![id.0.as_bytes(), company.0.as_bytes()]).map(drop)
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<MemberRow> {
    Ok(MemberRow {
        id: MemberId(uuid(row, 0)?),
        company: CompanyId(uuid(row, 1)?),
        email: row.get(2)?,
        role: role(row, 3)?,
        active: row.get(4)?,
        issuer: row.get(5)?,
        created_at: time(row, 6)?,
        updated_at: time(row, 7)?,
        last_seen_at: optional_time(row, 8)?,
        invited_as: row.get::<_, Option<String>>(9)?.map(|_| role(row, 9)).transpose()?,
    })
}
