//! Which workflows listen to an event. Knows what triggers say, not who sent the event or whose it is.

use std::sync::Arc;

use loopfour_engine::CompanyId;
use loopfour_engine::event::TriggerKind;
use loopfour_engine::ports::{Clock, Journal, JournalError};
use loopfour_engine::provider_events::{Active, Entrance, Inbox};
use loopfour_engine::schedules::Schedules;
use loopfour_lang::trigger::{Trigger, Webhook};
use loopfour_lang::{Value, Workflow, json};

use super::Triggers;

/// What an active workflow listens to.
pub(super) enum Listener {
    /// As it was checked.
    Checked(Arc<Workflow>),
    /// As it is written, where that no longer passes the checks: an event for it is not lost without a word, its hand-over
    /// says what is wrong.
    Written(Webhook),
}

impl Listener {
    /// Its trigger, if it listens at the entrance.
    pub(super) fn at(&self, entrance: &Entrance) -> Option<&Webhook> {
        let webhook = match self {
            Listener::Checked(workflow) => webhook(workflow)?,
            Listener::Written(webhook) => webhook,
        };
        let is_there = match entrance {
            Entrance::Stripe => true,
            Entrance::Custom { path } => webhook.path.as_ref() == Some(path),
        };
        (is_there && webhook.provider == entrance.provider()).then_some(webhook)
    }
}

/// The workflow's trigger, if it is a webhook.
pub(super) fn webhook(workflow: &Workflow) -> Option<&Webhook> {
    match &workflow.trigger {
        Trigger::Webhook(webhook) => Some(webhook),
        Trigger::Api | Trigger::Schedule(_) | Trigger::Failure { .. } => None,
    }
}

impl<S: Inbox + Schedules + Journal, C: Clock> Triggers<S, C> {
    /// The company's active workflows that want this event.
    pub(super) async fn listening(
        &self,
        company: CompanyId,
        entrance: &Entrance,
        kind: &str,
        event: &Value,
    ) -> Result<Vec<Active>, JournalError> {
        let mut listening = Vec::new();
        for active in self.shared.store.active(company, TriggerKind::Webhook) {
            let listener = self.listener(active).await?;
            let webhook = listener.as_ref().and_then(|listener| listener.at(entrance));
            if webhook.is_some_and(|webhook| webhook.wants(kind, event)) {
                listening.push(active);
            }
        }
        Ok(listening)
    }

    /// See [`Intake::asks_for_signature`](loopfour_engine::provider_events::Intake::asks_for_signature).
    pub(super) async fn signature_at(&self, company: CompanyId, path: String) -> Option<bool> {
        let entrance = Entrance::Custom { path };
        let mut asks = None;
        for active in self.shared.store.active(company, TriggerKind::Webhook) {
            // What cannot be read now asks for a signature: it is the safer answer.
            let listener = match self.listener(active).await {
                Ok(listener) => listener,
                Err(_) => return Some(true),
            };
            if let Some(webhook) = listener.as_ref().and_then(|listener| listener.at(&entrance)) {
                asks = Some(asks.unwrap_or(false) || webhook.verify_signature);
            }
        }
        asks
    }

    async fn listener(&self, active: Active) -> Result<Option<Listener>, JournalError> {
        if let Some(workflow) = self.definition(active.workflow, active.version).await? {
            return Ok(Some(Listener::Checked(workflow)));
        }
        let source = self.shared.store.definition(active.workflow, active.version).await?;
        Ok(as_written(&source).map(Listener::Written))
    }
}

/// The trigger of a definition that has errors, as far as it can be told.
fn as_written(source: &str) -> Option<Webhook> {
    let definition = json::parse(source.as_bytes()).ok()?;
    let trigger = definition.get("trigger")?;
    let text = |key: &str| trigger.get(key).and_then(Value::as_text).map(str::to_owned);
    let events = match trigger.get("events") {
        Some(Value::Array(events)) => events.iter().filter_map(Value::as_text).map(str::to_owned).collect(),
        Some(_) | None => Vec::new(),
    };
    let verify_signature = trigger.get("verifySignature") != Some(&Value::Boolean(false));
    Some(Webhook { provider: text("provider")?, events, path: text("path"), verify_signature, filter: None })
}
