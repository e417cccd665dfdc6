//! `loopfour check`: everything that is wrong in workflows, without a server.

use std::io::Read as _;

use loopfour_engine::ports::Clock as _;
use loopfour_host::SystemClock;
use loopfour_lang::trigger::{Schedule, Trigger};
use loopfour_lang::{Catalog, Checked, Diagnostic, Options, Severity, Workflow};

use crate::diagnostics::{self, Count, Source};
use crate::failure::{DONE, FAILED, Failure, REFUSED};
use crate::print;

/// The most that a definition may have, bytes.
const MAX_DEFINITION: u64 = 1024 * 1024;

/// So many firings of a schedule are told.
const FIRINGS: usize = 5;

/// Check workflow files and report everything that is wrong in them.
///
/// Each finding is drawn over the line that it is about, on stderr: errors (the server would refuse the workflow),
/// warnings (it works, but perhaps not as meant) and infos. Of a schedule its next firings are told.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 no errors, 1 errors, 2 a file could not be read (the others are checked all the same).

Examples:
  loopfour check invoice.json
  loopfour check workflows/*.json
  loopfour check --json invoice.json | jq -r .message
  git show HEAD:invoice.json | loopfour check -")]
pub struct Check {
    /// Workflow files; `-` reads stdin.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Print one JSON object a line on stdout instead:
    /// {file, code, severity, pointer, line, column, message, hint?}
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Checks every file.
    pub fn carry_out(self) -> Result<u8, Failure> {
        let mut count = Count::default();
        let mut unreadable = false;
        for file in &self.files {
            match read(file) {
                Ok(text) => {
                    let Checked { diagnostics, workflow, .. } = check(&text);
                    count.add(&diagnostics);
                    self.report(Source { file, text: &text }, &diagnostics)?;
                    if let Some(Trigger::Schedule(schedule)) = workflow.map(|workflow| workflow.trigger)
                        && !self.json
                    {
                        print::talk(&firings(file, &schedule));
                    }
                }
                Err(failure) => {
                    print::failure(&failure);
                    unreadable = true;
                }
            }
        }
        if !self.json && count != Count::default() {
            let files = if self.files.len() == 1 { "" } else { "s" };
            print::talk(&format!("{} file{files} checked: {}", self.files.len(), count.describe()));
        }
        Ok(match (unreadable, count.errors) {
            (true, _) => REFUSED,
            (false, 0) => DONE,
            (false, _) => FAILED,
        })
    }

    fn report(&self, source: Source<'_>, diagnostics: &[Diagnostic]) -> Result<(), Failure> {
        for diagnostic in diagnostics {
            if self.json {
                print::out(&diagnostics::json(source.file, diagnostic))?;
            } else {
                print::talk(&format!("{}\n", diagnostics::draw(source, diagnostic)));
            }
        }
        Ok(())
    }
}

/// When a schedule would fire next if it were activated now, in its own time zone.
fn firings(file: &str, schedule: &Schedule) -> String {
    if !schedule.enabled {
        return format!("{file}: its schedule is off");
    }
    let now = SystemClock.now().0;
    let mut lines = vec![format!("{file}: activated now, it fires next at")];
    lines.extend(schedule.next(now, now, FIRINGS).into_iter().map(|at| {
        let at = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
        let zoned = at.in_tz(&schedule.timezone).map(|at| at.to_string());
        format!("  {}", zoned.unwrap_or_else(|_| at.to_string()))
    }));
    lines.join("\n")
}

/// Checks a workflow's text as the server does.
pub fn check(text: &str) -> Checked {
    loopfour_lang::check(text, Options { catalog: Catalog::builtin(), environment: &[] })
}

/// The workflow of a file's text; whatever the checker found in it is told, but for infos.
///
/// # Errors
/// It has errors.
pub fn told(file: &str, text: &str) -> Result<Workflow, Failure> {
    let mut checked = check(text);
    checked.diagnostics.retain(|diagnostic| diagnostic.severity > Severity::Info);
    let mut count = Count::default();
    count.add(&checked.diagnostics);
    for diagnostic in &checked.diagnostics {
        print::talk(&format!("{}\n", diagnostics::draw(Source { file, text }, diagnostic)));
    }
    checked.workflow.ok_or_else(|| Failure::refused(format!("{file}: {}", count.describe())))
}

/// The text of a file, `-` for stdin.
///
/// # Errors
/// It cannot be read, is no UTF-8, or is larger than a definition may be.
pub fn read(file: &str) -> Result<String, Failure> {
    let unreadable = |cause: std::io::Error| Failure::refused(format!("{file}: cannot be read: {cause}"));
    let mut bytes = Vec::new();
    let read = match file {
        "-" => std::io::stdin().lock().take(MAX_DEFINITION + 1).read_to_end(&mut bytes),
        path => {
            std::fs::File::open(path).and_then(|file| file.take(MAX_DEFINITION + 1).read_to_end(&mut bytes))
        }
    };
    if read.map_err(unreadable)? as u64 > MAX_DEFINITION {
        return Err(Failure::refused(format!("{file}: is larger than 1 MiB, the most that a file may have")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::refused(format!("{file}: is not UTF-8 at byte {}", at + 1))
    })
}
