//! Editing a schedule neither loses a firing nor doubles one.

use super::{HOUR, MINUTE, Outside, Refusal, SECOND, rest, workflow};
use loopfour_engine::ports::StartError;

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
    let outside = Outside::new();
    outside.active(1, &cron("*/10 * * * *"));
    let _process = outside.started().await;
    // Paused in the very moment: the clock has moved, and nobody looked yet.
    outside.world.clock.advance(10 * MINUTE - SECOND);
    outside.pause(1);
    rest().await;
    outside.advance(HOUR).await;
    assert_eq!(fired(&outside), []);
}
