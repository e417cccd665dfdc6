//! Backups are made while the store works, and `verify` finds what does not belong together.

use loopfour_store::{BackupError, Difference, ReadOnly, Verified};

use super::*;

const SOURCE: &str = include_str!("../../../../docs/examples/create-and-send-invoice.json");

/// What verifying finds, and the lines it tells.
#[track_caller]
pub fn verified(directory: &std::path::Path) -> (Verified, Vec<String>) {
    let mut lines = Vec::new();
    let tell = |difference: &Difference| lines.push(difference.to_string());
    let verified = ReadOnly::open(directory).unwrap().verify(tell).unwrap();
    (verified, lines)
}

/// A store whose workflow passes the checks, with that many runs that only began.
pub async fn worked(runs: usize) -> Place {
    let mut place = Place::new().await;
    place.workflow = place.store.create_workflow(place.company, "w", SOURCE, &by(), NOW).await.unwrap().id;
    for _ in 0..runs {
        begin(&place).await;
    }
    place
}

/// A run that only began, as the engine would sum it up.
pub async fn begin(place: &Place) -> RunId {
    let batch = place.start(NOW, None);
    let definition = Definitions::default().insert(place.workflow, 1, SOURCE).unwrap();
    let summary = Run::fold(definition, &batch.entries).unwrap().summary();
    let run = batch.run;
    place.store.append(Append { summary, ..batch }).await.unwrap();
    run
}

/// Adds an entry to a run's journal.
pub async fn append(place: &Place, run: RunId, event: Event) {
    let entries = place.store.load(run).await.unwrap();
    let definition = Definitions::default().insert(place.workflow, 1, SOURCE).unwrap();
    let mut state = Run::fold(definition, &entries).unwrap();
    let expected = state.length;
    let entry = Entry { seq: expected + 1, at: NOW, event };
    state.apply(&entry).unwrap();
    let batch = Append { run, expected, entries: [entry].into(), summary: state.summary() };
    place.store.append(batch).await.unwrap();
}

#[tokio::test]
async fn a_backup_is_the_database_at_one_moment_while_it_works() {
    let place = worked(3).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("loopfour.db");
    let bytes = ReadOnly::open(place.directory.path()).unwrap().backup(&file, NOW).unwrap();
    begin(&place).await;

    assert_eq!(file.metadata().unwrap().len(), bytes);
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions()) & 0o777,
        0o600
    );
    let beside = std::fs::read_dir(elsewhere.path()).unwrap().count();
    assert_eq!(beside, 1, "the backup is one file");
    assert_eq!(verified(elsewhere.path()), (Verified { runs: 3, entries: 3, differ: 0 }, vec![]));
    assert_eq!(verified(place.directory.path()).0.runs, 4);
    let said: i64 = rusqlite::Connection::open(&file)
        .unwrap()
        .query_row("SELECT value FROM meta WHERE name = 'backup_at'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(said, NOW.0);
}

