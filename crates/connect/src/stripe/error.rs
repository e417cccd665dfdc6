//! What an answer of Stripe's means: by status first, then by code, never by its words. Says in each error's hint what
//! to do; decides nothing about trying again.

use bytes::Bytes;
use loopfour_engine::error::code;
use loopfour_engine::{Effect, Failure, Finding, Outcome, Receipt, Request, StepError};
use loopfour_lang::{Document, Object, Value, json};
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use super::NAME;
use super::value::cut;
use crate::http::Answer;

/// Longest text of Stripe's that is kept, in characters.
const TEXT_LIMIT: usize = 1000;
/// Longest `Retry-After` that is kept to, in seconds; more than that is a slip of somebody's.
const LONGEST_WAIT: u64 = 3600;

/// Judges an answer (spec 8 and 12.5).
pub(super) fn judge(request: &Request, answer: Answer) -> Outcome {
    let Answer { status, headers, body } = answer;
    if status.is_success() {
        return success(request, status, &headers, body);
    }
    let body = body.and_then(|body| json::parse(&body).ok());
    let refusal = Refusal::new(request, status, &headers, body.as_ref());
    let (finding, error) = refusal.finding();
    Outcome::Failed(Box::new(Failure {
        finding,
        error,
        retry_after: retry_after(&headers),
        date: date(&headers),
    }))
}

fn success(request: &Request, status: StatusCode, headers: &HeaderMap, body: Option<Bytes>) -> Outcome {
    let receipt = Receipt {
        status: status.as_u16(),
        request_id: header(headers, "request-id").map(str::to_owned),
        replayed: header(headers, "idempotent-replayed") == Some("true"),
        date: date(headers),
    };
    let failed = |finding, error| {
        Outcome::Failed(Box::new(Failure { finding, error, retry_after: None, date: receipt.date }))
    };
    let answered = |code, message: String, hint| StepError {
        request_id: receipt.request_id.clone(),
        status: Some(receipt.status),
        ..provider_error(code, message, hint)
    };
    let Some(body) = body else {
        let done = if request.effect == Effect::Read { "" } else { "; it is done all the same" };
        let message = format!("Stripe's answer to `{}` is larger than 8 MiB{done}", request.action);
        let hint = "ask for less at once: a smaller `limit`, or fewer names in `expand`";
        return failed(Finding::Refused, answered(code::OUTPUT_TOO_LARGE, message, hint));
    };
    let trouble = match Document::parse(&body) {
        Ok(output) if output.is_object() => return Outcome::Done { output, receipt },
        Ok(other) => format!("is {}, not an object", other.value().kind()),
        Err(error) => format!("is not JSON: {error}"),
    };
    let message = format!("the answer to `{}` has status {status} and {trouble}", request.action);
    let hint = format!("see that LOOPFOUR_STRIPE_API_BASE leads to Stripe; {}", what_now(request));
    failed(Finding::Unknown, StepError { retryable: true, ..answered(code::API_ERROR, message, &hint) })
}

/// An answer that says no, or nothing that can be relied on.
struct Refusal<'a> {
    request: &'a Request,
    status: StatusCode,
    headers: &'a HeaderMap,
    /// The member `error` of the body.
    error: Option<&'a Object>,
}

