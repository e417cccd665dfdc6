//! Idempotency keys: what makes two calls the same, and which keys are being worked on.
//! Saved answers are part of the `state`, so that they are written together with what they tell of.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use hyper::HeaderMap;

use crate::errors::Failure;
use crate::form::Pair;

const LONGEST_KEY: usize = 255;

/// The key that a call carries, if any.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().map_err(|_| Failure::invalid("the idempotency key is not plain ASCII"))?;
    if key.is_empty() || key.len() > LONGEST_KEY {
        let message =
            format!("an idempotency key has 1 to {LONGEST_KEY} characters; this one has {}", key.len());
        return Err(Failure::invalid(message));
    }
    Ok(Some(key.to_owned()))
}

/// A text that is the same for two calls just when they are the same: endpoint and parameters, the
/// order of differently named parameters aside.
pub(crate) fn fingerprint(method: &str, path: &str, pairs: &[Pair]) -> String {
    let mut pairs: Vec<&Pair> = pairs.iter().collect();
    pairs.sort_by_key(|(name, _)| name);
    serde_json::to_string(&(method, path, pairs)).expect("texts are JSON")
}

/// The keys of calls that have not been answered yet, each with its account.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    keys: Mutex<HashSet<(String, String)>>,
}

impl InFlight {
    /// Takes a key until the guard is dropped; refused while another call holds it.
    pub(crate) fn take(&self, account: &str, key: &str) -> Result<Guard<'_>, Failure> {
        let entry = (account.to_owned(), key.to_owned());
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.insert(entry.clone()) { Ok(Guard { owner: self, entry }) } else { Err(Failure::key_in_use()) }
    }
}

/// Holds a key.
pub(crate) struct Guard<'a> {
    owner: &'a InFlight,
    entry: (String, String),
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.owner.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.entry);
    }
}
