//! Companies, the tenants.

use loopfour_engine::{CompanyId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use crate::error::StorageError;
use crate::sqlite::uuid;
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

impl Store {
    /// Makes a company, without any key.
    ///
    /// # Errors
    /// The name is taken, or the database failed.
    pub async fn create_company(&self, name: &str, now: Timestamp) -> Result<CompanyId, CompanyError> {
        let name = name.to_owned();
        let insert = move |db: &Connection| {
            let id = insert(db, &name, now)?;
            Ok(id.ok_or(CompanyError::Exists(name.clone())))
        };
        self.write(insert, |_, _| {}).await
    }
}

/// The company of the first start, made if it is not there.
pub(crate) fn ensure_default(db: &Connection, now: Timestamp) -> rusqlite::Result<CompanyId> {
    let sql = "SELECT id FROM companies WHERE name = ?1";
    let find = || db.query_row(sql, [DEFAULT_COMPANY], |row| uuid(row, 0).map(CompanyId)).optional();
    match find()? {
        Some(id) => Ok(id),
        None => insert(db, DEFAULT_COMPANY, now)?.ok_or(rusqlite::Error::QueryReturnedNoRows),
    }
}

/// The new company's id; none if the name is taken.
fn insert(db: &Connection, name: &str, now: Timestamp) -> rusqlite::Result<Option<CompanyId>> {
    let id = Uuid::now_v7();
    let sql =
        "INSERT INTO companies (id, name, created_at) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING";
    let inserted = db.prepare_cached(sql)?.execute(params![id.as_bytes(), name, now.0])?;
    Ok((inserted == 1).then_some(CompanyId(id)))
}
