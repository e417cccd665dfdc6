//! All checks of a workflow's text. Everything that is wrong is reported at once.

use crate::catalog::Catalog;
use crate::diagnostic::Diagnostic;
use crate::workflow::Workflow;

/// What the checker needs to know of the server.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The actions that exist.
    pub catalog: &'a Catalog,
    /// Names of environment variables that the operator allows.
    pub environment: &'a [String],
}

/// The outcome of a check.
#[derive(Debug)]
pub struct Checked {
    /// There unless a diagnostic is an error.
    pub workflow: Option<Workflow>,
    /// In the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks the text of a workflow.
pub fn check(_text: &str, _options: Options<'_>) -> Checked {
    unimplemented!()
}
