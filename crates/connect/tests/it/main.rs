//! Config in, request out; scripted answer in, outcome out.

mod actions;
mod answers;
mod calls;
mod form;
mod server;
mod support;
