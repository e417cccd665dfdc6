//! The binary as people use it: a command line in; exit code, stdout and stderr out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod check;
mod client;
mod connections;
mod crash;
mod dance;
mod data;
mod demo;
mod docs;
mod events;
mod notices;
mod offline;
mod people;
mod process;
mod provider;
mod repair;
mod run;
mod snippets;
mod start;
mod workflows;

/// The source document's example.
const EXAMPLE: &str = include_str!("../../../../docs/examples/create-and-send-invoice.json");
