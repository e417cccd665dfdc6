//! Runs that take turns: who waits, who comes next, and what does not count as an end.

use std::time::Duration;

use futures_util::FutureExt as _;
use loopfour_engine::ports::{ActError, Deed, JournalError, Resolution, Runs as _, Start, StartError};
use loopfour_engine::{Finding, Queue, RunId, RunStatus, WaitReason, WorkflowId};
use loopfour_host::Recovered;
use loopfour_testkit::Answer;
use uuid::Uuid;

use crate::world::{CUSTOMER, INVOICE, TestHost, World, act, resolve};

const HOUR: i64 = 3_600_000;
const PENDING: (RunStatus, Option<WaitReason>) = (RunStatus::Pending, None);
const COMPLETED: (RunStatus, Option<WaitReason>) = (RunStatus::Completed, None);

fn queued(start: &Start, key: &str, limit: u32) -> Start {
    Start { queue: Some(Queue { key: key.to_owned(), limit }), ..start.clone() }
}

async fn begin(host: &TestHost, start: &Start, times: usize) -> Vec<RunId> {
    let mut runs = Vec::new();
    for _ in 0..times {
        runs.push(host.start(start.clone()).await.unwrap().run);
    }
    runs
}

/// Lets everything happen that can.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// A host where the first of so many runs has its turn and its call is under way; its answer is held back.
async fn held(world: &World, runs: usize) -> (TestHost, Start, Vec<RunId>) {
    world.gate.hold_answers(true);
    let (host, start) = world.host();
    let start = queued(&start, "k", 1);
    let runs = begin(&host, &start, runs).await;
    world.gate.left(1).await;
    settle().await;
    (host, start, runs)
}

#[tokio::test]
async fn one_after_the_other_in_the_order_of_their_starts() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, _, runs) = held(&world, 4).await;
    assert_eq!(world.status(runs[0]), (RunStatus::Running, None));
    for run in &runs[1..] {
        assert_eq!(world.status(*run), PENDING);
        assert_eq!(world.journal.outline(*run), ["runStarted"]);
        assert_eq!(world.journal.summary(*run).unwrap().started_at, None);
    }
    assert_eq!(world.gate.provider.sent(), []);
    world.clock.advance(5_000);
    world.gate.hold_answers(false);
    host.idle().await;
    let ends = runs.iter().map(|run| world.journal.entries(*run).last().unwrap().at);
    assert!(ends.is_sorted());
    assert!(runs.iter().all(|run| world.status(*run) == COMPLETED));
    assert_eq!(world.journal.summary(runs[3]).unwrap().started_at.unwrap().0, 6_000, "when it began");
}

#[tokio::test]
async fn other_keys_and_workflows_do_not_wait() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, start, _) = held(&world, 2).await;
    let other = queued(&start, "other", 1);
    let workflow = WorkflowId(Uuid::from_u128(9));
    world.journal.define(workflow, 1, crate::world::WORKFLOW);
    let elsewhere = Start { workflow, ..start.clone() };
    let free = Start { queue: None, ..start.clone() };
    for (which, start) in [other, elsewhere, free].into_iter().enumerate() {
        host.start(start).await.unwrap();
        world.gate.left(2 + which).await;
    }
    // As many as the limit says.
    let three = begin(&host, &queued(&start, "three", 3), 4).await;
    world.gate.left(7).await;
    settle().await;
    assert_eq!(world.status(three[2]), (RunStatus::Running, None));
    assert_eq!(world.status(three[3]), PENDING);
    world.gate.hold_answers(false);
    world.until_all_ended(9).await;
}

#[tokio::test]
async fn the_place_is_that_of_the_first_look() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    world.journal.acknowledge_late();
    world.gate.hold_answers(true);
    let (host, start) = world.host();
    let start = queued(&start, "k", 1);
    let mut starts: Vec<_> = (0..3).map(|_| host.start(start.clone())).collect();
    for start in &mut starts {
        assert!(start.now_or_never().is_none(), "the journal has not answered yet");
    }
    // The answers are waited for in another order.
    let third = starts.pop().unwrap().await.unwrap().run;
    let second = starts.pop().unwrap().await.unwrap().run;
    let first = starts.pop().unwrap().await.unwrap().run;
    settle().await;
    assert_eq!(world.status(first), (RunStatus::Running, None));
    act(&host, first, Deed::Cancel).await.unwrap();
    world.gate.hold_answers(false);
    world.until(second, RunStatus::Completed, None).await;
    world.until(third, RunStatus::Completed, None).await;
    let began = |run| world.journal.entries(run)[1].at;
    assert!(began(first) <= began(second) && began(second) <= began(third));
}

