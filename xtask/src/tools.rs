//! The programs that the commands call: cargo as the user's shell would call it, and a C compiler.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::workspace;

/// Cargo in the root of the workspace, without what `cargo xtask` itself added to the environment.
/// Build scripts such as ring's watch those variables, and would be run again at each change of caller.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.args(arguments).current_dir(workspace());
    command
}

/// The folder that cargo builds into.
pub fn target_directory() -> Result<PathBuf> {
    let output =
        cargo(&["metadata", "--no-deps", "--format-version", "1"]).stderr(Stdio::inherit()).output()?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("the answer of `cargo metadata` is not JSON")?;
    Ok(PathBuf::from(metadata["target_directory"].as_str().context("cargo names no target directory")?))
}

/// Whether `program` can be started and says its version.
pub fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Fails with what to install where there is no C compiler, which SQLite needs.
pub fn need_c_compiler() -> Result<()> {
    if c_compiler_works() {
        return Ok(());
    }
    bail!(
        "no C compiler found, and SQLite needs one: install gcc or clang \
         (Debian and Ubuntu: `apt-get install gcc libc6-dev`, macOS: `xcode-select --install`), or name yours in CC"
    )
}

/// The same, but installs one first where that is possible: on Debian's kin as root.
pub fn install_c_compiler() -> Result<()> {
    if !c_compiler_works() && works("apt-get", &["--version"]) && is_root() {
        for arguments in
            [&["update"][..], &["install", "--yes", "--no-install-recommends", "gcc", "libc6-dev"]]
        {
            let status = Command::new("apt-get").args(arguments).status()?;
            if !status.success() {
                bail!("`apt-get {}` failed: {status}", arguments.join(" "));
            }
        }
    }
    need_c_compiler()
}

fn c_compiler_works() -> bool {
    let named = env::var("CC").ok();
    named.iter().map(String::as_str).chain(["cc", "gcc", "clang"]).any(|name| works(name, &["--version"]))
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
