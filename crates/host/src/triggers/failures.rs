//! What a workflow gets that answers failures: the run that failed, and its error. Which failures are handed over at all
//! is said by those who keep them.

use loopfour_engine::event::TriggerKind;
use loopfour_engine::ports::{Clock, Journal};
use loopfour_engine::provider_events::Inbox;
use loopfour_engine::schedules::Schedules;
use loopfour_engine::{Run, RunError, RunId};
use loopfour_lang::{Object, Value, Workflow};

use super::Triggers;
use super::hand_over::{Given, Ready, answers_failures_of, not_now};
use crate::load::{self, LoadError};

impl<S: Inbox + Schedules + Journal, C: Clock> Triggers<S, C> {
    /// The failed run as it stood when its journal had that length, unless the workflow answers other workflows' failures
    /// only. What the run used, its connection, is used for the answer as well.
    pub(super) async fn failure_for(
        &self,
        run: RunId,
        length: u64,
        definition: &Workflow,
    ) -> Result<Given, Ready> {
        let loaded = load::run(&self.shared.store, &self.shared.definitions, run, Some(length)).await;
        let run = loaded.map_err(|error| match error {
            LoadError::Journal(error) => not_now(error),
            LoadError::Missing(_) | LoadError::Damaged(_) => {
                Ready::Failed(format!("the run that failed cannot be read: {error}"))
            }
        })?;
        if !answers_failures_of(definition, run.workflow) {
            return Err(Ready::Withdrawn("the workflow answers failures of others"));
        }
        Ok(Given { input: told(&run), weight: 0, connection: run.connection })
    }
}

fn told(run: &Run) -> Value {
    let moment = |at: Option<_>| at.map_or(Value::Null, text);
    let head = object([
        ("id", text(run.id)),
        ("workflowId", text(run.workflow)),
        ("workflowVersion", i64::from(run.version).into()),
        ("workflowName", run.definition().name.as_str().into()),
        ("status", run.status.name().into()),
        ("triggerType", trigger_name(run.trigger).into()),
        ("startedAt", moment(run.started_at)),
        ("completedAt", moment(run.completed_at)),
    ]);
    object([("run", head), ("error", run.error.as_ref().map_or(Value::Null, error))])
}

/// An error as the API shows it.
fn error(error: &RunError) -> Value {
    let optional = [
        ("provider", &error.provider),
        ("type", &error.kind),
        ("declineCode", &error.decline_code),
        ("param", &error.param),
        ("requestId", &error.request_id),
        ("docUrl", &error.doc_url),
        ("reason", &error.reason),
    ];
    let optional = optional.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?.into())));
    let status = error.status.map(|status| ("status", i64::from(status).into()));
    object(
        [
            ("code", error.code.as_str().into()),
            ("message", error.message.as_str().into()),
            ("step", error.step.as_str().into()),
            ("attempt", i64::from(error.attempt).into()),
        ]
        .into_iter()
        .chain(optional)
        .chain(status)
        .chain([("retryable", error.retryable.into()), ("hint", error.hint.as_str().into())]),
    )
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Object>().into()
}

fn text(shown: impl ToString) -> Value {
    shown.to_string().into()
}

fn trigger_name(trigger: TriggerKind) -> &'static str {
    match trigger {
        TriggerKind::Api => "api",
        TriggerKind::Webhook => "webhook",
        TriggerKind::Schedule => "schedule",
        TriggerKind::Failure => "failure",
    }
}
