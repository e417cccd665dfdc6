//! How a command ends when it cannot do its work: one line that names thing and cause, a hint, and an exit code.
//!
//! Exit codes are an interface; each command's help lists its own.

use std::fmt;

/// Done.
pub const DONE: u8 = 0;
/// Done with a bad end: a run that failed, a file with errors, an answer that is an error.
pub const FAILED: u8 = 1;
/// Not begun: a wrong command line, setting, file or input.
pub const REFUSED: u8 = 2;
/// A run that waits for a person.
pub const WAITING: u8 = 3;
/// Ended by Ctrl-C, as shells count it.
pub const INTERRUPTED: u8 = 130;

/// Why a command ends without its result.
#[derive(Debug)]
pub struct Failure {
    /// The process's exit code.
    pub exit: u8,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// It was not begun.
    pub fn refused(message: impl Into<String>) -> Failure {
        Failure { exit: REFUSED, message: message.into(), hint: None }
    }

    /// It was begun and went wrong.
    pub fn failed(message: impl Into<String>) -> Failure {
        Failure { exit: FAILED, message: message.into(), hint: None }
    }

    /// A person stopped it.
    pub fn interrupted() -> Failure {
        Failure { exit: INTERRUPTED, message: "stopped".to_owned(), hint: None }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// The same as something that was not begun.
    pub fn not_begun(self) -> Failure {
        Failure { exit: REFUSED, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.hint.as_deref().filter(|hint| !hint.is_empty()) {
            Some(hint) => write!(f, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}
