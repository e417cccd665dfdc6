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
    /// Those of any one operation.
    pub(crate) endpoint: Option<u32>,
}

/// How many calls passed, and how many each limit refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    passed: u64,
    read: u64,
    write: u64,
    total: u64,
    endpoint: u64,
}

/// One call, as far as limits go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) at: Instant,
    pub(crate) reads: bool,
    /// The id of its operation; none where there is no such operation.
    pub(crate) endpoint: Option<&'static str>,
}

/// The limits in force, and the calls that passed within the last second.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    rates: Rates,
    counts: Counts,
    /// By account, oldest first.
    passed: HashMap<String, VecDeque<Counted>>,
}

impl Limits {
    pub(crate) fn rates(&self) -> Rates {
        self.rates
    }

    /// What came of the calls since the limits were put in force.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Puts limits in force; the calls until now do not count.
    pub(crate) fn set(&mut self, rates: Rates) {
        *self = Limits { rates, ..Limits::default() };
    }

    /// Lets a call pass, or refuses it; a refused one does not count.
    pub(crate) fn pass(&mut self, account: &str, call: Counted) -> Result<(), Failure> {
        let Rates { read, write, total, endpoint } = self.rates;
        if read.or(write).or(total).or(endpoint).is_none() {
            return Ok(());
        }
        let passed = self.passed.entry(account.to_owned()).or_default();
        while passed.front().is_some_and(|before| call.at.duration_since(before.at) >= WINDOW) {
            passed.pop_front();
        }
        let full = |limit: Option<u32>, alike: &dyn Fn(&Counted) -> bool| {
            let count = || passed.iter().filter(|before| alike(before)).count();
            limit.is_some_and(|limit| count() >= usize::try_from(limit).unwrap_or(usize::MAX))
        };
        let counts = &mut self.counts;
        let (kind, of_kind) = if call.reads { (read, &mut counts.read) } else { (write, &mut counts.write) };
        let refused = if full(total, &|_| true) {
            Some((&mut counts.total, "global-rate"))
        } else if full(kind, &|before| before.reads == call.reads) {
            Some((of_kind, "global-rate"))
        } else if call.endpoint.is_some() && full(endpoint, &|before| before.endpoint == call.endpoint) {
            Some((&mut counts.endpoint, "endpoint-rate"))
        } else {
            None
        };
        if let Some((count, reason)) = refused {
            *count += 1;
            let mut failure = Failure::rate_limited();
            failure.headers.push(("Stripe-Rate-Limited-Reason", reason.to_owned()));
            return Err(failure);
        }
        counts.passed += 1;
        passed.push_back(call);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends calls, each at a millisecond, and expects which of them pass.
    #[track_caller]
    fn check(rates: Rates, calls: &[(u64, &'static str)], expect: &str) -> Counts {
        let mut limits = Limits::default();
        limits.set(rates);
        let start = Instant::now();
        let outcome = calls.iter().map(|(at, endpoint)| {
            let at = start + Duration::from_millis(*at);
            let call = Counted { at, reads: endpoint.starts_with("GET"), endpoint: Some(endpoint) };
            if limits.pass("acct_a", call).is_ok() { 'y' } else { 'n' }
        });
        assert_eq!(outcome.collect::<String>(), expect, "{rates:?}");
        limits.counts()
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
        let endpoint = Some(1);
        check(
            Rates { endpoint, ..none },
            &[(0, "GET a"), (0, "GET b"), (1, "GET a"), (1000, "GET a")],
            "yyny",
        );
        let rates = Rates { read, write, endpoint, ..none };
        let counts = check(rates, &[(0, "GET a"), (0, "GET a"), (0, "POST"), (0, "POST")], "ynyn");
        assert_eq!(counts, Counts { passed: 2, write: 1, endpoint: 1, ..Counts::default() });
    }
}
