//! Who asks, and what they may do: the key in `x-api-key`, or a session's cookie, stands for a company and a set of scopes.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, RawPathParams};
use hyper::Method;
use hyper::http::request::Parts;
use loopfour_engine::{Actor, CompanyId, StepPath};
use loopfour_store::{Holder, Principal, Scope};
use tokio::sync::watch;
use uuid::Uuid;

use crate::error::{Code, Error};
use crate::rate::{Class, Peer, Slot};
use crate::{App, session};

/// The header that carries the key.
pub const API_KEY: &str = "x-api-key";
/// The longest that a stream sleeps without looking at the end of its key or session.
const LONGEST_TIMER: Duration = Duration::from_secs(24 * 60 * 60);

/// Who sent a request. Being there means that the key or the session is good; which scope it needs is for the handler to
/// say.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whom it stands for.
    pub principal: Arc<Principal>,
    /// Where the request came from.
    address: Option<IpAddr>,
}

impl Caller {
    /// Whose things are asked for.
    pub fn company(&self) -> CompanyId {
        self.principal.company
    }

    /// Who asks and from where, for journals and the audit log.
    pub fn actor(&self) -> Actor {
        self.principal.actor(self.address.map(|address| address.to_canonical().to_string()))
    }

    /// Demands a scope.
    ///
    /// # Errors
    /// 403 that names it.
    pub fn needs(&self, scope: Scope) -> Result<(), Error> {
        if self.principal.scopes.contains(&scope) {
            return Ok(());
        }
        let who = match self.principal.holder {
            Holder::Key { .. } => "the key has",
            Holder::Member { .. } => "your role has",
        };
        Err(Error::new(Code::Forbidden, format!("{who} not the scope `{scope}`")))
    }
}

/// What allowed a request that goes on for long, and whether it still does.
#[derive(Debug)]
pub struct Access {
    principal: Arc<Principal>,
    revocations: watch::Receiver<u64>,
    /// Whether somebody lost a right, who may be this one.
    doubtful: bool,
}

impl Access {
    /// The access of this caller from now on.
    pub fn of(caller: Caller, app: &App) -> Access {
        // The key may have been revoked since it was looked at.
        Access { principal: caller.principal, revocations: app.store().revocations(), doubtful: true }
    }

    /// Whose things may be seen.
    pub fn company(&self) -> CompanyId {
        self.principal.company
    }

    /// Whether the key was revoked, the session ended, a scope was lost, or the time is over. A database that does not answer ends the access too.
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
        let by_key = parts.headers.contains_key(API_KEY);
        let principal = if by_key { of_key(parts, app).await? } else { of_session(parts, app).await? };
        match app.rates().admit(&principal, Class::of(&parts.method, parts.uri.path()), app.now()) {
            Ok(Some(standing)) => Slot::note(parts, standing),
            Ok(None) => {}
            Err((standing, refusal)) => {
                Slot::note(parts, standing);
                return Err(refusal);
            }
        }
        // A key is sent by programs alone; a cookie goes along with what any page sends.
        if !by_key && !matches!(parts.method, Method::GET | Method::HEAD) {
            session::own_origin(parts, app)?;
        }
        Ok(Caller { principal, address: address(parts) })
    }
}

async fn of_key(parts: &Parts, app: &App) -> Result<Arc<Principal>, Error> {
    let mut keys = parts.headers.get_all(API_KEY).iter();
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) => key,
        _ => return Err(refused("the header `x-api-key` is given more than once")),
    };
    // What is no text is no key either.
    let principal = app.store().authenticate(key.to_str().unwrap_or_default(), app.now()).await?;
    match principal {
        Some(principal) => Ok(principal),
        None => Err(failed(parts, app, "the API key is unknown, or its time is over")),
    }
}

async fn of_session(parts: &Parts, app: &App) -> Result<Arc<Principal>, Error> {
    let Some(token) = session::cookie(&parts.headers, session::SESSION) else {
        return Err(refused("the header `x-api-key` is missing"));
    };
    let principal = app.store().authenticate_session(&token, app.now()).await?;
    principal.ok_or_else(|| failed(parts, app, "the session is over; sign in again"))
}

fn refused(message: &str) -> Error {
    Error::new(Code::Unauthorized, message)
}

/// A refusal that counts against the address. Whoever has a good key or session is never slowed by others there: this is
/// asked only after the look-up.
pub fn failed(parts: &Parts, app: &App, message: &str) -> Error {
    let slowed = address(parts).map_or(Ok(()), |address| app.rates().failed_sign_in(address, app.now()));
    slowed.err().unwrap_or_else(|| refused(message))
}

/// The address at the other end of the connection.
pub fn address(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get().map(|Peer(address)| *address)
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

/// The `{attempt}` of an address: a try to authorise a connection, or none where it is no id.
#[derive(Clone, Copy, Debug)]
pub struct AttemptId(pub Option<Uuid>);

impl FromRequestParts<App> for AttemptId {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<AttemptId, Error> {
        let text = segment(parts, app, "attempt").await;
        // One spelling only.
        Ok(AttemptId(text.parse().ok().filter(|id: &Uuid| id.to_string() == text)))
    }
}

/// The `{companyId}` of a webhook's address, or none where it is no id.
#[derive(Clone, Copy, Debug)]
pub struct CompanyPath(pub Option<CompanyId>);

impl FromRequestParts<App> for CompanyPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<CompanyPath, Error> {
        Ok(CompanyPath(segment(parts, app, "companyId").await.parse().ok()))
    }
}

/// `{companyId}` and `{path}` of a custom webhook's address.
#[derive(Clone, Debug)]
pub struct WebhookPath(pub Option<CompanyId>, pub String);

impl FromRequestParts<App> for WebhookPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<WebhookPath, Error> {
        let CompanyPath(company) = CompanyPath::from_request_parts(parts, app).await?;
        Ok(WebhookPath(company, segment(parts, app, "path").await))
    }
}

/// The `{path}` of an address: the last part of a custom webhook's.
#[derive(Clone, Debug)]
pub struct PathName(pub String);

impl FromRequestParts<App> for PathName {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<PathName, Error> {
        Ok(PathName(segment(parts, app, "path").await))
    }
}

/// The `{provider}` of an address. Whether there is one is for the handler to say.
#[derive(Clone, Debug)]
pub struct Provider(pub String);

impl FromRequestParts<App> for Provider {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Provider, Error> {
        Ok(Provider(segment(parts, app, "provider").await))
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

impl Named for loopfour_engine::NoticeId {
    const KIND: &'static str = "notice";
}

impl Named for loopfour_engine::MemberId {
    const KIND: &'static str = "member";
}

impl Named for loopfour_engine::RunId {
    const KIND: &'static str = "run";
}
