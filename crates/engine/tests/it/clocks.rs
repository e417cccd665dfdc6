//! How old a write of unknown outcome is, where our clock and the provider's differ, or one of them is set.

use loopfour_engine::{Finding, RunStatus, WaitReason};

use crate::life::{HOUR, Life, READ, WRITE, done_at, fails, of_steps};

const HOUR_OF_SECONDS: i64 = 3600;
const MARGIN: i64 = 20 * HOUR_OF_SECONDS;

/// The provider's clock, so many seconds ahead of ours.
fn theirs(life: &Life, ahead: i64) -> i64 {
    life.now / 1000 + ahead
}

/// A read that was answered by a provider's clock so far ahead, then a write that was lost.
fn lost_after_a_date(ahead: i64) -> Life {
    let mut life = Life::begin(&of_steps("", &format!("{READ},{WRITE}")));
    life.send();
    let date = theirs(&life, ahead);
    life.hear(done_at(date));
    life.meets(Finding::Unknown).wait();
    life
}

/// The write is answered with that it is still worked on, by a clock that shows this; then its time comes again.
fn in_use(life: &mut Life, date: i64) -> &mut Life {
    life.send();
    life.hear(fails(Finding::KeyInUse, true, None, Some(date))).wait()
}

#[test]
fn a_clock_that_is_days_off_asks_nobody() {
    for ahead in [-48, -24, -1, 0, 1, 19, 24, 24 * 365].map(|hours| hours * HOUR_OF_SECONDS) {
        // The first that is heard of the clock.
        let mut life = Life::begin(&of_steps("", WRITE));
        life.meets(Finding::Unknown).wait();
        for _ in 0..3 {
            let date = theirs(&life, ahead);
            in_use(&mut life, date);
        }
        life.succeeds().is(RunStatus::Completed);
        // It was heard of before.
        let mut life = lost_after_a_date(ahead);
        for _ in 0..3 {
            let date = theirs(&life, ahead);
            in_use(&mut life, date);
        }
        life.succeeds().is(RunStatus::Completed);
    }
}

#[test]
fn the_providers_clock_counts_where_ours_stands_still() {
    for ahead in [-24, 0, 24].map(|hours| hours * HOUR_OF_SECONDS) {
        let mut life = lost_after_a_date(ahead);
        let left = life.entries[4].at.0 / 1000 + ahead;
        in_use(&mut life, left + MARGIN - 1);
        life.send();
        life.hear(fails(Finding::KeyInUse, true, None, Some(left + MARGIN))).wait();
        assert_eq!(life.leave(), None, "{:?}", life.log());
        life.waits(WaitReason::OutcomeUnknown).rests();
        // Where the clock was first seen after the sending, it counts from there.
        let mut life = Life::begin(&of_steps("", WRITE));
        life.meets(Finding::Unknown).wait();
        let date = theirs(&life, ahead);
        in_use(&mut life, date);
        in_use(&mut life, date + MARGIN);
        assert_eq!(life.leave(), None);
        life.waits(WaitReason::OutcomeUnknown).rests();
    }
}

#[test]
fn our_clock_counts_where_the_providers_is_not_heard() {
    for ahead in [-24, 0, 24].map(|hours| hours * HOUR_OF_SECONDS) {
        let mut life = lost_after_a_date(ahead);
        life.pass(19 * HOUR);
        life.meets(Finding::Unreachable).waits(WaitReason::Retry);
        life.pass(HOUR).wait().waits(WaitReason::OutcomeUnknown).rests();
    }
}

#[test]
fn our_clock_set_back_hides_nothing() {
    let mut life = lost_after_a_date(0);
    let left = life.now / 1000;
    life.pass(-24 * HOUR);
    in_use(&mut life, left + MARGIN);
    assert_eq!(life.leave(), None);
    life.waits(WaitReason::OutcomeUnknown).rests();
}

#[test]
fn what_passed_before_a_write_left_does_not_count() {
    // The run waited for days between the answer that showed the clock and the write.
    let mut life = Life::begin(&of_steps("", &format!("{READ},{WRITE}")));
    life.send();
    life.preparer.ready = false;
    let date = theirs(&life, 0);
    life.hear(done_at(date)).waits(WaitReason::Connection);
    life.pass(48 * HOUR);
    life.preparer.ready = true;
    life.wait().meets(Finding::Unknown).wait();
    let date = theirs(&life, 0);
    in_use(&mut life, date);
    // Nor where the call itself waited and was never sent.
    life.succeeds().is(RunStatus::Completed);
    let mut life = lost_after_a_date(0);
    life.succeeds().is(RunStatus::Completed);
    let mut life = Life::begin(&of_steps("", &format!("{READ},{WRITE}")));
    life.send();
    let date = theirs(&life, 0);
    life.hear(done_at(date)).meets(Finding::Unauthorized).waits(WaitReason::Connection);
    life.pass(48 * HOUR).wait().meets(Finding::Unknown).wait();
    let date = theirs(&life, 0);
    in_use(&mut life, date);
    life.succeeds().is(RunStatus::Completed);
}

#[test]
fn the_last_error_is_kept_where_nobody_knows() {
    let mut life = Life::begin(&of_steps("", WRITE));
    life.meets(Finding::Unknown).wait().send();
    life.pass(21 * HOUR).restart().waits(WaitReason::OutcomeUnknown);
    let error = life.run.steps[0].error.clone().unwrap();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("Unknown", "scripted"));
    assert!(error.hint.starts_with("whether it is done is not known"), "{}", error.hint);
    // Queued again after a stop, it has no error of its own; nor where none was heard at all.
    let mut life = Life::begin(&of_steps("", WRITE));
    life.meets(Finding::Unknown).wait().send();
    life.restart().waits(WaitReason::Pace);
    assert_eq!(life.run.steps[0].error, None);
    life.pass(21 * HOUR);
    assert_eq!(life.leave(), None);
    assert_eq!(life.run.steps[0].error.as_ref().unwrap().code, "Unknown");
    let mut life = Life::begin(&of_steps("", WRITE));
    life.send();
    life.pass(21 * HOUR).restart().waits(WaitReason::OutcomeUnknown);
    assert_eq!(life.run.steps[0].error.as_ref().unwrap().code, "OUTCOME_UNKNOWN");
}
