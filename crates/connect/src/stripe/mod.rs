//! Stripe: config in, request out (`call`, `form`, `quirks`); answer in, judgement out (`exchange`, `error`, `delete`);
//! whose account it is (`access`); and what a person asks for who has to say what became of a call (`find`).
//! Which actions there are and what they take is the catalogue's; nothing here names one, the quirks excepted.

mod access;
mod call;
mod delete;
mod error;
mod exchange;
mod find;
mod form;
mod parameter;
mod quirks;
mod refusal;
mod unsent;
mod value;

use std::sync::Arc;

use loopfour_engine::ports::{Call, Unprepared};
use loopfour_engine::{Effect, Finding, Outcome, Request, Sending};
use loopfour_lang::catalog::Method;
use reqwest::Url;
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};

pub(crate) use access::Access;
use access::Door;

use crate::Error;
use crate::credentials::{self, Connection};
use crate::http::{Client, Tls, is_loopback};
use crate::pace::{PaceConfig, Place};

/// The provider's name in workflows.
pub const NAME: &str = "stripe";
/// Where Stripe's API is.
pub const API_BASE: &str = "https://api.stripe.com";
/// The version of Stripe's API that every call names; the catalogue's tables are of this version.
pub const API_VERSION: &str = "2026-08-26.dahlia";

/// How Stripe is reached.
#[derive(Debug)]
pub struct Config {
    /// `STRIPE_API_KEY`; not looked at while the sandbox is on.
    pub api_key: Option<SecretString>,
    /// Where the API is: [`API_BASE`], or the sandbox's address, or a stand-in's.
    pub api_base: String,
    /// Calls go to the sandbox at `api_base`, under the connection `sandbox`.
    pub sandbox: bool,
    /// How many calls a second go out.
    pub pace: PaceConfig,
}

impl Default for Config {
    fn default() -> Config {
        Config { api_key: None, api_base: API_BASE.to_owned(), sandbox: false, pace: PaceConfig::default() }
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
            (true, _) => Some(credentials::sandbox(&config.pace)?),
            (false, Some(key)) => credentials::environment(key, &config.pace)?,
            (false, None) => None,
        };
        let base = base(&config.api_base, connection.as_ref())?;
        let tls = if base.scheme() == "https" { Tls::SystemRoots } else { Tls::Unused };
        Ok(Stripe { client: Client::new(tls)?, base, connection })
    }

    /// The request that a step's config makes. Pure.
    pub(crate) fn prepare(self: &Arc<Stripe>, call: &Call<'_>) -> Result<Request, Unprepared> {
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

    /// Waits until the pace lets the call go out; not at all if it is not going to.
    pub(crate) async fn turn(&self, request: &Request) {
        if let Door::Open(connection) | Door::Unknown(connection) = self.door(Some(&request.account)) {
            self.pace(connection, request, Place::Last).await;
        }
    }

    /// Sends a prepared request once and judges the answer. A delete is looked for where it may be done already.
    pub(crate) async fn perform(&self, sending: Sending<'_>) -> Outcome {
        let deadline = Instant::now() + sending.timeout;
        let connection = match timeout_at(deadline, self.open(&sending.request.account)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(failure)) => return Outcome::Failed(failure),
            Err(_) => return Outcome::failed(Finding::Unreachable, unsent::account_not_known()),
        };
        let sending = until(deadline, sending);
        match sending.request.effect {
            Effect::Read | Effect::Write => self.exchange(connection, sending).await,
            Effect::Delete => self.delete(connection, sending).await,
        }
    }
}

/// The same sending with what is left of its time.
fn until(deadline: Instant, sending: Sending<'_>) -> Sending<'_> {
    Sending { timeout: deadline.saturating_duration_since(Instant::now()), ..sending }
}

/// The base of the API, checked against the connection that is to be used there.
fn base(text: &str, connection: Option<&Connection>) -> Result<Url, Error> {
    let refused = |reason: &str| Error::Base { base: text.to_owned(), reason: reason.to_owned() };
    let base = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
    let host = base.host_str().unwrap_or_default();
    let loopback = is_loopback(&base);
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
