//! What can go wrong with the database itself. Refusals that a caller can act on are errors of their own beside the
//! queries that give them.

use std::path::{Path, PathBuf};

use loopfour_engine::connections::KeepError;
use loopfour_engine::ports::JournalError;
use rusqlite::ffi;

use crate::secrets::SecretsError;

/// What a failure of the database means for what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no room, or nothing may be written: nothing was stored, and it may be tried again.
    Full,
    /// The disk or the file is broken: whether the change was stored is not known, and nothing after it is certain. The
    /// process is to end.
    Broken,
    /// Anything else; whether the change was stored is not known.
    Other,
}

/// The database failed; [`StorageError::trouble`] tells what that means.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StorageError {
    trouble: Trouble,
    message: String,
    /// SQLite's extended code; 0 where it is not its error.
    code: i32,
}

impl StorageError {
    /// A failure that is not SQLite's.
    pub(crate) fn other(message: impl Into<String>) -> StorageError {
        StorageError { trouble: Trouble::Other, message: message.into(), code: 0 }
    }

    /// The same failure, by what is known now.
    pub(crate) fn with(self, trouble: Trouble) -> StorageError {
        StorageError { trouble, ..self }
    }

    /// The writer or a reader is gone: the server stops, or a defect of ours ended the request.
    pub(crate) fn no_answer() -> StorageError {
        StorageError::other("the database gave no answer")
    }

    /// What follows from it.
    pub fn trouble(&self) -> Trouble {
        self.trouble
    }

    /// Whether it may be one of no room that SQLite calls an I/O error: it knows only one of the system's names for it.
    pub(crate) fn may_be_full(&self) -> bool {
        self.code == ffi::SQLITE_IOERR_WRITE || self.code == ffi::SQLITE_IOERR_SHMSIZE
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> StorageError {
        let code = error.sqlite_error().map_or(0, |error| error.extended_code);
        StorageError { trouble: trouble(code), message: error.to_string(), code }
    }
}

/// What one of SQLite's extended codes means.
fn trouble(code: i32) -> Trouble {
    match code {
        ffi::SQLITE_IOERR_NOMEM => Trouble::Other,
        // The file that is open is no longer the one of that name.
        ffi::SQLITE_READONLY_DBMOVED => Trouble::Broken,
        _ => match code & 0xff {
            ffi::SQLITE_FULL | ffi::SQLITE_READONLY => Trouble::Full,
            ffi::SQLITE_IOERR | ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Trouble::Broken,
            _ => Trouble::Other,
        },
    }
}

impl From<StorageError> for JournalError {
    fn from(error: StorageError) -> JournalError {
        match error.trouble {
            Trouble::Full => JournalError::Full(error.message),
            Trouble::Broken | Trouble::Other => JournalError::Storage(error.message),
        }
    }
}

impl From<StorageError> for KeepError {
    fn from(error: StorageError) -> KeepError {
        KeepError::Storage(error.message)
    }
}

/// Why a data directory was not opened. Each message is one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be made or read.
    #[error("`{path}` cannot be used: {cause}")]
    Unusable {
        /// The directory or file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// Another process has it open.
    #[error(
        "`{path}` is locked: another process uses this data directory; stop it, or talk to it with `--server`"
    )]
    Locked {
        /// The lock's file.
        path: PathBuf,
    },
    /// Not one of our databases.
    #[error("`{path}` is not a LoopFour database: {cause}")]
    Foreign {
        /// The database.
        path: PathBuf,
        /// What tells.
        cause: String,
    },
    /// A part of it is missing or overwritten.
    #[error("`{path}` is damaged: {cause}; restore it from a backup")]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        cause: String,
    },
    /// A later version of the program made it.
    #[error(
        "`{path}` was made by a newer version: it has migration {found} `{name}`, this version knows {known}"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// The last migration in it.
        found: u32,
        /// That migration's file.
        name: String,
        /// The last migration that this program has.
        known: u32,
    },
    /// A migration that was applied is not the one that this program has.
    #[error(
        "`{path}` has migration `{name}` in another form than this version; use the version that made it"
    )]
    Changed {
        /// The database.
        path: PathBuf,
        /// The migration's file.
        name: String,
    },
    /// It is to be brought to this version's form, and what it is now could not be kept.
    #[error("`{path}` is of an earlier version, and before it is changed a backup is made: {cause}")]
    NoBackup {
        /// The database.
        path: PathBuf,
        /// Why there is none.
        cause: BackupError,
    },
    /// The key file of its secrets is lost, another database's, or cannot be used.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The database refused something else.
    #[error("`{path}` cannot be opened: {cause}")]
    Failed {
        /// The database.
        path: PathBuf,
        /// What it says.
        cause: String,
    },
}

