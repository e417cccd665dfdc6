//! Addresses that are told of what happens in their company: their rows, and the secrets that sign what they get. What is
//! told stands in `outbox.rs`.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use loopfour_engine::event::Actor;
use loopfour_engine::notices::{Disabled, Notice, NoticeKind, Telling};
use loopfour_engine::{CompanyId, MessageId, NoticeId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use uuid::Uuid;

use crate::Store;
use crate::error::StorageError;
use crate::page::{Cursor, Page, Span};
use crate::secrets::{Place, SecretsError, Vault, read};
use crate::sqlite::audit::{self, Deed};
use crate::sqlite::runs::count;
use crate::sqlite::{json as from_json, optional_time, time, uuid};

/// So many addresses has a company at most: each of them is told of each thing.
pub const MOST_NOTICES: u64 = 20;

/// Bytes of the secret that signs messages.
const SECRET_BYTES: usize = 32;

/// An address that is to be told.
#[derive(Clone, Debug)]
pub struct NewNotice {
    /// Where messages go.
    pub url: String,
    /// What it asks for, see [`NoticeKind::is_asked_for_by`].
    pub events: Vec<String>,
}

/// Why an address was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// The company has as many as may be.
    #[error("a company has {MOST_NOTICES} notices at most; delete one that is not needed any more")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Store {
    /// Makes a notice, and the secret that signs what it gets: this is the only time that it is shown.
    ///
    /// # Errors
    /// The company has [`MOST_NOTICES`], the system has no randomness, or the database failed.
    pub async fn create_notice(
        &self,
        company: CompanyId,
        new: NewNotice,
        by: &Actor,
        now: Timestamp,
    ) -> Result<(Notice, SecretString), NoticeError> {
        let secret = random_secret()?;
        let notice = Notice {
            id: NoticeId(Uuid::now_v7()),
            company,
            url: new.url,
            events: new.events,
            created_at: now,
            disabled: None,
            failing_since: None,
            last_error: None,
            last_delivered_at: None,
            failures: 0,
        };
        let (row, sealed, by, vault) =
            (notice.clone(), secret.clone(), by.clone(), Arc::clone(&self.0.vault));
        let create = move |db: &Connection| insert(db, &row, &sealed, &read(&vault), &by);
        self.write(create, move |memory, ()| memory.listening.set(company, true)).await?;
        Ok((notice, secret))
    }

    /// A part of the list of a company's notices.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notices(&self, company: CompanyId, span: Span) -> Result<Page<Notice>, StorageError> {
        self.read(move |db| {
            let (after, comparison, direction) = span.sql();
            let mut statement = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM notices WHERE company = ?1 AND (created_at, id) {comparison} (?2, ?3)
                 ORDER BY created_at {direction}, id {direction} LIMIT ?4"
            ))?;
            let keys = params![company.0.as_bytes(), after.created_at.0, after.id.as_bytes(), span.wanted()];
            let rows = statement.query_map(keys, read_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(span.ordered(rows, |row| Cursor { created_at: row.created_at, id: row.id.0 }))
        })
        .await
    }

    /// Takes a notice away, with what is on its way to it; what it was, or `None` if there is no such one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn delete_notice(
        &self,
        company: CompanyId,
        id: NoticeId,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Option<Notice>, StorageError> {
        let by = by.clone();
        let delete = move |db: &Connection| {
            let Some(notice) = find(db, company, id)? else { return Ok(Ok((None, false))) };
            clear(db, company, id)?;
            let sql = "DELETE FROM notices WHERE id = ?1 AND company = ?2";
            db.prepare_cached(sql)?.execute(params![id.0.as_bytes(), company.0.as_bytes()])?;
            let deed = Deed::new("notice.delete", "notice", id).before(told(&notice));
            audit::note(db, company, &by, &deed, now)?;
            Ok(Ok::<_, StorageError>((Some(notice), listens(db, company)?)))
        };
        let committed = move |memory: &crate::Memory, (deleted, left): &(Option<Notice>, bool)| {
            if deleted.is_some() {
                memory.listening.set(company, *left);
            }
        };
        Ok(self.write(delete, committed).await?.0)
    }

    /// A message of [`NoticeKind::Test`] to a notice, disabled or not; `None` if there is no such one. It is not kept.
    ///
    /// # Errors
    /// The database failed.
    pub async fn test_telling(
        &self,
        company: CompanyId,
        id: NoticeId,
        now: Timestamp,
    ) -> Result<Option<Telling>, StorageError> {
        let found = self.read(move |db| {
            let sql = "SELECT url, secret FROM notices WHERE id = ?1 AND company = ?2";
            let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?));
            let keys = params![id.0.as_bytes(), company.0.as_bytes()];
            db.prepare_cached(sql)?.query_row(keys, read).optional()
        });
        let Some((url, sealed)) = found.await? else { return Ok(None) };
        Ok(Some(Telling {
            id: MessageId(Uuid::now_v7()),
            notice: id,
            company,
            url,
            secret: unsealed(&read(&self.0.vault), company, id, &sealed),
            body: NoticeKind::Test.message(now, &json!({ "noticeId": id })),
            attempts: 0,
            is_failing: false,
        }))
    }

    /// A message of a person's arrived at a notice: it is well, and told again if it was disabled. What it is now; `None` if
    /// there is no such one.
    ///
    /// # Errors
    /// The database failed.
    pub async fn notice_is_well(
        &self,
        company: CompanyId,
        id: NoticeId,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Option<Notice>, StorageError> {
        let by = by.clone();
        let mend = move |db: &Connection| {
            let Some(before) = find(db, company, id)? else { return Ok(Ok::<_, StorageError>(None)) };
            let sql = "UPDATE notices SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL,
                           last_error = NULL, last_delivered_at = ?3 WHERE id = ?1 AND company = ?2";
            db.prepare_cached(sql)?.execute(params![id.0.as_bytes(), company.0.as_bytes(), now.0])?;
            let after = Notice {
                disabled: None,
                failing_since: None,
                last_error: None,
                last_delivered_at: Some(now),
                ..before.clone()
            };
            if before.disabled.is_some() {
                let deed = Deed::new("notice.enable", "notice", id).before(told(&before)).after(told(&after));
                audit::note(db, company, &by, &deed, now)?;
            }
            Ok(Ok(Some(after)))
        };
        let committed = move |memory: &crate::Memory, mended: &Option<Notice>| {
            if mended.is_some() {
                memory.listening.set(company, true);
            }
        };
        self.write(mend, committed).await
    }
}

