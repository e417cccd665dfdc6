//! Stripe's signature, `t=<seconds>,v1=<hex>[,v1=<hex>]…`: what is signed is the time and the body, with the whole secret
//! as it is written, `whsec_` included. Only what is past can be too old: Stripe's own libraries take what is to come.

use hmac::Mac as _;
use loopfour_engine::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::{HEADER_LIMIT, TOLERANCE, age, mac, seconds};

/// A signature, HMAC-SHA256.
type Signature = [u8; 32];

/// What the header `stripe-signature` says; whether that is so, [`Signed::is_by`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    timestamp: &'a str,
    signatures: Vec<Signature>,
}

impl<'a> Signed<'a> {
    /// Reads the header. Any one good `v1` is enough; the order of parts does not matter, and others, as `v0`, are passed
    /// over. None where there is no `v1` or not one `t`, the time is more than 300 seconds ago, or the header is longer
    /// than [`HEADER_LIMIT`].
    pub fn read(header: &'a str, now: Timestamp) -> Option<Signed<'a>> {
        if header.len() > HEADER_LIMIT {
            return None;
        }
        let mut timestamp = None;
        let mut signatures = Vec::new();
        for (name, value) in header.split(',').filter_map(|part| part.trim().split_once('=')) {
            match name {
                "t" if timestamp.is_some() => return None,
                "t" => timestamp = Some(value),
                "v1" => signatures.extend(hex(value)),
                _ => {}
            }
        }
        let timestamp = timestamp?;
        let is_recent = age(seconds(timestamp)?, now) <= TOLERANCE;
        (is_recent && !signatures.is_empty()).then_some(Signed { timestamp, signatures })
    }

    /// Whether that secret signed it, with this body.
    pub fn is_by(&self, secret: &SecretString, body: &[u8]) -> bool {
        let mac = mac(secret.expose_secret().as_bytes(), &[self.timestamp.as_bytes(), b".", body]);
        self.signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    }
}

/// The header `stripe-signature` of a body that is sent at that time.
pub fn sign(secret: &SecretString, at: Timestamp, body: &[u8]) -> String {
    let timestamp = at.0.div_euclid(1000).to_string();
    let parts: &[&[u8]] = &[timestamp.as_bytes(), b".", body];
    let signature = mac(secret.expose_secret().as_bytes(), parts).finalize().into_bytes();
    let hex: String = signature.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect();
    format!("t={timestamp},v1={hex}")
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).expect("four bits are a digit")
}

/// A signature written in lower case; Stripe never writes it otherwise.
fn hex(text: &str) -> Option<Signature> {
    let text = text.as_bytes();
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    if text.len() != 64 {
        return None;
    }
    let mut signature = Signature::default();
    for (byte, digits) in signature.iter_mut().zip(text.chunks_exact(2)) {
        *byte = value(digits[0])? << 4 | value(digits[1])?;
    }
    Some(signature)
}
