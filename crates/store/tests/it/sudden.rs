//! A sudden end at any moment, and files cut anywhere: what was acknowledged is there, or the start is refused.

use proptest::prelude::*;

use super::backup::{begin, verified, worked};
use loopfour_engine::Cause;
use loopfour_engine::provider_events::{EventStatus, Inbox as _};
use loopfour_store::{EventFilter, KEY_FILE, ListedEvent};

use super::*;

/// The files of a directory in use, cut at a part of their length, in a directory of their own.
fn cut(directory: &TempDir, database: f64, log: f64) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for (name, part) in [("loopfour.db", database), ("loopfour.db-wal", log)] {
        let bytes = std::fs::read(directory.path().join(name)).unwrap();
        #[expect(clippy::float_arithmetic, reason = "where a file is cut need not be exact")]
        let length = (bytes.len() as f64 * part) as usize;
        std::fs::write(copy.path().join(name), &bytes[..length]).unwrap();
    }
    std::fs::copy(directory.path().join(KEY_FILE), copy.path().join(KEY_FILE)).unwrap();
    copy
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The log alone holds what was not moved yet: a part of it is a state that was once acknowledged.
    #[test]
    fn a_log_that_was_cut_leaves_whole_runs(before in 0_usize..6, after in 0_usize..6, part in 0.0..=1.0) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let place = reopened(before).await;
            for _ in 0..after {
                begin(&place).await;
            }
            let (copy, whole) = (cut(&place.directory, 1.0, part), cut(&place.directory, 1.0, 1.0));
            for (copy, least) in [(copy, before), (whole, before + after)] {
                drop(Store::open(copy.path(), NOW).unwrap());
                let (found, lines) = verified(copy.path());
                assert!(lines.is_empty(), "{lines:?}");
                assert!((least..=before + after).contains(&(found.runs as usize)), "{found:?}");
            }
        });
    }

    /// An event is to be handed over or has its run, never both, and never neither.
    #[test]
    fn a_log_that_was_cut_leaves_each_event_its_run_or_its_hand_over(
        before in 0_usize..4,
        after in prop::collection::vec(any::<bool>(), 0..6),
        part in 0.0..=1.0,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let place = worked(0).await;
            for number in 0..before {
                come_in(&place, number, number % 2 == 0).await;
            }
            let Place { directory, store, company, workflow } = place;
            drop(store);
            let store = Store::open(directory.path(), NOW).unwrap();
            let place = Place { directory, store, company, workflow };
            for (number, is_begun) in after.iter().enumerate() {
                come_in(&place, before + number, *is_begun).await;
            }
            let copy = cut(&place.directory, 1.0, part);
            let store = Store::open(copy.path(), NOW).unwrap();
            let page = store.provider_events(company, EventFilter::default(), newest(50)).await.unwrap();
            assert!((before..=before + after.len()).contains(&page.rows.len()));
            let pending = store.due(NOW, 50).await.unwrap();
            for ListedEvent { event, runs } in page.rows {
                let cause = Cause::Event { event: event.id, again: None };
                let pending = pending.iter().filter(|hand_over| hand_over.cause == cause).count();
                assert_eq!(pending + runs.len(), 1, "{event:?}");
                let status = if pending == 1 { EventStatus::Stored } else { EventStatus::Dispatched };
                assert_eq!(event.status, status);
                let (_, body) = store.event(company, event.id).await.unwrap().unwrap();
                assert!(body.is_some());
            }
            drop(store);
            assert_eq!(verified(copy.path()).1, [""; 0]);
        });
    }

    #[test]
    fn a_database_that_was_cut_is_refused_or_whole(runs in 0_usize..6, part in 0.0..1.0, log in 0.0..=1.0) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let place = reopened(runs).await;
            begin(&place).await;
            let copy = cut(&place.directory, part, log);
            match Store::open(copy.path(), NOW) {
                // What the file lacks, the log has; or nothing is left, and it is a new one.
                Ok(store) => {
                    drop(store);
                    assert_eq!(verified(copy.path()).1, [""; 0]);
                }
                Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
            }
        });
    }
}

/// An event for the workflow comes in, and its run begins or does not.
async fn come_in(place: &Place, number: usize, is_begun: bool) {
    let event = events::event(place.company, &format!("evt_{number}"), &[place.workflow]);
    let id = events::keep(place, event).await;
    if is_begun {
        let start = events::start_for(place, place.workflow, Cause::Event { event: id, again: None });
        place.store.append(Append { summary: begun(), ..start }).await.unwrap();
    }
}

/// How a run stands that only began.
fn begun() -> Summary {
    Summary { started_at: None, ..summary(RunStatus::Pending) }
}

/// A place with that many runs in the database file and an empty log.
async fn reopened(runs: usize) -> Place {
    let Place { directory, store, company, workflow } = worked(runs).await;
    drop(store);
    let store = Store::open(directory.path(), NOW).unwrap();
    Place { directory, store, company, workflow }
}

/// Files that were copied one after the other while the store worked belong to different moments.
#[tokio::test(flavor = "multi_thread")]
async fn files_copied_under_load_open_or_are_refused() {
    let place = Arc::new(worked(20).await);
    let busy = Arc::clone(&place);
    let work = tokio::spawn(async move {
        loop {
            begin(&busy).await;
        }
    });
    for _ in 0..8 {
        let copy = cut(&place.directory, 1.0, 1.0);
        match Store::open(copy.path(), NOW) {
            Ok(store) => drop(store),
            Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
        }
        tokio::task::yield_now().await;
    }
    work.abort();
}
