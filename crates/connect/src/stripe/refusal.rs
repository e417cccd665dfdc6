//! A parameter that is refused before any call, and where it stands. The place is put together on the way out, so that
//! a call that goes well pays nothing for it.

use loopfour_engine::StepError;
use loopfour_engine::error::code;
use loopfour_lang::Value;

use super::NAME;
use super::value::{Node, cut, shown};

/// What writing a parameter gives.
pub(super) type Result<T> = std::result::Result<T, Refusal>;

/// Why a parameter cannot be sent.
#[derive(Debug)]
pub(super) struct Refusal {
    code: &'static str,
    /// `items[0].quantity`; empty while it is not known.
    place: String,
    /// What is wrong, to be read after the place.
    what: String,
    hint: String,
    /// The value is of another kind altogether; where several are allowed, another may fit better.
    pub(super) misfit: bool,
}

impl Refusal {
    /// A value of the right kind that still cannot be sent.
    pub(super) fn invalid(what: impl Into<String>, hint: impl Into<String>) -> Refusal {
        let (what, hint) = (what.into(), hint.into());
        Refusal { code: code::INVALID_PARAMETER, place: String::new(), what, hint, misfit: false }
    }

    /// A value where something else is due.
    pub(super) fn misfit(due: &str, value: &Value, hint: impl Into<String>) -> Refusal {
        let what = format!("must be {due}, not {}", shown(value));
        Refusal { misfit: true, ..Refusal::invalid(what, hint) }
    }

    /// A value that is written and comes out as nothing, and whose absence would change the call.
    pub(super) fn empty(node: Node<'_>) -> Refusal {
        let (what, hint) = match node.expression() {
            Some(source) => {
                let source = cut(source, 200);
                let hint = format!(
                    "see that `{source}` has a value, or leave the parameter out where that is meant"
                );
                (format!("comes out empty: `{source}` gives no value for it"), hint)
            }
            None => ("is written without a value".to_owned(), "give it a value".to_owned()),
        };
        Refusal { code: code::EMPTY_PARAMETER, ..Refusal::invalid(what, hint) }
    }

    /// A parameter that must be there and is not.
    pub(super) fn missing() -> Refusal {
        Refusal {
            code: code::EMPTY_PARAMETER,
            ..Refusal::invalid("is missing", "the action needs it: add it")
        }
    }

    /// The same refusal, seen from the object that has it under this name.
    pub(super) fn inside(mut self, name: &str) -> Refusal {
        let dot = if self.place.is_empty() || self.place.starts_with('[') { "" } else { "." };
        self.place = format!("{}{dot}{}", cut(name, 100), self.place);
        self
    }

    /// The same refusal, seen from the list that has it at this index.
    pub(super) fn at(self, index: usize) -> Refusal {
        self.inside(&format!("[{index}]"))
    }
}

impl From<Refusal> for StepError {
    fn from(refusal: Refusal) -> StepError {
        let message = match refusal.place.as_str() {
            "" => refusal.what,
            place => format!("`{place}` {}", refusal.what),
        };
        StepError {
            provider: Some(NAME.to_owned()),
            param: Some(refusal.place).filter(|place| !place.is_empty()),
            ..StepError::new(refusal.code, message, refusal.hint)
        }
    }
}
