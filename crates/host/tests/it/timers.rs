//! Runs go on when their time comes, and end when their time is over.

use std::time::Duration;

use loopfour_engine::ports::Runs as _;
use loopfour_engine::{Finding, RunStatus, WaitReason};
use loopfour_host::Recovered;
use loopfour_testkit::Answer;

use crate::world::{CUSTOMER, INVOICE, World};

const HOUR: i64 = 3_600_000;

#[tokio::test]
async fn an_unknown_outcome_is_asked_for_again() {
    let world = World::new(&[Answer::LostAfter(r#"{"id":"c"}"#)], &[INVOICE]);
    let (host, start) = world.host();
    let started = host.start(start).await.unwrap();
    world.until(started.run, RunStatus::Waiting, Some(WaitReason::Retry)).await;
    assert_eq!(world.gate.provider.sent().len(), 1);
    world.clock.advance(30_000);
    assert_eq!(started.rest.await.unwrap().status, RunStatus::Completed);
    assert_eq!(world.gate.provider.done().len(), 2);
}

#[tokio::test]
async fn the_earliest_goes_first() {
    let answers =
        [Answer::Later(Finding::Throttled, 600_000), Answer::Later(Finding::Throttled, 60_000), CUSTOMER];
    let world = World::new(&answers, &[INVOICE]);
    let (host, start) = world.host();
    let late = host.start(start.clone()).await.unwrap().run;
    world.until(late, RunStatus::Waiting, Some(WaitReason::Pace)).await;
    let early = host.start(start).await.unwrap().run;
    world.until(early, RunStatus::Waiting, Some(WaitReason::Pace)).await;
    world.clock.advance(59_999);
    tokio::task::yield_now().await;
    assert_eq!(world.gate.provider.sent().len(), 2, "neither goes before its time");
    world.clock.advance(1);
    world.until(early, RunStatus::Completed, None).await;
    assert_eq!(world.status(late), (RunStatus::Waiting, Some(WaitReason::Pace)));
    world.clock.advance(540_000);
    world.until(late, RunStatus::Completed, None).await;
}

#[tokio::test]
async fn a_timer_outlives_the_process() {
    let world = World::new(&[Answer::Later(Finding::Throttled, 60_000), CUSTOMER], &[INVOICE]);
    let (host, run) = world.with_run().await;
    host.idle().await;
    assert!(host.stop(Duration::from_secs(1)).await);
    let (next, _) = world.host();
    let recovered = next.recover().await.unwrap().await;
    assert_eq!(recovered, Recovered { resumed: 0, waiting: 1, unreadable: 0 });
    assert_eq!(world.gate.provider.sent().len(), 1);
    world.clock.advance(60_000);
    world.until(run, RunStatus::Completed, None).await;
}

#[tokio::test]
async fn a_time_limit_ends_a_run_that_waits() {
    let world = World::new(&[Answer::Later(Finding::Throttled, 2 * HOUR as u64)], &[INVOICE]);
    let (_host, run) = world.with_run().await;
    world.until(run, RunStatus::Waiting, Some(WaitReason::Pace)).await;
    world.clock.advance(HOUR);
    world.until(run, RunStatus::Timeout, None).await;
}

#[tokio::test]
async fn a_time_limit_ends_a_run_that_waits_for_its_turn() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    world.gate.hold_turns(true);
    let (_host, run) = world.with_run().await;
    tokio::task::yield_now().await;
    assert_eq!(world.status(run), (RunStatus::Running, None));
    world.clock.advance(1_000);
    world.until(run, RunStatus::Waiting, Some(WaitReason::Pace)).await;
    world.clock.advance(HOUR);
    world.until(run, RunStatus::Timeout, None).await;
    assert_eq!(world.gate.provider.sent(), []);
}

#[tokio::test]
async fn a_time_limit_waits_for_the_answer_under_way() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    world.gate.hold_answers(true);
    let (host, run) = world.with_run().await;
    world.gate.left(1).await;
    world.clock.advance(HOUR);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.journal.outline(run).last().unwrap(), "timeLimitPassed");
    world.gate.hold_answers(false);
    host.idle().await;
    assert_eq!(world.status(run), (RunStatus::Timeout, None));
    assert_eq!(world.gate.provider.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_does_not_leave_once_the_time_is_over() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    world.gate.hold_answers(true);
    let (host, run) = world.with_run().await;
    world.gate.left(1).await;
    // The answer comes, and the storage takes it only after the run's time is over.
    world.journal.fail_after(Some(0));
    world.gate.hold_answers(false);
    while !host.is_stalled(run) {
        tokio::task::yield_now().await;
    }
    world.clock.advance(HOUR);
    world.journal.fail_after(None);
    host.idle().await;
    assert_eq!(world.status(run), (RunStatus::Timeout, None));
    assert_eq!(world.gate.provider.sent().len(), 1, "the second write never left");
}
