//! What provider events are signed with, and how far those that are asked for were asked for. Secrets are sealed before
//! they are stored, and leave only by the engine's port. Who may sign what is decided elsewhere.

use loopfour_engine::connections::{KeepError, Registration, Signing};
use loopfour_engine::event::Actor;
use loopfour_engine::provider_events::Entrance;
use loopfour_engine::{CompanyId, ConnectionId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use uuid::Uuid;

use crate::Store;
use crate::error::StorageError;
use crate::secrets::{Place, SecretsError, Vault, read};
use crate::sqlite::audit::{self, Deed};
use crate::sqlite::provider_events::{path, read_entrance};
use crate::sqlite::{connections, json as from_json, uuid};

/// Who changes something, and when.
type By<'a> = (&'a Actor, Timestamp);

/// Everything, of every company: who checks signatures keeps them apart by the company that each one names.
pub(crate) async fn load(store: &Store) -> Result<Signing, StorageError> {
    let sealed = store.read(|db| {
        // One state of the database for all of it.
        let snapshot = db.unchecked_transaction()?;
        Sealed::read(&snapshot)
    });
    let opened = sealed.await?.open(&read(&store.0.vault));
    opened.map_err(|cause| StorageError::other(format!("the secrets of webhooks cannot be read: {cause}")))
}

/// What [`load`] gives, as it is stored.
struct Sealed {
    entrances: Vec<(Place, Entrance, Vec<u8>)>,
    connections: Vec<(Place, Vec<u8>)>,
    registrations: Vec<(Place, Registration, Vec<u8>)>,
    cursors: Vec<(ConnectionId, String)>,
}

impl Sealed {
    fn read(db: &Connection) -> rusqlite::Result<Sealed> {
        let entrances = "SELECT company, id, secrets, provider, path FROM webhook_secrets ORDER BY company, provider, path";
        let connections = "SELECT company, id, webhook_secrets FROM connections
                           WHERE company IN (SELECT id FROM companies) AND webhook_secrets IS NOT NULL ORDER BY company, id";
        let registrations =
            "SELECT company, id, secret, connection, endpoint, url, api_version, events FROM registrations
                             ORDER BY company, connection";
        let cursors = "SELECT connection, cursor FROM event_cursors ORDER BY company, connection";
        Ok(Sealed {
            entrances: all(db, entrances, |row| {
                Ok((place(row, "webhook_secrets", "secrets")?, read_entrance(row, 3)?, row.get(2)?))
            })?,
            connections: all(db, connections, |row| {
                Ok((place(row, "connections", "webhook_secrets")?, row.get(2)?))
            })?,
            registrations: all(db, registrations, |row| {
                let place = place(row, "registrations", "secret")?;
                let registration = Registration {
                    company: place.company,
                    connection: ConnectionId(uuid(row, 3)?),
                    endpoint: row.get(4)?,
                    secret: SecretString::default(),
                    url: row.get(5)?,
                    api_version: row.get(6)?,
                    events: from_json(row, 7)?,
                };
                Ok((place, registration, row.get(2)?))
            })?,
            cursors: all(db, cursors, |row| Ok((ConnectionId(uuid(row, 0)?), row.get(1)?)))?,
        })
    }

    fn open(self, vault: &Vault) -> Result<Signing, SecretsError> {
        let entrances = self
            .entrances
            .into_iter()
            .map(|(place, entrance, sealed)| Ok((place.company, entrance, unseal(vault, place, &sealed)?)));
        let connections = self
            .connections
            .into_iter()
            .map(|(place, sealed)| Ok((ConnectionId(place.row), unseal(vault, place, &sealed)?)));
        let registrations = self.registrations.into_iter().map(|(place, registration, sealed)| {
            let secret = connections::open(vault, place, &sealed)?;
            Ok(Registration { secret, ..registration })
        });
        Ok(Signing {
            entrances: entrances.collect::<Result<_, SecretsError>>()?,
            connections: connections.collect::<Result<_, SecretsError>>()?,
            registrations: registrations.collect::<Result<_, SecretsError>>()?,
            cursors: self.cursors,
        })
    }
}

fn all<T>(
    db: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare(sql)?.query_map([], read)?.collect()
}

/// Where the secret of a row stands that begins with its company and its id.
fn place(row: &Row<'_>, table: &'static str, column: &'static str) -> rusqlite::Result<Place> {
    Ok(Place { company: CompanyId(uuid(row, 0)?), table, row: uuid(row, 1)?, column })
}

/// Seals secrets as a list; none of no secrets.
pub(crate) fn seal(
    vault: &Vault,
    place: Place,
    secrets: &[SecretString],
) -> Result<Option<Vec<u8>>, SecretsError> {
    if secrets.is_empty() {
        return Ok(None);
    }
    let exposed: Vec<&str> = secrets.iter().map(|secret| secret.expose_secret()).collect();
    let text = Zeroizing::new(json!(exposed).to_string());
    vault.seal(place, text.as_bytes()).map(Some)
}

/// What [`seal`] sealed.
pub(crate) fn unseal(vault: &Vault, place: Place, sealed: &[u8]) -> Result<Vec<SecretString>, SecretsError> {
    let text = connections::open(vault, place, sealed)?;
    let secrets: Vec<String> =
        serde_json::from_str(text.expose_secret()).map_err(|_| SecretsError::Tampered)?;
    Ok(secrets.into_iter().map(SecretString::from).collect())
}

