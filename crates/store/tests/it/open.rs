use loopfour_store::{AuditBreak, Holder, KEY_FILE, NewKey, OpenError, ReadOnly, Role, Scope};

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

/// The files of a data directory in use, as a sudden end would leave them.
fn copied(directory: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in ["loopfour.db", "loopfour.db-wal", KEY_FILE] {
        std::fs::copy(directory.path().join(file), copy.path().join(file)).unwrap();
    }
    copy
}

fn database(directory: &TempDir) -> PathBuf {
    directory.path().join("loopfour.db")
}

pub fn change(directory: &TempDir, sql: &str) {
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

#[tokio::test]
async fn an_emptied_database_is_not_taken_for_a_new_one() {
    let directory = closed().await;
    for left in ["secrets.key", "loopfour.db.before-0002.bak"] {
        std::fs::write(database(&directory), "").unwrap();
        std::fs::write(directory.path().join(left), "").unwrap();
        check_refused(
            &directory,
            "`DIR/loopfour.db` is damaged: it is empty, and beside it lies what an earlier database left; restore it from a backup",
        );
        std::fs::remove_file(directory.path().join(left)).unwrap();
    }
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

#[tokio::test]
async fn a_database_that_lost_a_part_of_its_last_page_is_refused() {
    let directory = closed().await;
    // So that the last page is none of the schema's.
    change(&directory, "INSERT INTO meta VALUES ('long', zeroblob(100000))");
    let file = std::fs::File::options().write(true).open(database(&directory)).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length - 1).unwrap();
    let pages = length / 4096;
    let expected = format!(
        "`DIR/loopfour.db` is damaged: it has {pages} pages and ends after {}; restore it from a backup",
        pages - 1
    );
    assert!(matches!(check_refused(&directory, &expected), OpenError::Damaged { .. }));
}

/// SQLite itself would take the missing end for zeros: the log says how long the database is.
#[tokio::test]
async fn a_database_that_lost_its_end_is_refused_where_a_log_stands_beside_it() {
    let directory = closed().await;
    // Its own end, which the log does not hold.
    change(&directory, "INSERT INTO meta VALUES ('long', zeroblob(100000))");
    let store = Store::open(directory.path(), NOW).unwrap();
    store.create_company("in the log", &by(), NOW).await.unwrap();
    let copy = copied(&directory);
    let file = std::fs::File::options().write(true).open(database(&copy)).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length - 4096).unwrap();
    let error = Store::open(copy.path(), NOW).unwrap_err();
    assert!(error.to_string().contains(&format!("ends after {};", length / 4096 - 1)), "{error}");

    file.set_len(length).unwrap();
    Store::open(copy.path(), NOW).unwrap();
}

/// A process that was killed while it moved the log into the database.
#[tokio::test]
async fn an_end_that_only_the_log_holds_is_not_missed() {
    let place = Place::new().await;
    for number in 0..50 {
        let source = format!("\"{}\"", number.to_string().repeat(5000));
        place.store.create_workflow(place.company, "x", &source, &by(), NOW).await.unwrap();
    }
    let copy = copied(&place.directory);
    let pages = |directory: &TempDir| std::fs::metadata(database(directory)).unwrap().len() / 4096;
    let before = pages(&copy);
    drop(Store::open(copy.path(), NOW).unwrap());
    assert!(pages(&copy) > before, "what the log held was not in the file");
}

#[tokio::test]
async fn a_large_database_that_lost_its_end_is_refused() {
    let directory = closed().await;
    change(&directory, "INSERT INTO meta VALUES ('long', zeroblob(40000000))");
    Store::open(directory.path(), NOW).unwrap();
    let file = std::fs::File::options().write(true).open(database(&directory)).unwrap();
    file.set_len(file.metadata().unwrap().len() - 4096).unwrap();
    let error = Store::open(directory.path(), NOW).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

/// Nobody can make files in this directory, not even the system's administrator.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let error = Store::open(std::path::Path::new("/sys"), NOW).unwrap_err();
    assert!(matches!(&error, OpenError::Unusable { .. }), "{error}");
    assert!(error.to_string().starts_with("`/sys/loopfour.lock` cannot be used: "), "{error}");
}

#[test]
fn a_database_that_is_a_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(database(&directory)).unwrap();
    check_refused(&directory, "`DIR/loopfour.db` cannot be used: Is a directory (os error 21)");
}

