//! Triggers: which events a workflow wants, and when a schedule fires.

mod filters;
mod firings;
mod properties;

use loopfour_lang::trigger::{Schedule, Trigger, Webhook};
use loopfour_lang::{Catalog, Options, check};

/// The trigger of a workflow in which nothing is wrong.
#[track_caller]
fn trigger(trigger: &str) -> Trigger {
    let text = format!(
        r#"{{"name": "w", "trigger": {trigger}, "steps": [{{"id": "a", "action": "stripe.createCustomer"}}]}}"#
    );
    let checked = check(&text, Options { catalog: Catalog::builtin(), environment: &[] });
    assert!(checked.diagnostics.is_empty(), "{trigger}: {:#?}", checked.diagnostics);
    checked.workflow.expect("nothing is wrong").trigger
}

#[track_caller]
fn webhook(keys: &str) -> Webhook {
    match trigger(&format!(r#"{{"type": "webhook", "provider": "custom", "path": "p", {keys}}}"#)) {
        Trigger::Webhook(webhook) => webhook,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn schedule(rhythm: &str, zone: &str) -> Schedule {
    match trigger(&format!(r#"{{"type": "schedule", {rhythm}, "timezone": "{zone}"}}"#)) {
        Trigger::Schedule(schedule) => schedule,
        other => panic!("{other:?}"),
    }
}
