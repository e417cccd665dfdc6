//! Rate limits, when they are asked for: how many calls of an account pass in any sliding second.
//! They count by real time, so that moving the sandbox's clock lets nobody through.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::errors::Failure;

const WINDOW: Duration = Duration::from_secs(1);

/// The most calls of one account per second; what is left out is not limited.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rates {
    /// GET calls.
    pub(crate) read: Option<u32>,
    /// All others.
    pub(crate) write: Option<u32>,
    /// Both together.
    pub(crate) total: Option<u32>,
}

/// The limits in force, and the calls that passed within the last second.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    rates: Rates,
    /// By account: when each call passed, and whether it was a read.
    passed: HashMap<String, VecDeque<(Instant, bool)>>,
}

impl Limits {
    pub(crate) fn rates(&self) -> Rates {
        self.rates
    }

    /// Puts limits in force; the calls until now do not count.
    pub(crate) fn set(&mut self, rates: Rates) {
        *self = Limits { rates, passed: HashMap::new() };
    }

    /// Lets a call pass, or refuses it; a refused one does not count.
    pub(crate) fn pass(&mut self, account: &str, method: &str, now: Instant) -> Result<(), Failure> {
        let Rates { read, write, total } = self.rates;
        if read.or(write).or(total).is_none() {
            return Ok(());
        }
        let passed = self.passed.entry(account.to_owned()).or_default();
        while passed.front().is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            passed.pop_front();
        }
        let reads = method == "GET";
        let alike = passed.iter().filter(|(_, read)| *read == reads).count();
        let full = |limit: Option<u32>, count: usize| {
            limit.is_some_and(|limit| count >= usize::try_from(limit).unwrap_or(usize::MAX))
        };
        if full(total, passed.len()) || full(if reads { read } else { write }, alike) {
            let mut failure = Failure::rate_limited();
            failure.headers.push(("Stripe-Rate-Limited-Reason", "global-rate".to_owned()));
            return Err(failure);
        }
        passed.push_back((now, reads));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends calls, each at a millisecond, and expects which of them pass.
    #[track_caller]
    fn check(rates: Rates, calls: &[(u64, &str)], expect: &str) {
        let mut limits = Limits::default();
        limits.set(rates);
        let start = Instant::now();
        let outcome = calls.iter().map(|(at, method)| {
            let passed = limits.pass("acct_a", method, start + Duration::from_millis(*at)).is_ok();
            if passed { 'y' } else { 'n' }
        });
        assert_eq!(outcome.collect::<String>(), expect, "{rates:?}");
    }

    #[test]
    fn any_second_holds_only_so_many() {
        let (read, write, total) = (Some(2), Some(1), Some(2));
        let none = Rates::default();
        check(none, &[(0, "GET"), (0, "GET"), (0, "POST")], "yyy");
        check(Rates { read, ..none }, &[(0, "GET"), (500, "GET"), (999, "GET"), (1000, "GET")], "yyny");
        check(Rates { read, ..none }, &[(0, "GET"), (0, "GET"), (0, "POST"), (0, "DELETE")], "yyyy");
        check(Rates { write, ..none }, &[(0, "POST"), (0, "DELETE"), (0, "GET")], "yny");
        check(Rates { total, ..none }, &[(0, "GET"), (0, "POST"), (0, "GET")], "yyn");
        check(Rates { total: Some(0), ..none }, &[(0, "GET")], "n");
    }
}
