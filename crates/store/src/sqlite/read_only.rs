//! A database that is only read, beside the server that uses it or without one: for backups and for verifying.

use std::path::{Path, PathBuf};

use loopfour_engine::Timestamp;
use rusqlite::{Connection, OpenFlags};

use crate::error::{BackupError, OpenError, StorageError};
use crate::migrate;
use crate::sqlite::audit::AuditHash;
use crate::sqlite::chain::{self, AuditVerified};
use crate::sqlite::verify::{self, Difference, Verified};
use crate::sqlite::{DATABASE, check_is_ours, connect, copy, meta, refusal};

/// An open database that is only read. It takes no lock: a server may use it meanwhile.
pub struct ReadOnly {
    db: Connection,
    path: PathBuf,
    /// How many migrations it has.
    applied: usize,
}

impl ReadOnly {
    /// Opens the database of a data directory. Blocks.
    ///
    /// # Errors
    /// There is none, or it is something else than an undamaged database of this version or an earlier one.
    pub fn open(directory: &Path) -> Result<ReadOnly, OpenError> {
        ReadOnly::open_file(&directory.join(DATABASE))
    }

    /// Opens a file, such as a backup. Blocks.
    pub(crate) fn open_file(path: &Path) -> Result<ReadOnly, OpenError> {
        // What SQLite says of a file that it cannot open does not tell why.
        std::fs::File::open(path).map_err(|cause| OpenError::Unusable { path: path.to_owned(), cause })?;
        let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(|error| refusal(path, &error))?;
        check_is_ours(&db, path)?;
        match migrate::check(&db, path)? {
            0 => Err(OpenError::Foreign { path: path.to_owned(), cause: "it is empty".to_owned() }),
            applied => Ok(ReadOnly { db, path: path.to_owned(), applied }),
        }
    }

    /// Copies the database as it is now into a new file of mode 0600, and gives its length in bytes. It says itself that it
    /// was made at `now`. Blocks, for as long as copying takes; nobody else is held up.
    ///
    /// # Errors
    /// The file exists, or a file cannot be read or written; nothing is left of it then.
    pub fn backup(&self, to: &Path, now: Timestamp) -> Result<u64, BackupError> {
        let ((), bytes) = copy::copy(&self.db, to, |copy| {
            meta::mark_backup(copy, now).map_err(|cause| BackupError::failed(to, &cause))
        })?;
        Ok(bytes)
    }

    /// Checks the file, folds the journal of every run, and compares with what is stored beside it. Blocks; a million runs
    /// take minutes, and little memory. Each thing that is wrong is told at once.
    ///
    /// # Errors
    /// The database is of an earlier version, or cannot be read.
    pub fn verify(&self, tell: impl FnMut(&Difference)) -> Result<Verified, StorageError> {
        self.refuse_earlier()?;
        Ok(verify::verify(&self.db, tell)?)
    }

    /// Follows the audit log of every company from its first row to its last. With the hash that a log ended with once,
    /// such as an export's, it finds too whether the log was cut off since. Blocks; little memory is taken.
    ///
    /// # Errors
    /// The database is of an earlier version, or cannot be read.
    pub fn audit_verify(&self, head: Option<AuditHash>) -> Result<AuditVerified, StorageError> {
        self.refuse_earlier()?;
        Ok(chain::verify(&self.db, head)?)
    }

    fn refuse_earlier(&self) -> Result<(), StorageError> {
        if migrate::is_current(self.applied) {
            return Ok(());
        }
        Err(StorageError::other(format!(
            "`{}` is of an earlier version; `loopfour serve` brings it to this version's form",
            self.path.display()
        )))
    }

    /// The connection.
    pub(crate) fn db(&self) -> &Connection {
        &self.db
    }
}
