//! Credentials as their holders have them: API keys, and tokens of links and sessions. They are made here and shown once;
//! what is stored of them are hashes.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::error::StorageError;

const PREFIX: &str = "wfk_";
const RANDOM_CHARACTERS: usize = 32;
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// An API key as its holder has it: `wfk_` and 32 letters or digits. It is shown when it is made and never stored;
/// [`fmt::Debug`] hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Not an API key. The text itself may be a secret, so it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an API key is `wfk_` and 32 letters or digits")]
pub struct BadSecret;

impl Secret {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// The system has none to give.
    pub fn random() -> Result<Secret, StorageError> {
        Ok(Secret(format!("{PREFIX}{}", random_text()?)))
    }

    /// The key itself, for its holder's eyes.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What people recognise it by: its first characters.
    pub(crate) fn prefix(&self) -> &str {
        &self.0[..PREFIX.len() + 4]
    }

    /// What is stored in its place. One round is enough for 190 random bits.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl FromStr for Secret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Secret, BadSecret> {
        let random = text.strip_prefix(PREFIX).ok_or(BadSecret)?;
        if is_random_text(random) { Ok(Secret(text.to_owned())) } else { Err(BadSecret) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What opens something once or for a while: the token of a link for signing in, or of a session. 32 letters or digits;
/// only its hash is stored, and [`fmt::Debug`] hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one from the system's randomness.
    ///
    /// # Errors
    /// The system has none to give.
    pub(crate) fn random() -> Result<Token, StorageError> {
        random_text().map(Token)
    }

    /// A token as its holder sends it; none if it does not look like one.
    pub(crate) fn read(text: &str) -> Option<Token> {
        is_random_text(text).then(|| Token(text.to_owned()))
    }

    /// The token itself, for its holder.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored in its place.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

fn random_text() -> Result<String, StorageError> {
    let mut text = String::with_capacity(RANDOM_CHARACTERS);
    let mut bytes = [0; 64];
    while text.len() < RANDOM_CHARACTERS {
        getrandom::fill(&mut bytes)
            .map_err(|cause| StorageError::other(format!("no randomness: {cause}")))?;
        // 248 is the last multiple of 62: taking bytes above it would favour the first letters.
        let fair = bytes.iter().filter(|byte| **byte < 248).map(|byte| usize::from(*byte) % ALPHABET.len());
        let missing = RANDOM_CHARACTERS - text.len();
        text.extend(fair.take(missing).map(|index| char::from(ALPHABET[index])));
    }
    Ok(text)
}

fn is_random_text(text: &str) -> bool {
    text.len() == RANDOM_CHARACTERS && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
