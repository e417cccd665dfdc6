//! The `loopfour` binary: reads the command line and hands over to one file per command in `commands/`.
//!
//! The only place that names the concrete store, providers, host and server together. Results go to stdout, talk to
//! stderr, and exit codes are an interface.

mod answer;
mod changes;
mod client;
mod commands;
mod config;
mod diagnostics;
mod ending;
mod failure;
mod instance;
mod listing;
mod local;
mod print;
mod progress;
mod remote;
mod secret;
mod signals;
mod table;
mod upkeep;
mod waits;

use std::process::ExitCode;

use clap::Parser as _;

use crate::commands::Command;
use crate::failure::{DONE, Failure, REFUSED};

/// A run makes many small allocations, on one thread, that are freed on another; the system's allocator takes a tenth of
/// the server's time for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Self-hosted workflows for finance teams.
#[derive(clap::Parser)]
#[command(name = "loopfour", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "\
Start here:
  loopfour demo                       see an invoice made and sent, offline
  loopfour check FILE                 find what is wrong in a workflow
  loopfour run FILE --sandbox         run a workflow without a server
  loopfour serve --sandbox            start the server against the offline Stripe

Exit codes of all commands: 0 done, 1 done with a bad end, 2 not begun.")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    // Fails only if a provider was chosen before, and nothing ran before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let command = match CommandLine::try_parse() {
        Ok(line) => line.command,
        Err(error) => return ExitCode::from(explain(&error)),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => {
            print::failure(&Failure::refused(format!("cannot start threads: {cause}")));
            return ExitCode::from(REFUSED);
        }
    };
    let ended = runtime.block_on(command.carry_out());
    // Nothing that matters is left to blocked threads (a read of stdin): whatever was promised is on the disk.
    runtime.shutdown_background();
    ExitCode::from(ended.unwrap_or_else(|failure| {
        print::failure(&failure);
        failure.exit
    }))
}

/// Prints help where it was asked for, and a wrong command line in one line.
fn explain(error: &clap::Error) -> u8 {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    match error.kind() {
        DisplayHelp | DisplayVersion => {
            let shown = print::out(error.render().ansi().to_string().trim_end());
            shown.map_or_else(|failure| failure.exit, |_| DONE)
        }
        DisplayHelpOnMissingArgumentOrSubcommand => {
            print::talk(error.render().ansi().to_string().trim_end());
            REFUSED
        }
        _ => {
            let text = error.render().to_string();
            let ours = |part: &&str| {
                let part = part.trim_start();
                !part.starts_with("Usage:") && !part.starts_with("For more information")
            };
            let parts = text.split("\n\n").take_while(ours);
            let parts = parts.map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
            let said = parts.collect::<Vec<_>>().join("; ");
            let said = said.strip_prefix("error: ").unwrap_or(&said);
            print::failure(&Failure::refused(said).hint("`loopfour help` shows what there is"));
            REFUSED
        }
    }
}
