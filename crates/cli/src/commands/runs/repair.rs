//! `loopfour runs cancel`, `retry`, `restart`, `resolve`, `candidates`: what people do to runs.

use loopfour_engine::RunId;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::describe;
use crate::answer;
use crate::client::Client;
use crate::commands::check;
use crate::failure::{DONE, Failure};
use crate::listing::read;
use crate::print;
use crate::table::{Cell, Table};

/// Cancel a run that has not ended.
///
/// Nothing more is sent by itself; the answer of the call under way is awaited, so that the record is true. Where a write's
/// outcome is unknown, the run waits for a person first.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 it ends, or will, 1 it has ended already, or there is no such run.

Example:
  loopfour runs cancel run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968")]
pub struct Cancel {
    #[command(flatten)]
    target: Target,
}

/// Let a failed or timed out run go on at its first failed step.
///
/// What succeeded is kept. The failed call is tried anew: correct first what made it fail.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 it goes on, 1 it cannot (one line on stderr says why).

Examples:
  loopfour runs retry run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968
  loopfour runs retry run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 --not-done")]
pub struct Retry {
    #[command(flatten)]
    target: Target,
    /// You looked at the provider, and the failed call was not done; needed after OUTCOME_UNKNOWN.
    #[arg(long)]
    not_done: bool,
}

/// Start a run that has ended anew, in the current version of its workflow, with the same input.
///
/// It is a new run: what the old one did is done again, except the steps whose results are kept. Its id is printed.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 started, 1 it cannot be (one line on stderr says why).

Examples:
  loopfour runs restart run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968
  loopfour runs restart run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 --from-step send")]
pub struct Restart {
    #[command(flatten)]
    target: Target,
    /// The first step that is run again; the results of those before it are kept.
    #[arg(long, value_name = "STEP")]
    from_step: Option<String>,
    /// Also where a write of the run may have been done.
    #[arg(long)]
    force: bool,
}

/// Say what became of a call whose outcome is unknown.
///
/// For a step that waits as `outcome_unknown`, or is parked. Look at the provider first; `loopfour runs candidates` helps.
/// Who said so, and the reason, stay in the run's record.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 resolved, 1 it cannot be (one line on stderr says why).

Examples:
  loopfour runs resolve run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 pay \\
    --outcome done --id pi_123 --reason 'seen in the dashboard'
  loopfour runs resolve run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 pay \\
    --outcome retry --not-done --reason 'no payment of that amount'
  loopfour runs resolve run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 pay \\
    --outcome fail --reason 'paid by other means'")]
pub struct Resolve {
    #[command(flatten)]
    target: Target,
    /// The step.
    #[arg(value_name = "STEP")]
    step: String,
    /// `done`: it was done; `retry`: send it again; `fail`: the step fails.
    #[arg(long, value_parser = ["done", "retry", "fail"])]
    outcome: String,
    /// How you know; kept in the record.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// With `done`: the object that came of the call. It is read and becomes the step's output.
    #[arg(long, value_name = "ID", conflicts_with = "output")]
    id: Option<String>,
    /// With `done`, instead of --id: a file that holds the output as JSON; `-` reads stdin.
    #[arg(long, value_name = "FILE")]
    output: Option<String>,
    /// With `retry`: you looked, and it was not done; it is tried anew.
    #[arg(long)]
    not_done: bool,
}

/// List objects at the provider that a step's call may have made.
///
/// They carry the run and the step in their metadata; for a call that changes an object, it is that object. That none is
/// found proves nothing. The columns are id, kind, time, amount and status; what was looked at is said on stderr.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 looked, 1 it cannot be looked for (one line on stderr says why).

Examples:
  loopfour runs candidates run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 pay
  loopfour runs candidates run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 pay --json | jq -r '.candidates[].id'")]
pub struct Candidates {
    #[command(flatten)]
    target: Target,
    /// The step.
    #[arg(value_name = "STEP")]
    step: String,
}

/// Which run, and how the answer is printed.
#[derive(clap::Args)]
struct Target {
    /// The run's id (run_...).
    #[arg(value_name = "RUN")]
    run: RunId,
    /// Print what the API answers.
    #[arg(long)]
    json: bool,
}

