//! Why a run waits, in words that a person can act on.

use crate::answer::Waiting;
use crate::print::{one_line, style};
use crate::progress::{describe_error, wrap};

/// Whether nothing happens until a person does something.
pub fn is_for_a_person(reason: &str) -> bool {
    matches!(reason, "approval" | "connection" | "outcome_unknown" | "parked")
}

/// What it waits for, in a line.
pub fn headline(waiting: &Waiting) -> String {
    let step = waiting.step_id.as_deref().map(one_line);
    let of_step = step.as_ref().map(|step| format!(" of step `{step}`")).unwrap_or_default();
    let what = match waiting.reason.as_str() {
        "retry" => format!("waits (retry): the call{of_step} is tried again, under the same key"),
        "pace" => {
            format!("waits (pace): the call{of_step} stands in line, to keep to the provider's rate limit")
        }
        "connection" => format!("waits (connection): the call{of_step} needs usable credentials"),
        "storage" => {
            format!(
                "waits (storage): the server's disk takes nothing; what came of the call{of_step} is kept"
            )
        }
        "outcome_unknown" => {
            format!("waits for a person (outcome_unknown): whether the call{of_step} was done is not known")
        }
        "parked" => "is parked by a defect of the server; its log has more".to_owned(),
        other => format!("waits: {}", one_line(other)),
    };
    let until = match (waiting.until.as_deref(), waiting.reason.as_str()) {
        (Some(until), "connection") => format!("; it is looked for again at {}", one_line(until)),
        (Some(until), _) => format!("; it goes on at {}", one_line(until)),
        (None, _) => String::new(),
    };
    let then = waiting.then.as_deref().map(|then| format!("; then the run ends as {}", one_line(then)));
    format!("{what}{until}{}", then.unwrap_or_default())
}

/// The same with what happened and what to do.
pub fn describe(run: &str, waiting: &Waiting) -> Vec<String> {
    let mut lines = vec![wrap(&headline(waiting), "")];
    if waiting.error.is_object() {
        lines.push(describe_error(&waiting.error, "  "));
    }
    let commands = commands(&one_line(run), waiting);
    if !commands.is_empty() {
        lines.push("what to do".to_owned());
    }
    for (command, why) in commands {
        lines.push(format!("  {command}\n      {}{why}{}", style::DIM, style::RESET));
    }
    lines
}

/// What a person can do, and why.
fn commands(run: &str, waiting: &Waiting) -> Vec<(String, &'static str)> {
    let cancel = (format!("loopfour runs cancel {run}"), "ends the run; nothing more is sent");
    let Some(step) = waiting.step_id.as_deref().map(one_line) else {
        return if waiting.reason == "parked" { vec![cancel] } else { Vec::new() };
    };
    match waiting.reason.as_str() {
        "outcome_unknown" => vec![
            (format!("loopfour runs candidates {run} {step}"), "looks for what the call may have made"),
            (
                format!("loopfour runs resolve {run} {step} --outcome done --id ID --reason TEXT"),
                "it was done: ID is what came of it",
            ),
            (
                format!("loopfour runs resolve {run} {step} --outcome retry --not-done --reason TEXT"),
                "it was not done: it is tried anew",
            ),
            (
                format!("loopfour runs resolve {run} {step} --outcome fail --reason TEXT"),
                "give it up: the step fails",
            ),
        ],
        "parked" => vec![
            (
                format!("loopfour runs resolve {run} {step} --outcome retry --reason TEXT"),
                "once the defect is mended: it is sent again",
            ),
            cancel,
        ],
        "connection" => {
            vec![(
                "loopfour connections list".to_owned(),
                "shows which one is not usable, and `show` says why",
            )]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(waiting: Value) -> String {
        let waiting: Waiting = serde_json::from_value(waiting).unwrap();
        anstream::adapter::strip_str(&describe("run_1", &waiting).join("\n")).to_string()
    }

    #[test]
    fn an_unknown_outcome_comes_with_the_commands_that_settle_it() {
        let waiting = json!({
            "reason": "outcome_unknown", "stepId": "pay", "then": "cancelled",
            "error": {"code": "api_error", "message": "no answer came", "hint": "look at the provider"},
        });
        insta::assert_snapshot!(said(waiting), @r"
        waits for a person (outcome_unknown): whether the call of step `pay` was done is
        not known; then the run ends as cancelled
          api_error: no answer came
          hint: look at the provider
        what to do
          loopfour runs candidates run_1 pay
              looks for what the call may have made
          loopfour runs resolve run_1 pay --outcome done --id ID --reason TEXT
              it was done: ID is what came of it
          loopfour runs resolve run_1 pay --outcome retry --not-done --reason TEXT
              it was not done: it is tried anew
          loopfour runs resolve run_1 pay --outcome fail --reason TEXT
              give it up: the step fails
        ");
    }

    #[test]
    fn each_reason_says_what_goes_on() {
        let at = "2026-11-24T13:39:31.163Z";
        let all = [
            json!({"reason": "retry", "stepId": "pay", "until": at}),
            json!({"reason": "pace", "stepId": "pay"}),
            json!({"reason": "connection", "stepId": "pay", "until": at}),
            json!({"reason": "storage"}),
            json!({"reason": "parked"}),
            json!({"reason": "timer", "until": at}),
        ];
        insta::assert_snapshot!(all.map(said).join("\n"), @r"
        waits (retry): the call of step `pay` is tried again, under the same key; it
        goes on at 2026-11-24T13:39:31.163Z
        waits (pace): the call of step `pay` stands in line, to keep to the provider's
        rate limit
        waits (connection): the call of step `pay` needs usable credentials; it is
        looked for again at 2026-11-24T13:39:31.163Z
        what to do
          loopfour connections list
              shows which one is not usable, and `show` says why
        waits (storage): the server's disk takes nothing; what came of the call is kept
        is parked by a defect of the server; its log has more
        what to do
          loopfour runs cancel run_1
              ends the run; nothing more is sent
        waits: timer; it goes on at 2026-11-24T13:39:31.163Z
        ");
    }
}
