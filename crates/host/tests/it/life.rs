//! Starts, stops, recovers, takes no more than it can carry, and keeps defects to one run.

use std::sync::Arc;
use std::time::Duration;

use loopfour_engine::ports::{ActError, Deed, JournalError, Runs as _, StartError};
use loopfour_engine::{Run, RunStatus, WaitReason, WorkflowId};
use loopfour_host::Recovered;
use loopfour_testkit::Answer;
use uuid::Uuid;

use crate::world::{CUSTOMER, INVOICE, TestHost, World, act};

/// Stops the process, as its end does.
async fn stopped(host: &TestHost) {
    tokio::task::yield_now().await;
    assert!(host.stop(Duration::from_secs(5)).await);
}

/// Starts the process anew and lets all go on.
async fn recovered(host: &TestHost) -> Recovered {
    let recovered = host.recover().await.unwrap().await;
    host.idle().await;
    recovered
}

#[tokio::test]
async fn a_run_goes_to_its_end() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, start) = world.host();
    let started = host.start(start).await.unwrap();
    let run = started.rest.await.expect("the run rests");
    assert_eq!(run.status, RunStatus::Completed);
    assert_eq!(world.status(started.run), (RunStatus::Completed, None));
    let folded = Run::fold(Arc::clone(run.definition()), &world.journal.entries(run.id)).unwrap();
    assert_eq!(folded.output, run.output);
    assert_eq!(world.gate.provider.done().len(), 2);
}

#[tokio::test]
async fn nothing_is_sent_that_is_not_durable() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, start) = world.host();
    world.journal.fail_after(Some(0));
    assert!(matches!(host.start(start.clone()).await, Err(StartError::Journal(_))));
    assert_eq!(world.gate.provider.sent(), []);
    // The start is stored, the first outcome is not: the second call must wait.
    world.journal.fail_after(Some(1));
    let run = host.start(start).await.unwrap().run;
    stopped(&host).await;
    assert_eq!(world.gate.provider.sent().len(), 1);
    assert_eq!(world.status(run), (RunStatus::Running, None));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_until_the_storage_takes_it() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, start) = world.host();
    world.journal.fail_after(Some(1));
    let started = host.start(start).await.unwrap();
    assert!(!host.is_stalled(started.run));
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(10)).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(world.gate.provider.sent().len(), 1, "nothing more is sent while the answer is not recorded");
    assert!(host.is_stalled(started.run));
    let refused = act(&host, started.run, Deed::Cancel).await;
    assert!(matches!(refused, Err(ActError::Journal(JournalError::Full(_)))), "{refused:?}");
    world.journal.fail_after(None);
    assert_eq!(started.rest.await.unwrap().status, RunStatus::Completed);
    assert!(!host.is_stalled(started.run));
    assert_eq!(world.status(started.run), (RunStatus::Completed, None));
    assert_eq!(world.gate.provider.sent().len(), 2, "and the first call was not sent again");
}

#[tokio::test]
async fn after_a_crash_the_call_goes_out_again_under_its_key() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    world.journal.fail_after(Some(1));
    let (crashing, run) = world.with_run().await;
    stopped(&crashing).await;
    world.journal.fail_after(None);
    let (next, _) = world.host();
    assert_eq!(recovered(&next).await, Recovered { resumed: 1, waiting: 0, unreadable: 0 });
    assert_eq!(world.status(run), (RunStatus::Completed, None));
    let sent = world.gate.provider.sent();
    assert_eq!(sent.len(), 3);
    assert_eq!((&sent[0].input, sent[0].key), (&sent[1].input, sent[1].key));
    assert_eq!(world.gate.provider.done().len(), 2, "each write once");
}

#[tokio::test]
async fn a_panic_parks_one_run_and_no_other() {
    let world = World::new(&[Answer::Panic, CUSTOMER], &[INVOICE]);
    let (host, start) = world.host();
    let parked = host.start(start.clone()).await.unwrap().run;
    host.idle().await;
    let other = host.start(start).await.unwrap().run;
    host.idle().await;
    assert_eq!(world.status(parked), (RunStatus::Waiting, Some(WaitReason::Parked)));
    assert_eq!(world.status(other), (RunStatus::Completed, None));
    // It stays so, whatever comes.
    let (next, _) = world.host();
    assert_eq!(recovered(&next).await.resumed, 0);
    assert_eq!(world.status(parked), (RunStatus::Waiting, Some(WaitReason::Parked)));
}

