//! What is delivered: events as Stripe writes and signs them.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

/// What signs them.
pub const SECRET: &str = "whsec_proof";
/// The amount, in cents, from which on an invoice is a large one.
pub const LARGE: u64 = 5000;

/// An event.
#[derive(Clone)]
pub struct Event(String);

impl Event {
    /// The event of that number: an invoice of as many cents was paid.
    pub fn paid(number: u64) -> Event {
        let invoice = json!({
            "id": format!("in_{number}"), "object": "invoice", "amount_paid": amount(number), "currency": "usd",
            "status": "paid", "customer": "cus_proof", "description": "Professional services, as agreed. ".repeat(20),
        });
        Event(
            json!({
                "id": id(number), "object": "event", "api_version": "2026-08-26.dahlia", "created": 1_790_000_000,
                "type": "invoice.paid", "livemode": false, "pending_webhooks": 1,
                "request": {"id": null, "idempotency_key": null}, "data": {"object": invoice},
            })
            .to_string(),
        )
    }

    /// An event of the thin form, as long as the others.
    pub fn thin() -> Event {
        let filler = "Professional services, as agreed. ".repeat(30);
        Event(
            json!({"id": "evt_thin", "object": "v2.core.event", "type": "v2.proof", "reason": filler})
                .to_string(),
        )
    }

    /// Its bytes and what signs them now.
    pub fn signed(&self) -> (String, String) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key of any length does");
        let mac = mac.chain_update(now.to_string()).chain_update(".").chain_update(&self.0);
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        (self.0.clone(), format!("t={now},v1={hex}"))
    }
}

/// The provider's id of the event of that number.
pub fn id(number: u64) -> String {
    format!("evt_proof{number:06}")
}

/// Whether the invoice of that number is a large one.
pub fn is_large(number: u64) -> bool {
    amount(number) >= LARGE
}

fn amount(number: u64) -> u64 {
    number % 10_000
}
