use loopfour_engine::ports::Journal as _;
use loopfour_store::Progress;

use super::*;

#[tokio::test]
async fn a_watcher_hears_of_every_commit_of_its_run_only() {
    let place = Place::new().await;
    let run = place.run(NOW, RunStatus::Running).await;
    let other = place.run(NOW, RunStatus::Running).await;
    let mut watcher = place.store.watch(run);
    let mut second = place.store.watch(run);
    assert_eq!(*watcher.borrow_and_update(), Progress { length: 0, status: RunStatus::Pending });

    place.store.append(skips(other, 1, 1)).await.unwrap();
    assert!(!watcher.has_changed().unwrap());
    // The append returns after the commit was told, so this needs no waiting.
    place.store.append(skips(run, 1, 2)).await.unwrap();
    assert!(watcher.has_changed().unwrap() && second.has_changed().unwrap());
    assert_eq!(*watcher.borrow_and_update(), Progress { length: 3, status: RunStatus::Running });

    let end = Append { summary: summary(RunStatus::Completed), ..skips(run, 3, 1) };
    place.store.append(end).await.unwrap();
    let ended = second.wait_for(|progress| progress.status.has_ended()).await.unwrap();
    assert_eq!(*ended, Progress { length: 4, status: RunStatus::Completed });
}

#[tokio::test]
async fn a_batch_that_failed_is_not_told() {
    let place = Place::new().await;
    let run = place.run(NOW, RunStatus::Running).await;
    let watcher = place.store.watch(run);
    place.store.append(skips(run, 7, 1)).await.unwrap_err();
    assert!(!watcher.has_changed().unwrap());
}

#[tokio::test]
async fn what_a_watcher_told_of_is_there_to_read() {
    let place = Place::new().await;
    let run = place.run(NOW, RunStatus::Running).await;
    let mut watcher = place.store.watch(run);
    let appends = async {
        for length in 1..20 {
            place.store.append(skips(run, length, 1)).await.unwrap();
        }
    };
    let reads = async {
        while watcher.borrow_and_update().length < 20 {
            watcher.changed().await.unwrap();
            let told = watcher.borrow_and_update().length;
            assert!(place.store.run(place.company, run).await.unwrap().unwrap().length >= told);
        }
    };
    tokio::join!(appends, reads);
}

#[tokio::test]
async fn watching_again_after_everyone_left_works() {
    let place = Place::new().await;
    let run = place.run(NOW, RunStatus::Running).await;
    drop(place.store.watch(run));
    place.store.append(skips(run, 1, 1)).await.unwrap();
    // More than the sweep's first threshold.
    for _ in 0..200 {
        drop(place.store.watch(RunId(Uuid::now_v7())));
    }
    let mut watcher = place.store.watch(run);
    watcher.mark_unchanged();
    place.store.append(skips(run, 2, 1)).await.unwrap();
    assert_eq!(watcher.borrow_and_update().length, 3);
}
