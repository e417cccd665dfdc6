//! `cargo xtask demo`: builds the product as a newcomer's machine can and hands over to `loopfour demo`.

use std::process::ExitCode;

use anyhow::Result;

use crate::tools;

/// Builds and runs the demo; every argument goes to `loopfour demo`.
/// `cargo run` becomes the product's process on Unix, so its signals and exit code are the user's.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    tools::need_c_compiler()?;
    let mut command = tools::cargo(&["run", "--package", "loopfour-cli", "--bin", "loopfour", "--", "demo"]);
    command.args(arguments);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        Err(command.exec().into())
    }
    #[cfg(not(unix))]
    {
        let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
    }
}
