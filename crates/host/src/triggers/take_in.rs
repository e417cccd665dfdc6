//! Taking an event in: whose it is, who listens, and keeping both in one commit. Starts nothing.

use loopfour_engine::EventId;
use loopfour_engine::ports::{Clock, Journal, JournalError};
use loopfour_engine::provider_events::{
    Active, Entrance, EventStatus, Inbox, Incoming, Kept, NewEvent, ProviderEvent, Signer, TakenIn,
};
use loopfour_engine::schedules::Schedules;
use loopfour_engine::{CompanyId, ConnectionId};
use loopfour_lang::Value;
use tracing::{debug, warn};
use uuid::Uuid;

use super::Triggers;

impl<S: Inbox + Schedules + Journal, C: Clock> Triggers<S, C> {
    /// See [`Intake::take_in`](loopfour_engine::provider_events::Intake::take_in).
    pub(super) async fn keep(&self, incoming: Incoming) -> Result<TakenIn, JournalError> {
        let Incoming { company, entrance, signer, provider_event_id, kind, body } = incoming;
        let route = match &entrance {
            Entrance::Stripe => self.route(company, signer, body.value()).map(Some),
            Entrance::Custom { .. } => Ok(None),
        };
        let mut event = ProviderEvent {
            id: EventId(Uuid::now_v7()),
            company,
            entrance,
            provider_event_id,
            kind,
            connection: None,
            status: EventStatus::Stored,
            reason: None,
            attempts: 0,
            created_at: self.now(),
        };
        let workflows = match route {
            Ok(connection) => {
                event.connection = connection;
                event.reason =
                    connection.and_then(|connection| self.other_version(company, connection, body.value()));
                let listening = self.listening(company, &event.entrance, &event.kind, body.value()).await?;
                listening.into_iter().map(|Active { workflow, .. }| workflow).collect()
            }
            Err(reason) => {
                warn!(event = %event.id, reason, "an event is not routed");
                event.status = EventStatus::Unrouted;
                event.reason = Some(reason);
                event.connection = signed_by(signer);
                Vec::new()
            }
        };
        self.kept(NewEvent { event, body, workflows }).await
    }

    /// Before it is kept it is at hand already: whoever hands it over may be faster than who hears that it is kept.
    async fn kept(&self, new: NewEvent) -> Result<TakenIn, JournalError> {
        let (event, workflows) = (new.event.id, new.workflows.len());
        let held = self.shared.bodies.hold(&new.event, &new.body, workflows);
        match self.shared.store.keep(new).await? {
            Kept::New => {
                held.kept();
                debug!(%event, workflows, "an event was taken in");
                Ok(TakenIn { event, workflows })
            }
            Kept::Duplicate(first) => Ok(TakenIn { event: first, workflows: 0 }),
        }
    }

    /// The connection that Stripe's event belongs to.
    pub(super) fn route(
        &self,
        company: CompanyId,
        signer: Signer,
        event: &Value,
    ) -> Result<ConnectionId, String> {
        let account = event.get("account").and_then(Value::as_text);
        self.shared.senders.route(company, Entrance::Stripe.provider(), signer, account, is_live(event))
    }

    /// What people should know of an event of another version of the provider's API than the connection's.
    pub(super) fn other_version(
        &self,
        company: CompanyId,
        connection: ConnectionId,
        event: &Value,
    ) -> Option<String> {
        let version = event.get("api_version").and_then(Value::as_text)?;
        let expected = self.shared.senders.api_version(company, connection)?;
        (version != expected).then(|| {
            format!(
                "the event has the API version `{version}` and its connection `{expected}`: what is in it may differ from \
                 what its workflows expect; set the version of the endpoint at Stripe to the connection's"
            )
        })
    }
}

/// Whether it came of real money.
pub(super) fn is_live(event: &Value) -> bool {
    event.get("livemode") == Some(&Value::Boolean(true))
}

fn signed_by(signer: Signer) -> Option<ConnectionId> {
    match signer {
        Signer::Connection(connection) => Some(connection),
        Signer::Company | Signer::Nobody => None,
    }
}
