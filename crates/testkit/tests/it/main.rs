//! The fakes over HTTP, as those under test see them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ask;
mod contract;
mod dance;
mod misbehaviour;
mod tokens;
mod webhooks;
