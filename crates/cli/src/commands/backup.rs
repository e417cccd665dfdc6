//! `loopfour backup`: a copy of the database while it is in use.

use std::path::PathBuf;

use loopfour_engine::ports::Clock as _;
use loopfour_host::SystemClock;
use loopfour_store::{BackupError, ReadOnly};

use crate::config::DataFlags;
use crate::failure::{DONE, Failure};
use crate::print;

/// Copy the database into a file, while the server runs or not.
///
/// The copy is the database as it was at one moment: every run with its journal, workflows, API keys (their hashes only).
/// The server goes on meanwhile. The file is complete on the disk once the command ends, can be read by its owner alone,
/// and overwrites nothing.
///
/// Credentials are sealed in it with a key that is not: without the key file (LOOPFOUR_SECRETS_KEY_FILE, else `secrets.key`
/// in the data directory) a backup is dead. Keep a copy of that file, apart from the backups. Not in it either are the
/// objects of the offline Stripe (`sandbox` in the data directory) and the settings.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 made, 1 it went wrong and no file is left, 2 not begun.

Examples:
  loopfour backup loopfour-backup.db
  loopfour backup /backups/loopfour-$(date +%F).db --data /var/lib/loopfour")]
pub struct Backup {
    /// The file to make.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    data: DataFlags,
}

impl Backup {
    /// Makes it.
    pub fn carry_out(self) -> Result<u8, Failure> {
        let config = self.data.config()?;
        let directory = &config.data;
        let refused = |cause: &dyn std::fmt::Display| Failure::refused(cause.to_string());
        let database = ReadOnly::open(directory).map_err(|cause| refused(&cause))?;
        let made = database.backup(&self.file, SystemClock.now());
        let bytes = made.map_err(|cause| match &cause {
            BackupError::Exists { .. } => refused(&cause).hint("name a new file"),
            BackupError::Unusable { .. } | BackupError::Failed { .. } => Failure::failed(cause.to_string()),
        })?;
        print::out(&format!("backed up {} to {}, {bytes} bytes", directory.display(), self.file.display()))?;
        let key = config.secrets_file();
        print::talk(&format!(
            "it is dead without the key file {}, which is not in it: keep a copy of that, apart from backups",
            key.display()
        ));
        Ok(DONE)
    }
}
