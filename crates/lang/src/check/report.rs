//! Collecting what is found, with places.

use std::cell::Cell;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::json::{self, Node};
use crate::nearest::nearest;
use crate::source::{Cursor, Place, Span};

/// Everything found so far.
pub(super) struct Report<'t> {
    text: &'t str,
    found: Vec<Diagnostic>,
    /// So many names may still be compared in search of a nearest one: the checker also meets texts made to keep it busy.
    comparisons: Cell<usize>,
    /// So many constant patterns may still be compiled; each takes time and memory.
    patterns: usize,
}

const MOST_COMPARISONS: usize = 200_000;
const MOST_PATTERNS: usize = 100;

impl<'t> Report<'t> {
    pub(super) fn new(text: &'t str) -> Report<'t> {
        Report { text, found: Vec::new(), comparisons: Cell::new(MOST_COMPARISONS), patterns: MOST_PATTERNS }
    }

    /// The candidate that is nearest to a wrong name.
    pub(super) fn nearest<'a>(
        &self,
        name: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let allowed = self.comparisons.get();
        let mut compared = 0;
        let counted = candidates.into_iter().take(allowed).inspect(|_| compared += 1);
        let nearest = nearest(name, counted);
        self.comparisons.set(allowed - compared);
        nearest
    }

    /// Whether one more pattern may be compiled.
    pub(super) fn takes_pattern(&mut self) -> bool {
        let left = self.patterns > 0;
        self.patterns = self.patterns.saturating_sub(1);
        left
    }

    /// For finding out whether something fits: what is found is not kept with its lines.
    pub(super) fn trial() -> Report<'static> {
        Report::new("")
    }

    /// From bytes of a string's content to bytes of the text.
    pub(super) fn locator(&self, node: &Node) -> impl Fn(Span) -> Span + use<'t> {
        let start = node.span.start;
        let literal = self.text.get(start..node.span.end).unwrap_or_default();
        move |span| Span {
            start: start + json::place_in_literal(literal, span.start),
            end: start + json::place_in_literal(literal, span.end),
        }
    }

    /// Adds a finding without a hint.
    pub(super) fn add(&mut self, code: Code, place: &Place<'_>, span: Span, message: impl Into<String>) {
        self.add_with(code, place, span, message, None);
    }

    /// Adds a finding with a hint, where there is one.
    pub(super) fn add_with(
        &mut self,
        code: Code,
        place: &Place<'_>,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.add_at(code, &Spot::new(place, span), message, hint);
    }

    /// The same for a place that was noted before.
    pub(super) fn add_at(
        &mut self,
        code: Code,
        spot: &Spot,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.found.push(Diagnostic {
            code: code.name(),
            severity: code.severity(),
            pointer: spot.pointer.clone(),
            field: spot.field.clone(),
            span: spot.span,
            // Told at the end, in one pass.
            line: 0,
            column: 0,
            message: message.into(),
            hint: hint.into(),
        });
    }

    pub(super) fn has_errors(&self) -> bool {
        self.found.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// What was found, in the order of the text, without what is to be ignored.
    pub(super) fn finish(mut self, ignored: &[String]) -> Vec<Diagnostic> {
        self.found.retain(|diagnostic| {
            diagnostic.severity == Severity::Error || !ignored.iter().any(|code| code == diagnostic.code)
        });
        self.found.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.code));
        let mut cursor = Cursor::new(self.text);
        for diagnostic in &mut self.found {
            (diagnostic.line, diagnostic.column) = cursor.advance(diagnostic.span.start);
        }
        self.found
    }
}

/// A place that is kept for later.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) pointer: String,
    pub(super) field: String,
    pub(super) span: Span,
}

impl Spot {
    pub(super) fn new(place: &Place<'_>, span: Span) -> Spot {
        Spot { pointer: place.pointer(), field: place.field(), span }
    }
}

/// `did you mean `x`?` for the name that is nearest to a wrong one.
pub(super) fn did_you_mean(nearest: Option<&str>) -> Option<String> {
    nearest.map(|name| format!("did you mean `{name}`?"))
}

/// `` `a`, `b` and `c` ``.
pub(super) fn list_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
