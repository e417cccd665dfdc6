//! How the findings of the checker look: drawn over the file for people, one JSON object a line for programs.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use loopfour_lang::{Diagnostic, Severity};
use serde::Serialize;

/// A file and its text.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name as given.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// How many findings there are of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Infos.
    pub infos: usize,
}

impl Count {
    /// Adds findings.
    pub fn add(&mut self, diagnostics: &[Diagnostic]) {
        for diagnostic in diagnostics {
            match diagnostic.severity {
                Severity::Error => self.errors += 1,
                Severity::Warning => self.warnings += 1,
                Severity::Info => self.infos += 1,
            }
        }
    }

    /// As people say it: `1 error, 2 warnings`.
    pub fn describe(self) -> String {
        let counted = [(self.errors, "error"), (self.warnings, "warning"), (self.infos, "info")];
        let parts = counted
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }));
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// A finding as one JSON object.
pub fn json(file: &str, diagnostic: &Diagnostic) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        file: &'a str,
        code: &'a str,
        severity: Severity,
        pointer: &'a str,
        line: usize,
        column: usize,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<&'a str>,
    }
    let line = Line {
        file,
        code: diagnostic.code,
        severity: diagnostic.severity,
        pointer: &diagnostic.pointer,
        line: diagnostic.line,
        column: diagnostic.column,
        message: &diagnostic.message,
        hint: diagnostic.hint.as_deref(),
    };
    serde_json::to_string(&line).expect("texts and numbers are always JSON")
}

/// A finding drawn over its line.
pub fn draw(source: Source<'_>, diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    };
    let line = line_of(source.text, diagnostic);
    let snippet = Snippet::source(line.text)
        .line_start(diagnostic.line)
        .path(source.file)
        .annotation(AnnotationKind::Primary.span(line.start..line.end));
    let finding = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code).element(snippet);
    let hint = diagnostic.hint.as_deref().map(|hint| Group::with_title(Level::HELP.secondary_title(hint)));
    let report: Vec<Group<'_>> = std::iter::once(finding).chain(hint).collect();
    Renderer::styled().render(&report)
}

/// The line that a finding is about, and where in it.
struct Line<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

/// What spans lines is shown by the first of them: an object's `{` says enough.
fn line_of<'a>(text: &'a str, diagnostic: &Diagnostic) -> Line<'a> {
    let mut start = diagnostic.span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let begin = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let stop = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let mut end = diagnostic.span.end.clamp(start, stop);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Line { text: &text[begin..stop], start: start - begin, end: end - begin }
}

#[cfg(test)]
mod tests {
    use loopfour_lang::{Diagnostic, Severity, Span};

    use super::{Count, Source, draw, json, line_of};

    fn finding(start: usize, end: usize) -> Diagnostic {
        Diagnostic {
            code: "LF0001",
            severity: Severity::Error,
            pointer: "/steps/0".to_owned(),
            field: "steps[0]".to_owned(),
            span: Span { start, end },
            line: 2,
            column: 3,
            message: "no such thing".to_owned(),
            hint: Some("did you mean `that`?".to_owned()),
        }
    }

    #[test]
    fn a_finding_is_drawn_over_its_line() {
        let source = Source { file: "flow.json", text: "{\n  \"nme\": 1\n}\n" };
        let drawn = anstream::adapter::strip_str(&draw(source, &finding(4, 9))).to_string();
        insta::assert_snapshot!(drawn, @r#"
        error[LF0001]: no such thing
         --> flow.json:2:3
          |
        2 |   "nme": 1
          |   ^^^^^
          |
        help: did you mean `that`?
        "#);
    }

    #[test]
    fn any_span_is_drawn_without_a_panic() {
        let text = "ä\n\r\n\"é";
        for start in 0..12 {
            for end in 0..12 {
                let line = line_of(text, &finding(start, end));
                assert!(line.start <= line.end && line.end <= line.text.len(), "{start}..{end}");
                draw(Source { file: "x", text }, &finding(start, end));
            }
        }
    }

    #[test]
    fn a_finding_is_one_json_object() {
        assert_eq!(
            json("a.json", &finding(4, 9)),
            r#"{"file":"a.json","code":"LF0001","severity":"error","pointer":"/steps/0","line":2,"column":3,"message":"no such thing","hint":"did you mean `that`?"}"#
        );
    }

    #[test]
    fn counts_are_said_in_words() {
        assert_eq!(Count { errors: 1, warnings: 2, infos: 0 }.describe(), "1 error, 2 warnings");
    }
}
