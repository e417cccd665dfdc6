//! One LoopFour in this process: the database, the providers, whoever runs workflows, the API, and the sandbox if it is
//! wanted. Everything concrete is put together here and nowhere else.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use loopfour_connect::oidc::{self, OpenId};
use loopfour_connect::outbound::{Guard, Outbound};
use loopfour_connect::{Connect, Polling, nango, stripe};
use loopfour_engine::Actor;
use loopfour_engine::definitions::Definitions;
use loopfour_engine::identity::IdentityProvider;
use loopfour_engine::notices::Teller;
use loopfour_engine::ports::{Clock as _, Runs};
use loopfour_host::triggers::Triggers;
use loopfour_host::{Host, Notices, Recovered, Settings, SystemClock};
use loopfour_sandbox::Sandbox;
use loopfour_server::settings::Settings as ApiSettings;
use loopfour_server::{App, Services};
use loopfour_store::{KeyError, NewKey, Scope, Secret, StorageError, Store};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{error, info, warn};

use crate::client::local_address;
use crate::config::Config;
use crate::failure::Failure;
use crate::upkeep;

/// How long calls under way may take to be answered when the server stops; less than what Docker waits before it kills.
/// A call that takes longer is sent again, under its key, at the next start.
const GRACE: Duration = Duration::from_secs(8);

/// How long messages under way may take to arrive then. One that takes longer is sent again, under its id, at the next
/// start.
const NOTICE_GRACE: Duration = Duration::from_secs(2);

/// How long a start waits to be told whose account a key belongs to.
const ACCOUNT_LIMIT: Duration = Duration::from_secs(3);

/// A server that takes requests.
pub struct Instance {
    /// Where it listens.
    pub address: SocketAddr,
    /// The API key that a first start made.
    pub key: Option<Secret>,
    /// The sandbox inside it.
    pub sandbox: Option<Embedded>,
    store: Store,
    host: Host<Store, Connect, SystemClock>,
    notices: Notices<Store, SystemClock>,
    recovery: JoinHandle<Recovered>,
    triggers: Triggers<Store, SystemClock>,
    polling: Polling,
    upkeep: JoinSet<()>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Instance {
    /// Opens the data directory, lets unfinished runs go on, and listens.
    ///
    /// # Errors
    /// Anything that makes a start impossible; nothing runs then.
    pub async fn start(config: &Config) -> Result<Instance, Failure> {
        let store = open(config)?;
        let listener = listen(config.listen).await?;
        let address = bound(&listener)?;
        if !address.ip().is_loopback() {
            warn!(%address, "others can reach this server; put it behind a proxy that speaks https");
        }
        let sandbox = if config.sandbox { Some(Embedded::start(config).await?) } else { None };
        let connect = connect(config, &store, sandbox.as_ref(), Some(address)).await?;
        let key = first_key(&store, config).await?;

        let definitions = Arc::new(Definitions::default());
        let settings = Settings { policy: config.policy, ..Settings::default() };
        let host = Host::new(store.clone(), connect.clone(), SystemClock, Arc::clone(&definitions), settings);
        let (runs, clock) = (Arc::new(host.clone()), Arc::new(SystemClock));
        let teller = Arc::new(Outbound::new(Guard::new(config.outbound_allow.clone())));
        let triggers = Triggers::new(
            store.clone(),
            Arc::new(connect.clone()),
            Arc::clone(&runs) as Arc<dyn Runs>,
            Arc::clone(&definitions),
            SystemClock,
        );
        let services = Services {
            store: store.clone(),
            runs,
            definitions,
            connections: Arc::new(connect.clone()),
            senders: Arc::new(connect.clone()),
            endpoints: Arc::new(connect.clone()),
            intake: Arc::new(triggers.clone()),
            identity: identity(config)?,
            teller: Arc::clone(&teller) as Arc<dyn Teller>,
            clock,
        };
        let app = App::new(services, api_settings(config, address));
        // Before anybody can start a run: one that began meanwhile would be taken for an unfinished one. Who calls
        // already waits at the listener.
        let recovery =
            host.recover().await.map_err(|cause| Failure::refused(format!("unfinished runs: {cause}")))?;
        let recovery = tokio::spawn(recovery);
        let notices = Notices::new(store.clone(), teller, SystemClock);
        notices.start();
        let upkeep = upkeep::begin(&app, &store, &host, connect.changes(), config.keep_events);
        identify(&connect).await;
        triggers.start();
        let polling = connect.poll_into(Arc::new(triggers.clone()));
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            // An instance that was dropped is to stop as well.
            let _ = stopped.await;
        };
        let serving = tokio::spawn(loopfour_server::serve(listener, app, stopped));
        Ok(Instance {
            address,
            key,
            sandbox,
            store,
            host,
            notices,
            recovery,
            triggers,
            polling,
            upkeep,
            stop,
            serving,
        })
    }

