//! API keys: which account a call acts for, and what has been asked about single keys: revoked,
//! expiring, limited to permissions.
//! Any well-formed test key is good; live keys are refused, so that none is ever stored here by habit.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};

use crate::errors::Failure;

/// The account of every key that is not given another.
pub(crate) const DEFAULT_ACCOUNT: &str = "acct_1SandboxDefault";

/// What is asked about a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restriction {
    /// The whole key.
    key: String,
    /// Refused with 401 from now on.
    #[serde(default)]
    revoked: bool,
    /// Refused with 401 and `api_key_expired` from then on, in seconds since 1970.
    #[serde(default)]
    expires_at: Option<i64>,
    /// What it may do, like `customer_read` or `invoice_write` (which reads as well); all without.
    #[serde(default)]
    permissions: Option<Vec<String>>,
}

/// Which keys belong to which accounts, and what has been asked about some.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    accounts: BTreeMap<String, String>,
    restrictions: Mutex<BTreeMap<String, Restriction>>,
}

/// What a call does, as far as its key is concerned.
pub(crate) struct Use<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Seconds since 1970.
    pub(crate) now: i64,
}

impl Keys {
    pub(crate) fn new(accounts: BTreeMap<String, String>) -> Keys {
        Keys { accounts, restrictions: Mutex::default() }
    }

    fn restrictions(&self) -> MutexGuard<'_, BTreeMap<String, Restriction>> {
        self.restrictions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is asked about a key, in place of what was asked before.
    pub(crate) fn restrict(&self, restriction: Restriction) {
        self.restrictions().insert(restriction.key.clone(), restriction);
    }

    /// What is asked about keys, all of it.
    pub(crate) fn restricted(&self) -> Vec<Restriction> {
        self.restrictions().values().cloned().collect()
    }

    /// Forgets what was asked about keys.
    pub(crate) fn clear(&self) {
        self.restrictions().clear();
    }

    /// Refuses a call that its key does not allow, by what has been asked about that.
    fn check(&self, key: &str, account: &str, call: &Use<'_>) -> Result<(), Failure> {
        let restrictions = self.restrictions();
        let Some(restriction) = restrictions.get(key) else { return Ok(()) };
        if restriction.revoked {
            return Err(Failure::unauthorized(format!("Invalid API Key provided: {}", masked(key))));
        }
        if restriction.expires_at.is_some_and(|at| at <= call.now) {
            let message = format!("Expired API Key provided: {}", masked(key));
            return Err(Failure::unauthorized(message).code("api_key_expired"));
        }
        let Some(permissions) = &restriction.permissions else { return Ok(()) };
        let what = subject(call.path);
        let (read, write) = (format!("{what}_read"), format!("{what}_write"));
        let needed = if call.method == "GET" { &read } else { &write };
        if permissions.iter().any(|given| given == needed || *given == write) {
            return Ok(());
        }
        let message = format!(
            "The provided key '{}' does not have the required permissions for this endpoint on account \
             '{account}'. Having the 'rak_{needed}' permission would allow this request to continue.",
            masked(key)
        );
        Err(Failure::forbidden(message))
    }

    /// The account that the call's key belongs to.
    pub(crate) fn account(&self, headers: &HeaderMap, call: &Use<'_>) -> Result<&str, Failure> {
        let key = key(headers)?;
        let secret = ["sk_test_", "rk_test_"].iter().find_map(|prefix| key.strip_prefix(prefix));
        if ["sk_live_", "rk_live_"].iter().any(|prefix| key.starts_with(prefix)) {
            let message = "a live key was sent to the sandbox; use a test key, `sk_test_…`";
            return Err(Failure::unauthorized(message));
        }
        let sound = secret.is_some_and(|secret| {
            !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        if !sound {
            return Err(Failure::unauthorized(format!("Invalid API Key provided: {}", masked(&key))));
        }
        let account = self.accounts.get(&key).map_or(DEFAULT_ACCOUNT, String::as_str);
        self.check(&key, account, call)?;
        match headers.get("stripe-account").map(|value| value.to_str().unwrap_or_default()) {
            Some(named) if named != account => {
                let message =
                    format!("The provided key '{}' does not have access to account '{named}'", masked(&key));
                Err(Failure::forbidden(message).code("account_invalid"))
            }
            Some(_) | None => Ok(account),
        }
    }
}

/// What a path is about, as permissions name it: `/v1/payment_intents/pi_1` is about `payment_intent`.
fn subject(path: &str) -> &str {
    let resource = path.trim_start_matches("/v1/").split('/').next().unwrap_or_default();
    match resource {
        "invoiceitems" => "invoice",
        "subscription_items" => "subscription",
        _ => resource.strip_suffix('s').unwrap_or(resource),
    }
}

fn key(headers: &HeaderMap) -> Result<String, Failure> {
    let missing = || {
        let message = "You did not provide an API key: send `Authorization: Bearer sk_test_…`";
        Failure::unauthorized(message)
    };
    let header = headers.get(AUTHORIZATION).ok_or_else(missing)?.to_str().map_err(|_| missing())?;
    let (scheme, credentials) = header.split_once(' ').ok_or_else(missing)?;
    let key = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => credentials.trim().to_owned(),
        "basic" => {
            let decoded = base64(credentials.trim()).and_then(|bytes| String::from_utf8(bytes).ok());
            let decoded = decoded.ok_or_else(missing)?;
            decoded.split_once(':').map_or(decoded.as_str(), |(user, _)| user).to_owned()
        }
        _ => return Err(missing()),
    };
    if key.is_empty() { Err(missing()) } else { Ok(key) }
}

/// A key as far as it may be shown: its kind and its last four characters.
fn masked(key: &str) -> String {
    let characters: Vec<char> = key.chars().collect();
    if characters.len() < 16 {
        return "*".repeat(characters.len());
    }
    let start: String = characters.iter().take(8).collect();
    let end: String = characters.iter().skip(characters.len() - 4).collect();
    format!("{start}{}{end}", "*".repeat(characters.len() - 12))
}

/// Decodes standard base64, padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        buffer = (buffer << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(base64(text), expect.map(|text| text.as_bytes().to_vec()), "{text}");
    }

    #[test]
    fn base64_decodes() {
        check("c2tfdGVzdF94Og==", Some("sk_test_x:"));
        check("c2tfdGVzdF94", Some("sk_test_x"));
        check("", Some(""));
        check("a*b", None);
    }

    #[test]
    fn masked_keys_show_only_their_ends() {
        assert_eq!(masked("sk_test_abcdefgh1234"), "sk_test_********1234");
        assert_eq!(masked("secret"), "******");
    }
}
