//! Connections: the engine's port for those who use them, and the lists of those who show them. Secrets are sealed before
//! they are stored and leave only by the port. When a connection is good is decided elsewhere.

use std::sync::Arc;

use loopfour_engine::connections::{
    Attempt, Connection, ConnectionStatus, ConnectionStore, KeepError, Registration, SecretChange, Signing,
};
use loopfour_engine::event::Actor;
use loopfour_engine::notices::NoticeKind;
use loopfour_engine::ports::BoxFuture;
use loopfour_engine::provider_events::Entrance;
use loopfour_engine::{CompanyId, ConnectionId, Timestamp, WorkflowId};
use rusqlite::{Connection as Database, OptionalExtension as _, Row, params};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::Store;
use crate::error::StorageError;
use crate::listening::Listening;
use crate::page::{Cursor, Page, Span};
use crate::secrets::{Place, SecretsError, Vault, read};
use crate::sqlite::audit::{self, Deed};
use crate::sqlite::{json as from_json, named, optional_time, outbox, signing, time, uuid};

/// Which connections a list shows.
#[derive(Clone, Debug, Default)]
pub struct ConnectionFilter {
    /// Those of this provider.
    pub provider: Option<String>,
    /// Those that stand so.
    pub status: Option<ConnectionStatus>,
}

impl ConnectionStore for Store {
    fn load(&self) -> BoxFuture<'_, Result<Vec<(Connection, Option<SecretString>)>, KeepError>> {
        Box::pin(async {
            let rows = self.read(|db| {
                // Every company's: who uses connections keeps them apart by the company that each one names.
                let sql =
                    format!("SELECT {COLUMNS}, secret FROM connections ORDER BY company, created_at, id");
                let read = |row: &Row<'_>| Ok((read_row(row)?, row.get::<_, Option<Vec<u8>>>(SECRET)?));
                db.prepare(&sql)?.query_map([], read)?.collect::<rusqlite::Result<Vec<_>>>()
            });
            let rows = rows.await?;
            let vault = read(&self.0.vault);
            let opened = rows.into_iter().map(|(connection, sealed)| {
                let place = place(connection.company, connection.id, "secret");
                let secret = sealed.map(|sealed| open(&vault, place, &sealed)).transpose();
                secret.map_err(|cause| unreadable(connection.id, &cause)).map(|secret| (connection, secret))
            });
            Ok(opened.collect::<Result<Vec<_>, StorageError>>()?)
        })
    }

    fn keep<'a>(
        &'a self,
        connection: &'a Connection,
        secret: SecretChange,
        by: &'a Actor,
        action: &'static str,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        let (row, by) = (connection.clone(), by.clone());
        Box::pin(async move {
            let row = Columns::of(row)?;
            let (vault, told) = (Arc::clone(&self.0.vault), Arc::clone(&self.0.memory));
            let keep = move |db: &Database| {
                // Sealed here and not before: a key that is replaced meanwhile seals nothing any more.
                let sealed = match &secret {
                    SecretChange::Keep => None,
                    SecretChange::Erase => Some(None),
                    SecretChange::Set(secret) => {
                        let place = place(row.connection.company, row.connection.id, "secret");
                        let vault = read(&vault);
                        match vault.seal(place, secret.expose_secret().as_bytes()) {
                            Ok(sealed) => Some(Some(sealed)),
                            Err(cause) => return Ok(Err(KeepError::Storage(cause.to_string()))),
                        }
                    }
                };
                row.store(db, &told.listening, sealed.as_ref().map(Option::as_deref), &by, action)
            };
            self.write(keep, |memory, messages| memory.listening.tell(*messages)).await.map(drop)
        })
    }

    fn forget(&self, company: CompanyId, id: ConnectionId) -> BoxFuture<'_, Result<(), KeepError>> {
        Box::pin(self.write(
            move |db| {
                let sql = "DELETE FROM connections WHERE id = ?1 AND company = ?2 AND status = 'pending'";
                db.prepare_cached(sql)?.execute(params![id.0.as_bytes(), company.0.as_bytes()])?;
                Ok(Ok::<(), KeepError>(()))
            },
            |_, ()| {},
        ))
    }

    fn keep_webhook_secrets<'a>(
        &'a self,
        company: CompanyId,
        id: ConnectionId,
        secrets: Vec<SecretString>,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        let (by, vault) = (by.clone(), Arc::clone(&self.0.vault));
        let keep = move |db: &Database| {
            let sealed = match signing::seal(&read(&vault), place(company, id, "webhook_secrets"), &secrets) {
                Ok(sealed) => sealed,
                Err(cause) => return Ok(Err(KeepError::Storage(cause.to_string()))),
            };
            let sql = "UPDATE connections SET webhook_secrets = ?3 WHERE id = ?1 AND company = ?2 RETURNING updated_at";
            let values = params![id.0.as_bytes(), company.0.as_bytes(), sealed];
            let kept = db.prepare_cached(sql)?.query_row(values, |row| time(row, 0)).optional()?;
            let Some(at) = kept else {
                return Ok(Err(KeepError::Storage(format!("{id} does not exist"))));
            };
            let deed = Deed::new("connection.webhook_secrets", "connection", id);
            audit::note(db, company, &by, &deed.after(json!({ "count": secrets.len() })), at)?;
            Ok(Ok(()))
        };
        Box::pin(self.write(keep, |_, ()| {}))
    }

    fn load_signing(&self) -> BoxFuture<'_, Result<Signing, KeepError>> {
        Box::pin(async { Ok(signing::load(self).await?) })
    }

    fn keep_entrance_secrets<'a>(
        &'a self,
        company: CompanyId,
        entrance: &'a Entrance,
        secrets: Vec<SecretString>,
        by: &'a Actor,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        let (entrance, by, vault) = (entrance.clone(), by.clone(), Arc::clone(&self.0.vault));
        let keep = move |db: &Database| {
            signing::keep_entrance(db, &read(&vault), (company, &entrance), &secrets, (&by, now))
        };
        Box::pin(self.write(keep, |_, ()| {}))
    }

    fn keep_registration<'a>(
        &'a self,
        registration: &'a Registration,
        by: &'a Actor,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        let (registration, by, vault) = (registration.clone(), by.clone(), Arc::clone(&self.0.vault));
        let keep =
            move |db: &Database| signing::keep_registration(db, &read(&vault), &registration, (&by, now));
        Box::pin(self.write(keep, |_, ()| {}))
    }

    fn forget_registration<'a>(
        &'a self,
        company: CompanyId,
        connection: ConnectionId,
        by: &'a Actor,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        let by = by.clone();
        let forget = move |db: &Database| {
            signing::forget_registration(db, company, connection, (&by, now)).map(Ok::<_, KeepError>)
        };
        Box::pin(self.write(forget, |_, ()| {}))
    }

    fn keep_cursor<'a>(
        &'a self,
        company: CompanyId,
        connection: ConnectionId,
        cursor: &'a str,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        let cursor = cursor.to_owned();
        let keep = move |db: &Database| {
            signing::keep_cursor(db, company, connection, &cursor).map(Ok::<_, KeepError>)
        };
        Box::pin(self.write(keep, |_, ()| {}))
    }
}

