//! The commands, one file each.

mod check;

use crate::failure::Failure;

/// What can be asked for.
#[derive(clap::Subcommand)]
pub enum Command {
    Check(check::Check),
}

impl Command {
    /// Does it, and gives the exit code.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        match self {
            Command::Check(check) => check.carry_out(),
        }
    }
}
