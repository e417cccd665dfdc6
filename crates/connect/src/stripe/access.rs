//! What is known in memory of credentials: whose account they are, and whether Stripe refuses them. Refused ones are tried
//! again once a minute, by a call that is due or on behalf of those that wait.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use loopfour_engine::connections::Connection;
use loopfour_engine::{Failure, Finding, Outcome, StepError};
use tokio::time::Instant;

use super::error::failure;
use super::unsent;

/// Refused credentials are tried again so often.
const PROBE: Duration = Duration::from_secs(60);

/// What is known of credentials.
#[derive(Debug, Default)]
pub(crate) struct Access {
    /// The account's id, or the key's where it may not read its account.
    id: OnceLock<String>,
    /// Held by whoever asks for it, or tries refused ones again.
    pub(super) asking: tokio::sync::Mutex<()>,
    /// Why it was not told, the last time.
    untold: Mutex<Option<(Instant, Failure)>>,
    /// They are refused.
    refused: Mutex<Option<Refused>>,
}

#[derive(Debug)]
struct Refused {
    failure: Failure,
    /// The next call that goes out all the same.
    probe: Instant,
}

/// What an answer says of the credentials that it was asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are good.
    Good,
    /// They are refused.
    Refused,
    /// Nothing.
    Unclear,
}

impl Access {
    /// Of credentials whose account is known.
    pub(crate) fn of(account: Option<String>) -> Access {
        Access { id: account.map(OnceLock::from).unwrap_or_default(), ..Access::default() }
    }

    /// Whose account they are, once that was told.
    pub(crate) fn account(&self) -> Option<&str> {
        self.id.get().map(String::as_str)
    }

    pub(super) fn set_account(&self, id: String) {
        *lock(&self.untold) = None;
        // Whoever asks holds `asking`, so nobody else set it.
        let _ = self.id.set(id);
    }

    /// Why a call is not to be sent now, from memory; the one that a minute lets through finds nothing.
    pub(super) fn refusal(&self) -> Option<Box<Failure>> {
        let mut refused = lock(&self.refused);
        let refused = refused.as_mut()?;
        if Instant::now() < refused.probe {
            return Some(Box::new(refused.failure.clone()));
        }
        refused.probe = Instant::now() + PROBE;
        None
    }

    /// Why a call would not be sent now.
    pub(super) fn refused_now(&self) -> Option<Box<Failure>> {
        let refused = lock(&self.refused);
        let refused = refused.as_ref().filter(|refused| Instant::now() < refused.probe)?;
        Some(Box::new(refused.failure.clone()))
    }

    /// Whether a call would not be sent now.
    pub(super) fn is_refused(&self) -> bool {
        self.refused_now().is_some()
    }

    /// What the last refusal said.
    pub(super) fn refused_error(&self) -> Option<StepError> {
        lock(&self.refused).as_ref().map(|refused| refused.failure.error.clone())
    }

    /// Takes note of what an answer says of the credentials.
    pub(super) fn note(&self, outcome: &Outcome) -> Verdict {
        match outcome {
            Outcome::Failed(failure) if failure.finding == Finding::Unauthorized => {
                self.refuse(failure);
                Verdict::Refused
            }
            Outcome::Failed(failure) if failure.finding != Finding::Refused => Verdict::Unclear,
            Outcome::Done { .. } | Outcome::Failed(_) => {
                self.clear();
                Verdict::Good
            }
        }
    }

    /// From here on a minute long nothing is sent with them.
    pub(super) fn refuse(&self, failure: &Failure) {
        let failure = Failure { retry_after: None, date: None, ..failure.clone() };
        *lock(&self.refused) = Some(Refused { failure, probe: Instant::now() + PROBE });
    }

    /// They were refused before, by all that is known: the next call tries them again.
    pub(crate) fn refuse_from_before(&self, row: &Connection) {
        let failure = *failure(Finding::Unauthorized, unsent::inactive(row, None));
        *lock(&self.refused) = Some(Refused { failure, probe: Instant::now() });
    }

    /// They are good.
    pub(crate) fn clear(&self) {
        *lock(&self.refused) = None;
    }

    /// Why it was not told whose they are, the last time, if that was within that time.
    pub(super) fn untold_within(&self, time: Duration) -> Option<Box<Failure>> {
        let untold = lock(&self.untold);
        let (at, failure) = untold.as_ref()?;
        (at.elapsed() < time).then(|| Box::new(failure.clone()))
    }

    pub(super) fn last_untold(&self) -> Option<Failure> {
        lock(&self.untold).as_ref().map(|(_, failure)| failure.clone())
    }

    pub(super) fn set_untold(&self, failure: &Failure) {
        *lock(&self.untold) = Some((Instant::now(), failure.clone()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
