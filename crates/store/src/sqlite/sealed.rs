//! What the database holds sealed, all of it: which keys it needs, whether the key file is the right one, and how all of
//! it is sealed anew with another key.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use loopfour_engine::event::Actor;
use loopfour_engine::{CompanyId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::json;
use uuid::Uuid;

use crate::Store;
use crate::error::{OpenError, StorageError};
use crate::secrets::{Place, SecretKeyId, SecretsError, Vault, read, sealed_with};
use crate::sqlite::audit::{self, Deed};
use crate::sqlite::{refusal, uuid};

/// A fact about the database: something sealed, by which the right key is recognised.
const TOUCHSTONE: &str = "touchstone";

/// Every column that holds what is sealed, in a table whose rows have an `id` and a `company`.
const COLUMNS: [(&str, &str); 5] = [
    ("connections", "secret"),
    ("connections", "webhook_secrets"),
    ("webhook_secrets", "secrets"),
    ("registrations", "secret"),
    ("notices", "secret"),
];

/// What is sealed in it.
const MARK: &[u8] = b"loopfour";

/// Secrets that were sealed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The key that seals everything now.
    pub key: SecretKeyId,
    /// How many secrets were sealed anew.
    pub secrets: u64,
    /// Whether the key file still has the keys before it.
    pub old_keys_kept: bool,
}

/// Why secrets were not sealed anew. Nothing is lost: what is stored can be read with the key file as it is.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The key file cannot be written, or a secret cannot be read.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Store {
    /// Makes a new key and seals every secret anew with it. The key file has the new key before anything is sealed with
    /// it, and loses the old ones after the commit, unless they are to be kept for backups: a sudden end at any point
    /// leaves a file that opens everything.
    ///
    /// # Errors
    /// The key file cannot be written, a secret cannot be read, or the database failed.
    pub async fn rotate_secrets(
        &self,
        keep_old_keys: bool,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Rotated, RotateError> {
        let _only = self.0.rotation.lock().await;
        let key = self.with_vault(Vault::add_key).await?;
        let (vault, by, company) = (Arc::clone(&self.0.vault), by.clone(), self.default_company());
        let seal_anew = move |db: &Connection| {
            let vault = read(&vault);
            let secrets = match seal_all(db, &vault)? {
                Ok(secrets) => secrets,
                Err(cause) => return Ok(Err(StorageError::other(cause.to_string()))),
            };
            let deed = Deed::new("secrets.rotate", "secrets", key).after(json!({ "secrets": secrets }));
            audit::note(db, company, &by, &deed, now)?;
            Ok(Ok(secrets))
        };
        let secrets = self.write(seal_anew, |_, _| {}).await?;
        let used = self.read(used).await?;
        let old_keys_kept = keep_old_keys || used.iter().any(|used| *used != key);
        if !old_keys_kept {
            self.with_vault(Vault::forget_old_keys).await?;
        }
        Ok(Rotated { key, secrets, old_keys_kept })
    }

    /// Does something to the key file, off the threads of the runtime.
    async fn with_vault<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Vault) -> Result<T, SecretsError> + Send + 'static,
    ) -> Result<T, RotateError> {
        let vault = Arc::clone(&self.0.vault);
        let task = tokio::task::spawn_blocking(move || {
            act(&mut vault.write().unwrap_or_else(std::sync::PoisonError::into_inner))
        });
        Ok(task.await.map_err(|_| StorageError::no_answer())??)
    }
}

/// Opens the key file of a database, or makes it where nothing was ever sealed.
pub(crate) fn open(db: &Connection, file: &Path, path: &Path) -> Result<Vault, OpenError> {
    let failed = |error: rusqlite::Error| refusal(path, &error);
    let vault = Vault::open(file, &used(db).map_err(failed)?)?;
    match touchstone(db).map_err(failed)? {
        None => put_touchstone(db, &vault).map_err(failed)??,
        // The id is there, and the key is another one.
        Some(sealed) if vault.unseal(touchstone_place(), &sealed).is_err() => {
            let wanted = sealed_with(&sealed).unwrap_or_else(|| vault.current());
            return Err(SecretsError::Wrong { path: file.to_owned(), wanted }.into());
        }
        Some(_) => {}
    }
    Ok(vault)
}

/// Whether a database can only be opened with the key file that it was made with.
pub(crate) fn needs_key(db: &Connection) -> rusqlite::Result<bool> {
    Ok(!used(db)?.is_empty())
}

/// The keys that something is sealed with.
fn used(db: &Connection) -> rusqlite::Result<Vec<SecretKeyId>> {
    let mut used = BTreeSet::new();
    used.extend(touchstone(db)?.as_deref().and_then(sealed_with));
    for (table, column) in COLUMNS {
        let sql = format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL");
        for sealed in db.prepare(&sql)?.query_map([], |row| row.get::<_, Vec<u8>>(0))? {
            used.extend(sealed_with(&sealed?));
        }
    }
    Ok(used.into_iter().collect())
}

fn touchstone_place() -> Place {
    Place { company: CompanyId(Uuid::nil()), table: "meta", row: Uuid::nil(), column: TOUCHSTONE }
}

fn touchstone(db: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    db.query_row("SELECT value FROM meta WHERE name = ?1", [TOUCHSTONE], |row| row.get(0)).optional()
}

fn put_touchstone(db: &Connection, vault: &Vault) -> rusqlite::Result<Result<(), SecretsError>> {
    let sealed = match vault.seal(touchstone_place(), MARK) {
        Ok(sealed) => sealed,
        Err(cause) => return Ok(Err(cause)),
    };
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    db.execute(sql, params![TOUCHSTONE, sealed])?;
    Ok(Ok(()))
}

/// Seals everything anew with the newest key, and says how many secrets that were.
fn seal_all(db: &Connection, vault: &Vault) -> rusqlite::Result<Result<u64, SecretsError>> {
    let mut count = 0;
    for (table, column) in COLUMNS {
        let sql = format!("SELECT company, id, {column} FROM {table} WHERE {column} IS NOT NULL");
        let read = |row: &Row<'_>| {
            let place = Place { company: CompanyId(uuid(row, 0)?), table, row: uuid(row, 1)?, column };
            Ok((place, row.get::<_, Vec<u8>>(2)?))
        };
        let rows = db.prepare(&sql)?.query_map([], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
        let sql = format!("UPDATE {table} SET {column} = ?3 WHERE id = ?1 AND company = ?2");
        for (place, sealed) in rows {
            let anew = vault.unseal(place, &sealed).and_then(|secret| vault.seal(place, &secret));
            let anew = match anew {
                Ok(anew) => anew,
                Err(cause) => return Ok(Err(cause)),
            };
            db.execute(&sql, params![place.row.as_bytes(), place.company.0.as_bytes(), anew])?;
            count += 1;
        }
    }
    Ok(put_touchstone(db, vault)?.map(|()| count))
}
