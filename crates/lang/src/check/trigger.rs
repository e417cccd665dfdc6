//! Triggers: what starts a run.

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;

use super::condition::regex;
use super::read::{At, opening, quoted};
use super::report::{Report, did_you_mean};
use crate::catalog::Catalog;
use crate::diagnostic::Code;
use crate::json::{Kind, Member};
use crate::trigger::{Missed, Overlap, Rhythm, Schedule, Trigger, Webhook};

const TYPES: [&str; 4] = ["api", "webhook", "schedule", "failure"];
const WEBHOOK_KEYS: [&str; 6] = ["type", "provider", "events", "path", "verifySignature", "filter"];
const SCHEDULE_KEYS: [&str; 7] = ["type", "cron", "interval", "timezone", "enabled", "missed", "overlap"];
const UNITS: [(&str, u64); 4] = [("minutes", 60), ("hours", 3600), ("days", 86_400), ("weeks", 604_800)];
const OPERATORS: [&str; 10] =
    ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$contains"];
const PATTERN: &str = "$regex";
/// An interval of one year, in seconds.
const LONGEST_INTERVAL: u64 = 366 * 86_400;

/// Checks `trigger`.
pub(super) fn trigger(at: &At<'_, '_>, catalog: &Catalog, report: &mut Report<'_>) -> Option<Trigger> {
    if !report.any_object(at) {
        return None;
    }
    let kind = report.require(at, "type", &["type"])?;
    let name = report.choice(&kind, "trigger type", &TYPES)?;
    if name != "api" {
        let message = format!("this version starts a workflow with a `{name}` trigger only by the API");
        report.add(Code::NotCarriedOut, &kind.place, kind.span(), message);
    }
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
    let filter = at.get("filter").map(|filter| {
        self::filter(&filter, report);
        filter.node.to_value()
    });
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
            let family = event.ends_with('*');
            let known = catalog
                .events
                .iter()
                .flat_map(|event| if family { families(event) } else { vec![event.clone()] });
            let known: Vec<String> = known.collect();
            let hint = did_you_mean(report.nearest(event, known.iter().map(String::as_str)));
            let message = format!("Stripe sends no event {}", quoted(event));
            report.add_with(Code::UnknownEvent, &entry.place, entry.span(), message, hint);
        }
        events.push(event.to_owned());
    }
    events
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

fn filter(at: &At<'_, '_>, report: &mut Report<'_>) {
    if !report.any_object(at) {
        return;
    }
    for member in at.members() {
        let place = at.place.key(&member.key);
        if member.key.is_empty() || member.key.split('.').any(str::is_empty) {
            let message = format!("{} is no path into an event", quoted(&member.key));
            let hint = "write names with dots between them, as in `data.object.amount_due`".to_owned();
            report.add_with(Code::Malformed, &place, member.key_span, message, hint);
        }
        let tests = At { node: &member.value, place };
        if !matches!(tests.node.kind, Kind::Object(_)) {
            let message =
                format!("`{}` must be an object of operators, not {}", tests.name(), tests.describe());
            let hint = "write `{\"$eq\": …}` for a value".to_owned();
            report.add_with(Code::WrongType, &tests.place, tests.span(), message, hint);
            continue;
        }
        if tests.members().is_empty() {
            let message = format!("`{}` compares with nothing", tests.name());
            report.add(Code::OutOfLimits, &tests.place, tests.span(), message);
        }
        for test in tests.members() {
            filter_test(&tests, test, report);
        }
    }
}

fn filter_test(tests: &At<'_, '_>, test: &Member, report: &mut Report<'_>) {
    let value = At { node: &test.value, place: tests.place.key(&test.key) };
    match test.key.as_str() {
        "$in" | "$nin" => {
            report.list(&value);
        }
        "$exists" => {
            report.boolean(&value);
        }
        PATTERN => {
            if let Some(text) = report.text(&value) {
                regex(&value, text, report);
            }
        }
        "$eq" | "$ne" | "$gt" | "$gte" | "$lt" | "$lte" | "$contains" => {}
        unknown => {
            let known = OPERATORS.into_iter().chain([PATTERN]);
            let hint = did_you_mean(report.nearest(unknown, known));
            let message = format!("there is no operator `{unknown}`");
            report.add_with(Code::UnknownKey, &value.place, test.key_span, message, hint);
        }
    }
}

