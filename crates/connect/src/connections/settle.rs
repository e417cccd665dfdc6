//! What became of an authorisation: Nango is asked, when the person comes back and whenever somebody looks, but at most once
//! a second. What a webhook says only makes that earlier.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loopfour_engine::connections::{
    Attempt, AttemptState, AuthorizationNews, Connection, ConnectionError, ConnectionStatus, SecretChange,
    Source,
};
use loopfour_engine::{Actor, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use crate::Connect;
use crate::credentials::Credentials;
use crate::live::Live;
use crate::nango::{Client, Found, Token, Tokens, Trouble};
use crate::registry::{Amendment, missing};
use crate::stripe::{Access, set_account};

/// Nango is asked about a try at most so often.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// The clock is looked at so often while a try is open.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Nango does not say whether somebody came back.
const NANGO_AWAY: &str = "Nango does not answer for now: it is asked again";
/// Somebody came back, but nobody says what with.
const TOKEN_AWAY: &str =
    "it is authorised, and Nango or Stripe does not answer for now: they are asked again";
/// Longest text of Nango's that is shown, in characters.
const TEXT_LIMIT: usize = 200;

/// When Nango was asked about each open try, and why it did not say; held by whoever asks.
#[derive(Default)]
pub(crate) struct Looks(Mutex<HashMap<Uuid, Look>>);

type Look = Arc<tokio::sync::Mutex<Option<(Instant, Option<&'static str>)>>>;

/// A connection after Nango was asked about its open try.
pub(super) struct Looked {
    pub(super) row: Connection,
    /// Why nobody can tell yet, for whoever waits.
    pub(super) untold: Option<&'static str>,
}

impl From<Connection> for Looked {
    fn from(row: Connection) -> Looked {
        Looked { row, untold: None }
    }
}

impl Looks {
    fn at(&self, attempt: Uuid) -> Look {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(attempt).or_default())
    }

    fn forget(&self, attempt: Uuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&attempt);
    }
}

/// What Nango says of a try.
enum Standing {
    /// Nobody has come back.
    Open,
    /// Somebody came back with something that cannot be used.
    Failed(String),
    /// It is through.
    Through(Arc<Live>),
}

impl Connect {
    /// The connection as it is after Nango was asked about its open try, if it has one.
    pub(super) async fn ask_for(
        &self,
        live: Arc<Live>,
        news: Option<AuthorizationNews>,
    ) -> Result<Looked, ConnectionError> {
        let registry = &self.stripe.registry;
        let Some(attempt) = open(&live.row).cloned() else { return Ok(live.row.clone().into()) };
        let is_over = registry.now() >= attempt.expires_at;
        if is_over && attempt.state != AttemptState::Open && live.row.status != ConnectionStatus::Pending {
            return Ok(live.row.clone().into());
        }
        let look = self.looks.at(attempt.id);
        let mut asked = look.lock().await;
        let mut live = registry.by_id(live.row.id).ok_or_else(|| missing(live.row.id))?;
        if open(&live.row).is_none_or(|own| own.id != attempt.id) {
            return Ok(live.row.clone().into());
        }
        if let Some(AuthorizationNews { success: false, reason }) = &news {
            live = self.failed(&live, attempt.id, denied(reason.as_deref())).await?;
        }
        let recent = asked.filter(|(at, _)| at.elapsed() < ASK_AGAIN && news.is_none() && !is_over);
        if let Some((_, untold)) = recent {
            return Ok(Looked { row: live.row.clone(), untold });
        }
        let now = Instant::now();
        *asked = Some((now, None));
        let standing = match &self.stripe.nango {
            Some(nango) => self.settle(nango, &live, &attempt).await,
            None => Ok(Standing::Open),
        };
        let live = match standing {
            Ok(Standing::Through(live)) => {
                self.looks.forget(attempt.id);
                return Ok(live.row.clone().into());
            }
            Ok(Standing::Failed(reason)) => self.failed(&live, attempt.id, reason).await?,
            Ok(Standing::Open) => live,
            // Nango is asked again by the next who looks.
            Err(Unsettled::Away(why)) => {
                *asked = Some((now, Some(why)));
                live
            }
            Err(Unsettled::Error(error)) => return Err(error),
        };
        if is_over {
            return Ok(self.over(&live, &attempt).await?.into());
        }
        let untold = asked.and_then(|(_, untold)| untold);
        Ok(Looked { row: live.row.clone(), untold })
    }

