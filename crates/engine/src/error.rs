//! How a step fails: data that is stored, shown to people, and matched on.

use serde::{Deserialize, Serialize};

/// Codes of step errors that are ours; a provider's own codes (`card_declined`) stand beside them. Each has a page in
/// `docs/errors/`.
pub mod code {
    /// A template could not be evaluated.
    pub const EXPRESSION_ERROR: &str = "EXPRESSION_ERROR";
    /// A parameter came out empty whose absence would widen the call.
    pub const EMPTY_PARAMETER: &str = "EMPTY_PARAMETER";
    /// A parameter came out in a form that the provider cannot take.
    pub const INVALID_PARAMETER: &str = "INVALID_PARAMETER";
    /// A step's output is larger than 8 MiB.
    pub const OUTPUT_TOO_LARGE: &str = "OUTPUT_TOO_LARGE";
    /// A write was sent, no answer came, and a person gave up on it.
    pub const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";
    /// The run took longer than `settings.timeoutMs` allows.
    pub const RUN_TIMEOUT: &str = "RUN_TIMEOUT";
    /// A defect of ours; the log has more.
    pub const INTERNAL_ERROR: &str = "INTERNAL_ERROR";
    /// The provider refused the credentials.
    pub const AUTHENTICATION_ERROR: &str = "authentication_error";
    /// The provider asked for fewer calls.
    pub const RATE_LIMIT_ERROR: &str = "rate_limit_error";
    /// The provider refused the request as wrong.
    pub const INVALID_REQUEST_ERROR: &str = "invalid_request_error";
    /// The provider failed, or its answer could not be read, or none came.
    pub const API_ERROR: &str = "api_error";
}

/// Why a step failed (spec 8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepError {
    /// One of [`code`], or the provider's (`card_declined`).
    pub code: String,
    /// What went wrong, for people.
    pub message: String,
    /// The step's path; set by the engine.
    #[serde(default)]
    pub step: String,
    /// Which attempt of the step it was, from 1; set by the engine.
    #[serde(default)]
    pub attempt: u32,
    /// Who refused (`stripe`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's type of error.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Why a card was declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_code: Option<String>,
    /// The parameter that the provider names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// The provider's id of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// HTTP status of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The provider's page about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc_url: Option<String>,
    /// Why, where the code alone does not say it (`permission`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether sending the same again may succeed.
    #[serde(default)]
    pub retryable: bool,
    /// What to do.
    #[serde(default)]
    pub hint: String,
}

impl StepError {
    /// An error of that code; the rest is empty.
    pub fn new(code: &str, message: impl Into<String>, hint: impl Into<String>) -> StepError {
        StepError {
            code: code.to_owned(),
            message: message.into(),
            hint: hint.into(),
            ..StepError::default()
        }
    }
}

/// A run's error is the failing step's.
pub type RunError = StepError;
