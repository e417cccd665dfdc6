//! The API over loopback, with a real database and a stand-in for whoever runs workflows. One module per resource.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod auth;
mod companies;
mod connections;
mod contract;
mod edge;
mod events;
mod health;
mod http;
mod keys;
mod me;
mod members;
mod notices;
mod oidc;
mod rate;
mod reference;
mod runs;
mod server;
mod session;
mod strict;
mod walk;
mod workflows;