#[tokio::test]
async fn whatever_ends_a_run_gives_the_turn_on() {
    let declined = Answer::Refused("card_declined");
    let later = Answer::Later(Finding::Throttled, 2 * HOUR as u64);
    // A failure.
    let world = World::new(&[declined, CUSTOMER], &[INVOICE]);
    let (host, _, runs) = held(&world, 2).await;
    world.gate.hold_answers(false);
    host.idle().await;
    assert_eq!(world.status(runs[0]), (RunStatus::Failed, None));
    assert_eq!(world.status(runs[1]), COMPLETED);
    // A person, and the run's time: that of the second counts from when it began.
    for by_hand in [true, false] {
        let world = World::new(&[later.clone(), CUSTOMER], &[INVOICE]);
        let (host, _, runs) = held(&world, 2).await;
        world.gate.hold_answers(false);
        world.until(runs[0], RunStatus::Waiting, Some(WaitReason::Pace)).await;
        assert_eq!(world.status(runs[1]), PENDING, "who waits keeps the turn");
        match by_hand {
            true => drop(act(&host, runs[0], Deed::Cancel).await.unwrap()),
            false => world.clock.advance(HOUR),
        }
        world.until(runs[1], RunStatus::Completed, None).await;
    }
}

#[tokio::test]
async fn who_waits_keeps_the_turn() {
    for answer in [Answer::Panic, Answer::SavedError(9, r#"{"id":"cus_1"}"#)] {
        let world = World::new(&[answer, CUSTOMER], &[INVOICE]);
        let (host, start) = world.host();
        let runs = begin(&host, &queued(&start, "k", 1), 2).await;
        for _ in 0..10 {
            settle().await;
            world.clock.advance(60_000);
        }
        let (status, reason) = world.status(runs[0]);
        assert_eq!(status, RunStatus::Waiting, "{reason:?}");
        assert!(matches!(reason, Some(WaitReason::Parked | WaitReason::OutcomeUnknown)), "{reason:?}");
        assert_eq!(world.status(runs[1]), PENDING);
        resolve(&host, runs[0], Resolution::Fail).await.unwrap();
        world.until(runs[1], RunStatus::Completed, None).await;
    }
}

#[tokio::test]
async fn a_connection_that_can_be_used_again_begins_none_out_of_turn() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    world.gate.connect(false);
    let (host, start) = world.host();
    let start = queued(&start, "k", 1);
    let runs = begin(&host, &start, 2).await;
    settle().await;
    assert_eq!(world.status(runs[0]), (RunStatus::Waiting, Some(WaitReason::Connection)));
    assert_eq!(world.status(runs[1]), PENDING);
    world.gate.connect(true);
    world.gate.hold_answers(true);
    host.connection_changed(start.company).await;
    world.gate.left(1).await;
    settle().await;
    assert_eq!(world.status(runs[1]), PENDING);
    world.gate.hold_answers(false);
    world.until_all_ended(2).await;
}

#[tokio::test]
async fn one_that_waits_for_its_turn_can_be_cancelled() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, _, runs) = held(&world, 3).await;
    let run = act(&host, runs[1], Deed::Cancel).await.unwrap();
    assert_eq!((run.status, run.started_at), (RunStatus::Cancelled, None));
    assert_eq!(world.journal.outline(runs[1]), ["runStarted", "cancelRequested", "runCancelled"]);
    settle().await;
    assert_eq!(world.status(runs[2]), PENDING, "nothing is free by that");
    for deed in [Deed::Retry { not_done: false }, Deed::Cancel] {
        let refused = act(&host, runs[1], deed).await.unwrap_err();
        assert!(matches!(refused, ActError::State(_)), "{refused}");
    }
    world.gate.hold_answers(false);
    host.idle().await;
    assert_eq!(world.status(runs[2]), COMPLETED);
    assert_eq!(world.journal.outline(runs[1]).len(), 3);
}

#[tokio::test]
async fn a_run_that_is_tried_again_waits_before_those_that_came_later() {
    let world = World::new(&[Answer::Refused("card_declined"), CUSTOMER], &[INVOICE]);
    let (host, start) = world.host();
    let start = queued(&start, "k", 1);
    let failed = begin(&host, &start, 1).await[0];
    host.idle().await;
    assert_eq!(world.status(failed), (RunStatus::Failed, None));
    world.gate.hold_answers(true);
    let later = begin(&host, &start, 2).await;
    world.gate.left(2).await;
    let run = act(&host, failed, Deed::Retry { not_done: false }).await.unwrap();
    assert_eq!(run.status, RunStatus::Pending);
    settle().await;
    assert_eq!(world.journal.outline(failed).last().unwrap(), "retryRequested");
    world.clock.advance(1_000);
    world.gate.hold_answers(false);
    host.idle().await;
    let ended = |run: RunId| world.journal.summary(run).unwrap().completed_at;
    assert_eq!(world.status(failed), COMPLETED);
    assert!(ended(later[0]) <= ended(failed) && ended(failed) <= ended(later[1]));
    // Where nobody is under way it goes on at once.
    let world = World::new(&[Answer::Refused("card_declined"), CUSTOMER], &[INVOICE]);
    let (host, _, runs) = held(&world, 1).await;
    world.gate.hold_answers(false);
    host.idle().await;
    let run = act(&host, runs[0], Deed::Retry { not_done: false }).await.unwrap();
    assert_eq!(run.status, RunStatus::Running);
    host.idle().await;
    assert_eq!(world.status(runs[0]), COMPLETED);
}

