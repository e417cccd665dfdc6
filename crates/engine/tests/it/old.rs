//! Journals as the first version wrote them: what was written once is read for ever. The files are never written anew.

use std::sync::Arc;

use loopfour_engine::{Entry, Policy, Queue, Run, RunStatus, StepStatus, WaitReason};

use crate::life::{Life, workflow};

const WORKFLOW: &str = r#"{"name":"old","trigger":{"type":"api"},"settings":{"output":{"got":"{{steps.second.output.id}}"}},"steps":[
    {"id":"first","action":"stripe.createCustomer","config":{"email":"{{input.email}}","description":"{{now}}"}},
    {"id":"check","type":"condition","config":{"conditions":{"left":"{{steps.first.output.id}}","operator":"eq","right":"nobody"},"then":["never"],"else":["list"]}},
    {"id":"never","action":"stripe.createCustomer","config":{"email":"b@example.com"}},
    {"id":"list","action":"stripe.listCustomers","config":{"limit":1},"errorHandling":{"strategy":"continue","fallback":{"n":null}}},
    {"id":"second","action":"stripe.createInvoice","config":{"customerId":"{{steps.first.output.id}}"}}]}"#;

/// The run of a journal; each of its prefixes folds as well.
fn read(journal: &str) -> Run {
    let definition = workflow(WORKFLOW);
    let entries: Vec<Entry> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for length in 1..entries.len() {
        Run::fold(Arc::clone(&definition), &entries[..length]).unwrap();
    }
    Run::fold(definition, &entries).unwrap()
}

#[test]
fn a_completed_run() {
    let run = read(include_str!("journals/completed.jsonl"));
    assert_eq!(run.status, RunStatus::Completed);
    assert_eq!(run.output.to_string(), r#"{"got":"in_1"}"#);
    let steps: Vec<_> = run.steps.iter().map(|step| step.status).collect();
    use StepStatus::{Error, Skipped, Success};
    assert_eq!(steps, [Success, Success, Skipped, Error, Success]);
    assert_eq!(run.steps[3].output.to_string(), r#"{"n":null}"#);
}

#[test]
fn a_failed_run() {
    let run = read(include_str!("journals/failed.jsonl"));
    assert_eq!((run.status, run.error.unwrap().code.as_str()), (RunStatus::Failed, "card_declined"));
}

#[test]
fn a_parked_run() {
    let run = read(include_str!("journals/parked.jsonl"));
    assert_eq!(run.waiting.as_ref().unwrap().reason, WaitReason::Parked);
    assert!(run.unknown_since(0).is_some(), "a person can say what became of its call");
}

#[test]
fn a_run_that_waits() {
    let run = read(include_str!("journals/unknown.jsonl"));
    assert_eq!(run.waiting.as_ref().unwrap().reason, WaitReason::OutcomeUnknown);
    assert!(run.unknown_since(4).is_some());
    assert_eq!((run.due(), run.due_at()), (None, None));
}

#[test]
fn a_run_that_was_under_way() {
    // The journal ends between a sending and its answer: it goes on, under its key.
    let lines: Vec<&str> = include_str!("journals/completed.jsonl").lines().take(8).collect();
    let entries: Vec<Entry> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut life = Life::of(&workflow(WORKFLOW), Policy::default(), entries);
    life.restart().succeeds().succeeds().succeeds().is(RunStatus::Completed);
    assert_eq!(life.run.steps[0].epoch, 1);
}

#[test]
fn a_run_of_an_event_that_waits_for_its_turn() {
    let run = read(include_str!("journals/queued.jsonl"));
    assert_eq!((run.status, run.started_at), (RunStatus::Pending, None));
    assert_eq!(run.queue, Some(Queue { key: "in_1".to_owned(), limit: 1 }));
}
