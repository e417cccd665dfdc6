//! A connection's token, in memory only: fetched once for all calls that wait for it, renewed before it ends, used until
//! it ends if that fails, and renewed at once, but once, when the provider refuses it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use loopfour_engine::Timestamp;
use tokio::time::Instant;

use super::client::Refusal;
use super::credentials::{Given, Unusable};
use crate::credentials::Bearer;

/// So long before its end a token is renewed, milliseconds. Nango renews it from then on.
const EARLY: i64 = 15 * 60 * 1000;
/// So long nobody tries again to renew a token early.
const EARLY_AGAIN: Duration = Duration::from_secs(30);
/// So long nobody asks again at first after Nango gave nothing, twice as long each time …
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// … up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A token, and whose it is.
pub(crate) struct Token {
    pub(crate) bearer: Bearer,
    pub(crate) expires_at: Option<Timestamp>,
    /// The account's id.
    pub(crate) account: String,
    /// `live` or `test`.
    pub(crate) mode: String,
}

/// The tokens of one connection of Nango's.
pub(crate) struct Tokens {
    pub(crate) integration: String,
    pub(crate) connection: String,
    state: Mutex<State>,
    /// Held by whoever asks Nango.
    pub(crate) fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    token: Option<Arc<Token>>,
    /// The provider refused it.
    refused: bool,
    /// Nobody renews it early before.
    early_from: Option<Instant>,
    /// Why there is none, and until when nobody asks again.
    trouble: Option<(Instant, Trouble)>,
    pause: Option<Duration>,
    /// Somebody looks out for one.
    watched: bool,
}

/// Why there is no token.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// Nango does not answer for now; nothing is said of the connection.
    Away { why: String, retry_after: Option<Duration> },
    /// Nango does not answer us: its key or its scopes.
    Setup(String),
    /// The connection is no good, and what there is to say.
    Refused(String),
    /// The token ended, and Nango cannot renew it.
    Ended,
}

impl Tokens {
    pub(crate) fn new(integration: &str, connection: &str) -> Tokens {
        Tokens {
            integration: integration.to_owned(),
            connection: connection.to_owned(),
            state: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token, if calls can be made with it now.
    pub(crate) fn usable(&self, now: Timestamp) -> Option<Arc<Token>> {
        let state = self.state();
        state.token.clone().filter(|token| !state.refused && !token.is_over(now))
    }

    /// Whether the token is to be renewed early; says so to one who asks, and then for a while to nobody.
    pub(crate) fn is_early(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        let ends = state.token.as_ref().and_then(|token| token.expires_at);
        let due = ends.is_some_and(|ends| now.0 >= ends.0 - EARLY);
        if !due || state.early_from.is_some_and(|from| Instant::now() < from) {
            return false;
        }
        state.early_from = Some(Instant::now() + EARLY_AGAIN);
        true
    }

    /// The last token, whether it can be used or not.
    pub(crate) fn last(&self) -> Option<Arc<Token>> {
        self.state().token.clone()
    }

    /// Why there is none, while nobody asks again.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        let state = self.state();
        state
            .trouble
            .as_ref()
            .filter(|(until, _)| Instant::now() < *until)
            .map(|(_, trouble)| trouble.clone())
    }

    /// Notes that the provider refuses a token, unless there is another by now.
    pub(crate) fn refuse(&self, token: &Token) {
        let mut state = self.state();
        if state.token.as_ref().is_some_and(|current| current.is_same(&token.bearer)) {
            state.refused = true;
        }
    }

    /// Whether the provider refuses the token that there is.
    pub(crate) fn is_refused(&self) -> bool {
        self.state().refused
    }

    /// Puts a token in the place of the last. One that the provider refused meanwhile stays refused.
    pub(crate) fn put(&self, token: Token) -> Arc<Token> {
        let token = Arc::new(token);
        let early_from = Some(Instant::now() + EARLY_AGAIN);
        let mut state = self.state();
        let refused = state.refused && state.token.as_ref().is_some_and(|last| last.is_same(&token.bearer));
        let watched = state.watched;
        *state = State { token: Some(Arc::clone(&token)), refused, early_from, watched, ..State::default() };
        token
    }

    /// Notes that there is none. A token that the provider refused and Nango gives again is dropped.
    pub(crate) fn fail(&self, trouble: &Trouble) {
        let mut state = self.state();
        let pause = state.pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        state.pause = Some(pause);
        let asked = match trouble {
            Trouble::Away { retry_after, .. } => *retry_after,
            Trouble::Setup(_) => None,
            Trouble::Refused(_) | Trouble::Ended => {
                (state.token, state.refused) = (None, false);
                None
            }
        };
        state.trouble = Some((Instant::now() + asked.unwrap_or(pause), trouble.clone()));
    }

    /// Lets the next who asks be answered by Nango.
    pub(crate) fn ask_again(&self) {
        if let Some((until, _)) = &mut self.state().trouble {
            *until = Instant::now();
        }
    }

    /// Whether Nango gave none the last time.
    pub(crate) fn is_in_trouble(&self) -> bool {
        self.state().trouble.is_some()
    }

    /// Whether whoever asks is to look out for a token; says so to one, until that one stops.
    pub(crate) fn watch(&self) -> bool {
        !std::mem::replace(&mut self.state().watched, true)
    }

    /// Whether whoever looks out may stop: there is a token, or nobody is to use it.
    pub(crate) fn stop_watching(&self, is_used: bool) -> bool {
        let mut state = self.state();
        state.watched = is_used && state.trouble.is_some();
        !state.watched
    }
}

impl Token {
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|ends| now >= ends)
    }

    /// Whether what Nango gave is this token once more.
    pub(crate) fn is_same(&self, bearer: &Bearer) -> bool {
        self.bearer.authorization == bearer.authorization
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        let text = refusal.to_string();
        match refusal {
            Refusal::Away { why, retry_after } => Trouble::Away { why, retry_after },
            Refusal::Answered { status: 401 | 403, .. } => Trouble::Setup(text),
            Refusal::Answered { status: 404, .. } => {
                Trouble::Refused("Nango has the connection no more".to_owned())
            }
            Refusal::Answered { code, .. } if code == "unknown_provider_config" => {
                Trouble::Refused("Nango has the integration of the connection no more".to_owned())
            }
            Refusal::Answered { code, .. } if code == "invalid_credentials" => {
                Trouble::Refused("the provider does not renew the token".to_owned())
            }
            Refusal::Answered { .. } => Trouble::Away { why: text, retry_after: None },
        }
    }
}

impl From<Unusable> for Trouble {
    fn from(unusable: Unusable) -> Trouble {
        match unusable {
            Unusable::Hidden => Trouble::Setup(
                "Nango does not show credentials: its key lacks the scope `environment:connections:read_credentials`"
                    .to_owned(),
            ),
            Unusable::Kind(kind) => Trouble::Refused(format!(
                "Nango keeps credentials of the type {kind}, and calls to Stripe are made with OAUTH2 or BASIC"
            )),
        }
    }
}

impl Given {
    /// As it goes out.
    pub(crate) fn bearer(&self) -> Option<Bearer> {
        use secrecy::ExposeSecret;
        Bearer::new(self.secret.expose_secret())
    }
}
