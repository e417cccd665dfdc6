//! The calls of Nango that we make. An answer is taken for Nango's only if it is JSON in Nango's form: what stands between
//! may answer too. Nothing is tried again in here; a limit that was met holds all calls back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Config;
use super::credentials::{Given, Unusable};
use crate::Error;
use crate::http::{self, Answer, Failure, Outgoing, Tls, is_private};

/// For each call: the provider's trouble makes Nango wait about 12 seconds.
const TIMEOUT: Duration = Duration::from_secs(20);
/// After a 429 that names no time, and the longest that one is kept to.
const USUAL_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(120);
/// Longest text of Nango's that is shown, in characters.
const TEXT_LIMIT: usize = 200;

/// Nango.
pub(crate) struct Client {
    http: http::Client,
    base: Url,
    authorization: HeaderValue,
    /// The integration that is Stripe, where that is set.
    pub(crate) stripe_integration: Option<String>,
    /// Where Nango can reach this server.
    reachable_at: Option<Url>,
    paused_until: Mutex<Option<Instant>>,
}

/// What leads a person to the provider.
pub(crate) struct Session {
    /// For the address that leads straight to the provider.
    token: SecretString,
    /// Nango's own page.
    connect_link: SecretString,
}

/// A way to a provider that Nango is set up for.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Integration {
    pub(crate) unique_key: String,
    pub(crate) provider: String,
}

/// A connection of Nango's.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Found {
    pub(crate) connection_id: String,
    pub(crate) provider_config_key: String,
    #[serde(default)]
    pub(crate) created: String,
    #[serde(default)]
    tags: Option<HashMap<String, Value>>,
}

/// Why a call of Nango came to nothing.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// No answer, or none of Nango's, or it asks to wait.
    Away { why: String, retry_after: Option<Duration> },
    /// Nango says no.
    Answered { status: u16, code: String, message: String },
}

/// What an authorisation carries through Nango and back.
pub(crate) struct Tags<'a> {
    pub(crate) attempt: &'a str,
    pub(crate) company: &'a str,
    pub(crate) connection: &'a str,
}

impl Found {
    fn tag(&self, name: &str) -> Option<&str> {
        self.tags.as_ref()?.get(name)?.as_str()
    }
}