/// Every run is in the backup whole or not at all, whatever is written meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn backups_under_load_are_whole() {
    let place = Arc::new(worked(3).await);
    let busy = Arc::clone(&place);
    let work = tokio::spawn(async move {
        loop {
            begin(&busy).await;
        }
    });
    let elsewhere = tempfile::tempdir().unwrap();
    let mut before = 0;
    for number in 0..5 {
        let directory = elsewhere.path().join(number.to_string());
        std::fs::create_dir(&directory).unwrap();
        let source = ReadOnly::open(place.directory.path()).unwrap();
        source.backup(&directory.join("loopfour.db"), NOW).unwrap();
        let (verified, lines) = verified(&directory);
        assert!(verified.runs >= before && lines.is_empty(), "{verified:?} {lines:?}");
        before = verified.runs;
    }
    work.abort();
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_leaves_nothing_behind() {
    let place = worked(3).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let source = ReadOnly::open(place.directory.path()).unwrap();
    let file = elsewhere.path().join("mine");
    std::fs::write(&file, "mine").unwrap();
    let error = source.backup(&file, NOW).unwrap_err();
    assert!(matches!(&error, BackupError::Exists { path } if *path == file), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    let error = source.backup(&elsewhere.path().join("none/backup"), NOW).unwrap_err();
    assert!(matches!(error, BackupError::Unusable { .. }), "{error}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn what_is_not_there_or_not_ours_is_not_backed_up() {
    let directory = tempfile::tempdir().unwrap();
    let refused = || ReadOnly::open(directory.path()).err().unwrap().to_string();
    let path = directory.path().join("loopfour.db");
    assert_eq!(
        refused(),
        format!("`{}` cannot be used: No such file or directory (os error 2)", path.display())
    );
    assert!(!path.exists(), "nothing is made");
    std::fs::write(&path, "").unwrap();
    assert_eq!(refused(), format!("`{}` is not a LoopFour database: it is empty", path.display()));
}

/// Changes a backup and checks what verifying tells, with `RUN` for the run's id.
#[track_caller]
fn check(place: &Place, run: RunId, sql: &str, expected: &str) {
    let copy = tempfile::tempdir().unwrap();
    ReadOnly::open(place.directory.path()).unwrap().backup(&copy.path().join("loopfour.db"), NOW).unwrap();
    let db = rusqlite::Connection::open(copy.path().join("loopfour.db")).unwrap();
    db.execute(sql, [run.0.as_bytes()]).unwrap();
    drop(db);
    let (verified, lines) = verified(copy.path());
    let lines: Vec<String> = lines.iter().map(|line| line.replace(&run.to_string(), "RUN")).collect();
    assert_eq!(lines, [expected], "{sql}");
    assert_eq!(verified.differ, 1);
}

#[tokio::test]
async fn verifying_finds_events_and_schedules_that_do_not_belong_together() {
    let place = worked(1).await;
    let run = begin(&place).await;
    let scheduled = events::active(&place, place.company, "schedule").await;
    let id = events::keep(&place, events::event(place.company, "evt_1", &[scheduled])).await;
    assert_eq!(verified(place.directory.path()).0.differ, 0);
    let check = |sql: &str, expected: &str| {
        let sql = sql.replace("EVENT", &format!("x'{}'", id.0.simple()));
        check(&place, run, &format!("{sql} AND ?1 = ?1"), expected);
    };
    let stands = "1 events stand otherwise than their hand-overs say";
    check("UPDATE provider_events SET status = 'dispatched' WHERE id = EVENT", stands);
    check("UPDATE provider_events SET status = 'unrouted' WHERE id = EVENT", stands);
    check(
        "INSERT INTO dead_hand_overs SELECT id, x'00', company, '' FROM provider_events WHERE id = EVENT",
        stands,
    );
    let stray = "UPDATE hand_overs SET cause = 'evt_00000000-0000-0000-0000-000000000001' WHERE 1";
    check(stray, "1 hand-overs belong to no event");
    let followed = "1 workflows have a schedule that is not followed, or none that is";
    check("DELETE FROM schedules WHERE 1", followed);
    check("UPDATE workflows SET status = 'paused' WHERE status = 'active'", followed);
}

#[tokio::test]
async fn verifying_finds_what_differs() {
    let place = worked(3).await;
    let run = begin(&place).await;
    let check = |sql: &str, expected: &str| check(&place, run, sql, expected);
    check(
        "UPDATE runs SET status = 'completed' WHERE id = ?1",
        "RUN: status is Completed, its journal says Pending",
    );
    check("UPDATE runs SET length = 7 WHERE id = ?1", "RUN: length is 7, its journal says 1");
    check(
        "UPDATE runs SET status = 'odd' WHERE id = ?1",
        "RUN: Conversion error from type Text at index: 4, unknown name `odd`",
    );
    check("DELETE FROM events WHERE run = ?1", "RUN: its journal does not begin with its start");
    check("UPDATE events SET seq = 2 WHERE run = ?1", "RUN: its journal does not begin with its start");
    check("DELETE FROM runs WHERE id = ?1", "1 entries belong to no run");
    let event = "cause is Some(Event { event: evt_00000000-0000-0000-0000-000000000001, again: None })";
    check(
        "UPDATE runs SET cause = 'evt_00000000-0000-0000-0000-000000000001' WHERE id = ?1",
        &format!("RUN: {event}, its journal says None"),
    );
    check(
        r#"UPDATE runs SET queue = '{"key":"a","limit":1}' WHERE id = ?1"#,
        r#"RUN: queue is Some(Queue { key: "a", limit: 1 }), its journal says None"#,
    );
    check(
        "UPDATE runs SET cause = 'odd' WHERE id = ?1",
        "RUN: Conversion error from type Text at index: 15, unknown name `odd`",
    );
}