/// Where a notice's secret stands.
pub(crate) fn place(company: CompanyId, id: NoticeId) -> Place {
    Place { company, table: "notices", row: id.0, column: "secret" }
}

/// Every company with a notice that is not disabled.
pub(crate) fn listening(db: &Connection) -> rusqlite::Result<HashSet<CompanyId>> {
    let sql = "SELECT DISTINCT company FROM notices WHERE disabled_at IS NULL";
    db.prepare(sql)?.query_map([], |row| uuid(row, 0).map(CompanyId))?.collect()
}

/// Whether a company has a notice that is not disabled.
pub(crate) fn listens(db: &Connection, company: CompanyId) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM notices WHERE company = ?1 AND disabled_at IS NULL";
    db.prepare_cached(sql)?.exists([company.0.as_bytes()])
}

/// Takes away what is on its way to a notice.
pub(crate) fn clear(db: &Connection, company: CompanyId, id: NoticeId) -> rusqlite::Result<()> {
    let sql = "DELETE FROM outbox WHERE notice = ?1 AND company = ?2";
    db.prepare_cached(sql)?.execute(params![id.0.as_bytes(), company.0.as_bytes()]).map(drop)
}

/// The secret of a notice. One that cannot be read is empty: nothing can be signed with it, which shows where all failures
/// of the notice do, and holds up no other.
pub(crate) fn unsealed(vault: &Vault, company: CompanyId, id: NoticeId, sealed: &[u8]) -> SecretString {
    let opened = vault.unseal(place(company, id), sealed);
    let text = opened.as_ref().ok().and_then(|bytes| std::str::from_utf8(bytes).ok());
    SecretString::from(text.unwrap_or_default())
}

