//! Everything that cargo itself does not do: `cargo xtask` lists it.
//! Each command is a row of the table below and a module of its own; none of them is part of the product.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool talks on the terminal")]

mod bench;
mod catalog;
mod demo;
mod proof;
mod tidy;
mod tools;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

/// One command: what to type, what it does, and the function that does it with the arguments after its name.
struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<ExitCode>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "demo",
        arguments: "[--once]",
        about: "build LoopFour and watch the example run against an offline Stripe",
        run: demo::run,
    },
    Command { name: "test", arguments: "", about: "check everything, as CI does", run: verify::run },
    Command {
        name: "tidy",
        arguments: "",
        about: "check the rules that no lint knows: sizes, layers, links, pages",
        run: tidy::run,
    },
    Command {
        name: "bench",
        arguments: "example [--rounds N] [--seconds S]",
        about: "measure the example's runs per second against a bare loop of the same calls",
        run: bench::run,
    },
    Command {
        name: "bench",
        arguments: "runs [--runs N] [--requests N]",
        about: "measure pages of the list of runs out of a million",
        run: bench::run,
    },
    Command {
        name: "bench",
        arguments: "recovery [--runs N]",
        about: "measure how long unfinished runs take to go on after a kill -9",
        run: bench::run,
    },
    Command {
        name: "crash-test",
        arguments: "[--runs N] [--kills N] [--seed N]",
        about: "kill the server at random moments: no run may be lost, no object made twice",
        run: proof::crash_test,
    },
    Command {
        name: "pace-test",
        arguments: "[--calls N]",
        about: "want thousands of calls at once: none may bounce off the limit, none of it be left unused",
        run: proof::pace_test,
    },
    Command {
        name: "webhook-test",
        arguments: "[--events N] [--deliveries N] [--seed N]",
        about: "deliver signed events, some twice, and kill the server meanwhile: each runs its workflows once",
        run: proof::webhook_test,
    },
    Command {
        name: "disk-full-test",
        arguments: "",
        about: "fill the disk under a run, on a tmpfs (needs root)",
        run: proof::disk_full_test,
    },
    Command {
        name: "catalog",
        arguments: "FACTS",
        about: "make the tables in catalog/ from a folder with Stripe's facts",
        run: catalog::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(name) = arguments.first() else {
        println!("{}", usage());
        return ExitCode::SUCCESS;
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("`{name}` is no command of xtask\n\n{}", usage());
        return ExitCode::from(2);
    };
    (command.run)(&arguments[1..]).unwrap_or_else(|error| {
        eprintln!("cargo xtask {name}: {error:#}");
        ExitCode::FAILURE
    })
}

fn usage() -> String {
    let mut out = String::from("usage: cargo xtask COMMAND\n");
    for Command { name, arguments, about, .. } in COMMANDS {
        let call = format!("{name} {arguments}");
        out.push_str(&format!("\n  {call:<42} {about}"));
    }
    out
}

/// Answers arguments that a command does not take.
fn refuse(arguments: &[String]) -> ExitCode {
    eprintln!("unexpected arguments: {}\n\n{}", arguments.join(" "), usage());
    ExitCode::from(2)
}

/// The root of the workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}
