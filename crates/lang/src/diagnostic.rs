//! What the checker says about a workflow: code, place, message, hint.
//!
//! One code stands for one kind of mistake, wherever it is made; each has a page in `docs/errors/`.

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

/// The kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the titles in the table say it")]
pub enum Code {
    NotJson,
    DuplicateKey,
    MissingKey,
    UnknownKey,
    WrongType,
    UnknownValue,
    OutOfLimits,
    Malformed,
    ExcludedKey,
    NotIgnorable,
    DuplicateId,
    NotYetAvailable,
    PlainTemplate,
    BadSchema,
    UnknownAction,
    EmptyParameter,
    RefusedByProvider,
    MayBeRefusedByProvider,
    AddsItem,
    ForgetsOutcome,
    StampedKey,
    BadTemplate,
    UnknownName,
    UnknownStep,
    StepNotEarlier,
    UnknownMember,
    EnvironmentNotAllowed,
    HyphenInName,
    OutputNeverThere,
    OutputMayBeAbsent,
    UnknownField,
    StepNotLater,
    NamedTwice,
    TwoDeciders,
    Joins,
    TooEntangled,
    BadPattern,
    UnknownEvent,
    BadCron,
    NeverFires,
    UnknownTimezone,
}

impl Code {
    /// Every code, in the order of the numbers.
    pub const ALL: [Code; 41] = [
        Code::NotJson,
        Code::DuplicateKey,
        Code::MissingKey,
        Code::UnknownKey,
        Code::WrongType,
        Code::UnknownValue,
        Code::OutOfLimits,
        Code::Malformed,
        Code::ExcludedKey,
        Code::NotIgnorable,
        Code::DuplicateId,
        Code::NotYetAvailable,
        Code::PlainTemplate,
        Code::BadSchema,
        Code::UnknownAction,
        Code::EmptyParameter,
        Code::RefusedByProvider,
        Code::MayBeRefusedByProvider,
        Code::AddsItem,
        Code::ForgetsOutcome,
        Code::StampedKey,
        Code::BadTemplate,
        Code::UnknownName,
        Code::UnknownStep,
        Code::StepNotEarlier,
        Code::UnknownMember,
        Code::EnvironmentNotAllowed,
        Code::HyphenInName,
        Code::OutputNeverThere,
        Code::OutputMayBeAbsent,
        Code::UnknownField,
        Code::StepNotLater,
        Code::NamedTwice,
        Code::TwoDeciders,
        Code::Joins,
        Code::TooEntangled,
        Code::BadPattern,
        Code::UnknownEvent,
        Code::BadCron,
        Code::NeverFires,
        Code::UnknownTimezone,
    ];

    /// `LF` and four digits. Never changes, and never stands for anything else.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        self.row().1
    }

    /// The kind of mistake in a few words.
    pub fn title(self) -> &'static str {
        self.row().2
    }

    /// The code of that name.
    ///
    /// ```
    /// use loopfour_lang::diagnostic::Code;
    /// assert_eq!(Code::find("LF0201"), Some(Code::DuplicateId));
    /// ```
    pub fn find(name: &str) -> Option<Code> {
        Code::ALL.into_iter().find(|code| code.name() == name)
    }

    fn row(self) -> (&'static str, Severity, &'static str) {
        use Severity::{Error, Info, Warning};
        match self {
            Code::NotJson => ("LF0001", Error, "the text is not JSON, or not as it is taken here"),
            Code::DuplicateKey => ("LF0002", Error, "a key stands twice in one object"),
            Code::MissingKey => ("LF0101", Error, "a required key is missing"),
            Code::UnknownKey => ("LF0102", Error, "an unknown key"),
            Code::WrongType => ("LF0103", Error, "a value of the wrong type"),
            Code::UnknownValue => ("LF0104", Error, "a value that is none of the possible ones"),
            Code::OutOfLimits => ("LF0105", Error, "too long, too short, too many, too large or too small"),
            Code::Malformed => ("LF0106", Error, "a text that is not of the required form"),
            Code::ExcludedKey => ("LF0107", Error, "a key that another key or value excludes"),
            Code::NotIgnorable => ("LF0108", Error, "a code that cannot be ignored"),
            Code::DuplicateId => ("LF0201", Error, "two steps with one id"),
            Code::NotYetAvailable => ("LF0202", Error, "a part of the language that is not yet available"),
            Code::PlainTemplate => ("LF0204", Warning, "a template where templates are not evaluated"),
            Code::BadSchema => ("LF0205", Error, "a JSON Schema that cannot be used"),
            Code::UnknownAction => ("LF0301", Error, "an unknown action"),
            Code::EmptyParameter => ("LF0302", Error, "a parameter that may not be empty"),
            Code::RefusedByProvider => ("LF0303", Error, "a combination that the provider always refuses"),
            Code::MayBeRefusedByProvider => ("LF0304", Warning, "a combination that the provider may refuse"),
            Code::AddsItem => ("LF0305", Warning, "an item that is added, not replaced"),
            Code::ForgetsOutcome => ("LF0306", Info, "a condition that forgets an outcome"),
            Code::StampedKey => ("LF0307", Warning, "a key of metadata that LoopFour writes itself"),
            Code::BadTemplate => ("LF0401", Error, "a template that cannot be read"),
            Code::UnknownName => ("LF0402", Error, "a name that nothing has"),
            Code::UnknownStep => ("LF0403", Error, "a step that does not exist"),
            Code::StepNotEarlier => ("LF0404", Error, "reading a step that has not run yet"),
            Code::UnknownMember => ("LF0405", Error, "a member that is never there"),
            Code::EnvironmentNotAllowed => ("LF0406", Error, "an environment variable that is not allowed"),
            Code::HyphenInName => ("LF0407", Warning, "a hyphen that belongs to a name"),
            Code::OutputNeverThere => ("LF0408", Error, "an output that can never be there"),
            Code::OutputMayBeAbsent => ("LF0409", Warning, "an output that may be absent"),
            Code::UnknownField => ("LF0410", Warning, "a field that the answer does not have"),
            Code::StepNotLater => ("LF0501", Error, "a condition that names a step before it, or itself"),
            Code::NamedTwice => ("LF0502", Error, "a condition that names a step twice"),
            Code::TwoDeciders => ("LF0503", Error, "two conditions that may both decide for a step"),
            Code::Joins => ("LF0504", Info, "a step in which branches meet"),
            Code::TooEntangled => ("LF0505", Error, "conditions that depend on each other in too many ways"),
            Code::BadPattern => ("LF0506", Error, "a regular expression that cannot be read"),
            Code::UnknownEvent => ("LF0601", Error, "an unknown event type"),
            Code::BadCron => ("LF0602", Error, "a cron expression that cannot be read"),
            Code::NeverFires => ("LF0603", Error, "a schedule that never fires"),
            Code::UnknownTimezone => ("LF0604", Error, "an unknown time zone"),
        }
    }
}
