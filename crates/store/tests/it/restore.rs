//! A backup restored in another directory: what went on after it is not in it, so nothing is sent before a person looked.

use loopfour_engine::call::Account;
use loopfour_engine::connections::ConnectionStore as _;
use loopfour_engine::ports::{Due, Journal, Unfinished};
use loopfour_engine::provider_events::{EventStatus, Inbox as _};
use loopfour_engine::schedules::{Scheduled, Schedules as _};
use loopfour_engine::{ConnectionId, Effect, Request, WaitReason};
use loopfour_store::{HeldRun, KEY_FILE, OpenError, ReadOnly, RestoreError, Restored};

use super::backup::{append, begin, verified, worked};
use super::*;

/// Two runs of the workflow: one about to write, one that only began, and one that failed.
async fn three(place: &Place) -> [RunId; 3] {
    let writes = begin(place).await;
    let request = Request {
        provider: "stripe".to_owned(),
        action: "stripe.createCustomer".to_owned(),
        effect: Effect::Write,
        method: "POST".to_owned(),
        path: "/v1/customers".to_owned(),
        query: String::new(),
        form: String::new(),
        version: "v".to_owned(),
        account: Account { connection: "sandbox".to_owned(), mode: "sandbox".to_owned(), id: None },
    };
    let path = StepPath("get-or-create-customer".to_owned());
    let intended = Event::CallIntended {
        path,
        epoch: 1,
        input: Value::Null,
        request: Arc::new(request),
        connection: None,
    };
    append(place, writes, intended).await;
    let begun = begin(place).await;
    let failed = begin(place).await;
    append(place, failed, Event::RunFailed { error: Box::default() }).await;
    [writes, begun, failed]
}

/// A backup of a place, in a directory of its own.
fn backup(place: &Place) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("backup");
    ReadOnly::open(place.directory.path()).unwrap().backup(&file, NOW).unwrap();
    (directory, file)
}

const LATER: Timestamp = Timestamp(NOW.0 + 60_000);

#[tokio::test]
async fn what_was_under_way_is_held_for_a_person() {
    let place = worked(0).await;
    let [writes, begun, failed] = three(&place).await;
    let (_kept, file) = backup(&place);
    let after = begin(&place).await;

    let target = tempfile::tempdir().unwrap();
    let directory = target.path().join("new");
    let restored = Store::restore(&file, &directory, LATER).unwrap();
    let held = |run, status| HeldRun {
        run,
        workflow: "Create and Send Invoice".to_owned(),
        step: Some(StepPath("get-or-create-customer".to_owned())),
        status,
        since: NOW,
    };
    let expected = Restored {
        backup_at: NOW,
        runs: 3,
        entries: 5,
        held: vec![held(writes, RunStatus::Running), held(begun, RunStatus::Pending)],
        failed: 1,
        given_up: 0,
        needs_key: true,
    };
    assert_eq!(restored, expected);
    assert_eq!(verified(&directory), (loopfour_store::Verified { runs: 3, entries: 8, differ: 0 }, vec![]));

    let key = directory.join(KEY_FILE);
    let error = Store::open(&directory, LATER).unwrap_err().to_string();
    let expected = "is missing, and the database's credentials are sealed with it; put it back (no backup of the \
                    database has it), or name it with LOOPFOUR_SECRETS_KEY_FILE";
    assert_eq!(error, format!("the secrets key file `{}` {expected}", key.display()));
    assert!(!key.exists());
    std::fs::copy(place.directory.path().join(KEY_FILE), &key).unwrap();
    let store = Store::open(&directory, LATER).unwrap();
    let row = store.run(place.company, writes).await.unwrap().unwrap();
    assert_eq!(row.waiting.unwrap().reason, WaitReason::OutcomeUnknown);
    for run in [writes, begun, failed] {
        let last = Journal::load(&store, run).await.unwrap().pop().unwrap();
        assert_eq!((last.at, last.event), (LATER, Event::RunRestored { backup_at: NOW }));
    }
    assert!(Journal::load(&store, after).await.unwrap().is_empty(), "it was made after the backup");
    let due: Vec<Unfinished> = store.unfinished().await.unwrap();
    assert!(due.iter().any(|found| found.run == writes && found.due != Due::Now), "{due:?}");
    let list = store.runs(place.company, Default::default(), newest(10)).await.unwrap();
    let listed = list.rows.into_iter().find(|listed| listed.row.id == failed).unwrap();
    assert!(listed.error.is_some(), "why it failed is still told");
}