fn schedule(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<Schedule> {
    report.object(at, &SCHEDULE_KEYS);
    let rhythm = match (at.get("cron"), at.get("interval")) {
        (Some(cron), None) => self::cron(&cron, report),
        (None, Some(interval)) => self::interval(&interval, report),
        (Some(cron), Some(interval)) => {
            self::cron(&cron, report);
            self::interval(&interval, report);
            let message = "a schedule has either `cron` or `interval`, not both";
            report.add(Code::ExcludedKey, &interval.place, interval.span(), message);
            None
        }
        (None, None) => {
            if !["cron", "interval"].into_iter().any(|key| report.is_misspelled(at, key, &SCHEDULE_KEYS)) {
                let message = "a schedule needs `cron` or `interval`";
                report.add(Code::MissingKey, &at.place.key("cron"), opening(at.span()), message);
            }
            None
        }
    };
    let timezone = at.get("timezone").map_or(Some("UTC"), |timezone| self::timezone(&timezone, report));
    let enabled = at.get("enabled").map_or(Some(true), |enabled| report.boolean(&enabled));
    let missed =
        at.get("missed").map_or(Some("once"), |missed| report.choice(&missed, "choice", &["once", "skip"]));
    let overlap = at
        .get("overlap")
        .map_or(Some("allow"), |overlap| report.choice(&overlap, "choice", &["allow", "skip", "queue"]));
    Some(Schedule {
        rhythm: rhythm?,
        timezone: timezone?.to_owned(),
        enabled: enabled?,
        missed: if missed? == "once" { Missed::Once } else { Missed::Skip },
        overlap: match overlap? {
            "allow" => Overlap::Allow,
            "skip" => Overlap::Skip,
            _ => Overlap::Queue,
        },
    })
}

fn cron(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<Rhythm> {
    let text = report.text(at)?;
    let fields = text.split_whitespace().count();
    if fields != 5 {
        let message = format!("{} has {fields} fields, not 5", quoted(text));
        let hint = "minute, hour, day of the month, month, day of the week".to_owned();
        report.add_with(Code::BadCron, &at.place, at.span(), message, hint);
        return None;
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = match parser.parse(text) {
        Ok(cron) => cron,
        Err(error) => {
            let message = format!("{} cannot be read: {}", quoted(text), reason(&error));
            let hint = "minute, hour, day of the month, month, day of the week; Sunday is 0".to_owned();
            report.add_with(Code::BadCron, &at.place, at.span(), message, hint);
            return None;
        }
    };
    // Any fixed instant does: what does not happen in the centuries after it never happens.
    let start = jiff::civil::date(2024, 1, 1).at(0, 0, 0, 0);
    if cron.find_next_occurrence(&start, true).is_err() {
        let message = format!("{} never fires", quoted(text));
        let hint = "there is no such day in any year".to_owned();
        report.add_with(Code::NeverFires, &at.place, at.span(), message, hint);
        return None;
    }
    Some(Rhythm::Cron(text.to_owned()))
}

/// What the cron parser says, in the style of our messages.
fn reason(error: &CronError) -> String {
    let message = match error {
        CronError::InvalidPattern(message)
        | CronError::IllegalCharacters(message)
        | CronError::ComponentError(message) => message.clone(),
        CronError::EmptyPattern
        | CronError::InvalidDate
        | CronError::InvalidTime
        | CronError::TimeSearchLimitExceeded => error.to_string(),
    };
    let mut letters = message.trim_end_matches('.').chars();
    letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect()
}

fn interval(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<Rhythm> {
    const KEYS: [&str; 2] = ["value", "unit"];
    if !report.object(at, &KEYS) {
        return None;
    }
    let value = report.require(at, "value", &KEYS);
    let value =
        value.and_then(|value| Some((report.integer(&value, 1..=i64::MAX)?.unsigned_abs(), value.span())));
    let unit = report
        .require(at, "unit", &KEYS)
        .and_then(|unit| report.choice(&unit, "unit", &UNITS.map(|(name, _)| name)));
    let ((value, span), unit) = (value?, unit?);
    let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let seconds = value.saturating_mul(*seconds);
    if seconds > LONGEST_INTERVAL {
        let message = format!("{value} {unit} are more than a year");
        report.add(Code::OutOfLimits, &at.place.key("value"), span, message);
        return None;
    }
    Some(Rhythm::Interval { seconds })
}

fn timezone<'n>(at: &At<'_, 'n>, report: &mut Report<'_>) -> Option<&'n str> {
    let name = report.text(at)?;
    if TimeZone::get(name).is_err() {
        let zones: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
        let hint = did_you_mean(report.nearest(name, zones.iter().map(String::as_str)))
            .unwrap_or_else(|| "write an IANA name, such as `Europe/Berlin` or `UTC`".to_owned());
        let message = format!("there is no time zone {}", quoted(name));
        report.add_with(Code::UnknownTimezone, &at.place, at.span(), message, hint);
        return None;
    }
    Some(name)
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
        if !id.starts_with("wf_") {
            let message = format!("{} is no id of a workflow", quoted(id));
            let hint = "ids of workflows begin with `wf_`".to_owned();
            report.add_with(Code::Malformed, &entry.place, entry.span(), message, hint);
        }
        workflows.push(id.to_owned());
    }
    Some(Trigger::Failure { workflows })
}
