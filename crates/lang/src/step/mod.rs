//! Steps: what every step has, and one file per step type.

pub mod action;
pub mod condition;

use crate::value::Value;
use crate::workflow::RetryConfig;

pub use action::ActionStep;
pub use condition::ConditionStep;

/// One step of a workflow.
#[derive(Debug)]
pub struct Step {
    /// Unique in its workflow; letters, digits, `-`, `_`.
    pub id: String,
    /// For people.
    pub name: Option<String>,
    /// What it does.
    pub kind: StepKind,
    /// Retries of this step.
    pub retry: Option<RetryConfig>,
    /// What its failure means for the run.
    pub on_error: OnError,
    /// Time limit of one attempt, milliseconds; the type's default where absent.
    pub timeout_ms: Option<u64>,
}

/// What a step does.
#[derive(Debug)]
pub enum StepKind {
    /// Calls a provider.
    Action(ActionStep),
    /// Chooses a branch.
    Condition(ConditionStep),
}

impl StepKind {
    /// The name that workflows use: `action`, `condition`.
    pub fn name(&self) -> &'static str {
        match self {
            StepKind::Action(_) => "action",
            StepKind::Condition(_) => "condition",
        }
    }
}

/// `errorHandling` of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum OnError {
    /// The run fails.
    #[default]
    Fail,
    /// The run fails once the retries are used up.
    Retry,
    /// The run goes on with this as the step's output.
    Continue {
        /// Null where none was given.
        fallback: Value,
    },
}
