//! `condition`: chooses one of two branches.

use crate::template::{EvaluationError, Scope, Tree};
use crate::value::Value;

/// Which list of steps a condition chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Branch {
    /// The condition held.
    Then,
    /// It did not.
    Else,
}

/// A condition step.
#[derive(Debug)]
pub struct ConditionStep {
    /// What decides.
    pub test: Test,
    /// Positions of the steps in `then`.
    pub then: Vec<usize>,
    /// Positions of the steps in `else`.
    pub otherwise: Vec<usize>,
}

/// A test: one comparison, or several joined.
#[derive(Debug)]
pub enum Test {
    /// `{left, operator, right?}`.
    Compare {
        /// Left side.
        left: Tree,
        /// How they are compared.
        operator: Operator,
        /// Right side; null for operators that take none.
        right: Tree,
        /// The compiled pattern of `matches` with a constant right side.
        pattern: Option<regex::Regex>,
    },
    /// All hold.
    And(Vec<Test>),
    /// One holds.
    Or(Vec<Test>),
    /// It does not hold.
    Not(Box<Test>),
}

/// A comparison, by the names that workflows use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it; the reference explains each")]
pub enum Operator {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    Contains,
    StartsWith,
    EndsWith,
    Exists,
    IsEmpty,
    Matches,
}

impl Test {
    /// Evaluates the test. Gives the result and the resolved conditions (what a run shows as the step's `input`).
    ///
    /// # Errors
    /// An expression that fails, or a pattern from a template that is no regular expression.
    pub fn evaluate(&self, _scope: &dyn Scope) -> Result<(bool, Value), EvaluationError> {
        unimplemented!()
    }
}
