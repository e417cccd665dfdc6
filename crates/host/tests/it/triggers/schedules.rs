//! Schedules fire when their time comes: each firing once, missed ones as they say, and never while they are off.

use loopfour_engine::RunStatus;
use loopfour_engine::cause::Cause;
use loopfour_engine::ports::{JournalError, StartError};
use loopfour_testkit::Answer;

use super::{HOUR, MINUTE, Outside, Refusal, SECOND, rest, workflow};
use crate::world::CUSTOMER;

/// Every five minutes.
const CRON: &str = r#"{"type":"schedule","cron":"*/5 * * * *"}"#;

/// The same with another member.
fn cron(more: &str) -> String {
    format!(r#"{{"type":"schedule","cron":"*/5 * * * *",{more}}}"#)
}

fn interval(minutes: u32, more: &str) -> String {
    format!(r#"{{"type":"schedule","interval":{{"value":{minutes},"unit":"minutes"}}{more}}}"#)
}

/// The firings of a schedule of five minutes at these multiples.
fn at(multiples: &[i64]) -> Vec<i64> {
    multiples.iter().map(|multiple| multiple * 5 * MINUTE).collect()
}

/// Moves the clock on by so many minutes, each by itself.
async fn minutes(outside: &Outside, minutes: u32) {
    for _ in 0..minutes {
        outside.advance(MINUTE).await;
    }
}

#[tokio::test]
async fn a_schedule_fires_when_its_time_comes() {
    let outside = Outside::new();
    let process = outside.started().await;
    outside.active(1, CRON);
    outside.active(2, &interval(5, ""));
    rest().await;
    assert_eq!(outside.caused(), []);
    outside.advance(5 * MINUTE - 1_001).await;
    assert_eq!(outside.firings(1), at(&[]));
    outside.advance(1).await;
    assert_eq!(outside.firings(1), at(&[1]));
    // It counts from the instant at which it was set up.
    assert_eq!(outside.firings(2), at(&[]));
    outside.advance(SECOND).await;
    assert_eq!(outside.firings(2), [5 * MINUTE + SECOND]);
    minutes(&outside, 10).await;
    assert_eq!(outside.firings(1), at(&[1, 2, 3]));
    assert_eq!(outside.firings(2), [5, 10, 15].map(|minute| minute * MINUTE + SECOND));
    let run = outside.first_run();
    let begun = outside.start_of(run);
    let input =
        format!(r#"{{"timestamp":"1970-01-01T00:05:00.000Z","runId":"{run}","scheduleName":"started"}}"#);
    assert_eq!((begun.version, begun.input, begun.connection, begun.queue), (1, input, None, None));
    assert_eq!(outside.run_status(run), RunStatus::Completed);
    process.stop().await;
    outside.advance(HOUR).await;
    assert_eq!(outside.firings(1), at(&[1, 2, 3]), "a stopped one starts nothing");
}

#[tokio::test]
async fn what_was_missed_while_the_server_was_down_runs_once_or_not_at_all() {
    for (missed, expected) in [
        (r#""missed":"once""#, at(&[1, 24, 25])),
        (r#""missed":"skip""#, at(&[1, 25])),
        (r#""timezone":"UTC""#, at(&[1, 24, 25])),
    ] {
        let outside = Outside::new();
        outside.active(1, &cron(missed));
        let process = outside.started().await;
        minutes(&outside, 5).await;
        process.stop().await;
        outside.advance(115 * MINUTE).await;
        let process = outside.started().await;
        assert_eq!(outside.firings(1), expected[..expected.len() - 1], "{missed}");
        // A second start finds nothing more.
        process.stop().await;
        let _process = outside.started().await;
        minutes(&outside, 5).await;
        assert_eq!(outside.firings(1), expected, "{missed}");
    }
}

#[tokio::test]
async fn the_end_of_a_long_time_is_found_at_once() {
    let outside = Outside::new();
    outside.active(1, r#"{"type":"schedule","cron":"* * * * *"}"#);
    outside.active(2, &interval(1, ""));
    outside.world.clock.advance(20 * 365 * 24 * HOUR);
    let begun = std::time::Instant::now();
    let _process = outside.started().await;
    let end = 20 * 365 * 24 * HOUR;
    assert_eq!((outside.firings(1), outside.firings(2)), (vec![end], vec![end + SECOND]));
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_was_missed_while_the_machine_slept_runs_once_or_not_at_all() {
    for (missed, expected) in [("once", at(&[1, 12])), ("skip", at(&[1]))] {
        let outside = Outside::new();
        outside.active(1, &cron(&format!(r#""missed":"{missed}""#)));
        let _process = outside.started().await;
        minutes(&outside, 5).await;
        outside.advance(56 * MINUTE).await;
        assert_eq!(outside.firings(1), expected, "{missed}");
        minutes(&outside, 4).await;
        assert_eq!(outside.firings(1).last(), Some(&(13 * 5 * MINUTE)), "{missed}: it goes on");
    }
    // A little late is not missed: the last one before it woke.
    for (late, fires) in [(60 * SECOND, true), (60 * SECOND + 1, false)] {
        let outside = Outside::new();
        outside.active(1, &cron(r#""missed":"skip""#));
        let _process = outside.started().await;
        outside.advance(5 * MINUTE - SECOND + late).await;
        assert_eq!(outside.firings(1).len(), usize::from(fires), "{late}");
    }
}

#[tokio::test]
async fn runs_that_overlap_run_wait_or_are_dropped() {
    for (overlap, firings, queue) in [
        (r#""overlap":"allow""#, at(&[1, 2, 3, 4]), None),
        (r#""timezone":"UTC""#, at(&[1, 2, 3, 4]), None),
        (r#""overlap":"skip""#, at(&[1, 4]), None),
        (r#""overlap":"queue""#, at(&[1, 2, 3, 4]), Some(("schedule".to_owned(), 1))),
    ] {
        let outside = Outside::new();
        outside.active(1, &cron(overlap));
        let _process = outside.started().await;
        outside.world.gate.hold_answers(true);
        minutes(&outside, 15).await;
        outside.world.gate.hold_answers(false);
        rest().await;
        minutes(&outside, 5).await;
        assert_eq!(outside.firings(1), firings, "{overlap}");
        let last = outside.journal().caused().pop().unwrap().2;
        assert_eq!(outside.start_of(last).queue, queue, "{overlap}");
        outside.world.until_all_ended(firings.len()).await;
    }
}

#[tokio::test]
async fn a_queue_of_the_workflows_own_counts_before_that_of_the_schedule() {
    let outside = Outside::new();
    let settings = r#""settings":{"concurrency":{"key":"all","limit":2}},"#;
    outside.active_with(1, &cron(r#""overlap":"queue""#), settings);
    let _process = outside.started().await;
    minutes(&outside, 5).await;
    let queue = outside.start_of(outside.first_run()).queue;
    assert_ne!(queue, Some(("schedule".to_owned(), 1)));
}

#[tokio::test]
async fn one_that_waits_for_a_person_is_under_way() {
    let outside = Outside::answering(&[Answer::Panic, CUSTOMER]);
    outside.active(1, &cron(r#""overlap":"skip""#));
    let _process = outside.started().await;
    minutes(&outside, 20).await;
    assert_eq!(outside.firings(1), at(&[1]));
}

#[tokio::test]
async fn a_schedule_that_is_off_never_fires() {
    let outside = Outside::new();
    outside.active(1, &cron(r#""enabled":false"#));
    outside.active(2, CRON);
    let process = outside.started().await;
    minutes(&outside, 5).await;
    outside.pause(2);
    minutes(&outside, 10).await;
    process.stop().await;
    outside.advance(HOUR).await;
    let _process = outside.started().await;
    minutes(&outside, 5).await;
    assert_eq!((outside.firings(1), outside.firings(2)), (vec![], at(&[1])));
    // Nothing of the time while it was paused is made up for.
    outside.journal().set_active(workflow(2), true, outside.now());
    rest().await;
    assert_eq!(outside.firings(2), at(&[1]));
    minutes(&outside, 5).await;
    assert_eq!(outside.firings(2), at(&[1, 17]));
}

#[tokio::test]
async fn an_interval_is_counted_anew_after_a_pause() {
    let outside = Outside::new();
    outside.active(1, &interval(10, ""));
    let _process = outside.started().await;
    minutes(&outside, 13).await;
    outside.pause(1);
    minutes(&outside, 2).await;
    outside.journal().set_active(workflow(1), true, outside.now());
    minutes(&outside, 10).await;
    assert_eq!(outside.firings(1), [10, 25].map(|minute| minute * MINUTE + SECOND));
}

#[tokio::test]
async fn a_firing_that_is_refused_for_now_is_not_lost() {
    let full = StartError::Journal(JournalError::Full("no room".to_owned()));
    let lost = StartError::Journal(JournalError::Storage("no answer".to_owned()));
    for refusal in [StartError::Busy, full, lost] {
        let outside = Outside::new();
        outside.active(1, &cron(r#""missed":"skip""#));
        outside.active(2, CRON);
        let process = outside.started().await;
        process.door.refuse(1, Some(Refusal::With(refusal)));
        outside.advance(5 * MINUTE - SECOND).await;
        for _ in 0..600 {
            outside.advance(SECOND).await;
        }
        assert!(process.door.tries(1) > 500, "it is tried again soon");
        assert_eq!((outside.firings(1), outside.firings(2)), (vec![], at(&[1, 2, 3])));
        process.door.refuse(1, None);
        outside.advance(SECOND).await;
        assert_eq!(outside.firings(1), at(&[1, 2, 3]));
    }
}

#[tokio::test]
async fn a_firing_that_cannot_be_started_is_given_up_in_the_end() {
    for refusal in
        [Refusal::Panic, Refusal::With(StartError::Journal(JournalError::Missing("the company".to_owned())))]
    {
        let outside = Outside::new();
        outside.active(1, r#"{"type":"schedule","interval":{"value":1,"unit":"weeks"}}"#);
        let process = outside.started().await;
        process.door.refuse(1, Some(refusal));
        let week = 7 * 24 * HOUR;
        outside.advance(week).await;
        for (tries, pause) in [5_000, 30_000, 120_000, 600_000, 3_600_000].into_iter().enumerate() {
            assert_eq!(process.door.tries(1), tries + 1);
            outside.advance(pause).await;
        }
        assert_eq!(process.door.tries(1), 6);
        process.door.refuse(1, None);
        outside.advance(HOUR).await;
        assert_eq!(outside.caused(), []);
        outside.advance(week).await;
        assert_eq!(outside.firings(1), [2 * week + SECOND], "the next one is another");
    }
}

#[tokio::test]
async fn what_a_schema_refuses_is_dropped() {
    let outside = Outside::new();
    outside.active_with(1, CRON, r#""inputSchema":{"type":"object","required":["email"]},"#);
    let process = outside.started().await;
    minutes(&outside, 15).await;
    assert_eq!((process.door.tries(1), outside.caused()), (0, vec![]));
}

#[tokio::test]
async fn many_schedules_fire_at_once() {
    let outside = Outside::new();
    for number in 0..3000 {
        outside.active(number, CRON);
    }
    let _process = outside.started().await;
    outside.advance(5 * MINUTE - SECOND).await;
    outside.world.until_all_ended(3000).await;
    let firing = Cause::Firing { at: loopfour_engine::Timestamp(5 * MINUTE) };
    assert!(outside.caused().iter().all(|(_, cause)| *cause == firing));
}