/// Keeps a company's secrets for an entrance in place of those before.
pub(crate) fn keep_entrance(
    db: &Connection,
    vault: &Vault,
    (company, entrance): (CompanyId, &Entrance),
    secrets: &[SecretString],
    (by, now): By<'_>,
) -> rusqlite::Result<Result<(), KeepError>> {
    let (provider, path) = (entrance.provider(), path(entrance));
    let keys = params![company.0.as_bytes(), provider, path];
    let sql = "SELECT id FROM webhook_secrets WHERE company = ?1 AND provider = ?2 AND path = ?3";
    let found = db.prepare_cached(sql)?.query_row(keys, |row| uuid(row, 0)).optional()?;
    let id = found.unwrap_or_else(Uuid::now_v7);
    let place = Place { company, table: "webhook_secrets", row: id, column: "secrets" };
    match seal(vault, place, secrets) {
        Ok(Some(sealed)) => {
            let sql = "INSERT INTO webhook_secrets (id, company, provider, path, secrets) VALUES (?4, ?1, ?2, ?3, ?5)
                       ON CONFLICT (company, provider, path) DO UPDATE SET secrets = excluded.secrets";
            let values = params![company.0.as_bytes(), provider, path, id.as_bytes(), sealed];
            db.prepare_cached(sql)?.execute(values)?;
        }
        Ok(None) => {
            let sql = "DELETE FROM webhook_secrets WHERE company = ?1 AND provider = ?2 AND path = ?3";
            db.prepare_cached(sql)?.execute(keys)?;
        }
        Err(cause) => return Ok(Err(KeepError::Storage(cause.to_string()))),
    }
    let name = match entrance {
        Entrance::Stripe => provider.to_owned(),
        Entrance::Custom { path } => format!("{provider}/{path}"),
    };
    let deed = Deed::new("webhook_secrets.set", "webhook_secrets", name);
    audit::note(db, company, by, &deed.after(json!({ "count": secrets.len() })), now)?;
    Ok(Ok(()))
}

/// Keeps what a provider was told in place of what it was told before.
pub(crate) fn keep_registration(
    db: &Connection,
    vault: &Vault,
    new: &Registration,
    (by, now): By<'_>,
) -> rusqlite::Result<Result<(), KeepError>> {
    let (company, connection) = (new.company.0.as_bytes(), new.connection.0.as_bytes());
    let sql = "SELECT id FROM registrations WHERE company = ?1 AND connection = ?2";
    let found = db.prepare_cached(sql)?.query_row([company, connection], |row| uuid(row, 0)).optional()?;
    let id = found.unwrap_or_else(Uuid::now_v7);
    let place = Place { company: new.company, table: "registrations", row: id, column: "secret" };
    let sealed = match vault.seal(place, new.secret.expose_secret().as_bytes()) {
        Ok(sealed) => sealed,
        Err(cause) => return Ok(Err(KeepError::Storage(cause.to_string()))),
    };
    let sql = "INSERT INTO registrations (id, company, connection, endpoint, secret, url, api_version, events)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
               ON CONFLICT (company, connection) DO UPDATE SET endpoint = excluded.endpoint, secret = excluded.secret,
                   url = excluded.url, api_version = excluded.api_version, events = excluded.events";
    let values = params![
        id.as_bytes(),
        company,
        connection,
        new.endpoint,
        sealed,
        new.url,
        new.api_version,
        json!(new.events).to_string(),
    ];
    db.prepare_cached(sql)?.execute(values)?;
    let told = json!({
        "endpoint": new.endpoint,
        "url": new.url,
        "apiVersion": new.api_version,
        "events": new.events,
    });
    let deed = Deed::new("connection.register_webhook", "connection", new.connection);
    audit::note(db, new.company, by, &deed.after(told), now)?;
    Ok(Ok(()))
}

/// Forgets what a provider was told; nothing where it was told nothing.
pub(crate) fn forget_registration(
    db: &Connection,
    company: CompanyId,
    connection: ConnectionId,
    (by, now): By<'_>,
) -> rusqlite::Result<()> {
    let sql = "DELETE FROM registrations WHERE company = ?1 AND connection = ?2";
    let keys = [company.0.as_bytes(), connection.0.as_bytes()];
    if db.prepare_cached(sql)?.execute(keys)? == 0 {
        return Ok(());
    }
    audit::note(db, company, by, &Deed::new("connection.forget_webhook", "connection", connection), now)
}

/// A backup is restored: what was asked for since it was made is not to come in a second time.
pub(crate) fn forget_cursors(db: &Connection) -> rusqlite::Result<()> {
    db.execute("DELETE FROM event_cursors WHERE company IN (SELECT id FROM companies)", [])?;
    Ok(())
}

/// Keeps how far a connection's events were asked for.
pub(crate) fn keep_cursor(
    db: &Connection,
    company: CompanyId,
    connection: ConnectionId,
    cursor: &str,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO event_cursors (company, connection, cursor) VALUES (?1, ?2, ?3)
               ON CONFLICT (company, connection) DO UPDATE SET cursor = excluded.cursor";
    db.prepare_cached(sql)?.execute(params![company.0.as_bytes(), connection.0.as_bytes(), cursor])?;
    Ok(())
}
