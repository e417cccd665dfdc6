use loopfour_engine::Timestamp;
use loopfour_engine::ports::Clock;
use tokio::sync::watch;

/// A clock that stands still until it is moved. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock(watch::Sender<i64>);

impl ManualClock {
    /// A clock that shows `now`, milliseconds since 1970.
    pub fn at(now: i64) -> ManualClock {
        ManualClock(watch::Sender::new(now))
    }

    /// Moves it on, and wakes whoever waited for that.
    pub fn advance(&self, milliseconds: i64) {
        self.0.send_modify(|now| *now += milliseconds);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(*self.0.borrow())
    }

    async fn until(&self, at: Timestamp) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|now| *now >= at.0).await;
    }
}
