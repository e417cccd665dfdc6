//! Stripe: config in, request out (`call`, `form`, `quirks`); answer in, judgement out (`error`,
//! `delete`).
//! Which actions there are and what they take is the catalogue's; nothing here names one, the quirks excepted.

mod call;
mod delete;
mod error;
mod form;
mod parameter;
mod quirks;
mod refusal;
mod value;

use std::net::IpAddr;

use bytes::Bytes;
use loopfour_engine::call::Account;
use loopfour_engine::error::code;
use loopfour_engine::ports::{Call, Candidates, FindError, Unprepared};
use loopfour_engine::{Effect, Finding, Outcome, Request, RunId, Sending, StepError, StepPath, Timestamp};
use loopfour_lang::Document;
use loopfour_lang::catalog::Method;
use reqwest::Url;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;

use crate::Error;
use crate::credentials::{self, Connection};
use crate::http::{Client, Failure, Outgoing, Tls};

/// The provider's name in workflows.
pub const NAME: &str = "stripe";
/// Where Stripe's API is.
pub const API_BASE: &str = "https://api.stripe.com";
/// The version of Stripe's API that every call names; the catalogue's tables are of this version.
pub const API_VERSION: &str = "2026-08-26.dahlia";

const STRIPE_VERSION: HeaderName = HeaderName::from_static("stripe-version");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How Stripe is reached.
#[derive(Debug)]
pub struct Config {
    /// `STRIPE_API_KEY`; not looked at while the sandbox is on.
    pub api_key: Option<SecretString>,
    /// Where the API is: [`API_BASE`], or the sandbox's address, or a stand-in's.
    pub api_base: String,
    /// Calls go to the sandbox at `api_base`, under the connection `sandbox`.
    pub sandbox: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config { api_key: None, api_base: API_BASE.to_owned(), sandbox: false }
    }
}

/// Stripe, under one connection or none.
#[derive(Debug)]
pub(crate) struct Stripe {
    client: Client,
    base: Url,
    connection: Option<Connection>,
}

impl Stripe {
    /// Stripe as configured. Nothing is sent yet.
    ///
    /// # Errors
    /// A key or a base that cannot be used.
    pub(crate) fn new(config: Config) -> Result<Stripe, Error> {
        let connection = match (config.sandbox, &config.api_key) {
            (true, _) => Some(credentials::sandbox()?),
            (false, Some(key)) => credentials::environment(key)?,
            (false, None) => None,
        };
        let base = base(&config.api_base, connection.as_ref())?;
        let tls = if base.scheme() == "https" { Tls::SystemRoots } else { Tls::Unused };
        Ok(Stripe { client: Client::new(tls)?, base, connection })
    }

    /// The request that a step's config makes. Pure.
    pub(crate) fn prepare(&self, call: &Call<'_>) -> Result<Request, Unprepared> {
        let account = self.account(call)?;
        let (path, parameters) = call::parameters(call)?;
        let (effect, method) = match call.action.method {
            Method::Get => (Effect::Read, "GET"),
            Method::Post => (Effect::Write, "POST"),
            Method::Delete => (Effect::Delete, "DELETE"),
        };
        let (query, form) = match effect {
            Effect::Write => (String::new(), parameters),
            Effect::Read | Effect::Delete => (parameters, String::new()),
        };
        Ok(Request {
            provider: NAME.to_owned(),
            action: call.action.name.clone(),
            effect,
            method: method.to_owned(),
            path,
            query,
            form,
            version: API_VERSION.to_owned(),
            account,
        })
    }

    /// Sends a prepared request once and judges the answer. A delete is looked for where it may be done already.
    pub(crate) async fn perform(&self, sending: Sending<'_>) -> Outcome {
        let connection = match self.connection(&sending.request.account) {
            Ok(connection) => connection,
            Err(error) => return Outcome::failed(Finding::NoConnection, error),
        };
        match sending.request.effect {
            Effect::Read | Effect::Write => self.exchange(connection, sending).await,
            Effect::Delete => self.delete(connection, sending).await,
        }
    }

