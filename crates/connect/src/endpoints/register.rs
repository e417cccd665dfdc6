//! Bringing one connection's endpoint about: nothing is asked where nothing changed, but once after a start, for Stripe
//! disables endpoints that failed for days, and people delete them.

use std::sync::Arc;

use loopfour_engine::call::Account;
use loopfour_engine::connections::{KeepError, Registration};
use loopfour_engine::provider_events::Endpoint;
use loopfour_engine::{Actor, ConnectionId, Failure};

use super::plan::Planned;
use super::words;
use crate::live::Live;
use crate::stripe::{Remote, Stripe, is_absent};

/// What came of it.
pub(super) struct Outcome {
    connection: ConnectionId,
    /// What a person is told; nothing of a connection that is not used.
    pub(super) endpoint: Option<Endpoint>,
    /// It is to be tried again.
    pub(super) again: bool,
    /// Where it was seen as it should be.
    seen: Option<Account>,
}

impl Outcome {
    /// Where the connection's endpoint was seen as it should be.
    pub(super) fn seen(&self) -> Option<(ConnectionId, Account)> {
        self.seen.clone().map(|account| (self.connection, account))
    }
}

/// Why an endpoint is not as it should be.
pub(super) enum Trouble {
    /// Stripe cannot be told an address; nothing changes about that by itself.
    Address(&'static str),
    /// Stripe refused, or did not answer.
    Stripe(Box<Failure>),
    /// It is done at Stripe, and could not be stored.
    Storage(KeepError),
}

impl From<Box<Failure>> for Trouble {
    fn from(failure: Box<Failure>) -> Trouble {
        Trouble::Stripe(failure)
    }
}

impl From<KeepError> for Trouble {
    fn from(error: KeepError) -> Trouble {
        Trouble::Storage(error)
    }
}

/// Brings a connection's endpoint to what is planned. `seen` says where it was seen as it was told to be.
pub(super) async fn register(
    stripe: Arc<Stripe>,
    planned: Planned,
    seen: Option<Account>,
    by: Actor,
) -> Outcome {
    let work = Work { stripe: &stripe, planned: &planned, by: &by };
    let brought = match planned.is_sent() {
        true => work.bring(seen.as_ref()).await.map(Some),
        false => work.withdraw().await.map(|()| None),
    };
    let connection = planned.live.row.id;
    let addresses = &stripe.registrar.addresses;
    match brought {
        Ok(seen) => {
            let endpoint = words::settled(addresses, &planned);
            Outcome { connection, endpoint, again: false, seen }
        }
        Err(trouble) => {
            let again = !matches!(trouble, Trouble::Address(_));
            let has_secret = stripe.registry.secrets.has_given(planned.company, connection);
            let endpoint = words::unsettled(addresses, &planned, &trouble, has_secret);
            Outcome { connection, endpoint, again, seen: None }
        }
    }
}

struct Work<'a> {
    stripe: &'a Arc<Stripe>,
    planned: &'a Planned,
    by: &'a Actor,
}

impl Work<'_> {
    /// Sees to it that there is an endpoint with these events, and says at which account.
    async fn bring(&self, seen: Option<&Account>) -> Result<Account, Trouble> {
        let Planned { company, live, events, part: _ } = self.planned;
        let url = self.stripe.registrar.addresses.of(live, *company).map_err(Trouble::Address)?;
        let live = &self.stripe.known(live).await?;
        let account = Account { id: live.account_id().map(str::to_owned), ..live.account.clone() };
        let Some(told) = self.told() else {
            self.make(live, &url).await?;
            return Ok(account);
        };
        if told.api_version != live.version() {
            // The version of an endpoint cannot be changed.
            self.make(live, &url).await?;
            self.delete(live, &told.endpoint).await;
            return Ok(account);
        }
        let is_told = told.url == url && told.events == *events;
        if is_told && seen == Some(&account) {
            return Ok(account);
        }
        let changed = async {
            if is_told && is_as(&self.stripe.endpoint(live, &told.endpoint).await?, &url, events) {
                return Ok(());
            }
            self.stripe.change_endpoint(live, &told.endpoint, &url, events).await
        };
        match changed.await {
            Ok(()) if is_told => {}
            Ok(()) => self.keep(Registration { url, events: events.clone(), ..told }).await?,
            // Somebody deleted it, or it is another account's.
            Err(failure) if is_absent(&failure) => self.make(live, &url).await?,
            Err(failure) => return Err(failure.into()),
        }
        Ok(account)
    }

    /// Sees to it that nothing is sent any more.
    async fn withdraw(&self) -> Result<(), Trouble> {
        let Some(told) = self.told().filter(|told| !told.events.is_empty()) else { return Ok(()) };
        let id = self.planned.live.row.id;
        match self.stripe.disable_endpoint(&self.planned.live, &told.endpoint).await {
            Ok(()) => self.keep(Registration { events: Vec::new(), ..told }).await,
            Err(failure) if is_absent(&failure) => {
                let registry = &self.stripe.registry;
                let now = registry.now();
                let whose = (self.planned.company, id);
                Ok(registry.secrets.forget_registration(registry.store(), whose, (self.by, now)).await?)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    fn told(&self) -> Option<Registration> {
        self.stripe.registry.secrets.registration(self.planned.company, self.planned.live.row.id)
    }

    /// Makes an endpoint. One of ours that we know nothing of any more is of no use: its secret is told only once.
    async fn make(&self, live: &Arc<Live>, url: &str) -> Result<(), Trouble> {
        let Planned { company, events, .. } = self.planned;
        let (secrets, whose) = (&self.stripe.registry.secrets, company.to_string());
        for lost in self.stripe.endpoints(live).await? {
            let is_ours = lost.url == url && lost.company.as_deref() == Some(&whose);
            if is_ours && !secrets.knows_endpoint(&lost.id) {
                self.delete(live, &lost.id).await;
            }
        }
        let (endpoint, secret) = self.stripe.make_endpoint(live, *company, url, events).await?;
        let registration = Registration {
            company: *company,
            connection: live.row.id,
            endpoint,
            secret,
            url: url.to_owned(),
            api_version: live.version().to_owned(),
            events: events.clone(),
        };
        self.keep(registration).await
    }

    /// Deletes an endpoint that has no use any more. One that stays sends events twice, which does no harm.
    async fn delete(&self, live: &Arc<Live>, id: &str) {
        let _ = self.stripe.delete_endpoint(live, id).await;
    }

    async fn keep(&self, registration: Registration) -> Result<(), Trouble> {
        let registry = &self.stripe.registry;
        let who = (self.by, registry.now());
        Ok(registry.secrets.keep_registration(registry.store(), registration, who).await?)
    }
}

fn is_as(remote: &Remote, url: &str, events: &[String]) -> bool {
    remote.is_enabled && remote.url == url && remote.events == events
}
