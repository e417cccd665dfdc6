//! What people do to connections: make them by key (`keys`) or by way of Nango (`authorize`, `settle`), change, test and
//! end them (`manage`). Nothing here is about calls.

mod authorize;
mod keys;
mod manage;
mod settings;
mod settle;

use std::sync::Arc;

use loopfour_engine::connections::{
    Attempt, AttemptState, Authorization, AuthorizationNews, Authorize, Connection, ConnectionChange,
    ConnectionError, ConnectionStore, Connections, KeepError, NewKeyConnection, Source,
};
use loopfour_engine::ports::BoxFuture;
use loopfour_engine::{Actor, CompanyId, ConnectionId};
use uuid::Uuid;

pub(crate) use self::settle::Looks;
use crate::Connect;
use crate::credentials::{Credentials, StripeKey};
use crate::live::{ENVIRONMENT, Live, SANDBOX};
use crate::nango::Refusal;
use crate::registry::missing;
use crate::stripe::{NAME, credentials_of};

/// The longest name of a connection, characters.
const LONGEST_NAME: usize = 255;

impl Connect {
    /// Takes in what is stored, and the built-in connection.
    pub(crate) async fn load(&self, store: &dyn ConnectionStore) -> Result<(), KeepError> {
        let registry = &self.stripe.registry;
        let by = Actor::system("start");
        let (mut environment, mut sandbox) = (None, None);
        for (row, secret) in store.load().await? {
            match row.source {
                Source::Environment => environment = Some(row),
                Source::Sandbox => sandbox = Some(row),
                Source::ApiKey => {
                    let key = secret.and_then(|secret| StripeKey::parse(&secret).ok());
                    let credentials = key.map_or(Credentials::None, |key| Credentials::Key(key.bearer));
                    registry.take_in(row, credentials);
                }
                Source::Nango { .. } => {
                    let credentials = credentials_of(&row.source);
                    registry.take_in(row, credentials);
                }
            }
        }
        registry.take_in_built_in(&Source::Environment, environment, &by).await?;
        registry.take_in_built_in(&Source::Sandbox, sandbox, &by).await?;
        for live in registry.all() {
            self.look_after(&live.row);
        }
        Ok(())
    }

    /// A connection of the company.
    fn own(&self, company: CompanyId, id: ConnectionId) -> Result<Arc<Live>, ConnectionError> {
        let live = self.stripe.registry.by_id(id).filter(|live| live.row.company == company);
        live.ok_or_else(|| missing(id))
    }

    /// With the sandbox on nothing is connected elsewhere.
    fn outside(&self) -> Result<(), ConnectionError> {
        if !self.stripe.registry.is_sandbox() {
            return Ok(());
        }
        let message = "the server runs with --sandbox, where `sandbox` is the only connection that is used: start \
                       without it to connect a Stripe account";
        Err(ConnectionError::State(message.to_owned()))
    }
}

impl Connections for Connect {
    fn authorize<'a>(
        &'a self,
        company: CompanyId,
        wish: Authorize,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<Authorization, ConnectionError>> {
        Box::pin(self.begin(company, wish, by))
    }

    fn look(
        &self,
        company: CompanyId,
        id: ConnectionId,
    ) -> BoxFuture<'_, Result<Connection, ConnectionError>> {
        Box::pin(async move {
            let live = self.own(company, id)?;
            Ok(self.ask_for(live, None).await?.row)
        })
    }

    fn look_at_attempt(
        &self,
        attempt: Uuid,
        news: Option<AuthorizationNews>,
    ) -> BoxFuture<'_, Result<Connection, ConnectionError>> {
        Box::pin(async move {
            let message = || "there is no such authorisation: it ended, or another was begun".to_owned();
            let live = self.stripe.registry.by_attempt(attempt);
            let live = live.ok_or_else(|| ConnectionError::Missing(message()))?;
            let looked = self.ask_for(live, news).await?;
            let is_open = |attempt: &Attempt| attempt.state == AttemptState::Open;
            match looked.untold {
                Some(why) if looked.row.attempt.as_ref().is_some_and(is_open) => {
                    Err(ConnectionError::Unavailable(why.to_owned()))
                }
                Some(_) | None => Ok(looked.row),
            }
        })
    }

    fn add_key<'a>(
        &'a self,
        company: CompanyId,
        new: NewKeyConnection,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<Connection, ConnectionError>> {
        Box::pin(self.take_key(company, new, by))
    }

    fn change<'a>(
        &'a self,
        company: CompanyId,
        id: ConnectionId,
        change: ConnectionChange,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<Connection, ConnectionError>> {
        Box::pin(self.alter(company, id, change, by))
    }

    fn disconnect<'a>(
        &'a self,
        company: CompanyId,
        id: ConnectionId,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<Connection, ConnectionError>> {
        Box::pin(self.end(company, id, by))
    }

    fn test<'a>(
        &'a self,
        company: CompanyId,
        id: ConnectionId,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<Connection, ConnectionError>> {
        Box::pin(self.try_out(company, id, by))
    }

    fn company_of(&self, id: ConnectionId) -> Option<CompanyId> {
        self.stripe.registry.by_id(id).map(|live| live.row.company)
    }
}

/// Only providers that there are.
fn known_provider(provider: &str) -> Result<(), ConnectionError> {
    if provider == NAME {
        return Ok(());
    }
    let shown: String = provider.chars().take(80).collect();
    Err(ConnectionError::Missing(format!("there is no provider `{shown}`; there is: {NAME}")))
}

/// A name that a person may give in that field.
fn good_name(field: &str, name: &str) -> Result<String, ConnectionError> {
    let name = name.trim();
    let refused = |message: String| Err(ConnectionError::Invalid { field: field.to_owned(), message });
    match name.chars().count() {
        0 => return refused("is empty: give the connection a name".to_owned()),
        1..=LONGEST_NAME => {}
        length => return refused(format!("has {length} characters, and {LONGEST_NAME} are the most")),
    }
    if name.chars().any(char::is_control) {
        return refused("holds control characters".to_owned());
    }
    if matches!(name, ENVIRONMENT | SANDBOX) {
        return refused(format!("`{name}` is the server's own: choose another"));
    }
    Ok(name.to_owned())
}

/// The name is one of another connection.
fn taken(name: &str, row: Option<&Connection>) -> ConnectionError {
    let whose = row.map_or_else(String::new, |row| format!(" by {} ({})", row.id, row.status));
    ConnectionError::Conflict(format!("the name `{name}` is taken{whose}: choose another"))
}

/// Nango did not do it.
fn unavailable(refusal: &Refusal) -> ConnectionError {
    let hint = match refusal {
        Refusal::Away { .. } => "try again in a moment",
        Refusal::Answered { status: 401 | 403, .. } => "check NANGO_SECRET_KEY and the key's scopes",
        Refusal::Answered { .. } => "see Nango's logs",
    };
    ConnectionError::Unavailable(format!("{refusal}: {hint}"))
}
