//! Signatures of webhooks, both ways: Stripe's (`stripe`), and those of Standard Webhooks (`standard`), which custom
//! webhooks come with and notices go out with. Pure: whose a secret is, and what a signed event starts, is decided elsewhere.

pub mod standard;
pub mod stripe;

use hmac::{Hmac, KeyInit as _, Mac as _};
use loopfour_engine::Timestamp;
use sha2::Sha256;

/// What is signed longer ago than that is refused, seconds.
pub const TOLERANCE: i64 = 300;

/// The longest header that is looked at, bytes. It bounds the work that one request can make: a sender gives two signatures
/// while a secret is rolled, and this is room for a hundred.
pub const HEADER_LIMIT: usize = 8 * 1024;

/// The keyed hash of the parts, one after the other.
fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is one");
    for part in parts {
        mac.update(part);
    }
    mac
}

/// Whole seconds since 1970, digits and nothing else.
fn seconds(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// How many whole seconds that was before now; less than none for what is to come.
fn age(seconds: i64, now: Timestamp) -> i64 {
    now.0.div_euclid(1000).saturating_sub(seconds)
}
