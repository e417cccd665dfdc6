//! Faults at random: each call meets one with the probability asked for, and takes a while.
//! The same seed gives the same faults in the same order; which call meets which is a matter of when it comes.
//! What a fault does is said in `faults`; one that was asked for there goes first.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::faults::{Fault, Kind, LONGEST};

/// Why Stripe refuses a call as one too many, where it says so.
const REASONS: [&str; 4] = ["global-rate", "endpoint-rate", "global-concurrency", "resource-specific"];

/// A storm as it is asked for; the default is calm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Storm {
    pub(crate) seed: u64,
    /// Which calls it is for; all of them where none is named.
    pub(crate) methods: Vec<String>,
    /// How long each of them takes, in milliseconds: a random part of it before the write, the rest after.
    pub(crate) delay: u32,
    /// How long a fault of the kinds `delay` and `delay_after_write` lasts at most, in milliseconds.
    pub(crate) milliseconds: u32,
    /// How many of a thousand calls meet a fault, by its kind.
    pub(crate) rates: BTreeMap<Kind, u32>,
}

impl Storm {
    fn check(&self) -> Result<(), String> {
        if self.rates.values().map(|rate| u64::from(*rate)).sum::<u64>() > 1000 {
            return Err("`rates` are of a thousand calls; together they are more".to_owned());
        }
        if self.delay > LONGEST || self.milliseconds > LONGEST {
            return Err(format!("`delay` and `milliseconds` are at most {LONGEST}"));
        }
        let delays = [Kind::Delay, Kind::DelayAfterWrite].iter().any(|kind| self.rates.contains_key(kind));
        if delays && self.milliseconds == 0 {
            return Err("delays need `milliseconds`, how long one lasts at most".to_owned());
        }
        Ok(())
    }
}

/// What a call meets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Met {
    pub(crate) fault: Option<Fault>,
    /// How long it takes before anything is written.
    pub(crate) before: Duration,
    /// How long it takes after everything is written.
    pub(crate) after: Duration,
}

/// The storm that goes on, and what calls have met of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Weather {
    storm: Storm,
    /// How many calls it has seen.
    calls: u64,
    /// How many faults they met, by kind.
    met: BTreeMap<Kind, u64>,
}

impl Weather {
    /// Puts a storm in the place of the one before; `Err` says what is wrong with it.
    pub(crate) fn set(&mut self, storm: Storm) -> Result<(), String> {
        storm.check()?;
        *self = Weather { storm, ..Weather::default() };
        Ok(())
    }

    /// What the next call meets.
    pub(crate) fn meet(&mut self, method: &str) -> Met {
        let methods = &self.storm.methods;
        let is_for = methods.is_empty() || methods.iter().any(|wanted| wanted.eq_ignore_ascii_case(method));
        if self.storm == Storm::default() || !is_for {
            return Met::default();
        }
        self.calls += 1;
        let mut dice = Dice(self.storm.seed.wrapping_add(self.calls << 20));
        let before = dice.up_to(self.storm.delay);
        let fault = self.fault(&mut dice);
        if let Some(fault) = &fault {
            *self.met.entry(fault.kind).or_default() += 1;
        }
        let milliseconds = |length: u32| Duration::from_millis(length.into());
        Met { fault, before: milliseconds(before), after: milliseconds(self.storm.delay - before) }
    }

    fn fault(&self, dice: &mut Dice) -> Option<Fault> {
        let mut left = dice.up_to(999);
        let kind = self.storm.rates.iter().find_map(|(kind, rate)| match left.checked_sub(*rate) {
            Some(rest) => {
                left = rest;
                None
            }
            None => Some(*kind),
        })?;
        Some(Fault {
            retry_after: (dice.up_to(3) == 0).then_some(1),
            reason: dice.one_of(&REASONS).map(str::to_owned),
            should_retry: dice.one_of(&[true, false]),
            milliseconds: Some(dice.up_to(self.storm.milliseconds.saturating_sub(1)) + 1),
            ..Fault::of(kind)
        })
    }
}

/// Numbers that look random and follow from the first one (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `most`.
    fn up_to(&mut self, most: u32) -> u32 {
        u32::try_from(self.next() % (u64::from(most) + 1)).unwrap_or(most)
    }

    /// One of these, or none, all with the same chance.
    fn one_of<T: Copy>(&mut self, values: &[T]) -> Option<T> {
        let at = usize::try_from(self.next()).unwrap_or_default() % (values.len() + 1);
        values.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(storm: &Storm, calls: usize) -> Vec<Option<Fault>> {
        let mut weather = Weather::default();
        weather.set(storm.clone()).expect("the storm is as it should be");
        (0..calls).map(|_| weather.meet("POST").fault).collect()
    }

    #[test]
    fn a_seed_gives_the_same_faults_about_as_often_as_asked() {
        let rates = BTreeMap::from([(Kind::CutAfterWrite, 100), (Kind::RateLimit, 300)]);
        let storm = Storm { seed: 7, rates, ..Storm::default() };
        let met = faults(&storm, 10_000);
        assert_eq!(met, faults(&storm, 10_000));
        assert_ne!(met, faults(&Storm { seed: 8, ..storm }, 10_000));
        let count = |wanted: Kind| met.iter().flatten().filter(|fault| fault.kind == wanted).count();
        assert!((900..1100).contains(&count(Kind::CutAfterWrite)), "{}", count(Kind::CutAfterWrite));
        assert!((2800..3200).contains(&count(Kind::RateLimit)), "{}", count(Kind::RateLimit));
        assert_eq!(count(Kind::Error), 0);
        let says_when = met.iter().flatten().filter(|fault| fault.retry_after.is_some()).count();
        assert!((800..1200).contains(&says_when), "{says_when}");
    }

    #[test]
    fn the_named_calls_take_as_long_as_asked_and_meet_faults() {
        let mut weather = Weather::default();
        let rates = BTreeMap::from([(Kind::Error, 1000)]);
        let methods = vec!["post".to_owned()];
        weather.set(Storm { delay: 50, rates, methods, ..Storm::default() }).unwrap();
        let met: Vec<Met> =
            ["GET", "POST"].iter().cycle().take(100).map(|method| weather.meet(method)).collect();
        let (calm, stormy): (Vec<&Met>, Vec<&Met>) = met.iter().partition(|met| met.fault.is_none());
        assert_eq!((calm.len(), stormy.len()), (50, 50));
        assert!(calm.iter().all(|met| (met.before + met.after).is_zero()));
        assert!(stormy.iter().all(|met| met.before + met.after == Duration::from_millis(50)));
        assert!(stormy.iter().any(|met| met.before != met.after));
    }
}
