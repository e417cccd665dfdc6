//! Events and filters of webhook triggers.

use super::webhook;
use crate::support::value;

const EVENT: &str = r#"{
    "id": "evt_1", "type": "invoice.paid", "account": null, "livemode": false,
    "data": {"object": {
        "id": "in_1", "amount_due": 5000, "rate": 0.19, "currency": "eur", "number": "00012", "paid": true,
        "customer": null, "empty": "", "tags": ["a", 7, {"deep": [1]}], "metadata": {"0": "zero", "kind": "Gold"},
        "lines": {"data": [{"amount": 100}, {"amount": 4900}]}}}
}"#;

#[track_caller]
fn check(filter: &str, expected: bool) {
    let webhook = webhook(&format!(r#""filter": {filter}"#));
    let matches = webhook.filter.as_ref().map(|compiled| compiled.matches(&value(EVENT)));
    assert_eq!(matches, Some(expected), "{filter}");
    assert_eq!(webhook.wants("anything", &value(EVENT)), expected, "{filter} decides for the trigger");
}

/// Two filters of which the first matches and the second does not.
#[track_caller]
fn differ(matching: &str, other: &str) {
    check(matching, true);
    check(other, false);
}

#[test]
fn equality() {
    differ(r#"{"data.object.currency": {"$eq": "eur"}}"#, r#"{"data.object.currency": {"$eq": "EUR"}}"#);
    differ(r#"{"data.object.amount_due": {"$eq": 5000}}"#, r#"{"data.object.amount_due": {"$eq": 5001}}"#);
    differ(
        r#"{"data.object.amount_due": {"$eq": "5000"}}"#,
        r#"{"data.object.amount_due": {"$eq": "5,000"}}"#,
    );
    differ(r#"{"data.object.amount_due": {"$eq": 5000.0}}"#, r#"{"data.object.amount_due": {"$eq": true}}"#);
    differ(r#"{"data.object.number": {"$eq": 12}}"#, r#"{"data.object.number": {"$eq": "12"}}"#);
    differ(r#"{"data.object.rate": {"$eq": "0.190"}}"#, r#"{"data.object.rate": {"$eq": 0.1900001}}"#);
    differ(r#"{"data.object.paid": {"$eq": "true"}}"#, r#"{"data.object.paid": {"$eq": 1}}"#);
    differ(
        r#"{"data.object.tags": {"$eq": ["a", 7, {"deep": [1]}]}}"#,
        r#"{"data.object.tags": {"$eq": ["a", 7]}}"#,
    );
    differ(r#"{"data.object.tags.2": {"$eq": {"deep": [1]}}}"#, r#"{"data.object.tags.2": {"$eq": {}}}"#);
    differ(r#"{"data.object.currency": {"$ne": "usd"}}"#, r#"{"data.object.currency": {"$ne": "eur"}}"#);
    differ(r#"{"data.object.amount_due": {"$ne": 1}}"#, r#"{"data.object.amount_due": {"$ne": "5000"}}"#);
}

#[test]
fn what_is_missing_is_null() {
    differ(r#"{"data.object.gone": {"$ne": 1}}"#, r#"{"data.object.gone": {"$eq": 1}}"#);
    differ(
        r#"{"data.object.gone.deeper.0": {"$nin": [1, "x"]}}"#,
        r#"{"data.object.gone": {"$in": [1, "x"]}}"#,
    );
    differ(r#"{"data.object.gone": {"$eq": null}}"#, r#"{"data.object.gone": {"$ne": null}}"#);
    differ(r#"{"data.object.customer": {"$eq": null}}"#, r#"{"data.object.paid": {"$eq": null}}"#);
    differ(r#"{"data.object.gone": {"$exists": false}}"#, r#"{"data.object.gone": {"$exists": true}}"#);
    differ(
        r#"{"data.object.customer": {"$exists": false}}"#,
        r#"{"data.object.customer": {"$exists": true}}"#,
    );
    differ(r#"{"data.object.empty": {"$exists": true}}"#, r#"{"data.object.empty": {"$exists": false}}"#);
    for operator in ["$gt", "$gte", "$lt", "$lte"] {
        check(&format!(r#"{{"data.object.gone": {{"{operator}": 0}}}}"#), false);
        check(&format!(r#"{{"data.object.customer": {{"{operator}": "x"}}}}"#), false);
        check(&format!(r#"{{"data.object.tags": {{"{operator}": 0}}}}"#), false);
    }
    check(r#"{"data.object.gone": {"$contains": "x"}}"#, false);
    check(r#"{"data.object.gone": {"$regex": ""}}"#, false);
}

#[test]
fn order() {
    differ(r#"{"data.object.amount_due": {"$gt": 4999}}"#, r#"{"data.object.amount_due": {"$gt": 5000}}"#);
    differ(
        r#"{"data.object.amount_due": {"$gte": 5000}}"#,
        r#"{"data.object.amount_due": {"$gte": 5000.01}}"#,
    );
    differ(r#"{"data.object.amount_due": {"$lt": 10000}}"#, r#"{"data.object.amount_due": {"$lt": 5000}}"#);
    differ(r#"{"data.object.amount_due": {"$lte": 5000}}"#, r#"{"data.object.amount_due": {"$lte": 4999}}"#);
    differ(
        r#"{"data.object.amount_due": {"$lt": "10000"}}"#,
        r#"{"data.object.amount_due": {"$gt": "10000"}}"#,
    );
    differ(r#"{"data.object.number": {"$gt": 9}}"#, r#"{"data.object.number": {"$lt": 9}}"#);
    differ(r#"{"data.object.currency": {"$gt": "eu"}}"#, r#"{"data.object.currency": {"$gt": "usd"}}"#);
    differ(
        r#"{"data.object.amount_due": {"$gte": 100, "$lt": 10000}}"#,
        r#"{"data.object.amount_due": {"$gte": 100, "$lt": 1000}}"#,
    );
}

#[test]
fn lists_texts_and_patterns() {
    differ(r#"{"type": {"$in": ["x", "invoice.paid"]}}"#, r#"{"type": {"$in": ["x"]}}"#);
    differ(
        r#"{"data.object.amount_due": {"$in": ["5000"]}}"#,
        r#"{"data.object.amount_due": {"$nin": ["5000"]}}"#,
    );
    check(r#"{"type": {"$nin": []}}"#, true);
    differ(r#"{"data.object.tags": {"$contains": "7"}}"#, r#"{"data.object.tags": {"$contains": "b"}}"#);
    differ(
        r#"{"data.object.tags": {"$contains": {"deep": [1]}}}"#,
        r#"{"data.object.tags": {"$contains": [1]}}"#,
    );
    differ(r#"{"type": {"$contains": "ice.p"}}"#, r#"{"type": {"$contains": "ice p"}}"#);
    check(r#"{"data.object.amount_due": {"$contains": "5"}}"#, false);
    differ(r#"{"type": {"$regex": "ice\\.p"}}"#, r#"{"type": {"$regex": "^ice"}}"#);
    differ(
        r#"{"data.object.metadata.kind": {"$regex": "(?i)gold"}}"#,
        r#"{"data.object.metadata.kind": {"$regex": "gold"}}"#,
    );
    check(r#"{"data.object.amount_due": {"$regex": "5"}}"#, false);
}

#[test]
fn paths() {
    differ(
        r#"{"data.object.lines.data.1.amount": {"$eq": 4900}}"#,
        r#"{"data.object.lines.data.2.amount": {"$eq": 4900}}"#,
    );
    check(r#"{"data.object.lines.data.-1.amount": {"$exists": true}}"#, false);
    check(r#"{"data.object.lines.data.+1.amount": {"$exists": true}}"#, false);
    check(r#"{"data.object.metadata.0": {"$eq": "zero"}}"#, true);
    check(r#"{"id": {"$eq": "evt_1"}, "livemode": {"$eq": false}}"#, true);
    check(r#"{"id": {"$eq": "evt_1"}, "livemode": {"$eq": true}}"#, false);
    check("{}", true);
}

#[test]
fn a_pattern_is_searched_in_linear_time() {
    let webhook = webhook(r#""filter": {"text": {"$regex": "^(a+)+$"}}"#);
    let event = value(&format!(r#"{{"text": "{}b"}}"#, "a".repeat(200_000)));
    assert!(!webhook.wants("x", &event));
}

#[track_caller]
fn wants(events: &str, event_type: &str, expected: bool) {
    let webhook = webhook(&format!(r#""events": [{events}]"#));
    assert_eq!(webhook.wants(event_type, &value("{}")), expected, "{events}: {event_type}");
}

#[test]
fn event_types_and_families() {
    wants(r#""invoice.paid""#, "invoice.paid", true);
    wants(r#""invoice.paid""#, "invoice.paid.late", false);
    wants(r#""invoice.paid""#, "invoice.pai", false);
    wants(r#""invoice.paid", "charge.refunded""#, "charge.refunded", true);
    wants(r#""invoice.*""#, "invoice.paid", true);
    wants(r#""invoice.*""#, "invoice.payment_failed", true);
    wants(r#""invoice.*""#, "invoice.a.b", true);
    wants(r#""invoice.*""#, "invoiceitem.created", false);
    wants(r#""invoice.*""#, "invoice", false);
    wants(r#""invoice.*""#, "invoice.", false);
    wants(r#""customer.subscription.*""#, "customer.subscription.trial_will_end", true);
    wants(r#""customer.subscription.*""#, "customer.created", false);
    wants(r#""*""#, "invoice.paid", false);
    wants(r#""in*""#, "invoice.paid", false);
    assert!(webhook(r#""verifySignature": false"#).wants("anything.at.all", &value("null")));
}

#[test]
fn the_type_and_the_filter_must_both_fit() {
    let webhook = webhook(r#""events": ["invoice.*"], "filter": {"data.object.amount_due": {"$gte": 5000}}"#);
    assert!(webhook.wants("invoice.paid", &value(EVENT)));
    assert!(!webhook.wants("charge.refunded", &value(EVENT)));
    assert!(!webhook.wants("invoice.paid", &value(r#"{"data": {"object": {"amount_due": 4999}}}"#)));
}
