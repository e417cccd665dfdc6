//! Companies, the tenants.

use loopfour_engine::event::Actor;
use loopfour_engine::{CompanyId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::json;
use uuid::Uuid;

use crate::access::Scope;
use crate::credential::Secret;
use crate::error::StorageError;
use crate::page::{Cursor, Page, Span};
use crate::sqlite::audit::{self, Deed};
use crate::sqlite::keys::{self, NewKey};
use crate::sqlite::{time, uuid};
use crate::{DEFAULT_COMPANY, Store};

/// Why a company was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompanyError {
    /// The name is taken.
    #[error("a company named `{0}` exists already")]
    Exists(String),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompanyRow {
    /// Its id.
    pub id: CompanyId,
    /// Its name; no other has it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Store {
    /// Makes a company and its first key, which has all scopes and cannot be shown again.
    ///
    /// # Errors
    /// The name is taken, the system has no randomness, or the database failed.
    pub async fn create_company(
        &self,
        name: &str,
        by: &Actor,
        now: Timestamp,
    ) -> Result<(CompanyId, Secret), CompanyError> {
        let secret = Secret::random()?;
        let first =
            NewKey { name: "first".to_owned(), scopes: Scope::ALL.to_vec(), expires_at: None, member: None };
        let key = keys::Prepared::new(first, &secret)?;
        let (name, by) = (name.to_owned(), by.clone());
        let create = move |db: &Connection| {
            let Some(id) = insert(db, &name, &by, now)? else {
                return Ok(Err(CompanyError::Exists(name.clone())));
            };
            let made = key.store(db, id, &by, now)?;
            Ok(made.map(|_| id).map_err(|cause| StorageError::other(cause.to_string()).into()))
        };
        let id = self.write(create, |memory, id| memory.refusals.add_company(*id)).await?;
        Ok((id, secret))
    }

    /// A part of the list of companies. Knows no bounds between them: for who runs the server.
    ///
    /// # Errors
    /// The database failed.
    pub async fn companies(&self, span: Span) -> Result<Page<CompanyRow>, StorageError> {
        self.read(move |db| {
            let (after, comparison, direction) = span.sql();
            let mut statement = db.prepare_cached(&format!(
                "SELECT id, name, created_at FROM companies WHERE (created_at, id) {comparison} (?1, ?2)
                 ORDER BY created_at {direction}, id {direction} LIMIT ?3"
            ))?;
            let keys = params![after.created_at.0, after.id.as_bytes(), span.wanted()];
            let rows = statement.query_map(keys, read_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(span.ordered(rows, |row| Cursor { created_at: row.created_at, id: row.id.0 }))
        })
        .await
    }

    /// The company of that name.
    ///
    /// # Errors
    /// The database failed.
    pub async fn company_by_name(&self, name: &str) -> Result<Option<CompanyRow>, StorageError> {
        let name = name.to_owned();
        self.read(move |db| {
            let sql = "SELECT id, name, created_at FROM companies WHERE name = ?1";
            db.prepare_cached(sql)?.query_row([name], read_row).optional()
        })
        .await
    }
}

/// The company of the first start, made if it is not there.
pub(crate) fn ensure_default(db: &Connection, now: Timestamp) -> rusqlite::Result<CompanyId> {
    let sql = "SELECT id FROM companies WHERE name = ?1";
    let find = || db.query_row(sql, [DEFAULT_COMPANY], |row| uuid(row, 0).map(CompanyId)).optional();
    match find()? {
        Some(id) => Ok(id),
        None => {
            let transaction = db.unchecked_transaction()?;
            let made = insert(&transaction, DEFAULT_COMPANY, &Actor::system("first start"), now)?;
            transaction.commit()?;
            made.ok_or(rusqlite::Error::QueryReturnedNoRows)
        }
    }
}

/// The new company's id; none if the name is taken.
fn insert(db: &Connection, name: &str, by: &Actor, now: Timestamp) -> rusqlite::Result<Option<CompanyId>> {
    let id = CompanyId(Uuid::now_v7());
    let sql =
        "INSERT INTO companies (id, name, created_at) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING";
    let inserted = db.prepare_cached(sql)?.execute(params![id.0.as_bytes(), name, now.0])?;
    if inserted == 0 {
        return Ok(None);
    }
    let deed = Deed::new("company.create", "company", id).after(json!({ "name": name }));
    audit::note(db, id, by, &deed, now)?;
    Ok(Some(id))
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<CompanyRow> {
    Ok(CompanyRow { id: CompanyId(uuid(row, 0)?), name: row.get(1)?, created_at: time(row, 2)? })
}
