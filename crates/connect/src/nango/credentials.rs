//! What Nango gives to call a provider with, as far as we can use it.

use loopfour_engine::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

/// A token or key.
pub(crate) struct Given {
    pub(crate) secret: SecretString,
    pub(crate) expires_at: Option<Timestamp>,
    /// The account, where the provider named it with the token.
    pub(crate) account: Option<String>,
    /// Whether it is a live one, where the provider said so with the token.
    pub(crate) live: Option<bool>,
    /// A key that somebody typed: Nango did not try whether it is one.
    pub(crate) is_key: bool,
}

/// Why credentials cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Nango's key may not read credentials.
    Hidden,
    /// They are of a kind that Stripe has no use for.
    Kind(String),
}

#[derive(Deserialize)]
struct Answer {
    credentials: Credentials,
}

#[derive(Deserialize)]
struct Credentials {
    #[serde(rename = "type")]
    kind: Option<String>,
    access_token: Option<String>,
    username: Option<String>,
    expires_at: Option<Value>,
    #[serde(default)]
    raw: Value,
}

impl Given {
    /// Reads the answer about a connection.
    ///
    /// # Errors
    /// It is not in Nango's form; says so without repeating it.
    pub(crate) fn read(body: &[u8]) -> Result<Result<Given, Unusable>, String> {
        let answer: Answer =
            serde_json::from_slice(body).map_err(|_| "it is not a connection in JSON".to_owned())?;
        let Credentials { kind, access_token, username, expires_at, raw } = answer.credentials;
        let Some(kind) = kind else { return Ok(Err(Unusable::Hidden)) };
        let (secret, is_key) = match kind.as_str() {
            "OAUTH2" => (access_token, false),
            "BASIC" => (username, true),
            _ => return Ok(Err(Unusable::Kind(kind.chars().take(40).collect()))),
        };
        let Some(secret) = secret.map(|secret| secret.trim().to_owned()).filter(|secret| !secret.is_empty())
        else {
            return Ok(Err(Unusable::Hidden));
        };
        let expires_at = match expires_at {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => {
                let time: jiff::Timestamp =
                    text.parse().map_err(|_| "its `expires_at` is no time".to_owned())?;
                Some(Timestamp(time.as_millisecond()))
            }
            Some(_) => return Err("its `expires_at` is no time".to_owned()),
        };
        let account = raw.get("stripe_user_id").and_then(Value::as_str).filter(|id| !id.is_empty());
        Ok(Ok(Given {
            secret: secret.into(),
            expires_at,
            account: account.map(str::to_owned),
            live: raw.get("livemode").and_then(Value::as_bool),
            is_key,
        }))
    }
}
