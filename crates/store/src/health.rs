//! Whether the database can be relied on: no room is waited out, a broken disk is the end. Who tells whom is here; what
//! is done about it is decided by those who watch.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch::{Receiver, Sender};
use tracing::{error, info, warn};

use crate::error::{StorageError, Trouble};

/// Bytes of the file that tells whether there is room.
const TRIAL_BYTES: usize = 64 << 10;

/// That file's name.
const TRIAL: &str = "loopfour.trial";

/// How the database of one data directory is.
pub(crate) struct Health {
    directory: PathBuf,
    /// The first sign that it is broken; it never mends.
    broken: Sender<Option<String>>,
    /// Why nothing can be stored for now.
    trouble: Sender<Option<String>>,
    /// The same as `trouble`, at no cost.
    is_troubled: AtomicBool,
}

impl Health {
    /// All is well.
    pub(crate) fn new(directory: PathBuf) -> Health {
        let (broken, trouble) = (Sender::new(None), Sender::new(None));
        Health { directory, broken, trouble, is_troubled: AtomicBool::new(false) }
    }

    /// Takes note of a failure, and gives back what it means.
    pub(crate) fn note(&self, error: StorageError) -> StorageError {
        let error = if error.may_be_full() && has_no_room(&self.directory) {
            error.with(Trouble::Full)
        } else {
            error
        };
        match error.trouble() {
            Trouble::Full => self.is_full(&error),
            Trouble::Broken => self.is_broken(&error),
            Trouble::Other => {}
        }
        error
    }

    fn is_full(&self, cause: &StorageError) {
        if !self.is_troubled.swap(true, Ordering::AcqRel) {
            warn!(%cause, "nothing can be stored for now");
        }
        self.trouble.send_replace(Some(cause.to_string()));
    }

    fn is_broken(&self, cause: &StorageError) {
        self.broken.send_if_modified(|broken| {
            let is_first = broken.is_none();
            if is_first {
                error!(%cause, "the database is broken, nothing more is stored");
                *broken = Some(cause.to_string());
            }
            is_first
        });
    }

    /// Something was stored.
    pub(crate) fn stored(&self) {
        if self.is_troubled.swap(false, Ordering::AcqRel) {
            info!("there is room again");
            self.trouble.send_replace(None);
        }
    }

    /// Whether nothing can be stored for now, as far as is known.
    pub(crate) fn is_troubled(&self) -> bool {
        self.is_troubled.load(Ordering::Acquire)
    }

    /// The first sign that it is broken, if there was one.
    pub(crate) fn broken(&self) -> Option<StorageError> {
        let cause = self.broken.borrow().clone()?;
        Some(StorageError::other(cause).with(Trouble::Broken))
    }

    pub(crate) fn watch_broken(&self) -> Receiver<Option<String>> {
        self.broken.subscribe()
    }

    pub(crate) fn watch_trouble(&self) -> Receiver<Option<String>> {
        self.trouble.subscribe()
    }
}

/// Whether a file of a few pages cannot be written beside the database for want of room or of leave.
fn has_no_room(directory: &Path) -> bool {
    let path = directory.join(TRIAL);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&[0x55; TRIAL_BYTES])?;
        file.sync_all()
    });
    // There may be none, and whatever is left of it is overwritten by the next.
    let _ = std::fs::remove_file(&path);
    written.is_err_and(|cause| is_no_room(cause.kind()))
}

fn is_no_room(cause: ErrorKind) -> bool {
    matches!(
        cause,
        ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::FileTooLarge
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn failure(code: i32) -> StorageError {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into()
    }

    #[test]
    fn a_broken_disk_stays_broken_and_the_first_sign_is_told() {
        let health = Health::new(std::env::temp_dir());
        assert_eq!(health.note(failure(ffi::SQLITE_IOERR_FSYNC)).trouble(), Trouble::Broken);
        let first = health.watch_broken().borrow().clone();
        assert!(first.is_some());
        health.note(failure(ffi::SQLITE_CORRUPT));
        health.stored();
        assert_eq!(*health.watch_broken().borrow(), first);
        assert_eq!(health.broken().unwrap().trouble(), Trouble::Broken);
    }

    #[test]
    fn no_room_lasts_until_something_is_stored() {
        let health = Health::new(std::env::temp_dir());
        assert!(!health.is_troubled());
        assert_eq!(health.note(failure(ffi::SQLITE_FULL)).trouble(), Trouble::Full);
        assert!(health.is_troubled() && health.watch_trouble().borrow().is_some());
        health.stored();
        assert!(!health.is_troubled() && health.watch_trouble().borrow().is_none());
        assert_eq!(health.broken(), None);
    }

    #[test]
    fn a_failed_write_is_judged_by_whether_there_is_room() {
        let roomy = Health::new(std::env::temp_dir());
        assert_eq!(roomy.note(failure(ffi::SQLITE_IOERR_WRITE)).trouble(), Trouble::Broken);
        // Nobody can make files in this one.
        #[cfg(target_os = "linux")]
        {
            let full = Health::new("/sys".into());
            assert_eq!(full.note(failure(ffi::SQLITE_IOERR_WRITE)).trouble(), Trouble::Full);
            assert_eq!(full.note(failure(ffi::SQLITE_IOERR_FSYNC)).trouble(), Trouble::Broken);
        }
    }
}
