//! [Standard Webhooks](https://www.standardwebhooks.com): what is signed is the message's id, the time and the body, with a
//! secret that is written `whsec_` and base64. The time must be within five minutes of now, both ways, as in the official
//! libraries.

use std::fmt;

use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, Engine as _};
use hmac::Mac as _;
use loopfour_engine::Timestamp;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};

use super::{HEADER_LIMIT, TOLERANCE, age, mac, seconds};

/// What a secret is written with at its begin; it may be left out.
pub const PREFIX: &str = "whsec_";

/// What reads base64, whether it is padded or not.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text is no secret of Standard Webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// It cannot be read.
    #[error("is not `whsec_` and base64")]
    NotBase64,
    /// It is too short to be safe, or longer than the libraries take.
    #[error("has {0} bytes, and 24 to 64 are right")]
    Length(usize),
}

/// A secret, ready to sign with.
#[derive(Clone)]
pub struct Key(Zeroizing<Vec<u8>>);

impl Key {
    /// Reads a secret: `whsec_` and base64, or base64 alone, of 24 to 64 bytes.
    ///
    /// # Errors
    /// The text is none.
    pub fn parse(secret: &SecretString) -> Result<Key, BadKey> {
        let text = secret.expose_secret();
        let text = text.strip_prefix(PREFIX).unwrap_or(text);
        let bytes = LENIENT.decode(text).map(Zeroizing::new).map_err(|_| BadKey::NotBase64)?;
        match bytes.len() {
            24..=64 => Ok(Key(bytes)),
            length => Err(BadKey::Length(length)),
        }
    }

    /// The header `webhook-signature` of a message whose header `webhook-id` is that id, and whose `webhook-timestamp` is
    /// the time in whole seconds ([`timestamp`]).
    pub fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let signature = self.mac(id, &timestamp(at), body).finalize().into_bytes();
        format!("v1,{}", STANDARD.encode(signature))
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> hmac::Hmac<sha2::Sha256> {
        let head = format!("{id}.{timestamp}.");
        mac(&self.0, &[head.as_bytes(), body])
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// The header `webhook-timestamp` of that time.
pub fn timestamp(at: Timestamp) -> String {
    at.0.div_euclid(1000).to_string()
}

/// What the headers of a message say; whether that is so, [`Signed::is_by`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    id: &'a str,
    timestamp: &'a str,
    signatures: Vec<Vec<u8>>,
}

impl<'a> Signed<'a> {
    /// Reads `webhook-id`, `webhook-timestamp` and `webhook-signature`, in which any one good `v1` is enough. None where
    /// one of them cannot be, the time is more than 300 seconds from now, or a header is longer than [`HEADER_LIMIT`].
    pub fn read(id: &'a str, timestamp: &'a str, signature: &str, now: Timestamp) -> Option<Signed<'a>> {
        if id.is_empty() || id.len() > HEADER_LIMIT || signature.len() > HEADER_LIMIT {
            return None;
        }
        if age(seconds(timestamp)?, now).unsigned_abs() > TOLERANCE.unsigned_abs() {
            return None;
        }
        let v1 = |part: &str| LENIENT.decode(part.strip_prefix("v1,")?).ok();
        let signatures: Vec<_> = signature.split(' ').filter_map(v1).collect();
        (!signatures.is_empty()).then_some(Signed { id, timestamp, signatures })
    }

    /// Whether that secret signed it, with this body.
    pub fn is_by(&self, key: &Key, body: &[u8]) -> bool {
        let mac = key.mac(self.id, self.timestamp, body);
        self.signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    }
}
