//! `cargo xtask crash-test` and its kin: builds the product in release mode and hands over to `bench/proof`, where stands
//! what each of them proves and how.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::tools;

const PACKAGES: [&str; 4] = ["--package", "loopfour-cli", "--package", "bench-proof"];

/// Proves that no kill loses a run or makes an object twice.
pub fn crash_test(arguments: &[String]) -> Result<ExitCode> {
    run("crash-test", arguments)
}

/// Proves that calls neither bounce off Stripe's limits nor leave them unused, in real time.
pub fn pace_test(arguments: &[String]) -> Result<ExitCode> {
    run("pace-test", arguments)
}

/// Proves that every event runs each workflow that listens exactly once, whenever the server is killed.
pub fn webhook_test(arguments: &[String]) -> Result<ExitCode> {
    run("webhook-test", arguments)
}

/// Shows what happens without room on the disk.
pub fn disk_full_test(arguments: &[String]) -> Result<ExitCode> {
    run("disk-full-test", arguments)
}

/// Measures how long unfinished runs take to go on after a kill.
pub fn recovery(arguments: &[String]) -> Result<ExitCode> {
    run("recovery", arguments)
}

fn run(name: &str, arguments: &[String]) -> Result<ExitCode> {
    tools::need_c_compiler()?;
    let mut build = tools::cargo(&["build", "--release"]);
    if !build.args(PACKAGES).status()?.success() {
        bail!("the build failed");
    }
    let program = tools::target_directory()?.join("release").join("bench-proof");
    let status = Command::new(program).arg(name).args(arguments).current_dir(crate::workspace()).status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The small crash test, on the build that the tests use.
pub fn small_crash_test() -> Result<Command> {
    small(&["crash-test", "--runs", "200", "--kills", "20"])
}

/// The small webhook test, on the same build.
pub fn small_webhook_test() -> Result<Command> {
    small(&["webhook-test", "--events", "900", "--deliveries", "1000"])
}

fn small(arguments: &[&str]) -> Result<Command> {
    if !tools::cargo(&["build"]).args(PACKAGES).status()?.success() {
        bail!("the build failed");
    }
    let mut command = Command::new(tools::target_directory()?.join("debug").join("bench-proof"));
    command.args(arguments).current_dir(crate::workspace());
    Ok(command)
}
