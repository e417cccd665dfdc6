//! Workflow and scripted outcomes in, event log out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod binding;
mod clocks;
mod crash;
mod fold;
mod keys;
mod life;
mod money;
mod old;
mod outcomes;
mod payload;
mod people;
mod queue;
mod retries;
mod scenario;
mod table;
