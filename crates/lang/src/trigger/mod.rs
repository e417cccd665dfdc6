//! What starts a run: a call, a provider's event, the clock or another workflow's failure.
//!
//! Says which events a workflow wants and when a schedule fires. Reads no clock and stores nothing: who asks brings the
//! event or the instant.

mod cron;
mod filter;
mod schedule;
mod zone;

pub use cron::Cron;
pub use filter::Filter;
pub(crate) use filter::Predicate;
pub use schedule::{Interval, Missed, Overlap, Rhythm, Schedule, Unit};

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
    /// What the event must be like.
    pub filter: Option<Filter>,
}

impl Webhook {
    /// Whether an event of this type, and with this content, starts a run. `event` is what the run would get as its input.
    pub fn wants(&self, event_type: &str, event: &Value) -> bool {
        let listed =
            self.events.is_empty() || self.events.iter().any(|wanted| matches_type(wanted, event_type));
        listed && self.filter.as_ref().is_none_or(|filter| filter.matches(event))
    }
}

/// Whether a type is the wanted one, or one of the family: `invoice.*` means all that begin with `invoice.`.
fn matches_type(wanted: &str, event_type: &str) -> bool {
    match wanted.strip_suffix('*').filter(|family| family.ends_with('.')) {
        Some(family) => event_type.strip_prefix(family).is_some_and(|rest| !rest.is_empty()),
        None => wanted == event_type,
    }
}