#[tokio::test]
async fn an_unreadable_run_stops_no_other() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (crashing, mut start) = world.host();
    world.journal.fail_after(Some(2));
    let readable = crashing.start(start.clone()).await.unwrap().run;
    start.workflow = WorkflowId(Uuid::from_u128(9));
    drop(crashing.start(start).await.unwrap());
    stopped(&crashing).await;
    world.journal.fail_after(None);
    let (next, _) = world.host();
    assert_eq!(recovered(&next).await, Recovered { resumed: 1, waiting: 0, unreadable: 1 });
    assert_eq!(world.status(readable), (RunStatus::Completed, None));
}

#[tokio::test]
async fn a_stopped_host_begins_nothing() {
    let world = World::new(&[Answer::LostBefore], &[INVOICE]);
    let (host, start) = world.host();
    let waiting = host.start(start.clone()).await.unwrap();
    host.idle().await;
    assert!(host.stop(Duration::from_secs(1)).await);
    assert!(waiting.rest.await.is_none(), "who waits for a run is told that the process stops");
    assert!(matches!(host.start(start).await, Err(StartError::Stopping)));
    assert!(matches!(act(&host, waiting.run, Deed::Cancel).await, Err(ActError::Stopping)));
    world.clock.advance(60_000);
    tokio::task::yield_now().await;
    assert_eq!(world.gate.provider.sent().len(), 1);
}

#[tokio::test]
async fn a_stop_waits_for_the_answer_and_not_for_the_turn() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    world.gate.hold_answers(true);
    let (host, run) = world.with_run().await;
    world.gate.left(1).await;
    let stop = tokio::spawn({
        let host = host.clone();
        async move { host.stop(Duration::from_secs(5)).await }
    });
    tokio::task::yield_now().await;
    world.gate.hold_answers(false);
    assert!(stop.await.unwrap());
    assert_eq!(world.journal.outline(run).last().unwrap(), "callIntended second", "the answer is recorded");
    // A call that stands in the queue is left there.
    let (next, _) = world.host();
    world.gate.hold_turns(true);
    assert_eq!(next.recover().await.unwrap().await.resumed, 1);
    assert!(next.stop(Duration::from_secs(5)).await);
    assert_eq!(world.gate.provider.sent().len(), 1);
    world.gate.hold_turns(false);
    let (last, _) = world.host();
    recovered(&last).await;
    assert_eq!(world.status(run), (RunStatus::Completed, None));
}

#[tokio::test]
async fn who_comes_when_all_is_taken_is_asked_to_come_again() {
    let world = World::new(&[CUSTOMER], &[INVOICE]).with_most_runs(1);
    world.gate.hold_answers(true);
    let (host, start) = world.host();
    let first = host.start(start.clone()).await.unwrap();
    assert!(matches!(host.start(start.clone()).await, Err(StartError::Busy)));
    // What people do to a run needs no room.
    act(&host, first.run, Deed::Cancel).await.unwrap();
    world.gate.hold_answers(false);
    assert_eq!(first.rest.await.unwrap().status, RunStatus::Cancelled);
    host.idle().await;
    assert_eq!(host.start(start).await.unwrap().rest.await.unwrap().status, RunStatus::Completed);
}

#[tokio::test]
async fn a_waiting_run_takes_no_room() {
    let world = World::new(&[Answer::LostBefore, CUSTOMER], &[INVOICE]).with_most_runs(1);
    let (host, start) = world.host();
    let waiting = host.start(start.clone()).await.unwrap().run;
    host.idle().await;
    assert_eq!(world.status(waiting), (RunStatus::Waiting, Some(WaitReason::Retry)));
    assert_eq!(host.start(start).await.unwrap().rest.await.unwrap().status, RunStatus::Completed);
}

#[tokio::test]
async fn more_runs_recover_than_there_is_room_for() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    world.gate.hold_turns(true);
    let (host, start) = world.host();
    let mut runs = Vec::new();
    for _ in 0..50 {
        runs.push(host.start(start.clone()).await.unwrap().run);
    }
    assert!(host.stop(Duration::from_secs(5)).await);
    world.gate.hold_turns(false);
    let world = world.with_most_runs(3);
    let (next, _) = world.host();
    assert_eq!(recovered(&next).await, Recovered { resumed: 50, waiting: 0, unreadable: 0 });
    assert!(runs.iter().all(|run| world.status(*run) == (RunStatus::Completed, None)));
    assert_eq!(world.gate.provider.done().len(), 100);
}
