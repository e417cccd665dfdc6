//! The sandbox over HTTP, as its callers see it.

mod controls;
mod disk;
mod errors;
mod expand;
mod faults;
mod flow;
mod form;
mod idempotency;
mod paging;
mod shape;
mod stripe;
