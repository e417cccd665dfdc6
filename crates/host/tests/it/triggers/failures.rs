//! Workflows that answer the failures of others.

use loopfour_engine::cause::Cause;
use loopfour_engine::ports::{Deed, Runs as _, Start};
use loopfour_engine::{Event, RunId, RunStatus, TriggerKind};
use loopfour_testkit::Answer;

use super::{CONNECTION, Outside, PAID, Process, rest, workflow};
use crate::world::{CUSTOMER, act};

const ALL: &str = r#"{"type":"failure"}"#;

async fn failing() -> (Outside, Process) {
    let outside = Outside::answering(&[Answer::Refused("card_declined"), CUSTOMER]);
    outside.active(1, PAID);
    let process = outside.started().await;
    (outside, process)
}

#[tokio::test]
async fn a_failure_starts_those_who_answer_it() {
    let (outside, process) = failing().await;
    outside.active(2, ALL);
    outside.active(3, &format!(r#"{{"type":"failure","workflows":["{}"]}}"#, workflow(1)));
    outside.active(4, &format!(r#"{{"type":"failure","workflows":["{}"]}}"#, workflow(9)));
    outside.active(5, ALL);
    outside.pause(5);
    process.stripe("evt_1", "invoice.paid").await.unwrap();
    rest().await;
    let failed = outside.first_run();
    assert_eq!(outside.run_status(failed), RunStatus::Failed);
    let length = outside.journal().entries(failed).len() as u64;
    let cause = Cause::Failure { run: failed, length };
    assert_eq!(outside.caused()[1..], [(workflow(2), cause), (workflow(3), cause)]);
    assert_eq!(outside.journal().hand_overs(), [], "the other one is withdrawn");
    let answer = outside.journal().caused()[1].2;
    let begun = outside.start_of(answer);
    assert_eq!(begun.connection, Some(CONNECTION), "the failed run's");
    let end = outside.journal().entries(failed).pop().unwrap().event;
    let Event::RunFailed { error } = end else { panic!("it ended as {end:?}") };
    let expected = format!(
        r#"{{"run":{{"id":"{failed}","workflowId":"{}","workflowVersion":1,"workflowName":"started","status":"failed","triggerType":"webhook","startedAt":"1970-01-01T00:00:01.000Z","completedAt":"1970-01-01T00:00:01.000Z"}},"error":{{"code":"card_declined","message":{},"step":"first","attempt":1"#,
        workflow(1),
        loopfour_lang::Value::from(error.message),
    );
    assert!(begun.input.starts_with(&expected), "{}\n{expected}", begun.input);
    assert!(begun.input.contains(r#""retryable":false,"hint":"#), "{}", begun.input);
}

#[tokio::test]
async fn a_failure_workflows_own_failure_starts_none() {
    let outside = Outside::answering(&[Answer::Refused("card_declined")]);
    outside.active(1, PAID);
    outside.active(2, ALL);
    outside.active(3, ALL);
    let process = outside.started().await;
    process.stripe("evt_1", "invoice.paid").await.unwrap();
    rest().await;
    assert_eq!(outside.caused().len(), 3);
    assert!(outside.journal().summaries().iter().all(|run| run.status == RunStatus::Failed));
    assert_eq!(outside.journal().hand_overs(), []);
}

#[tokio::test]
async fn a_retried_run_that_fails_again_is_answered_again_as_it_stood() {
    let outside =
        Outside::answering(&[Answer::Refused("card_declined"), Answer::Refused("expired_card"), CUSTOMER]);
    outside.active(1, PAID);
    let process = outside.started().await;
    process.stripe("evt_1", "invoice.paid").await.unwrap();
    rest().await;
    let failed = outside.first_run();
    outside.active(2, ALL);
    // Nobody answered the first failure, so that the second one alone is answered.
    act(&process.host, failed, Deed::Retry { not_done: false }).await.unwrap();
    rest().await;
    let answers = || outside.journal().caused().into_iter().filter(|(of, _, _)| *of == workflow(2));
    assert_eq!(answers().count(), 1);
    assert!(outside.start_of(answers().next().unwrap().2).input.contains("expired_card"));
}

#[tokio::test]
async fn an_answer_after_a_retry_tells_of_the_failure_that_it_answers() {
    let outside = Outside::answering(&[Answer::Refused("card_declined"), CUSTOMER]);
    outside.active(1, r#"{"type":"api"}"#);
    outside.active(2, ALL);
    // Nothing is handed over yet.
    let before = outside.process();
    let failed = start(&before, 1, TriggerKind::Api).await;
    before.host.idle().await;
    act(&before.host, failed, Deed::Retry { not_done: false }).await.unwrap();
    before.host.idle().await;
    assert_eq!(outside.run_status(failed), RunStatus::Completed);
    before.triggers.start();
    rest().await;
    let answer = outside.first_run();
    let begun = outside.start_of(answer);
    assert!(
        begun.input.contains(r#""status":"failed""#) && begun.input.contains("card_declined"),
        "{}",
        begun.input
    );
}

/// Starts a run by hand.
pub async fn start(process: &Process, number: u128, trigger: TriggerKind) -> RunId {
    let source = super::with_trigger(r#"{"type":"api"}"#, "");
    let definitions = loopfour_engine::definitions::Definitions::default();
    let definition = definitions.insert(workflow(number), 1, &source).expect("the workflow is right");
    let start = Start {
        run: None,
        company: super::COMPANY,
        workflow: workflow(number),
        version: 1,
        definition,
        trigger,
        input: loopfour_lang::Value::Null,
        connection: None,
        idempotency_key: None,
        restarted_from: None,
        by: None,
        cause: None,
        queue: None,
        kept: Vec::new(),
    };
    process.host.start(start).await.unwrap().run
}
