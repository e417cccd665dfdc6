//! The host over a journal in memory and a scripted provider.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod connections;
mod life;
mod lines;
mod notices;
mod people;
mod timers;
mod triggers;
mod turns;
mod world;
