//! Copies of the database while it is in use: as it was at one moment, complete on the disk before it has its name, and
//! one file without anything beside it.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use crate::error::BackupError;
use crate::sqlite::connect;

/// Pages that are copied at a time: 4 MiB.
const PAGES: i32 = 1024;

/// Copies what `from` reads into a new file, readable by its owner alone, and gives its length in bytes beside what
/// `finish` gives, which may change the copy; nothing is left of it where that fails. Writers of `from` are not held up;
/// their log grows meanwhile.
pub(crate) fn copy<T, E: From<BackupError>>(
    from: &Connection,
    to: &Path,
    finish: impl FnOnce(&mut Connection) -> Result<T, E>,
) -> Result<(T, u64), E> {
    refuse_existing(to)?;
    let partial = to.with_added_extension(format!("{}.partial", Uuid::now_v7().simple()));
    let made = fill(from, &partial, to, finish).and_then(|made| Ok((made, give_name(&partial, to)?)));
    if made.is_err() {
        for file in beside(&partial) {
            // Nothing is lost with what was not completed, and there may be none.
            let _ = std::fs::remove_file(&file);
        }
    }
    made
}

/// A database and what SQLite may put beside it.
pub(crate) fn beside(database: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", "-journal"].map(|ending| {
        let mut name = database.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    })
}

fn refuse_existing(to: &Path) -> Result<(), BackupError> {
    match to.symlink_metadata() {
        Ok(_) => Err(BackupError::Exists { path: to.to_owned() }),
        Err(_) => Ok(()),
    }
}

fn fill<T, E: From<BackupError>>(
    from: &Connection,
    partial: &Path,
    to: &Path,
    finish: impl FnOnce(&mut Connection) -> Result<T, E>,
) -> Result<T, E> {
    let unusable = |cause| BackupError::Unusable { path: to.to_owned(), cause };
    let failed = |cause: rusqlite::Error| BackupError::failed(to, &cause);
    make_file(partial).map_err(unusable)?;
    let mut copy = connect(partial, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    pages(from, &mut copy).map_err(failed)?;
    let made = finish(&mut copy)?;
    copy.close().map_err(|(_, cause)| failed(cause))?;
    File::open(partial).and_then(|file| file.sync_all()).map_err(unusable)?;
    Ok(made)
}

fn make_file(path: &Path) -> std::io::Result<()> {
    let mut options = File::options();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Copies every page.
fn pages(from: &Connection, copy: &mut Connection) -> rusqlite::Result<()> {
    // The whole file is brought to the disk once, at the end, and is of no use before.
    copy.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF;")?;
    // While this is read, what is written meanwhile does not make the copy begin anew.
    let moment = from.unchecked_transaction()?;
    moment.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let backup = Backup::new(&moment, copy)?;
    while step(&backup)? {}
    drop(backup);
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
}

/// Copies a part, and says whether there is more.
fn step(backup: &Backup<'_, '_>) -> rusqlite::Result<bool> {
    match backup.step(PAGES)? {
        StepResult::Done => Ok(false),
        StepResult::More => Ok(true),
        // Nobody else has the copy open, and reading waits for nobody.
        _ => Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("the database is locked".to_owned()),
        )),
    }
}

fn give_name(partial: &Path, to: &Path) -> Result<u64, BackupError> {
    refuse_existing(to)?;
    let unusable = |cause| BackupError::Unusable { path: to.to_owned(), cause };
    let length = partial.metadata().map_err(unusable)?.len();
    std::fs::rename(partial, to).map_err(unusable)?;
    sync_directory(to).map_err(unusable)?;
    Ok(length)
}

/// Brings a file's name to the disk.
pub(crate) fn sync_directory(of: &Path) -> std::io::Result<()> {
    let directory = of.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.map_or_else(|| PathBuf::from("."), Path::to_owned))?.sync_all()
}
