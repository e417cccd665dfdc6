//! `cargo xtask bench`: builds the server, the provider and the driver in release mode and hands over to the driver.
//! What is measured and how stands in `bench/driver`.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::{refuse, tools};

/// Runs the benchmark that the first argument names; the others go to the driver.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    if arguments.first().is_none_or(|name| name != "example") {
        return Ok(refuse(arguments));
    }
    tools::need_c_compiler()?;
    let packages = ["loopfour-cli", "bench-provider", "bench-driver"];
    let mut build = tools::cargo(&["build", "--release"]);
    build.args(packages.iter().flat_map(|package| ["--package", package]));
    if !build.status()?.success() {
        bail!("the build failed");
    }
    let driver = tools::target_directory()?.join("release").join("bench-driver");
    let status = Command::new(driver).args(arguments).current_dir(crate::workspace()).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
