//! What people do reaches a run in whatever state it is, and is durable when they hear of it.

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use loopfour_engine::ports::{ActError, Deed, Resolution, Runs as _};
use loopfour_engine::{Ending, Finding, RunId, RunStatus, StepPath, WaitReason};
use loopfour_testkit::Answer;
use uuid::Uuid;

use crate::world::{CUSTOMER, INVOICE, TestHost, World, act, resolve};

const LOST: Answer = Answer::SavedError(9, r#"{"id":"cus_1"}"#);

/// A run whose first write waits for a person.
async fn unknown(world: &World) -> (TestHost, RunId) {
    let (host, run) = world.with_run().await;
    for _ in 0..3 {
        world.until(run, RunStatus::Waiting, Some(WaitReason::Retry)).await;
        let sent = world.gate.provider.sent().len();
        world.clock.advance(30_000);
        world.gate.left(sent + 1).await;
        host.idle().await;
    }
    world.until(run, RunStatus::Waiting, Some(WaitReason::OutcomeUnknown)).await;
    (host, run)
}

#[tokio::test]
async fn a_cancel_under_way_is_recorded_at_once_and_waits_for_the_answer() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    world.gate.hold_answers(true);
    let (host, run) = world.with_run().await;
    world.gate.left(1).await;
    let state = act(&host, run, Deed::Cancel).await.unwrap();
    assert_eq!(state.status, RunStatus::Running);
    assert_eq!(world.journal.outline(run).last().unwrap(), "cancelRequested");
    world.gate.hold_answers(false);
    host.idle().await;
    assert_eq!(world.status(run), (RunStatus::Cancelled, None));
    assert_eq!(world.gate.provider.done().len(), 1, "the first is done, the second never left");
}

#[tokio::test]
async fn a_call_that_did_not_leave_need_not() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    world.gate.hold_turns(true);
    let (host, run) = world.with_run().await;
    tokio::task::yield_now().await;
    assert_eq!(act(&host, run, Deed::Cancel).await.unwrap().status, RunStatus::Cancelled);
    // Nor where the run's task did not even begin.
    let (host, run) = world.with_run().await;
    assert_eq!(act(&host, run, Deed::Cancel).await.unwrap().status, RunStatus::Cancelled);
    world.gate.hold_turns(false);
    host.idle().await;
    let (host, run) = world.with_run().await;
    assert_eq!(act(&host, run, Deed::Cancel).await.unwrap().status, RunStatus::Cancelled);
    host.idle().await;
    assert_eq!(world.gate.provider.sent(), []);
}

#[tokio::test]
async fn a_cancel_of_a_waiting_run_needs_no_timer() {
    let world = World::new(&[Answer::Later(Finding::Throttled, 600_000)], &[INVOICE]);
    let (host, start) = world.host();
    let started = host.start(start).await.unwrap();
    world.until(started.run, RunStatus::Waiting, Some(WaitReason::Pace)).await;
    act(&host, started.run, Deed::Cancel).await.unwrap();
    assert_eq!(started.rest.await.unwrap().status, RunStatus::Cancelled);
    world.clock.advance(600_000);
    host.idle().await;
    assert_eq!(world.gate.provider.sent().len(), 1);
}

#[tokio::test]
async fn of_two_who_resolve_one_is_told_that_it_is_done() {
    let world = World::new(&[LOST], &[INVOICE]);
    let (host, run) = unknown(&world).await;
    let found = || Resolution::Found { id: "cus_1".to_owned() };
    let (one, other) = tokio::join!(resolve(&host, run, found()), resolve(&host, run, found()));
    assert_ne!(one.is_ok(), other.is_ok());
    assert!(matches!(one.and(other), Err(ActError::State(_))));
    host.idle().await;
    assert_eq!(world.status(run), (RunStatus::Completed, None));
    let entries = world.journal.outline(run);
    assert_eq!(entries.iter().filter(|entry| *entry == "outcomeResolved first").count(), 1);
}

