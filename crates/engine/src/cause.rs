//! Why a run was started where nobody asked for it by name: the same cause starts one run of a workflow, for ever.

use std::fmt;

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

/// Whose turn it is among runs of a workflow that take turns.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Queue {
    /// Runs of the workflow with the same key count together.
    pub key: String,
    /// So many of them may be under way or wait; a run beyond that stays `pending` until one of them ends.
    pub limit: u32,
}
