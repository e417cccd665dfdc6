//! Proves what is promised about money against real processes: a `loopfour serve` that is killed, slowed down or left
//! without room, and a `loopfour sandbox` beside it that survives and tells what it was really asked.
//! It talks to both over HTTP alone, as a user would, and knows nothing of their insides.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it reports on the terminal")]
#![expect(clippy::float_arithmetic, reason = "shares are for people, nothing counts on with them")]

mod client;
mod crash;
mod dice;
mod disk_full;
mod pace;
mod process;
mod recovery;
mod sandbox;
mod server;
mod webhook;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;

const USAGE: &str = "usage: bench-proof crash-test [--runs N] [--kills N] [--seed N]
                   pace-test [--calls N]
                   webhook-test [--events N] [--deliveries N] [--seed N]
                   disk-full-test
                   recovery [--runs N]";

/// Whether what was to be proven held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Holds,
    Fails,
    /// It could not be tried here.
    Impossible,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // A second installation is refused, and some provider is there then.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match carry_out(&arguments).await {
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Some(Ok(Verdict::Impossible)) => ExitCode::from(2),
        Some(Ok(Verdict::Holds)) => ExitCode::SUCCESS,
        Some(Ok(Verdict::Fails)) => ExitCode::FAILURE,
        Some(Err(error)) => {
            eprintln!("{}: {error:#}", arguments[0]);
            ExitCode::FAILURE
        }
    }
}

/// Nothing where the command line is none of ours.
async fn carry_out(arguments: &[String]) -> Option<Result<Verdict>> {
    let (name, rest) = arguments.split_first()?;
    match name.as_str() {
        "crash-test" => {
            let [runs, kills, seed] = numbers(rest, [("--runs", 2000), ("--kills", 200), ("--seed", now())])?;
            Some(crash::run(crash::Options { runs, kills, seed }).await)
        }
        "pace-test" => {
            let [calls] = numbers(rest, [("--calls", 5000)])?;
            if !(1..=pace::MOST_CALLS).contains(&calls) {
                return None;
            }
            Some(pace::run(calls).await)
        }
        "webhook-test" => {
            let usual = [("--events", 9000), ("--deliveries", 10_000), ("--seed", now())];
            let [events, deliveries, seed] = numbers(rest, usual)?;
            if events == 0 || deliveries < events {
                return None;
            }
            Some(webhook::run(webhook::Options { events, deliveries, seed }).await)
        }
        "recovery" => {
            let [runs] = numbers(rest, [("--runs", 10_000)])?;
            Some(recovery::run(runs).await)
        }
        "disk-full-test" if rest.is_empty() => Some(disk_full::run().await),
        _ => None,
    }
}

/// The values of these options, each a name and what holds without it.
fn numbers<const N: usize>(arguments: &[String], options: [(&str, u64); N]) -> Option<[u64; N]> {
    let mut values = options.map(|(_, usual)| usual);
    if !arguments.len().is_multiple_of(2) {
        return None;
    }
    for pair in arguments.chunks(2) {
        let at = options.iter().position(|(name, _)| *name == pair[0])?;
        values[at] = pair[1].parse().ok()?;
    }
    Some(values)
}

/// Milliseconds since 1970, a seed where none is asked for.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read_strictly() {
        let parse = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            numbers(&words, [("--runs", 5), ("--seed", 7)])
        };
        assert_eq!(parse(""), Some([5, 7]));
        assert_eq!(parse("--seed 1 --runs 2"), Some([2, 1]));
        for wrong in ["--runs", "--runs x", "--walks 1", "1"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
