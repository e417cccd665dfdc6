//! The sandbox over HTTP, as its callers see it.

#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

mod anything;
mod balance;
mod controls;
mod customers;
mod deliveries;
mod discounts;
mod disk;
mod errors;
mod events;
mod expand;
mod faults;
mod fixtures;
mod flow;
mod form;
mod idempotency;
mod invoices;
mod paging;
mod payment_intents;
mod payment_methods;
mod products;
mod restrictions;
mod shape;
mod storm;
mod stripe;
mod subscriptions;
mod trigger;
mod webhook_endpoints;