    /// Makes a key with all scopes for the company `default`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn new_key(&self, name: &str) -> Result<Secret, Failure> {
        let (company, by) = (self.store.default_company(), Actor::system("loopfour"));
        let made = self.store.create_key(company, all_scopes(name), &by, SystemClock.now()).await;
        made.map(|(_, secret)| secret).map_err(no_key)
    }

    /// Resolves when the database is not to be trusted any more, with what happened: nothing may be sent or stored then.
    pub async fn broken(&self) -> String {
        let mut broken = self.store.broken();
        let cause = broken.wait_for(Option::is_some).await.ok().and_then(|cause| cause.clone());
        match cause {
            Some(cause) => cause,
            // The store lives as long as `self`.
            None => std::future::pending().await,
        }
    }

    /// Takes no new work, waits for requests and calls under way, and closes everything.
    pub async fn stop(self) {
        info!("stopping");
        // The server may have ended by itself; then nobody listens any more.
        let _ = self.stop.send(());
        self.recovery.abort();
        drop((self.polling, self.upkeep));
        self.triggers.stop().await;
        let (in_time, served, ()) =
            tokio::join!(self.host.stop(GRACE), self.serving, self.notices.stop(NOTICE_GRACE));
        if !in_time {
            warn!("calls are still under way; they are sent again under their keys at the next start");
        }
        match served {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => error!(%cause, "the server ended badly"),
            Err(cause) => error!(%cause, "the server met a defect"),
        }
        if let Some(sandbox) = self.sandbox {
            sandbox.stop().await;
        }
    }
}

/// The sandbox inside this process, on a loopback port of its own.
pub struct Embedded {
    /// `http://` and where it listens.
    pub address: String,
    /// The file that says so to other commands on the same data directory.
    told: PathBuf,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), loopfour_sandbox::Error>>,
}

/// In the data directory: where the sandbox inside the server listens.
const SANDBOX_ADDRESS: &str = "sandbox/address";

/// Where the sandbox inside the server of a data directory listens, as far as it was stopped in order.
pub fn sandbox_address(data: &Path) -> Option<String> {
    std::fs::read_to_string(data.join(SANDBOX_ADDRESS)).ok()
}

impl Embedded {
    /// Starts it, with its objects in `sandbox` under the data directory.
    ///
    /// # Errors
    /// Its file, the fixtures or a port cannot be used.
    pub async fn start(config: &Config) -> Result<Embedded, Failure> {
        let settings = loopfour_sandbox::Config {
            data: Some(config.data.join("sandbox")),
            fixtures: config.fixtures.clone(),
            ..Default::default()
        };
        let sandbox = Sandbox::open(settings).map_err(|cause| Failure::refused(cause.to_string()))?;
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = format!("http://{}", bound(&listener)?);
        let told = config.data.join(SANDBOX_ADDRESS);
        std::fs::write(&told, &address)
            .map_err(|cause| Failure::refused(format!("{}: cannot be written: {cause}", told.display())))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(sandbox.serve(listener, async {
            let _ = stopped.await;
        }));
        Ok(Embedded { address, told, stop, serving })
    }

    /// Stops it; returns once its file is closed.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        // What is left of it names an address at which nobody answers.
        let _ = std::fs::remove_file(&self.told);
        match self.serving.await {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => error!(%cause, "the offline Stripe ended badly"),
            Err(cause) => error!(%cause, "the offline Stripe met a defect"),
        }
    }
}

/// Opens a data directory.
///
/// # Errors
/// It cannot be used, another process uses it, or its secrets key file is not the right one.
pub fn open(config: &Config) -> Result<Store, Failure> {
    Store::open_with(&config.data, config.secrets_key_file.as_deref(), SystemClock.now())
        .map_err(|cause| Failure::refused(cause.to_string()))
}

