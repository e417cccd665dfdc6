//! `loopfour workflows`: the workflows of a server. A workflow is named by its id or, where only one that is not archived
//! has it, by its name.

mod apply;
mod list;
mod show;
mod status;
mod versions;

use loopfour_engine::WorkflowId;
use serde_json::value::RawValue;

use crate::answer;
use crate::client::{Client, ServerFlags};
use crate::failure::{DONE, Failure};
use crate::print::{self, one_line, style};

/// Look at the workflows of a server and change them.
///
/// Where a command takes a WORKFLOW, give its id (wf_...) or its name; a name must be that of one workflow only, archived
/// ones aside.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour workflows apply invoice.json --activate
  loopfour workflows list
  loopfour workflows pause 'Create and Send Invoice'")]
pub struct Workflows {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(clap::Subcommand)]
enum Command {
    List(list::List),
    Show(show::Show),
    Apply(apply::Apply),
    Activate(status::Activate),
    Pause(status::Pause),
    Resume(status::Resume),
    Archive(status::Archive),
    Versions(versions::Versions),
    Rollback(versions::Rollback),
}

impl Workflows {
    /// Does what was asked for.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let client = self.server.client()?;
        match self.command {
            Command::List(list) => list.carry_out(&client).await,
            Command::Show(show) => show.carry_out(&client).await,
            Command::Apply(apply) => apply.carry_out(&client).await,
            Command::Activate(activate) => activate.carry_out(&client).await,
            Command::Pause(pause) => pause.carry_out(&client).await,
            Command::Resume(resume) => resume.carry_out(&client).await,
            Command::Archive(archive) => archive.carry_out(&client).await,
            Command::Versions(versions) => versions.carry_out(&client).await,
            Command::Rollback(rollback) => rollback.carry_out(&client).await,
        }
    }
}

/// The workflow that an id or a name means.
///
/// # Errors
/// No workflow, or more than one, has that name; the server cannot be reached or answers an error.
pub async fn id_of(client: &Client, named: &str) -> Result<WorkflowId, Failure> {
    if let Ok(id) = named.parse() {
        return Ok(id);
    }
    match with_name(client, named).await?.as_slice() {
        [] => Err(Failure::failed(format!("there is no workflow `{named}`"))
            .hint("`loopfour workflows list` shows what there is")),
        [id] => Ok(*id),
        ids => Err(ambiguous(named, ids)),
    }
}

/// The workflows with exactly that name, archived ones aside.
async fn with_name(client: &Client, name: &str) -> Result<Vec<WorkflowId>, Failure> {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let mut query = vec![("search", name.to_owned()), ("limit", "100".to_owned())];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page = client.page("/api/v1/workflows", &query).await?;
        for row in &page.rows {
            let workflow: answer::Workflow = crate::listing::read(row.get())?;
            if workflow.name == name {
                found.push(workflow.id);
            }
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(found),
        }
    }
}

fn ambiguous(name: &str, ids: &[WorkflowId]) -> Failure {
    let shown: Vec<String> = ids.iter().take(5).map(WorkflowId::to_string).collect();
    let more = if ids.len() > shown.len() { ", …" } else { "" };
    Failure::failed(format!("{} workflows are called `{name}`: {}{more}", ids.len(), shown.join(", ")))
        .hint("say which one by its id")
}

fn path(id: WorkflowId) -> String {
    format!("/api/v1/workflows/{id}")
}

/// Prints a workflow as the API answered it, or in one line.
fn tell(workflow: &RawValue, json: bool) -> Result<u8, Failure> {
    let text = if json { workflow.get().to_owned() } else { lines(&crate::listing::read(workflow.get())?) };
    print::out(&text)?;
    Ok(DONE)
}

/// A workflow in one line, and what its trigger leads to below it.
fn lines(workflow: &answer::Workflow) -> String {
    let mut lines = vec![line(workflow)];
    lines.extend(outlook(workflow));
    lines.join("\n")
}

/// What a workflow's trigger leads to: when it fires next, how its events come in.
fn outlook(workflow: &answer::Workflow) -> Vec<String> {
    let firing = workflow.next_firings.first().map(|at| format!("fires next at {}", one_line(at)));
    let endpoints = workflow.webhook.iter().map(|endpoint| {
        let colour = if endpoint.settled { "" } else { style::YELLOW };
        format!("{colour}{}{}", one_line(&endpoint.note), style::RESET)
    });
    firing.into_iter().chain(endpoints).collect()
}

/// A workflow in one line.
fn line(workflow: &answer::Workflow) -> String {
    let (status, name) = (one_line(&workflow.status), one_line(&workflow.name));
    let (colour, reset) = (colour(&status), style::RESET);
    format!("{}  {colour}{status}{reset}  version {}  {name}", workflow.id, workflow.version)
}

fn colour(status: &str) -> &'static str {
    match status {
        "active" => style::GREEN,
        "paused" => style::YELLOW,
        "archived" => style::DIM,
        _ => "",
    }
}
