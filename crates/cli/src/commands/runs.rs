//! `loopfour runs`: look at the runs of a server, and repair them.

mod repair;

use clap::Subcommand;
use loopfour_engine::{RunId, RunStatus};
use loopfour_lang::Value;
use serde_json::value::RawValue;

use crate::answer;
use crate::client::{Client, ServerFlags};
use crate::commands::workflows;
use crate::ending::untold;
use crate::failure::{DONE, Failure};
use crate::listing::{self, Part};
use crate::print::{self, one_line, style};
use crate::progress::{self, Mark, Progress, describe_error, describe_output};
use crate::remote;
use crate::table::Cell;
use crate::waits;

/// Look at the runs of a server, and repair them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour runs list --status waiting
  loopfour runs show run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968
  loopfour runs tail run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968")]
pub struct Runs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Tail(Tail),
    Logs(Logs),
    Cancel(repair::Cancel),
    Retry(repair::Retry),
    Restart(repair::Restart),
    Resolve(repair::Resolve),
    Candidates(repair::Candidates),
}

/// List runs, the newest first.
///
/// The columns are id, status, time of the start, how long it took, and the title, if the workflow gives its runs one.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour runs list --status failed
  loopfour runs list --workflow 'Create and Send Invoice' --limit 100
  loopfour runs list --all --json | jq -r .id")]
struct List {
    /// Only runs with this status.
    #[arg(long, value_parser = RunStatus::ALL.map(RunStatus::name))]
    status: Option<String>,
    /// Only runs of this workflow: its id (wf_...) or name.
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<String>,
    #[command(flatten)]
    part: Part,
}

/// Show a run: how it stands, what it was given, each step, what it gave; of one that waits, why and what to do.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour runs show run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968
  loopfour runs show run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 --json | jq .output")]
struct Show {
    /// The run's id (run_...).
    #[arg(value_name = "ID")]
    id: RunId,
    /// Print the run as the API answers it.
    #[arg(long)]
    json: bool,
}

/// Follow a run, step by step, from its beginning to its end, through what it waits for by itself.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 completed, 1 failed, cancelled or timed out (or no such run), 3 waiting for a person.

Examples:
  loopfour runs tail run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968
  loopfour runs tail run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 --json | jq -r .type")]
struct Tail {
    /// The run's id (run_...).
    #[arg(value_name = "ID")]
    id: RunId,
    /// Print each event as one JSON object a line, as the API streams it.
    #[arg(long)]
    json: bool,
}

/// Show what a run did, line by line, from its beginning.
///
/// The columns are the time, how much the line matters, and what happened. Values are not shown here, see `runs show`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour runs logs run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968
  loopfour runs logs run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 --all --json | jq -r .message")]
struct Logs {
    /// The run's id (run_...).
    #[arg(value_name = "ID")]
    id: RunId,
    #[command(flatten)]
    part: Part,
}

impl Runs {
    /// Does what was asked for.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let client = self.server.client()?;
        match self.command {
            Command::List(list) => list.carry_out(&client).await,
            Command::Show(show) => show.carry_out(&client).await,
            Command::Tail(tail) => tail.carry_out(&client).await,
            Command::Logs(logs) => logs.carry_out(&client).await,
            Command::Cancel(cancel) => cancel.carry_out(&client).await,
            Command::Retry(retry) => retry.carry_out(&client).await,
            Command::Restart(restart) => restart.carry_out(&client).await,
            Command::Resolve(resolve) => resolve.carry_out(&client).await,
            Command::Candidates(candidates) => candidates.carry_out(&client).await,
        }
    }
}

impl List {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let mut query: Vec<(&str, String)> =
            self.status.map(|status| ("status", status)).into_iter().collect();
        if let Some(workflow) = self.workflow {
            query.push(("workflowId", workflows::id_of(client, &workflow).await?.to_string()));
        }
        let list = listing::List {
            path: "/api/v1/runs",
            query,
            head: &["ID", "STATUS", "STARTED, UTC", "TOOK", "TITLE"],
            row,
        };
        self.part.print(client, list).await
    }
}