#[tokio::test]
async fn waiting_for_the_turn_takes_none_of_the_runs_time() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, start, runs) = held(&world, 2).await;
    // The first one's time passes, and it ends once its call is answered; then the second has an hour.
    world.clock.advance(3 * HOUR);
    settle().await;
    assert_eq!(world.status(runs[1]), PENDING);
    world.gate.hold_answers(false);
    host.idle().await;
    assert_eq!(world.status(runs[0]), (RunStatus::Timeout, None));
    assert_eq!(world.status(runs[1]), COMPLETED);
    drop((host, start));
}

#[tokio::test]
async fn who_waits_for_the_end_of_a_queued_run_is_told() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, start, _) = held(&world, 1).await;
    let queued = host.start(start.clone()).await.unwrap();
    let cancelled = host.start(start.clone()).await.unwrap();
    let never = host.start(start).await.unwrap();
    settle().await;
    act(&host, cancelled.run, Deed::Cancel).await.unwrap();
    assert_eq!(cancelled.rest.await.unwrap().status, RunStatus::Cancelled);
    let mut rest = queued.rest;
    assert!((&mut rest).now_or_never().is_none(), "it has not come to rest");
    let never = never.rest;
    world.gate.hold_answers(false);
    assert_eq!(rest.await.unwrap().status, RunStatus::Completed);
    assert_eq!(never.await.unwrap().status, RunStatus::Completed);
    let (host, start, _) = held(&world, 1).await;
    let queued = host.start(start).await.unwrap();
    settle().await;
    host.stop(Duration::ZERO).await;
    assert!(queued.rest.await.is_none(), "the process stops");
}

#[tokio::test]
async fn a_queued_run_takes_no_slot_until_its_turn() {
    let world = World::new(&[CUSTOMER], &[INVOICE]).with_most_runs(1);
    let (host, start, runs) = held(&world, 3).await;
    assert_eq!(world.status(runs[2]), PENDING);
    // Its turn would come at once, but there is no slot: then it takes no place either.
    for _ in 0..2 {
        let busy = host.start(queued(&start, "other", 1)).await.err();
        assert_eq!(busy, Some(StartError::Busy));
    }
    let busy = host.start(Start { queue: None, ..start.clone() }).await.err();
    assert_eq!(busy, Some(StartError::Busy));
    world.gate.hold_answers(false);
    world.until_all_ended(3).await;
    host.idle().await;
    begin(&host, &queued(&start, "other", 1), 1).await;
    world.until_all_ended(4).await;
}

#[tokio::test]
async fn a_start_that_is_not_stored_gives_its_place_back() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, start, runs) = held(&world, 1).await;
    // Among those that wait, and with the turn.
    world.journal.fail_after(Some(0));
    for start in [start.clone(), queued(&start, "other", 1)] {
        let refused = host.start(start).await.err();
        assert!(matches!(refused, Some(StartError::Journal(JournalError::Storage(_)))), "{refused:?}");
    }
    world.journal.fail_after(None);
    settle().await;
    let more = begin(&host, &start, 1).await;
    let other = begin(&host, &queued(&start, "other", 1), 1).await;
    world.gate.left(2).await;
    world.gate.hold_answers(false);
    host.idle().await;
    for run in [runs, more, other].concat() {
        assert_eq!(world.status(run), COMPLETED);
    }
}

#[tokio::test]
async fn after_a_stop_they_go_on_in_the_same_order() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, _, runs) = held(&world, 4).await;
    host.stop(Duration::ZERO).await;
    let (next, start) = world.host();
    let recovered = next.recover().await.unwrap();
    // It starts behind those that were there.
    let last = next.start(queued(&start, "k", 1)).await.unwrap().run;
    let recovered = recovered.await;
    assert_eq!(recovered, Recovered { resumed: 1, waiting: 3, unreadable: 0 });
    settle().await;
    for run in runs[1..].iter().chain([&last]) {
        assert_eq!(world.status(*run), PENDING);
    }
    world.clock.advance(1_000);
    world.gate.hold_answers(false);
    world.until_all_ended(5).await;
    assert!(world.gate.provider.misused().is_empty());
    let began: Vec<_> = world.gate.provider.done().into_iter().map(|(_, key)| key).collect();
    assert_eq!(began.len(), 10);
    let of = |run: RunId| {
        let path = loopfour_engine::StepPath("first".to_owned());
        began.iter().position(|key| *key == loopfour_engine::run::idempotency_key(run, &path, 1)).unwrap()
    };
    assert!(runs.iter().chain([&last]).map(|run| of(*run)).is_sorted());
}

#[tokio::test]
async fn an_id_that_is_known_starts_nothing() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, start, runs) = held(&world, 2).await;
    for run in &runs {
        let known = host.start(Start { run: Some(*run), ..start.clone() }).await.err();
        assert_eq!(known, Some(JournalError::Exists { run: *run }.into()));
    }
    world.gate.hold_answers(false);
    host.idle().await;
    assert!(runs.iter().all(|run| world.status(*run) == COMPLETED));
}