impl Store {
    /// A part of the list of connections, without pending ones whose time is over.
    ///
    /// # Errors
    /// The database failed.
    pub async fn connections(
        &self,
        company: CompanyId,
        filter: ConnectionFilter,
        span: Span,
        now: Timestamp,
    ) -> Result<Page<Connection>, StorageError> {
        self.read(move |db| {
            let (after, comparison, direction) = span.sql();
            let mut statement = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM connections WHERE company = ?1 AND {ALIVE}
                 AND (?3 IS NULL OR provider = ?3) AND (?4 IS NULL OR status = ?4)
                 AND (created_at, id) {comparison} (?5, ?6)
                 ORDER BY created_at {direction}, id {direction} LIMIT ?7"
            ))?;
            let keys = params![
                company.0.as_bytes(),
                now.0,
                filter.provider,
                filter.status.map(ConnectionStatus::name),
                after.created_at.0,
                after.id.as_bytes(),
                span.wanted(),
            ];
            let rows = statement.query_map(keys, read_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(span.ordered(rows, |row| Cursor { created_at: row.created_at, id: row.id.0 }))
        })
        .await
    }

    /// A connection; none if it is pending and its time is over.
    ///
    /// # Errors
    /// The database failed.
    pub async fn connection(
        &self,
        company: CompanyId,
        id: ConnectionId,
        now: Timestamp,
    ) -> Result<Option<Connection>, StorageError> {
        self.read(move |db| {
            let sql = format!("SELECT {COLUMNS} FROM connections WHERE company = ?1 AND {ALIVE} AND id = ?3");
            let keys = params![company.0.as_bytes(), now.0, id.0.as_bytes()];
            db.prepare_cached(&sql)?.query_row(keys, read_row).optional()
        })
        .await
    }

    /// The secrets that sign a connection's events; none if there is no such connection.
    ///
    /// # Errors
    /// The database failed, or what is stored was changed.
    pub async fn webhook_secrets(
        &self,
        company: CompanyId,
        id: ConnectionId,
    ) -> Result<Vec<SecretString>, StorageError> {
        let found = self.read(move |db| {
            let sql = "SELECT webhook_secrets FROM connections WHERE id = ?1 AND company = ?2";
            let keys = params![id.0.as_bytes(), company.0.as_bytes()];
            db.prepare_cached(sql)?.query_row(keys, |row| row.get::<_, Option<Vec<u8>>>(0)).optional()
        });
        let Some(sealed) = found.await?.flatten() else { return Ok(Vec::new()) };
        signing::unseal(&read(&self.0.vault), place(company, id, "webhook_secrets"), &sealed)
            .map_err(|cause| unreadable(id, &cause))
    }

    /// The workflows of the company whose current version names a connection, without archived ones: ids and names.
    ///
    /// # Errors
    /// The database failed.
    pub async fn workflows_using(
        &self,
        company: CompanyId,
        id: ConnectionId,
    ) -> Result<Vec<(WorkflowId, String)>, StorageError> {
        self.read(move |db| {
            let sql = "SELECT w.id, w.name FROM workflows w JOIN workflow_versions v
                       ON v.workflow = w.id AND v.version = w.version AND v.company = w.company
                       WHERE w.company = ?1 AND w.status IN ('draft', 'active', 'paused') AND instr(v.source, ?2) > 0
                       ORDER BY w.created_at, w.id";
            let read = |row: &Row<'_>| Ok((WorkflowId(uuid(row, 0)?), row.get(1)?));
            db.prepare_cached(sql)?.query_map(params![company.0.as_bytes(), id.to_string()], read)?.collect()
        })
        .await
    }
}

