//! Whose events are, as the test says.

use std::sync::Mutex;

use loopfour_engine::connections::ConnectionError;
use loopfour_engine::event::Actor;
use loopfour_engine::ports::BoxFuture;
use loopfour_engine::provider_events::{BadSignature, Entrance, Senders, SignatureHeaders, Signer};
use loopfour_engine::{CompanyId, ConnectionId, Timestamp};
use secrecy::SecretString;
use uuid::Uuid;

use super::CONNECTION;

pub const VERSION: &str = "2026-10-28.endive";

/// A connection that there is not.
pub const UNKNOWN: ConnectionId = ConnectionId(Uuid::from_u128(0xdead));

/// What was asked of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    pub signer: Signer,
    pub account: Option<String>,
    pub livemode: bool,
}

/// Everything belongs to one connection, unless told otherwise.
#[derive(Default)]
pub struct FakeSenders {
    refusal: Mutex<Option<String>>,
    asked: Mutex<Vec<Asked>>,
}

impl FakeSenders {
    /// From now on nothing belongs to a connection, for that reason; or it does again.
    pub fn refuse(&self, reason: Option<&str>) {
        *self.refusal.lock().unwrap() = reason.map(str::to_owned);
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Senders for FakeSenders {
    fn verify(
        &self,
        _company: CompanyId,
        _entrance: &Entrance,
        _headers: SignatureHeaders<'_>,
        _body: &[u8],
        _now: Timestamp,
    ) -> Result<Signer, BadSignature> {
        Err(BadSignature)
    }

    fn route(
        &self,
        _company: CompanyId,
        provider: &str,
        signer: Signer,
        account: Option<&str>,
        livemode: bool,
    ) -> Result<ConnectionId, String> {
        assert_eq!(provider, "stripe");
        let account = account.map(str::to_owned);
        self.asked.lock().unwrap().push(Asked { signer, account, livemode });
        match (self.refusal.lock().unwrap().clone(), signer) {
            (Some(reason), _) => Err(reason),
            (None, Signer::Connection(connection)) => Ok(connection),
            (None, Signer::Company | Signer::Nobody) => Ok(CONNECTION),
        }
    }

    fn api_version(&self, _company: CompanyId, connection: ConnectionId) -> Option<String> {
        (connection != UNKNOWN).then(|| VERSION.to_owned())
    }

    fn keep_secrets<'a>(
        &'a self,
        _company: CompanyId,
        _entrance: Entrance,
        _secrets: Vec<SecretString>,
        _by: &'a Actor,
    ) -> BoxFuture<'a, Result<(), ConnectionError>> {
        Box::pin(async { Ok(()) })
    }

    fn secret_counts(&self, _company: CompanyId) -> Vec<(Entrance, usize)> {
        Vec::new()
    }
}
