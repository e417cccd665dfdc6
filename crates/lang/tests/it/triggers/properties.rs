//! What holds for every schedule that the checker accepts.

use loopfour_lang::trigger::{Schedule, Trigger};
use loopfour_lang::{Catalog, Options, check};
use proptest::prelude::*;

const ZONES: [&str; 10] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "Pacific/Apia",
    "Asia/Kathmandu",
];

/// The schedule, where the checker accepts it.
fn accepted(rhythm: &str, zone: &str) -> Option<Schedule> {
    let text = format!(
        r#"{{"name": "w", "trigger": {{"type": "schedule", {rhythm}, "timezone": "{zone}"}}, "steps": [
        {{"id": "a", "action": "stripe.createCustomer"}}]}}"#
    );
    match check(&text, Options { catalog: Catalog::builtin(), environment: &[] }).workflow?.trigger {
        Trigger::Schedule(schedule) => Some(schedule),
        other => panic!("{other:?}"),
    }
}

/// From 1970 to 2200, in milliseconds.
fn instants() -> impl Strategy<Value = i64> {
    // Near a change of clocks as often as anywhere.
    let changes =
        [1_774_746_000_000_i64, 1_792_890_000_000, 1_772_953_200_000, 1_791_041_400_000, 1_325_239_200_000];
    prop_oneof![
        0..7_258_118_400_000_i64,
        (prop::sample::select(changes.to_vec()), -90_000_000..90_000_000_i64).prop_map(|(at, by)| at + by),
    ]
}

/// Any number, and every other one an instant of the years −9999 to 9999.
fn any_instant() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), -377_705_000_000_000..253_402_000_000_000_i64]
}

fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => (low..=high).prop_map(|at| at.to_string()),
        1 => (1..=high).prop_map(|step| format!("*/{step}")),
        1 => (low..=high, low..=high).prop_map(|(one, other)| format!("{}-{}", one.min(other), one.max(other))),
        1 => (low..=high, low..=high).prop_map(|(one, other)| format!("{one},{other}")),
    ]
}

fn days() -> impl Strategy<Value = String> {
    prop_oneof![4 => field(1, 31), 1 => prop::sample::select(vec!["L", "LW", "15W", "31W", "?"]).prop_map(str::to_owned)]
}

fn weekdays() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => field(0, 7),
        1 => prop::sample::select(vec!["MON-FRI", "5L", "1#5", "sun", "+1", "?"]).prop_map(str::to_owned)
    ]
}

fn crons() -> impl Strategy<Value = String> {
    (field(0, 59), field(0, 23), days(), field(1, 12), weekdays()).prop_map(
        |(minute, hour, day, month, weekday)| format!(r#""cron": "{minute} {hour} {day} {month} {weekday}""#),
    )
}

fn intervals() -> impl Strategy<Value = String> {
    let units =
        prop::sample::select(vec![("minutes", 527_040), ("hours", 8784), ("days", 366), ("weeks", 52)]);
    units.prop_flat_map(|(unit, most)| {
        (1..=most).prop_map(move |value| format!(r#""interval": {{"value": {value}, "unit": "{unit}"}}"#))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn firings_come_after_and_in_order(
        rhythm in prop_oneof![2 => crons(), 1 => intervals()],
        zone in prop::sample::select(ZONES.to_vec()),
        anchor in instants(),
        after in instants(),
        between in any::<prop::sample::Index>(),
    ) {
        let Some(schedule) = accepted(&rhythm, zone) else { return Ok(()) };
        let list = schedule.next(anchor, after, 6);
        prop_assert_eq!(list.len(), 6);
        prop_assert!(list[0] > after);
        prop_assert!(list.is_sorted_by(|one, next| one < next), "{:?}", list);
        for (index, firing) in list.iter().enumerate().skip(1) {
            prop_assert_eq!(schedule.next_after(anchor, list[index - 1]), Some(*firing));
            prop_assert_eq!(schedule.next_after(anchor, firing - 1), Some(*firing));
        }
        // Asked at any instant between two firings, it is the second.
        let within = list[0] - 1 - i64::try_from(between.index(usize::try_from(list[0] - after).unwrap())).unwrap();
        prop_assert_eq!(schedule.next_after(anchor, within), Some(list[0]));
    }

    #[test]
    fn the_latest_is_the_last_of_the_list(
        rhythm in prop_oneof![2 => crons(), 1 => intervals()],
        zone in prop::sample::select(ZONES.to_vec()),
        anchor in instants(),
        after in instants(),
        count in 1..40_usize,
        late in 0..5_000_i64,
    ) {
        let Some(schedule) = accepted(&rhythm, zone) else { return Ok(()) };
        let list = schedule.next(anchor, after, count);
        let until = list[count - 1] + late;
        prop_assert_eq!(schedule.latest(anchor, after, until), Some(list[count - 1]));
        prop_assert_eq!(schedule.latest(anchor, after, list[0] - 1), None);
        prop_assert_eq!(schedule.latest(anchor, after, after), None);
    }

    #[test]
    fn nothing_panics_on_any_instant(
        rhythm in prop_oneof![crons(), intervals(), "[ -~]{0,24}".prop_map(|text| format!(r#""cron": {text:?}"#))],
        zone in prop::sample::select(ZONES.to_vec()),
        anchor in any_instant(),
        after in any_instant(),
    ) {
        let Some(schedule) = accepted(&rhythm, zone) else { return Ok(()) };
        for (anchor, after) in [(anchor, after), (0, after), (anchor, 0), (after, after)] {
            prop_assert!(schedule.next_after(anchor, after).is_none_or(|firing| firing > after));
            prop_assert!(schedule.latest(anchor, after, anchor).is_none_or(|firing| firing > after && firing <= anchor));
        }
    }
}