/// What was to start a run may have done so after the backup: it would be a second run, and its writes would be second
/// writes, since another run's keys are others.
#[tokio::test]
async fn nothing_that_was_to_start_a_run_starts_one_by_itself() {
    let place = worked(0).await;
    let listener = events::active(&place, place.company, "failure").await;
    let schedule = events::active(&place, place.company, "schedule").await;
    let edited = events::active(&place, place.company, "schedule").await;
    events::edit(&place, edited, events::source("schedule"), NOW).await;
    let event =
        events::keep(&place, events::event(place.company, "evt_1", &[place.workflow, listener])).await;
    let failed = begin(&place).await;
    append(&place, failed, Event::RunFailed { error: Box::default() }).await;
    place.store.keep_cursor(place.company, ConnectionId(Uuid::from_u128(7)), "evt_1").await.unwrap();
    assert_eq!(place.store.due(NOW, 10).await.unwrap().len(), 3);
    let (_kept, file) = backup(&place);

    let target = tempfile::tempdir().unwrap();
    let restored = Store::restore(&file, target.path(), LATER).unwrap();
    assert_eq!(restored.given_up, 3);
    assert_eq!(verified(target.path()).1, [""; 0]);
    std::fs::copy(place.directory.path().join(KEY_FILE), target.path().join(KEY_FILE)).unwrap();
    let store = Store::open(target.path(), LATER).unwrap();
    assert_eq!(store.due(Timestamp(i64::MAX), 10).await, Ok(vec![]));
    let found = store.event(place.company, event).await.unwrap().unwrap().0;
    let reason = "restored from a backup: replay it if it did not run since";
    assert_eq!((found.status, found.reason.as_deref(), found.attempts), (EventStatus::Dead, Some(reason), 0));
    let again = place.store.event(place.company, event).await.unwrap().unwrap().0;
    assert_eq!(again.status, EventStatus::Stored, "the database that was backed up goes on");

    let of = |workflow, version, anchor| Scheduled {
        workflow,
        company: place.company,
        version,
        current: version,
        anchor,
        after: LATER,
    };
    // What the version before owes would move the one that was edited back.
    assert_eq!(store.scheduled().await.unwrap(), [of(schedule, 1, NOW), of(edited, 2, LATER)]);
    assert_eq!(store.load_signing().await.unwrap().cursors, [], "nothing is asked for a second time");
}

#[tokio::test]
async fn a_restored_database_is_backed_up_and_restored_like_any_other() {
    let place = worked(1).await;
    let (_first, file) = backup(&place);
    let second = tempfile::tempdir().unwrap();
    Store::restore(&file, second.path(), LATER).unwrap();
    let again = second.path().join("backup");
    ReadOnly::open(second.path()).unwrap().backup(&again, LATER).unwrap();
    let third = tempfile::tempdir().unwrap();
    let restored = Store::restore(&again, third.path(), LATER).unwrap();
    assert_eq!((restored.backup_at, restored.held.len()), (LATER, 1));
    assert_eq!(verified(third.path()).0.differ, 0);
}

/// The file that a migration leaves, or a plain copy, does not say when it was made.
#[tokio::test]
async fn a_copy_of_an_earlier_version_is_brought_to_this_one() {
    let place = worked(2).await;
    let (_kept, file) = backup(&place);
    rusqlite::Connection::open(&file).unwrap().execute_batch(&open::back_to(1)).unwrap();
    let target = tempfile::tempdir().unwrap();
    let restored = Store::restore(&file, target.path(), LATER).unwrap();
    assert_eq!((restored.backup_at, restored.held.len()), (NOW, 2), "the time of its last entry");
    assert_eq!(verified(target.path()).0.differ, 0);
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 2, "the database and the lock");
}

/// Refused with this message, in which `FILE` and `DIR` stand for the paths, and the directory has no database.
#[track_caller]
fn check_refused(file: &std::path::Path, directory: &std::path::Path, expected: &str) -> RestoreError {
    let before = directory.join("loopfour.db").exists();
    let error = Store::restore(file, directory, LATER).unwrap_err();
    let message = error.to_string().replace(&file.display().to_string(), "FILE");
    assert_eq!(message.replace(&directory.display().to_string(), "DIR"), expected);
    assert_eq!(directory.join("loopfour.db").exists(), before);
    error
}

#[tokio::test]
async fn a_directory_with_a_database_is_not_restored_into() {
    let place = worked(1).await;
    let (_kept, file) = backup(&place);
    let locked = "`DIR/loopfour.lock` is locked: another process uses this data directory; stop it, or talk to it with \
                  `--server`";
    check_refused(&file, place.directory.path(), locked);
    let Place { directory, store, .. } = place;
    drop(store);
    let exists =
        "`DIR/loopfour.db` exists already; a backup is restored into a data directory without a database";
    check_refused(&file, directory.path(), exists);
    let stale = tempfile::tempdir().unwrap();
    std::fs::write(stale.path().join("loopfour.db-wal"), "stale").unwrap();
    let exists = exists.replace("loopfour.db`", "loopfour.db-wal`");
    check_refused(&file, stale.path(), &exists);
}

#[tokio::test]
async fn a_backup_that_cannot_be_relied_on_is_not_restored() {
    let place = worked(2).await;
    let target = tempfile::tempdir().unwrap();
    let spoilt = |sql: &str| {
        let (kept, file) = backup(&place);
        rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        (kept, file)
    };
    let (_kept, file) = spoilt("UPDATE runs SET length = 5");
    let error = Store::restore(&file, target.path(), LATER).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("length is 5, its journal says 1, and 1 more"), "{text}");

    let (_kept, file) = spoilt("INSERT INTO migrations VALUES (1000, '1000_future.sql', 'x', 0)");
    let error = Store::restore(&file, target.path(), LATER).unwrap_err();
    assert!(matches!(error, RestoreError::Open(OpenError::Newer { .. })), "{error}");

    let (_kept, file) = backup(&place);
    let length = file.metadata().unwrap().len();
    std::fs::File::options().write(true).open(&file).unwrap().set_len(length - 100).unwrap();
    let error = Store::restore(&file, target.path(), LATER).unwrap_err();
    assert!(matches!(error, RestoreError::Open(OpenError::Damaged { .. })), "{error}");

    let none = target.path().join("none");
    check_refused(&none, target.path(), "`FILE` cannot be used: No such file or directory (os error 2)");
    let names: Vec<_> =
        std::fs::read_dir(target.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["loopfour.lock"], "nothing is left of what was refused");
}