/// Removes first authorisations that were never finished.
pub(crate) fn sweep(db: &Database, now: Timestamp) -> rusqlite::Result<()> {
    let mut companies = db.prepare("SELECT id FROM companies")?;
    let sql = format!("DELETE FROM connections WHERE company = ?1 AND NOT {ALIVE}");
    for company in companies.query_map([], |row| uuid(row, 0))? {
        db.execute(&sql, params![company?.as_bytes(), now.0])?;
    }
    Ok(())
}

/// Where a connection's secret stands.
pub(crate) fn place(company: CompanyId, id: ConnectionId, column: &'static str) -> Place {
    Place { company, table: "connections", row: id.0, column }
}

/// A pending one lives as long as its try to authorise; the second parameter is the time.
const ALIVE: &str = "(status <> 'pending' OR coalesce(attempt_ends_at, 0) > ?2)";

/// What [`read_row`] reads.
const COLUMNS: &str = "id, company, name, provider, status, source, mode, external_account_id, former_account, \
                       same_accounts, settings, last_error, last_synced_at, attempt, created_at, updated_at";
/// The column after them.
const SECRET: usize = 16;

/// A connection, ready to be written.
struct Columns {
    connection: Connection,
    source: String,
    same_accounts: String,
    settings: String,
    attempt: Option<String>,
}

impl Columns {
    fn of(connection: Connection) -> Result<Columns, StorageError> {
        fn text(value: &impl serde::Serialize) -> Result<String, StorageError> {
            serde_json::to_string(value).map_err(|cause| StorageError::other(cause.to_string()))
        }
        Ok(Columns {
            source: text(&connection.source)?,
            same_accounts: text(&connection.same_accounts)?,
            settings: text(&connection.settings)?,
            attempt: connection.attempt.as_ref().map(text).transpose()?,
            connection,
        })
    }

