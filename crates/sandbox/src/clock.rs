//! The sandbox's clock: real time, moved ahead when asked.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::calendar::date;

/// The furthest that the clock can be ahead, in milliseconds: a hundred years.
const FURTHEST: i64 = 100 * 366 * 86_400_000;

/// Real time plus an offset that only grows, until a reset.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: AtomicI64,
}

impl Clock {
    pub(crate) fn ahead_by(milliseconds: i64) -> Clock {
        Clock { ahead: AtomicI64::new(milliseconds) }
    }

    /// Milliseconds since 1970.
    pub(crate) fn milliseconds(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let real = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        real.saturating_add(self.offset())
    }

    /// Seconds since 1970.
    pub(crate) fn seconds(&self) -> i64 {
        self.milliseconds().div_euclid(1000)
    }

    /// How far it is ahead of real time, in milliseconds.
    pub(crate) fn offset(&self) -> i64 {
        self.ahead.load(Ordering::SeqCst)
    }

    /// Sets how far it is ahead; `None` where that is too far.
    pub(crate) fn set_offset(&self, milliseconds: i64) -> Option<()> {
        (0..=FURTHEST).contains(&milliseconds).then(|| self.ahead.store(milliseconds, Ordering::SeqCst))
    }
}

/// A time as HTTP writes it in `Date`, from seconds since 1970.
pub(crate) fn http_date(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    let name = |names: &[&'static str], at: i64| names[usize::try_from(at).unwrap_or(0) % names.len()];
    let (weekday, month) = (name(&DAYS, days.rem_euclid(7)), name(&MONTHS, month - 1));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::http_date;

    #[track_caller]
    fn check(seconds: i64, expect: &str) {
        assert_eq!(http_date(seconds), expect);
    }

    #[test]
    fn dates_are_written_as_http_wants_them() {
        check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
        check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
        check(951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT");
        check(1_767_225_599, "Wed, 31 Dec 2025 23:59:59 GMT");
        check(4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT");
    }
}