/// Why no backup was made. Each message is one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is a file of that name.
    #[error("`{path}` exists already; a backup overwrites nothing")]
    Exists {
        /// The backup.
        path: PathBuf,
    },
    /// A file or directory cannot be made or written.
    #[error("`{path}` cannot be written: {cause}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The database failed, the one that is read or the one that is made.
    #[error("`{path}` cannot be written: {cause}")]
    Failed {
        /// The backup.
        path: PathBuf,
        /// What the database says.
        cause: String,
    },
}

impl BackupError {
    /// The database that is read, or the copy at this path, failed.
    pub(crate) fn failed(path: &Path, cause: &rusqlite::Error) -> BackupError {
        BackupError::Failed { path: path.to_owned(), cause: cause.to_string() }
    }
}

/// Why no backup was restored. Each message is one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The data directory holds a database.
    #[error("`{path}` exists already; a backup is restored into a data directory without a database")]
    Exists {
        /// A file of that database.
        path: PathBuf,
    },
    /// The backup cannot be read, is not ours, is damaged or newer; or the data directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What the backup says of its runs is not what their journals say, or it is damaged.
    #[error("`{path}` cannot be relied on: {first}{}", others(*.count))]
    Differs {
        /// The backup.
        path: PathBuf,
        /// The first thing that is wrong.
        first: String,
        /// How many are.
        count: u64,
    },
    /// The database cannot be written.
    #[error(transparent)]
    Copy(#[from] BackupError),
}

fn others(count: u64) -> String {
    if count > 1 { format!(", and {} more", count - 1) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(code: i32, expected: Trouble) {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("told".to_owned()));
        let error = StorageError::from(error);
        assert_eq!((error.trouble(), error.to_string().as_str()), (expected, "told"), "{code}");
    }

    #[test]
    fn no_room_is_not_an_end_and_a_broken_disk_is() {
        check(ffi::SQLITE_FULL, Trouble::Full);
        check(ffi::SQLITE_READONLY, Trouble::Full);
        check(ffi::SQLITE_READONLY_CANTINIT, Trouble::Full);
        check(ffi::SQLITE_READONLY_DBMOVED, Trouble::Broken);
        check(ffi::SQLITE_IOERR, Trouble::Broken);
        check(ffi::SQLITE_IOERR_FSYNC, Trouble::Broken);
        check(ffi::SQLITE_IOERR_READ, Trouble::Broken);
        check(ffi::SQLITE_IOERR_WRITE, Trouble::Broken);
        check(ffi::SQLITE_IOERR_NOMEM, Trouble::Other);
        check(ffi::SQLITE_CORRUPT, Trouble::Broken);
        check(ffi::SQLITE_CORRUPT_INDEX, Trouble::Broken);
        check(ffi::SQLITE_NOTADB, Trouble::Broken);
        check(ffi::SQLITE_BUSY, Trouble::Other);
        check(ffi::SQLITE_CONSTRAINT_UNIQUE, Trouble::Other);
    }

    #[test]
    fn only_no_room_is_full_in_the_journal() {
        let error = |trouble| JournalError::from(StorageError::other("told").with(trouble));
        assert_eq!(error(Trouble::Full), JournalError::Full("told".to_owned()));
        for trouble in [Trouble::Broken, Trouble::Other] {
            assert_eq!(error(trouble), JournalError::Storage("told".to_owned()));
        }
    }
}
