//! Why a run was started where nobody asked for it by name: the same cause starts one run of a workflow, for ever.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::{EventId, RunId};
use crate::time::Timestamp;

/// Why a run was started. Its text is stored, and unique for each workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Cause {
    /// A provider's event came in.
    Event {
        /// The event.
        event: EventId,
        /// A person wanted a run more for it: which wish, drawn anew for each.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<Uuid>,
    },
    /// The workflow's schedule fired.
    Firing {
        /// The instant that the schedule names, not when the run began.
        at: Timestamp,
    },
    /// A run of another workflow failed.
    Failure {
        /// The run.
        run: RunId,
        /// How many entries its journal had then: a run that is retried may fail once more.
        length: u64,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Event { event, again: None } => write!(f, "{event}"),
            Cause::Event { event, again: Some(again) } => write!(f, "{event} again {again}"),
            Cause::Firing { at } => write!(f, "firing {}", at.0),
            Cause::Failure { run, length } => write!(f, "{run} {length}"),
        }
    }
}

/// Not the text of a cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cause")]
pub struct BadCause(String);

impl FromStr for Cause {
    type Err = BadCause;

    fn from_str(text: &str) -> Result<Cause, BadCause> {
        read(text).filter(|cause| cause.to_string() == text).ok_or_else(|| BadCause(text.to_owned()))
    }
}

fn read(text: &str) -> Option<Cause> {
    let Some((first, rest)) = text.split_once(' ') else {
        return Some(Cause::Event { event: text.parse().ok()?, again: None });
    };
    if first == "firing" {
        return Some(Cause::Firing { at: Timestamp(rest.parse().ok()?) });
    }
    if let Some(again) = rest.strip_prefix("again ") {
        return Some(Cause::Event { event: first.parse().ok()?, again: Some(Uuid::try_parse(again).ok()?) });
    }
    Some(Cause::Failure { run: first.parse().ok()?, length: rest.parse().ok()? })
}

/// Whose turn it is among runs of a workflow that take turns.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Queue {
    /// Runs of the workflow with the same key count together.
    pub key: String,
    /// So many of them may be under way or wait; a run beyond that stays `pending` until one of them ends.
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cause: Cause, text: &str) {
        assert_eq!(cause.to_string(), text);
        assert_eq!(text.parse(), Ok(cause));
    }

    #[test]
    fn a_cause_is_read_back_from_its_text() {
        let (event, id) = (EventId(Uuid::from_u128(1)), "00000000-0000-0000-0000-000000000001");
        check(Cause::Event { event, again: None }, &format!("evt_{id}"));
        let again = Some(Uuid::from_u128(2));
        let text = format!("evt_{id} again 00000000-0000-0000-0000-000000000002");
        check(Cause::Event { event, again }, &text);
        check(Cause::Firing { at: Timestamp(-5) }, "firing -5");
        check(Cause::Failure { run: RunId(Uuid::from_u128(1)), length: 7 }, &format!("run_{id} 7"));
    }

    #[test]
    fn nothing_else_is_a_cause() {
        let id = "00000000-0000-0000-0000-00000000000a";
        let wrong = [
            "",
            " ",
            "firing",
            "firing ",
            "firing +5",
            "firing x",
            "firing 5 ",
            "run_",
            &format!("run_{id}"),
            &format!("run_{id} -1"),
            &format!("run_{id} 07"),
            &format!("evt_{id} "),
            &format!("evt_{id} again"),
            &format!("evt_{id} again {}", id.to_uppercase()),
            &format!("evt_{id} 7"),
            &format!("EVT_{id}"),
        ];
        for text in wrong {
            assert_eq!(text.parse::<Cause>(), Err(BadCause(text.to_owned())));
        }
    }
}