    /// Inserts or updates the row; `secret` is what takes its place, if anything does. Says how many messages tell of it.
    fn store(
        &self,
        db: &Database,
        listening: &Listening,
        secret: Option<Option<&[u8]>>,
        by: &Actor,
        action: &'static str,
    ) -> rusqlite::Result<Result<usize, KeepError>> {
        let row = &self.connection;
        if is_taken(db, row)? {
            return Ok(Err(KeepError::NameTaken));
        }
        let sql = format!("SELECT {COLUMNS} FROM connections WHERE id = ?1 AND company = ?2");
        let keys = params![row.id.0.as_bytes(), row.company.0.as_bytes()];
        let old = db.prepare_cached(&sql)?.query_row(keys, read_row).optional()?;
        // Of another company's row of that id nothing is changed.
        let sql = "INSERT INTO connections (id, company, name, provider, status, source, mode, external_account_id,
                       former_account, same_accounts, settings, last_error, last_synced_at, attempt, attempt_ends_at,
                       created_at, updated_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
                   ON CONFLICT (id) DO UPDATE SET name = ?3, provider = ?4, status = ?5, source = ?6, mode = ?7,
                       external_account_id = ?8, former_account = ?9, same_accounts = ?10, settings = ?11,
                       last_error = ?12, last_synced_at = ?13, attempt = ?14, attempt_ends_at = ?15, updated_at = ?17
                   WHERE company = ?2";
        let changed = db.prepare_cached(sql)?.execute(params![
            row.id.0.as_bytes(),
            row.company.0.as_bytes(),
            row.name,
            row.provider,
            row.status.name(),
            self.source,
            row.mode,
            row.external_account_id,
            row.former_account,
            self.same_accounts,
            self.settings,
            row.last_error,
            row.last_synced_at.map(|at| at.0),
            self.attempt,
            row.attempt.as_ref().map(|attempt| attempt.expires_at.0),
            row.created_at.0,
            row.updated_at.0,
        ])?;
        if changed == 0 {
            return Ok(Err(KeepError::Storage(format!("{} is another company's", row.id))));
        }
        if let Some(secret) = secret {
            let sql = "UPDATE connections SET secret = ?3 WHERE id = ?1 AND company = ?2";
            db.prepare_cached(sql)?.execute(params![
                row.id.0.as_bytes(),
                row.company.0.as_bytes(),
                secret
            ])?;
        }
        let deed = Deed::new(action, "connection", row.id).after(told(row));
        let deed = Deed { before: old.as_ref().map(told), ..deed };
        audit::note(db, row.company, by, &deed, row.updated_at)?;
        let is_broken = matches!(row.status, ConnectionStatus::Error | ConnectionStatus::Expired);
        if !is_broken || old.is_some_and(|old| old.status == row.status) {
            return Ok(Ok(0));
        }
        let (kind, at) = (NoticeKind::ConnectionError, row.updated_at);
        outbox::put_in(db, listening, row.company, kind, at, |_| Ok(broken(row))).map(Ok)
    }
}

/// Whether another connection has the name; a pending one whose time is over has it no more, and goes.
fn is_taken(db: &Database, row: &Connection) -> rusqlite::Result<bool> {
    let sql = format!(
        "DELETE FROM connections WHERE company = ?1 AND NOT {ALIVE} AND provider = ?3 AND name = ?4 AND id <> ?5"
    );
    let id = row.id.0.as_bytes();
    let company = row.company.0.as_bytes();
    db.prepare_cached(&sql)?.execute(params![company, row.updated_at.0, row.provider, row.name, id])?;
    let sql = "SELECT 1 FROM connections WHERE company = ?1 AND provider = ?2 AND name = ?3 AND id <> ?4";
    db.prepare_cached(sql)?.exists(params![company, row.provider, row.name, id])
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Connection> {
    let attempt = match row.get_ref(13)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(from_json::<Attempt>(row, 13)?),
    };
    Ok(Connection {
        id: ConnectionId(uuid(row, 0)?),
        company: CompanyId(uuid(row, 1)?),
        name: row.get(2)?,
        provider: row.get(3)?,
        status: named(row, 4, |name| ConnectionStatus::ALL.into_iter().find(|status| status.name() == name))?,
        source: from_json(row, 5)?,
        mode: row.get(6)?,
        external_account_id: row.get(7)?,
        former_account: row.get(8)?,
        same_accounts: from_json(row, 9)?,
        settings: from_json(row, 10)?,
        last_error: row.get(11)?,
        last_synced_at: optional_time(row, 12)?,
        attempt,
        created_at: time(row, 14)?,
        updated_at: time(row, 15)?,
    })
}

/// What the audit log says of a connection; not its try to authorise, whose id opens a page.
fn told(row: &Connection) -> Value {
    json!({
        "name": row.name,
        "provider": row.provider,
        "status": row.status,
        "source": row.source,
        "mode": row.mode,
        "externalAccountId": row.external_account_id,
        "formerAccount": row.former_account,
        "sameAccounts": row.same_accounts,
        "settings": row.settings,
        "lastError": row.last_error,
    })
}

/// What those are told who want to hear of broken connections.
fn broken(row: &Connection) -> Value {
    json!({
        "connectionId": row.id,
        "name": row.name,
        "provider": row.provider,
        "status": row.status,
        "mode": row.mode,
        "error": row.last_error,
    })
}

pub(crate) fn open(vault: &Vault, place: Place, sealed: &[u8]) -> Result<SecretString, SecretsError> {
    let bytes = vault.unseal(place, sealed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| SecretsError::Tampered)?;
    Ok(SecretString::from(text))
}

fn unreadable(id: ConnectionId, cause: &SecretsError) -> StorageError {
    StorageError::other(format!("the secret of {id} cannot be read: {cause}"))
}
