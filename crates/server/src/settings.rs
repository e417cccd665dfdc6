//! What the operator settled about the API.

use std::collections::BTreeMap;

use loopfour_store::Role;
use secrecy::SecretString;

use crate::origins::Origins;
use crate::rate::RateLimits;

/// What the operator settled about the API.
#[derive(Debug)]
pub struct Settings {
    /// How often whom may call.
    pub rate_limits: RateLimits,
    /// Where people reach the server: the setting `public_url`, else `http://` and where it listens. Without a slash at its
    /// end.
    pub public_url: String,
    /// Origins beside the server's own to which people may be sent on.
    pub redirect_origins: Vec<String>,
    /// What Nango signs its webhooks with; without it none is taken.
    pub nango_signing_key: Option<SecretString>,
    /// Which groups of the OpenID provider give which role.
    pub roles: BTreeMap<String, Role>,
}

impl Settings {
    /// The settings of a server that people reach there, all else as it is unless told otherwise.
    pub fn at(public_url: &str) -> Settings {
        Settings {
            rate_limits: RateLimits::default(),
            public_url: public_url.trim_end_matches('/').to_owned(),
            redirect_origins: Vec::new(),
            nango_signing_key: None,
            roles: BTreeMap::new(),
        }
    }

    /// Where people may be sent on to: the server's own origin, and those that the operator added.
    pub fn origins(&self) -> Origins {
        let added = self.redirect_origins.iter().map(|origin| &**origin);
        Origins::of([&*self.public_url].into_iter().chain(added))
    }

    /// Whether people reach the server over TLS, so that cookies are for TLS only.
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}
