//! A fake Nango: an HTTP server on the loopback interface that speaks the part of Nango's contract which we use, with a
//! stand-in of Stripe's consent page. Its state is in memory and its time is a clock that tests move. It has no proxy, no
//! dashboard and no providers but those in its table, and it delivers a webhook once, while the call that caused it waits.
//!
//! What a person's browser does: the link of a session (`/oauth/connect/<key>?connect_session_token=…` or the hosted page)
//! leads to `/stripe/authorize?state=…&redirect_uri=…`, a page with a choice of accounts and the buttons allow and deny;
//! `&account=acct_x&allow=1` or `&deny=1` presses them. Given a sandbox, it tells that of every token that it issues
//! (`POST /_sandbox/keys` with token, account and expiry), so the sandbox takes the token as that account's.
//!
//! Controls, JSON in and out, without a key; each POST answers what is then in force:
//!
//! | control | does |
//! |---|---|
//! | `GET /_nango/calls` | the calls received, and how many of each kind: `{calls: [{number, method, path, status}], counts: {"GET /connections/{id}": 1}}` |
//! | `GET /_nango/connections` | its connections with their secrets: `{connections: [{connection_id, provider_config_key, account, token, tags, revoked}]}` |
//! | `GET, POST /_nango/clock` | `{advance: seconds}` moves its clock, back as well |
//! | `GET, POST /_nango/weather` | `{mode, calls?, retry_after?}`: `up`, `refuse` (the connection is cut), `error` (500), `html` (an HTML page of a proxy, 502), `limited` (429); for that many calls or until changed |
//! | `GET, POST /_nango/limit` | `{per_minute}`: its rate limit, 200 at first |
//! | `GET, POST /_nango/tokens` | `{lifetime: seconds or null, failing_refreshes: count, hidden: bool}`: tokens without expiry, refreshes that fail, a key that may not read credentials; what is left out stays |
//! | `POST /_nango/revoke` | `{connection_id}`: the account's owner takes the access back; the token is refused and never refreshed |
//! | `GET, POST /_nango/webhooks` | `{on, deliver_to?, loopback?}`: sends webhooks, to that address and without TLS whatever the URL names; allows loopback URLs, which Nango refuses. GET shows what was sent |
//! | `POST /_nango/resend` | `{number}`: sends a webhook of that list again, byte by byte |
//! | `POST /_nango/integrations` | `{providers: […]}`: has exactly these integrations, each named as its provider |

mod answer;
mod api;
mod browser;
mod client;
mod connections;
mod controls;
mod fields;
mod http;
mod integrations;
mod oauth;
mod pages;
mod sessions;
mod state;
mod tokens;
mod webhooks;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use loopfour_engine::ports::Clock;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub use self::browser::Page;
use self::state::Shared;

/// How a fake Nango is set up.
pub struct Config {
    /// Where it listens; a free port of the loopback interface at first.
    pub listen: SocketAddr,
    /// The base address of the sandbox that is told of tokens, `http://…`; nobody is told without.
    pub stripe: Option<String>,
    /// The providers that it has integrations of, each integration named as its provider.
    pub integrations: Vec<String>,
    /// Its time, before `/_nango/clock` moves it; the system's without.
    pub clock: Option<Arc<dyn Clock>>,
    /// The secret key that callers show, a UUID version 4; a fresh one without.
    pub key: Option<String>,
    /// The key that signs webhooks; a fresh one without.
    pub signing_key: Option<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            stripe: None,
            integrations: vec!["stripe-app".to_owned()],
            clock: None,
            key: None,
            signing_key: None,
        }
    }
}

/// A running fake Nango; it ends when it is dropped.
pub struct Nango {
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Nango {
    /// Starts it on the current tokio runtime.
    ///
    /// # Errors
    /// Where the address cannot be listened on, or is not of the loopback interface: its controls need no key.
    pub async fn start(config: Config) -> io::Result<Nango> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            return Err(io::Error::other(format!("a fake Nango listens on loopback only, not on {address}")));
        }
        let unknown = config.integrations.iter().find(|name| integrations::provider(name).is_none());
        if let Some(name) = unknown {
            return Err(io::Error::other(format!("there is no provider `{name}`")));
        }
        let shared = Arc::new(Shared::new(config, address));
        let server = tokio::spawn(http::serve(Arc::clone(&shared), listener));
        Ok(Nango { shared, server })
    }

    /// Its base address, `http://127.0.0.1:…`.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// The secret key that callers show.
    pub fn key(&self) -> &str {
        &self.shared.key
    }

    /// The key that signs its webhooks.
    pub fn signing_key(&self) -> &str {
        &self.shared.signing_key
    }

    /// Ends as soon as its server does, which nothing but dropping it makes happen.
    pub async fn ended(mut self) {
        // The task is only ever aborted, by `drop`.
        let _ = (&mut self.server).await;
    }

    /// What a control shows: `calls`, `connections`, `clock`, `weather`, `limit`, `tokens` or `webhooks`.
    ///
    /// # Panics
    /// Where there is no such control.
    pub async fn show(&self, control: &str) -> Value {
        let shown = controls::run(&self.shared, "GET", control, Value::Null).await;
        shown.unwrap_or_else(|message| panic!("{message}"))
    }

    /// Uses a control, as `POST /_nango/<control>` does.
    ///
    /// # Panics
    /// Where there is no such control, or it does not take the body.
    pub async fn set(&self, control: &str, body: Value) -> Value {
        let set = controls::run(&self.shared, "POST", control, body).await;
        set.unwrap_or_else(|message| panic!("{message}"))
    }

    /// How many calls of a kind it received, like `GET /connections/{id}`.
    pub fn count(&self, kind: &str) -> usize {
        self.shared.state().calls.iter().filter(|call| call.kind == kind).count()
    }
}

impl Drop for Nango {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A fresh UUID version 4, as Nango's keys and ids are.
fn uuid() -> String {
    Uuid::new_v4().to_string()
}
