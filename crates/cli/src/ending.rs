//! How `run` and its like end: what is said of the run, its output on stdout, the exit code.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::answer;
use crate::failure::{DONE, FAILED, Failure, WAITING};
use crate::listing;
use crate::print::{self, one_line, style};
use crate::progress::{self, describe_error};
use crate::waits;

/// A run that has ended or waits.
#[derive(Debug)]
pub struct Ending {
    /// Its id.
    pub run: String,
    /// As the API says it.
    pub status: String,
    /// Milliseconds, once it is over.
    pub took: Option<i64>,
    /// What it gave.
    pub output: loopfour_lang::Value,
    /// Why it failed; null where it did not.
    pub error: Value,
    /// What it waits for.
    pub waiting: Option<answer::Waiting>,
    /// All of it, as the API has it.
    pub record: Box<RawValue>,
}

/// What goes to stdout once a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// What it gave, if it completed.
    Value,
    /// Its whole record as the API has it, however it ended.
    Record,
}

impl Ending {
    /// Of a run as the API answered it.
    ///
    /// # Errors
    /// It lacks what a run must have.
    pub fn of_answer(record: Box<RawValue>) -> Result<Ending, Failure> {
        let run: answer::Run = listing::read(record.get())?;
        Ok(Ending {
            run: run.id,
            status: run.status,
            took: run.duration_ms,
            output: run.output,
            error: run.error,
            waiting: run.waiting,
            record,
        })
    }

    /// Whether nothing more happens until a person does something, or at all.
    pub fn is_final(&self) -> bool {
        match (self.status.as_str(), &self.waiting) {
            ("pending" | "running", _) => false,
            ("waiting", Some(waiting)) => waits::is_for_a_person(&waiting.reason),
            _ => true,
        }
    }

    /// The exit code that says the same.
    pub fn exit(&self) -> u8 {
        match self.status.as_str() {
            "completed" => DONE,
            "waiting" => WAITING,
            _ => FAILED,
        }
    }

    /// The run's end in one line.
    pub fn line(&self) -> String {
        let colour = match self.exit() {
            DONE => style::GREEN,
            WAITING => style::YELLOW,
            _ => style::RED,
        };
        let what = match &self.waiting {
            Some(waiting) => waits::headline(waiting),
            None => one_line(&self.status).into_owned(),
        };
        let took = self.took.map(|took| format!(" in {}", progress::duration(took))).unwrap_or_default();
        format!("{colour}{what}{}{took}", style::RESET)
    }

    /// Tells the end on stderr and what is asked for on stdout, and gives the exit code.
    ///
    /// # Errors
    /// Stdout takes nothing.
    pub fn tell(&self, output: Output) -> Result<u8, Failure> {
        print::talk(&format!("{}  {}{}{}", self.line(), style::DIM, self.run, style::RESET));
        match (output, untold(&self.error)) {
            (Output::Value, _) if self.exit() == DONE => {
                print::out(&print::json(&self.output))?;
            }
            (_, Some(error)) => print::talk(&error),
            (_, None) => {}
        }
        if output == Output::Record {
            print::out(self.record.get())?;
        }
        Ok(self.exit())
    }
}

/// A run's error in lines, unless it is that of a step: then it was told with the step.
pub fn untold(error: &Value) -> Option<String> {
    let is_of_a_step = error["step"].as_str().is_some_and(|step| !step.is_empty());
    (error.is_object() && !is_of_a_step).then(|| describe_error(error, "  "))
}
