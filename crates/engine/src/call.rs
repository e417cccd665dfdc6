//! A call of a provider: what is journaled before it is sent, and what can come of it.

use std::time::Duration;

use loopfour_lang::Document;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::StepError;

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

/// What the calls of a run keep to at a provider, from the first one on (spec 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Whose account. Its id may be missing where the run waits before its first call, or began before ids were known.
    pub account: Account,
    /// The provider's API version; none before the first call.
    pub version: Option<String>,
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
    /// What may have happened before.
    pub attempt: Attempt,
}

/// What a sending is, seen from those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// No earlier one can have reached the provider.
    First,
    /// An earlier one may have: a [`Effect::Delete`], for which there is no key, is looked for before it is sent.
    Again,
    /// An earlier one may have, and nothing may be changed any more: a [`Effect::Delete`] is looked for, nothing else.
    Look,
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
    /// Anything else.
    Failed(Box<Failure>),
}

impl Outcome {
    /// A failure with nothing said beside its error.
    pub fn failed(finding: Finding, error: StepError) -> Outcome {
        Outcome::Failed(Box::new(Failure { finding, error, retry_after: None, date: None }))
    }
}

/// A sending that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it says about the call.
    pub finding: Finding,
    /// What went wrong, for people; `step` and `attempt` are filled in by the engine. Its `retryable` is the provider's
    /// own verdict where there is one.
    pub error: StepError,
    /// How long the provider asks to wait, milliseconds (`Retry-After`).
    pub retry_after: Option<u64>,
    /// The provider's clock (`Date`), Unix seconds.
    pub date: Option<i64>,
}

/// What a failed sending says about the call. The provider judges so much; what follows from it is the table in
/// [`crate::run::rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finding {
    /// An answer about the key says no: 400, 402, 404 in the provider's own form. It settles earlier sendings too. So does
    /// a success whose answer is too large to keep.
    Refused,
    /// Refused before the key was looked at: 403 and other 4xx, or a 4xx that is not the provider's.
    Forbidden,
    /// The credentials were refused: 401, 403 `account_invalid`.
    Unauthorized,
    /// 409 `idempotency_key_in_use`: an earlier sending under the key is still worked on.
    KeyInUse,
    /// The provider asks to repeat just this call: 409 with `Stripe-Should-Retry: true`.
    Busy,
    /// Any other 409.
    Conflict,
    /// The provider asks to wait: 429, 400 `rate_limit`. Which other calls slow down with it is the pace's business.
    Throttled,
    /// Nothing tells whether it is done: broken connection, time-out, 5xx, an answer that cannot be read.
    Unknown,
    /// A 5xx from the provider's memory of the key (`Idempotent-Replayed: true`).
    ReplayedError,
    /// No connection stood (DNS, refused, TLS): not a byte left the machine.
    Unreachable,
    /// There are no usable credentials here, or only those of another account or mode: not a byte left the machine.
    NoConnection,
    /// Looked for and not found done: what was sent before may still be.
    NotFoundDone,
    /// A defect of ours shows: an idempotency key used for another request, a request that cannot be sent.
    Defect,
}

impl Finding {
    /// Every finding.
    pub const ALL: [Finding; 13] = [
        Finding::Refused,
        Finding::Forbidden,
        Finding::Unauthorized,
        Finding::KeyInUse,
        Finding::Busy,
        Finding::Conflict,
        Finding::Throttled,
        Finding::Unknown,
        Finding::ReplayedError,
        Finding::Unreachable,
        Finding::NoConnection,
        Finding::NotFoundDone,
        Finding::Defect,
    ];
}
