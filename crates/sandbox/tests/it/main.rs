//! The sandbox over HTTP, as its callers see it.

#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

mod controls;
mod disk;
mod errors;
mod expand;
mod faults;
mod fixtures;
mod flow;
mod form;
mod idempotency;
mod paging;
mod shape;
mod stripe;
