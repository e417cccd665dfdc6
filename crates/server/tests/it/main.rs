//! The API over loopback, with a real database and a stand-in for whoever runs workflows. One module per resource.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod auth;
mod connections;
mod contract;
mod edge;
mod health;
mod http;
mod keys;
mod me;
mod rate;
mod reference;
mod runs;
mod server;
mod strict;
mod workflows;
