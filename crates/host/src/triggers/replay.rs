//! Handing a kept event over once more, as a person wishes.

use loopfour_engine::cause::Cause;
use loopfour_engine::event::{Actor, TriggerKind};
use loopfour_engine::ports::{Clock, Journal, JournalError};
use loopfour_engine::provider_events::{
    Entrance, EventStatus, HandOver, Inbox, ProviderEvent, Replay, ReplayError, Signer,
};
use loopfour_engine::schedules::Schedules;
use loopfour_engine::{CompanyId, ConnectionId, EventId, WorkflowId};
use loopfour_lang::{Document, Value};
use uuid::Uuid;

use super::take_in::is_live;
use super::{Triggers, listeners, no_longer_passes};

impl<S: Inbox + Schedules + Journal, C: Clock> Triggers<S, C> {
    /// See [`Intake::replay`](loopfour_engine::provider_events::Intake::replay).
    pub(super) async fn hand_over_again(
        &self,
        company: CompanyId,
        id: EventId,
        wish: Replay,
        by: &Actor,
    ) -> Result<usize, ReplayError> {
        if wish.again && wish.workflow.is_none() {
            return Err(ReplayError::Unfit(
                "`again` is for one workflow; name it by `workflowId`".to_owned(),
            ));
        }
        let found = self.shared.store.event(company, id).await?;
        let (event, body) =
            found.ok_or_else(|| ReplayError::Missing(format!("event `{id}` does not exist")))?;
        let body = body.ok_or_else(|| {
            ReplayError::State(format!(
                "the body of event `{id}` is not kept any more, so it cannot be replayed"
            ))
        })?;
        let routed_to = self.connection(&event, &body, wish.connection)?;
        let had = self.shared.store.runs_of(company, id).await?;
        let has_it = |workflow: WorkflowId| had.iter().any(|(of, _)| *of == workflow);
        let causes: Vec<(WorkflowId, Cause)> = match wish.workflow {
            Some(workflow) => {
                self.may_get(workflow, &event).await?;
                // A second run has a cause of its own; whoever has none yet gets the first.
                let again = (wish.again && has_it(workflow)).then(Uuid::now_v7);
                let wanted = wish.again || !has_it(workflow);
                wanted.then_some((workflow, Cause::Event { event: id, again })).into_iter().collect()
            }
            None => {
                let listening = self.listening(company, &event.entrance, &event.kind, body.value()).await?;
                let missing = listening.into_iter().map(|active| active.workflow).filter(|w| !has_it(*w));
                missing.map(|workflow| (workflow, Cause::Event { event: id, again: None })).collect()
            }
        };
        let hand_over = |(workflow, cause)| HandOver { company, workflow, cause, attempts: 0 };
        let hand_overs: Vec<HandOver> = causes.into_iter().map(hand_over).collect();
        let count = hand_overs.len();
        if count > 0 || event.status == EventStatus::Unrouted {
            let put_in = self.shared.store.put_in_again(company, id, routed_to, hand_overs, by, self.now());
            put_in.await?;
        }
        Ok(count)
    }

    /// The connection that an unrouted event belongs to from here on; `None` for one that is routed.
    fn connection(
        &self,
        event: &ProviderEvent,
        body: &Document,
        wish: Option<ConnectionId>,
    ) -> Result<Option<ConnectionId>, ReplayError> {
        let id = event.id;
        if let Some(wish) =
            wish.filter(|wish| self.shared.senders.api_version(event.company, *wish).is_none())
        {
            return Err(ReplayError::Missing(format!("connection `{wish}` does not exist")));
        }
        match (&event.entrance, event.status, wish) {
            (Entrance::Custom { .. }, _, Some(_)) => Err(ReplayError::Unfit(format!(
                "event `{id}` came in at a custom webhook and belongs to no connection; leave `connectionId` out"
            ))),
            (Entrance::Custom { .. }, _, None) => Ok(None),
            (Entrance::Stripe, EventStatus::Unrouted, Some(wish)) => {
                self.takes(event, body.value(), wish).map(Some)
            }
            (Entrance::Stripe, EventStatus::Unrouted, None) => {
                let signer = event.connection.map_or(Signer::Company, Signer::Connection);
                let routed = self.route(event.company, signer, body.value());
                routed.map(Some).map_err(|reason| {
                    ReplayError::State(format!(
                        "event `{id}` is unrouted: {reason}; name the connection that it belongs to by `connectionId`"
                    ))
                })
            }
            (
                Entrance::Stripe,
                EventStatus::Stored | EventStatus::Dispatched | EventStatus::Dead,
                Some(wish),
            ) if event.connection != Some(wish) => Err(ReplayError::Unfit(match event.connection {
                Some(connection) => {
                    format!("event `{id}` belongs to connection `{connection}`, not `{wish}`")
                }
                None => format!("event `{id}` belongs to no connection; leave `connectionId` out"),
            })),
            (
                Entrance::Stripe,
                EventStatus::Stored | EventStatus::Dispatched | EventStatus::Dead,
                Some(_) | None,
            ) => Ok(None),
        }
    }

    /// A connection that a person named takes the event, whatever account that names, if it can be used and its mode is
    /// the event's.
    fn takes(
        &self,
        event: &ProviderEvent,
        body: &Value,
        wish: ConnectionId,
    ) -> Result<ConnectionId, ReplayError> {
        let (provider, signer) = (event.entrance.provider(), Signer::Connection(wish));
        let routed = self.shared.senders.route(event.company, provider, signer, None, is_live(body));
        routed.map_err(|reason| {
            ReplayError::Unfit(format!("event `{}` cannot belong to connection `{wish}`: {reason}", event.id))
        })
    }

    /// Whether the workflow may get the event, be it one that it listens to or not.
    async fn may_get(&self, workflow: WorkflowId, event: &ProviderEvent) -> Result<(), ReplayError> {
        let company = event.company;
        let provider = event.entrance.provider();
        let other = || {
            ReplayError::Unfit(format!(
                "workflow `{workflow}` is not started by webhooks of provider `{provider}`"
            ))
        };
        if let Some(version) = self.current_version(company, workflow, TriggerKind::Webhook) {
            let definition = self.definition(workflow, version).await?;
            let definition =
                definition.ok_or_else(|| ReplayError::State(no_longer_passes(workflow, version)))?;
            let fits = listeners::webhook(&definition).is_some_and(|webhook| webhook.provider == provider);
            return if fits { Ok(()) } else { Err(other()) };
        }
        let kinds = [TriggerKind::Api, TriggerKind::Schedule, TriggerKind::Failure];
        if kinds.iter().any(|kind| self.current_version(company, workflow, *kind).is_some()) {
            return Err(other());
        }
        match self.shared.store.has_workflow(company, workflow).await {
            Ok(true) => {
                Err(ReplayError::State(format!("workflow `{workflow}` is not active; activate it first")))
            }
            Ok(false) | Err(JournalError::Missing(_)) => {
                Err(ReplayError::Missing(format!("workflow `{workflow}` does not exist")))
            }
            Err(error) => Err(error.into()),
        }
    }
}
