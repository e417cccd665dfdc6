//! Misbehaviour on request: which faults have been asked for, and which one a call meets.

use serde::{Deserialize, Serialize};

use crate::errors::{Failure, Keep};

/// The most faults that can be waiting.
const MOST: usize = 1000;
/// How long a delay lasts at most, in milliseconds.
pub(crate) const LONGEST: u32 = 600_000;

/// The ways to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// 429, nothing written; with `retry_after` and `reason` as headers.
    RateLimit,
    /// 429 about one object that another call is changing (`lock_timeout`), nothing written.
    LockTimeout,
    /// 500, nothing written, nothing saved under the key.
    Error,
    /// 500, nothing written, the answer saved under the key.
    ErrorSaved,
    /// 500 although it was written; the answer saved under the key.
    ErrorSavedAfterWrite,
    /// The connection is cut, nothing written.
    CutBeforeWrite,
    /// The connection is cut although it was written, the true answer saved under the key.
    CutAfterWrite,
    /// Waits `milliseconds`, then goes on as usual.
    Delay,
    /// Writes, then waits `milliseconds` before it answers.
    DelayAfterWrite,
    /// 409 about the key, which another call uses, nothing written.
    Conflict,
    /// 409 about what the call is for, nothing written.
    Busy,
}

/// One fault as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// Which calls it is for.
    #[serde(default, rename = "match")]
    pub(crate) calls: Match,
    /// For [`Kind::RateLimit`]: the header `Retry-After`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<u32>,
    /// For [`Kind::RateLimit`]: the header `Stripe-Rate-Limited-Reason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// For [`Kind::Error`] and [`Kind::Busy`]: the header `Stripe-Should-Retry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) should_retry: Option<bool>,
    /// For the delays, in milliseconds; at most ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) milliseconds: Option<u32>,
}

impl Fault {
    /// A fault for any call, with nothing said besides.
    pub(crate) fn of(kind: Kind) -> Fault {
        let calls = Match::default();
        Fault { kind, calls, retry_after: None, reason: None, should_retry: None, milliseconds: None }
    }

    /// What the call is refused with before anything is written, if that is what the fault does.
    pub(crate) fn refusal(&self) -> Option<Failure> {
        let mut failure = match self.kind {
            Kind::RateLimit => Failure::rate_limited(),
            Kind::LockTimeout => Failure::lock_timeout(),
            Kind::Error => Failure::internal("an error, as a fault asked for", Keep::Unsaved),
            Kind::Conflict => Failure::key_in_use(),
            Kind::Busy => Failure::busy(),
            Kind::ErrorSaved | Kind::ErrorSavedAfterWrite | Kind::CutBeforeWrite | Kind::CutAfterWrite => {
                return None;
            }
            Kind::Delay | Kind::DelayAfterWrite => return None,
        };
        if self.kind == Kind::RateLimit {
            let seconds = self.retry_after.map(|seconds| ("Retry-After", seconds.to_string()));
            let reason = self.reason.clone().map(|reason| ("Stripe-Rate-Limited-Reason", reason));
            failure.headers.extend(seconds.into_iter().chain(reason));
        }
        if matches!(self.kind, Kind::Error | Kind::Busy) {
            failure.headers.extend(self.should_retry.map(|retry| ("Stripe-Should-Retry", retry.to_string())));
        }
        Some(failure)
    }
}

/// Which calls a fault is for; what is left out matches all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Match {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    /// A path; a segment `*` stands for any one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// Which of these calls is the first to meet it, from 1.
    pub(crate) nth: u32,
    /// How many in a row meet it.
    pub(crate) count: u32,
}

impl Default for Match {
    fn default() -> Match {
        Match { method: None, path: None, nth: 1, count: 1 }
    }
}

impl Match {
    fn fits(&self, method: &str, path: &str) -> bool {
        let method_fits = self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method));
        method_fits
            && self.path.as_ref().is_none_or(|wanted| {
                let (wanted, given) = (wanted.split('/'), path.split('/'));
                wanted.clone().count() == given.clone().count()
                    && wanted.zip(given).all(|(wanted, given)| wanted == "*" || wanted == given)
            })
    }
}

/// A fault that is waiting, and how often it has been matched and met.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Waiting {
    #[serde(flatten)]
    fault: Fault,
    matched: u32,
    met: u32,
}

/// The faults asked for, in their order.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Vec<Waiting>,
}

impl Faults {
    /// Adds a fault; `Err` says why it cannot be.
    pub(crate) fn add(&mut self, fault: Fault) -> Result<(), String> {
        if fault.calls.nth == 0 || fault.calls.count == 0 {
            return Err("`nth` and `count` start from 1".to_owned());
        }
        let delays = matches!(fault.kind, Kind::Delay | Kind::DelayAfterWrite);
        if delays && !fault.milliseconds.is_some_and(|length| (1..=LONGEST).contains(&length)) {
            return Err(format!("a delay needs `milliseconds`, 1 to {LONGEST}"));
        }
        if fault.reason.as_ref().is_some_and(|reason| !reason.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err("`reason` is a header's value: letters, digits and dashes".to_owned());
        }
        if self.waiting.len() >= MOST {
            return Err(format!("{MOST} faults are waiting already"));
        }
        self.waiting.push(Waiting { fault, matched: 0, met: 0 });
        Ok(())
    }

    pub(crate) fn all(&self) -> &[Waiting] {
        &self.waiting
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The fault that a call meets. Only the first one that takes the call counts it as met; those
    /// after it do not see the call at all, so faults asked for one after another come so.
    pub(crate) fn meet(&mut self, method: &str, path: &str) -> Option<Fault> {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.fault.calls.fits(method, path)) {
            waiting.matched = waiting.matched.saturating_add(1);
            if waiting.matched >= waiting.fault.calls.nth && waiting.met < waiting.fault.calls.count {
                waiting.met += 1;
                return Some(waiting.fault.clone());
            }
        }
        None
    }
}
