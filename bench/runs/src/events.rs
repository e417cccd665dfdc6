//! No event comes in here: the benchmark asks for runs alone.

use loopfour_engine::connections::ConnectionError;
use loopfour_engine::ports::{BoxFuture, JournalError};
use loopfour_engine::provider_events::{
    BadSignature, Endpoint, Endpoints, Entrance, Incoming, Intake, Replay, ReplayError, Senders,
    SignatureHeaders, Signer, TakenIn,
};
use loopfour_engine::{Actor, CompanyId, ConnectionId, EventId, Timestamp};
use secrecy::SecretString;

/// Nobody sends events, and none is taken in.
#[derive(Clone, Copy, Debug)]
pub struct NoEvents;

const NONE: &str = "there are no events";

impl Senders for NoEvents {
    fn verify(
        &self,
        _: CompanyId,
        _: &Entrance,
        _: SignatureHeaders<'_>,
        _: &[u8],
        _: Timestamp,
    ) -> Result<Signer, BadSignature> {
        Err(BadSignature)
    }

    fn route(
        &self,
        _: CompanyId,
        _: &str,
        _: Signer,
        _: Option<&str>,
        _: bool,
    ) -> Result<ConnectionId, String> {
        Err(NONE.to_owned())
    }

    fn api_version(&self, _: CompanyId, _: ConnectionId) -> Option<String> {
        None
    }

    fn keep_secrets<'a>(
        &'a self,
        _: CompanyId,
        _: Entrance,
        _: Vec<SecretString>,
        _: &'a Actor,
    ) -> BoxFuture<'a, Result<(), ConnectionError>> {
        Box::pin(async { Err(ConnectionError::Missing(NONE.to_owned())) })
    }

    fn secret_counts(&self, _: CompanyId) -> Vec<(Entrance, usize)> {
        Vec::new()
    }
}

impl Endpoints for NoEvents {
    fn settle<'a>(&'a self, _: CompanyId, _: Vec<String>, _: &'a Actor) -> BoxFuture<'a, Vec<Endpoint>> {
        Box::pin(async { Vec::new() })
    }
}

impl Intake for NoEvents {
    fn take_in(&self, _: Incoming) -> BoxFuture<'_, Result<TakenIn, JournalError>> {
        Box::pin(async { Err(JournalError::Missing(NONE.to_owned())) })
    }

    fn asks_for_signature(&self, _: CompanyId, _: &str) -> BoxFuture<'_, Option<bool>> {
        Box::pin(async { None })
    }

    fn replay<'a>(
        &'a self,
        _: CompanyId,
        _: EventId,
        _: Replay,
        _: &'a Actor,
    ) -> BoxFuture<'a, Result<usize, ReplayError>> {
        Box::pin(async { Err(ReplayError::Missing(NONE.to_owned())) })
    }
}
