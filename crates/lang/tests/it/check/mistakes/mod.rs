//! Planted mistakes, and everything that the checker says about each: code, field, line and column, message, hint.

mod actions;
mod conditions;
mod definition;
mod expressions;
mod steps;
mod triggers;

use loopfour_lang::diagnostic::Code;
use loopfour_lang::{Catalog, Diagnostic, Options, check};

/// A workflow with mistakes.
pub struct Row {
    /// What is wrong.
    what: &'static str,
    /// The workflow.
    text: &'static str,
    /// What is said: `code field line:column message | hint`.
    found: &'static [&'static str],
}

fn rows() -> impl Iterator<Item = &'static Row> {
    let tables =
        [definition::ROWS, triggers::ROWS, steps::ROWS, actions::ROWS, expressions::ROWS, conditions::ROWS];
    tables.into_iter().flatten()
}

fn said(diagnostic: &Diagnostic) -> String {
    let Diagnostic { code, field, line, column, message, hint, .. } = diagnostic;
    let hint = hint.as_ref().map(|hint| format!(" | {hint}")).unwrap_or_default();
    format!("{code} {field} {line}:{column} {message}{hint}")
}

#[test]
fn every_mistake_is_named_with_its_place_and_a_hint() {
    let environment = ["BRAND".to_owned()];
    for row in rows() {
        let checked = check(row.text, Options { catalog: Catalog::builtin(), environment: &environment });
        let found: Vec<String> = checked.diagnostics.iter().map(said).collect();
        assert_eq!(found, row.found, "{}: {}", row.what, row.text);
    }
}

#[test]
fn the_table_covers_every_code() {
    for code in Code::ALL {
        let planted = rows().flat_map(|row| row.found).any(|said| said.starts_with(code.name()));
        // Too many conditions make too long a row: `branches` has that case.
        assert!(planted || code == Code::TooEntangled, "{} is planted nowhere", code.name());
    }
}
