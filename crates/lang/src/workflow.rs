//! A checked workflow: what people wrote, as data that the engine can run without looking at text again.

use crate::graph::Graph;
use crate::schema::Schema;
use crate::step::Step;
use crate::template::{EvaluationError, Scope, Template, Tree};
use crate::trigger::Trigger;
use crate::value::Value;

/// A workflow that passed every check.
#[derive(Debug)]
pub struct Workflow {
    /// 1 to 255 characters.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// What starts a run.
    pub trigger: Trigger,
    /// In the order of execution.
    pub steps: Vec<Step>,
    /// What a run's input must be like.
    pub input_schema: Option<Schema>,
    /// What a run's output should be like.
    pub output_schema: Option<Schema>,
    /// Read as `variables.…`; an object.
    pub variables: Value,
    /// Run-wide settings.
    pub settings: Settings,
    /// Which steps run, as a function of what the conditions chose.
    pub graph: Graph,
}

impl Workflow {
    /// Position of the step with that id in the list.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.id == id)
    }
}

/// `settings` of a workflow.
#[derive(Debug)]
pub struct Settings {
    /// Time limit of a run, milliseconds.
    pub timeout_ms: Option<u64>,
    /// Retries of every step that has none of its own.
    pub retry: Option<RetryConfig>,
    /// How many runs of one key may go at a time.
    pub concurrency: Option<Concurrency>,
    /// Whether created objects carry the run's metadata; default true.
    pub stamp_metadata: bool,
    /// The run's output; without it the last successful step's.
    pub output: Option<Tree>,
    /// A run's title for people.
    pub title: Option<Template>,
    /// Codes of warnings and infos that are not reported.
    pub ignore: Vec<String>,
}

/// How often and how fast a failed step is tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryConfig {
    /// Tries in all; 1 turns retries off.
    pub max_attempts: u32,
    /// Before the second try, milliseconds.
    pub initial_delay_ms: u64,
    /// At most, milliseconds.
    pub max_delay_ms: u64,
    /// From try to try.
    pub backoff_multiplier: rust_decimal::Decimal,
}

/// `settings.concurrency`.
#[derive(Debug)]
pub struct Concurrency {
    /// Runs with the same key count together.
    pub key: Template,
    /// At most that many at a time.
    pub limit: u32,
}

impl Concurrency {
    /// The key of the run that the scope reads from: what the template gives, as text; a missing value is empty text.
    ///
    /// # Errors
    /// An operation that the values do not allow.
    pub fn key_of(&self, scope: &dyn Scope) -> Result<String, EvaluationError> {
        self.key.evaluate(scope).map(|key| key.to_text())
    }
}
