//! For every scenario: crash after each entry, after each answer and before each acknowledgement, go on, and compare
//! ends: the same end, no key used for two different requests, no write twice. And the same on a strict host.

use loopfour_engine::Finding;
use loopfour_engine::ports::{Deed, Resolution};
use loopfour_testkit::{Answer, MemoryJournal, StrictHost};

use crate::scenario::{
    CUSTOMER, Crash, EXAMPLE, EXAMPLE_NEW, INVOICE, NO_CUSTOMER, ONE_CUSTOMER, Scenario, Script, end,
};

const INPUT: &str = r#"{"email":"a@example.com","name":"A","amount":9900,"description":"d"}"#;

/// Lost answers on every write, before and after it was done.
const EXAMPLE_LOSING: Script = &[
    ("stripe.listCustomers", &[NO_CUSTOMER]),
    ("stripe.createCustomer", &[Answer::LostBefore, Answer::LostAfter(r#"{"id":"cus_new"}"#)]),
    ("stripe.createInvoice", &[Answer::LostAfter(r#"{"id":"in_1"}"#)]),
    ("stripe.createInvoiceItem", &[Answer::LostBefore, INVOICE]),
    ("stripe.finalizeInvoice", &[Answer::Fails(Finding::Unreachable), INVOICE]),
    ("stripe.sendInvoice", &[Answer::Fails(Finding::NoConnection), INVOICE]),
];

const EXAMPLE_DECLINED: Script = &[
    ("stripe.listCustomers", &[NO_CUSTOMER]),
    ("stripe.createCustomer", &[CUSTOMER]),
    ("stripe.createInvoice", &[Answer::Refused("card_declined")]),
];

const EXAMPLE_KNOWN: Script = &[
    ("stripe.listCustomers", &[ONE_CUSTOMER]),
    ("stripe.createInvoice", &[INVOICE]),
    ("stripe.createInvoiceItem", &[INVOICE]),
    ("stripe.finalizeInvoice", &[INVOICE]),
    ("stripe.sendInvoice", &[INVOICE]),
];

const CONTINUING: &str = r#"{"name":"w","trigger":{"type":"api"},"settings":{"output":{"id":"{{steps.first.output.id}}"}},"steps":[
    {"id":"first","action":"stripe.createCustomer","config":{"description":"{{now}}"},
     "errorHandling":{"strategy":"continue","fallback":{"id":"none"}}},
    {"id":"second","action":"stripe.createInvoice","config":{"customerId":"{{steps.first.output.id}}"}}]}"#;

const CANCELED: Answer = Answer::Done(r#"{"status":"canceled"}"#);
const CANCELING: &str = r#"{"name":"w","trigger":{"type":"api"},"steps":[
    {"id":"cancel","action":"stripe.cancelSubscription","config":{"subscriptionId":"sub_1","prorate":true}}]}"#;

/// Steps that ask for connections themselves, the second by what the first gave.
const CONNECTIONS: &str = r#"{"name":"w","trigger":{"type":"api"},"steps":[
    {"id":"first","action":"stripe.createCustomer","config":{"description":"{{now}}"},
     "connectionId":"conn_00000000-0000-7000-8000-000000000001"},
    {"id":"second","action":"stripe.createInvoice","config":{"customerId":"cus_1"},"connectionId":"{{steps.first.output.connection}}"},
    {"id":"third","action":"stripe.createCustomer","config":{"description":"{{now}}"},"connectionId":"{{steps.second.output.none}}"},
    {"id":"fourth","action":"stripe.createCustomer","config":{},"connectionId":"{{steps.second.output.id}}"}]}"#;

/// All that does not settle a call, one after the other.
const EXAMPLE_STORM: Script = &[
    ("stripe.listCustomers", &[Answer::LostBefore, Answer::Later(Finding::Throttled, 90_000), NO_CUSTOMER]),
    ("stripe.createCustomer", &[Answer::SavedError(2, r#"{"id":"cus_new"}"#)]),
    (
        "stripe.createInvoice",
        &[
            Answer::Fails(Finding::KeyInUse),
            Answer::Fails(Finding::Unauthorized),
            Answer::LostAfter(r#"{"id":"in_1"}"#),
        ],
    ),
    ("stripe.createInvoiceItem", &[Answer::Fails(Finding::Conflict), Answer::Fails(Finding::Busy), INVOICE]),
    ("stripe.finalizeInvoice", &[Answer::LostBefore, Answer::Fails(Finding::Forbidden), INVOICE]),
    ("stripe.sendInvoice", &[Answer::Later(Finding::Throttled, 1), INVOICE]),
];

/// Three failures from memory: a person must look.
const EXAMPLE_STUCK: Script = &[
    ("stripe.listCustomers", &[ONE_CUSTOMER]),
    ("stripe.createInvoice", &[Answer::SavedError(9, r#"{"id":"in_1"}"#)]),
    ("stripe.createInvoiceItem", &[INVOICE]),
    ("stripe.finalizeInvoice", &[INVOICE]),
    ("stripe.sendInvoice", &[INVOICE]),
];

const STUCK: &str = "create-invoice";

fn resolved(resolution: Resolution) -> Deed {
    let path = loopfour_engine::StepPath(STUCK.to_owned());
    Deed::Resolve { path, reason: "looked".to_owned(), resolution }
}

fn found() -> Resolution {
    Resolution::Done { output: crate::life::document(r#"{"id":"in_1"}"#) }
}

/// Its time is over while a read waits. A write would not end alike: after a crash it may have been sent.
const TIMED: &str = r#"{"name":"w","trigger":{"type":"api"},"settings":{"timeoutMs":3600000},"steps":[
    {"id":"first","action":"stripe.createCustomer","config":{"description":"{{now}}"}},
    {"id":"second","action":"stripe.listCustomers","config":{"limit":1}}]}"#;

/// Scenarios in which a person does something; a strict host knows no people.
fn with_people() -> Vec<Scenario> {
    let stuck = || Scenario::new(EXAMPLE, INPUT, EXAMPLE_STUCK);
    vec![
        stuck().then(resolved(found())),
        stuck().then(Deed::Cancel).then(resolved(found())),
        stuck().then(Deed::Cancel).then(resolved(Resolution::Fail)),
        stuck().then(resolved(Resolution::Fail)).then(Deed::Cancel),
        Scenario::new(
            EXAMPLE,
            INPUT,
            &[
                ("stripe.listCustomers", &[ONE_CUSTOMER]),
                ("stripe.createInvoice", &[Answer::Refused("card_declined"), INVOICE]),
                ("stripe.createInvoiceItem", &[INVOICE]),
                ("stripe.finalizeInvoice", &[INVOICE]),
                ("stripe.sendInvoice", &[INVOICE]),
            ],
        )
        .then(Deed::Retry { not_done: false }),
        Scenario::new(
            TIMED,
            "{}",
            &[
                ("stripe.createCustomer", &[CUSTOMER]),
                ("stripe.listCustomers", &[Answer::Later(Finding::Throttled, 7_200_000), NO_CUSTOMER]),
            ],
        )
        .then(Deed::Retry { not_done: false }),
    ]
}

fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new(EXAMPLE, INPUT, EXAMPLE_STORM),
        Scenario::new(EXAMPLE, INPUT, EXAMPLE_STUCK),
        Scenario::new(
            TIMED,
            "{}",
            &[
                ("stripe.createCustomer", &[CUSTOMER]),
                ("stripe.listCustomers", &[Answer::Later(Finding::Throttled, 7_200_000)]),
            ],
        ),
        Scenario::new(EXAMPLE, INPUT, EXAMPLE_NEW),
        Scenario::new(EXAMPLE, INPUT, EXAMPLE_KNOWN),
        Scenario::new(EXAMPLE, INPUT, EXAMPLE_LOSING),
        Scenario::new(EXAMPLE, INPUT, EXAMPLE_DECLINED),
        Scenario::new(
            CONTINUING,
            "{}",
            &[
                ("stripe.createCustomer", &[Answer::Refused("invalid_request_error")]),
                ("stripe.createInvoice", &[INVOICE]),
            ],
        ),
        Scenario::new(
            CONTINUING,
            "{}",
            &[
                ("stripe.createCustomer", &[Answer::LostAfter(r#"{"id":"c"}"#)]),
                ("stripe.createInvoice", &[INVOICE]),
            ],
        ),
        Scenario::new(CANCELING, "{}", &[("stripe.cancelSubscription", &[CANCELED])]),
        Scenario::new(
            CONNECTIONS,
            "{}",
            &[
                (
                    "stripe.createCustomer",
                    &[
                        Answer::Fails(Finding::Unauthorized),
                        Answer::LostAfter(r#"{"connection":"conn_00000000-0000-7000-8000-000000000002"}"#),
                        CUSTOMER,
                    ],
                ),
                ("stripe.createInvoice", &[Answer::Fails(Finding::NoConnection), INVOICE]),
            ],
        ),
        Scenario::new(
            CANCELING,
            "{}",
            &[(
                "stripe.cancelSubscription",
                &[
                    Answer::Fails(Finding::Unreachable),
                    Answer::LostBefore,
                    Answer::LostAfter(r#"{"status":"canceled"}"#),
                ],
            )],
        ),
    ]
}

#[test]
fn every_crash_ends_alike() {
    let mut crashes = 0;
    for (number, scenario) in scenarios().iter().chain(&with_people()).enumerate() {
        let provider = scenario.provider();
        let (whole, points) = scenario.run(&provider, &MemoryJournal::default(), None);
        let after_entries = (1..=points.entries).map(Crash::AfterEntry);
        let after_answers = (1..=points.answers).map(Crash::AfterAnswer);
        let unheard = (1..=points.batches).map(Crash::BeforeAcknowledgement);
        for crash in after_entries.chain(after_answers).chain(unheard) {
            let crashing = scenario.provider();
            let (run, _) = scenario.run(&crashing, &MemoryJournal::default(), Some(crash));
            assert_eq!(end(&run), end(&whole), "scenario {number}, {crash:?}");
            assert_eq!(
                crashing.done(),
                provider.done(),
                "scenario {number}, {crash:?}: the same writes, once each"
            );
            assert!(crashing.misused().is_empty(), "scenario {number}, {crash:?}");
            assert!(crashing.unlooked().is_empty(), "scenario {number}, {crash:?}");
            crashes += 1;
        }
    }
    assert!(crashes > 150, "only {crashes} crashes");
}

#[test]
fn a_strict_host_ends_alike() {
    for (number, scenario) in scenarios().iter().enumerate() {
        let provider = scenario.provider();
        let (whole, _) = scenario.run(&provider, &MemoryJournal::default(), None);
        let first = scenario.first();
        let mut strict = StrictHost::new(scenario.provider(), first.at);
        let run = strict.run(&first, &scenario.definition).unwrap();
        assert_eq!(end(&run), end(&whole), "scenario {number}");
        for record in 0..strict.records.len() {
            let crashing = scenario.provider();
            let mut strict = StrictHost::new(crashing.clone(), first.at).crash_at(record);
            let run = strict.run(&first, &scenario.definition).unwrap();
            assert_eq!(end(&run), end(&whole), "scenario {number}, crash at record {record}");
            assert_eq!(crashing.done(), provider.done(), "scenario {number}, crash at record {record}");
            assert!(crashing.misused().is_empty(), "scenario {number}, crash at record {record}");
            assert!(crashing.unlooked().is_empty(), "scenario {number}, crash at record {record}");
        }
    }
}
