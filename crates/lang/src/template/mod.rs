//! Templates: `{{ expression }}` inside the strings of a workflow. Parsed once, evaluated often.

mod arithmetic;
mod ast;
pub mod compare;
mod evaluate;
mod functions;
mod moment;
mod money;
mod parser;
mod print;

pub use ast::{BinaryOperator, Expression, ExpressionKind, Function, Root, UnaryOperator};
pub(crate) use evaluate::member;

use crate::source::Span;
use crate::value::Value;

/// A string with at least one `{{ … }}` in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// The string as written (after JSON's own escapes).
    pub source: String,
    /// Text and expressions in turn.
    pub parts: Vec<Part>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Copied as it is.
    Text(String),
    /// Evaluated.
    Expression(Expression),
}

/// Something wrong in a template; `span` counts bytes in the template's string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub span: Span,
    /// What.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Template {
    /// Parses a string. Never fails: what could not be read is a problem, and the rest stands.
    ///
    /// ```
    /// use loopfour_lang::template::Template;
    ///
    /// let (template, problems) = Template::parse("Order #{{ input.id || 'none' }}");
    /// assert!(problems.is_empty());
    /// assert_eq!(template.to_string(), r#"Order #{{ input.id || "none" }}"#);
    /// ```
    pub fn parse(text: &str) -> (Template, Vec<Problem>) {
        parser::parse(text)
    }

    /// The only expression, where the template is nothing else: then the value keeps its type.
    pub fn whole(&self) -> Option<&Expression> {
        match self.parts.as_slice() {
            [Part::Expression(expression)] => Some(expression),
            _ => None,
        }
    }

    /// Evaluates the template: a whole expression keeps its type, anything else is text.
    ///
    /// # Errors
    /// An operation that the values do not allow, such as a division by zero.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Value, EvaluationError> {
        evaluate::template(self, scope)
    }
}

/// A JSON value of a workflow with its templates compiled.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// No template inside.
    Literal(Value),
    /// A string with templates.
    Template(Template),
    /// An array with templates somewhere inside.
    Array(Vec<Tree>),
    /// An object, keys as written.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Evaluates every template inside.
    ///
    /// # Errors
    /// The first expression that fails.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Value, EvaluationError> {
        evaluate::tree(self, scope)
    }
}

/// What a step may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepField {
    /// What it gave.
    Output,
    /// How it stands.
    Status,
    /// How it failed.
    Error,
}

impl StepField {
    /// The field of that name: `output`, `status`, `error`.
    pub fn named(name: &str) -> Option<StepField> {
        match name {
            "output" => Some(StepField::Output),
            "status" => Some(StepField::Status),
            "error" => Some(StepField::Error),
            _ => None,
        }
    }
}

/// The values that an expression can read.
pub trait Scope {
    /// The run's input.
    fn input(&self) -> Value;
    /// What `input.payload` stands for where the input has no member of that name: for a webhook's run the input itself.
    fn payload(&self) -> Option<Value> {
        None
    }
    /// The workflow's variables.
    fn variables(&self) -> Value;
    /// A step's output, status or error; null where there is none.
    fn step(&self, id: &str, field: StepField) -> Value;
    /// The journaled time of the step, ISO 8601 UTC with milliseconds.
    fn now(&self) -> Value;
    /// `{id, workflowId, startedAt}`.
    fn run(&self) -> Value;
    /// An environment variable that the operator allows.
    fn environment(&self, name: &str) -> Value;
    /// A loop's item or index.
    fn local(&self, name: &str) -> Option<Value>;
}

/// An expression that could not be evaluated (`EXPRESSION_ERROR`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} in `{expression}`")]
pub struct EvaluationError {
    /// The text of the expression.
    pub expression: String,
    /// What went wrong, with the values that it met.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}
