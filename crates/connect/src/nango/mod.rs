//! Nango, hosted or self-hosted: it leads people through a provider's sign-in and keeps and refreshes the tokens. We ask it
//! for credentials and call the provider ourselves; its proxy is not used, and its webhooks are not needed.

mod client;
mod credentials;
mod tokens;

use reqwest::Url;
use secrecy::SecretString;

pub(crate) use client::{Client, Found, Integration, Refusal, Tags, Way};
pub(crate) use credentials::Given;
pub(crate) use tokens::{Token, Tokens, Trouble};

/// How Nango is reached.
#[derive(Debug)]
pub struct Config {
    /// `https://api.nango.dev`, or one's own.
    pub server_url: String,
    /// `NANGO_SECRET_KEY`: the key of one of its environments.
    pub secret_key: SecretString,
    /// Which of its integrations is Stripe; without it, the only one of a Stripe provider.
    pub stripe_integration: Option<String>,
    /// The address under which others reach this server. Nango is asked to send its news there, if it can.
    pub public_url: Option<Url>,
}

/// What to say where a connection needs Nango and none is configured.
pub(crate) const NOT_CONFIGURED: &str =
    "the server knows no Nango: set NANGO_SECRET_KEY, and NANGO_SERVER_URL for one of your own";
