//! `cargo xtask bench`: builds what a benchmark needs in release mode and hands over to it. What is measured and how
//! stands in `bench/driver` for `example`, in `bench/runs` for `runs` and in `bench/proof` for `recovery`.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::{refuse, tools};

/// Runs the benchmark that the first argument names; the others go to it.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let (packages, program): (&[&str], &str) = match arguments.first().map(String::as_str) {
        Some("example") => (&["loopfour-cli", "bench-provider", "bench-driver"], "bench-driver"),
        Some("recovery") => return crate::proof::recovery(&arguments[1..]),
        Some("runs") => (&["bench-runs"], "bench-runs"),
        Some(_) | None => return Ok(refuse(arguments)),
    };
    tools::need_c_compiler()?;
    let mut build = tools::cargo(&["build", "--release"]);
    build.args(packages.iter().flat_map(|package| ["--package", package]));
    if !build.status()?.success() {
        bail!("the build failed");
    }
    let driver = tools::target_directory()?.join("release").join(program);
    let status = Command::new(driver).args(arguments).current_dir(crate::workspace()).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
