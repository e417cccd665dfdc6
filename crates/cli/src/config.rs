//! The settings of a server: flag, environment, file, default, in that order of precedence.
//!
//! A setting that cannot be used stops the start, with a message that names where it was written. Secrets are never
//! printed.

mod layers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use loopfour_connect::outbound::Network;
use loopfour_connect::pace::PaceConfig;
use loopfour_engine::Policy;
use loopfour_server::rate::RateLimits;
use loopfour_store::{Role, Secret};
use secrecy::SecretString;
use serde::Serialize;

use crate::failure::Failure;
pub(crate) use layers::without_password;

/// Where a server listens that is not told.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:3000";

/// How long what provider events brought is kept unless told otherwise, milliseconds: 35 days.
const KEEP_EVENTS: i64 = 35 * 24 * 60 * 60 * 1000;

/// What the command line says.
#[derive(clap::Args, Debug, Default)]
pub struct Flags {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The address under which others reach this server.
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Send actions to the built-in offline Stripe, never to Stripe.
    #[arg(long)]
    pub sandbox: bool,
    /// With the sandbox: a JSON file {"objects": [...]} of objects with ids of their own, loaded at the start. Those that
    /// are there already stay as they are.
    #[arg(long, value_name = "FILE")]
    pub fixtures: Option<PathBuf>,
    /// The settings file [default: loopfour.toml, if there is one].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Which data directory, for commands that need no server.
#[derive(clap::Args, Debug)]
pub struct DataFlags {
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The settings file [default: loopfour.toml, if there is one].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl DataFlags {
    /// The data directory that `serve` would use with these flags.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn directory(self) -> Result<PathBuf, Failure> {
        self.config().map(|config| config.data)
    }

    /// The settings that `serve` would use with these flags.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn config(self) -> Result<Config, Failure> {
        let DataFlags { data, config } = self;
        Config::load(Flags { data, config, ..Flags::default() })
    }
}

/// A setting in force, for people. Secrets are masked.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name in the file; where it has none there, the flag's or the variable's.
    pub key: &'static str,
    /// Its value; none where it is not set.
    pub value: Option<String>,
    /// The flag, the variable or the file that says so, or `default`.
    pub source: String,
}

/// The settings in force.
#[derive(Debug)]
pub struct Config {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// The data directory.
    pub data: PathBuf,
    /// The address under which others reach this server, without a slash at its end.
    pub public_url: Option<String>,
    /// Whether actions go to the built-in sandbox.
    pub sandbox: bool,
    /// Objects that the sandbox begins with.
    pub fixtures: Option<PathBuf>,
    /// Stripe's address, where it is not the usual one.
    pub stripe_api_base: Option<String>,
    /// The Stripe key of the company `default`.
    pub stripe_api_key: Option<SecretString>,
    /// What signs the events of the company `default`.
    pub stripe_webhook_secrets: Vec<SecretString>,
    /// The first API key.
    pub api_key: Option<Secret>,
    /// How often a key may call.
    pub rate_limits: RateLimits,
    /// How many calls a second go to Stripe.
    pub stripe_pace: PaceConfig,
    /// How long things may take.
    pub policy: Policy,
    /// Origins, beside the server's own, that people may be sent on to after they authorised a connection.
    pub redirect_origins: Vec<String>,
    /// Addresses that are not public and may be called all the same where people of a company name them.
    pub outbound_allow: Vec<Network>,
    /// How long what provider events brought is kept, milliseconds.
    pub keep_events: i64,
    /// Who keeps OAuth tokens.
    pub nango: Option<Nango>,
    /// Who says who people are.
    pub oidc: Option<Oidc>,
    /// Where the key for secrets at rest is; without it, in the data directory.
    pub secrets_key_file: Option<PathBuf>,
}

/// A Nango, hosted or self-hosted.
#[derive(Debug)]
pub struct Nango {
    /// Its address, without a slash at its end.
    pub server_url: String,
    /// The key of one of its environments.
    pub secret_key: SecretString,
    /// What signs its webhooks.
    pub webhook_signing_key: Option<SecretString>,
    /// Which of its integrations is Stripe; without it, the only one of a Stripe provider.
    pub stripe_integration: Option<String>,
}

/// An OpenID provider.
#[derive(Debug)]
pub struct Oidc {
    /// Its issuer, letter by letter as its tokens have it.
    pub issuer: String,
    /// What this server is called there.
    pub client_id: String,
    /// This server's secret there; a public client has none.
    pub client_secret: Option<SecretString>,
    /// The role that a group gives.
    pub role_map: BTreeMap<String, Role>,
}

impl Config {
    /// The settings of a server of our own that reads neither environment nor file.
    pub fn on(listen: SocketAddr, data: PathBuf) -> Config {
        Config {
            listen,
            data,
            public_url: None,
            sandbox: false,
            fixtures: None,
            stripe_api_base: None,
            stripe_api_key: None,
            stripe_webhook_secrets: Vec::new(),
            api_key: None,
            // Its only caller is this process.
            rate_limits: RateLimits::OFF,
            stripe_pace: PaceConfig::default(),
            policy: Policy::default(),
            redirect_origins: Vec::new(),
            outbound_allow: Vec::new(),
            keep_events: KEEP_EVENTS,
            nango: None,
            oidc: None,
            secrets_key_file: None,
        }
    }

    /// The file with the key that seals secrets.
    pub fn secrets_file(&self) -> PathBuf {
        self.secrets_key_file.clone().unwrap_or_else(|| self.data.join(loopfour_store::KEY_FILE))
    }

    /// Reads the settings from the flags, this process's environment and the file.
    ///
    /// # Errors
    /// The file cannot be read, has an unknown key, or a value cannot be used.
    pub fn load(flags: Flags) -> Result<Config, Failure> {
        Ok(Config::explain(flags)?.0)
    }

    /// The same, and where each setting comes from.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn explain(flags: Flags) -> Result<(Config, Vec<Setting>), Failure> {
        layers::settle(flags, environment)
    }
}

/// The address that `text` names, where `origin` is where it was written.
///
/// # Errors
/// It is none.
pub fn address(origin: &'static str, text: &str) -> Result<SocketAddr, Failure> {
    layers::address(origin, text)
}

/// An environment variable; an empty one counts as absent.
///
/// # Errors
/// It is not UTF-8.
pub fn environment(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::refused(format!("{name}: is not UTF-8"))),
    }
}
