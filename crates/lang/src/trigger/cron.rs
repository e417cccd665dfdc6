//! Cron expressions: when they fire in a time zone, also where its clocks are put forward and back.

use croner::Cron as Pattern;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::zone;

/// A cron expression of five fields.
///
/// One that names hours means times of day: a time that is skipped when the clock is put forward fires at the instant of
/// the change, and one that comes twice when it is put back fires the first time only. One that goes through all hours
/// (`*/30 * * * *`) is a pace: it fires at every instant whose wall-clock time it matches, and neither makes up for what
/// was skipped nor pauses while an hour repeats.
#[derive(Debug)]
pub struct Cron {
    expression: String,
    pattern: Box<Pattern>,
    is_pace: bool,
}

impl Cron {
    /// An expression and what it was read as.
    pub(crate) fn new(expression: &str, pattern: Pattern) -> Cron {
        let is_pace = (0..24).all(|hour| pattern.pattern.hour_match(hour).unwrap_or(false));
        Cron { expression: expression.to_owned(), pattern: Box::new(pattern), is_pace }
    }

    /// The expression as written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The first firing after an instant.
    pub(super) fn next_after(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        if self.is_pace { self.at_pace(zone, after) } else { self.by_the_clock(zone, after) }
    }

    fn by_the_clock(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        // No wall-clock time before this one has its first instant later; some after it have theirs earlier.
        let mut local = zone.to_datetime(after);
        loop {
            local = self.pattern.find_next_occurrence(&local, false).ok()?;
            let found = zone::instant(zone, local)?;
            if found > after {
                return Some(found);
            }
        }
    }

    /// Between two changes of the clock, wall-clock time and time pass alike.
    fn at_pace(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let (mut from, mut inclusive) = (after, false);
        loop {
            let offset = zone.to_offset(from);
            let local = self.pattern.find_next_occurrence(&offset.to_datetime(from), inclusive).ok()?;
            let found = offset.to_timestamp(local).ok()?;
            match zone.following(from).next().map(|change| change.timestamp()) {
                Some(change) if change <= found => (from, inclusive) = (change, true),
                Some(_) | None => return Some(found),
            }
        }
    }
}
