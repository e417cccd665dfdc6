//! What the fake keeps: integrations, sessions, authorisations under way, connections, and how it is to misbehave.
//! Nothing here waits: the lock is held for moments only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use loopfour_engine::ports::Clock;
use serde::Serialize;
use serde_json::{Map, Value};

use super::integrations::Provider;
use super::webhooks::Webhooks;
use super::{Config, integrations, uuid};

/// What all calls share.
pub(super) struct Shared {
    pub(super) url: String,
    pub(super) key: String,
    pub(super) signing_key: String,
    pub(super) stripe: Option<String>,
    clock: Option<Arc<dyn Clock>>,
    /// How far its time is ahead of the clock, in milliseconds.
    ahead: AtomicI64,
    state: Mutex<State>,
    /// One refresh at a time.
    pub(super) refreshing: tokio::sync::Mutex<()>,
}

impl Shared {
    pub(super) fn new(config: Config, address: SocketAddr) -> Shared {
        let shared = Shared {
            url: format!("http://{address}"),
            key: config.key.unwrap_or_else(uuid),
            signing_key: config.signing_key.unwrap_or_else(uuid),
            stripe: config.stripe.map(|base| base.trim_end_matches('/').to_owned()),
            clock: config.clock,
            ahead: AtomicI64::new(0),
            state: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
        };
        let now = shared.now();
        let known = config.integrations.iter().filter_map(|name| integrations::provider(name));
        for provider in known {
            shared.state().integrations.insert(provider.name.to_owned(), Integration::new(provider, now));
        }
        shared
    }

    /// Milliseconds since 1970.
    pub(super) fn now(&self) -> i64 {
        let now = self.clock.as_ref().map_or_else(system_time, |clock| clock.now().0);
        now.saturating_add(self.ahead.load(Ordering::SeqCst))
    }

    /// Moves its time, back as well.
    pub(super) fn move_clock(&self, milliseconds: i64) {
        self.ahead.fetch_add(milliseconds, Ordering::SeqCst);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn system_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time as Nango writes most of them.
pub(super) fn iso(milliseconds: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::MAX);
    format!("{time:.3}")
}

/// All that changes.
#[derive(Default)]
pub(super) struct State {
    pub(super) integrations: BTreeMap<String, Integration>,
    /// By token.
    pub(super) sessions: HashMap<String, Session>,
    /// Authorisations under way, by their OAuth state.
    pub(super) asked: HashMap<String, Asked>,
    /// The accounts that said yes, by the code that was given for it.
    pub(super) codes: HashMap<String, String>,
    pub(super) connections: Vec<Connection>,
    pub(super) made: u64,
    pub(super) weather: Weather,
    pub(super) rate: Rate,
    pub(super) tokens: TokenRules,
    pub(super) webhooks: Webhooks,
    pub(super) calls: Vec<Call>,
}

impl State {
    pub(super) fn connection(&mut self, integration: &str, id: &str) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|one| one.id == id && one.integration == integration)
    }
}

/// A provider, set up.
#[derive(Clone)]
pub(super) struct Integration {
    pub(super) provider: &'static Provider,
    pub(super) display_name: String,
    pub(super) credentials: Value,
    pub(super) created_at: i64,
}

impl Integration {
    pub(super) fn new(provider: &'static Provider, now: i64) -> Integration {
        let display_name = provider.display_name.to_owned();
        Integration { provider, display_name, credentials: Value::Null, created_at: now }
    }
}

/// Somebody may connect something for half an hour.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) expires_at: i64,
    pub(super) tags: Map<String, Value>,
    /// As a connection shows it; null without one.
    pub(super) end_user: Value,
    /// The integrations that it allows; all without.
    pub(super) allowed: Option<Vec<String>>,
    /// By integration.
    pub(super) connection_config: HashMap<String, Map<String, Value>>,
    pub(super) webhook_url: Option<String>,
    /// The connection that it renews.
    pub(super) reconnects: Option<String>,
}

/// A person is at the provider's page.
pub(super) struct Asked {
    pub(super) integration: String,
    pub(super) session: Session,
}