    async fn settle(
        &self,
        nango: &Client,
        live: &Arc<Live>,
        attempt: &Attempt,
    ) -> Result<Standing, Unsettled> {
        let found = nango.found(&attempt.id.to_string()).await.map_err(|_| Unsettled::Away(NANGO_AWAY))?;
        let Some(found) = found.into_iter().next_back() else { return Ok(Standing::Open) };
        let token = match self.token(nango, live, &found).await {
            Ok(token) => token,
            Err(Trouble::Away { .. } | Trouble::Setup(_)) if self.now() < attempt.expires_at => {
                return Err(Unsettled::Away(TOKEN_AWAY));
            }
            Err(Trouble::Away { why, .. } | Trouble::Setup(why) | Trouble::Refused(why)) => {
                return Ok(Standing::Failed(why));
            }
            Err(Trouble::Ended) => return Ok(Standing::Failed("the token has ended already".to_owned())),
        };
        if let Err(error) = self.stripe.takes(&token.mode) {
            return Ok(Standing::Failed(error.to_string()));
        }
        self.through(live, attempt, &found, token).await.map(Standing::Through).map_err(Unsettled::Error)
    }

    fn now(&self) -> Timestamp {
        self.stripe.registry.now()
    }

    /// What Nango gives for a connection that came of a try, and whose it is.
    async fn token(&self, nango: &Client, live: &Live, found: &Found) -> Result<Token, Trouble> {
        let given = nango.credentials(&found.provider_config_key, &found.connection_id, false).await??;
        // What comes of asking is said of these credentials, not of those that the connection has.
        let registry = &self.stripe.registry;
        let row = Connection { mode: None, external_account_id: None, ..live.row.clone() };
        let alone = Arc::new(registry.live(row, Credentials::None, Arc::new(Access::default())));
        let token = self.stripe.whose(&alone, given, None).await?;
        if token.is_over(registry.now()) { Err(Trouble::Ended) } else { Ok(token) }
    }

    /// The connection is usable from here on.
    async fn through(
        &self,
        live: &Live,
        attempt: &Attempt,
        found: &Found,
        token: Token,
    ) -> Result<Arc<Live>, ConnectionError> {
        let (account, mode, key_id) = (token.account.clone(), token.mode.clone(), token.bearer.id.clone());
        let tokens = Tokens::new(&found.provider_config_key, &found.connection_id);
        tokens.put(token);
        let by = Actor::system("nango");
        let amendment = Amendment {
            by: &by,
            action: "connection.activate",
            secret: SecretChange::Erase,
            credentials: Some(Credentials::Nango(Arc::new(tokens))),
        };
        let now = self.now();
        let through = self.stripe.registry.amend(live.row.id, amendment, |_, row| {
            let Some(own) = row.attempt.as_ref().filter(|own| own.id == attempt.id).cloned() else {
                return Ok(false);
            };
            let note = match row.settings.stripe_account {
                Some(_) => None,
                None => set_account(row, &account, Some(&key_id)),
            };
            row.source = Source::Nango {
                integration: found.provider_config_key.clone(),
                connection: Some(found.connection_id.clone()),
            };
            (row.status, row.mode) = (ConnectionStatus::Active, Some(mode));
            (row.last_error, row.last_synced_at) = (note.clone(), Some(now));
            row.attempt = Some(Attempt { state: AttemptState::Succeeded { note }, ..own });
            Ok(true)
        });
        let through = through.await?;
        self.replaced(&live.row.source, &through.row.source).await;
        Ok(through)
    }