impl Show {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let path = format!("/api/v1/runs/{}", self.id);
        let text = if self.json {
            client.get::<Box<RawValue>>(&path).await?.get().to_owned()
        } else {
            describe(&client.get(&path).await?)
        };
        print::out(&text)?;
        Ok(DONE)
    }
}

impl Tail {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        if self.json {
            return self.pass_on(client).await;
        }
        let run: answer::Run = client.get(&format!("/api/v1/runs/{}", self.id)).await?;
        let mut progress = Progress::new(run.steps.iter().map(|step| step.step_id.as_str()));
        let ending = remote::follow(client, &self.id.to_string(), remote::print(&mut progress)).await?;
        print::out(&ending.line())?;
        Ok(ending.exit())
    }

    async fn pass_on(self, client: &Client) -> Result<u8, Failure> {
        let ending = remote::follow(client, &self.id.to_string(), |event| print::out(&event.data)).await?;
        Ok(ending.exit())
    }
}

impl Logs {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let path = format!("/api/v1/runs/{}/logs", self.id);
        let list =
            listing::List { path: &path, query: Vec::new(), head: &["AT", "LEVEL", "MESSAGE"], row: log_row };
        self.part.print(client, list).await
    }
}

fn row(run: &answer::Run) -> Vec<Cell> {
    vec![
        Cell::of(&run.id),
        Cell::of(&run.status).styled(colour(&run.status)),
        Cell::time(&run.created_at),
        Cell::of(&run.duration_ms.map(progress::duration).unwrap_or_default()),
        Cell::of(run.title.as_deref().unwrap_or_default()),
    ]
}

fn log_row(line: &answer::LogLine) -> Vec<Cell> {
    let style = match line.level.as_str() {
        "error" => style::RED,
        "warn" => style::YELLOW,
        _ => "",
    };
    vec![Cell::of(&line.at), Cell::of(&line.level).styled(style), Cell::of(&line.message)]
}

/// A run in one line.
fn summary(run: &answer::Run) -> String {
    let took = run.duration_ms.map(progress::duration).unwrap_or_default();
    let status = one_line(&run.status);
    let (colour, reset) = (colour(&status), style::RESET);
    format!("{}  {colour}{status:<9}{reset}  {}  {took}", one_line(&run.id), one_line(&run.created_at))
        .trim_end()
        .to_owned()
}

fn colour(status: &str) -> &'static str {
    match status {
        "completed" => style::GREEN,
        "failed" | "timeout" => style::RED,
        "waiting" => style::YELLOW,
        _ => "",
    }
}

/// A run as people read it.
fn describe(run: &answer::Run) -> String {
    let (workflow, trigger) = (one_line(&run.workflow_id), one_line(&run.trigger_type));
    let mut lines = vec![summary(run)];
    lines.extend(run.title.as_deref().map(|title| one_line(title).into_owned()));
    let anew = run.restarted_from.as_deref().map(|old| format!(", anew from {}", one_line(old)));
    let anew = anew.unwrap_or_default();
    lines.extend([
        format!("workflow {workflow}, version {}, started by {trigger}{anew}", run.workflow_version),
        format!("input {}", print::json(&run.input)),
        "steps".to_owned(),
    ]);
    let progress = Progress::new(run.steps.iter().map(|step| step.step_id.as_str()));
    for step in &run.steps {
        let note = match step.attempt {
            0 | 1 => describe_output(&step.output),
            attempt => {
                format!("{}  attempt {attempt}", describe_output(&step.output)).trim_start().to_owned()
            }
        };
        lines.push(progress.line(Mark::of(&step.status), &step.step_id, &note, step.duration_ms));
        // What a waiting step waits for is told below.
        if step.error.is_object() && step.status != "waiting" {
            lines.push(describe_error(&step.error, progress::UNDER));
        }
    }
    if let Some(waiting) = &run.waiting {
        lines.extend(waits::describe(&run.id, waiting));
    }
    if run.output != Value::Null {
        lines.push(format!("output {}", print::json(&run.output)));
    }
    if let Some(error) = untold(&run.error) {
        lines.push(format!("error\n{error}"));
    }
    lines.join("\n")
}