/// A notice, whatever its state.
pub(crate) fn find(db: &Connection, company: CompanyId, id: NoticeId) -> rusqlite::Result<Option<Notice>> {
    let sql = format!("SELECT {COLUMNS} FROM notices WHERE id = ?1 AND company = ?2");
    let keys = params![id.0.as_bytes(), company.0.as_bytes()];
    db.prepare_cached(&sql)?.query_row(keys, read_row).optional()
}

/// What the audit log says of a notice.
pub(crate) fn told(notice: &Notice) -> serde_json::Value {
    json!({
        "url": notice.url,
        "events": notice.events,
        "disabled": notice.disabled.as_ref().map(|disabled| &disabled.reason),
    })
}

fn insert(
    db: &Connection,
    notice: &Notice,
    secret: &SecretString,
    vault: &Vault,
    by: &Actor,
) -> rusqlite::Result<Result<(), NoticeError>> {
    let company = notice.company.0.as_bytes();
    let sql = "SELECT count(*) FROM notices WHERE company = ?1";
    let others = db.prepare_cached(sql)?.query_row([company], |row| count(row, 0))?;
    if others >= MOST_NOTICES {
        return Ok(Err(NoticeError::TooMany));
    }
    // Sealed here and not before: a key that is replaced meanwhile seals nothing any more.
    let sealed = vault.seal(place(notice.company, notice.id), secret.expose_secret().as_bytes());
    let sealed = match sealed {
        Ok(sealed) => sealed,
        Err(cause) => return Ok(Err(StorageError::other(cause.to_string()).into())),
    };
    let sql =
        "INSERT INTO notices (id, company, url, events, secret, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    db.prepare_cached(sql)?.execute(params![
        notice.id.0.as_bytes(),
        company,
        notice.url,
        json!(notice.events).to_string(),
        sealed,
        notice.created_at.0,
    ])?;
    let deed = Deed::new("notice.create", "notice", notice.id).after(told(notice));
    audit::note(db, notice.company, by, &deed, notice.created_at)?;
    Ok(Ok(()))
}

const COLUMNS: &str = "id, company, url, events, created_at, disabled_at, disabled_reason, failing_since, last_error, \
                       last_delivered_at, failures";

fn read_row(row: &Row<'_>) -> rusqlite::Result<Notice> {
    let disabled = match optional_time(row, 5)? {
        Some(at) => Some(Disabled { at, reason: row.get::<_, Option<String>>(6)?.unwrap_or_default() }),
        None => None,
    };
    Ok(Notice {
        id: NoticeId(uuid(row, 0)?),
        company: CompanyId(uuid(row, 1)?),
        url: row.get(2)?,
        events: from_json(row, 3)?,
        created_at: time(row, 4)?,
        disabled,
        failing_since: optional_time(row, 7)?,
        last_error: row.get(8)?,
        last_delivered_at: optional_time(row, 9)?,
        failures: count(row, 10)?,
    })
}

/// `whsec_` and 32 bytes in base64, as Standard Webhooks has it.
fn random_secret() -> Result<SecretString, StorageError> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(&mut *bytes)
        .map_err(|cause| StorageError::other(SecretsError::Randomness(cause.to_string()).to_string()))?;
    let text = Zeroizing::new(BASE64.encode(*bytes));
    Ok(SecretString::from(format!("whsec_{}", *text)))
}
