//! Fakes for tests: a clock that is moved by hand, a journal in memory, a provider that answers from a script, a
//! strict host that demands its records back in the order in which they were made, and a Nango.

mod clock;
mod inbox;
mod journal;
pub mod nango;
mod provider;
mod strict;

pub use clock::ManualClock;
pub use journal::{LastWrite, MemoryJournal, outline};
pub use provider::{Answer, Provider, Sent};
pub use strict::{Mismatch, Record, StrictHost};
