//! `loopfour restore`: a data directory from a backup, with what may have been sent since held for a person.

use std::path::{Path, PathBuf};

use loopfour_engine::ports::Clock as _;
use loopfour_host::SystemClock;
use loopfour_store::{HeldRun, RestoreError, Restored, Store};
use serde_json::json;

use crate::config::DataFlags;
use crate::failure::{DONE, Failure};
use crate::print::{self, counted};
use crate::table::{Cell, Table};

/// Make the database of a data directory that has none from a backup.
///
/// The backup is checked first, as `loopfour verify` does. What happened after it was made is not in it: runs that were
/// started since are unknown, and runs that were under way may have gone on and sent something. Those are listed, and no
/// write of theirs is sent again before a person looked at the provider and said what became of one (`loopfour runs
/// resolve`).
///
/// The key file of the server that was backed up (`secrets.key`) is in no backup. Put it into the data directory before the
/// server starts, or name it with LOOPFOUR_SECRETS_KEY_FILE: without it the server does not start.
///
/// The columns are the run, its workflow, the step that it was at or came to next, how it stood, and since when.
#[derive(clap::Args)]
#[command(after_help = "\
--json prints one object: {backupAt, runs, entries, failed, held, missingKeyFile};
held is a list of {run, workflow, step, status, since}, missingKeyFile the place
where the key file must be put, or null.

Exit codes: 0 restored, 1 it went wrong and no database is left, 2 not begun.

Examples:
  loopfour restore loopfour-backup.db
  loopfour restore /backups/loopfour-2026-11-24.db --data /var/lib/loopfour
  loopfour restore loopfour-backup.db --json | jq -r '.held[].run'")]
pub struct Restore {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    data: DataFlags,
    /// Print what was restored as one JSON object.
    #[arg(long)]
    json: bool,
}

impl Restore {
    /// Restores it.
    pub fn carry_out(self) -> Result<u8, Failure> {
        let config = self.data.config()?;
        let restored = Store::restore(&self.file, &config.data, SystemClock.now()).map_err(refusal)?;
        let key = Some(config.secrets_file()).filter(|key| restored.needs_key && !key.exists());
        if self.json {
            print::out(&record(&restored, key.as_deref()).to_string())?;
        } else {
            tell(&self.file, &config.data, &restored, key.as_deref())?;
        }
        Ok(DONE)
    }
}

fn refusal(cause: RestoreError) -> Failure {
    let message = cause.to_string();
    match cause {
        RestoreError::Exists { .. } => {
            Failure::refused(message).hint("move the old data directory away, or name another with `--data`")
        }
        RestoreError::Open(_) | RestoreError::Differs { .. } => Failure::refused(message),
        RestoreError::Copy(_) => Failure::failed(message),
    }
}

fn record(restored: &Restored, missing_key: Option<&Path>) -> serde_json::Value {
    let held = restored.held.iter().map(|held| {
        json!({
            "run": held.run,
            "workflow": held.workflow,
            "step": held.step,
            "status": held.status,
            "since": held.since.to_string(),
        })
    });
    json!({
        "backupAt": restored.backup_at.to_string(),
        "runs": restored.runs,
        "entries": restored.entries,
        "failed": restored.failed,
        "givenUp": restored.given_up,
        "held": held.collect::<Vec<_>>(),
        "missingKeyFile": missing_key,
    })
}

fn tell(
    file: &Path,
    directory: &Path,
    restored: &Restored,
    missing_key: Option<&Path>,
) -> Result<(), Failure> {
    let (file, directory) = (file.display(), directory.display());
    print::talk(&format!(
        "restored {file} into {directory}: {}, {}, as of {}",
        counted(restored.runs, "run", "runs"),
        counted(restored.entries, "entry", "entries"),
        restored.backup_at
    ));
    print::talk("runs that were started after that are not in it, whatever they sent");
    if restored.failed > 0 {
        print::talk(&format!(
            "{} had failed by then: one that is retried waits for a person at its first write",
            counted(restored.failed, "run", "runs")
        ));
    }
    if restored.given_up > 0 {
        print::talk(&format!(
            "{} to be handed over to workflows, and may have been since: see `loopfour events list --status dead`, and \
             replay what did not run",
            counted(restored.given_up, "event or failure was", "events or failures were")
        ));
    }
    if let Some(key) = missing_key {
        print::talk(&format!(
            "the secrets key file is in no backup: put your copy of it to {} before the server starts; it does not start \
             without",
            key.display()
        ));
    }
    if restored.held.is_empty() {
        print::talk("no run was under way");
        return Ok(());
    }
    let held = restored.held.len();
    let were = if held == 1 { "1 run was".to_owned() } else { format!("{held} runs were") };
    print::talk(&format!(
        "{were} under way and may have sent something since; their writes wait for a person: look at the provider, then say \
         what became of each with `loopfour runs resolve RUN STEP`"
    ));
    let head = &["RUN", "WORKFLOW", "STEP", "STATUS", "SINCE, UTC"];
    let rows: Vec<Vec<Cell>> = restored.held.iter().map(row).collect();
    print::out(&Table::new(head, print::room()).draw(&rows).join("\n")).map(drop)
}

fn row(held: &HeldRun) -> Vec<Cell> {
    let step = held.step.as_ref().map_or("-", |step| &step.0);
    vec![
        Cell::of(&held.run.to_string()),
        Cell::of(&held.workflow),
        Cell::of(step),
        Cell::of(held.status.name()),
        Cell::time(&held.since.to_string()),
    ]
}
