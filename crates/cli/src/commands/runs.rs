//! `loopfour runs`: look at the runs of a server.

use clap::Subcommand;
use loopfour_engine::{RunId, RunStatus, WorkflowId};
use loopfour_lang::Value;
use serde_json::value::RawValue;

use crate::answer;
use crate::client::{Client, ServerFlags};
use crate::ending::untold;
use crate::failure::{DONE, Failure};
use crate::print::{self, Reader, one_line, style};
use crate::progress::{self, Mark, Progress, describe_error, describe_output};
use crate::remote;

/// Look at the runs of a server.
#[derive(clap::Args)]
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
}

/// List runs, the newest first.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour runs list --status failed
  loopfour runs list --limit 100 --json | jq -r .id")]
struct List {
    /// Only runs with this status: pending, running, waiting, completed, failed, cancelled or timeout.
    #[arg(long)]
    #[arg(long, value_parser = status)]
    status: Option<RunStatus>,
    /// Only runs of this workflow (wf_…).
    #[arg(long, value_name = "ID")]
    workflow: Option<WorkflowId>,
    /// At most so many, 1 to 100.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// Print each run as one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Show a run: how it stands, what it was given, each step, what it gave.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour runs show run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968
  loopfour runs show run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 --json | jq .output")]
struct Show {
    /// The run's id (run_…).
    #[arg(value_name = "ID")]
    id: RunId,
    /// Print the run as the API answers it.
    #[arg(long)]
    json: bool,
}

/// Follow a run, step by step, from its beginning to its end.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 completed, 1 failed, cancelled or timed out (or no such run), 3 waiting for a person.

Example:
  loopfour runs tail run_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968")]
struct Tail {
    /// The run's id (run_…).
    #[arg(value_name = "ID")]
    id: RunId,
}

impl Runs {
    /// Does what was asked for.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let client = self.server.client()?;
        match self.command {
            Command::List(list) => list.carry_out(&client).await,
            Command::Show(show) => show.carry_out(&client).await,
            Command::Tail(tail) => tail.carry_out(&client).await,
        }
    }
}

impl List {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let mut path = format!("/api/v1/runs?limit={}", self.limit);
        if let Some(status) = self.status {
            path.push_str(&format!("&status={}", status.name()));
        }
        if let Some(workflow) = self.workflow {
            path.push_str(&format!("&workflowId={workflow}"));
        }
        let lines: Vec<String> = if self.json {
            let runs: Vec<Box<RawValue>> = client.get(&path).await?;
            runs.iter().map(|run| run.get().to_owned()).collect()
        } else {
            let runs: Vec<answer::Run> = client.get(&path).await?;
            runs.iter().map(summary).collect()
        };
        for line in lines {
            if print::out(&line)? == Reader::Gone {
                break;
            }
        }
        Ok(DONE)
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

fn status(name: &str) -> Result<RunStatus, String> {
    let known = RunStatus::ALL.into_iter().find(|status| status.name() == name);
    known.ok_or_else(|| format!("use one of {}", RunStatus::ALL.map(RunStatus::name).join(", ")))
}

impl Tail {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let run: answer::Run = client.get(&format!("/api/v1/runs/{}", self.id)).await?;
        let mut progress = Progress::new(run.steps.iter().map(|step| step.step_id.as_str()));
        let ending = remote::follow(client, &self.id.to_string(), &mut progress, print::out).await?;
        print::out(&ending.line())?;
        Ok(ending.exit())
    }
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
    let mut lines = vec![
        summary(run),
        format!("workflow {workflow}, version {}, started by {trigger}", run.workflow_version),
        format!("input {}", print::json(&run.input)),
        "steps".to_owned(),
    ];
    let progress = Progress::new(run.steps.iter().map(|step| step.step_id.as_str()));
    for step in &run.steps {
        let note = describe_output(&step.output);
        lines.push(progress.line(Mark::of(&step.status), &step.step_id, &note, step.duration_ms));
        if step.error.is_object() {
            lines.push(describe_error(&step.error, progress::UNDER));
        }
    }
    if let Some(waiting) = &run.waiting {
        lines.push(format!("waits: {}", one_line(&waiting.reason)));
    }
    if run.output != Value::Null {
        lines.push(format!("output {}", print::json(&run.output)));
    }
    if let Some(error) = untold(&run.error) {
        lines.push(format!("error\n{error}"));
    }
    lines.join("\n")
}
