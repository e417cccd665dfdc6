//! A sudden end at any moment, and files cut anywhere: what was acknowledged is there, or the start is refused.

use proptest::prelude::*;

use super::backup::{begin, verified, worked};
use loopfour_store::KEY_FILE;

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
