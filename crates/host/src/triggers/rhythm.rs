//! What a schedule says to the host: its next firing, the latest of many that were missed, and whether an edit changed
//! when it fires. Pure.

use loopfour_engine::Timestamp;
use loopfour_lang::trigger::{Rhythm, Schedule};

/// The first firing after an instant; none of a schedule that is switched off.
pub(super) fn next(schedule: &Schedule, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
    let next = schedule.enabled.then(|| schedule.next_after(anchor.0, after.0))?;
    next.map(Timestamp)
}

/// The last firing of those after one instant and up to another; none of a schedule that is switched off.
pub(super) fn latest(
    schedule: &Schedule,
    anchor: Timestamp,
    after: Timestamp,
    until: Timestamp,
) -> Option<Timestamp> {
    let latest = schedule.enabled.then(|| schedule.latest(anchor.0, after.0, until.0))?;
    latest.map(Timestamp)
}

/// Whether both fire in the same rhythm: an interval is counted on from where it was.
pub(super) fn is_same(one: &Schedule, other: &Schedule) -> bool {
    match (&one.rhythm, &other.rhythm) {
        (Rhythm::Cron(one), Rhythm::Cron(other)) => one.expression() == other.expression(),
        (Rhythm::Interval(one), Rhythm::Interval(other)) => one == other,
        (Rhythm::Cron(_), Rhythm::Interval(_)) | (Rhythm::Interval(_), Rhythm::Cron(_)) => false,
    }
}
