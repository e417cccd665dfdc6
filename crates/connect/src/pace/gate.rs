//! One limit: how far apart calls go through it, by its figure and by what answers taught.

use std::time::Duration;

use tokio::time::Instant;

use super::Heard;

/// Part of a figure that is used, per mille: what is left is for calls that take longer to arrive than those after them.
const USED: u64 = 970;
/// A lesson is forgotten in so many steps …
const STEPS: u32 = 12;
/// … each of which takes so long at first, and twice as long with each lesson that follows soon, …
const FIRST_STEP: Duration = Duration::from_millis(100);
/// … up to this.
const LONGEST_STEP: Duration = Duration::from_secs(5);
/// So long after a lesson is forgotten another one still follows it soon.
const SOON: Duration = Duration::from_secs(3);
/// Traffic is measured over so long at least.
const SHORTEST_LOOK: Duration = Duration::from_millis(50);
/// The least part of its full rate to which a limit is slowed.
const LEAST_PART: u64 = 8;
/// Who goes later than was due, since the machine was busy or another limit came between, shifts those behind only by what
/// is more than this; so the rate is kept.
const LATE: Duration = Duration::from_millis(10);
const SECOND: Duration = Duration::from_secs(1);

/// A limit. Rates are calls in a thousand seconds.
#[derive(Debug)]
pub(super) struct Gate {
    /// The rate that is set.
    figure: Option<u64>,
    /// The full rate where none is set.
    usual: u64,
    /// Nobody goes through before.
    free: Option<Instant>,
    lesson: Option<Lesson>,
    traffic: Option<Traffic>,
}

/// A slower rate that an answer asked for.
#[derive(Clone, Copy, Debug)]
struct Lesson {
    since: Instant,
    /// The rate then.
    rate: u64,
    /// The rate that it comes back to.
    full: u64,
    /// How long each step back takes.
    step: Duration,
}

impl Lesson {
    fn forgotten(&self) -> Instant {
        self.since + self.step * STEPS
    }
}

/// How many calls went through, by the second.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    since: Instant,
    calls: u64,
    before: u64,
}

impl Traffic {
    /// The rate of late; of a second that is not over, as if it went on so.
    fn rate(&self, now: Instant) -> u64 {
        let length = now.duration_since(self.since).max(SHORTEST_LOOK).as_millis();
        let begun = u128::from(self.calls) * 1_000_000 / length;
        u64::try_from(begun).unwrap_or(u64::MAX).max(self.before * 1000)
    }
}

impl Gate {
    /// A limit of so many calls a second, or none until an answer asks for it.
    pub(super) fn new(figure: Option<u32>, usual: u32) -> Gate {
        let figure = figure.map(|figure| u64::from(figure) * USED);
        Gate { figure, usual: u64::from(usual) * USED, free: None, lesson: None, traffic: None }
    }

    /// From when on somebody may go through; none: always.
    pub(super) fn free(&self) -> Option<Instant> {
        self.free
    }

    /// Lets one through who came `since`.
    pub(super) fn take(&mut self, since: Instant, now: Instant) {
        if let Some(rate) = self.rate(now) {
            let due = self.free.map_or(since, |free| free.max(since));
            let slot = now.checked_sub(LATE).map_or(due, |earliest| due.max(earliest));
            self.free = Some(slot + interval(rate));
        }
        let mut traffic = self.traffic_at(now);
        traffic.calls += 1;
        self.traffic = Some(traffic);
    }

    /// Slows down, once for all calls that left before the last time, and stops for as long as is asked.
    pub(super) fn slow_down(&mut self, heard: Heard) {
        let Heard { sent, now, retry_after } = heard;
        let lesson = self.lesson_at(now);
        if lesson.is_none_or(|lesson| sent > lesson.since) {
            let traffic = self.traffic_at(now);
            let whole = traffic.calls.max(traffic.before) * 1000;
            let full = lesson.map(|lesson| lesson.full).or(self.figure).unwrap_or(self.usual).max(whole);
            let rate = self.rate(now).unwrap_or_else(|| traffic.rate(now).min(full));
            // Against a figure one alone may be chance, and costs little; those that follow soon show that it is too high.
            let (rate, step) = match self.lesson.filter(|last| now < last.forgotten() + SOON) {
                _ if self.figure.is_none() => (rate / 2, LONGEST_STEP),
                Some(last) => (rate / 2, (last.step * 2).min(LONGEST_STEP)),
                None => (rate * 3 / 4, FIRST_STEP),
            };
            self.lesson = Some(Lesson { since: now, rate: rate.max(full / LEAST_PART), full, step });
            self.stop_until(now + interval(rate.max(full / LEAST_PART)));
        }
        if let Some(pause) = retry_after {
            self.stop_until(now + pause);
        }
    }

    /// Whether forgetting it changes nothing.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let waits = self.free.is_some_and(|free| free > now);
        !waits && self.lesson_at(now).is_none() && self.traffic_at(now).calls == 0
    }

    fn stop_until(&mut self, at: Instant) {
        self.free = self.free.max(Some(at));
    }

    fn rate(&self, now: Instant) -> Option<u64> {
        let learned = self.lesson_at(now).map(|lesson| {
            let steps = now.duration_since(lesson.since).as_nanos() / lesson.step.as_nanos();
            let steps = u64::try_from(steps).unwrap_or(u64::MAX).min(u64::from(STEPS));
            lesson.rate + (lesson.full - lesson.rate) * steps / u64::from(STEPS)
        });
        [learned, self.figure].into_iter().flatten().min()
    }

    fn lesson_at(&self, now: Instant) -> Option<Lesson> {
        self.lesson.filter(|lesson| now < lesson.forgotten())
    }

    fn traffic_at(&self, now: Instant) -> Traffic {
        let fresh = Traffic { since: now, calls: 0, before: 0 };
        let Some(traffic) = self.traffic else { return fresh };
        match now.duration_since(traffic.since) {
            past if past < SECOND => traffic,
            past if past < 2 * SECOND => {
                Traffic { since: traffic.since + SECOND, calls: 0, before: traffic.calls }
            }
            _ => fresh,
        }
    }
}

/// The time between two calls at that rate.
fn interval(rate: u64) -> Duration {
    Duration::from_nanos(1_000_000_000_000 / rate.max(1))
}
