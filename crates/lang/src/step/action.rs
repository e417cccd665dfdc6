//! `action`: one call of a provider.

use std::sync::Arc;

use crate::catalog::Action;
use crate::template::{Template, Tree};

/// An action step.
#[derive(Debug)]
pub struct ActionStep {
    /// The row of the catalogue.
    pub action: Arc<Action>,
    /// The parameters as written, templates compiled; always a [`Tree::Object`], keys as written.
    pub config: Tree,
    /// Which connection to use; without it the run's, else the company's only one.
    pub connection: Option<Template>,
}
