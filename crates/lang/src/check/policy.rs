//! What a failure means and how long things may take: `retryConfig`, `errorHandling`, `timeoutMs`.

use rust_decimal::Decimal;

use super::compile::is_template;
use super::read::At;
use super::report::Report;
use crate::diagnostic::Code;
use crate::json::Kind;
use crate::step::OnError;
use crate::value::Value;
use crate::workflow::RetryConfig;

const RETRY_KEYS: [&str; 4] = ["maxAttempts", "initialDelayMs", "maxDelayMs", "backoffMultiplier"];
const HANDLING_KEYS: [&str; 2] = ["strategy", "fallback"];
/// One year.
const LONGEST_MS: i64 = 366 * 24 * 60 * 60 * 1000;
const MOST_ATTEMPTS: i64 = 100;
const LARGEST_MULTIPLIER: i64 = 100;

/// A time in milliseconds.
pub(super) fn milliseconds(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<u64> {
    report.integer(at, 1..=LONGEST_MS).map(i64::unsigned_abs)
}

/// A `retryConfig`.
pub(super) fn retry(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<RetryConfig> {
    if !report.object(at, &RETRY_KEYS) {
        return None;
    }
    let mut retry = RetryConfig {
        max_attempts: 3,
        initial_delay_ms: 1000,
        max_delay_ms: 30_000,
        backoff_multiplier: Decimal::TWO,
    };
    if let Some(at) = at.get("maxAttempts") {
        let attempts = report.integer(&at, 1..=MOST_ATTEMPTS)?;
        retry.max_attempts = u32::try_from(attempts).expect("within limits");
    }
    delays(at, &mut retry, report)?;
    if let Some(at) = at.get("backoffMultiplier") {
        retry.backoff_multiplier = multiplier(&at, report)?;
    }
    Some(retry)
}

/// The first and the longest delay; where one is absent it gives way to the other.
fn delays(at: &At<'_, '_>, retry: &mut RetryConfig, report: &mut Report<'_>) -> Option<()> {
    let (first, longest) = (at.get("initialDelayMs"), at.get("maxDelayMs"));
    if let Some(at) = &first {
        retry.initial_delay_ms = report.integer(at, 0..=LONGEST_MS)?.unsigned_abs();
        retry.max_delay_ms = retry.max_delay_ms.max(retry.initial_delay_ms);
    }
    if let Some(at) = &longest {
        retry.max_delay_ms = report.integer(at, 0..=LONGEST_MS)?.unsigned_abs();
    }
    match &first {
        Some(at) if retry.initial_delay_ms > retry.max_delay_ms => {
            let (initial, max) = (retry.initial_delay_ms, retry.max_delay_ms);
            let message = format!("the first delay of {initial} ms is longer than the longest, {max} ms");
            let hint = "give `maxDelayMs` that is at least `initialDelayMs`, or leave it out".to_owned();
            report.add_with(Code::OutOfLimits, &at.place, at.span(), message, hint);
            None
        }
        Some(_) | None => {
            retry.initial_delay_ms = retry.initial_delay_ms.min(retry.max_delay_ms);
            Some(())
        }
    }
}

fn multiplier(at: &At<'_, '_>, report: &mut Report<'_>) -> Option<Decimal> {
    let number = match &at.node.kind {
        Kind::Number(Value::Integer(number)) => Decimal::from(*number),
        Kind::Number(Value::Decimal(number)) => *number,
        Kind::Number(_)
        | Kind::Null
        | Kind::Boolean(_)
        | Kind::Text(_)
        | Kind::Array(_)
        | Kind::Object(_) => {
            report.wrong_type(at, "a number");
            return None;
        }
    };
    let fits = number >= Decimal::ONE && number <= Decimal::from(LARGEST_MULTIPLIER);
    if !fits {
        let message = format!("`{}` is {number}, but must be 1 to {LARGEST_MULTIPLIER}", at.name());
        report.add(Code::OutOfLimits, &at.place, at.span(), message);
    }
    fits.then_some(number)
}

/// An `errorHandling`.
pub(super) fn error_handling(at: &At<'_, '_>, report: &mut Report<'_>) -> OnError {
    if !report.object(at, &HANDLING_KEYS) {
        return OnError::Fail;
    }
    let strategy = report.require(at, "strategy", &HANDLING_KEYS);
    let strategy =
        strategy.and_then(|strategy| report.choice(&strategy, "strategy", &["fail", "continue", "retry"]));
    let fallback = at.get("fallback");
    if let Some(fallback) = fallback.as_ref().filter(|_| matches!(strategy, Some("fail" | "retry"))) {
        let message = "a fallback is only for the strategy `continue`";
        report.add(Code::ExcludedKey, &fallback.place, fallback.span(), message);
    }
    match strategy {
        Some("continue") => {
            let fallback = fallback.map(|fallback| plain(&fallback, report)).unwrap_or_default();
            OnError::Continue { fallback }
        }
        Some("retry") => OnError::Retry,
        Some(_) | None => OnError::Fail,
    }
}

/// A value that is taken as it is; says so where a template stands in it.
pub(super) fn plain(at: &At<'_, '_>, report: &mut Report<'_>) -> Value {
    plain_templates(at, report);
    at.node.to_value()
}

fn plain_templates(at: &At<'_, '_>, report: &mut Report<'_>) {
    if at.as_text().is_some_and(is_template) {
        let message = format!("the template in `{}` is not evaluated", at.name());
        let hint = "here it is taken as text, braces and all".to_owned();
        report.add_with(Code::PlainTemplate, &at.place, at.span(), message, hint);
    }
    for member in at.members() {
        plain_templates(&At { node: &member.value, place: at.place.key(&member.key) }, report);
    }
    for (index, item) in at.items().iter().enumerate() {
        plain_templates(&at.item(index, item), report);
    }
}