impl<'a> Refusal<'a> {
    fn new(
        request: &'a Request,
        status: StatusCode,
        headers: &'a HeaderMap,
        body: Option<&'a Value>,
    ) -> Refusal<'a> {
        let error = match body {
            Some(Value::Object(body)) => match body.get("error") {
                Some(Value::Object(error)) => Some(&**error),
                _ => None,
            },
            _ => None,
        };
        Refusal { request, status, headers, error }
    }

    /// What it says about the call: by status first, then by code.
    fn finding(&self) -> (Finding, StepError) {
        let in_form = |finding| if self.is_stripes() { finding } else { Finding::Forbidden };
        match (self.status.as_u16(), self.code()) {
            (400, _) if self.kind() == Some("idempotency_error") => (Finding::Defect, self.idempotency()),
            (400, Some("rate_limit")) => (Finding::Throttled, self.rate_limit()),
            (400 | 404, _) => (in_form(Finding::Refused), self.invalid_request()),
            (401, _) | (403, Some("account_invalid")) => (Finding::Unauthorized, self.authentication()),
            (402, _) => (in_form(Finding::Refused), self.declined()),
            (403, _) => (Finding::Forbidden, self.permission()),
            (409, Some("idempotency_key_in_use")) => (Finding::KeyInUse, self.conflict()),
            (409, _) if self.should_retry() == Some(true) => (Finding::Busy, self.conflict()),
            (409, _) => (Finding::Conflict, self.conflict()),
            (429, _) => (Finding::Throttled, self.rate_limit()),
            (400..500, _) => (Finding::Forbidden, self.invalid_request()),
            (500.., _) if header(self.headers, "idempotent-replayed") == Some("true") => {
                (Finding::ReplayedError, self.api())
            }
            (_, _) => (Finding::Unknown, self.api()),
        }
    }

    /// Whether it has the form of Stripe's errors. A page of some proxy on the way says nothing about the key.
    fn is_stripes(&self) -> bool {
        self.error.is_some()
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        match self.error?.get(name) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    fn kind(&self) -> Option<&'a str> {
        self.text("type")
    }

    fn code(&self) -> Option<&'a str> {
        self.text("code")
    }

    /// An error with everything that Stripe says; `reason` is Stripe's code where ours is a wider one.
    fn error(&self, code: &str, hint: impl Into<String>) -> StepError {
        let said = |name: &str| self.text(name).map(kept);
        let message = said("message").unwrap_or_else(|| {
            let what = if self.is_stripes() { "without a message" } else { "and no error of Stripe's" };
            format!("`{}` was answered with status {} {what}", self.request.action, self.status)
        });
        StepError {
            kind: said("type"),
            decline_code: said("decline_code"),
            param: said("param"),
            request_id: header(self.headers, "request-id").map(kept),
            status: Some(self.status.as_u16()),
            doc_url: said("doc_url"),
            reason: said("code").filter(|reason| reason != code),
            retryable: self.retryable(),
            ..provider_error(code, message, hint)
        }
    }

    /// Whether the same may go better next time: Stripe's word on it where there is one.
    fn retryable(&self) -> bool {
        let usual = || matches!(self.status.as_u16(), 409 | 429 | 500..) || self.code() == Some("rate_limit");
        self.should_retry().unwrap_or_else(usual)
    }

    fn should_retry(&self) -> Option<bool> {
        header(self.headers, "stripe-should-retry").and_then(|word| word.parse().ok())
    }

    fn conflict(&self) -> StepError {
        let hint = match self.code() {
            Some("idempotency_key_in_use") => {
                "an earlier sending of this call is still being worked on; it is asked for again by itself"
            }
            _ if self.retryable() => {
                "another request for the same object is under way; it is sent again by itself"
            }
            _ => "another request for the same object was under way: look at the object, then retry the run",
        };
        self.error(code::INVALID_REQUEST_ERROR, hint)
    }

    fn invalid_request(&self) -> StepError {
        let hint = match (self.status.as_u16(), self.code(), self.text("param")) {
            _ if !self.is_stripes() => {
                "see that LOOPFOUR_STRIPE_API_BASE leads to Stripe, and what stands between".to_owned()
            }
            (_, Some("resource_missing"), Some(param)) => {
                format!("check `{param}`: nothing with that id exists in this account and mode")
            }
            (404, ..) => "check the id: nothing like it exists in this account and mode".to_owned(),
            (_, _, Some(param)) => format!("check the required fields, above all `{param}`"),
            (_, _, None) => {
                "check the required fields, and that the object allows this in its state".to_owned()
            }
        };
        self.error(code::INVALID_REQUEST_ERROR, hint)
    }

    fn declined(&self) -> StepError {
        let code = self.code().map_or_else(|| "card_declined".to_owned(), kept);
        let hint = match code.as_str() {
            "authentication_required" => "the customer must confirm this payment in person",
            "expired_card" => "the card has expired: the customer should use a different card",
            "incorrect_cvc" | "incorrect_number" | "invalid_cvc" => {
                "the customer should enter the card again"
            }
            "processing_error" => {
                "the card could not be processed: try again later, or with a different card"
            }
            _ => "the customer should use a different card",
        };
        let mut error = self.error(&code, hint);
        error.reason = None;
        error
    }

    fn authentication(&self) -> StepError {
        let connection = &self.request.account.connection;
        let hint = match connection.as_str() {
            "environment" => "check the connection: STRIPE_API_KEY is wrong, expired or revoked".to_owned(),
            _ => format!(
                "Stripe refuses what `{connection}` is called with: connect it again, and the run goes on"
            ),
        };
        self.error(code::AUTHENTICATION_ERROR, hint)
    }

    fn permission(&self) -> StepError {
        let hint =
            "the key may not do this: give it the permission that the message names, in Stripe's dashboard";
        let mut error = self.error(code::INVALID_REQUEST_ERROR, hint);
        error.reason = Some("permission".to_owned());
        error
    }

    fn rate_limit(&self) -> StepError {
        let hint = match self.code() {
            Some("lock_timeout") => {
                "nothing was done: another request holds the object; it is sent again by itself in a moment"
            }
            _ => {
                "nothing was done: Stripe asks for fewer calls; it waits its turn and is sent again by itself"
            }
        };
        self.error(code::RATE_LIMIT_ERROR, hint)
    }

    fn idempotency(&self) -> StepError {
        let hint = "a defect of LoopFour: one idempotency key was used for two requests; please report it";
        StepError { retryable: false, ..self.error(code::API_ERROR, hint) }
    }

    fn api(&self) -> StepError {
        let hint = if self.status.is_server_error() {
            format!("Stripe failed; {}", what_now(self.request))
        } else {
            format!(
                "redirects are not followed: set LOOPFOUR_STRIPE_API_BASE to where they lead; {}",
                what_now(self.request)
            )
        };
        self.error(code::API_ERROR, hint)
    }
}

