//! The run as a state machine, pure: fold events into a state, ask the state what is due.
//!
//! No runtime, no clock, no randomness and no I/O: time and ids arrive from outside, effects are asked for as
//! [`Command`]s. So the same engine runs under any host, replays old journals, and can be crashed after each event.

pub mod call;
pub mod cause;
pub mod connections;
pub mod definitions;
pub mod error;
pub mod event;
pub mod id;
pub mod identity;
pub mod notices;
pub mod ports;
pub mod provider_events;
pub mod run;
pub mod schedules;
pub mod time;

pub use call::{Account, Attempt, Bound, Effect, Failure, Finding, Outcome, Receipt, Request, Sending};
pub use cause::{Cause, Queue};
pub use error::{RunError, StepError};
pub use event::{Actor, Entry, Event, Resolved, StepPath, TriggerKind};
pub use id::{CompanyId, ConnectionId, EventId, KeyId, MemberId, MessageId, NoticeId, RunId, WorkflowId};
pub use run::{
    Command, Context, Ending, Policy, Run, RunStatus, StepStatus, Summary, WaitReason, Waiting, Wake,
};
pub use time::Timestamp;
