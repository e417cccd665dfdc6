//! What a provider is called with: keys and tokens, ready to be sent. None is ever shown, logged or journaled.

use std::fmt::Write;
use std::sync::Arc;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::nango::Tokens;

/// What the sandbox is called with; it is open to any test key.
pub(crate) const SANDBOX_KEY: &str = "sk_test_sandbox";
/// How the id begins of an account that its key may not read.
pub(crate) const KEY_ID: &str = "key:";

/// What a connection has to call its provider with.
#[derive(Clone)]
pub(crate) enum Credentials {
    /// Nothing: it was ended, or never begun.
    None,
    /// A key.
    Key(Bearer),
    /// Tokens that Nango keeps.
    Nango(Arc<Tokens>),
}

/// A key or a token as it goes out.
#[derive(Clone)]
pub(crate) struct Bearer {
    /// `Bearer …`, marked as sensitive so that it prints as nothing.
    pub(crate) authorization: HeaderValue,
    /// Stands for the id of the account where the key may not read it: `key:` and a part of the key's hash.
    pub(crate) id: String,
}

impl Bearer {
    /// None where it holds characters that no key has.
    pub(crate) fn new(secret: &str) -> Option<Bearer> {
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {secret}")).ok()?;
        authorization.set_sensitive(true);
        Some(Bearer { authorization, id: key_id(secret) })
    }
}

/// A key of Stripe's that calls can be made with.
pub(crate) struct StripeKey {
    pub(crate) bearer: Bearer,
    /// `live` or `test`.
    pub(crate) mode: &'static str,
    /// Without the white space around it.
    pub(crate) secret: SecretString,
}

impl StripeKey {
    /// Reads a key, white space around it apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(key: &SecretString) -> Result<StripeKey, &'static str> {
        let key = key.expose_secret().trim();
        let mode = mode(key).ok_or("is none that calls can be made with")?;
        let bearer = Bearer::new(key).ok_or("holds characters that no key has")?;
        Ok(StripeKey { bearer, mode, secret: key.into() })
    }
}

/// `live` or `test`, as a key says itself.
pub(crate) fn mode(key: &str) -> Option<&'static str> {
    match (key.get(..2), key.get(2..8)) {
        (Some("sk" | "rk"), Some("_live_")) => Some("live"),
        (Some("sk" | "rk"), Some("_test_")) => Some("test"),
        _ => None,
    }
}

/// 64 bits of the key's hash: enough to tell one key from another, and nothing to find the key by.
fn key_id(key: &str) -> String {
    let mut id = KEY_ID.to_owned();
    for byte in &Sha256::digest(key.as_bytes())[..8] {
        write!(id, "{byte:02x}").expect("a text takes any text");
    }
    id
}
