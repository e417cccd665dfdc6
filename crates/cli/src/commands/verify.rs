//! `loopfour verify`: whether the database says one thing only.

use loopfour_store::ReadOnly;

use crate::config::DataFlags;
use crate::failure::{DONE, FAILED, Failure};
use crate::print::{self, counted, one_line};

/// Check the database: its file, and every run against its journal.
///
/// The journal of every run is played back, and the state that it leads to is compared with the one that is stored beside
/// it and shown in lists. Each difference is a line that names the run. Nothing is changed, and the server may run
/// meanwhile; a million runs take minutes.
#[derive(clap::Args)]
#[command(after_help = "\
The last line is `N runs, M entries, D differ`; of one it says `1 run` and `1 entry`.

Exit codes: 0 nothing differs, 1 something does, 2 the database cannot be read.

Examples:
  loopfour verify
  loopfour verify --data /var/lib/loopfour")]
pub struct Verify {
    #[command(flatten)]
    data: DataFlags,
}

impl Verify {
    /// Checks it.
    pub fn carry_out(self) -> Result<u8, Failure> {
        let directory = self.data.directory()?;
        let database = ReadOnly::open(&directory).map_err(|cause| Failure::refused(cause.to_string()))?;
        let mut printed = Ok(print::Reader::There);
        let verified = database.verify(|difference| {
            if matches!(printed, Ok(print::Reader::There)) {
                printed = print::out(&one_line(&difference.to_string()));
            }
        });
        printed?;
        let verified = verified.map_err(|cause| {
            Failure::refused(format!("the data directory `{}`: {cause}", directory.display()))
        })?;
        let runs = counted(verified.runs, "run", "runs");
        let entries = counted(verified.entries, "entry", "entries");
        print::out(&format!("{runs}, {entries}, {} differ", verified.differ))?;
        Ok(if verified.differ == 0 { DONE } else { FAILED })
    }
}
