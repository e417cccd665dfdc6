//! How runs and their steps look on a terminal: one line a step, as it happens or from the record.
//!
//! It makes text and prints nothing, so that a command decides between stdout and stderr.

use std::collections::HashMap;

use serde_json::Value;

use crate::print::{one_line, style};

/// Lines are kept within this many characters where words allow it.
const WIDTH: usize = 80;
/// What stands under a step's line begins here.
pub const UNDER: &str = "      ";
/// A longer step id does not move the others' columns.
const MAX_COLUMN: usize = 28;

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It succeeded.
    Done,
    /// It did not run.
    Skipped,
    /// It failed.
    Failed,
    /// It cannot go on for now.
    Waiting,
    /// It is under way.
    Running,
    /// It has not begun.
    Pending,
}

impl Mark {
    /// From the API's status of a step.
    pub fn of(status: &str) -> Mark {
        match status {
            "success" => Mark::Done,
            "skipped" => Mark::Skipped,
            "error" => Mark::Failed,
            "waiting" => Mark::Waiting,
            "running" => Mark::Running,
            _ => Mark::Pending,
        }
    }

    fn sign(self) -> (&'static str, &'static str) {
        match self {
            Mark::Done => (style::GREEN, "✓"),
            Mark::Skipped => (style::DIM, "–"),
            Mark::Failed => (style::RED, "✗"),
            Mark::Waiting => (style::YELLOW, "…"),
            Mark::Running => (style::DIM, "→"),
            Mark::Pending => (style::DIM, "·"),
        }
    }
}

/// Something that happened in a run, as far as it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// When, Unix milliseconds.
    pub at: i64,
    /// At which step.
    pub step: String,
    /// What.
    pub what: What,
}

/// What happened at a step.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Its call is about to be sent, for the first time or again.
    Begun,
    /// It is a condition and chose a branch.
    Decided {
        /// `then` or `else`.
        branch: String,
    },
    /// It is done.
    Succeeded {
        /// What it gave.
        output: Value,
    },
    /// No branch led to it.
    Skipped,
    /// It failed.
    Failed {
        /// As the API tells it.
        error: Value,
        /// The run goes on all the same.
        goes_on: bool,
    },
    /// It cannot go on for now.
    Waits {
        /// What for.
        reason: String,
        /// ISO time at which it goes on by itself.
        until: Option<String>,
        /// As the API tells it; null where nothing went wrong.
        error: Value,
    },
}

/// Draws the steps of one run.
#[derive(Debug, Default)]
pub struct Progress {
    column: usize,
    begun: HashMap<String, i64>,
}

impl Progress {
    /// For a run with these steps.
    pub fn new<'a>(steps: impl Iterator<Item = &'a str>) -> Progress {
        let column = steps.map(|step| step.chars().count()).max().unwrap_or_default();
        Progress { column: column.min(MAX_COLUMN), begun: HashMap::new() }
    }

    /// What is to be said of a happening, if anything.
    pub fn tell(&mut self, Happening { at, step, what }: &Happening) -> Option<String> {
        let took = self.begun.get(step).map(|begun| at - begun);
        Some(match what {
            What::Begun => {
                self.begun.entry(step.clone()).or_insert(*at);
                return None;
            }
            What::Decided { branch } => self.line(Mark::Done, step, &format!("→ {branch}"), None),
            What::Succeeded { output } => self.line(Mark::Done, step, &describe_output(output), took),
            What::Skipped => self.line(Mark::Skipped, step, "skipped", None),
            What::Failed { error, goes_on } => {
                let note = if *goes_on { "failed, the run goes on" } else { "failed" };
                format!("{}\n{}", self.line(Mark::Failed, step, note, took), describe_error(error, UNDER))
            }
            What::Waits { reason, until, error } => {
                let until = until.as_ref().map(|until| format!(", goes on at {until}")).unwrap_or_default();
                let note = format!("waits: {reason}{until}");
                let line = self.line(Mark::Waiting, step, &note, took);
                if error.is_object() { format!("{line}\n{}", describe_error(error, UNDER)) } else { line }
            }
        })
    }

    /// A step's line.
    pub fn line(&self, mark: Mark, step: &str, note: &str, milliseconds: Option<i64>) -> String {
        let (colour, sign) = mark.sign();
        let mut line =
            format!("  {colour}{sign}{} {:<width$}", style::RESET, one_line(step), width = self.column);
        if !note.is_empty() {
            line.push_str(&format!("  {}", one_line(note)));
        }
        if let Some(milliseconds) = milliseconds {
            line.push_str(&format!("  {}{}{}", style::DIM, duration(milliseconds), style::RESET));
        }
        line.trim_end().to_owned()
    }
}

/// An error of a step or run: code, message, and what to do.
pub fn describe_error(error: &Value, indent: &str) -> String {
    let text = |key: &str| one_line(error[key].as_str().unwrap_or_default()).into_owned();
    let code = match error["declineCode"].as_str() {
        Some(decline) => format!("{} ({})", text("code"), one_line(decline)),
        None => text("code"),
    };
    let mut lines = wrap(&format!("{code}: {}", text("message")), indent);
    if !text("hint").is_empty() {
        lines.push('\n');
        lines.push_str(&wrap(&format!("hint: {}", text("hint")), indent));
    }
    lines
}

/// What a step gave, in a few words.
pub fn describe_output(output: &Value) -> String {
    if let Some(branch) = output["branch"].as_str() {
        return format!("→ {branch}");
    }
    if let (Some("list"), Some(data)) = (output["object"].as_str(), output["data"].as_array()) {
        return format!("{} found", data.len());
    }
    match (output["id"].as_str(), output["status"].as_str()) {
        (Some(id), Some(status)) => format!("{id} {status}"),
        (Some(id), None) => id.to_owned(),
        (None, _) => String::new(),
    }
}

/// Milliseconds as people say them.
pub fn duration(milliseconds: i64) -> String {
    match milliseconds {
        ..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        60_000.. => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1_000),
    }
}

/// Breaks text at spaces so that lines fit the terminal; every line is indented.
pub fn wrap(text: &str, indent: &str) -> String {
    let room = WIDTH.saturating_sub(indent.len()).max(20);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| format!("{indent}{line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn outputs_are_told_in_a_few_words() {
        assert_eq!(describe_output(&json!({"result": false, "branch": "else"})), "→ else");
        assert_eq!(describe_output(&json!({"object": "list", "data": [{}]})), "1 found");
        assert_eq!(describe_output(&json!({"id": "in_1", "status": "open"})), "in_1 open");
        assert_eq!(describe_output(&json!({"id": "cus_1"})), "cus_1");
        assert_eq!(describe_output(&json!(null)), "");
        assert_eq!(describe_output(&json!([1])), "");
    }

    #[test]
    fn durations_are_told_in_their_unit() {
        let told = [-3, 0, 999, 1_250, 59_999, 61_000].map(duration);
        assert_eq!(told, ["-3 ms", "0 ms", "999 ms", "1.2 s", "59.9 s", "1 min 1 s"]);
    }

    #[test]
    fn an_error_is_told_with_its_hint_within_the_terminal() {
        let error = json!({
            "code": "card_declined", "declineCode": "lost_card", "hint": "use another card",
            "message": "the card was declined by its bank and there is nothing that anybody here can do about it",
        });
        let lines = describe_error(&error, "    ");
        insta::assert_snapshot!(lines, @r"
            card_declined (lost_card): the card was declined by its bank and there is
            nothing that anybody here can do about it
            hint: use another card
        ");
    }
}
