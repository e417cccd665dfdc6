//! Editing a schedule neither loses a firing nor doubles one.

use loopfour_engine::ports::StartError;
use proptest::prelude::*;

use super::{HOUR, MINUTE, Outside, Refusal, SECOND, rest, workflow};

fn cron(expression: &str) -> String {
    format!(r#"{{"type":"schedule","cron":"{expression}"}}"#)
}

fn interval(minutes: u32) -> String {
    format!(r#"{{"type":"schedule","interval":{{"value":{minutes},"unit":"minutes"}}}}"#)
}

async fn minutes(outside: &Outside, minutes: u32) {
    for _ in 0..minutes {
        outside.advance(MINUTE).await;
    }
}

/// The firings, in minutes since 1970, and the versions that ran.
fn fired(outside: &Outside) -> Vec<(i64, u32)> {
    let firings = outside.firings(1).into_iter();
    let versions = outside.journal().caused().into_iter().map(|(_, _, run)| outside.start_of(run).version);
    firings.map(|at| at / MINUTE).zip(versions).collect()
}

/// A schedule that is edited after so many minutes, and what fires within the half hour.
#[track_caller]
fn check(
    before: String,
    after: i64,
    then: String,
    expected: &'static [(i64, u32)],
) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let outside = Outside::new();
        outside.active(1, &before);
        let _process = outside.started().await;
        for minute in 1..=30 {
            outside.advance(MINUTE).await;
            if minute == after {
                outside.edit(1, &then);
                rest().await;
            }
        }
        assert_eq!(fired(&outside), expected, "{place}");
    }
}