    /// The try failed so far; the connection stays as it is, and the person may try again by the same link.
    async fn failed(
        &self,
        live: &Arc<Live>,
        attempt: Uuid,
        reason: String,
    ) -> Result<Arc<Live>, ConnectionError> {
        let by = Actor::system("nango");
        let amendment = Amendment::of_row(&by, "connection.error");
        let failed = self.stripe.registry.amend(live.row.id, amendment, |_, row| {
            let Some(own) = row.attempt.as_mut().filter(|own| own.id == attempt) else { return Ok(false) };
            let state = AttemptState::Failed { reason: reason.clone() };
            if own.state == state || matches!(own.state, AttemptState::Succeeded { .. }) {
                return Ok(false);
            }
            own.state = state;
            if row.status != ConnectionStatus::Active {
                row.last_error = Some(reason);
            }
            Ok(true)
        });
        failed.await
    }

    /// The try's time is over: a connection that never was active goes, another stays as it is.
    async fn over(&self, live: &Arc<Live>, attempt: &Attempt) -> Result<Connection, ConnectionError> {
        self.looks.forget(attempt.id);
        if live.row.status == ConnectionStatus::Pending {
            let still = |row: &Connection| {
                row.status == ConnectionStatus::Pending
                    && row.attempt.as_ref().is_some_and(|own| own.id == attempt.id)
            };
            self.stripe.registry.forget(live.row.id, still).await?;
            return Err(ConnectionError::Missing(format!(
                "the authorisation of {} was not finished within 30 minutes, and it is gone: begin it again",
                live.row.id
            )));
        }
        if live.row.attempt.as_ref().is_some_and(|own| own.state == AttemptState::Open) {
            let reason = "nobody came back within 30 minutes: begin again".to_owned();
            return Ok(self.failed(live, attempt.id, reason).await?.row.clone());
        }
        Ok(live.row.clone())
    }

    /// Sees to it that a try ends with its time, whether somebody looks or not.
    pub(super) fn look_after(&self, row: &Connection) {
        let Some(attempt) = open(row).cloned() else { return };
        let (stripe, looks, id) = (Arc::downgrade(&self.stripe), Arc::downgrade(&self.looks), row.id);
        tokio::spawn(async move {
            while let (Some(stripe), Some(looks)) = (stripe.upgrade(), looks.upgrade()) {
                let connect = Connect { stripe, looks };
                let live = connect.stripe.registry.by_id(id);
                let live = live.filter(|live| open(&live.row).is_some_and(|own| own.id == attempt.id));
                let Some(live) = live else { return };
                let left = attempt.expires_at.0.saturating_sub(connect.now().0);
                let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else {
                    // Where the storage fails, the next look or start ends it.
                    let _ = connect.ask_for(live, None).await;
                    return;
                };
                drop((connect, live));
                tokio::time::sleep(Duration::from_millis(left).min(LOOK_AGAIN)).await;
            }
        });
    }
}

/// Why a try is not settled.
enum Unsettled {
    /// Nango or Stripe did not say; for whoever waits, who need not know the addresses in here.
    Away(&'static str),
    /// The storage failed.
    Error(ConnectionError),
}

/// The try of a connection that may still come to something.
fn open(row: &Connection) -> Option<&Attempt> {
    row.attempt.as_ref().filter(|attempt| match attempt.state {
        AttemptState::Open => true,
        // One that failed may be tried again by the same link. A connection that never was active goes with it.
        AttemptState::Failed { .. } => row.status != ConnectionStatus::Active,
        AttemptState::Succeeded { .. } => false,
    })
}

fn denied(reason: Option<&str>) -> String {
    let reason: String = reason
        .unwrap_or_default()
        .chars()
        .filter(|character| !character.is_control())
        .take(TEXT_LIMIT)
        .collect();
    let reason = if reason.is_empty() { "no reason was given".to_owned() } else { reason };
    format!("it was not authorised: {reason}")
}
