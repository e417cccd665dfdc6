//! When schedules fire, also where clocks are put forward and back.
//!
//! The expected instants were computed apart from the product, with the `zoneinfo` of Python's standard library: every
//! minute of the stretch in UTC is put into wall-clock time; a time of day fires at the first minute that shows it, or at
//! the first that shows more where none does, and an expression of every hour at each minute that it matches. The clock
//! changes in these stretches (UTC):
//!
//! | zone | forward | back |
//! |---|---|---|
//! | Europe/Berlin | 2026-03-29 01:00 (2 to 3) | 2026-10-25 01:00 (3 to 2) |
//! | America/New_York | 2026-03-08 07:00 (2 to 3) | 2026-11-01 06:00 (2 to 1) |
//! | Australia/Lord_Howe | 2026-10-03 15:30 (2 to 2:30) | 2026-04-04 15:00 (2 to 1:30) |
//! | America/Santiago | 2026-09-06 04:00 (0 to 1) | 2026-04-05 03:00 (24 to 23) |
//! | Africa/Cairo | 2026-04-23 22:00 (0 to 1) | 2026-10-29 21:00 (24 to 23) |
//! | Pacific/Apia | 2011-12-30 10:00 (a whole day) | |

use jiff::Timestamp;
use loopfour_lang::trigger::Schedule;

use super::schedule;

#[track_caller]
fn instant(text: &str) -> i64 {
    let instant = text.replace('Z', ":00Z").parse::<Timestamp>();
    instant.unwrap_or_else(|error| panic!("{text}: {error}")).as_millisecond()
}

#[track_caller]
fn check(schedule: &Schedule, anchor: &str, after: &str, expected: &[&str]) {
    let found = schedule.next(instant(anchor), instant(after), expected.len());
    let text = |firing: i64| {
        let text = Timestamp::from_millisecond(firing).map(|firing| firing.to_string());
        text.unwrap_or_else(|error| panic!("{firing}: {error}")).replace(":00Z", "Z")
    };
    assert_eq!(found.into_iter().map(text).collect::<Vec<String>>(), expected, "{schedule:?} after {after}");
}

