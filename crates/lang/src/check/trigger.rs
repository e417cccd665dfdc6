//! Triggers: what starts a run.

use super::filter::filter;
use super::read::{At, is_id, quoted};
use super::report::{Report, did_you_mean};
use super::schedule::schedule;
use crate::catalog::Catalog;
use crate::diagnostic::Code;
use crate::trigger::{Trigger, Webhook};

const TYPES: [&str; 4] = ["api", "webhook", "schedule", "failure"];
const WEBHOOK_KEYS: [&str; 6] = ["type", "provider", "events", "path", "verifySignature", "filter"];

/// Checks `trigger`.
pub(super) fn trigger(at: &At<'_, '_>, catalog: &Catalog, report: &mut Report<'_>) -> Option<Trigger> {
    if !report.any_object(at) {
        return None;
    }
    let kind = report.require(at, "type", &["type"])?;
    let name = report.choice(&kind, "trigger type", &TYPES)?;
    match name {
        "webhook" => webhook(at, catalog, report).map(Trigger::Webhook),
        "schedule" => schedule(at, report).map(Trigger::Schedule),
        "failure" => failure(at, report),
        _ => report.object(at, &["type"]).then_some(Trigger::Api),
    }
}

fn webhook(at: &At<'_, '_>, catalog: &Catalog, report: &mut Report<'_>) -> Option<Webhook> {
    report.object(at, &WEBHOOK_KEYS);
    let provider = report
        .require(at, "provider", &WEBHOOK_KEYS)
        .and_then(|provider| report.choice(&provider, "provider", &["stripe", "custom"]));
    let events =
        at.get("events").map(|events| self::events(&events, provider, catalog, report)).unwrap_or_default();
    let path = match (provider, at.get("path")) {
        (Some("stripe"), Some(path)) => {
            let message = "`path` is only for the provider `custom`";
            report.add(Code::ExcludedKey, &path.place, path.span(), message);
            None
        }
        (Some("custom"), None) => {
            report.require(at, "path", &WEBHOOK_KEYS);
            None
        }
        (_, Some(path)) => webhook_path(&path, report),
        (_, None) => None,
    };
    let mut verify_signature = true;
    if let Some(verify) = at.get("verifySignature") {
        verify_signature = report.boolean(&verify)?;
        if !verify_signature && provider == Some("stripe") {
            let message = "events of the provider `stripe` are always verified";
            report.add(Code::ExcludedKey, &verify.place, verify.span(), message);
        }
    }
    let filter = match at.get("filter") {
        Some(filter) => Some(self::filter(&filter, report)?),
        None => None,
    };
    Some(Webhook { provider: provider?.to_owned(), events, path, verify_signature, filter })
}

fn events(
    at: &At<'_, '_>,
    provider: Option<&str>,
    catalog: &Catalog,
    report: &mut Report<'_>,
) -> Vec<String> {
    if !report.list(at) {
        return Vec::new();
    }
    if at.items().is_empty() {
        let message = "`events` is empty, so that nothing would start the workflow";
        let hint = "leave the key out for all events".to_owned();
        report.add_with(Code::OutOfLimits, &at.place, at.span(), message, hint);
    }
    let mut events = Vec::new();
    for (index, item) in at.items().iter().enumerate() {
        let entry = at.item(index, item);
        let Some(event) = report.text(&entry) else { continue };
        if event.is_empty() {
            report.add(Code::Malformed, &entry.place, entry.span(), "an event type is not empty");
        } else if provider == Some("stripe") && !is_event(event, catalog) {
            unknown_event(&entry, event, catalog, report);
        }
        events.push(event.to_owned());
    }
    events
}

fn unknown_event(at: &At<'_, '_>, event: &str, catalog: &Catalog, report: &mut Report<'_>) {
    let message = format!("Stripe sends no event {}", quoted(event));
    let hint = if event == "*" {
        Some("leave `events` out for all events".to_owned())
    } else if let Some(version) = elsewhere(event, catalog) {
        Some(format!("it comes with API version {version}, and this server knows {}", catalog.version))
    } else {
        let family = event.ends_with('*');
        let known = catalog.events.iter();
        let known: Vec<String> =
            known.flat_map(|event| if family { families(event) } else { vec![event.clone()] }).collect();
        did_you_mean(report.nearest(event, known.iter().map(String::as_str)))
    };
    report.add_with(Code::UnknownEvent, &at.place, at.span(), message, hint);
}

/// The other API version that has such an event, or one of such a family.
fn elsewhere<'c>(event: &str, catalog: &'c Catalog) -> Option<&'c str> {
    let others = &catalog.other_events;
    let found = match event.strip_suffix('*').filter(|family| family.ends_with('.')) {
        Some(family) => others.iter().find(|(event, _)| event.starts_with(family)),
        None => others.get_key_value(event),
    };
    found.map(|(_, version)| version.as_str())
}

/// Whether a type, or a family that ends in `.*`, is one that Stripe sends.
fn is_event(event: &str, catalog: &Catalog) -> bool {
    match event.strip_suffix('*') {
        Some(family) => family.ends_with('.') && catalog.events.iter().any(|event| event.starts_with(family)),
        None => catalog.events.contains(event),
    }
}

/// The families that an event type belongs to: `invoice.*`.
fn families(event: &str) -> Vec<String> {
    event.match_indices('.').map(|(dot, _)| format!("{}.*", &event[..dot])).collect()
}

fn webhook_path(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<String> {
    let path = report.text(at)?;
    let plain =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '~');
    if path.is_empty() || path.len() > 255 || !path.chars().all(plain) || matches!(path, "." | "..") {
        let message = format!("{} cannot be the last part of an address", quoted(path));
        let hint = "use 1 to 255 letters, digits, `-`, `_`, `.` and `~`".to_owned();
        report.add_with(Code::Malformed, &at.place, at.span(), message, hint);
        return None;
    }
    Some(path.to_owned())
}

fn failure(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<Trigger> {
    report.object(at, &["type", "workflows"]);
    let Some(list) = at.get("workflows") else { return Some(Trigger::Failure { workflows: Vec::new() }) };
    if !report.list(&list) {
        return None;
    }
    if list.items().is_empty() {
        let message = "`workflows` is empty, so that nothing would start the workflow";
        let hint = "leave the key out for all workflows".to_owned();
        report.add_with(Code::OutOfLimits, &list.place, list.span(), message, hint);
    }
    let mut workflows = Vec::new();
    for (index, item) in list.items().iter().enumerate() {
        let entry = list.item(index, item);
        let Some(id) = report.text(&entry) else { continue };
        if !is_id("wf_", id) {
            let message = format!("{} is no id of a workflow", quoted(id));
            let hint = "it is `wf_` and a UUID, as the list of workflows has it".to_owned();
            report.add_with(Code::Malformed, &entry.place, entry.span(), message, hint);
        }
        workflows.push(id.to_owned());
    }
    Some(Trigger::Failure { workflows })
}