/// A copy made of an open database's file alone, without what stands beside it.
#[tokio::test]
async fn a_database_without_its_log_is_no_new_one() {
    let Place { directory, company, store: _store, .. } = Place::new().await;
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(database(&directory), database(&copy)).unwrap();
    std::fs::copy(directory.path().join(KEY_FILE), copy.path().join(KEY_FILE)).unwrap();
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

/// What 0004 and later added, taken away again.
const THIRD_VERSION: &str = "
    DROP TABLE outbox; DROP TABLE notices;
    DROP TABLE hand_overs; DROP TABLE dead_hand_overs; DROP TABLE provider_event_bodies; DROP TABLE provider_events;
    DROP TABLE schedules; DROP TABLE webhook_secrets; DROP TABLE webhook_refusals;
    DROP INDEX runs_by_cause; ALTER TABLE runs DROP COLUMN cause; ALTER TABLE runs DROP COLUMN queue;
    DROP INDEX workflows_by_trigger; ALTER TABLE workflows DROP COLUMN trigger;
    DROP TABLE registrations; DROP TABLE event_cursors;
    DELETE FROM migrations WHERE version > 3;";

/// What 0003 added, taken away after that.
const SECOND_VERSION: &str = "
    DROP TABLE audit; DROP TABLE connections; DROP TABLE sessions; DROP TABLE login_links;
    DROP INDEX keys_of_company; DROP INDEX keys_of_member; ALTER TABLE keys DROP COLUMN member; DROP TABLE members;
    DELETE FROM meta; DELETE FROM migrations WHERE version > 2;";

/// What 0002 added, taken away after that.
const FIRST_VERSION: &str = "
    ALTER TABLE runs DROP COLUMN due_at; ALTER TABLE runs DROP COLUMN restarted_from;
    DROP TABLE meta; DELETE FROM migrations WHERE version > 1";

/// Takes a database back to an earlier version's form.
pub fn back_to(version: u32) -> String {
    let later = [(3, THIRD_VERSION), (2, SECOND_VERSION), (1, FIRST_VERSION)];
    later.into_iter().filter(|(before, _)| *before >= version).map(|(_, sql)| sql).collect()
}

#[tokio::test]
async fn before_a_database_is_changed_it_is_kept() {
    let directory = closed().await;
    let kept = directory.path().join("loopfour.db.before-0002.bak");
    assert!(!kept.exists(), "a new database has nothing to lose");
    change(&directory, &back_to(1));
    drop(Store::open(directory.path(), NOW).unwrap());

    let versions = |path: &std::path::Path| {
        let db = rusqlite::Connection::open(path).unwrap();
        db.query_row("SELECT max(version) FROM migrations", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!((versions(&kept), versions(&database(&directory))), (1, 5));
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&kept.metadata().unwrap().permissions()) & 0o777,
        0o600
    );

    // A later start changes nothing and keeps nothing.
    std::fs::remove_file(&kept).unwrap();
    drop(Store::open(directory.path(), NOW).unwrap());
    assert!(!kept.exists());
}

#[tokio::test]
async fn a_database_that_cannot_be_kept_is_not_changed() {
    let directory = closed().await;
    change(&directory, &back_to(1));
    std::fs::create_dir(directory.path().join("loopfour.db.before-0002.bak")).unwrap();
    let expected = "`DIR/loopfour.db` is of an earlier version, and before it is changed a backup is made: \
                    `DIR/loopfour.db.before-0002.bak` exists already; a backup overwrites nothing";
    assert!(matches!(check_refused(&directory, expected), OpenError::NoBackup { .. }));
    let db = rusqlite::Connection::open(database(&directory)).unwrap();
    assert!(!db.table_exists(None::<&str>, "meta").unwrap());
}

/// A database from before there were people: its keys go on as machines' keys, and from here on there is an audit log.
#[tokio::test]
async fn a_database_of_the_second_version_is_brought_to_this_one() {
    let place = Place::new().await;
    let key = NewKey { name: "ci".to_owned(), scopes: vec![Scope::Admin], expires_at: None, member: None };
    let (_, secret) = place.store.create_key(place.company, key, &by(), NOW).await.unwrap();
    let run = place.run(NOW, RunStatus::Running).await;
    let Place { directory, store, company, workflow } = place;
    drop(store);
    change(&directory, &back_to(2));
    std::fs::remove_file(directory.path().join(KEY_FILE)).unwrap();

    let store = Store::open(directory.path(), NOW).unwrap();
    assert!(directory.path().join("loopfour.db.before-0003.bak").exists());
    assert!(directory.path().join(KEY_FILE).exists());
    let principal = store.authenticate(secret.reveal(), NOW).await.unwrap().unwrap();
    assert!(matches!(&principal.holder, Holder::Key { name, member: None, .. } if name == "ci"));
    assert!(store.run(company, run).await.unwrap().is_some());
    assert!(store.workflow(company, workflow).await.unwrap().is_some());
    assert_eq!(store.audit_head(company).await.unwrap().count, 0);
    store.create_member(company, "a@b.example", Role::Admin, &principal.actor(None), NOW).await.unwrap();
    assert_eq!(store.audit_head(company).await.unwrap().count, 1);
    drop(store);
    assert_eq!(verified_audit(&directory), None);
}

fn verified_audit(directory: &TempDir) -> Option<AuditBreak> {
    ReadOnly::open(directory.path()).unwrap().audit_verify(None).unwrap().broken
}
