//! What a schedule's firings come to, beyond the next one: the latest of many that were missed, and whether an edit
//! changed when it fires. Pure.

use loopfour_engine::Timestamp;
use loopfour_lang::trigger::{Rhythm, Schedule};

/// A minute: the shortest time between two firings.
const SHORTEST: i64 = 60_000;

/// The first firing after an instant; none of a schedule that is switched off.
pub(super) fn next(schedule: &Schedule, anchor: Timestamp, after: Timestamp) -> Option<Timestamp> {
    let next = schedule.enabled.then(|| schedule.next_after(anchor.0, after.0))?;
    next.map(Timestamp)
}

/// The last firing of those after one instant and up to another. Looks back from the end, so that a year of firings need
/// not be gone through.
pub(super) fn latest(
    schedule: &Schedule,
    anchor: Timestamp,
    after: Timestamp,
    until: Timestamp,
) -> Option<Timestamp> {
    let first_after = |from| next(schedule, anchor, from).filter(|at| *at <= until);
    let mut window = SHORTEST;
    loop {
        let from = after.max(Timestamp(until.0.saturating_sub(window)));
        if let Some(first) = first_after(from) {
            return std::iter::successors(Some(first), |at| first_after(*at)).last();
        }
        if from == after {
            return None;
        }
        window = window.saturating_mul(2);
    }
}

/// Whether both fire in the same rhythm: an interval is counted on from where it was.
pub(super) fn is_same(one: &Schedule, other: &Schedule) -> bool {
    match (&one.rhythm, &other.rhythm) {
        (Rhythm::Cron(one), Rhythm::Cron(other)) => one.expression() == other.expression(),
        (Rhythm::Interval(one), Rhythm::Interval(other)) => one == other,
        (Rhythm::Cron(_), Rhythm::Interval(_)) | (Rhythm::Interval(_), Rhythm::Cron(_)) => false,
    }
}
