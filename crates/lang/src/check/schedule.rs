//! Schedule triggers: cron expressions, intervals and time zones.

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;

use super::read::{At, opening, quoted};
use super::report::{Report, did_you_mean};
use crate::diagnostic::Code;
use crate::trigger::{Cron, Interval, Missed, Overlap, Rhythm, Schedule, Unit};

const KEYS: [&str; 7] = ["type", "cron", "interval", "timezone", "enabled", "missed", "overlap"];
const INTERVAL_KEYS: [&str; 2] = ["value", "unit"];
/// An interval of one year, in seconds.
const LONGEST_INTERVAL: u64 = 366 * 86_400;

/// Checks a schedule trigger.
pub(super) fn schedule(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<Schedule> {
    report.object(at, &KEYS);
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
            if !["cron", "interval"].into_iter().any(|key| report.is_misspelled(at, key, &KEYS)) {
                let message = "a schedule needs `cron` or `interval`";
                report.add(Code::MissingKey, &at.place.key("cron"), opening(at.span()), message);
            }
            None
        }
    };
    let zone = match at.get("timezone") {
        Some(timezone) => self::timezone(&timezone, report),
        None => Some(("UTC".to_owned(), TimeZone::UTC)),
    };
    let enabled = at.get("enabled").map_or(Some(true), |enabled| report.boolean(&enabled));
    let missed =
        at.get("missed").map_or(Some("once"), |missed| report.choice(&missed, "choice", &["once", "skip"]));
    let overlap = at
        .get("overlap")
        .map_or(Some("allow"), |overlap| report.choice(&overlap, "choice", &["allow", "skip", "queue"]));
    let (timezone, zone) = zone?;
    Some(Schedule {
        rhythm: rhythm?,
        timezone,
        enabled: enabled?,
        missed: if missed? == "once" { Missed::Once } else { Missed::Skip },
        overlap: match overlap? {
            "allow" => Overlap::Allow,
            "skip" => Overlap::Skip,
            _ => Overlap::Queue,
        },
        zone,
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
    Some(Rhythm::Cron(Cron::new(text, cron)))
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
    if !report.object(at, &INTERVAL_KEYS) {
        return None;
    }
    let value = report.require(at, "value", &INTERVAL_KEYS);
    let value =
        value.and_then(|value| Some((report.integer(&value, 1..=i64::MAX)?.unsigned_abs(), value.span())));
    let unit = report.require(at, "unit", &INTERVAL_KEYS);
    let unit = unit.and_then(|unit| report.choice(&unit, "unit", &Unit::ALL.map(Unit::name)));
    let ((value, span), unit) = (value?, unit?);
    let unit = Unit::ALL.into_iter().find(|known| known.name() == unit)?;
    if value.saturating_mul(u64::from(unit.seconds())) > LONGEST_INTERVAL {
        let message = format!("{value} {} are more than a year", unit.name());
        report.add(Code::OutOfLimits, &at.place.key("value"), span, message);
        return None;
    }
    let value = u32::try_from(value).expect("within a year");
    Some(Rhythm::Interval(Interval { value, unit }))
}

/// The time zone of that name, in whatever case it is written, and its name as the database writes it.
fn timezone(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<(String, TimeZone)> {
    let name = report.text(at)?;
    let Ok(zone) = TimeZone::get(name) else {
        let zones: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
        let hint = did_you_mean(report.nearest(name, zones.iter().map(String::as_str)))
            .unwrap_or_else(|| "write an IANA name, such as `Europe/Berlin` or `UTC`".to_owned());
        let message = format!("there is no time zone {}", quoted(name));
        report.add_with(Code::UnknownTimezone, &at.place, at.span(), message, hint);
        return None;
    };
    Some((zone.iana_name().unwrap_or(name).to_owned(), zone))
}
