//! Dates as billing needs them: months have ends, and a period begins where its anchor says.
//! Days are those of UTC; there are no time zones here.

const DAY: i64 = 86_400;

/// The unit in which a price recurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interval {
    Day,
    Week,
    Month,
    Year,
}

impl Interval {
    /// By Stripe's name for it.
    pub(crate) fn named(name: &str) -> Option<Interval> {
        match name {
            "day" => Some(Interval::Day),
            "week" => Some(Interval::Week),
            "month" => Some(Interval::Month),
            "year" => Some(Interval::Year),
            _ => None,
        }
    }
}

/// A year, a month from 1 and a day from 1.
pub(crate) type Date = (i64, i64, i64);

/// The date of a day, counted from 1970.
pub(crate) fn date(days: i64) -> Date {
    // Counted in eras of 400 years from March, so that the leap day comes last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (year_of_era + era * 400 + i64::from(month < 3), month, day)
}

/// The day of a date, counted from 1970.
fn days((year, month, day): Date) -> i64 {
    let year = year - i64::from(month < 3);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// A time moved on by some intervals. In a month without its day it falls on the last one.
pub(crate) fn later(time: i64, interval: Interval, times: i64) -> i64 {
    let months = match interval {
        Interval::Day => return time + times * DAY,
        Interval::Week => return time + times * 7 * DAY,
        Interval::Month => times,
        Interval::Year => times * 12,
    };
    let (year, month, day) = date(time.div_euclid(DAY));
    let counted = year * 12 + month - 1 + months;
    let (year, month) = (counted.div_euclid(12), counted.rem_euclid(12) + 1);
    let next = if month == 12 { (year + 1, 1, 1) } else { (year, month + 1, 1) };
    let last = days(next) - days((year, month, 1));
    days((year, month, day.min(last))) * DAY + time.rem_euclid(DAY)
}

/// The first time after another that lies a whole number of periods of `count` intervals after an
/// anchor. So the months of an anchor on the 31st end on their last days without losing the 31st.
pub(crate) fn period_end(anchor: i64, interval: Interval, count: i64, after: i64) -> i64 {
    let longest = match interval {
        Interval::Day => DAY,
        Interval::Week => 7 * DAY,
        Interval::Month => 31 * DAY,
        Interval::Year => 366 * DAY,
    };
    // Never more periods than have passed, so the search goes only ahead, and not far.
    let mut periods = ((after - anchor).max(0) / (longest * count)).max(1);
    while later(anchor, interval, periods * count) <= after {
        periods += 1;
    }
    later(anchor, interval, periods * count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_later(from: Date, interval: Interval, times: i64, expect: Date) {
        let moved = later(days(from) * DAY + 7, interval, times);
        assert_eq!((date(moved.div_euclid(DAY)), moved.rem_euclid(DAY)), (expect, 7));
    }

    #[test]
    fn months_keep_their_ends() {
        check_later((2026, 1, 31), Interval::Month, 1, (2026, 2, 28));
        check_later((2028, 1, 31), Interval::Month, 1, (2028, 2, 29));
        check_later((2026, 1, 31), Interval::Month, 2, (2026, 3, 31));
        check_later((2026, 11, 30), Interval::Month, 3, (2027, 2, 28));
        check_later((2028, 2, 29), Interval::Year, 1, (2029, 2, 28));
        check_later((2026, 12, 31), Interval::Month, 1, (2027, 1, 31));
        check_later((2026, 12, 31), Interval::Day, 1, (2027, 1, 1));
        check_later((2026, 12, 31), Interval::Week, 2, (2027, 1, 14));
    }

    #[test]
    fn days_and_dates_are_inverse() {
        for day in (-200_000..200_000).step_by(37) {
            assert_eq!(days(date(day)), day);
        }
    }

    #[test]
    fn periods_follow_their_anchor() {
        let anchor = days((2024, 1, 31)) * DAY;
        let end =
            |after: Date| date(period_end(anchor, Interval::Month, 1, days(after) * DAY).div_euclid(DAY));
        assert_eq!(end((2024, 1, 31)), (2024, 2, 29));
        assert_eq!(end((2024, 2, 29)), (2024, 3, 31));
        assert_eq!(end((2026, 3, 30)), (2026, 3, 31));
        assert_eq!(end((2026, 3, 31)), (2026, 4, 30));
        assert_eq!(end((2020, 1, 1)), (2024, 2, 29), "never before the first period's end");
    }
}
