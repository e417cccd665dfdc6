//! Schedules: when the clock starts a run.
//!
//! Instants are milliseconds since 1970 (UTC). What a firing does while the server is down or a run still goes is the
//! host's business; here it is only said.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::{Cron, zone};

/// A schedule trigger.
#[derive(Debug)]
pub struct Schedule {
    /// When it fires.
    pub rhythm: Rhythm,
    /// IANA name of the time zone.
    pub timezone: String,
    /// Whether it fires at all.
    pub enabled: bool,
    /// What happens to firings missed while the server was down.
    pub missed: Missed,
    /// What happens when the run before is not over.
    pub overlap: Overlap,
    pub(crate) zone: TimeZone,
}

/// When a schedule fires.
#[derive(Debug)]
pub enum Rhythm {
    /// Five cron fields.
    Cron(Cron),
    /// Every so many minutes, hours, days or weeks.
    Interval(Interval),
}

/// The time from firing to firing; at most one year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// How many; at least 1.
    pub value: u32,
    /// Of what.
    pub unit: Unit,
}

/// What an interval counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 60 seconds.
    Minutes,
    /// 3600 seconds.
    Hours,
    /// Days of the calendar.
    Days,
    /// Seven days of the calendar.
    Weeks,
}

impl Unit {
    /// Every unit.
    pub const ALL: [Unit; 4] = [Unit::Minutes, Unit::Hours, Unit::Days, Unit::Weeks];

    /// Its name in workflows.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Minutes => "minutes",
            Unit::Hours => "hours",
            Unit::Days => "days",
            Unit::Weeks => "weeks",
        }
    }

    /// Its length where no clock is put forward or back, in seconds.
    pub fn seconds(self) -> u32 {
        match self {
            Unit::Minutes => 60,
            Unit::Hours => 3600,
            Unit::Days => 86_400,
            Unit::Weeks => 604_800,
        }
    }
}

/// What happens to firings missed while the server was down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// One run at start, however many were missed.
    Once,
    /// None.
    Skip,
}

/// What happens when a schedule fires before the run before is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Both run.
    Allow,
    /// The new one is dropped.
    Skip,
    /// The new one waits.
    Queue,
}

impl Schedule {
    /// The first firing after an instant, and not before 1970; `None` where there is none within the years that can be
    /// said. Says nothing of `enabled`.
    ///
    /// An interval counts from the anchor, the instant at which the schedule was set up, and fires first one interval
    /// after it. Minutes and hours are time that passes; days and weeks keep the anchor's time of day in the time zone,
    /// whatever its clocks do: a time that is skipped fires at the change of the clock, one that comes twice the first
    /// time. A cron expression has no use for the anchor.
    pub fn next_after(&self, anchor_ms: i64, after_ms: i64) -> Option<i64> {
        let after_ms = after_ms.max(-1);
        match &self.rhythm {
            Rhythm::Cron(cron) => {
                let after = Timestamp::from_millisecond(after_ms).ok()?;
                cron.next_after(&self.zone, after).map(Timestamp::as_millisecond)
            }
            Rhythm::Interval(Interval { value, unit }) => {
                let value = i64::from(*value);
                match unit {
                    Unit::Minutes | Unit::Hours => {
                        passing(value * i64::from(unit.seconds()) * 1000, anchor_ms, after_ms)
                    }
                    Unit::Days => self.days(value, anchor_ms, after_ms),
                    Unit::Weeks => self.days(value * 7, anchor_ms, after_ms),
                }
            }
        }
    }

    /// The first so many firings after an instant; fewer where there are no more. The anchor is as in
    /// [`Schedule::next_after`].
    pub fn next(&self, anchor_ms: i64, after_ms: i64, count: usize) -> Vec<i64> {
        let firings = std::iter::successors(self.next_after(anchor_ms, after_ms), |firing| {
            self.next_after(anchor_ms, *firing)
        });
        firings.take(count).collect()
    }

    /// The last firing after an instant and not after `until_ms`; `None` where there is none. Found without going through
    /// all of them. The anchor is as in [`Schedule::next_after`].
    pub fn latest(&self, anchor_ms: i64, after_ms: i64, until_ms: i64) -> Option<i64> {
        let firing = |after: i64| self.next_after(anchor_ms, after).filter(|firing| *firing <= until_ms);
        // It lies between these: the one is a firing, and after the other there is none.
        let (mut low, mut high) = (firing(after_ms)?, until_ms);
        while low < high {
            let middle = low + (high - low) / 2;
            match firing(middle) {
                Some(later) => low = later,
                None => high = middle,
            }
        }
        Some(low)
    }

    fn days(&self, days: i64, anchor_ms: i64, after_ms: i64) -> Option<i64> {
        let after = Timestamp::from_millisecond(after_ms).ok()?;
        let start = self.zone.to_datetime(Timestamp::from_millisecond(anchor_ms).ok()?);
        let passed = start.date().until(self.zone.to_datetime(after).date()).ok()?.get_days();
        let mut count = (i64::from(passed) / days).max(1);
        loop {
            let local = start.checked_add(Span::new().try_days(count.checked_mul(days)?).ok()?).ok()?;
            let found = zone::instant(&self.zone, local)?;
            if found > after {
                return Some(found.as_millisecond());
            }
            count += 1;
        }
    }
}

/// The first `anchor + count * period` after an instant, `count` being at least 1.
fn passing(period: i64, anchor: i64, after: i64) -> Option<i64> {
    let count = after.checked_sub(anchor)?.div_euclid(period).checked_add(1)?.max(1);
    anchor.checked_add(count.checked_mul(period)?)
}
