//! What starts a run.

use crate::value::Value;

/// `trigger` of a workflow.
#[derive(Debug)]
pub enum Trigger {
    /// Started by a call of the API.
    Api,
    /// Started by a provider's event.
    Webhook(Webhook),
    /// Started by the clock.
    Schedule(Schedule),
    /// Started by another workflow's failure.
    Failure {
        /// Workflow ids; empty: all.
        workflows: Vec<String>,
    },
}

/// A webhook trigger.
#[derive(Debug)]
pub struct Webhook {
    /// `stripe` or `custom`.
    pub provider: String,
    /// Event types, a trailing `.*` matches a family; empty: all.
    pub events: Vec<String>,
    /// Last part of the address, `custom` only.
    pub path: Option<String>,
    /// Whether the signature is checked; false only with `custom`.
    pub verify_signature: bool,
    /// Dotted path → operators, as written; checked.
    pub filter: Option<Value>,
}

/// A schedule trigger.
#[derive(Debug)]
pub struct Schedule {
    /// When it fires.
    pub rhythm: Rhythm,
    /// IANA name of the time zone.
    pub timezone: String,
    /// Whether it fires at all.
    pub enabled: bool,
    /// What happens to firings missed while the server was down.
    pub missed: Missed,
    /// What happens when the run before is not over.
    pub overlap: Overlap,
}

/// When a schedule fires.
#[derive(Debug)]
pub enum Rhythm {
    /// Five cron fields.
    Cron(String),
    /// Every so many seconds.
    Interval {
        /// At most one year.
        seconds: u64,
    },
}

/// What happens to firings missed while the server was down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// One run at start, however many were missed.
    Once,
    /// None.
    Skip,
}

/// What happens when a schedule fires before the run before is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Both run.
    Allow,
    /// The new one is dropped.
    Skip,
    /// The new one waits.
    Queue,
}
