//! Everything that leaves the machine: how a step's config becomes a provider's request, how it is sent, what its
//! answer means.
//!
//! A provider is a folder, an action is a row of the catalogue. Providers judge answers, the engine acts on them:
//! nothing in here retries, or keeps state about runs. What it keeps is about connections: which there are, whose accounts
//! they are, what they are called with, and their pace.

mod connections;
mod credentials;
mod endpoints;
mod http;
mod live;
pub mod nango;
pub mod oidc;
pub mod outbound;
pub mod pace;
mod polling;
mod registry;
mod senders;
pub mod stripe;
pub mod webhook;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use loopfour_engine::connections::{ConnectionStore, KeepError};
use loopfour_engine::error::code;
use loopfour_engine::ports::{Actions, BoxFuture, Call, Candidates, Clock, FindError, Prepare, Unprepared};
use loopfour_engine::{CompanyId, Finding, Outcome, Request, RunId, Sending, StepError, StepPath, Timestamp};
use loopfour_lang::Document;
use tokio::sync::mpsc::UnboundedReceiver;

use connections::Looks;
use endpoints::Addresses;
pub use polling::Polling;
use registry::{Parts, Registry};

/// Why there is no connection to the outside.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Stripe key is not one.
    #[error("the Stripe key {0}; it starts with `sk_live_`, `rk_live_`, `sk_test_` or `rk_test_`")]
    Key(&'static str),
    /// The base of Stripe's API cannot be used.
    #[error("`{base}` cannot be the base of Stripe's API: {reason}")]
    Base {
        /// As it was given.
        base: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nango's address or key cannot be used.
    #[error("`{server}` cannot be a Nango: {reason}")]
    Nango {
        /// Its address, as it was given.
        server: String,
        /// What is wrong.
        reason: String,
    },
    /// The connections cannot be loaded.
    #[error("the connections cannot be loaded: {0}")]
    Store(#[from] KeepError),
    /// The address of the OpenID provider cannot be used.
    #[error("`{issuer}` cannot be an OpenID provider: {reason}")]
    Issuer {
        /// As it was given.
        issuer: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client could not be built.
    #[error("no HTTP client: {0}")]
    Client(String),
}

/// What the outside is reached with.
#[derive(Debug)]
pub struct Config {
    /// Stripe.
    pub stripe: stripe::Config,
    /// Who keeps OAuth tokens; without it, connections are made by key.
    pub nango: Option<nango::Config>,
    /// Whose `STRIPE_API_KEY` and `STRIPE_WEBHOOK_SECRET` are.
    pub default_company: CompanyId,
    /// The address under which others reach this server, without a slash at its end.
    pub public_url: Option<String>,
    /// The address at which this server listens, without a slash at its end; where the sandbox finds it.
    pub own_url: Option<String>,
}

/// The providers, by name, under the connections of all companies. One for the process: its clients keep their connections
/// open. Clones are the same.
#[derive(Clone)]
pub struct Connect {
    stripe: Arc<stripe::Stripe>,
    looks: Arc<Looks>,
}

impl Connect {
    /// Connects to Stripe with the key of the configuration, or to the sandbox, and nothing else; whichever company asks.
    ///
    /// # Errors
    /// A key or a base address that cannot be used, or no certificates on this machine.
    pub fn new(stripe: stripe::Config) -> Result<Connect, Error> {
        let registry = Registry::new(Parts {
            store: None,
            clock: Arc::new(WallClock),
            default_company: None,
            built_in: stripe::built_in(&stripe)?,
            pace: stripe.pace,
        });
        let stripe = stripe::Stripe::new(&stripe, Arc::new(registry), None, Addresses::default())?;
        Ok(Connect { stripe: Arc::new(stripe), looks: Arc::default() })
    }

    /// Connects to the providers under the stored connections and the configured one. The configured one's row is brought
    /// in line with the configuration; authorisations that were open when the last process ended are looked after.
    ///
    /// # Errors
    /// As for [`Connect::new`], a Nango that cannot be used, or a storage that fails.
    pub async fn open(
        config: Config,
        store: Arc<dyn ConnectionStore>,
        clock: Arc<impl Clock>,
    ) -> Result<Connect, Error> {
        let Config { mut stripe, nango, default_company, public_url, own_url } = config;
        let addresses = Addresses { public: public_url, own: own_url };
        let webhook_secrets = std::mem::take(&mut stripe.webhook_secrets);
        let nango = nango.map(nango::Client::new).transpose()?.map(Arc::new);
        let registry = Registry::new(Parts {
            store: Some(Arc::clone(&store)),
            clock,
            default_company: Some(default_company),
            built_in: stripe::built_in(&stripe)?,
            pace: stripe.pace,
        });
        let stripe = Arc::new(stripe::Stripe::new(&stripe, Arc::new(registry), nango, addresses)?);
        let connect = Connect { stripe, looks: Arc::default() };
        connect.load(&*store).await?;
        let mut signing = store.load_signing().await?;
        connect.stripe.cursors.take_in(std::mem::take(&mut signing.cursors));
        connect.stripe.registry.secrets.take_in(signing, Some((default_company, webhook_secrets)))?;
        Ok(connect)
    }

    /// A receiver of every company one of whose connections can be used again, or otherwise than before: its runs that wait
    /// for a connection may go on.
    pub fn changes(&self) -> UnboundedReceiver<CompanyId> {
        self.stripe.registry.changes()
    }

    /// Asks whose account the configured connection is. Without it the first call is not prepared yet, and asks.
    ///
    /// # Errors
    /// It was not told within the limit; it is asked again when a call needs it.
    pub async fn identify(&self, limit: Duration) -> Result<(), StepError> {
        self.stripe.identify_within(limit).await
    }

    fn provider(&self, name: &str) -> Result<&Arc<stripe::Stripe>, StepError> {
        match name {
            stripe::NAME => Ok(&self.stripe),
            _ => Err(StepError::new(
                code::INTERNAL_ERROR,
                format!("there is no provider `{name}`"),
                format!("the providers are: {}", stripe::NAME),
            )),
        }
    }
}

impl Prepare for Connect {
    fn prepare(&self, call: &Call<'_>) -> Result<Request, Unprepared> {
        self.provider(&call.action.provider)?.prepare(call)
    }
}

impl Actions for Connect {
    async fn turn(&self, request: &Request) {
        if let Ok(provider) = self.provider(&request.provider) {
            provider.turn(request).await;
        }
    }

    async fn perform(&self, sending: Sending<'_>) -> Outcome {
        match self.provider(&sending.request.provider) {
            Ok(provider) => provider.perform(sending).await,
            Err(error) => Outcome::failed(Finding::Defect, error),
        }
    }

    async fn find(&self, request: &Request, id: &str) -> Result<Document, FindError> {
        self.provider(&request.provider).map_err(unfit)?.find(request, id).await
    }

    async fn candidates(
        &self,
        request: &Request,
        run: RunId,
        path: &StepPath,
        since: Timestamp,
    ) -> Result<Candidates, FindError> {
        self.provider(&request.provider).map_err(unfit)?.candidates(request, run, path, since).await
    }
}

fn unfit(error: StepError) -> FindError {
    FindError::Unfit(error.message)
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").finish_non_exhaustive()
    }
}

/// A clock behind a pointer.
pub(crate) trait AnyClock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Waits until then; not at all if that is past.
    fn until(&self, at: Timestamp) -> BoxFuture<'_, ()>;
}

impl<C: Clock> AnyClock for C {
    fn now(&self) -> Timestamp {
        Clock::now(self)
    }

    fn until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(Clock::until(self, at))
    }
}

/// The clock of the machine.
struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }

    async fn until(&self, at: Timestamp) {
        let left = u64::try_from(at.0.saturating_sub(Clock::now(self).0)).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(left)).await;
    }
}
