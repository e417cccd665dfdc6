//! `input.payload`: in a workflow that a webhook starts it is the event itself, however it is read.

use loopfour_testkit::{Answer, MemoryJournal};

use crate::scenario::{Scenario, Script};

const CUSTOMERS: Script = &[("stripe.listCustomers", &[Answer::Done(r#"{"object":"list","data":[]}"#)])];
const EVENT: &str = r#"{"type":"invoice.paid","data":{"object":{"customer_email":"ada@example.com"}}}"#;

#[track_caller]
fn check(trigger: &str, expression: &str, input: &str, expected: &str) {
    let source = format!(
        r#"{{"name":"Payload","trigger":{trigger},"settings":{{"output":{{"read":"{expression}"}}}},
            "steps":[{{"id":"find","action":"stripe.listCustomers","config":{{"limit":1}}}}]}}"#
    );
    let scenario = Scenario::new(&source, input, CUSTOMERS);
    let (run, _) = scenario.run(&scenario.provider(), &MemoryJournal::default(), None);
    assert_eq!(run.output.to_string(), format!(r#"{{"read":{expected}}}"#), "{trigger} {expression}");
}

#[test]
fn the_payload_of_a_webhook_is_its_event() {
    let stripe = r#"{"type":"webhook","provider":"stripe"}"#;
    check(stripe, "{{input.payload.data.object.customer_email}}", EVENT, r#""ada@example.com""#);
    check(stripe, r#"{{input[\"payload\"].type}}"#, EVENT, r#""invoice.paid""#);
    check(stripe, "{{input.payload}}", EVENT, EVENT);
    check(stripe, "{{input.data.object.customer_email}}", EVENT, r#""ada@example.com""#);
    let custom = r#"{"type":"webhook","provider":"custom","path":"orders"}"#;
    check(custom, "{{input.payload.total}}", r#"{"total":9900}"#, "9900");
    // What the sender calls so is the sender's.
    check(custom, "{{input.payload.total}}", r#"{"total":1,"payload":{"total":9900}}"#, "9900");
    check(r#"{"type":"api"}"#, "{{input.payload.type}}", EVENT, "null");
}