impl Client {
    /// Nango as configured. Nothing is sent yet.
    ///
    /// # Errors
    /// An address or a key that cannot be used.
    pub(crate) fn new(config: Config) -> Result<Client, Error> {
        let refused =
            |reason: &str| Error::Nango { server: config.server_url.clone(), reason: reason.to_owned() };
        let mut base = Url::parse(&config.server_url).map_err(|error| refused(&error.to_string()))?;
        let tls = match base.scheme() {
            "https" => Tls::SystemRoots,
            "http" => Tls::Unused,
            _ => return Err(refused("it must be an http or https address")),
        };
        if base.host_str().is_none_or(str::is_empty) {
            return Err(refused("it must be an http or https address"));
        }
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() {
            return Err(refused("it must not hold a name, a password or a query"));
        }
        let prefix = base.path().trim_end_matches('/').to_owned();
        base.set_path(&prefix);
        let key = config.secret_key.expose_secret().trim();
        let authorization = HeaderValue::from_str(&format!("Bearer {key}"))
            .ok()
            .filter(|_| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic()));
        let mut authorization =
            authorization.ok_or_else(|| refused("NANGO_SECRET_KEY holds characters that no key has"))?;
        authorization.set_sensitive(true);
        Ok(Client {
            http: http::Client::new(tls)?,
            base,
            authorization,
            stripe_integration: config.stripe_integration.filter(|key| !key.is_empty()),
            reachable_at: config.public_url.filter(is_public),
            paused_until: Mutex::default(),
        })
    }

    /// The address of the server, for people.
    pub(crate) fn server(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Its integrations.
    pub(crate) async fn integrations(&self) -> Result<Vec<Integration>, Refusal> {
        #[derive(Deserialize)]
        struct Integrations {
            data: Vec<Integration>,
        }
        let answer = self.call(Method::GET, &["integrations"], &[], None).await?;
        read::<Integrations>(answer).map(|integrations| integrations.data)
    }

    /// Begins an authorisation, of a connection of Nango's that there is already or of a new one.
    pub(crate) async fn session(
        &self,
        integration: &str,
        again: Option<&str>,
        tags: &Tags<'_>,
    ) -> Result<Session, Refusal> {
        let all = json!({"attempt": tags.attempt, "company": tags.company, "connection": tags.connection});
        let (path, mut body): (&[&str], Value) = match again {
            // Tags that are not sent again are lost.
            Some(connection) => (
                &["connect", "sessions", "reconnect"],
                json!({"connection_id": connection, "integration_id": integration, "tags": all}),
            ),
            None => (&["connect", "sessions"], json!({"allowed_integrations": [integration], "tags": all})),
        };
        if let Some(url) = &self.reachable_at {
            let address = format!("{}/webhooks/nango/{}", url.as_str().trim_end_matches('/'), tags.attempt);
            body["webhook_url_override"] = Value::String(address);
        }
        let answer = match self.call(Method::POST, path, &[], Some(&body)).await {
            // Which addresses it takes is a setting of Nango's; its news are not needed.
            Err(Refusal::Answered { status: 400, message, .. })
                if message.contains("webhook_url_override") && body.get("webhook_url_override").is_some() =>
            {
                body.as_object_mut().and_then(|body| body.remove("webhook_url_override"));
                self.call(Method::POST, path, &[], Some(&body)).await?
            }
            other => other?,
        };
        #[derive(Deserialize)]
        struct Made {
            data: MadeSession,
        }
        #[derive(Deserialize)]
        struct MadeSession {
            token: String,
            connect_link: String,
        }
        let made = read::<Made>(answer)?.data;
        Ok(Session { token: made.token.into(), connect_link: made.connect_link.into() })
    }

    /// The link for the person's browser.
    pub(crate) fn link(&self, session: &Session, integration: &str, way: Way) -> String {
        match way {
            Way::Page => session.connect_link.expose_secret().to_owned(),
            Way::Direct => {
                let mut url = self.address(&["oauth", "connect", integration]);
                url.query_pairs_mut().append_pair("connect_session_token", session.token.expose_secret());
                url.into()
            }
        }
    }

    /// The connections that came of a try, newest last.
    pub(crate) async fn found(&self, attempt: &str) -> Result<Vec<Found>, Refusal> {
        #[derive(Deserialize)]
        struct List {
            connections: Vec<Found>,
        }
        let query = [("tags[attempt]", attempt), ("limit", "100")];
        let answer = self.call(Method::GET, &["connections"], &query, None).await?;
        let mut found = read::<List>(answer)?.connections;
        // Whatever stands for Nango there: one that it was not asked for is not taken.
        found.retain(|one| one.tag("attempt") == Some(attempt));
        found.sort_by(|one, other| one.created.cmp(&other.created));
        Ok(found)
    }

    /// The credentials of a connection, refreshed if Nango finds that they end soon, or in any case.
    pub(crate) async fn credentials(
        &self,
        integration: &str,
        connection: &str,
        force: bool,
    ) -> Result<Result<Given, Unusable>, Refusal> {
        let mut query = vec![("provider_config_key", integration)];
        if force {
            query.push(("force_refresh", "true"));
        }
        let answer = self.call(Method::GET, &["connections", connection], &query, None).await?;
        Given::read(&answer).map_err(|error| self.strange(&error))
    }

    /// Deletes a connection at Nango; one that is not there is deleted.
    pub(crate) async fn delete(&self, integration: &str, connection: &str) -> Result<(), Refusal> {
        let query = [("provider_config_key", integration)];
        match self.call(Method::DELETE, &["connections", connection], &query, None).await {
            Ok(_) => Ok(()),
            Err(Refusal::Answered { code, .. })
                if matches!(
                    code.as_str(),
                    "unknown_connection" | "not_found" | "unknown_provider_config"
                ) =>
            {
                Ok(())
            }
            Err(refusal) => Err(refusal),
        }
    }

    fn address(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Bytes, Refusal> {
        if let Some(left) = self.pause() {
            let why = format!("Nango ({}) asks for fewer calls", self.server());
            return Err(Refusal::Away { why, retry_after: Some(left) });
        }
        let mut url = self.address(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = body.map(|body| Bytes::from(body.to_string()));
        let answer = self.http.send(Outgoing { method, url, headers, body, timeout: TIMEOUT }).await;
        match answer {
            Ok(answer) => self.judge(answer),
            Err(Failure::NotConnected(cause) | Failure::Lost(cause)) => {
                let why = format!("Nango ({}) cannot be reached: {cause}", self.server());
                Err(Refusal::Away { why, retry_after: None })
            }
        }
    }

    fn judge(&self, answer: Answer) -> Result<Bytes, Refusal> {
        let Answer { status, headers, body } = answer;
        if status.as_u16() == 429 {
            let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let pause = asked.map_or(USUAL_PAUSE, Duration::from_secs).min(LONGEST_PAUSE);
            *self.paused() = Some(Instant::now() + pause);
            let why = format!("Nango ({}) asks for fewer calls", self.server());
            return Err(Refusal::Away { why, retry_after: Some(pause) });
        }
        let body = body.ok_or_else(|| self.strange("it is too large"))?;
        if status.is_success() {
            return Ok(body);
        }
        match refused(&body).filter(|_| status.is_client_error()) {
            Some((code, message)) => Err(Refusal::Answered { status: status.as_u16(), code, message }),
            None => {
                let why = format!("Nango ({}) answered with status {}", self.server(), status.as_u16());
                Err(Refusal::Away { why, retry_after: None })
            }
        }
    }

    fn strange(&self, what: &str) -> Refusal {
        let why = format!("Nango's answer ({}) cannot be read: {what}", self.server());
        Refusal::Away { why, retry_after: None }
    }

    /// How long nothing is to be asked yet.
    fn pause(&self) -> Option<Duration> {
        let left = self.paused().map(|until| until.saturating_duration_since(Instant::now()))?;
        (!left.is_zero()).then_some(left)
    }

    fn paused(&self) -> MutexGuard<'_, Option<Instant>> {
        self.paused_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a person is led to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By Nango's page, where something has to be typed.
    Page,
    /// Straight.
    Direct,
}

fn read<T: for<'a> Deserialize<'a>>(body: Bytes) -> Result<T, Refusal> {
    // What is wrong with it is not repeated: the answer may hold secrets.
    serde_json::from_slice(&body).map_err(|_| Refusal::Away {
        why: "Nango's answer is not what its API gives: see that NANGO_SERVER_URL leads to it".to_owned(),
        retry_after: None,
    })
}

/// Code and message of an error in Nango's form.
fn refused(body: &[u8]) -> Option<(String, String)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error")?;
    let code = error.get("code")?.as_str()?;
    let mut message = error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
    let errors = error.get("errors").and_then(Value::as_array).into_iter().flatten();
    for error in errors {
        let path = error.get("path").and_then(Value::as_array).into_iter().flatten();
        let path: Vec<&str> = path.filter_map(Value::as_str).collect();
        let text = error.get("message").and_then(Value::as_str).unwrap_or_default();
        message = format!("{message} {}: {text}", path.join(".")).trim().to_owned();
    }
    Some((shown(code), shown(&message)))
}

fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(TEXT_LIMIT).collect()
}

/// Whether Nango takes the address for its news.
fn is_public(url: &Url) -> bool {
    url.scheme() == "https" && !is_private(url)
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Away { why, .. } => f.write_str(why),
            Refusal::Answered { status, code, message } if message.is_empty() => {
                write!(f, "Nango answered {status} {code}")
            }
            Refusal::Answered { status, code, message } => {
                write!(f, "Nango answered {status} {code}: {message}")
            }
        }
    }
}
