//! Whether a database file lost its end. SQLite takes it for zeros where a log stands beside the file, and would answer
//! from it; here every page must be in the file or in the log.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::OpenError;
use crate::sqlite::refusal;

/// Bytes before the first frame of a log, and of a frame before its page.
const LOG_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// Where in the log's index the number of its valid frames stands.
const FRAMES_AT: u64 = 16;

/// The page of this byte is never used.
const PENDING_BYTE: u64 = 1 << 30;

/// Refuses a file that ends before its last page, unless the log holds what is missing.
pub(crate) fn check_length(db: &Connection, path: &Path) -> Result<(), OpenError> {
    // As long as it is read the log is not begun anew.
    let moment = db.unchecked_transaction().map_err(|error| refusal(path, &error))?;
    let number = |sql: &str| {
        let number = moment.query_row(sql, [], |row| row.get::<_, i64>(0));
        number.map(i64::unsigned_abs).map_err(|error| refusal(path, &error))
    };
    let (pages, size) = (number("PRAGMA page_count")?, number("PRAGMA page_size")?.max(1));
    let unusable = |cause| OpenError::Unusable { path: path.to_owned(), cause };
    let whole = path.metadata().map_err(unusable)?.len() / size;
    if whole >= pages {
        return Ok(());
    }
    let logged = logged_after(whole, path, size).map_err(unusable)?;
    let pending = PENDING_BYTE / size + 1;
    match (whole + 1..=pages).find(|page| *page != pending && !logged.contains(page)) {
        None => Ok(()),
        Some(_) => {
            let cause = format!("it has {pages} pages and ends after {whole}");
            Err(OpenError::Damaged { path: path.to_owned(), cause })
        }
    }
}

/// The pages with higher numbers than this that the log holds.
fn logged_after(page: u64, path: &Path, size: u64) -> std::io::Result<HashSet<u64>> {
    let mut pages = HashSet::new();
    let (Some(mut index), Some(mut log)) = (open(path, "-shm")?, open(path, "-wal")?) else {
        return Ok(pages);
    };
    let mut number = [0; 4];
    index.seek(SeekFrom::Start(FRAMES_AT))?;
    index.read_exact(&mut number)?;
    // The index is this machine's, the log is anybody's.
    for frame in 0..u64::from(u32::from_ne_bytes(number)) {
        log.seek(SeekFrom::Start(LOG_HEADER + frame * (FRAME_HEADER + size)))?;
        log.read_exact(&mut number)?;
        pages.extend(Some(u64::from(u32::from_be_bytes(number))).filter(|found| *found > page));
    }
    Ok(pages)
}

/// What stands beside the database; none if there is none.
fn open(path: &Path, ending: &str) -> std::io::Result<Option<File>> {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    match File::open(PathBuf::from(name)) {
        Ok(file) => Ok(Some(file)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}
