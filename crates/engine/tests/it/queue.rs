//! The key of `settings.concurrency`: which runs of a workflow take turns with each other.

use std::sync::Arc;

use loopfour_engine::ports::Start;
use loopfour_engine::{CompanyId, Queue, Run, RunId, Timestamp, TriggerKind, WorkflowId};
use loopfour_lang::json;
use uuid::Uuid;

use crate::life::workflow;

fn started(key: &str, input: &str, given: Option<Queue>) -> Option<Queue> {
    let source = format!(
        r#"{{"name":"queue","trigger":{{"type":"api"}},"settings":{{"concurrency":{{"key":"{key}","limit":2}}}},
            "steps":[{{"id":"read","action":"stripe.listCustomers","config":{{"limit":1}}}}]}}"#
    );
    let definition = workflow(&source);
    let start = Start {
        run: None,
        company: CompanyId(Uuid::from_u128(2)),
        workflow: WorkflowId(Uuid::from_u128(3)),
        version: 1,
        definition: Arc::clone(&definition),
        trigger: TriggerKind::Api,
        input: json::parse(input.as_bytes()).unwrap(),
        connection: None,
        idempotency_key: None,
        restarted_from: None,
        by: None,
        cause: None,
        queue: given,
        kept: Vec::new(),
    };
    let (run, entries) = Run::start(start, RunId(Uuid::from_u128(1)), Timestamp(1_000));
    let again = Run::fold(definition, &entries).unwrap();
    assert_eq!(again.queue, run.queue, "what the journal says is what there is");
    run.queue
}

#[track_caller]
fn check(key: &str, input: &str, expected: &str) {
    assert_eq!(
        started(key, input, None),
        Some(Queue { key: expected.to_owned(), limit: 2 }),
        "{key} {input}"
    );
}

#[test]
fn a_key_is_the_text_that_its_template_gives() {
    check("{{input.id}}", r#"{"id":"in_1"}"#, "in_1");
    check("{{input.id}}/{{input.n}}", r#"{"id":"in_1","n":7}"#, "in_1/7");
    check("{{input.id}}", r#"{"id":null}"#, "");
    check("{{input.id}}", "{}", "");
    check("all", "{}", "all");
    // One that cannot be evaluated is as one that is missing.
    check("{{1 / input.zero}}", r#"{"zero":0}"#, "");
}

#[test]
fn a_long_key_is_kept_as_its_digest() {
    let of = |letters: usize, last: &str| {
        let input = format!(r#"{{"id":"{}{last}"}}"#, "ü".repeat(letters));
        started("{{input.id}}", &input, None).unwrap().key
    };
    assert_eq!(of(1023, "a").chars().count(), 1024);
    assert_eq!(of(1024, "a").len(), 36);
    assert_eq!(of(5000, "a"), of(5000, "a"));
    assert_ne!(of(5000, "a"), of(5000, "b"));
}

#[test]
fn whoever_starts_a_run_may_say_whose_turn_it_waits_for() {
    let given = Queue { key: "schedule".to_owned(), limit: 1 };
    assert_eq!(started("{{input.id}}", r#"{"id":"in_1"}"#, Some(given.clone())), Some(given));
}