/// Somebody's access to a provider.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) id: String,
    pub(super) integration: String,
    pub(super) provider: &'static Provider,
    pub(super) credentials: Credentials,
    pub(super) tags: Map<String, Value>,
    pub(super) end_user: Value,
    pub(super) metadata: Value,
    pub(super) config: Map<String, Value>,
    pub(super) webhook_url: Option<String>,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) last_fetched_at: Option<i64>,
    /// When the last refresh failed, if it did.
    pub(super) failed_at: Option<i64>,
    /// On which days, counted from 1970, refreshes failed.
    pub(super) failed_days: BTreeSet<i64>,
    /// The account's owner took it back.
    pub(super) revoked: bool,
}

/// What a connection's access is.
#[derive(Clone)]
pub(super) enum Credentials {
    /// A token of ours.
    Token(Token),
    /// As they were given, with their `type`.
    Given(Value),
}

/// A token that the stand-in of the provider issued.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) access: String,
    pub(super) refresh: Option<String>,
    pub(super) account: String,
    /// Milliseconds since 1970.
    pub(super) expires_at: Option<i64>,
    /// Seconds.
    pub(super) lifetime: Option<i64>,
}

/// What tokens are like from now on.
pub(super) struct TokenRules {
    /// Seconds; without one they never end and are never refreshed.
    pub(super) lifetime: Option<i64>,
    /// How many refreshes will fail.
    pub(super) failing_refreshes: u32,
    /// The caller's key may not read credentials.
    pub(super) hidden: bool,
}

impl Default for TokenRules {
    fn default() -> TokenRules {
        TokenRules { lifetime: Some(3600), failing_refreshes: 0, hidden: false }
    }
}

/// How it answers, if at all.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// As it should.
    #[default]
    Up,
    /// The connection is cut.
    Refuse,
    /// 500.
    Error,
    /// 502 with the page of a proxy.
    Html,
    /// 429.
    Limited,
}

/// How it answers, and for how long it does so.
#[derive(Clone, Copy, Default, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weather {
    pub(super) mode: Mode,
    /// How many calls it lasts; until it is changed without.
    #[serde(default)]
    pub(super) calls: Option<u32>,
    /// What a 429 says, in seconds; 60 without.
    #[serde(default)]
    pub(super) retry_after: Option<u32>,
}

impl Weather {
    /// The mode that a call meets.
    pub(super) fn meet(&mut self) -> Mode {
        let mode = self.mode;
        if let Some(left) = &mut self.calls {
            *left = left.saturating_sub(1);
            if *left == 0 {
                *self = Weather::default();
            }
        }
        mode
    }
}

/// How many calls pass in each minute.
pub(super) struct Rate {
    pub(super) per_minute: u32,
    /// The minute that is counted, since 1970.
    minute: i64,
    passed: u32,
}

impl Default for Rate {
    fn default() -> Rate {
        Rate { per_minute: 200, minute: 0, passed: 0 }
    }
}

/// Where a call stands in its minute.
pub(super) struct Counted {
    pub(super) passes: bool,
    pub(super) limit: u32,
    pub(super) remaining: u32,
    /// When the minute ends, in seconds since 1970.
    pub(super) reset: i64,
}

impl Rate {
    /// Counts a call at that time, in milliseconds since 1970.
    pub(super) fn count(&mut self, now: i64) -> Counted {
        let minute = now.div_euclid(60_000);
        if minute != self.minute {
            (self.minute, self.passed) = (minute, 0);
        }
        let passes = self.passed < self.per_minute;
        self.passed += u32::from(passes);
        let remaining = self.per_minute.saturating_sub(self.passed);
        Counted { passes, limit: self.per_minute, remaining, reset: (minute + 1) * 60 }
    }
}

/// A call that was received.
#[derive(Clone, Serialize)]
pub(super) struct Call {
    /// Counts from 1.
    pub(super) number: usize,
    pub(super) method: String,
    /// Without its query, which may hold a session's token.
    pub(super) path: String,
    /// Method and path with `{id}` for what varies.
    #[serde(skip)]
    pub(super) kind: String,
    /// Null where the connection was cut, or it is not answered yet.
    pub(super) status: Option<u16>,
}