/// The key that a first start makes, where none is given. At a later start the given one must be known.
async fn first_key(store: &Store, config: &Config) -> Result<Option<Secret>, Failure> {
    let (company, by, now) = (store.default_company(), Actor::system("first start"), SystemClock.now());
    let is_first = !store.has_keys().await.map_err(storage)?;
    match &config.api_key {
        None if is_first => {
            let made = store.create_key(company, all_scopes("first"), &by, now).await;
            made.map(|(_, secret)| Some(secret)).map_err(no_key)
        }
        None => Ok(None),
        Some(key) if is_first => {
            let inserted = store.insert_key(company, all_scopes("first"), key, &by, now).await;
            inserted.map(|_| None).map_err(no_key)
        }
        Some(key) => match store.authenticate(key.reveal(), now).await.map_err(storage)? {
            Some(_) => Ok(None),
            None => {
                let data = config.data.display();
                Err(Failure::refused(format!(
                    "LOOPFOUR_API_KEY: is not a valid key of the data directory `{data}`"
                ))
                .hint("unset it, or set one that was made there"))
            }
        },
    }
}

fn all_scopes(name: &str) -> NewKey {
    NewKey { name: name.to_owned(), scopes: Scope::ALL.to_vec(), expires_at: None, member: None }
}

fn no_key(cause: KeyError) -> Failure {
    Failure::refused(format!("no API key was made: {cause}"))
}

fn storage(cause: StorageError) -> Failure {
    Failure::refused(format!("the database failed: {cause}"))
}

/// The providers as configured, under the connections that the database keeps; all calls go to the sandbox where there is
/// one. Whose account the configured key is is asked here, and again by the first call if that is not told. `own` is where
/// this server listens, if it does.
///
/// # Errors
/// A key or address cannot be used, or the database failed.
pub async fn connect(
    config: &Config,
    store: &Store,
    sandbox: Option<&Embedded>,
    own: Option<SocketAddr>,
) -> Result<Connect, Failure> {
    let usual = config.stripe_api_base.clone().unwrap_or_else(|| stripe::API_BASE.to_owned());
    let stripe = stripe::Config {
        api_key: config.stripe_api_key.clone(),
        api_base: sandbox.map_or(usual, |sandbox| sandbox.address.clone()),
        sandbox: sandbox.is_some(),
        webhook_secrets: config.stripe_webhook_secrets.clone(),
        pace: config.stripe_pace,
    };
    let nango = config.nango.as_ref().map(|nango| nango::Config {
        server_url: nango.server_url.clone(),
        secret_key: nango.secret_key.clone(),
        stripe_integration: nango.stripe_integration.clone(),
        public_url: config.public_url.as_deref().and_then(|url| url.parse().ok()),
    });
    let outside = loopfour_connect::Config {
        stripe,
        nango,
        default_company: store.default_company(),
        public_url: config.public_url.clone(),
        own_url: own.map(local_address),
    };
    let connect = Connect::open(outside, Arc::new(store.clone()), Arc::new(SystemClock)).await;
    connect.map_err(|cause| Failure::refused(cause.to_string()))
}

/// The OpenID provider by which people sign in, if one is configured.
fn identity(config: &Config) -> Result<Option<Arc<dyn IdentityProvider>>, Failure> {
    let Some(oidc) = &config.oidc else { return Ok(None) };
    let provider = OpenId::new(oidc::Config {
        issuer: oidc.issuer.clone(),
        client_id: oidc.client_id.clone(),
        client_secret: oidc.client_secret.clone(),
    });
    let provider = provider.map_err(|cause| Failure::refused(format!("oidc.issuer: {cause}")))?;
    Ok(Some(Arc::new(provider)))
}

/// What the API is told of the settings.
fn api_settings(config: &Config, address: SocketAddr) -> ApiSettings {
    let own = format!("http://{address}");
    ApiSettings {
        rate_limits: config.rate_limits,
        redirect_origins: config.redirect_origins.clone(),
        nango_signing_key: config.nango.as_ref().and_then(|nango| nango.webhook_signing_key.clone()),
        roles: config.oidc.as_ref().map(|oidc| oidc.role_map.clone()).unwrap_or_default(),
        ..ApiSettings::at(config.public_url.as_deref().unwrap_or(&own))
    }
}

/// Asks whose account the key belongs to, so that the first run need not wait for it.
pub async fn identify(connect: &Connect) {
    if let Err(error) = connect.identify(ACCOUNT_LIMIT).await {
        warn!(hint = error.hint, "{}", error.message);
    }
}

/// Listens on an address.
///
/// # Errors
/// It is taken, or not ours.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|cause| Failure::refused(format!("listen: cannot listen on {address}: {cause}")))
}

/// Where a listener listens, its port known.
///
/// # Errors
/// The system does not say.
pub fn bound(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|cause| Failure::refused(format!("listen: {cause}")))
}

/// Logs to stderr; RUST_LOG sets how much, `usual` is said without it.
pub fn log(usual: &str) {
    use std::io::IsTerminal as _;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