#[tokio::test]
async fn however_many_come_at_once_each_is_answered() {
    let world = World::new(&[LOST, CUSTOMER], &[INVOICE]);
    world.gate.hold_answers(true);
    let (host, run) = world.with_run().await;
    world.gate.left(1).await;
    let all = join_all((0..100).map(|_| act(&host, run, Deed::Cancel))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(world.journal.outline(run).iter().filter(|entry| *entry == "cancelRequested").count(), 1);
    world.gate.hold_answers(false);
    host.idle().await;
    world.until(run, RunStatus::Waiting, Some(WaitReason::OutcomeUnknown)).await;
    assert_eq!(world.journal.summary(run).unwrap().waiting.unwrap().then, Some(Ending::Cancelled));
    // Those that come while the run's task is leaving are answered too.
    for _ in 0..200 {
        let (host, run) = world.with_run().await;
        let acts = join_all((0..4).map(|_| async {
            tokio::task::yield_now().await;
            act(&host, run, Deed::Cancel).await
        }));
        for answer in acts.await {
            assert!(matches!(answer, Ok(_) | Err(ActError::State(_))), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn what_a_person_names_is_looked_for() {
    let world = World::new(&[LOST], &[INVOICE]);
    let (host, run) = unknown(&world).await;
    let named = |id: &str| Resolution::Found { id: id.to_owned() };
    let length = world.journal.entries(run).len();
    assert!(matches!(resolve(&host, run, named("missing")).await, Err(ActError::Unfit(_))));
    assert!(matches!(resolve(&host, run, named("away")).await, Err(ActError::Unavailable(_))));
    assert_eq!(world.journal.entries(run).len(), length, "nothing is recorded");
    let state = resolve(&host, run, named("cus_9")).await.unwrap();
    assert_eq!(state.steps[0].output.to_string(), r#"{"id":"cus_9"}"#);
    let found = host.candidates(run, StepPath("first".to_owned())).await.unwrap();
    assert_eq!(found.found[0].id, "for_first");
}

#[tokio::test]
async fn what_is_not_there_is_missing() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, run) = world.with_run().await;
    let path = |path: &str| StepPath(path.to_owned());
    assert!(matches!(host.candidates(run, path("nowhere")).await, Err(ActError::Missing(_))));
    assert!(matches!(host.candidates(run, path("second")).await, Err(ActError::State(_))));
    let nobody = RunId(Uuid::from_u128(77));
    assert!(matches!(act(&host, nobody, Deed::Cancel).await, Err(ActError::Missing(_))));
    assert!(matches!(host.candidates(nobody, path("first")).await, Err(ActError::Missing(_))));
}

#[tokio::test]
async fn a_retry_goes_on_and_a_new_try_has_a_new_key() {
    let world = World::new(&[Answer::Refused("card_declined"), CUSTOMER], &[INVOICE]);
    let (host, run) = world.with_run().await;
    world.until(run, RunStatus::Failed, None).await;
    host.idle().await;
    act(&host, run, Deed::Retry { not_done: false }).await.unwrap();
    world.until(run, RunStatus::Completed, None).await;
    let sent = world.gate.provider.sent();
    assert_ne!(sent[0].key, sent[1].key);
    assert!(matches!(act(&host, run, Deed::Retry { not_done: false }).await, Err(ActError::State(_))));
}

/// Asks, and goes away before the answer comes, as a client does that hangs up.
async fn hang_up<T>(asked: impl Future<Output = T>) {
    let answer = std::pin::pin!(asked).now_or_never();
    assert!(answer.is_none(), "nobody hears of it before it is durable");
}

#[tokio::test]
async fn who_hangs_up_leaves_no_run_behind() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    world.journal.acknowledge_late();
    let (host, start) = world.host();
    hang_up(host.start(start)).await;
    world.until_all_ended(1).await;
}

#[tokio::test]
async fn a_cancel_of_who_hangs_up_is_done_and_stops_no_other() {
    let world = World::new(&[LOST], &[INVOICE]);
    let (host, run) = world.with_run().await;
    world.until(run, RunStatus::Waiting, Some(WaitReason::Retry)).await;
    host.idle().await;
    world.journal.acknowledge_late();
    hang_up(act(&host, run, Deed::Cancel)).await;
    world.until(run, RunStatus::Waiting, Some(WaitReason::OutcomeUnknown)).await;
    assert!(act(&host, run, Deed::Cancel).await.is_ok());
}

#[tokio::test]
async fn a_cancel_comes_before_the_retry_that_is_due() {
    let world = World::new(&[LOST], &[INVOICE]);
    let (first, run) = world.with_run().await;
    world.until(run, RunStatus::Waiting, Some(WaitReason::Retry)).await;
    first.stop(std::time::Duration::ZERO).await;
    world.clock.advance(30_000);
    // No timer was set here, as where many runs are woken before this one.
    let (host, _) = world.host();
    act(&host, run, Deed::Cancel).await.unwrap();
    host.idle().await;
    assert_eq!(world.status(run), (RunStatus::Waiting, Some(WaitReason::OutcomeUnknown)));
    assert_eq!(world.gate.provider.sent().len(), 1, "it is not sent again by itself");
}
