//! Nobody has a connection here: the benchmark asks for runs alone.

use loopfour_engine::connections::{
    Authorization, AuthorizationNews, Authorize, Connection, ConnectionChange, ConnectionError, Connections,
    NewKeyConnection,
};
use loopfour_engine::ports::BoxFuture;
use loopfour_engine::{Actor, CompanyId, ConnectionId};
use uuid::Uuid;

/// Nobody has a connection, and none can be made: for whoever has no use for them.
#[derive(Clone, Copy, Debug)]
pub struct NoConnections;

fn none<'a, T: 'a>() -> BoxFuture<'a, Result<T, ConnectionError>> {
    Box::pin(async { Err(ConnectionError::Missing("there are no connections".to_owned())) })
}

impl Connections for NoConnections {
    fn authorize<'a>(
        &'a self,
        _: CompanyId,
        _: Authorize,
        _: &'a Actor,
    ) -> BoxFuture<'a, Result<Authorization, ConnectionError>> {
        none()
    }

    fn look(&self, _: CompanyId, _: ConnectionId) -> BoxFuture<'_, Result<Connection, ConnectionError>> {
        none()
    }

    fn look_at_attempt(
        &self,
        _: Uuid,
        _: Option<AuthorizationNews>,
    ) -> BoxFuture<'_, Result<Connection, ConnectionError>> {
        none()
    }

    fn add_key<'a>(
        &'a self,
        _: CompanyId,
        _: NewKeyConnection,
        _: &'a Actor,
    ) -> BoxFuture<'a, Result<Connection, ConnectionError>> {
        none()
    }

    fn change<'a>(
        &'a self,
        _: CompanyId,
        _: ConnectionId,
        _: ConnectionChange,
        _: &'a Actor,
    ) -> BoxFuture<'a, Result<Connection, ConnectionError>> {
        none()
    }

    fn disconnect<'a>(
        &'a self,
        _: CompanyId,
        _: ConnectionId,
        _: &'a Actor,
    ) -> BoxFuture<'a, Result<Connection, ConnectionError>> {
        none()
    }

    fn test<'a>(
        &'a self,
        _: CompanyId,
        _: ConnectionId,
        _: &'a Actor,
    ) -> BoxFuture<'a, Result<Connection, ConnectionError>> {
        none()
    }

    fn exists(&self, _: CompanyId, _: ConnectionId) -> bool {
        false
    }

    fn company_of(&self, _: ConnectionId) -> Option<CompanyId> {
        None
    }
}