/// A failure of which nothing is said beside its error.
pub(super) fn failure(finding: Finding, error: StepError) -> Box<Failure> {
    Box::new(Failure { finding, error, retry_after: None, date: None })
}

/// An error of this provider; the rest is empty.
pub(super) fn provider_error(code: &str, message: impl Into<String>, hint: impl Into<String>) -> StepError {
    StepError { provider: Some(NAME.to_owned()), ..StepError::new(code, message, hint) }
}

/// The request may have arrived, and no answer came.
pub(super) fn lost(request: &Request, cause: &str) -> StepError {
    let message = format!("no answer to `{}`: {cause}", request.action);
    StepError { retryable: true, ..provider_error(code::API_ERROR, message, what_now(request)) }
}

/// Looked at, and not done; what was sent before may still arrive.
pub(super) fn not_done(request: &Request) -> StepError {
    let message =
        format!("`{}` was sent, no answer came, and the object does not show it done", request.action);
    provider_error(code::OUTCOME_UNKNOWN, message, "look at the object in Stripe, then resolve the step")
}

/// What follows from an unknown outcome.
fn what_now(request: &Request) -> String {
    match request.effect {
        Effect::Read => "nothing was changed; a read is tried again by itself while the step has attempts left".to_owned(),
        Effect::Write => {
            "whether it is done is not known; it is sent again under the same idempotency key, so it happens once"
                .to_owned()
        }
        Effect::Delete => {
            "whether it is done is not known; the object is looked at before it is sent again".to_owned()
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Text of Stripe's as it is kept: no key in it, and not without end.
fn kept(text: &str) -> String {
    cut(&without_keys(text), TEXT_LIMIT)
}

/// Replaces everything that looks like a secret key, in full or in part.
fn without_keys(text: &str) -> String {
    const PREFIXES: [&str; 4] = ["sk_live_", "sk_test_", "rk_live_", "rk_test_"];
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, prefix)) =
        PREFIXES.iter().filter_map(|prefix| Some((rest.find(prefix)?, prefix))).min_by_key(|(at, _)| *at)
    {
        let (before, key) = rest.split_at(at);
        clean.push_str(before);
        clean.push_str(prefix);
        clean.push('…');
        let secret =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '*' | '-');
        rest = key.trim_start_matches(secret);
    }
    clean + rest
}

/// Stripe's clock, seconds since 1970.
fn date(headers: &HeaderMap) -> Option<i64> {
    header(headers, DATE.as_str()).and_then(unix_seconds)
}

/// How long Stripe asks to wait, milliseconds: `Retry-After` in seconds, or as a date by Stripe's own clock.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = header(headers, RETRY_AFTER.as_str())?.trim();
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let now = date(headers).unwrap_or_else(|| jiff::Timestamp::now().as_second());
            u64::try_from(unix_seconds(text)?.saturating_sub(now)).unwrap_or(0)
        }
    };
    Some(seconds.min(LONGEST_WAIT) * 1000)
}

/// An HTTP date in seconds since 1970.
fn unix_seconds(date: &str) -> Option<i64> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(date.as_second())
}
