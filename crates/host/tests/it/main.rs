//! The host over a journal in memory and a scripted provider: starts, stops, recovers, and keeps defects to one run.

use std::sync::Arc;
use std::time::Duration;

use loopfour_engine::definitions::Definitions;
use loopfour_engine::ports::{Runs as _, Start, StartError};
use loopfour_engine::{CompanyId, Run, RunId, RunStatus, TriggerKind, WaitReason, WorkflowId};
use loopfour_host::{Host, Recovered};
use loopfour_lang::Value;
use loopfour_testkit::{Answer, ManualClock, MemoryJournal, Provider};
use uuid::Uuid;

const WORKFLOW: &str = r#"{"name":"two writes","trigger":{"type":"api"},"steps":[
    {"id":"first","action":"stripe.createCustomer","config":{"email":"{{input.email}}"}},
    {"id":"second","action":"stripe.createInvoice","config":{"customerId":"{{steps.first.output.id}}"}}]}"#;
const CUSTOMER: Answer = Answer::Done(r#"{"id":"cus_1"}"#);
const INVOICE: Answer = Answer::Done(r#"{"id":"in_1"}"#);

type TestHost = Host<MemoryJournal, Provider, ManualClock>;

/// A process on that journal and that provider.
fn host(journal: &MemoryJournal, provider: &Provider) -> (TestHost, Start) {
    let definitions = Arc::new(Definitions::default());
    let workflow = WorkflowId(Uuid::from_u128(1));
    journal.define(workflow, 1, WORKFLOW);
    let definition = definitions.insert(workflow, 1, WORKFLOW).expect("the workflow is right");
    let start = Start {
        company: CompanyId(Uuid::from_u128(2)),
        workflow,
        version: 1,
        definition,
        trigger: TriggerKind::Api,
        input: loopfour_lang::json::parse(br#"{"email":"a@example.com"}"#).expect("JSON"),
        connection: None,
        idempotency_key: None,
    };
    (Host::new(journal.clone(), provider.clone(), ManualClock::at(1_000), definitions), start)
}

fn provider(first: &[Answer], second: &[Answer]) -> Provider {
    Provider::new(&[("stripe.createCustomer", first), ("stripe.createInvoice", second)])
}

/// Lets the host send what it can, then stops it, as the end of the process does.
async fn stopped(host: &TestHost) {
    tokio::task::yield_now().await;
    assert!(host.stop(Duration::from_secs(5)).await);
}

#[track_caller]
fn status(journal: &MemoryJournal, run: RunId) -> (RunStatus, Option<WaitReason>) {
    let summary = journal.summary(run).expect("the run is there");
    (summary.status, summary.waiting.map(|waiting| waiting.reason))
}

#[tokio::test]
async fn a_run_goes_to_its_end() {
    let (journal, provider) = (MemoryJournal::default(), provider(&[CUSTOMER], &[INVOICE]));
    let (host, start) = host(&journal, &provider);
    let started = host.start(start).await.unwrap();
    let run = started.rest.await.expect("the run rests");
    assert_eq!(run.status, RunStatus::Completed);
    assert_eq!(status(&journal, started.run), (RunStatus::Completed, None));
    assert_eq!(Run::fold(Arc::clone(run.definition()), &journal.entries(run.id)).unwrap().output, run.output);
    assert_eq!(provider.done().len(), 2);
}

#[tokio::test]
async fn nothing_is_sent_that_is_not_durable() {
    let (journal, provider) = (MemoryJournal::default(), provider(&[CUSTOMER], &[INVOICE]));
    let (host, start) = host(&journal, &provider);
    journal.fail_after(Some(0));
    assert!(matches!(host.start(start.clone()).await, Err(StartError::Journal(_))));
    assert_eq!(provider.sent(), []);
    // The start is stored, the first outcome is not: the second call must wait.
    journal.fail_after(Some(1));
    let run = host.start(start).await.unwrap().run;
    stopped(&host).await;
    assert_eq!(provider.sent().len(), 1);
    assert_eq!(status(&journal, run), (RunStatus::Running, None));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_until_the_storage_takes_it() {
    let (journal, provider) = (MemoryJournal::default(), provider(&[CUSTOMER], &[INVOICE]));
    let (host, start) = host(&journal, &provider);
    journal.fail_after(Some(1));
    let started = host.start(start).await.unwrap();
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(10)).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(provider.sent().len(), 1, "nothing more is sent while the answer is not recorded");
    journal.fail_after(None);
    assert_eq!(started.rest.await.unwrap().status, RunStatus::Completed);
    assert_eq!(status(&journal, started.run), (RunStatus::Completed, None));
    assert_eq!(provider.sent().len(), 2, "and the first call was not sent again");
}

#[tokio::test]
async fn after_a_crash_the_call_goes_out_again_under_its_key() {
    let (journal, provider) = (MemoryJournal::default(), provider(&[CUSTOMER], &[INVOICE]));
    let (crashing, start) = host(&journal, &provider);
    journal.fail_after(Some(1));
    let run = crashing.start(start).await.unwrap().run;
    stopped(&crashing).await;
    journal.fail_after(None);
    let (next, _) = host(&journal, &provider);
    assert_eq!(next.recover().await.unwrap(), Recovered { resumed: 1, unreadable: 0 });
    next.idle().await;
    assert_eq!(status(&journal, run), (RunStatus::Completed, None));
    let sent = provider.sent();
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0], sent[1]);
    assert_eq!(provider.done().len(), 2, "each write once");
}

#[tokio::test]
async fn an_unknown_outcome_waits_and_is_settled_at_the_next_start() {
    let (journal, provider) =
        (MemoryJournal::default(), provider(&[Answer::LostAfter(r#"{"id":"c"}"#)], &[INVOICE]));
    let (first, start) = host(&journal, &provider);
    let run = first.start(start).await.unwrap().run;
    first.idle().await;
    assert_eq!(status(&journal, run), (RunStatus::Waiting, Some(WaitReason::OutcomeUnknown)));
    let (next, _) = host(&journal, &provider);
    next.recover().await.unwrap();
    next.idle().await;
    assert_eq!(status(&journal, run), (RunStatus::Completed, None));
    assert_eq!(provider.done().len(), 2);
}

#[tokio::test]
async fn a_panic_parks_one_run_and_no_other() {
    let (journal, provider) = (MemoryJournal::default(), provider(&[Answer::Panic, CUSTOMER], &[INVOICE]));
    let (host, start) = host(&journal, &provider);
    let parked = host.start(start.clone()).await.unwrap().run;
    host.idle().await;
    let other = host.start(start).await.unwrap().run;
    host.idle().await;
    assert_eq!(status(&journal, parked), (RunStatus::Waiting, Some(WaitReason::Parked)));
    assert_eq!(status(&journal, other), (RunStatus::Completed, None));
}

#[tokio::test]
async fn an_unreadable_run_stops_no_other() {
    let (journal, provider) = (MemoryJournal::default(), provider(&[CUSTOMER], &[INVOICE]));
    let (crashing, mut start) = host(&journal, &provider);
    journal.fail_after(Some(2));
    let readable = crashing.start(start.clone()).await.unwrap().run;
    start.workflow = WorkflowId(Uuid::from_u128(9));
    drop(crashing.start(start).await.unwrap());
    stopped(&crashing).await;
    journal.fail_after(None);
    let (next, _) = host(&journal, &provider);
    assert_eq!(next.recover().await.unwrap(), Recovered { resumed: 1, unreadable: 1 });
    next.idle().await;
    assert_eq!(status(&journal, readable), (RunStatus::Completed, None));
}

#[tokio::test]
async fn a_stopped_host_begins_nothing() {
    let (journal, provider) = (MemoryJournal::default(), provider(&[CUSTOMER], &[INVOICE]));
    let (host, mut start) = host(&journal, &provider);
    assert!(host.stop(Duration::from_secs(1)).await);
    start.input = Value::Null;
    assert!(matches!(host.start(start).await, Err(StartError::Stopping)));
    assert_eq!(provider.sent(), []);
}
