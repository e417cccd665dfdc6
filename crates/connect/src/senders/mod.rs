//! Who may send provider events, and whose they are: the secrets in memory that signatures are checked with (`secrets`), and
//! the connection that an event belongs to (`route`). What an event starts is decided by whoever asks.

mod route;
mod secrets;

use loopfour_engine::connections::ConnectionError;
use loopfour_engine::ports::BoxFuture;
use loopfour_engine::provider_events::{BadSignature, Entrance, Senders, SignatureHeaders, Signer};
use loopfour_engine::{Actor, CompanyId, ConnectionId, Timestamp};
use secrecy::SecretString;

pub(crate) use self::route::{account_of, candidates};
pub(crate) use self::secrets::{Secrets, check_stripe};
use crate::Connect;
use crate::webhook::{standard, stripe};

impl Senders for Connect {
    fn verify(
        &self,
        company: CompanyId,
        entrance: &Entrance,
        headers: SignatureHeaders<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Signer, BadSignature> {
        let signer = match entrance {
            Entrance::Stripe => {
                let signed = headers.stripe.and_then(|header| stripe::Signed::read(header, now));
                signed.and_then(|signed| self.signer(company, |secret| signed.is_by(secret, body)))
            }
            Entrance::Custom { .. } => {
                let SignatureHeaders { id, timestamp, signature, .. } = headers;
                let read = || standard::Signed::read(id?, timestamp?, signature?, now);
                let keys = &self.stripe.registry.secrets;
                let is_good = |signed: &standard::Signed<'_>| {
                    keys.any_key(company, entrance, |key| signed.is_by(key, body))
                };
                read().filter(is_good).map(|_| Signer::Company)
            }
        };
        signer.ok_or(BadSignature)
    }

    fn route(
        &self,
        company: CompanyId,
        provider: &str,
        signer: Signer,
        account: Option<&str>,
        livemode: bool,
    ) -> Result<ConnectionId, String> {
        if provider != crate::stripe::NAME {
            return Err(format!("there are no connections of the provider `{provider}`"));
        }
        route::route(&self.stripe.registry, company, signer, account, livemode)
    }

    fn api_version(&self, company: CompanyId, connection: ConnectionId) -> Option<String> {
        let live = self.stripe.registry.of_company(company, connection)?;
        Some(live.version().to_owned())
    }

    fn keep_secrets<'a>(
        &'a self,
        company: CompanyId,
        entrance: Entrance,
        secrets: Vec<SecretString>,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<(), ConnectionError>> {
        let registry = &self.stripe.registry;
        let (whose, who) = ((company, entrance), (by, registry.now()));
        Box::pin(registry.secrets.keep_of_entrance(registry.store(), whose, secrets, who))
    }

    fn secret_counts(&self, company: CompanyId) -> Vec<(Entrance, usize)> {
        self.stripe.registry.secrets.counts(company)
    }
}

impl Connect {
    /// Whose secret it is that passes. A connection says more than a company, so connections come first.
    fn signer(&self, company: CompanyId, is_its: impl Fn(&SecretString) -> bool) -> Option<Signer> {
        let registry = &self.stripe.registry;
        let mut lives = registry.all_of(company);
        lives.extend(registry.built_in_for(company).filter(|live| live.row.company != company));
        let is_by = |id: &ConnectionId| registry.secrets.any_of_connection(company, *id, &is_its);
        let by_connection = lives.iter().map(|live| live.row.id).find(is_by).map(Signer::Connection);
        let by_company = || registry.secrets.any_of_company(company, &is_its).then_some(Signer::Company);
        by_connection.or_else(by_company)
    }
}
