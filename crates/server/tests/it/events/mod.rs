//! Provider events: how they come in, how they are listed and handed over once more, and what goes on around them.

mod api;
pub mod gate;
mod listening;
mod receive;
