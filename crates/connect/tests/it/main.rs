//! Config in, request out; scripted answer in, outcome out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod actions;
mod answers;
mod calls;
mod deletes;
mod documented;
mod form;
mod server;
mod support;
