//! One request goes out, one answer comes back: headers, address, and what is learned from every answer on the way,
//! whoever asked: that the key is refused, that calls come too fast.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use loopfour_engine::connections::ConnectionStatus;
use loopfour_engine::{Effect, Finding, Outcome, Request, Sending, StepError};
use loopfour_lang::Catalog;
use reqwest::Url;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, timeout_at};

use super::access::Verdict;
use super::door::Channel;
use super::{Stripe, error, unsent, until};
use crate::http::{Failure, Outgoing};
use crate::live::Live;
use crate::pace::{Kind, Lane, Place, Scope};

const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const STRIPE_ACCOUNT: HeaderName = HeaderName::from_static("stripe-account");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const RATE_LIMITED_REASON: &str = "stripe-rate-limited-reason";

impl Stripe {
    /// Sends once and judges the answer. While the credentials are refused that is the answer, and nothing is sent. A call
    /// that was refused for its token's sake, and so did nothing, is sent once more with the next token.
    pub(super) async fn exchange(self: &Arc<Stripe>, channel: &Channel, sending: Sending<'_>) -> Outcome {
        if let Some(failure) = channel.live.access.refusal() {
            return Outcome::Failed(failure);
        }
        let deadline = Instant::now() + sending.timeout;
        let outcome = self.send(channel, sending).await;
        let refused = matches!(&outcome, Outcome::Failed(failure) if failure.error.status == Some(401));
        if !refused || channel.token.is_none() {
            self.note(channel, &outcome).await;
            return outcome;
        }
        let renewed = match timeout_at(deadline, self.renewed(channel)).await {
            Ok(Ok(Some(renewed))) => renewed,
            Ok(Ok(None)) => {
                self.note(channel, &outcome).await;
                return outcome;
            }
            Ok(Err(failure)) => return Outcome::Failed(failure),
            Err(_) => return Outcome::failed(Finding::NoConnection, unsent::token_not_renewed()),
        };
        if let Err(failure) = self.fits(&renewed, &sending.request.account) {
            return Outcome::Failed(failure);
        }
        let outcome = self.send(&renewed, until(deadline, sending)).await;
        self.note(&renewed, &outcome).await;
        outcome
    }

    async fn send(&self, channel: &Channel, sending: Sending<'_>) -> Outcome {
        let request = sending.request;
        let outgoing = match self.outgoing(channel, sending) {
            Ok(outgoing) => outgoing,
            Err(error) => return Outcome::failed(Finding::Defect, error),
        };
        let sent = Instant::now();
        match self.client.send(outgoing).await {
            Ok(answer) => {
                let reason = answer.headers.get(RATE_LIMITED_REASON).cloned();
                let outcome = error::judge(request, answer);
                slow_down(&channel.live, request, &outcome, reason.as_ref(), sent);
                outcome
            }
            Err(Failure::NotConnected(cause)) => {
                Outcome::failed(Finding::Unreachable, unsent::not_connected(&self.base, &cause))
            }
            Err(Failure::Lost(cause)) => Outcome::failed(Finding::Unknown, error::lost(request, &cause)),
        }
    }

    /// Takes note of what an answer says of the credentials, in memory and in the row.
    async fn note(self: &Arc<Stripe>, channel: &Channel, outcome: &Outcome) {
        match (channel.live.access.note(outcome), outcome) {
            (Verdict::Refused, Outcome::Failed(failure)) => {
                let said = &failure.error.message;
                self.broken(&channel.live, ConnectionStatus::Error, &format!("Stripe refuses it: {said}"))
                    .await;
            }
            (Verdict::Good, _) if !channel.live.is_active() => self.mended(&channel.live).await,
            (Verdict::Refused | Verdict::Good | Verdict::Unclear, _) => {}
        }
    }

    /// Waits for the call's turn, unless it is not going to be sent at all.
    pub(super) async fn pace(&self, channel: &Channel, request: &Request, place: Place) {
        self.turn_of(&channel.live, request, place).await;
    }

    /// Likewise, of a connection whose credentials are not looked for yet.
    pub(super) async fn turn_of(&self, live: &Live, request: &Request, place: Place) {
        if !live.access.is_refused() {
            live.pace.turn(lane(request, &endpoint(request)), place).await;
        }
    }

    fn outgoing(&self, channel: &Channel, sending: Sending<'_>) -> Result<Outgoing, StepError> {
        let request = sending.request;
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(AUTHORIZATION, channel.bearer.authorization.clone());
        if let Some(account) = &channel.live.acts_for {
            headers.insert(STRIPE_ACCOUNT, account.clone());
        }
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
fn slow_down(live: &Live, request: &Request, outcome: &Outcome, reason: Option<&HeaderValue>, sent: Instant) {
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
    live.pace.slow_down(lane(request, &endpoint(request)), scope, sent, retry_after);
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
