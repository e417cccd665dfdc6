//! Whether calls may go out under a connection: whose account it is (spec 9: a run is bound to its account), and whether
//! Stripe refuses its key.
//!
//! Both are asked of Stripe, once, and kept in memory. A refused key is tried again once a minute, by a call that is due.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use loopfour_engine::call::Account;
use loopfour_engine::ports::{Call, Unprepared};
use loopfour_engine::{Attempt, Effect, Failure, Finding, Outcome, Request, Sending, StepError};
use loopfour_lang::Value;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::error::failure;
use super::{API_VERSION, NAME, Stripe, unsent};
use crate::credentials::Connection;
use crate::pace::Place;

/// A refused key is tried again so often.
const PROBE: Duration = Duration::from_secs(60);
/// So long nobody asks again whose account it is after that was not told.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// At a start, so long.
const AT_START: Duration = Duration::from_millis(200);

/// What is known of a connection's account and key.
#[derive(Debug, Default)]
pub(crate) struct Access {
    /// The account's id, or the key's where it may not read its account.
    id: OnceLock<String>,
    /// Held by whoever asks for it.
    asking: tokio::sync::Mutex<()>,
    /// Why it was not told, the last time.
    untold: Mutex<Option<(Instant, Failure)>>,
    /// The key is refused.
    refused: Mutex<Option<Refused>>,
}

#[derive(Debug)]
struct Refused {
    failure: Failure,
    /// The next call that goes out all the same.
    probe: Instant,
}

impl Access {
    /// Why a call is not to be sent now, from memory; the one that a minute lets through finds nothing.
    pub(super) fn refusal(&self) -> Option<Box<Failure>> {
        let mut refused = lock(&self.refused);
        let refused = refused.as_mut()?;
        if Instant::now() < refused.probe {
            return Some(Box::new(refused.failure.clone()));
        }
        refused.probe = Instant::now() + PROBE;
        None
    }

    /// Whether a call would not be sent now.
    pub(super) fn is_refused(&self) -> bool {
        lock(&self.refused).as_ref().is_some_and(|refused| Instant::now() < refused.probe)
    }

    /// Takes note of what an answer says of the key.
    pub(super) fn note(&self, outcome: &Outcome) {
        match outcome {
            Outcome::Done { .. } => *lock(&self.refused) = None,
            Outcome::Failed(failure) if failure.finding == Finding::Unauthorized => {
                let failure = Failure { retry_after: None, date: None, ..(**failure).clone() };
                *lock(&self.refused) = Some(Refused { failure, probe: Instant::now() + PROBE });
            }
            Outcome::Failed(failure) if failure.finding == Finding::Refused => *lock(&self.refused) = None,
            Outcome::Failed(_) => {}
        }
    }

