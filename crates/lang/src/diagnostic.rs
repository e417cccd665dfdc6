//! What the checker says about a workflow: code, place, message, hint.

use serde::Serialize;

use crate::source::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Info,
    /// Works, but perhaps not as meant.
    Warning,
    /// Cannot work; the workflow is refused.
    Error,
}

/// One finding of the checker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// `LF` and four digits; each has a page in `docs/errors/`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// JSON Pointer to the place, such as `/steps/0/config/email`.
    pub pointer: String,
    /// The same as a path, such as `steps[0].config.email`.
    pub field: String,
    /// The bytes of the text that it is about.
    pub span: Span,
    /// Line of the first byte, from 1.
    pub line: usize,
    /// Column of the first byte in characters, from 1.
    pub column: usize,
    /// What is wrong, naming thing and value; lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}
