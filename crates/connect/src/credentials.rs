//! Which credentials a provider is called with, and whose they are. Keys come from the configuration; none is ever
//! shown, logged or journaled.

use std::fmt::Write;
use std::sync::Arc;

use loopfour_engine::call::Account;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::pace::{Pace, PaceConfig};
use crate::stripe::Access;

/// A connection that can be used.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Without its id, which the provider has to be asked for.
    pub(crate) account: Account,
    /// Stands for the id of the account where the key may not read it: `key:` and a part of the key's hash.
    pub(crate) key_id: String,
    /// `Bearer …`, marked as sensitive so that it prints as nothing.
    pub(crate) authorization: HeaderValue,
    /// Whose account it is, and whether the key is refused.
    pub(crate) access: Access,
    /// How fast calls go out under it.
    pub(crate) pace: Arc<Pace>,
}

/// What the sandbox is called with; it is open to any test key.
const SANDBOX_KEY: &str = "sk_test_sandbox";

/// The connection `environment`: the key that the operator gave. An empty one is none.
///
/// # Errors
/// A key that is not one of Stripe's.
pub(crate) fn environment(key: &SecretString, pace: &PaceConfig) -> Result<Option<Connection>, Error> {
    let key = key.expose_secret().trim();
    if key.is_empty() {
        return Ok(None);
    }
    let mode = match (key.get(..2), key.get(2..8)) {
        (Some("sk" | "rk"), Some("_live_")) => "live",
        (Some("sk" | "rk"), Some("_test_")) => "test",
        _ => return Err(Error::Key("is none that calls can be made with")),
    };
    connection("environment", mode, key, pace).map(Some)
}

/// The connection `sandbox`, the only one while the sandbox is on.
///
/// # Errors
/// None in practice: the key is ours.
pub(crate) fn sandbox(pace: &PaceConfig) -> Result<Connection, Error> {
    connection("sandbox", "sandbox", SANDBOX_KEY, pace)
}

fn connection(name: &str, mode: &str, key: &str, pace: &PaceConfig) -> Result<Connection, Error> {
    let mut authorization = HeaderValue::from_str(&format!("Bearer {key}"))
        .ok()
        .filter(|_| key.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or(Error::Key("holds characters that no key has"))?;
    authorization.set_sensitive(true);
    Ok(Connection {
        account: Account { connection: name.to_owned(), mode: mode.to_owned(), id: None },
        key_id: key_id(key),
        authorization,
        access: Access::default(),
        pace: Pace::new(pace, mode),
    })
}

/// 64 bits of the key's hash: enough to tell one key from another, and nothing to find the key by.
fn key_id(key: &str) -> String {
    let mut id = "key:".to_owned();
    for byte in &Sha256::digest(key.as_bytes())[..8] {
        write!(id, "{byte:02x}").expect("a text takes any text");
    }
    id
}
