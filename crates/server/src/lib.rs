//! The HTTP API: authenticate, limit, read, call, and answer in the envelope.
//!
//! It decides nothing about workflows or runs and knows no SQL: those are asked of [`loopfour_lang`], of the store, and
//! of whoever runs workflows, through the port [`Runs`]. The types that clients see are this crate's own.

pub mod api;
pub mod auth;
pub mod body;
pub mod definition;
pub mod envelope;
pub mod error;
pub mod limits;
pub mod live;
pub mod openapi;
pub mod origins;
mod page;
pub mod query;
pub mod rate;
pub mod request;
pub mod routes;
mod serve;
pub mod session;
pub mod settings;
pub mod sign_ins;
pub mod view;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts as _, Request, State};
use loopfour_engine::connections::Connections;
use loopfour_engine::definitions::Definitions;
use loopfour_engine::identity::IdentityProvider;
use loopfour_engine::notices::Teller;
use loopfour_engine::ports::{Clock, Runs};
use loopfour_engine::provider_events::{Endpoints, Intake, Senders};
use loopfour_engine::{CompanyId, Timestamp, WorkflowId};
use loopfour_lang::Workflow;
use loopfour_store::Store;
use tokio::sync::watch;

use crate::auth::Caller;
use crate::error::{Code, Error};
use crate::rate::Rates;
use crate::settings::Settings;
use crate::sign_ins::SignIns;

pub use serve::serve;

/// What every request can reach. Clones are handles of the same.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    services: Services,
    settings: Settings,
    rates: Rates,
    sign_ins: SignIns,
    stopping: watch::Sender<bool>,
}

/// Whom the API asks.
pub struct Services {
    /// The database.
    pub store: Store,
    /// Who runs workflows.
    pub runs: Arc<dyn Runs>,
    /// The checked workflows, which it shares with who runs them.
    pub definitions: Arc<Definitions>,
    /// Who uses connections.
    pub connections: Arc<dyn Connections>,
    /// Who knows what senders of events sign with.
    pub senders: Arc<dyn Senders>,
    /// Who tells providers where to send events.
    pub endpoints: Arc<dyn Endpoints>,
    /// Who takes events in.
    pub intake: Arc<dyn Intake>,
    /// The OpenID provider by which people sign in, if there is one.
    pub identity: Option<Arc<dyn IdentityProvider>>,
    /// Who sends messages to notices.
    pub teller: Arc<dyn Teller>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl App {
    /// The API over these services.
    pub fn new(services: Services, settings: Settings) -> App {
        let (rates, stopping) = (Rates::new(settings.rate_limits), watch::Sender::new(false));
        let sign_ins = SignIns::default();
        App(Arc::new(Shared { services, settings, rates, sign_ins, stopping }))
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.0.services.store
    }

    /// Who runs workflows.
    pub fn runs(&self) -> &dyn Runs {
        &*self.0.services.runs
    }

    /// Who uses connections.
    pub fn connections(&self) -> &dyn Connections {
        &*self.0.services.connections
    }

    /// Who knows what senders of events sign with.
    pub fn senders(&self) -> &dyn Senders {
        &*self.0.services.senders
    }

    /// Who tells providers where to send events.
    pub fn endpoints(&self) -> &dyn Endpoints {
        &*self.0.services.endpoints
    }

    /// Who takes events in.
    pub fn intake(&self) -> &dyn Intake {
        &*self.0.services.intake
    }

    /// The OpenID provider by which people sign in, if there is one.
    pub fn identity(&self) -> Option<&dyn IdentityProvider> {
        self.0.services.identity.as_deref()
    }

    /// Who sends messages to notices.
    pub fn teller(&self) -> &dyn Teller {
        &*self.0.services.teller
    }

    /// What the operator settled.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.0.services.clock.now()
    }

    /// How often whom was here lately.
    pub fn rates(&self) -> &Rates {
        &self.0.rates
    }

    /// Sign-ins at the OpenID provider that have begun.
    pub fn sign_ins(&self) -> &SignIns {
        &self.0.sign_ins
    }

    /// A version of a company's workflow, checked; from memory as a rule. `None` if the text that is stored has errors,
    /// which an earlier release may not have known.
    ///
    /// # Errors
    /// The version is not stored, or the database failed.
    pub async fn definition(
        &self,
        company: CompanyId,
        workflow: WorkflowId,
        version: u32,
    ) -> Result<Option<Arc<Workflow>>, Error> {
        if let Some(known) = self.0.services.definitions.get(workflow, version) {
            return Ok(Some(known));
        }
        let stored = self.store().workflow_version(company, workflow, version).await?;
        let stored = stored
            .ok_or_else(|| Error::internal(format!("version {version} of {workflow} is not stored")))?;
        let definitions = Arc::clone(&self.0.services.definitions);
        definition::apart(stored.source.len(), move || definitions.insert(workflow, version, &stored.source))
            .await
    }

    /// Becomes true when the server stops.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.subscribe()
    }

    /// Ends what would go on for long by itself: streams and waits. [`serve`] calls it.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }
}

/// All routes.
pub fn router(app: App) -> Router {
    let routes = routes::routes().into_iter();
    routes
        .fold(Router::new(), |router, route| router.route(route.path, route.handler))
        // The same page; only one address of it is told of.
        .route("/docs/", axum::routing::get(api::reference::page))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::middleware::from_fn_with_state(app.clone(), request::around))
        .with_state(app)
}

async fn unknown(State(app): State<App>, request: Request) -> Error {
    let path: String = request.uri().path().chars().take(200).collect();
    let error = Error::new(Code::NotFound, format!("there is nothing at `{path}`"));
    counted(&app, request).await.err().unwrap_or(error)
}

async fn wrong_method(State(app): State<App>, request: Request) -> Error {
    let message = format!("{} is not taken here; the `allow` header says what is", request.method());
    let error = Error::new(Code::MethodNotAllowed, message);
    counted(&app, request).await.err().unwrap_or(error)
}

/// Counts a request that nothing answers, where it comes with a key: guessing addresses is no way around the limits.
async fn counted(app: &App, request: Request) -> Result<(), Error> {
    let (mut parts, _) = request.into_parts();
    if parts.uri.path().starts_with("/api/v1") && parts.headers.contains_key(auth::API_KEY) {
        Caller::from_request_parts(&mut parts, app).await?;
    }
    Ok(())
}
