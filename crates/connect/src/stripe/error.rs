//! What an answer of Stripe's means: by status first, then by code, never by its words. Says in each error's hint what
//! to do; decides nothing about trying again.

use bytes::Bytes;
use loopfour_engine::call::Account;
use loopfour_engine::error::code;
use loopfour_engine::{Effect, Outcome, Receipt, Request, StepError};
use loopfour_lang::{Document, Object, Value, json};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{StatusCode, Url};

use super::value::cut;
use super::{API_BASE, NAME};
use crate::http::Answer;

/// Longest text of Stripe's that is kept, in characters.
const TEXT_LIMIT: usize = 1000;

/// Judges an answer (spec 8 and 12.5).
pub(super) fn judge(request: &Request, answer: Answer) -> Outcome {
    let Answer { status, headers, body } = answer;
    if status.is_success() {
        return success(request, status, &headers, body);
    }
    let body = body.and_then(|body| json::parse(&body).ok());
    let refusal = Refusal::new(request, status, &headers, body.as_ref());
    match status.as_u16() {
        400 if refusal.kind() == Some("idempotency_error") => {
            Outcome::Defect { error: refusal.idempotency() }
        }
        400 if refusal.code() == Some("rate_limit") => unsettled(refusal.rate_limit()),
        401 => unsettled(refusal.authentication()),
        402 => Outcome::Refused { settles: refusal.is_stripes(), error: refusal.declined() },
        403 if refusal.code() == Some("account_invalid") => unsettled(refusal.authentication()),
        403 => unsettled(refusal.permission()),
        400 | 404 => Outcome::Refused { settles: refusal.is_stripes(), error: refusal.invalid_request() },
        429 => unsettled(refusal.rate_limit()),
        400..500 => unsettled(refusal.invalid_request()),
        _ => Outcome::Unknown { error: refusal.api() },
    }
}

fn unsettled(error: StepError) -> Outcome {
    Outcome::Refused { error, settles: false }
}

fn success(request: &Request, status: StatusCode, headers: &HeaderMap, body: Option<Bytes>) -> Outcome {
    let receipt = Receipt {
        status: status.as_u16(),
        request_id: header(headers, "request-id").map(str::to_owned),
        replayed: header(headers, "idempotent-replayed") == Some("true"),
        date: headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(unix_seconds),
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
        return Outcome::Refused { error: answered(code::OUTPUT_TOO_LARGE, message, hint), settles: true };
    };
    let trouble = match Document::parse(&body) {
        Ok(output) if output.is_object() => return Outcome::Done { output, receipt },
        Ok(other) => format!("is {}, not an object", other.value().kind()),
        Err(error) => format!("is not JSON: {error}"),
    };
    let message = format!("the answer to `{}` has status {status} and {trouble}", request.action);
    let hint = format!("see that LOOPFOUR_STRIPE_API_BASE leads to Stripe; {}", what_now(request));
    Outcome::Unknown { error: StepError { retryable: true, ..answered(code::API_ERROR, message, &hint) } }
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

    /// Stripe's word on it where there is one.
    fn retryable(&self) -> bool {
        match header(self.headers, "stripe-should-retry") {
            Some("true") => true,
            Some("false") => false,
            Some(_) | None => {
                matches!(self.status.as_u16(), 409 | 429 | 500..) || self.code() == Some("rate_limit")
            }
        }
    }

    fn invalid_request(&self) -> StepError {
        let hint = match (self.status.as_u16(), self.code(), self.text("param")) {
            _ if !self.is_stripes() => {
                "see that LOOPFOUR_STRIPE_API_BASE leads to Stripe, and what stands between".to_owned()
            }
            (409, ..) => {
                "another request for the same object is under way: run it again in a moment".to_owned()
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
            _ => format!("check the connection's status: `{connection}` is refused"),
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
        let wait = self.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let hint = match (wait.and_then(|wait| wait.parse::<u32>().ok()), self.code()) {
            (Some(seconds), _) => {
                format!(
                    "nothing was done: back off, and run it again in {seconds} s, with fewer runs at once"
                )
            }
            (None, Some("lock_timeout")) => {
                "nothing was done: another request holds the object; run it again in a moment".to_owned()
            }
            (None, _) => {
                "nothing was done: back off, and run it again in a moment, with fewer runs at once".to_owned()
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

/// An error of this provider; the rest is empty.
pub(super) fn provider_error(code: &str, message: impl Into<String>, hint: impl Into<String>) -> StepError {
    StepError { provider: Some(NAME.to_owned()), ..StepError::new(code, message, hint) }
}

/// No key and no sandbox.
pub(super) fn no_connection() -> StepError {
    let message = "there is no connection to Stripe";
    provider_error(code::AUTHENTICATION_ERROR, message, "set STRIPE_API_KEY or start with --sandbox")
}

/// The run is bound to other credentials than there are.
pub(super) fn other_account(bound: &Account, configured: &Account) -> StepError {
    let shown = |account: &Account| format!("`{}` ({})", account.connection, account.mode);
    let message = format!(
        "the run began under the Stripe connection {}, and this server has {}",
        shown(bound),
        shown(configured)
    );
    let hint = match bound.mode.as_str() {
        "sandbox" => "start with --sandbox to let it go on".to_owned(),
        mode => format!("start without --sandbox and with the {mode} key of that account to let it go on"),
    };
    provider_error(code::AUTHENTICATION_ERROR, message, hint)
}

/// No connection stood, so nothing was sent.
pub(super) fn not_connected(base: &Url, cause: &str) -> StepError {
    let host = base.host_str().unwrap_or(API_BASE);
    let message = format!("{host} cannot be reached: {cause}");
    let hint = "nothing was sent: check the network, DNS and LOOPFOUR_STRIPE_API_BASE";
    StepError { retryable: true, ..provider_error(code::API_ERROR, message, hint) }
}

/// The request may have arrived, and no answer came.
pub(super) fn lost(request: &Request, cause: &str) -> StepError {
    let message = format!("no answer to `{}`: {cause}", request.action);
    StepError { retryable: true, ..provider_error(code::API_ERROR, message, what_now(request)) }
}

/// A journaled request that cannot be put on the wire.
pub(super) fn unsendable(part: &str, value: &str) -> StepError {
    let message = format!("the {part} of the request cannot be sent: {:?}", cut(value, 80));
    provider_error(
        code::INTERNAL_ERROR,
        message,
        "a defect of LoopFour, or a journal from elsewhere; please report it",
    )
}

/// What follows from an unknown outcome.
fn what_now(request: &Request) -> String {
    match request.effect {
        Effect::Read => "nothing was changed: run it again".to_owned(),
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

/// An HTTP date in seconds since 1970.
fn unix_seconds(date: &str) -> Option<i64> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(date.as_second())
}
