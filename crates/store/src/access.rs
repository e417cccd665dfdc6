//! Who may do what: scopes, API keys as people hold them, and the holder that a key stands for. Which call needs which
//! scope is the server's business.

use std::fmt;
use std::str::FromStr;

use loopfour_engine::{CompanyId, KeyId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::StorageError;

/// A right. None implies another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// See workflows.
    #[serde(rename = "workflows:read")]
    WorkflowsRead,
    /// Make, edit, activate, pause and delete workflows.
    #[serde(rename = "workflows:write")]
    WorkflowsWrite,
    /// Start runs and act on them.
    #[serde(rename = "workflows:execute")]
    WorkflowsExecute,
    /// See runs and events.
    #[serde(rename = "runs:read")]
    RunsRead,
    /// See connections.
    #[serde(rename = "connections:read")]
    ConnectionsRead,
    /// Make, change and remove connections.
    #[serde(rename = "connections:write")]
    ConnectionsWrite,
    /// Keys, members, notices and the audit log of the own company.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 7] = [
        Scope::WorkflowsRead,
        Scope::WorkflowsWrite,
        Scope::WorkflowsExecute,
        Scope::RunsRead,
        Scope::ConnectionsRead,
        Scope::ConnectionsWrite,
        Scope::Admin,
    ];

    /// The name that the API uses.
    pub fn name(self) -> &'static str {
        match self {
            Scope::WorkflowsRead => "workflows:read",
            Scope::WorkflowsWrite => "workflows:write",
            Scope::WorkflowsExecute => "workflows:execute",
            Scope::RunsRead => "runs:read",
            Scope::ConnectionsRead => "connections:read",
            Scope::ConnectionsWrite => "connections:write",
            Scope::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Scope, UnknownScope> {
        Scope::ALL.into_iter().find(|scope| scope.name() == name).ok_or_else(|| UnknownScope(name.to_owned()))
    }
}

/// An API key as its holder has it: `wfk_` and 32 letters or digits. It is shown when it is made and never stored;
/// [`fmt::Debug`] hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Not an API key. The text itself may be a secret, so it is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an API key is `wfk_` and 32 letters or digits")]
pub struct BadSecret;

const PREFIX: &str = "wfk_";
const RANDOM_CHARACTERS: usize = 32;
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Secret {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// The system has none to give.
    pub fn random() -> Result<Secret, StorageError> {
        let mut text = PREFIX.to_owned();
        let mut bytes = [0; 64];
        while text.len() < PREFIX.len() + RANDOM_CHARACTERS {
            getrandom::fill(&mut bytes)
                .map_err(|cause| StorageError::other(format!("no randomness: {cause}")))?;
            // 248 is the last multiple of 62: taking bytes above it would favour the first letters.
            let fair =
                bytes.iter().filter(|byte| **byte < 248).map(|byte| usize::from(*byte) % ALPHABET.len());
            let missing = PREFIX.len() + RANDOM_CHARACTERS - text.len();
            text.extend(fair.take(missing).map(|index| char::from(ALPHABET[index])));
        }
        Ok(Secret(text))
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
        let is_key =
            random.len() == RANDOM_CHARACTERS && random.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if is_key { Ok(Secret(text.to_owned())) } else { Err(BadSecret) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Whom a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The company that everything is done for.
    pub company: CompanyId,
    /// Its name.
    pub company_name: String,
    /// The key.
    pub key: KeyId,
    /// Its name.
    pub key_name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}
