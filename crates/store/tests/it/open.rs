use loopfour_store::OpenError;

use super::*;

/// Opens a directory that cannot be opened and checks the message, in which `DIR` stands for the directory.
#[track_caller]
fn check_refused(directory: &TempDir, expected: &str) -> OpenError {
    let error = Store::open(directory.path(), NOW).unwrap_err();
    let message = error.to_string().replace(&directory.path().display().to_string(), "DIR");
    assert_eq!(message, expected);
    error
}

/// A directory that was used and closed.
async fn closed() -> TempDir {
    let Place { directory, store, .. } = Place::new().await;
    drop(store);
    directory
}

fn database(directory: &TempDir) -> PathBuf {
    directory.path().join("loopfour.db")
}

fn change(directory: &TempDir, sql: &str) {
    rusqlite::Connection::open(database(directory)).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_second_process_is_refused_until_the_first_is_gone() {
    let Place { directory, store, company, .. } = Place::new().await;
    let expected = "`DIR/loopfour.lock` is locked: another process uses this data directory; stop it, or talk to it \
                    with `--server`";
    assert!(matches!(check_refused(&directory, expected), OpenError::Locked { .. }));
    let second = store.clone();
    drop(store);
    check_refused(&directory, expected);
    drop(second);
    assert_eq!(Store::open(directory.path(), NOW).unwrap().default_company(), company);
}

#[test]
fn the_directory_is_made_for_its_owner_alone() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("a/b");
    Store::open(&directory, NOW).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&directory.join("loopfour.db")), 0o600);
    }
    let file = parent.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Store::open(&file, NOW).unwrap_err();
    assert!(matches!(&error, OpenError::Unusable { path, .. } if *path == file), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let text = "not a database, but somebody's notes. ".repeat(40);
    std::fs::write(database(&directory), &text).unwrap();
    let error =
        check_refused(&directory, "`DIR/loopfour.db` is not a LoopFour database: file is not a database");
    assert!(matches!(error, OpenError::Foreign { .. }));
    assert_eq!(std::fs::read_to_string(database(&directory)).unwrap(), text);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    change(&directory, "CREATE TABLE recipes (name TEXT)");
    let before = std::fs::read(database(&directory)).unwrap();
    let expected =
        "`DIR/loopfour.db` is not a LoopFour database: its application id is 0x0, ours is 0x4c504634";
    check_refused(&directory, expected);
    assert_eq!(std::fs::read(database(&directory)).unwrap(), before);
}

#[test]
fn an_empty_file_is_a_new_database() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(database(&directory), "").unwrap();
    Store::open(directory.path(), NOW).unwrap();
}

#[tokio::test]
async fn a_database_that_lost_its_end_is_refused() {
    let directory = closed().await;
    let file = std::fs::File::options().write(true).open(database(&directory)).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    let expected = "`DIR/loopfour.db` is damaged: database disk image is malformed; restore it from a backup";
    assert!(matches!(check_refused(&directory, expected), OpenError::Damaged { .. }));
}

/// A copy made of an open database's file alone, without what stands beside it.
#[tokio::test]
async fn a_database_without_its_log_is_no_new_one() {
    let Place { directory, company, store: _store, .. } = Place::new().await;
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(database(&directory), database(&copy)).unwrap();
    assert_eq!(Store::open(copy.path(), NOW).unwrap().default_company(), company);
}

/// What a first start that was killed leaves is one page; SQLite takes less of it for an empty file.
#[test]
fn a_database_that_ends_within_its_first_page_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    change(&directory, "PRAGMA journal_mode = WAL");
    Store::open(directory.path(), NOW).unwrap();
    let directory = tempfile::tempdir().unwrap();
    change(&directory, "PRAGMA journal_mode = WAL");
    std::fs::File::options().write(true).open(database(&directory)).unwrap().set_len(3000).unwrap();
    let error = check_refused(
        &directory,
        "`DIR/loopfour.db` is damaged: it ends within its first page; restore it from a backup",
    );
    assert!(matches!(error, OpenError::Damaged { .. }));
}

#[tokio::test]
async fn a_database_with_a_hole_is_refused() {
    let directory = closed().await;
    let mut bytes = std::fs::read(database(&directory)).unwrap();
    let last = bytes.len() - 4096;
    bytes[last..].fill(0xff);
    std::fs::write(database(&directory), bytes).unwrap();
    let error = Store::open(directory.path(), NOW).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert_eq!(error.to_string().lines().count(), 1);
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let directory = closed().await;
    change(&directory, "INSERT INTO migrations VALUES (1000, '1000_future.sql', 'x', 0)");
    let known = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).unwrap().count();
    let expected = format!(
        "`DIR/loopfour.db` was made by a newer version: it has migration 1000 `1000_future.sql`, this version knows {known}"
    );
    check_refused(&directory, &expected);
}

#[tokio::test]
async fn a_migration_that_was_edited_after_it_was_applied_is_refused() {
    let directory = closed().await;
    change(&directory, "UPDATE migrations SET checksum = 'x' WHERE version = 1");
    let expected = "`DIR/loopfour.db` has migration `0001_start.sql` in another form than this version; use the version \
                    that made it";
    check_refused(&directory, expected);
}

#[tokio::test]
async fn migrations_are_recorded_and_applied_once() {
    let directory = closed().await;
    let applied = || {
        let db = rusqlite::Connection::open(database(&directory)).unwrap();
        let mut statement =
            db.prepare("SELECT version, name, length(checksum), applied_at FROM migrations").unwrap();
        let rows =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
        rows.map(Result::unwrap).collect::<Vec<(i64, String, i64, i64)>>()
    };
    let before = applied();
    assert_eq!(before[0], (1, "0001_start.sql".to_owned(), 64, NOW.0));
    drop(Store::open(directory.path(), Timestamp(NOW.0 + 1)).unwrap());
    assert_eq!(applied(), before);
}

#[tokio::test]
async fn an_open_store_is_ready() {
    let place = Place::new().await;
    assert_eq!(place.store.ready().await, Ok(()));
}
