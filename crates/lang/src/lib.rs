//! The workflow language: from the text that people write to a checked [`Workflow`] and [`Diagnostic`]s.
//!
//! Checker, engine, command line and dashboard all go through this crate, so what was accepted is what runs.
//! It does no I/O, reads no clock and never returns an error for a user's mistake: mistakes are diagnostics.

pub mod catalog;
pub mod check;
pub mod diagnostic;
pub mod document;
pub mod graph;
pub mod json;
pub mod nearest;
pub mod schema;
pub mod source;
pub mod step;
pub mod template;
pub mod trigger;
pub mod value;
pub mod workflow;

pub use catalog::Catalog;
pub use check::{Checked, Options, check, read_accepted};
pub use diagnostic::{Diagnostic, Severity};
pub use document::Document;
pub use source::Span;
pub use value::{Object, Value};
pub use workflow::Workflow;