    fn last_untold(&self) -> Option<Failure> {
        lock(&self.untold).as_ref().map(|(_, failure)| failure.clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether calls of a run may go out here.
pub(super) enum Door<'a> {
    /// Yes, under this connection.
    Open(&'a Connection),
    /// Whose account it is has to be asked first.
    Unknown(&'a Connection),
    /// No: there is no connection, or another than the run's.
    Shut(Box<StepError>),
}

impl Stripe {
    /// Whether calls that are bound to an account, or to none yet, may go out here.
    pub(super) fn door(&self, bound: Option<&Account>) -> Door<'_> {
        let Some(connection) = &self.connection else {
            return Door::Shut(Box::new(unsent::no_connection(bound)));
        };
        let here = &connection.account;
        let known = connection.access.id.get();
        let Some(bound) = bound else {
            return if known.is_some() { Door::Open(connection) } else { Door::Unknown(connection) };
        };
        let is_open = if (&here.connection, &here.mode) != (&bound.connection, &bound.mode) {
            Some(false)
        } else {
            match (&bound.id, known) {
                // Journaled before accounts were told apart.
                (None, _) => Some(true),
                // The same key has the same account, whether it may read it or not.
                (Some(bound), _) if *bound == connection.key_id => Some(true),
                (Some(bound), Some(known)) => Some(bound == known),
                (Some(_), None) => None,
            }
        };
        match is_open {
            Some(true) => Door::Open(connection),
            Some(false) => {
                let here = Account { id: known.cloned(), ..here.clone() };
                Door::Shut(Box::new(unsent::other_account(bound, &here)))
            }
            None => Door::Unknown(connection),
        }
    }

    /// The account that a call is made under.
    pub(super) fn account(self: &Arc<Stripe>, call: &Call<'_>) -> Result<Account, Unprepared> {
        if let Some(asked) = call.connection {
            return Err(unsent::unknown_connection(asked).into());
        }
        let bound = call.bound.map(|bound| &bound.account);
        match self.door(bound) {
            Door::Open(connection) => Ok(match bound {
                Some(bound) => bound.clone(),
                None => Account { id: connection.access.id.get().cloned(), ..connection.account.clone() },
            }),
            Door::Unknown(connection) => {
                let last = connection.access.last_untold();
                // Nobody waits for it here: the run comes again.
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    let stripe = Arc::clone(self);
                    runtime.spawn(async move { stripe.identify(ASK_AGAIN).await.is_ok() });
                }
                let error = last.map_or_else(unsent::account_not_known, |failure| failure.error);
                Err(Unprepared::NotReady { error, account: Some(connection.account.clone()) })
            }
            Door::Shut(error) if bound.is_some() => {
                Err(Unprepared::NotReady { error: *error, account: None })
            }
            Door::Shut(error) => Err(Unprepared::Refused(*error)),
        }
    }

    /// The connection for calls bound to an account, once it is known to be that account's.
    pub(super) async fn open(&self, bound: &Account) -> Result<&Connection, Box<Failure>> {
        if let Door::Unknown(_) = self.door(Some(bound)) {
            self.identify(ASK_AGAIN).await?;
        }
        match self.door(Some(bound)) {
            Door::Open(connection) => Ok(connection),
            Door::Unknown(_) => Err(failure(Finding::Unreachable, unsent::account_not_known())),
            Door::Shut(error) => Err(failure(Finding::NoConnection, *error)),
        }
    }

    /// Asks whose account the connection is until that is told, or the key is refused, or the time is over.
    pub(crate) async fn identify_within(&self, limit: Duration) -> Result<(), StepError> {
        let deadline = Instant::now() + limit;
        loop {
            match timeout_at(deadline, self.identify(AT_START)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(failure)) => {
                    if failure.finding == Finding::Unauthorized || Instant::now() + AT_START >= deadline {
                        return Err(failure.error);
                    }
                    tokio::time::sleep(AT_START).await;
                }
                Err(_) => return Err(unsent::account_not_known()),
            }
        }
    }

    /// Asks whose account the connection is, unless that is known or was not told within that time.
    async fn identify(&self, again_after: Duration) -> Result<(), Box<Failure>> {
        let Some(connection) = &self.connection else { return Ok(()) };
        let access = &connection.access;
        if access.id.get().is_some() {
            return Ok(());
        }
        let _asking = access.asking.lock().await;
        if access.id.get().is_some() {
            return Ok(());
        }
        if let Some((at, failure)) = &*lock(&access.untold)
            && at.elapsed() < again_after
        {
            return Err(Box::new(failure.clone()));
        }
        match self.read_account(connection).await {
            Ok(id) => {
                *lock(&access.untold) = None;
                // Whoever asks holds the lock, so nobody else set it.
                let _ = access.id.set(id);
                Ok(())
            }
            Err(failure) => {
                *lock(&access.untold) = Some((Instant::now(), (*failure).clone()));
                Err(failure)
            }
        }
    }

    async fn read_account(&self, connection: &Connection) -> Result<String, Box<Failure>> {
        let request = account_request(&connection.account);
        self.pace(connection, &request, Place::Ahead).await;
        let (timeout, attempt) = (Duration::from_secs(10), Attempt::First);
        let sending = Sending { request: &request, key: Uuid::nil(), timeout, attempt };
        let mut failure = match self.exchange(connection, sending).await {
            Outcome::Done { output, .. } => match output.value().get("id").and_then(Value::as_text) {
                Some(id) if !id.is_empty() => return Ok(id.to_owned()),
                _ => failure(Finding::Unknown, unsent::account_without_id()),
            },
            Outcome::Failed(failure) => failure,
        };
        if matches!(failure.error.status, Some(403 | 404)) && failure.error.kind.is_some() {
            return if failure.finding == Finding::Unauthorized {
                Err(failure)
            } else {
                Ok(connection.key_id.clone())
            };
        }
        match failure.finding {
            Finding::Unauthorized | Finding::Throttled => {}
            // Whatever became of asking, the call itself was not sent.
            Finding::Refused
            | Finding::Forbidden
            | Finding::KeyInUse
            | Finding::Busy
            | Finding::Conflict
            | Finding::Unknown
            | Finding::ReplayedError
            | Finding::Unreachable
            | Finding::NoConnection
            | Finding::NotFoundDone
            | Finding::Defect => {
                failure.finding = Finding::Unreachable;
                failure.error = unsent::account_untold(failure.error);
            }
        }
        Err(failure)
    }
}

fn account_request(account: &Account) -> Request {
    Request {
        provider: NAME.to_owned(),
        action: "GET /v1/account".to_owned(),
        effect: Effect::Read,
        method: "GET".to_owned(),
        path: "/v1/account".to_owned(),
        query: String::new(),
        form: String::new(),
        version: API_VERSION.to_owned(),
        account: account.clone(),
    }
}
