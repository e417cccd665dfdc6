//! From wall-clock times of a time zone to instants, where clocks are put forward and back.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// The instant of a wall-clock time: of two the first; for a time that is skipped the instant at which the clock is put
/// forward. `None` where a timestamp cannot say it.
pub(super) fn instant(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            // Read with the later offset, a skipped time lies before the change.
            let earlier = after.to_timestamp(local).ok()?;
            zone.following(earlier).find(|change| change.offset() == after).map(|change| change.timestamp())
        }
    }
}
