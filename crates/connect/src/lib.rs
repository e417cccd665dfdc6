//! Everything that leaves the machine: how a step's config becomes a provider's request, how it is sent, what its
//! answer means.
//!
//! A provider is a folder, an action is a row of the catalogue. Providers judge answers, the engine acts on them:
//! nothing in here retries, or keeps state about runs. What it keeps is about accounts: whose they are, and their pace.

mod credentials;
mod http;
pub mod oidc;
pub mod pace;
pub mod stripe;

use std::sync::Arc;
use std::time::Duration;

use loopfour_engine::error::code;
use loopfour_engine::ports::{Actions, Call, Candidates, FindError, Prepare, Unprepared};
use loopfour_engine::{Finding, Outcome, Request, RunId, Sending, StepError, StepPath, Timestamp};
use loopfour_lang::Document;

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

/// The providers, by name. One for the process: its clients keep their connections open.
#[derive(Clone, Debug)]
pub struct Connect {
    stripe: Arc<stripe::Stripe>,
}

impl Connect {
    /// Connects to the providers that are configured.
    ///
    /// # Errors
    /// A key or a base address that cannot be used, or no certificates on this machine.
    pub fn new(stripe: stripe::Config) -> Result<Connect, Error> {
        Ok(Connect { stripe: Arc::new(stripe::Stripe::new(stripe)?) })
    }

    /// Asks whose accounts the connections are. Without it the first call is not prepared yet, and asks.
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
