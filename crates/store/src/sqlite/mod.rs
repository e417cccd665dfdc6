//! SQLite: opening a data directory, and what the queries share. Each file beside this one holds the statements of one
//! resource.

pub(crate) mod audit;
pub(crate) mod chain;
mod checkpoint;
pub(crate) mod companies;
pub(crate) mod connections;
pub(crate) mod copy;
mod hand_overs;
mod journal;
pub(crate) mod keys;
pub(crate) mod members;
pub(crate) mod meta;
pub(crate) mod notices;
mod outbox;
pub(crate) mod principals;
pub(crate) mod provider_events;
pub(crate) mod read_only;
pub(crate) mod readers;
pub(crate) mod refusals;
pub(crate) mod restore;
mod run_notices;
pub(crate) mod runs;
mod schedules;
pub(crate) mod sealed;
pub(crate) mod sessions;
mod signing;
mod sweep;
pub(crate) mod verify;
mod whole;
pub(crate) mod workflows;
pub(crate) mod writer;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use loopfour_engine::{CompanyId, Timestamp};
use rusqlite::types::{FromSqlError, Type, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::error::OpenError;
use crate::migrate;
use crate::refusals::WebhookRefusals;
use crate::secrets::Vault;
use crate::sqlite::workflows::WorkflowRow;

pub(crate) const DATABASE: &str = "loopfour.db";
pub(crate) const LOCK: &str = "loopfour.lock";

/// Marks our files in SQLite's header: "LPF4".
pub(crate) const APPLICATION_ID: i32 = 0x4c50_4634;

/// Up to this size a start reads the whole database to see that it is whole, which takes less than a tenth of a second;
/// above it only whether its end is there.
const QUICK_CHECK_BYTES: u64 = 32 << 20;

/// Bytes of a page; SQLite's own default.
const PAGE: u64 = 4096;

/// How long a connection waits for another one's lock. Only checkpoints and backups ever hold one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// An open data directory in its parts.
pub(crate) struct Opened {
    pub writer: Connection,
    pub checkpointer: Connection,
    pub path: PathBuf,
    pub default_company: CompanyId,
    /// The workflows that are active.
    pub active: Vec<WorkflowRow>,
    /// Of every company, how many webhooks were refused.
    pub refusals: Vec<(CompanyId, Vec<WebhookRefusals>)>,
    pub vault: Vault,
    pub listening: HashSet<CompanyId>,
    pub lock: File,
}

/// Opens a data directory; see [`crate::Store::open_with`].
pub(crate) fn open(directory: &Path, secrets_file: &Path, now: Timestamp) -> Result<Opened, OpenError> {
    make_directory(directory)?;
    let lock = take_lock(&directory.join(LOCK))?;
    let path = directory.join(DATABASE);
    refuse_emptied(directory, &path)?;
    make_file(&path)?;
    let failed = |error: rusqlite::Error| refusal(&path, &error);
    let mut writer = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    check_is_ours(&writer, &path)?;
    configure_writer(&writer).map_err(failed)?;
    migrate::migrate(&mut writer, &path, now)?;
    let default_company = companies::ensure_default(&writer, now).map_err(failed)?;
    let vault = sealed::open(&writer, secrets_file, &path)?;
    sessions::sweep(&writer, now).and_then(|()| connections::sweep(&writer, now)).map_err(failed)?;
    let active = workflows::active(&writer).map_err(failed)?;
    let listening = notices::listening(&writer).map_err(failed)?;
    let refusals = refusals::load(&writer).map_err(failed)?;
    // From here on the file tells by itself what it is, also where its log is lost: it is never taken for a new one.
    writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed)?;
    let checkpointer = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    checkpointer.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    Ok(Opened { writer, checkpointer, path, default_company, active, refusals, vault, listening, lock })
}

/// A connection with what all of them need.
pub(crate) fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

pub(crate) fn make_directory(directory: &Path) -> Result<(), OpenError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|cause| OpenError::Unusable { path: directory.to_owned(), cause })
}

/// A database without a byte beside what only an older one leaves was cut to nothing; it is not taken for a new one.
fn refuse_emptied(directory: &Path, path: &Path) -> Result<(), OpenError> {
    let is_empty = std::fs::metadata(path).is_ok_and(|file| file.len() == 0);
    let mut files = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let is_left = |name: &str| name == crate::KEY_FILE || name.ends_with(".bak");
    if is_empty && files.any(|file| file.file_name().to_str().is_some_and(is_left)) {
        let cause = "it is empty, and beside it lies what an earlier database left".to_owned();
        return Err(OpenError::Damaged { path: path.to_owned(), cause });
    }
    Ok(())
}

/// Makes the file where it is missing, for its owner's eyes only; what SQLite puts beside it takes after it.
fn make_file(path: &Path) -> Result<(), OpenError> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|cause| OpenError::Unusable { path: path.to_owned(), cause })
}

pub(crate) fn take_lock(path: &Path) -> Result<File, OpenError> {
    let unusable = |cause| OpenError::Unusable { path: path.to_owned(), cause };
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(unusable(cause)),
    }
}

/// Refuses, before anything is written, what is not an undamaged database of ours. An empty file is a new one.
pub(crate) fn check_is_ours(db: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| refusal(path, &error);
    let damaged = |cause: &str| OpenError::Damaged { path: path.to_owned(), cause: cause.to_owned() };
    let application: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(failed)?;
    let objects: i64 =
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let length = std::fs::metadata(path).map_or(0, |file| file.len());
    if application == 0 && objects == 0 {
        // SQLite takes a file without a whole page for an empty one.
        return match length {
            1..PAGE => Err(damaged("it ends within its first page")),
            _ => Ok(()),
        };
    }
    if application != APPLICATION_ID {
        let cause = format!("its application id is {application:#x}, ours is {APPLICATION_ID:#x}");
        return Err(OpenError::Foreign { path: path.to_owned(), cause });
    }
    whole::check_length(db, path)?;
    if length > QUICK_CHECK_BYTES {
        return Ok(());
    }
    let found: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if found == "ok" {
        return Ok(());
    }
    Err(damaged(found.lines().last().unwrap_or_default()))
}

fn configure_writer(db: &Connection) -> rusqlite::Result<()> {
    // FULL: in this mode NORMAL may lose acknowledged commits when the power fails.
    db.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -65536;
         PRAGMA temp_store = MEMORY;",
    )
}

/// What an error of SQLite at opening means.
pub(crate) fn refusal(path: &Path, error: &rusqlite::Error) -> OpenError {
    let (path, cause) = (path.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign { path, cause },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, cause },
        _ => OpenError::Failed { path, cause },
    }
}

/// An id in a column.
pub(crate) fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}

/// An instant in a column.
pub(crate) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp)
}

/// An instant in a column that may be empty.
pub(crate) fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column).map(|at| at.map(Timestamp))
}

/// JSON in a column.
pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|cause| unreadable(column, cause))
}

/// A name in a column, looked up by `find`.
pub(crate) fn named<T>(
    row: &Row<'_>,
    column: usize,
    find: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let name = row.get_ref(column)?.as_str()?;
    find(name).ok_or_else(|| unreadable(column, FromSqlError::Other(format!("unknown name `{name}`").into())))
}

/// What a text in a column stands for, which may be empty.
pub(crate) fn optional<T>(
    row: &Row<'_>,
    column: usize,
    find: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => named(row, column, find).map(Some),
    }
}

/// Text in a column that is not what it should be.
pub(crate) fn unreadable(
    column: usize,
    cause: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(cause))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
