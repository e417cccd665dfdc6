//! Which credentials a provider is called with, and whose they are. Keys come from the configuration; none is ever
//! shown, logged or journaled.

use loopfour_engine::call::Account;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::Error;

/// A connection that can be used.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) account: Account,
    /// `Bearer …`, marked as sensitive so that it prints as nothing.
    pub(crate) authorization: HeaderValue,
}

/// What the sandbox is called with; it is open to any test key.
const SANDBOX_KEY: &str = "sk_test_sandbox";

/// The connection `environment`: the key that the operator gave. An empty one is none.
///
/// # Errors
/// A key that is not one of Stripe's.
pub(crate) fn environment(key: &SecretString) -> Result<Option<Connection>, Error> {
    let key = key.expose_secret().trim();
    if key.is_empty() {
        return Ok(None);
    }
    let mode = match (key.get(..2), key.get(2..8)) {
        (Some("sk" | "rk"), Some("_live_")) => "live",
        (Some("sk" | "rk"), Some("_test_")) => "test",
        _ => return Err(Error::Key("is none that calls can be made with")),
    };
    connection("environment", mode, key).map(Some)
}

/// The connection `sandbox`, the only one while the sandbox is on.
///
/// # Errors
/// None in practice: the key is ours.
pub(crate) fn sandbox() -> Result<Connection, Error> {
    connection("sandbox", "sandbox", SANDBOX_KEY)
}

fn connection(name: &str, mode: &str, key: &str) -> Result<Connection, Error> {
    let mut authorization = HeaderValue::from_str(&format!("Bearer {key}"))
        .ok()
        .filter(|_| key.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or(Error::Key("holds characters that no key has"))?;
    authorization.set_sensitive(true);
    Ok(Connection {
        account: Account { connection: name.to_owned(), mode: mode.to_owned(), id: None },
        authorization,
    })
}
