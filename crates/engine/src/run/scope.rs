//! What the expressions of a step can read.

use loopfour_lang::template::{Scope, StepField};
use loopfour_lang::trigger::Trigger;
use loopfour_lang::{Object, Value};

use super::{Run, StepStatus};
use crate::time::Timestamp;

/// A run as its expressions see it at one moment.
pub(super) struct RunScope<'a> {
    pub(super) run: &'a Run,
    pub(super) now: Timestamp,
}

impl Scope for RunScope<'_> {
    fn input(&self) -> Value {
        self.run.input.clone()
    }

    fn payload(&self) -> Option<Value> {
        let input = &self.run.input;
        // By the workflow and not by the run: who tries it by hand gives an event as its input.
        let is_event = matches!(self.run.definition.trigger, Trigger::Webhook(_));
        (is_event && input.get("payload").is_none()).then(|| input.clone())
    }

    fn variables(&self) -> Value {
        self.run.definition.variables.clone()
    }

    fn step(&self, id: &str, field: StepField) -> Value {
        let Some(step) = self.run.definition.position(id) else { return Value::Null };
        let state = &self.run.steps[step];
        match field {
            StepField::Output => state.output.value().clone(),
            StepField::Status => text(state.status.name()),
            StepField::Error if state.status == StepStatus::Error => {
                let error = state.error.as_ref().and_then(|error| serde_json::to_string(error).ok());
                let error = error.and_then(|error| loopfour_lang::json::parse_exact(error.as_bytes()).ok());
                error.unwrap_or_default()
            }
            StepField::Error => Value::Null,
        }
    }

    fn now(&self) -> Value {
        text(&self.now.to_string())
    }

    fn run(&self) -> Value {
        let started = self.run.started_at.unwrap_or(self.now);
        let members = [
            ("id", text(&self.run.id.to_string())),
            ("workflowId", text(&self.run.workflow.to_string())),
            ("startedAt", text(&started.to_string())),
        ];
        Value::Object(
            members.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Object>().into(),
        )
    }

    fn environment(&self, _name: &str) -> Value {
        // The checker lets no name through: no setting allows any yet.
        Value::Null
    }

    fn local(&self, _name: &str) -> Option<Value> {
        None
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}
