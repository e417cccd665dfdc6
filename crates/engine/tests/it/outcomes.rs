//! What each outcome does to a run: scenario in, event log out.

use loopfour_engine::{Finding, RunStatus, WaitReason};
use loopfour_testkit::{Answer, MemoryJournal};

use crate::life::{Life, WRITE, of_steps};
use crate::scenario::{EXAMPLE, EXAMPLE_NEW, INVOICE, NO_CUSTOMER, ONE_CUSTOMER, Scenario, Script};

const INPUT: &str = r#"{"email":"a@example.com","name":"A","amount":9900,"description":"d"}"#;

#[track_caller]
fn check(scenario: &Scenario, log: &[&str]) -> loopfour_engine::Run {
    let journal = MemoryJournal::default();
    let provider = scenario.provider();
    let (run, _) = scenario.run(&provider, &journal, None);
    assert_eq!(journal.outline(run.id), log);
    assert_eq!(journal.summary(run.id), Some(run.summary()), "what is stored beside the journal is its fold");
    assert!(provider.misused().is_empty());
    run
}

#[test]
fn a_new_customer_joins() {
    let run = check(
        &Scenario::new(EXAMPLE, INPUT, EXAMPLE_NEW),
        &[
            "runStarted",
            "callIntended get-or-create-customer",
            "stepSucceeded get-or-create-customer",
            "conditionDecided check-customer",
            "callIntended create-customer",
            "stepSucceeded create-customer",
            "callIntended create-invoice",
            "stepSucceeded create-invoice",
            "callIntended add-line-item",
            "stepSucceeded add-line-item",
            "callIntended finalize",
            "stepSucceeded finalize",
            "callIntended send",
            "stepSucceeded send",
            "runCompleted",
        ],
    );
    assert_eq!(run.status, RunStatus::Completed);
    assert_eq!(run.output.to_string(), r#"{"id":"in_1"}"#);
    let invoice = run.steps[3].input.as_ref().unwrap();
    assert_eq!(invoice.get("customerId").unwrap().to_string(), r#""cus_new""#);
}

#[test]
fn a_known_customer_is_not_created_again() {
    const KNOWN: Script = &[
        ("stripe.listCustomers", &[ONE_CUSTOMER]),
        ("stripe.createInvoice", &[INVOICE]),
        ("stripe.createInvoiceItem", &[INVOICE]),
        ("stripe.finalizeInvoice", &[INVOICE]),
        ("stripe.sendInvoice", &[INVOICE]),
    ];
    let run = check(
        &Scenario::new(EXAMPLE, INPUT, KNOWN),
        &[
            "runStarted",
            "callIntended get-or-create-customer",
            "stepSucceeded get-or-create-customer",
            "conditionDecided check-customer",
            "stepSkipped create-customer",
            "callIntended create-invoice",
            "stepSucceeded create-invoice",
            "callIntended add-line-item",
            "stepSucceeded add-line-item",
            "callIntended finalize",
            "stepSucceeded finalize",
            "callIntended send",
            "stepSucceeded send",
            "runCompleted",
        ],
    );
    assert_eq!(run.status, RunStatus::Completed);
}

/// One step that writes, with these answers to its sendings.
#[track_caller]
fn one_write(answers: &'static [Answer], log: &[&str]) -> loopfour_engine::Run {
    let source = r#"{"name":"w","trigger":{"type":"api"},"steps":[
        {"id":"create","action":"stripe.createCustomer","config":{"email":"{{input.email}}","description":"{{now}}"}}]}"#;
    let script: Script = Box::leak(Box::new([("stripe.createCustomer", answers)]));
    check(&Scenario::new(source, INPUT, script), log)
}

#[test]
fn a_decline_fails_the_run() {
    let run = one_write(
        &[Answer::Refused("card_declined")],
        &["runStarted", "callIntended create", "stepFailed create", "runFailed"],
    );
    let error = run.error.unwrap();
    assert_eq!((error.code.as_str(), error.step.as_str(), error.attempt), ("card_declined", "create", 1));
}

