//! Sends events to webhook endpoints: signed, several at once, tried again by the sandbox's clock until they are
//! taken. It wakes when there is something to send and when the next attempt is due, and no call waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::call::Shared;
use crate::clock::Clock;
use crate::deliveries::Turn;

/// How long an endpoint has to answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How much of an answer is kept, in bytes.
const KEPT_BODY: usize = 1024;
/// How long to wait where the state could not be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// How the sender behaves, the whole of it each time it is told.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Nothing is sent; what is to be sent is kept for later.
    pub(crate) paused: bool,
    /// How often each delivery is sent again although it was taken.
    pub(crate) duplicates: u8,
    /// The newest event that is due goes first.
    pub(crate) newest_first: bool,
}

/// What the rest of the sandbox tells the sender.
#[derive(Debug)]
pub(crate) struct Post {
    settings: Mutex<Settings>,
    /// Told whenever something may have to be sent, or earlier than was thought.
    wake: Arc<Notify>,
}

impl Post {
    pub(crate) fn new(wake: Arc<Notify>) -> Post {
        Post { settings: Mutex::default(), wake }
    }

    pub(crate) fn settings(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        self.wake.notify_one();
    }
}

/// An event to be sent to an endpoint.
pub(crate) struct Outgoing {
    /// The event's account.
    pub(crate) account: String,
    /// The delivery's id.
    pub(crate) id: String,
    pub(crate) endpoint: String,
    pub(crate) url: String,
    pub(crate) secret: String,
    pub(crate) body: Vec<u8>,
}

/// What came of sending one.
pub(crate) struct Attempt {
    pub(crate) account: String,
    pub(crate) id: String,
    endpoint: String,
    /// Whether the endpoint answered 2xx.
    pub(crate) taken: bool,
    /// Its status and the start of its body, or why there is none.
    pub(crate) answer: Value,
}

/// Sends what is to be sent, for as long as it is let.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut under_way: HashMap<String, usize> = HashMap::new();
    let (mut tasks, mut attempts, mut client) = (JoinSet::new(), Vec::new(), None);
    loop {
        let (settings, clock) = (shared.post.settings(), Arc::clone(&shared.clock));
        let turn = Turn { attempts: std::mem::take(&mut attempts), settings, under_way: under_way.clone() };
        let taken = shared.store.run(move |state| turn.take(state, clock.seconds())).await;
        let Some((outgoing, next)) = taken else {
            tokio::time::sleep(PATIENCE).await;
            continue;
        };
        for one in outgoing {
            *under_way.entry(one.endpoint.clone()).or_default() += 1;
            let client = client.get_or_insert_with(new_client).clone();
            tasks.spawn(send(client, one, settings.duplicates));
        }
        tokio::select! {
            () = shared.post.wake.notified() => {}
            () = until(&shared.clock, next) => {}
            Some(ended) = tasks.join_next() => attempts.extend(ended),
        }
        while let Some(ended) = tasks.try_join_next() {
            attempts.extend(ended);
        }
        for attempt in &attempts {
            if let Some(count) = under_way.get_mut(&attempt.endpoint) {
                *count = count.saturating_sub(1);
            }
        }
        under_way.retain(|_, count| *count > 0);
    }
}

/// Waits until the sandbox's clock shows a time, as long as nobody moves it.
async fn until(clock: &Clock, seconds: Option<i64>) {
    let Some(seconds) = seconds else { return std::future::pending().await };
    let wait = seconds.saturating_mul(1000).saturating_sub(clock.milliseconds());
    tokio::time::sleep(Duration::from_millis(u64::try_from(wait).unwrap_or(0))).await;
}

fn new_client() -> Option<reqwest::Client> {
    // A second installation is refused, and there is nothing to do about it: some provider is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = || {
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        builder
            .retry(reqwest::retry::never())
            .timeout(ANSWER_TIME)
            .user_agent("Stripe/1.0 (+https://stripe.com/docs/webhooks)")
    };
    // A bare container has no certificates of its own; endpoints without TLS need none.
    let client = builder().build().or_else(|_| builder().tls_certs_only([]).build());
    client.inspect_err(|error| tracing::error!(%error, "the sandbox can deliver no events")).ok()
}

async fn send(client: Option<reqwest::Client>, outgoing: Outgoing, duplicates: u8) -> Attempt {
    let mut last = (false, json!({"error": "there is no HTTP client"}));
    if let Some(client) = client {
        for _ in 0..=duplicates {
            last = post(&client, &outgoing).await;
        }
    }
    let (taken, answer) = last;
    let Outgoing { account, id, endpoint, .. } = outgoing;
    Attempt { account, id, endpoint, taken, answer }
}

/// Sends once; tells whether it was taken, and what was answered.
async fn post(client: &reqwest::Client, outgoing: &Outgoing) -> (bool, Value) {
    let request = client
        .post(&outgoing.url)
        .header("content-type", "application/json; charset=utf-8")
        .header("stripe-signature", signature(&outgoing.secret, real_seconds(), &outgoing.body))
        .body(outgoing.body.clone());
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return (false, json!({"error": causes(&error)})),
    };
    let status = response.status();
    let mut body = Vec::new();
    while body.len() < KEPT_BODY
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(KEPT_BODY);
    (status.is_success(), json!({"status": status.as_u16(), "body": String::from_utf8_lossy(&body)}))
}

/// An error with all that it comes from.
fn causes(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The time for signatures. Whoever verifies one goes by real time, not by the sandbox's clock.
fn real_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The value of `Stripe-Signature`.
fn signature(secret: &str, at: u64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
    mac.update(at.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::signature;

    #[test]
    fn signatures_are_stripes() {
        // Reckoned with another program: printf '1700000000.{"id": "evt_1"}' | openssl dgst -sha256 -hmac whsec_test
        let expect = "t=1700000000,v1=a0c091828640f0b68061abc7c03981ad1100ff7160c5dba6b656239494a2b537";
        assert_eq!(signature("whsec_test", 1_700_000_000, br#"{"id": "evt_1"}"#), expect);
    }
}
