//! One request goes out, one answer comes back: headers, address, and what is learned from every answer on the way,
//! whoever asked: that the key is refused, that calls come too fast.

use std::time::Duration;

use bytes::Bytes;
use loopfour_engine::{Effect, Finding, Outcome, Request, Sending, StepError};
use loopfour_lang::Catalog;
use reqwest::Url;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::{Stripe, error, unsent};
use crate::credentials::Connection;
use crate::http::{Failure, Outgoing};
use crate::pace::{Kind, Lane, Place, Scope};

const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const RATE_LIMITED_REASON: &str = "stripe-rate-limited-reason";

impl Stripe {
    /// Sends once and judges the answer. While the key is refused that is the answer, and nothing is sent.
    pub(super) async fn exchange(&self, connection: &Connection, sending: Sending<'_>) -> Outcome {
        if let Some(failure) = connection.access.refusal() {
            return Outcome::Failed(failure);
        }
        let request = sending.request;
        let outgoing = match self.outgoing(connection, sending) {
            Ok(outgoing) => outgoing,
            Err(error) => return Outcome::failed(Finding::Defect, error),
        };
        let sent = Instant::now();
        let outcome = match self.client.send(outgoing).await {
            Ok(answer) => {
                let reason = answer.headers.get(RATE_LIMITED_REASON).cloned();
                let outcome = error::judge(request, answer);
                slow_down(connection, request, &outcome, reason.as_ref(), sent);
                outcome
            }
            Err(Failure::NotConnected(cause)) => {
                Outcome::failed(Finding::Unreachable, unsent::not_connected(&self.base, &cause))
            }
            Err(Failure::Lost(cause)) => Outcome::failed(Finding::Unknown, error::lost(request, &cause)),
        };
        connection.access.note(&outcome);
        outcome
    }

    /// Waits for the call's turn, unless it is not going to be sent at all.
    pub(super) async fn pace(&self, connection: &Connection, request: &Request, place: Place) {
        if !connection.access.is_refused() {
            connection.pace.turn(lane(request, &endpoint(request)), place).await;
        }
    }

    fn outgoing(&self, connection: &Connection, sending: Sending<'_>) -> Result<Outgoing, StepError> {
        let request = sending.request;
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(AUTHORIZATION, connection.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let version = HeaderValue::from_str(&request.version);
        headers.insert(STRIPE_VERSION, version.map_err(|_| unsent::unsendable("version", &request.version))?);
        let (method, body) = match request.method.as_str() {
            "GET" => (reqwest::Method::GET, None),
            "DELETE" => (reqwest::Method::DELETE, None),
            "POST" => {
                let mut buffer = uuid::Uuid::encode_buffer();
                let key = sending.key.hyphenated().encode_lower(&mut buffer);
                headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(key).expect("a UUID is ASCII"));
                let form = HeaderValue::from_static("application/x-www-form-urlencoded");
                headers.insert(CONTENT_TYPE, form);
                (reqwest::Method::POST, Some(Bytes::copy_from_slice(request.form.as_bytes())))
            }
            other => return Err(unsent::unsendable("method", other)),
        };
        Ok(Outgoing { method, url: self.url(request), headers, body, timeout: sending.timeout })
    }

    /// The request's address. Only path and query are set, so nothing in them can lead to another host.
    fn url(&self, request: &Request) -> Url {
        let mut url = self.base.clone();
        match self.base.path().trim_end_matches('/') {
            "" => url.set_path(&request.path),
            prefix => url.set_path(&format!("{prefix}{}", request.path)),
        }
        if !request.query.is_empty() {
            url.set_query(Some(&request.query));
        }
        url
    }
}

/// What an answer that asks for fewer calls is about; one about a single object is that call's alone, which waits.
fn slow_down(
    connection: &Connection,
    request: &Request,
    outcome: &Outcome,
    reason: Option<&HeaderValue>,
    sent: Instant,
) {
    let Outcome::Failed(failure) = outcome else { return };
    let of_one_object = failure.error.reason.as_deref() == Some("lock_timeout");
    if failure.finding != Finding::Throttled || of_one_object {
        return;
    }
    let reason = reason.and_then(|reason| reason.to_str().ok()).unwrap_or_default();
    let scope = match (reason, failure.error.status) {
        ("resource-specific", _) => return,
        ("endpoint-rate" | "endpoint-concurrency", _) => Scope::Endpoint,
        // Only some endpoints say it so.
        ("", Some(400)) => Scope::Endpoint,
        _ => Scope::Account,
    };
    let retry_after = failure.retry_after.map(Duration::from_millis);
    connection.pace.slow_down(lane(request, &endpoint(request)), scope, sent, retry_after);
}

fn lane<'a>(request: &Request, endpoint: &'a str) -> Lane<'a> {
    let kind = match request.effect {
        Effect::Read => Kind::Read,
        Effect::Write | Effect::Delete => Kind::Write,
    };
    Lane { kind, endpoint }
}

/// Method and path, the ids left open as in the catalogue's row.
fn endpoint(request: &Request) -> String {
    let mut endpoint = request.method.clone();
    endpoint.push(' ');
    let Some(row) = Catalog::builtin().action(&request.action) else { return endpoint + &request.path };
    let mut pattern = row.path.split('/').skip(1);
    for segment in request.path.split('/').skip(1) {
        let is_id = pattern.next().is_none_or(|pattern| pattern.starts_with('{'));
        endpoint.push('/');
        endpoint.push_str(if is_id { "*" } else { segment });
    }
    endpoint
}
