//! API keys and OAuth tokens: which account a call acts for, and what the sandbox was told of single ones: whose they
//! are, revoked, expiring, limited to permissions, for which connected accounts a platform's key may act.
//! Any well-formed test key is good, and any token it was told of; live keys are refused, so that none is ever stored
//! here by habit. What it was told is in memory only.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};

use crate::errors::Failure;

/// The account of every key that is not given another.
pub(crate) const DEFAULT_ACCOUNT: &str = "acct_1SandboxDefault";

/// What the sandbox is told of a key or a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    /// The whole key, or the whole token.
    key: String,
    /// Whose it is; without it the account that the configuration gives the key, else the default.
    #[serde(default)]
    account: Option<String>,
    /// The other accounts that it may act for by `Stripe-Account`.
    #[serde(default)]
    connected: Vec<String>,
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

/// Which keys belong to which accounts, and what was told of some.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    accounts: BTreeMap<String, String>,
    told: Mutex<BTreeMap<String, Told>>,
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
        Keys { accounts, told: Mutex::default() }
    }

    fn told(&self) -> MutexGuard<'_, BTreeMap<String, Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is told of a key or token, in place of what was told before; `Err` says why not.
    pub(crate) fn tell(&self, told: Told) -> Result<(), String> {
        if told.key.is_empty() {
            return Err("`key` is empty".to_owned());
        }
        if is_live(&told.key) {
            return Err("a live key has no business in the sandbox; use a test key, `sk_test_…`".to_owned());
        }
        self.told().insert(told.key.clone(), told);
        Ok(())
    }

    /// What was told of keys and tokens, all of it.
    pub(crate) fn all_told(&self) -> Vec<Told> {
        self.told().values().cloned().collect()
    }

    /// Forgets what was told; tokens are unknown again.
    pub(crate) fn clear(&self) {
        self.told().clear();
    }

    /// The account that the call acts for: its key's own, or the one that `Stripe-Account` names where the key may.
    pub(crate) fn account(&self, headers: &HeaderMap, call: &Use<'_>) -> Result<String, Failure> {
        let key = key(headers)?;
        if is_live(&key) {
            let message = "a live key was sent to the sandbox; use a test key, `sk_test_…`";
            return Err(Failure::unauthorized(message));
        }
        let known = self.told();
        let told = known.get(&key);
        if told.is_none() && !is_test(&key) {
            return Err(invalid(&key));
        }
        let own = told.and_then(|told| told.account.as_ref()).or_else(|| self.accounts.get(&key));
        let own = own.map_or(DEFAULT_ACCOUNT, String::as_str);
        if let Some(told) = told {
            told.is_good(call.now)?;
        }
        let named = headers.get("stripe-account").map(|value| value.to_str().unwrap_or_default());
        let account = named.unwrap_or(own);
        if account != own && !told.is_some_and(|told| told.connected.iter().any(|other| other == account)) {
            let message =
                format!("The provided key '{}' does not have access to account '{account}'", masked(&key));
            return Err(Failure::forbidden(message).code("account_invalid"));
        }
        if let Some(told) = told {
            told.may(account, call)?;
        }
        Ok(account.to_owned())
    }
}

impl Told {
    /// Refuses a key that was revoked or has expired.
    fn is_good(&self, now: i64) -> Result<(), Failure> {
        if self.revoked {
            return Err(invalid(&self.key));
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            let message = format!("Expired API Key provided: {}", masked(&self.key));
            return Err(Failure::unauthorized(message).code("api_key_expired"));
        }
        Ok(())
    }

    /// Refuses a call that the key's permissions do not cover.
    fn may(&self, account: &str, call: &Use<'_>) -> Result<(), Failure> {
        let Some(permissions) = &self.permissions else { return Ok(()) };
        let what = subject(call.path);
        let (read, write) = (format!("{what}_read"), format!("{what}_write"));
        let needed = if call.method == "GET" { &read } else { &write };
        if permissions.iter().any(|given| given == needed || *given == write) {
            return Ok(());
        }
        let message = format!(
            "The provided key '{}' does not have the required permissions for this endpoint on account \
             '{account}'. Having the 'rak_{needed}' permission would allow this request to continue.",
            masked(&self.key)
        );
        Err(Failure::forbidden(message))
    }
}

fn is_live(key: &str) -> bool {
    ["sk_live_", "rk_live_"].iter().any(|prefix| key.starts_with(prefix))
}

/// Whether it is a well-formed test key.
fn is_test(key: &str) -> bool {
    let secret = ["sk_test_", "rk_test_"].iter().find_map(|prefix| key.strip_prefix(prefix));
    secret.is_some_and(|secret| {
        !secret.is_empty() && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

fn invalid(key: &str) -> Failure {
    Failure::unauthorized(format!("Invalid API Key provided: {}", masked(key)))
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
