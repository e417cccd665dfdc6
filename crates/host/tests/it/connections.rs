//! Runs that wait for a connection go on when it can be used again. The clock stands still in all of this.

use std::time::Duration;

use futures_util::FutureExt as _;
use loopfour_engine::ports::Runs as _;
use loopfour_engine::run::idempotency_key;
use loopfour_engine::{CompanyId, Finding, RunId, RunStatus, StepPath, WaitReason};
use loopfour_testkit::Answer;
use uuid::Uuid;

use crate::world::{CUSTOMER, INVOICE, TestHost, World};

const COMPANY: CompanyId = CompanyId(Uuid::from_u128(2));
const OTHER: CompanyId = CompanyId(Uuid::from_u128(3));

const WAITING: (RunStatus, Option<WaitReason>) = (RunStatus::Waiting, Some(WaitReason::Connection));

/// A run that waits because there is no connection.
async fn held(world: &World, host: &TestHost, company: CompanyId) -> RunId {
    world.gate.connect(false);
    let (_, start) = world.host();
    let run = host.start(loopfour_engine::ports::Start { company, ..start }).await.unwrap().run;
    host.idle().await;
    assert_eq!(world.status(run), WAITING);
    run
}

#[tokio::test]
async fn a_run_goes_on_at_once_before_its_call_and_after() {
    let world = World::new(&[CUSTOMER], &[Answer::Fails(Finding::Unauthorized), INVOICE]);
    let (host, _) = world.host();
    let run = held(&world, &host, COMPANY).await;
    host.connection_changed(COMPANY).await;
    host.idle().await;
    assert_eq!(world.status(run), WAITING, "it looked, and there is still none");
    world.gate.connect(true);
    host.connection_changed(COMPANY).await;
    host.idle().await;
    assert_eq!(world.status(run), WAITING, "its key was refused");
    assert_eq!(world.gate.provider.sent().len(), 2);
    host.connection_changed(COMPANY).await;
    world.until(run, RunStatus::Completed, None).await;
    assert_eq!(world.gate.provider.done().len(), 2);
}

#[tokio::test]
async fn another_companys_run_is_not_woken() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, _) = world.host();
    let (ours, theirs) = (held(&world, &host, COMPANY).await, held(&world, &host, OTHER).await);
    let before = world.journal.entries(theirs).len();
    world.gate.connect(true);
    host.connection_changed(COMPANY).await;
    world.until(ours, RunStatus::Completed, None).await;
    host.idle().await;
    assert_eq!((world.status(theirs), world.journal.entries(theirs).len()), (WAITING, before));
    host.connection_changed(OTHER).await;
    world.until(theirs, RunStatus::Completed, None).await;
}

#[tokio::test]
async fn a_run_under_way_is_not_doubled() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, _) = world.host();
    let run = held(&world, &host, COMPANY).await;
    world.gate.connect(true);
    world.gate.hold_answers(true);
    let both = [host.connection_changed(COMPANY), host.connection_changed(COMPANY)];
    futures_util::future::join_all(both).await;
    world.gate.left(1).await;
    host.connection_changed(COMPANY).await;
    world.gate.hold_answers(false);
    host.idle().await;
    assert_eq!(world.status(run), (RunStatus::Completed, None));
    assert_eq!(world.gate.provider.sent().len(), 2);
}

#[tokio::test]
async fn nothing_happens_while_the_host_stops() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, _) = world.host();
    let run = held(&world, &host, COMPANY).await;
    let before = world.journal.entries(run).len();
    world.gate.connect(true);
    assert!(host.stop(Duration::ZERO).await);
    host.connection_changed(COMPANY).await;
    host.idle().await;
    assert_eq!((world.status(run), world.journal.entries(run).len()), (WAITING, before));
}

#[tokio::test]
async fn a_change_while_a_run_comes_to_wait_is_not_missed() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    world.journal.acknowledge_late();
    world.gate.connect(false);
    let (host, start) = world.host();
    let mut starting = host.start(start);
    // It found no connection, and that is not acknowledged yet.
    assert!((&mut starting).now_or_never().is_none());
    world.gate.connect(true);
    host.connection_changed(COMPANY).await;
    let run = starting.await.unwrap().run;
    world.until(run, RunStatus::Completed, None).await;
    // One that missed nothing is left alone.
    let waits = held(&world, &host, OTHER).await;
    assert_eq!(world.journal.entries(waits).len(), 2);
}

/// The runs in the order in which their first calls left.
fn order(world: &World, runs: &[RunId]) -> Vec<RunId> {
    let first = StepPath("first".to_owned());
    let sent = world.gate.provider.sent();
    let run_of = |key: Uuid| runs.iter().find(|run| idempotency_key(**run, &first, 1) == key).copied();
    sent.iter().filter_map(|sent| run_of(sent.key)).collect()
}

#[tokio::test]
async fn the_oldest_goes_first() {
    let world = World::new(&[CUSTOMER], &[INVOICE]);
    let (host, _) = world.host();
    let mut runs = Vec::new();
    for _ in 0..100 {
        runs.push(held(&world, &host, COMPANY).await);
    }
    for run in runs.iter().step_by(3) {
        world.journal.read_slowly(*run);
    }
    world.gate.connect(true);
    host.connection_changed(COMPANY).await;
    host.idle().await;
    assert_eq!(order(&world, &runs), runs);
}

#[tokio::test]
async fn the_oldest_goes_first_after_a_start_too_however_few_may_go_at_once() {
    for most in [1, 2, 10_000] {
        let world = World::new(&[CUSTOMER], &[INVOICE]);
        world.gate.hold_turns(true);
        let (before, start) = world.host();
        let mut runs = Vec::new();
        for _ in 0..100 {
            runs.push(before.start(start.clone()).await.unwrap().run);
        }
        before.stop(Duration::from_secs(1)).await;
        for run in runs.iter().step_by(3) {
            world.journal.read_slowly(*run);
        }
        world.gate.hold_turns(false);
        let world = world.with_most_runs(most);
        let (host, _) = world.host();
        assert_eq!(host.recover().await.unwrap().await.resumed, 100);
        world.until_all_ended(100).await;
        assert_eq!(order(&world, &runs), runs, "{most} at once");
    }
}
