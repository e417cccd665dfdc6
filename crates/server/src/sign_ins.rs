//! Sign-ins at the OpenID provider that have begun. They are kept in memory: a restart means beginning again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use loopfour_engine::Timestamp;
use loopfour_engine::identity::SignIn;

/// How long a person may take, milliseconds.
pub const LIFETIME: i64 = 10 * 60 * 1000;
/// So many are kept; beyond that the oldest gives way.
const MOST: usize = 1000;

/// A sign-in that has begun.
pub struct Begun {
    /// What is compared when the browser comes back.
    pub sign_in: SignIn,
    /// The path that the person goes on to.
    pub onward: String,
    /// When it began.
    pub at: Timestamp,
}

/// Those that have begun, by their state.
#[derive(Default)]
pub struct SignIns(Mutex<HashMap<String, Begun>>);

impl SignIns {
    /// Keeps one.
    pub fn add(&self, begun: Begun) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = begun.at;
        kept.retain(|_, other| is_fresh(other, now));
        if kept.len() >= MOST
            && let Some(oldest) =
                kept.iter().min_by_key(|(_, other)| other.at).map(|(state, _)| state.clone())
        {
            kept.remove(&oldest);
        }
        kept.insert(begun.sign_in.state.clone(), begun);
    }

    /// Takes the one with this state, once.
    pub fn take(&self, state: &str, now: Timestamp) -> Option<Begun> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(state).filter(|begun| is_fresh(begun, now))
    }
}

fn is_fresh(begun: &Begun, now: Timestamp) -> bool {
    now.0.saturating_sub(begun.at.0) < LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(number: i64) -> Begun {
        let text = |of: &str| format!("{of}-{number}");
        let sign_in = SignIn {
            url: text("url"),
            state: text("state"),
            nonce: text("nonce"),
            verifier: text("verifier"),
        };
        Begun { sign_in, onward: "/".to_owned(), at: Timestamp(number) }
    }

    #[test]
    fn each_counts_once_and_for_a_while() {
        let kept = SignIns::default();
        kept.add(begun(1));
        kept.add(begun(2));
        assert!(kept.take("state-3", Timestamp(3)).is_none());
        assert!(kept.take("state-1", Timestamp(3)).is_some());
        assert!(kept.take("state-1", Timestamp(3)).is_none(), "a second time");
        assert!(kept.take("state-2", Timestamp(2 + LIFETIME)).is_none(), "too late");
    }

    #[test]
    fn they_are_bounded_in_number() {
        let kept = SignIns::default();
        for number in 0..1500 {
            kept.add(begun(number));
        }
        let now = Timestamp(1500);
        assert!(kept.take("state-499", now).is_none() && kept.take("state-500", now).is_some());
    }
}
