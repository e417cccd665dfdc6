//! Config in, request out; scripted answer in, outcome out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod accounts;
mod actions;
mod answers;
mod calls;
mod dance;
mod deletes;
mod desk;
mod documented;
mod endpoints;
mod find;
mod form;
mod keys;
mod nango;
mod oidc;
mod outbound;
mod pace;
mod polling;
mod senders;
mod server;
mod support;
mod throttled;
mod tokens;
mod webhooks;
