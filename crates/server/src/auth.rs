//! Who asks, and what they may do: the key in `x-api-key` stands for a company and a set of scopes.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use hyper::http::request::Parts;
use loopfour_engine::CompanyId;
use loopfour_store::{Principal, Scope};

use crate::App;
use crate::error::{Code, Error};

const API_KEY: &str = "x-api-key";

/// Who sent a request. Being there means that the key is good; which scope it needs is for the handler to say.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<Principal>);

impl Caller {
    /// Whose things are asked for.
    pub fn company(&self) -> CompanyId {
        self.0.company
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
        let unknown = || refused("the API key is unknown, or its time is over");
        let key = key.to_str().map_err(|_| unknown())?;
        let principal = app.store().authenticate(key, app.now()).await?;
        principal.map(Caller).ok_or_else(unknown)
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

impl Named for loopfour_engine::RunId {
    const KIND: &'static str = "run";
}
