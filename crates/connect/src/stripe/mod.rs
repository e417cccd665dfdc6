//! Stripe: config in, request out (`call`, `form`, `quirks`); answer in, judgement out (`exchange`, `error`, `delete`);
//! which connection it goes out under (`door`), what that is called with (`access`, `oauth`) and whose account it is
//! (`identify`); and what a person asks for who has to say what became of a call (`find`).
//! Which actions there are and what they take is the catalogue's; nothing here names one, the quirks excepted.

mod access;
mod call;
mod delete;
mod door;
mod endpoints;
mod error;
mod events;
mod exchange;
mod find;
mod form;
mod identify;
mod oauth;
mod own;
mod parameter;
mod quirks;
mod refusal;
mod unsent;
mod value;

use std::sync::Arc;

use loopfour_engine::call::Account;
use loopfour_engine::connections::Source;
use loopfour_engine::ports::{Call, Unprepared};
use loopfour_engine::{Effect, Failure, Finding, Outcome, Request, Sending};
use loopfour_lang::catalog::Method;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};

pub(crate) use access::Access;
pub(crate) use door::Channel;
use door::may_fit;
pub(crate) use endpoints::{Remote, is_absent};
pub(crate) use identify::set_account;
pub(crate) use oauth::credentials_of;
pub(crate) use unsent::way_back_to;

use crate::Error;
use crate::credentials::{Credentials, SANDBOX_KEY, StripeKey};
use crate::endpoints::{Addresses, Registrar};
use crate::http::{Client, Tls, is_loopback};
use crate::nango;
use crate::pace::{PaceConfig, Place};
use crate::polling::Cursors;
use crate::registry::{BuiltIn, Registry};

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
    /// `STRIPE_WEBHOOK_SECRET`: any of these may sign the events of the company whose the key is.
    pub webhook_secrets: Vec<SecretString>,
    /// Where the API is: [`API_BASE`], or the sandbox's address, or a stand-in's.
    pub api_base: String,
    /// Calls go to the sandbox at `api_base`, under the connection `sandbox`.
    pub sandbox: bool,
    /// How many calls a second go out.
    pub pace: PaceConfig,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            api_key: None,
            webhook_secrets: Vec::new(),
            api_base: API_BASE.to_owned(),
            sandbox: false,
            pace: PaceConfig::default(),
        }
    }
}

/// Stripe, under the connections of the registry.
pub(crate) struct Stripe {
    client: Client,
    base: Url,
    pub(crate) registry: Arc<Registry>,
    /// Whom tokens are asked of.
    pub(crate) nango: Option<Arc<nango::Client>>,
    /// What Stripe is told of where to send events.
    pub(crate) registrar: Registrar,
    /// How far events were asked for.
    pub(crate) cursors: Cursors,
}

/// The connection that comes with the process; an empty key is none.
///
/// # Errors
/// A key that is not one of Stripe's.
pub(crate) fn built_in(config: &Config) -> Result<Option<BuiltIn>, Error> {
    let (source, mode, key) = match (config.sandbox, &config.api_key) {
        (true, _) => (Source::Sandbox, Some("sandbox"), SANDBOX_KEY.into()),
        (false, Some(key)) if !key.expose_secret().trim().is_empty() => {
            (Source::Environment, None, key.clone())
        }
        (false, Some(_) | None) => return Ok(None),
    };
    let key = StripeKey::parse(&key).map_err(Error::Key)?;
    let credentials = Credentials::Key(key.bearer);
    Ok(Some(BuiltIn { source, mode: mode.unwrap_or(key.mode), credentials }))
}

impl Stripe {
    /// Stripe as configured. Nothing is sent yet.
    ///
    /// # Errors
    /// A base that cannot be used.
    pub(crate) fn new(
        config: &Config,
        registry: Arc<Registry>,
        nango: Option<Arc<nango::Client>>,
        addresses: Addresses,
    ) -> Result<Stripe, Error> {
        let built_in = registry.built_in();
        let mode = built_in.as_ref().and_then(|live| live.row.mode.as_deref());
        let base = base(&config.api_base, mode)?;
        let tls = if base.scheme() == "https" { Tls::SystemRoots } else { Tls::Unused };
        let registrar = Registrar::at(addresses);
        Ok(Stripe {
            client: Client::new(tls)?,
            base,
            registry,
            nango,
            registrar,
            cursors: Cursors::default(),
        })
    }

    /// Whether a key or token of that mode may be sent to where Stripe's API is.
    pub(crate) fn takes(&self, mode: &str) -> Result<(), Error> {
        base(self.base.as_str(), Some(mode)).map(|_| ())
    }

    /// The request that a step's config makes. Pure.
    pub(crate) fn prepare(self: &Arc<Stripe>, call: &Call<'_>) -> Result<Request, Unprepared> {
        let (account, version) = self.account(call)?;
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
            version,
            account,
        })
    }

    /// Waits until the pace lets the call go out; not at all if it is not going to.
    pub(crate) async fn turn(&self, request: &Request) {
        if let Some(live) = self.registry.named(&request.account)
            && may_fit(&live, &request.account)
        {
            self.turn_of(&live, request, Place::Last).await;
        }
    }

    /// Sends a prepared request once and judges the answer. A delete is looked for where it may be done already.
    pub(crate) async fn perform(self: &Arc<Stripe>, sending: Sending<'_>) -> Outcome {
        let deadline = Instant::now() + sending.timeout;
        let channel = match timeout_at(deadline, self.open(&sending.request.account)).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(failure)) => return Outcome::Failed(failure),
            Err(_) => return Outcome::Failed(self.not_in_time(&sending.request.account)),
        };
        let sending = until(deadline, sending);
        match sending.request.effect {
            Effect::Read | Effect::Write => self.exchange(&channel, sending).await,
            Effect::Delete => self.delete(&channel, sending).await,
        }
    }

    /// Why a call had nothing to go out with when its time was over.
    fn not_in_time(&self, account: &Account) -> Box<Failure> {
        let live = self.registry.named(account);
        match live.filter(|live| matches!(live.credentials, Credentials::Nango(_))) {
            Some(live) => {
                let error = unsent::nango_away(&live.row, "Nango gave none within the call's time limit");
                error::failure(Finding::NoConnection, error)
            }
            None => error::failure(Finding::Unreachable, unsent::account_not_known()),
        }
    }
}

/// The same sending with what is left of its time.
fn until(deadline: Instant, sending: Sending<'_>) -> Sending<'_> {
    Sending { timeout: deadline.saturating_duration_since(Instant::now()), ..sending }
}

/// The base of the API, checked against the mode of what is sent there.
fn base(text: &str, mode: Option<&str>) -> Result<Url, Error> {
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
    match mode {
        Some("sandbox") if host.ends_with("stripe.com") => {
            Err(refused("with the sandbox on, nothing goes to Stripe"))
        }
        Some("live") if base.scheme() == "http" && !loopback => {
            Err(refused("a live key is not sent over plain http to another machine"))
        }
        _ => Ok(base),
    }
}