#[tokio::test]
async fn an_edited_schedule_fires_as_it_was_until_then_and_as_it_is_from_then_on() {
    let steps = r#"{"type":"schedule","cron":"*/10 * * * *","timezone":"UTC"}"#.to_owned();
    check(cron("*/10 * * * *"), 15, steps, &[(10, 1), (20, 2), (30, 2)]).await;
    check(cron("*/10 * * * *"), 15, cron("*/4 * * * *"), &[(10, 1), (16, 2), (20, 2), (24, 2), (28, 2)])
        .await;
    check(cron("*/10 * * * *"), 15, interval(10), &[(10, 1), (25, 2)]).await;
    check(interval(10), 15, cron("*/10 * * * *"), &[(10, 1), (20, 2), (30, 2)]).await;
    check(interval(10), 15, interval(7), &[(10, 1), (22, 2), (29, 2)]).await;
    // The same interval goes on counting from where it did.
    check(interval(10), 15, interval(10), &[(10, 1), (20, 2), (30, 2)]).await;
    check(interval(10), 15, r#"{"type":"api"}"#.to_owned(), &[(10, 1)]).await;
    check(r#"{"type":"api"}"#.to_owned(), 15, interval(10), &[(25, 2)]).await;
    let off = r#"{"type":"schedule","cron":"*/10 * * * *","enabled":false}"#.to_owned();
    check(cron("*/10 * * * *"), 15, off.clone(), &[(10, 1)]).await;
    check(off, 15, cron("*/10 * * * *"), &[(20, 2), (30, 2)]).await;
}

#[tokio::test]
async fn what_an_edited_schedule_owes_is_not_lost() {
    let outside = Outside::new();
    outside.active(1, &cron("*/10 * * * *"));
    let process = outside.started().await;
    process.door.refuse(1, Some(Refusal::With(StartError::Busy)));
    minutes(&outside, 12).await;
    // Two edits in a row, while the first version's firing waits, and one of the second version's comes.
    outside.edit(1, &cron("*/3 * * * *"));
    minutes(&outside, 4).await;
    outside.edit(1, &cron("*/7 * * * *"));
    minutes(&outside, 6).await;
    assert_eq!(fired(&outside), []);
    process.door.refuse(1, None);
    outside.advance(SECOND).await;
    assert_eq!(fired(&outside), [(10, 1), (15, 2), (21, 3)]);
    minutes(&outside, 7).await;
    assert_eq!(fired(&outside)[3..], [(28, 3)]);
}

#[tokio::test]
async fn two_edits_while_nobody_looks_are_both_heard() {
    let outside = Outside::new();
    outside.active(1, &cron("*/10 * * * *"));
    let process = outside.started().await;
    minutes(&outside, 12).await;
    process.stop().await;
    outside.edit(1, &interval(5));
    outside.advance(7 * MINUTE).await;
    outside.edit(1, &interval(5));
    outside.advance(2 * MINUTE).await;
    // The second version's was missed at 17; the third goes on in its rhythm.
    let _process = outside.started().await;
    assert_eq!(fired(&outside), [(10, 1), (17, 2)]);
    minutes(&outside, 6).await;
    assert_eq!(fired(&outside)[2..], [(22, 3), (27, 3)]);
}

#[tokio::test]
async fn an_edit_at_the_very_instant_of_a_firing_neither_loses_nor_doubles_it() {
    let outside = Outside::new();
    outside.active(1, &cron("*/10 * * * *"));
    let process = outside.started().await;
    // It fires, and before anybody saw that, it is edited, as of that instant.
    outside.world.clock.advance(10 * MINUTE - SECOND);
    outside.edit(1, &cron("*/5 * * * *"));
    rest().await;
    assert_eq!(fired(&outside), [(10, 1)]);
    minutes(&outside, 5).await;
    assert_eq!(fired(&outside), [(10, 1), (15, 2)]);
    process.stop().await;
    // The other way round: it fired, and the edit is dated back by a moment.
    let _process = outside.started().await;
    minutes(&outside, 5).await;
    assert_eq!(fired(&outside).last(), Some(&(20, 2)));
    let dated_back = loopfour_engine::Timestamp(outside.now().0 - 5);
    let source = super::with_trigger(&cron("*/4 * * * *"), "");
    outside.journal().edit(super::COMPANY, workflow(1), &source, dated_back);
    rest().await;
    minutes(&outside, 4).await;
    assert_eq!(fired(&outside)[2..], [(20, 2), (24, 3)]);
}

#[tokio::test]
async fn who_pauses_a_schedule_hears_no_more_of_it() {
    // In the very moment of a firing: nobody looked yet, or somebody is about to start it.
    let mut started = 0;
    for moments in 0..10 {
        let outside = Outside::new();
        outside.journal().acknowledge_late();
        outside.active(1, r#"{"type":"schedule","cron":"*/10 * * * *","overlap":"skip"}"#);
        let process = outside.started().await;
        outside.world.clock.advance(10 * MINUTE - SECOND);
        for _ in 0..moments {
            tokio::task::yield_now().await;
        }
        outside.pause(1);
        let tries = process.door.tries(1);
        rest().await;
        outside.advance(HOUR).await;
        assert_eq!(process.door.tries(1), tries, "paused after {moments} moments");
        started += tries;
    }
    assert!((1..10).contains(&started), "{started} of 10 were started before the pause");
}

/// What happens to a schedule.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many minutes pass, one by one.
    Minutes(u8),
    /// It is edited to one of [`RHYTHMS`].
    Edit(usize),
    /// It is paused, or goes on.
    Switch,
    /// There is no room for runs, or there is again.
    Crowd,
    /// The process ends, and there is another one.
    Restart,
}

const RHYTHMS: [&str; 5] = [
    r#"{"type":"schedule","cron":"*/5 * * * *"}"#,
    r#"{"type":"schedule","cron":"3-59/7 * * * *"}"#,
    r#"{"type":"schedule","interval":{"value":4,"unit":"minutes"}}"#,
    r#"{"type":"schedule","interval":{"value":4,"unit":"minutes"},"missed":"skip"}"#,
    r#"{"type":"schedule","cron":"*/5 * * * *","enabled":false}"#,
];

/// The same, kept without any store: minute by minute, what each version owes.
struct Model {
    rhythm: usize,
    version: u32,
    anchor: i64,
    is_active: bool,
    is_crowded: bool,
    owed: Vec<(i64, u32, usize)>,
    fired: Vec<(i64, u32)>,
}

impl Model {
    /// A minute of the clock: its whole minute, and a second later the minute of the interval.
    fn minute(&mut self, minute: i64) {
        let fires = match self.rhythm {
            0 => minute % 5 == 0,
            1 => minute % 60 >= 3 && (minute % 60 - 3) % 7 == 0,
            2 | 3 => (minute - self.anchor) % 4 == 0,
            _ => false,
        };
        if self.is_active && fires {
            self.owed.push((minute, self.version, self.rhythm));
        }
        self.fire();
    }

    fn fire(&mut self) {
        if !self.is_crowded {
            self.fired.extend(self.owed.drain(..).map(|(minute, version, _)| (minute, version)));
        }
    }

    fn step(&mut self, step: Step, minute: i64) {
        match step {
            Step::Minutes(_) => {}
            Step::Edit(rhythm) => {
                let same = rhythm == self.rhythm
                    || [self.rhythm, rhythm].iter().all(|one| [2, 3].contains(one))
                    || [self.rhythm, rhythm].iter().all(|one| [0, 4].contains(one));
                self.anchor = if same && self.is_active { self.anchor } else { minute };
                (self.rhythm, self.version) = (rhythm, self.version + 1);
            }
            Step::Switch => {
                self.is_active = !self.is_active;
                self.anchor = minute;
                self.owed.clear();
            }
            Step::Crowd => {
                self.is_crowded = !self.is_crowded;
                self.fire();
            }
            Step::Restart => {
                // Of each version the last one, if it wants that.
                let owed = std::mem::take(&mut self.owed);
                let last = |(_, version, _): &(i64, u32, usize)| {
                    owed.iter().rfind(|(_, of, _)| of == version).map(|(minute, _, _)| *minute)
                };
                let kept = owed.iter().filter(|one| one.2 != 3 && last(one) == Some(one.0));
                self.owed = kept.copied().collect();
            }
        }
    }
}

/// Goes through the steps, and compares what fired.
async fn follow(steps: &[Step]) {
    let outside = Outside::new();
    outside.active(1, RHYTHMS[0]);
    let mut process = outside.started().await;
    let mut model = Model {
        rhythm: 0,
        version: 1,
        anchor: 0,
        is_active: true,
        is_crowded: false,
        owed: Vec::new(),
        fired: Vec::new(),
    };
    let mut minute = 0;
    for step in steps.iter().chain([&Step::Minutes(1)]) {
        model.step(*step, minute);
        match *step {
            Step::Minutes(minutes) => {
                for _ in 0..minutes {
                    minute += 1;
                    outside.advance(MINUTE).await;
                    model.minute(minute);
                }
            }
            Step::Edit(rhythm) => outside.edit(1, RHYTHMS[rhythm]),
            Step::Switch => outside.journal().set_active(workflow(1), model.is_active, outside.now()),
            Step::Crowd => {}
            Step::Restart => {
                process.stop().await;
                process = outside.process();
            }
        }
        process.door.refuse(1, model.is_crowded.then_some(Refusal::With(StartError::Busy)));
        if matches!(step, Step::Restart) {
            process.host.recover().await.unwrap().await;
            process.triggers.start();
        }
        rest().await;
        if matches!(step, Step::Crowd) {
            // What had to wait is tried again after a second.
            outside.advance(SECOND).await;
        }
    }
    assert_eq!(fired(&outside), model.fired, "{steps:?}");
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u8..20).prop_map(Step::Minutes),
        3 => (0..RHYTHMS.len()).prop_map(Step::Edit),
        1 => Just(Step::Switch),
        2 => Just(Step::Crowd),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn no_firing_is_lost_or_doubled(steps in prop::collection::vec(step(), 0..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime can be made");
        runtime.block_on(follow(&steps));
    }
}
