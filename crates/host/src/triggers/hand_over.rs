//! One hand-over made ready: which version of the workflow gets what, or why it gets nothing. Starts nothing, stores
//! nothing.

use std::sync::Arc;

use loopfour_engine::cause::Cause;
use loopfour_engine::event::TriggerKind;
use loopfour_engine::ports::{Clock, Journal, JournalError, Start};
use loopfour_engine::provider_events::{Active, EventStatus, HandOver, Inbox};
use loopfour_engine::schedules::Schedules;
use loopfour_engine::{CompanyId, ConnectionId, EventId, WorkflowId};
use loopfour_lang::trigger::Trigger;
use loopfour_lang::{Value, Workflow};

use super::{Triggers, listeners, no_longer_passes};

/// Texts longer than that are compared with a schema on a thread that may block, bytes.
const LONG: usize = 64 << 10;

/// So much of what does not fit is told, characters.
const LONGEST_REASON: usize = 1000;

/// A hand-over when its time has come.
pub(super) enum Ready {
    /// The run is to be started.
    Start(Box<Start>),
    /// The workflow is not to get it after all; the text says why, for the log.
    Withdrawn(&'static str),
    /// This try is in vain; a later one may not be.
    Failed(String),
    /// No try will do.
    Dead(String),
    /// The storage gives nothing for now.
    NotNow(JournalError),
}

/// What a run is given, and the connection that it uses.
pub(super) struct Given {
    pub(super) input: Value,
    /// The length of the input as text, bytes.
    pub(super) weight: usize,
    pub(super) connection: Option<ConnectionId>,
}

impl<S: Inbox + Schedules + Journal, C: Clock> Triggers<S, C> {
    /// Makes a hand-over ready.
    pub(super) async fn ready(&self, hand_over: HandOver) -> Ready {
        let HandOver { company, workflow, cause, .. } = hand_over;
        let kind = match cause {
            Cause::Event { .. } => TriggerKind::Webhook,
            Cause::Failure { .. } => TriggerKind::Failure,
            Cause::Firing { .. } => return Ready::Withdrawn("firings are not handed over"),
        };
        let Some(version) = self.current_version(company, workflow, kind) else {
            return Ready::Withdrawn("the workflow is not active, or is started by something else now");
        };
        let definition = match self.definition(workflow, version).await {
            Ok(Some(definition)) => definition,
            Ok(None) => return Ready::Failed(no_longer_passes(workflow, version)),
            Err(error) => return not_now(error),
        };
        let given = match cause {
            Cause::Event { event, .. } => self.event_for(company, event, &definition).await,
            Cause::Failure { run, length } => self.failure_for(run, length, &definition).await,
            Cause::Firing { .. } => return Ready::Withdrawn("firings are not handed over"),
        };
        let Given { input, weight, connection } = match given {
            Ok(given) => given,
            Err(ready) => return ready,
        };
        if let Some(misfits) = misfits(&definition, &input, weight).await {
            return Ready::Dead(misfits);
        }
        Ready::Start(Box::new(Start {
            run: None,
            company,
            workflow,
            version,
            definition,
            trigger: kind,
            input,
            connection,
            idempotency_key: None,
            restarted_from: None,
            by: None,
            cause: Some(cause),
            queue: None,
            kept: Vec::new(),
        }))
    }

    /// The workflow's current version, if it is active and started by that.
    pub(super) fn current_version(
        &self,
        company: CompanyId,
        workflow: WorkflowId,
        kind: TriggerKind,
    ) -> Option<u32> {
        let active = self.shared.store.active(company, kind);
        active.iter().find(|active| active.workflow == workflow).map(|Active { version, .. }| *version)
    }

    /// The event as it was sent.
    async fn event_for(
        &self,
        company: CompanyId,
        id: EventId,
        definition: &Workflow,
    ) -> Result<Given, Ready> {
        let held = self.shared.bodies.get(id);
        let (event, body) = match held {
            Some(held) => held,
            None => match self.shared.store.event(company, id).await {
                Ok(Some((event, Some(body)))) => (event, body),
                Ok(Some((_, None))) => {
                    return Err(Ready::Dead("the body of the event is not kept any more".to_owned()));
                }
                Ok(None) => return Err(Ready::Dead("the event is not kept any more".to_owned())),
                Err(error) => return Err(not_now(error)),
            },
        };
        let listens = listeners::webhook(definition);
        if listens.is_none_or(|webhook| webhook.provider != event.entrance.provider()) {
            return Err(Ready::Withdrawn("the workflow listens to another provider now"));
        }
        // An unrouted one that a person sends on is routed by then.
        let connection = event.connection.filter(|_| event.status != EventStatus::Unrouted);
        Ok(Given { input: body.value().clone(), weight: body.text().len(), connection })
    }
}

/// Whether the workflow is started by failures of that one.
pub(super) fn answers_failures_of(definition: &Workflow, failed: WorkflowId) -> bool {
    match &definition.trigger {
        Trigger::Failure { workflows } => {
            workflows.is_empty() || workflows.iter().any(|workflow| *workflow == failed.to_string())
        }
        Trigger::Api | Trigger::Webhook(_) | Trigger::Schedule(_) => false,
    }
}

/// What the workflow's `inputSchema` does not allow in an input, for people.
pub(super) async fn misfits(definition: &Arc<Workflow>, input: &Value, weight: usize) -> Option<String> {
    definition.input_schema.as_ref()?;
    let (checked, input) = (Arc::clone(definition), input.clone());
    let found = move || {
        checked.input_schema.as_ref().map(|schema| schema.misfits("input", &input)).unwrap_or_default()
    };
    let found = match weight {
        0..=LONG => found(),
        // A panic there goes on here, where it is caught as any other.
        _ => tokio::task::spawn_blocking(found).await.expect("comparing with a schema does not panic"),
    };
    if found.is_empty() {
        return None;
    }
    let all: Vec<String> =
        found.iter().map(|misfit| format!("{}: {}", misfit.field, misfit.message)).collect();
    Some(shortened(format!("the input does not fit the workflow's `inputSchema`: {}", all.join("; "))))
}

pub(super) fn shortened(text: String) -> String {
    match text.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What an error of the storage means for a hand-over.
pub(super) fn not_now(error: JournalError) -> Ready {
    match error {
        JournalError::Full(_) | JournalError::Storage(_) => Ready::NotNow(error),
        JournalError::Conflict { .. } | JournalError::Exists { .. } | JournalError::Missing(_) => {
            Ready::Failed(error.to_string())
        }
    }
}
