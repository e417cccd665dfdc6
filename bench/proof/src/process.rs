//! The processes beside this one: started without the settings of whoever starts them, and killed with this one's value.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result};

/// A child that is killed when this value is dropped.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts the command; all that it prints is added to the file.
    ///
    /// # Errors
    /// The program is not there, or the file cannot be written.
    pub fn start(command: &mut Command, log: &Path) -> Result<Process> {
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {:?}", command.get_program()))?;
        Ok(Process { child })
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }
}

impl Drop for Process {
    /// SIGKILL: it does not get to do anything more.
    fn drop(&mut self) {
        // It may have ended by itself; whoever is surprised by that finds out from its answers.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The product's program, which lies beside this one.
///
/// # Errors
/// This program lies in no folder.
pub fn product() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.parent().context("this program lies in no folder")?.join("loopfour"))
}

/// The program with these arguments and nothing of this process's environment.
pub fn command(program: &Path, arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().current_dir(folder);
    command
}

/// A folder beside the programs: one for temporary files may well be memory, where nothing is durable.
///
/// # Errors
/// It cannot be made.
pub fn folder(name: &str) -> Result<tempfile::TempDir> {
    let beside = product()?;
    let beside = beside.parent().context("the program lies in no folder")?;
    Ok(tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(beside)?)
}