#[track_caller]
fn cron(zone: &str, expression: &str, after: &str, expected: &[&str]) {
    // The anchor is for intervals, so any will do.
    check(&schedule(&format!(r#""cron": "{expression}""#), zone), "2001-02-03T04:05Z", after, expected);
}

#[track_caller]
fn every(zone: &str, value: u32, unit: &str, anchor: &str, after: &str, expected: &[&str]) {
    let rhythm = format!(r#""interval": {{"value": {value}, "unit": "{unit}"}}"#);
    check(&schedule(&rhythm, zone), anchor, after, expected);
}

#[test]
#[rustfmt::skip]
fn a_skipped_time_of_day_fires_at_the_change_of_the_clock() {
    cron("Europe/Berlin", "0 2 * * *", "2026-03-27T12:00Z", &["2026-03-28T01:00Z", "2026-03-29T01:00Z", "2026-03-30T00:00Z"]);
    cron("Europe/Berlin", "30 2 * * *", "2026-03-27T12:00Z", &["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"]);
    cron("Europe/Berlin", "0 3 * * *", "2026-03-27T12:00Z", &["2026-03-28T02:00Z", "2026-03-29T01:00Z", "2026-03-30T01:00Z"]);
    cron("Europe/Berlin", "0,30 2,3 * * *", "2026-03-28T12:00Z", &["2026-03-29T01:00Z", "2026-03-29T01:30Z", "2026-03-30T00:00Z", "2026-03-30T00:30Z"]);
    cron("Europe/Berlin", "0 */2 * * *", "2026-03-28T22:30Z", &["2026-03-28T23:00Z", "2026-03-29T01:00Z", "2026-03-29T02:00Z", "2026-03-29T04:00Z"]);
    cron("America/New_York", "0 2 * * *", "2026-03-07T00:00Z", &["2026-03-07T07:00Z", "2026-03-08T07:00Z", "2026-03-09T06:00Z"]);
    cron("America/New_York", "30 2 * * *", "2026-03-07T12:00Z", &["2026-03-08T07:00Z", "2026-03-09T06:30Z", "2026-03-10T06:30Z"]);
    cron("Australia/Lord_Howe", "0 2 * * *", "2026-10-02T00:00Z", &["2026-10-02T15:30Z", "2026-10-03T15:30Z", "2026-10-04T15:00Z"]);
    cron("Australia/Lord_Howe", "15 2 * * *", "2026-10-03T00:00Z", &["2026-10-03T15:30Z", "2026-10-04T15:15Z", "2026-10-05T15:15Z"]);
    cron("America/Santiago", "0 0 * * *", "2026-09-04T12:00Z", &["2026-09-05T04:00Z", "2026-09-06T04:00Z", "2026-09-07T03:00Z"]);
    cron("America/Santiago", "0 0 6 9 *", "2026-01-01T00:00Z", &["2026-09-06T04:00Z", "2027-09-06T03:00Z"]);
    cron("Africa/Cairo", "0 0 * * *", "2026-04-22T12:00Z", &["2026-04-22T22:00Z", "2026-04-23T22:00Z", "2026-04-24T21:00Z"]);
    cron("Africa/Cairo", "0 0 * * 5", "2026-04-22T12:00Z", &["2026-04-23T22:00Z", "2026-04-30T21:00Z"]);
    cron("Pacific/Apia", "0 9 * * *", "2011-12-28T20:00Z", &["2011-12-29T19:00Z", "2011-12-30T10:00Z", "2011-12-30T19:00Z", "2011-12-31T19:00Z"]);
}

#[test]
#[rustfmt::skip]
fn a_time_of_day_that_comes_twice_fires_once() {
    cron("Europe/Berlin", "30 2 * * *", "2026-10-23T12:00Z", &["2026-10-24T00:30Z", "2026-10-25T00:30Z", "2026-10-26T01:30Z"]);
    cron("Europe/Berlin", "0,30 2 * * *", "2026-10-24T12:00Z", &["2026-10-25T00:00Z", "2026-10-25T00:30Z", "2026-10-26T01:00Z", "2026-10-26T01:30Z"]);
    cron("Europe/Berlin", "0 */2 * * *", "2026-10-24T21:30Z", &["2026-10-24T22:00Z", "2026-10-25T00:00Z", "2026-10-25T03:00Z", "2026-10-25T05:00Z"]);
    cron("America/New_York", "30 1 * * *", "2026-10-31T12:00Z", &["2026-11-01T05:30Z", "2026-11-02T06:30Z", "2026-11-03T06:30Z"]);
    cron("America/New_York", "*/15 1 * * *", "2026-11-01T05:20Z", &["2026-11-01T05:30Z", "2026-11-01T05:45Z", "2026-11-02T06:00Z", "2026-11-02T06:15Z"]);
    cron("Australia/Lord_Howe", "45 1 * * *", "2026-04-03T00:00Z", &["2026-04-03T14:45Z", "2026-04-04T14:45Z", "2026-04-05T15:15Z"]);
    cron("America/Santiago", "30 23 * * *", "2026-04-03T12:00Z", &["2026-04-04T02:30Z", "2026-04-05T02:30Z", "2026-04-06T03:30Z"]);
    cron("Africa/Cairo", "30 23 * * 4", "2026-10-28T12:00Z", &["2026-10-29T20:30Z", "2026-11-05T21:30Z"]);
}

#[test]
#[rustfmt::skip]
fn an_expression_of_every_hour_keeps_its_pace() {
    cron("Europe/Berlin", "*/30 * * * *", "2026-03-29T00:15Z", &["2026-03-29T00:30Z", "2026-03-29T01:00Z", "2026-03-29T01:30Z", "2026-03-29T02:00Z"]);
    cron("Europe/Berlin", "*/30 * * * *", "2026-10-24T23:45Z", &["2026-10-25T00:00Z", "2026-10-25T00:30Z", "2026-10-25T01:00Z", "2026-10-25T01:30Z", "2026-10-25T02:00Z", "2026-10-25T02:30Z"]);
    cron("Europe/Berlin", "15 * * * *", "2026-03-29T00:00Z", &["2026-03-29T00:15Z", "2026-03-29T01:15Z", "2026-03-29T02:15Z"]);
    cron("Europe/Berlin", "0 * * * *", "2026-10-24T23:30Z", &["2026-10-25T00:00Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z", "2026-10-25T03:00Z"]);
    cron("America/New_York", "0 * * * *", "2026-03-08T05:30Z", &["2026-03-08T06:00Z", "2026-03-08T07:00Z", "2026-03-08T08:00Z", "2026-03-08T09:00Z"]);
    cron("Australia/Lord_Howe", "*/30 * * * *", "2026-04-04T14:10Z", &["2026-04-04T14:30Z", "2026-04-04T15:00Z", "2026-04-04T15:30Z", "2026-04-04T16:00Z"]);
    cron("Australia/Lord_Howe", "*/30 * * * *", "2026-10-03T14:45Z", &["2026-10-03T15:00Z", "2026-10-03T15:30Z", "2026-10-03T16:00Z", "2026-10-03T16:30Z"]);
    cron("Australia/Lord_Howe", "0 * * * *", "2026-10-03T14:10Z", &["2026-10-03T14:30Z", "2026-10-03T16:00Z", "2026-10-03T17:00Z"]);
}

#[test]
#[rustfmt::skip]
fn the_calendar() {
    cron("America/New_York", "0 9 * * 1-5", "2026-03-06T13:00Z", &["2026-03-06T14:00Z", "2026-03-09T13:00Z", "2026-03-10T13:00Z"]);
    cron("America/New_York", "0 0 1 1 *", "2026-12-31T12:00Z", &["2027-01-01T05:00Z", "2028-01-01T05:00Z"]);
    cron("Asia/Kathmandu", "0 9 * * 7", "2026-01-01T00:00Z", &["2026-01-04T03:15Z", "2026-01-11T03:15Z"]);
    cron("UTC", "30 2 * * *", "2026-03-28T12:00Z", &["2026-03-29T02:30Z", "2026-03-30T02:30Z", "2026-03-31T02:30Z"]);
    cron("UTC", "0 0 29 2 *", "2026-01-01T00:00Z", &["2028-02-29T00:00Z", "2032-02-29T00:00Z"]);
    cron("Europe/Berlin", "0 12 29 2 *", "2097-01-01T00:00Z", &["2104-02-29T11:00Z"]);
    cron("UTC", "0 0 L * *", "2026-01-15T00:00Z", &["2026-01-31T00:00Z", "2026-02-28T00:00Z", "2026-03-31T00:00Z"]);
    cron("Europe/Berlin", "59 23 31 12 *", "2026-06-01T00:00Z", &["2026-12-31T22:59Z", "2027-12-31T22:59Z"]);
    cron("UTC", "0 12 13 * 5", "2026-02-01T00:00Z", &["2026-02-06T12:00Z", "2026-02-13T12:00Z", "2026-02-20T12:00Z", "2026-02-27T12:00Z", "2026-03-06T12:00Z"]);
    cron("UTC", "0 0 * * 0", "2026-01-01T00:00Z", &["2026-01-04T00:00Z", "2026-01-11T00:00Z"]);
}

#[test]
#[rustfmt::skip]
fn days_and_weeks_keep_the_time_of_day() {
    every("Europe/Berlin", 1, "days", "2026-03-27T01:30Z", "2026-03-27T01:30Z", &["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"]);
    every("Europe/Berlin", 1, "days", "2026-10-23T00:30Z", "2026-10-23T00:30Z", &["2026-10-24T00:30Z", "2026-10-25T00:30Z", "2026-10-26T01:30Z", "2026-10-27T01:30Z"]);
    every("Europe/Berlin", 1, "days", "2026-10-25T01:30Z", "2026-10-25T01:30Z", &["2026-10-26T01:30Z", "2026-10-27T01:30Z"]);
    every("America/New_York", 1, "weeks", "2026-02-20T14:00Z", "2026-03-01T00:00Z", &["2026-03-06T14:00Z", "2026-03-13T13:00Z", "2026-03-20T13:00Z"]);
    every("America/New_York", 2, "weeks", "2026-10-30T13:00Z", "2026-10-30T12:00Z", &["2026-11-13T14:00Z", "2026-11-27T14:00Z"]);
    every("Australia/Lord_Howe", 1, "days", "2026-10-02T15:40Z", "2026-10-02T20:00Z", &["2026-10-03T15:30Z", "2026-10-04T15:10Z"]);
    every("America/Santiago", 3, "days", "2026-09-03T04:00Z", "2026-09-03T04:00Z", &["2026-09-06T04:00Z", "2026-09-09T03:00Z"]);
    every("Pacific/Apia", 1, "days", "2011-12-28T19:00Z", "2011-12-28T19:00Z", &["2011-12-29T19:00Z", "2011-12-30T10:00Z", "2011-12-30T19:00Z"]);
    every("UTC", 30, "days", "2026-01-01T00:00Z", "2026-12-01T00:00Z", &["2026-12-27T00:00Z", "2027-01-26T00:00Z"]);
}

#[test]
fn minutes_and_hours_are_time_that_passes() {
    every(
        "Europe/Berlin",
        90,
        "minutes",
        "2026-03-28T23:30Z",
        "2026-03-28T23:30Z",
        &["2026-03-29T01:00Z", "2026-03-29T02:30Z"],
    );
    every(
        "Europe/Berlin",
        24,
        "hours",
        "2026-10-24T08:00Z",
        "2026-10-24T08:00Z",
        &["2026-10-25T08:00Z", "2026-10-26T08:00Z"],
    );
    every(
        "UTC",
        7,
        "hours",
        "2026-01-01T00:00Z",
        "2026-01-01T20:59Z",
        &["2026-01-01T21:00Z", "2026-01-02T04:00Z"],
    );
    every("UTC", 7, "hours", "2026-01-01T00:00Z", "2026-01-01T21:00Z", &["2026-01-02T04:00Z"]);
}

#[test]
fn an_interval_fires_first_one_interval_after_its_anchor() {
    every(
        "UTC",
        1,
        "hours",
        "2026-01-02T00:00Z",
        "2026-01-01T00:00Z",
        &["2026-01-02T01:00Z", "2026-01-02T02:00Z"],
    );
    every(
        "UTC",
        1,
        "days",
        "2026-01-02T00:00Z",
        "2026-01-01T00:00Z",
        &["2026-01-03T00:00Z", "2026-01-04T00:00Z"],
    );
    every("UTC", 1, "weeks", "2026-01-02T00:00Z", "2026-01-02T00:00Z", &["2026-01-09T00:00Z"]);
}

#[test]
fn milliseconds_count() {
    let daily = schedule(r#""cron": "30 9 * * *""#, "UTC");
    let half_past = instant("2026-01-01T09:30Z");
    assert_eq!(daily.next_after(0, half_past - 1), Some(half_past));
    assert_eq!(daily.next_after(0, half_past), Some(half_past + 86_400_000));
    assert_eq!(daily.next_after(0, half_past + 1), Some(half_past + 86_400_000));
    let every_minute = schedule(r#""interval": {"value": 1, "unit": "minutes"}"#, "UTC");
    assert_eq!(every_minute.next(17, 60_016, 3), [60_017, 120_017, 180_017]);
    let every_day = schedule(r#""interval": {"value": 1, "unit": "days"}"#, "Europe/Berlin");
    assert_eq!(every_day.next(17, 0, 2), [86_400_017, 172_800_017]);
}

#[test]
fn nothing_fires_before_1970() {
    for after in [-1, -2, -304_425_514_639_774, i64::MIN] {
        assert_eq!(schedule(r#""cron": "0 0 1 1 *""#, "UTC").next_after(0, after), Some(0), "{after}");
        let minutely = schedule(r#""interval": {"value": 1, "unit": "minutes"}"#, "UTC");
        assert_eq!(minutely.next_after(-120_000, after), Some(0), "{after}");
        assert_eq!(minutely.latest(-120_000, after, 59_999), Some(0), "{after}");
        assert_eq!(minutely.latest(-120_000, after, -1), None, "{after}");
    }
}

#[test]
fn the_latest_of_many_is_found_without_going_through_them() {
    let every_minute = schedule(r#""cron": "* * * * *""#, "Europe/Berlin");
    let (from, until) = (instant("1990-01-01T00:00Z"), instant("2190-01-01T00:00Z"));
    assert_eq!(every_minute.latest(0, from, until), Some(until));
    assert_eq!(every_minute.latest(0, from, until + 59_999), Some(until));
    assert_eq!(every_minute.latest(0, from, until - 1), Some(until - 60_000));
}

#[test]
fn zones_by_other_names() {
    let zone = |written: &str| schedule(r#""cron": "0 9 * * *""#, written);
    assert_eq!(zone("europe/berlin").timezone, "Europe/Berlin");
    assert_eq!(zone("utc").timezone, "UTC");
    let at = instant("2026-07-01T00:00Z");
    assert_eq!(zone("US/Eastern").next_after(0, at), zone("America/New_York").next_after(0, at));
}

#[test]
fn instants_that_no_timestamp_can_say_are_no_firings() {
    let rhythms = [
        r#""cron": "* * * * *""#,
        r#""cron": "0 9 * * *""#,
        r#""interval": {"value": 1, "unit": "hours"}"#,
        r#""interval": {"value": 52, "unit": "weeks"}"#,
    ];
    for rhythm in rhythms {
        let schedule = schedule(rhythm, "Europe/Berlin");
        assert_eq!(schedule.next_after(i64::MIN, i64::MAX), None, "{rhythm}");
        assert_eq!(schedule.next_after(i64::MAX, i64::MAX), None, "{rhythm}");
        assert!(schedule.next(i64::MAX, i64::MAX, 5).is_empty(), "{rhythm}");
    }
}
