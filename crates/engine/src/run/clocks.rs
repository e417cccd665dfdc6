//! How long ago a sending left, by two clocks that may differ by days: ours, and the provider's as its answers show it
//! (`Date`). Each is only ever compared with itself.

use crate::time::Timestamp;

/// What a provider's clock showed, and ours when we read it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProviderClock {
    pub(super) shows: Timestamp,
    at: Timestamp,
}

impl ProviderClock {
    /// An answer of this `Date`, Unix seconds, was recorded then.
    pub(super) fn new(date: i64, at: Timestamp) -> ProviderClock {
        ProviderClock { shows: Timestamp(date.saturating_mul(1000)), at }
    }

    /// What it shows, or showed, when ours shows this.
    fn when(self, ours: Timestamp) -> Timestamp {
        Timestamp(self.shows.0.saturating_add(ours.0.saturating_sub(self.at.0)))
    }
}

/// When something left, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// By ours.
    pub(super) at: Timestamp,
    /// By the provider's, where one was read.
    theirs: Option<Timestamp>,
}

impl Left {
    /// It leaves now; a provider's clock does not go back, even if ours does.
    pub(super) fn new(at: Timestamp, clock: Option<ProviderClock>) -> Left {
        Left { at, theirs: clock.map(|clock| clock.when(at).max(clock.shows)) }
    }

    /// A later answer shows the provider's clock: it left no later than that.
    pub(super) fn saw(&mut self, clock: ProviderClock) {
        let theirs = self.theirs.unwrap_or_else(|| clock.when(self.at));
        self.theirs = Some(theirs.min(clock.shows));
    }

    /// How long ago that is by the clock that says longer, milliseconds.
    pub(super) fn age(self, now: Timestamp, clock: Option<ProviderClock>) -> i64 {
        let ours = now.0.saturating_sub(self.at.0);
        let theirs = self.theirs.zip(clock).map(|(left, clock)| clock.shows.0.saturating_sub(left.0));
        theirs.map_or(ours, |theirs| theirs.max(ours))
    }
}