impl Cancel {
    /// Does it.
    pub async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        self.target.act(client, "cancel", &json!({})).await
    }
}

impl Retry {
    /// Does it.
    pub async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let body = if self.not_done { json!({"notDone": true}) } else { json!({}) };
        self.target.act(client, "retry", &body).await
    }
}

impl Restart {
    /// Does it.
    pub async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let mut body = json!({});
        if let Some(step) = self.from_step {
            body["fromStep"] = step.into();
        }
        if self.force {
            body["force"] = true.into();
        }
        let accepted = self.target.ask(client, "restart", &body).await?;
        if self.target.json {
            print::out(accepted.get())?;
            return Ok(DONE);
        }
        let started: answer::Started = read(accepted.get())?;
        print::out(&print::one_line(&started.run_id))?;
        print::talk("started; `loopfour runs tail` with this id follows it");
        Ok(DONE)
    }
}

impl Resolve {
    /// Does it.
    pub async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let mut body = json!({"reason": self.reason, "outcome": self.outcome});
        if let Some(id) = self.id {
            body["id"] = id.into();
        }
        if self.not_done {
            body["notDone"] = true.into();
        }
        let mut body = body.to_string();
        if let Some(file) = &self.output {
            let output = check::read(file)?;
            let output = loopfour_lang::json::parse(output.as_bytes())
                .map_err(|wrong| Failure::refused(format!("{file}: {wrong}")))?;
            body.truncate(body.len() - 1);
            body.push_str(",\"output\":");
            output.write_json(&mut body);
            body.push('}');
        }
        let path = format!("steps/{}/resolve", segment(&self.step));
        self.target.print(&self.target.post(client, &path, body).await?)
    }
}

impl Candidates {
    /// Does it.
    pub async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let path = format!("steps/{}/candidates", segment(&self.step));
        let found = self.target.ask(client, &path, &json!({})).await?;
        if self.target.json {
            print::out(found.get())?;
            return Ok(DONE);
        }
        let found: answer::Candidates = read(found.get())?;
        let rows: Vec<Vec<Cell>> = found.candidates.iter().map(row).collect();
        let head = &["ID", "OBJECT", "CREATED, UTC", "AMOUNT", "STATUS"];
        for line in Table::new(head, print::room()).draw(&rows) {
            print::out(&line)?;
        }
        let searched = found.searched;
        let all = if searched.complete { "all there are" } else { "not all there are" };
        print::talk(&format!("looked at {}, {all}: {}", searched.objects, print::one_line(&searched.note)));
        Ok(DONE)
    }
}

impl Target {
    async fn ask(&self, client: &Client, what: &str, body: &Value) -> Result<Box<RawValue>, Failure> {
        self.post(client, what, body.to_string()).await
    }

    async fn post(&self, client: &Client, what: &str, body: String) -> Result<Box<RawValue>, Failure> {
        client.post(&format!("/api/v1/runs/{}/{what}", self.run), body).await
    }

    async fn act(&self, client: &Client, what: &str, body: &Value) -> Result<u8, Failure> {
        self.print(&self.ask(client, what, body).await?)
    }

    /// Prints the run as it stands now.
    fn print(&self, run: &RawValue) -> Result<u8, Failure> {
        if self.json {
            print::out(run.get())?;
        } else {
            print::out(&describe(&read(run.get())?))?;
        }
        Ok(DONE)
    }
}

fn row(candidate: &answer::Candidate) -> Vec<Cell> {
    let amount = candidate.amount.map(|amount| {
        format!("{amount} {}", candidate.currency.as_deref().unwrap_or_default()).trim_end().to_owned()
    });
    vec![
        Cell::of(&candidate.id),
        Cell::of(&candidate.object),
        Cell::time(&candidate.created),
        Cell::of(amount.as_deref().unwrap_or("-")),
        Cell::of(candidate.status.as_deref().unwrap_or("-")),
    ]
}

/// A step's path as one segment of an address.
fn segment(step: &str) -> String {
    let mut segment = String::new();
    for byte in step.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => segment.push(char::from(byte)),
            byte => segment.push_str(&format!("%{byte:02X}")),
        }
    }
    segment
}
