//! A call of a provider: what is journaled before it is sent, and what can come of it.

use std::time::Duration;

use loopfour_lang::Document;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::StepError;
use crate::run::WaitReason;

/// What a call may change at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Nothing.
    Read,
    /// Something, at most once per idempotency key.
    Write,
    /// Something, and the provider takes no key for it: look before sending again.
    Delete,
}

/// A call as it goes out, resolved to the last character and without secrets. It is journaled before the first byte
/// leaves and sent from the journal, so that every sending is the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// `stripe`.
    pub provider: String,
    /// Full name of the action, `stripe.createInvoice`.
    pub action: String,
    /// What it may change.
    pub effect: Effect,
    /// HTTP method.
    pub method: String,
    /// Path, segments percent-encoded.
    pub path: String,
    /// Query string without `?`, encoded; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// Form body, encoded; empty: none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub form: String,
    /// The provider's API version (`Stripe-Version`).
    pub version: String,
    /// Which credentials: the run is bound to them.
    pub account: Account,
}

/// Whose account at the provider a run is bound to (spec 9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Name of the connection: `environment`, `sandbox`.
    pub connection: String,
    /// `live`, `test` or `sandbox`.
    pub mode: String,
    /// The provider's id of the account, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// One sending of a request.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// What is sent.
    pub request: &'a Request,
    /// The idempotency key: the same for every sending within an epoch.
    pub key: Uuid,
    /// How long the answer is waited for.
    pub timeout: Duration,
    /// An earlier sending may have reached the provider: a [`Effect::Delete`], for which there is no key, is looked for
    /// before it is sent.
    pub again: bool,
}

/// What the provider said beside its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// HTTP status.
    pub status: u16,
    /// The provider's id of the call (`Request-Id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The provider answered from its memory of the key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
    /// The provider's clock (`Date`), Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<i64>,
}

/// What came of a sending.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Answered: it is done.
    Done {
        /// The provider's answer.
        output: Document,
        /// What it said beside.
        receipt: Receipt,
    },
    /// Answered: it is not done.
    Refused {
        /// Why; `step` and `attempt` are filled in by the engine.
        error: StepError,
        /// Whether the answer is one about the key (2xx, 402, 404, 400): only such a one says anything about an earlier
        /// sending whose outcome is unknown.
        settles: bool,
    },
    /// Sent, and nothing tells whether it is done: broken connection, time-out, 5xx.
    Unknown {
        /// What happened.
        error: StepError,
    },
    /// Not a byte left the machine.
    NotSent {
        /// Why.
        error: StepError,
        /// What the run waits for.
        reason: WaitReason,
    },
    /// The answer shows a defect of ours (an idempotency key used for another request): the run is parked.
    Defect {
        /// What happened.
        error: StepError,
    },
}
