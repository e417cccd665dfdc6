//! Who asks, and what they may do: the key in `x-api-key` stands for a company and a set of scopes.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, RawPathParams};
use hyper::http::request::Parts;
use loopfour_engine::{Actor, CompanyId, StepPath};
use loopfour_store::{Principal, Scope};
use tokio::sync::watch;

use crate::App;
use crate::error::{Code, Error};
use crate::rate::{Class, Peer, Slot};

/// The header that carries the key.
pub const API_KEY: &str = "x-api-key";
/// The longest that a stream sleeps without looking at its key's end.
const LONGEST_TIMER: Duration = Duration::from_secs(24 * 60 * 60);

/// Who sent a request. Being there means that the key is good; which scope it needs is for the handler to say.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<Principal>);

impl Caller {
    /// Whose things are asked for.
    pub fn company(&self) -> CompanyId {
        self.0.company
    }

    /// Who asks, for journals and the audit log.
    pub fn actor(&self) -> Actor {
        self.0.actor(None)
    }

    /// Demands a scope.
    ///
    /// # Errors
    /// 403 that names it.
    pub fn needs(&self, scope: Scope) -> Result<(), Error> {
        if self.0.scopes.contains(&scope) {
            return Ok(());
        }
        Err(Error::new(Code::Forbidden, format!("the key has not the scope `{scope}`")))
    }
}

/// What allowed a request that goes on for long, and whether it still does.
#[derive(Debug)]
pub struct Access {
    principal: Arc<Principal>,
    revocations: watch::Receiver<u64>,
    /// Whether a key was revoked that may be this one.
    doubtful: bool,
}

impl Access {
    /// The access of this caller from now on.
    pub fn of(caller: Caller, app: &App) -> Access {
        // The key may have been revoked since it was looked at.
        Access { principal: caller.0, revocations: app.store().revocations(), doubtful: true }
    }

    /// Whose things may be seen.
    pub fn company(&self) -> CompanyId {
        self.principal.company
    }

    /// Whether the key was revoked, or its time is over. A database that does not answer ends the access too.
    pub async fn is_over(&mut self, app: &App) -> bool {
        if self.principal.expires_at.is_some_and(|end| end <= app.now()) {
            return true;
        }
        self.doubtful |= self.revocations.has_changed().unwrap_or(true);
        if self.doubtful {
            // Marked as seen before it is asked: what is revoked meanwhile is looked at again.
            self.revocations.mark_unchanged();
            self.doubtful = app.store().is_revoked(&self.principal).await.unwrap_or(true);
        }
        self.doubtful
    }

    /// Returns when [`Access::is_over`] may have changed.
    pub async fn changed(&mut self, app: &App) {
        let end = self.principal.expires_at.map(|end| end.0.saturating_sub(app.now().0));
        let left = end.and_then(|left| u64::try_from(left).ok()).map(Duration::from_millis);
        // At least once a day, as timers end somewhere.
        let left = left.unwrap_or(LONGEST_TIMER).min(LONGEST_TIMER);
        tokio::select! {
            _ = self.revocations.changed() => self.doubtful = true,
            () = tokio::time::sleep(left) => {}
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Caller, Error> {
        let mut keys = parts.headers.get_all(API_KEY).iter();
        let refused = |message: &str| Error::new(Code::Unauthorized, message);
        let key = match (keys.next(), keys.next()) {
            (Some(key), None) => key,
            (None, _) => return Err(refused("the header `x-api-key` is missing")),
            (Some(_), Some(_)) => return Err(refused("the header `x-api-key` is given more than once")),
        };
        let now = app.now();
        // What is no text is no key either.
        let principal = app.store().authenticate(key.to_str().unwrap_or_default(), now).await?;
        let Some(principal) = principal else {
            // Looked up all the same: a valid key is never slowed by others at its address.
            if let Some(Peer(address)) = parts.extensions.get() {
                app.rates().unknown_key(*address, now)?;
            }
            return Err(refused("the API key is unknown, or its time is over"));
        };
        match app.rates().admit(principal.id(), Class::of(&parts.method, parts.uri.path()), now) {
            Ok(Some(standing)) => Slot::note(parts, standing),
            Ok(None) => {}
            Err((standing, refusal)) => {
                Slot::note(parts, standing);
                return Err(refusal);
            }
        }
        Ok(Caller(principal))
    }
}

/// The `{id}` of an address. What is no id is as missing as an unknown one.
#[derive(Clone, Copy, Debug)]
pub struct Id<T>(pub T);

impl<T: FromStr + Named> FromRequestParts<App> for Id<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Id<T>, Error> {
        let text = segment(parts, app, "id").await;
        text.parse().map(Id).map_err(|_| Error::missing(T::KIND, &text))
    }
}

/// The `{version}` of an address. What is no number is as missing as an unknown one.
#[derive(Clone, Copy, Debug)]
pub struct Version(pub u32);

impl FromRequestParts<App> for Version {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Version, Error> {
        let text = segment(parts, app, "version").await;
        let number = text.parse().ok().filter(|number: &u32| number.to_string() == text);
        number.map(Version).ok_or_else(|| Error::missing("version", &text))
    }
}

/// The `{stepId}` of an address: a step's path. Whether there is one is for the run to say.
#[derive(Clone, Debug)]
pub struct Step(pub StepPath);

impl FromRequestParts<App> for Step {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Step, Error> {
        Ok(Step(StepPath(segment(parts, app, "stepId").await)))
    }
}

/// The part of an address that the route gives that name.
async fn segment(parts: &mut Parts, app: &App, wanted: &str) -> String {
    let Ok(params) = RawPathParams::from_request_parts(parts, app).await else { return "?".to_owned() };
    params.iter().find(|(name, _)| *name == wanted).map_or("", |(_, text)| text).to_owned()
}

/// An id whose things have a name for messages.
pub trait Named {
    /// `workflow`, `run`.
    const KIND: &'static str;
}

impl Named for loopfour_engine::WorkflowId {
    const KIND: &'static str = "workflow";
}

impl Named for loopfour_engine::KeyId {
    const KIND: &'static str = "key";
}

impl Named for loopfour_engine::RunId {
    const KIND: &'static str = "run";
}
