//! One attempt to pay an intent with a card: what the card says, and the state it leads to.
//! Invoices are paid by the same way.

use serde_json::{Value, json};

use super::unexpected_state;
use crate::cards::{Charging, complaint};
use crate::errors::{Failure, Payment};
use crate::ids;
use crate::resources::charges::{self, Verdict};
use crate::resources::{answer, invoices, payment_methods};
use crate::state::{Record, Transaction};

/// How long a card's bank holds an amount that is not captured, in seconds.
const HELD_FOR: i64 = 7 * 86_400;

/// In which circumstances an intent is confirmed.
#[derive(Debug, Clone, Default)]
pub(in crate::resources) struct How {
    /// The customer is not there to authenticate.
    pub(in crate::resources) off_session: bool,
    /// Nobody is there to do what would be required.
    pub(in crate::resources) error_on_action: bool,
    pub(in crate::resources) return_url: Option<String>,
    /// The customer has authenticated this payment.
    pub(in crate::resources) authenticated: bool,
}

/// Tries to pay an intent. It ends as `succeeded`, `requires_capture` or `requires_action`.
/// A refused card is a failure whose changes stand: the intent is back to `requires_payment_method`.
pub(in crate::resources) fn attempt(
    tx: &mut Transaction<'_>,
    mut intent: Record,
    method: &Record,
    how: &How,
) -> Result<Record, Failure> {
    match payment_methods::card(method).charging {
        Charging::Pays => Ok(approve(tx, intent, method)),
        Charging::Declines(code, decline_code) => Err(decline(tx, intent, method, code, decline_code)),
        Charging::DeclinesWhenCharged => Err(decline(tx, intent, method, "card_declined", "generic_decline")),
        Charging::Authenticates if how.authenticated => Ok(approve(tx, intent, method)),
        Charging::Authenticates if how.off_session || how.error_on_action => {
            let code = "authentication_required";
            Err(decline(tx, intent, method, code, code))
        }
        Charging::Authenticates => {
            intent.set("payment_method", method.id.clone());
            intent.set("status", "requires_action");
            intent.set("next_action", next_action(&intent, how.return_url.as_deref()));
            tx.put(intent.clone());
            Ok(intent)
        }
    }
}

fn next_action(intent: &Record, return_url: Option<&str>) -> Value {
    let secret = ids::fresh("src_1", 23);
    match return_url {
        Some(return_url) => json!({
            "redirect_to_url": {
                "return_url": return_url,
                "url": format!("https://hooks.stripe.com/3d_secure_2/hosted?payment_intent={}&source={secret}", intent.id),
            },
            "type": "redirect_to_url",
        }),
        None => json!({
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"source": secret, "type": "stripe_3ds2_fingerprint"},
        }),
    }
}

fn approve(tx: &mut Transaction<'_>, mut intent: Record, method: &Record) -> Record {
    let charge = charges::make(tx, &intent, method, Verdict::Approved);
    let amount = intent.integer("amount");
    intent.set("latest_charge", charge.id.clone());
    intent.set("payment_method", method.id.clone());
    for gone in ["next_action", "last_payment_error"] {
        intent.set(gone, Value::Null);
    }
    if intent.text("capture_method") == "manual" {
        intent.set("status", "requires_capture");
        intent.set("amount_capturable", amount);
        intent.wake_at(Some(tx.now + HELD_FOR));
    } else {
        charges::capture(tx, &charge.id, amount);
        intent.set("status", "succeeded");
        intent.set("amount_received", amount);
    }
    let customer = intent.text("customer").to_owned();
    if customer.is_empty() || !intent.value.contains_key("setup_future_usage") {
        payment_methods::spend(tx, &method.id);
    } else if let Err(failure) = payment_methods::attach(tx, method.clone(), &customer) {
        tracing::debug!(message = failure.message, "a paying card could not be kept");
    }
    tx.put(intent.clone());
    let invoice = intent.hidden_text("invoice").to_owned();
    if !invoice.is_empty() {
        invoices::paid(tx, &invoice, invoices::Paying::Card { intent: &intent.id });
    }
    intent
}

fn decline(
    tx: &mut Transaction<'_>,
    mut intent: Record,
    method: &Record,
    code: &'static str,
    decline_code: &'static str,
) -> Failure {
    let charge = charges::make(tx, &intent, method, Verdict::Declined(code, decline_code));
    let told = answer(tx, method);
    let error = json!({
        "charge": charge.id,
        "code": code,
        "decline_code": decline_code,
        "doc_url": format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")),
        "message": complaint(code),
        "payment_method": told,
        "payment_method_type": method.text("type"),
        "type": "card_error",
    });
    intent.set("last_payment_error", error);
    intent.set("latest_charge", charge.id.clone());
    intent.set("next_action", Value::Null);
    intent.set("payment_method", Value::Null);
    intent.set("status", "requires_payment_method");
    tx.put(intent.clone());
    let payment = Payment {
        decline_code: Some(decline_code),
        charge: Some(charge.id),
        intent: answer(tx, &intent),
        method: told,
    };
    Failure::card(code, complaint(code)).payment(payment).stands()
}

/// Ends the authentication that an intent waits for, as its customer would.
pub(in crate::resources) fn authenticate(
    tx: &mut Transaction<'_>,
    id: &str,
    passed: bool,
) -> Result<Value, Failure> {
    let found = tx.get("payment_intent", id).cloned();
    let mut intent = found.ok_or_else(|| Failure::not_found("payment_intent", id, "payment_intent"))?;
    if intent.text("status") != "requires_action" {
        return Err(unexpected_state(tx, &intent, "authenticated"));
    }
    let missing =
        || Failure::missing_reference("payment_method", intent.text("payment_method"), "payment_method");
    let method = tx.get("payment_method", intent.text("payment_method")).cloned().ok_or_else(missing)?;
    if passed {
        let how = How { authenticated: true, ..How::default() };
        intent = attempt(tx, intent, &method, &how)?;
    } else {
        let error = json!({
            "code": "payment_intent_authentication_failure",
            "doc_url": "https://stripe.com/docs/error-codes/payment-intent-authentication-failure",
            "message": "the customer did not authenticate the payment",
            "payment_method": answer(tx, &method),
            "payment_method_type": method.text("type"),
            "type": "invalid_request_error",
        });
        intent.set("last_payment_error", error);
        intent.set("next_action", Value::Null);
        intent.set("payment_method", Value::Null);
        intent.set("status", "requires_payment_method");
        tx.put(intent.clone());
    }
    Ok(answer(tx, &intent))
}
