//! What each outcome does to a run: scenario in, event log out.

use loopfour_engine::{RunStatus, WaitReason};
use loopfour_testkit::{Answer, MemoryJournal};

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
fn one_write(answers: &'static [Answer], resumes: usize, log: &[&str]) -> loopfour_engine::Run {
    let source = r#"{"name":"w","trigger":{"type":"api"},"steps":[
        {"id":"create","action":"stripe.createCustomer","config":{"email":"{{input.email}}","description":"{{now}}"}}]}"#;
    let script: Script = Box::leak(Box::new([("stripe.createCustomer", answers)]));
    check(&Scenario::new(source, INPUT, script).resumes(resumes), log)
}

#[test]
fn a_decline_fails_the_run() {
    let run = one_write(
        &[Answer::Refused("card_declined", true)],
        3,
        &["runStarted", "callIntended create", "stepFailed create", "runFailed"],
    );
    let error = run.error.unwrap();
    assert_eq!((error.code.as_str(), error.step.as_str(), error.attempt), ("card_declined", "create", 1));
}

#[test]
fn a_lost_answer_is_never_a_failure() {
    let run = one_write(&[Answer::LostBefore], 0, &["runStarted", "callIntended create", "callHeld create"]);
    assert_eq!(run.status, RunStatus::Waiting);
    assert_eq!(run.waiting.unwrap().reason, WaitReason::OutcomeUnknown);
}

#[test]
fn a_lost_answer_is_asked_for_again() {
    let log = [
        "runStarted",
        "callIntended create",
        "callHeld create",
        "callResumed create",
        "stepSucceeded create",
        "runCompleted",
    ];
    let run = one_write(&[Answer::LostAfter(r#"{"id":"cus_1"}"#)], 1, &log);
    assert_eq!(run.output.to_string(), r#"{"id":"cus_1"}"#);
    one_write(&[Answer::LostBefore, Answer::Done("{}")], 1, &log);
}

#[test]
fn what_does_not_settle_an_open_sending_keeps_it_open() {
    for code in ["authentication_error", "rate_limit_error", "idempotency_key_in_use"] {
        let answers: &'static [Answer] =
            Box::leak(Box::new([Answer::LostBefore, Answer::Refused(code, false), Answer::Done("{}")]));
        one_write(
            answers,
            2,
            &[
                "runStarted",
                "callIntended create",
                "callHeld create",
                "callResumed create",
                "callHeld create",
                "callResumed create",
                "stepSucceeded create",
                "runCompleted",
            ],
        );
    }
}

#[test]
fn what_cannot_be_reached_keeps_an_open_sending_open() {
    const ANSWERS: &[Answer] = &[Answer::LostBefore, Answer::Unreachable];
    let log =
        ["runStarted", "callIntended create", "callHeld create", "callResumed create", "callHeld create"];
    let run = one_write(ANSWERS, 1, &log);
    assert_eq!(run.waiting.unwrap().reason, WaitReason::OutcomeUnknown);
}

#[test]
fn nobody_is_told_to_run_an_open_write_anew() {
    for second in [Answer::Refused("rate_limit_error", false), Answer::Unreachable, Answer::NoConnection] {
        let answers: &'static [Answer] = Box::leak(Box::new([Answer::LostBefore, second]));
        let log =
            ["runStarted", "callIntended create", "callHeld create", "callResumed create", "callHeld create"];
        let error = one_write(answers, 1, &log).waiting.unwrap().error.unwrap();
        assert!(error.hint.starts_with("an earlier sending had no answer"), "{}", error.hint);
    }
}

#[test]
fn what_never_left_counts_as_no_attempt() {
    let log =
        ["runStarted", "callIntended create", "callHeld create", "callResumed create", "callHeld create"];
    let run = one_write(&[Answer::LostBefore, Answer::NoConnection], 1, &log);
    assert_eq!(run.steps[0].attempt, 1);
    assert_eq!(run.waiting.unwrap().reason, WaitReason::Connection);
    // It is open all the same: what is no answer about the key does not end it.
    const ANSWERS: &[Answer] =
        &[Answer::LostBefore, Answer::NoConnection, Answer::Refused("authentication_error", false)];
    let again = [&log[..], &["callResumed create", "callHeld create"]].concat();
    let run = one_write(ANSWERS, 2, &again);
    assert_eq!(run.steps[0].attempt, 2);
    assert_eq!(run.waiting.unwrap().reason, WaitReason::OutcomeUnknown);
}

#[test]
fn a_refusal_settles_an_open_sending() {
    const ANSWERS: &[Answer] = &[Answer::LostBefore, Answer::Refused("card_declined", true)];
    let log = [
        "runStarted",
        "callIntended create",
        "callHeld create",
        "callResumed create",
        "stepFailed create",
        "runFailed",
    ];
    one_write(ANSWERS, 1, &log);
}

#[test]
fn without_an_open_sending_every_refusal_ends_the_run() {
    for code in ["authentication_error", "rate_limit_error"] {
        let answers: &'static [Answer] = Box::leak(Box::new([Answer::Refused(code, false)]));
        one_write(answers, 1, &["runStarted", "callIntended create", "stepFailed create", "runFailed"]);
    }
}

#[test]
fn what_was_not_sent_waits() {
    let log = [
        "runStarted",
        "callIntended create",
        "callHeld create",
        "callResumed create",
        "stepSucceeded create",
        "runCompleted",
    ];
    one_write(&[Answer::Unreachable, Answer::Done("{}")], 1, &log);
    one_write(&[Answer::NoConnection, Answer::Done("{}")], 1, &log);
    let run = one_write(&[Answer::NoConnection], 0, &log[..3]);
    assert_eq!(run.waiting.unwrap().reason, WaitReason::Connection);
    // It was never sent, so a refusal that says nothing about the key ends it.
    const ANSWERS: &[Answer] = &[Answer::Unreachable, Answer::Refused("authentication_error", false)];
    let log = [
        "runStarted",
        "callIntended create",
        "callHeld create",
        "callResumed create",
        "stepFailed create",
        "runFailed",
    ];
    one_write(ANSWERS, 1, &log);
}

#[test]
fn a_defect_parks_the_run_for_good() {
    let run = one_write(&[Answer::Defect], 2, &["runStarted", "callIntended create", "runParked create"]);
    assert_eq!(run.steps[0].status, loopfour_engine::StepStatus::Waiting);
    let waiting = run.waiting.unwrap();
    assert_eq!((waiting.reason, waiting.step_id.unwrap().0.as_str()), (WaitReason::Parked, "create"));
}

#[test]
fn a_lost_read_fails() {
    let source = r#"{"name":"w","trigger":{"type":"api"},"steps":[
        {"id":"list","action":"stripe.listCustomers","config":{"limit":1}}]}"#;
    let log = ["runStarted", "callIntended list", "stepFailed list", "runFailed"];
    check(&Scenario::new(source, "{}", &[("stripe.listCustomers", &[Answer::LostBefore])]), &log);
    check(&Scenario::new(source, "{}", &[("stripe.listCustomers", &[Answer::Unreachable])]), &log);
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
    let scenario =
        Scenario::new(source, "{}", &[("stripe.listCustomers", &[Answer::Refused("api_error", true)])]);
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