    /// Waits until the pace allows the call.
    #[expect(clippy::unused_async, reason = "the pace comes next")]
    pub(crate) async fn turn(&self, _request: &Request) {}

    /// The object of that id, as the call would have given it.
    pub(crate) async fn find(&self, request: &Request, id: &str) -> Result<Document, FindError> {
        let path = format!("{}/{id}", request.path);
        let reading = Request { method: "GET".to_owned(), effect: Effect::Read, path, ..request.clone() };
        let (key, timeout) = (uuid::Uuid::nil(), std::time::Duration::from_secs(30));
        let attempt = loopfour_engine::Attempt::First;
        match self.perform(Sending { request: &reading, key, timeout, attempt }).await {
            Outcome::Done { output, .. } => Ok(output),
            Outcome::Failed(failure) => Err(FindError::Unavailable(failure.error.message)),
        }
    }

    /// Objects that carry run and step.
    #[expect(clippy::unused_async, reason = "the look comes next")]
    pub(crate) async fn candidates(
        &self,
        _request: &Request,
        _run: RunId,
        _path: &StepPath,
        _since: Timestamp,
    ) -> Result<Candidates, FindError> {
        Ok(Candidates::default())
    }

    async fn exchange(&self, connection: &Connection, sending: Sending<'_>) -> Outcome {
        let request = sending.request;
        let outgoing = match self.outgoing(connection, sending) {
            Ok(outgoing) => outgoing,
            Err(error) => return Outcome::failed(Finding::Defect, error),
        };
        match self.client.send(outgoing).await {
            Ok(answer) => error::judge(request, answer),
            Err(Failure::NotConnected(cause)) => {
                Outcome::failed(Finding::Unreachable, error::not_connected(&self.base, &cause))
            }
            Err(Failure::Lost(cause)) => Outcome::failed(Finding::Unknown, error::lost(request, &cause)),
        }
    }

    /// The account that a call is made under.
    fn account(&self, call: &Call<'_>) -> Result<Account, StepError> {
        if let Some(asked) = call.connection {
            return Err(error::provider_error(
                code::AUTHENTICATION_ERROR,
                format!("the connection {asked} does not exist on this server"),
                "leave `connectionId` out: the server has one Stripe connection, from STRIPE_API_KEY or --sandbox",
            ));
        }
        let connection = self.connection.as_ref().ok_or_else(error::no_connection)?;
        Ok(connection.account.clone())
    }

    /// The connection that a request was prepared for, if it is the one that there is.
    fn connection(&self, bound: &Account) -> Result<&Connection, StepError> {
        let connection = self.connection.as_ref().ok_or_else(error::no_connection)?;
        let account = &connection.account;
        if (&account.connection, &account.mode) == (&bound.connection, &bound.mode) {
            Ok(connection)
        } else {
            Err(error::other_account(bound, account))
        }
    }

    fn outgoing(&self, connection: &Connection, sending: Sending<'_>) -> Result<Outgoing, StepError> {
        let request = sending.request;
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(AUTHORIZATION, connection.authorization.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let version = HeaderValue::from_str(&request.version);
        headers.insert(STRIPE_VERSION, version.map_err(|_| error::unsendable("version", &request.version))?);
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
            other => return Err(error::unsendable("method", other)),
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

/// The base of the API, checked against the connection that is to be used there.
fn base(text: &str, connection: Option<&Connection>) -> Result<Url, Error> {
    let refused = |reason: &str| Error::Base { base: text.to_owned(), reason: reason.to_owned() };
    let base = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
    let host = base.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    if !matches!(base.scheme(), "http" | "https") || host.is_empty() {
        return Err(refused("it must be an http or https address"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(refused("it must not hold a name or password"));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(refused("it must not have a query or fragment"));
    }
    match connection.map(|connection| connection.account.mode.as_str()) {
        Some("sandbox") if host.ends_with("stripe.com") => {
            Err(refused("with the sandbox on, nothing goes to Stripe"))
        }
        Some("live") if base.scheme() == "http" && !loopback => {
            Err(refused("a live key is not sent over plain http to another machine"))
        }
        _ => Ok(base),
    }
}
