//! What can go wrong with the database itself. Refusals that a caller can act on are errors of their own beside the
//! queries that give them.

use std::path::PathBuf;

use loopfour_engine::ports::JournalError;

/// The database failed; whether a change was stored is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StorageError(pub(crate) String);

impl StorageError {
    /// The writer or a reader is gone: the server stops, or a defect of ours ended the request.
    pub(crate) fn no_answer() -> StorageError {
        StorageError("the database gave no answer".to_owned())
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> StorageError {
        StorageError(error.to_string())
    }
}

impl From<StorageError> for JournalError {
    fn from(error: StorageError) -> JournalError {
        JournalError::Storage(error.0)
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
    /// The database refused something else.
    #[error("`{path}` cannot be opened: {cause}")]
    Failed {
        /// The database.
        path: PathBuf,
        /// What it says.
        cause: StorageError,
    },
}