const ONCE_MORE: [&str; 6] = [
    "runStarted",
    "callIntended create",
    "callHeld create",
    "callResumed create",
    "stepSucceeded create",
    "runCompleted",
];

#[test]
fn a_lost_answer_is_asked_for_again() {
    let run = one_write(&[Answer::LostAfter(r#"{"id":"cus_1"}"#)], &ONCE_MORE);
    assert_eq!(run.output.to_string(), r#"{"id":"cus_1"}"#);
    one_write(&[Answer::LostBefore, Answer::Done("{}")], &ONCE_MORE);
    one_write(&[Answer::Fails(Finding::Unreachable), Answer::Done("{}")], &ONCE_MORE);
    one_write(&[Answer::Fails(Finding::NoConnection), Answer::Done("{}")], &ONCE_MORE);
}

#[test]
fn a_refusal_settles_an_open_sending() {
    let log = [&ONCE_MORE[..4], &["stepFailed create", "runFailed"]].concat();
    one_write(&[Answer::LostBefore, Answer::Refused("card_declined")], &log);
}

#[test]
fn nobody_is_told_to_run_an_open_write_anew() {
    let mut life = Life::begin(&of_steps("", WRITE));
    life.meets(Finding::Unknown);
    for finding in [Finding::Throttled, Finding::Unreachable, Finding::NoConnection, Finding::Conflict] {
        life.wait().meets(finding);
        let error = life.run.waiting.as_ref().unwrap().error.as_ref().unwrap();
        assert!(error.hint.starts_with("an earlier sending had no answer"), "{}", error.hint);
    }
}

#[test]
fn a_defect_parks_the_run_for_good() {
    let run = one_write(
        &[Answer::Fails(Finding::Defect)],
        &["runStarted", "callIntended create", "runParked create"],
    );
    assert_eq!(run.steps[0].status, loopfour_engine::StepStatus::Waiting);
    let waiting = run.waiting.unwrap();
    assert_eq!((waiting.reason, waiting.step_id.unwrap().0.as_str()), (WaitReason::Parked, "create"));
}

#[test]
fn an_expression_that_fails_sends_nothing() {
    let source = r#"{"name":"w","trigger":{"type":"api"},"steps":[
        {"id":"create","action":"stripe.createCustomer","config":{"description":"{{1 / input.zero}}"}}]}"#;
    let scenario = Scenario::new(source, r#"{"zero":0}"#, &[]);
    let run = check(&scenario, &["runStarted", "stepFailed create", "runFailed"]);
    assert_eq!(run.error.unwrap().code, "EXPRESSION_ERROR");
}

#[test]
fn a_failed_step_may_give_its_fallback() {
    let source = r#"{"name":"w","trigger":{"type":"api"},"settings":{"output":{"got":"{{steps.list.output.n}}","was":"{{steps.list.status}}","code":"{{steps.list.error.code}}"}},
        "steps":[{"id":"list","action":"stripe.listCustomers","config":{"limit":1},
                  "errorHandling":{"strategy":"continue","fallback":{"n":7}}}]}"#;
    let scenario = Scenario::new(source, "{}", &[("stripe.listCustomers", &[Answer::Refused("api_error")])]);
    let run = check(&scenario, &["runStarted", "callIntended list", "stepFailed list", "runCompleted"]);
    assert_eq!(run.output.to_string(), r#"{"got":7,"was":"error","code":"api_error"}"#);
}

#[test]
fn a_null_output_is_an_output() {
    let source = r#"{"name":"w","trigger":{"type":"api"},"settings":{"output":"{{input.nothing}}"},
        "steps":[{"id":"list","action":"stripe.listCustomers","config":{"limit":1}}]}"#;
    let scenario = Scenario::new(source, "{}", &[("stripe.listCustomers", &[NO_CUSTOMER])]);
    let run = check(&scenario, &["runStarted", "callIntended list", "stepSucceeded list", "runCompleted"]);
    assert_eq!(run.output.to_string(), "null");
}
