//! `loopfour workflows apply`: makes a server's workflow be what a file says.

use std::fmt::Write as _;

use loopfour_engine::WorkflowId;
use loopfour_lang::Value;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{ambiguous, line, outlook, path, with_name};
use crate::answer;
use crate::changes::{self, Change};
use crate::client::Client;
use crate::commands::check;
use crate::failure::{DONE, Failure};
use crate::listing::read;
use crate::print::{self, one_line};

/// Make a workflow be what a file says: create it or update it, and show what changes.
///
/// The workflow is the one with the file's name; there must not be two of them, archived ones aside. With --id it is that
/// one, which may get another name. A file that says what is stored already changes nothing. The update is refused if
/// somebody else edits the workflow meanwhile.
///
/// The file is checked first, as `loopfour check` does.
#[derive(clap::Args)]
#[command(after_help = "\
--json prints {result, dryRun, changes, workflow}: result is created, updated or
unchanged; each change is {change, path, before?, after?} with change added,
removed, changed or reordered; workflow is as the API answers it, null where a
dry run would create it.

Exit codes: 0 done, 1 refused by the server, 2 not begun: errors in the file, no
server, or --activate for a workflow that is paused.

Examples:
  loopfour workflows apply invoice.json --activate
  loopfour workflows apply invoice.json --dry-run
  loopfour workflows apply invoice.json --summary 'remind after 14 days'
  loopfour workflows apply - --id wf_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 < new.json")]
pub struct Apply {
    /// The workflow file; `-` reads stdin.
    #[arg(value_name = "FILE")]
    file: String,
    /// The workflow to update, whatever it is called by now.
    #[arg(long, value_name = "ID")]
    id: Option<WorkflowId>,
    /// Let it take runs, if it is a draft.
    #[arg(long)]
    activate: bool,
    /// Why it is changed; its versions show it.
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,
    /// Show what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print what was done as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was done to a workflow.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    result: Outcome,
    dry_run: bool,
    changes: Vec<Change>,
    /// As the API answered it last.
    workflow: Option<Box<RawValue>>,
    #[serde(skip)]
    before: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Created,
    Updated,
    Unchanged,
}

impl Apply {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let source = check::read(&self.file)?;
        let name = check::told(&self.file, &source)?.name;
        let file = loopfour_lang::json::parse(source.as_bytes())
            .map_err(|wrong| Failure::refused(format!("{}: {wrong}", self.file)))?;
        let target = self.target(client, &name).await.map_err(Failure::not_begun)?;
        let mut applied = match target {
            None => self.create(client, source).await?,
            Some(stored) => self.update(client, &source, &file, stored).await?,
        };
        if self.activate && !self.dry_run {
            applied.activate(client).await?;
        }
        if self.dry_run && applied.workflow.is_none() {
            let name = one_line(&name).into_owned();
            return applied.print(self.json, || Ok(format!("would create {name}")));
        }
        applied.tell(self.json)
    }

    /// The workflow to update, if there is one.
    async fn target(&self, client: &Client, name: &str) -> Result<Option<Box<RawValue>>, Failure> {
        let id = match self.id {
            Some(id) => id,
            None => match with_name(client, name).await?.as_slice() {
                [] => return Ok(None),
                [id] => *id,
                ids => return Err(ambiguous(name, ids).hint("say which one with --id")),
            },
        };
        let text: Box<RawValue> = client.get(&path(id)).await?;
        let stored: answer::Workflow = read(text.get())?;
        if self.activate && stored.status == "paused" {
            return Err(Failure::refused(format!("workflow `{id}` is paused, so it cannot be activated"))
                .hint(format!("`loopfour workflows resume {id}` lets it take runs again")));
        }
        Ok(Some(text))
    }

    async fn create(&self, client: &Client, source: String) -> Result<Applied, Failure> {
        let workflow = match self.dry_run {
            true => None,
            false => Some(client.post("/api/v1/workflows", source).await?),
        };
        let (result, dry_run) = (Outcome::Created, self.dry_run);
        Ok(Applied { result, dry_run, changes: Vec::new(), workflow, before: None })
    }

    async fn update(
        &self,
        client: &Client,
        source: &str,
        file: &Value,
        stored: Box<RawValue>,
    ) -> Result<Applied, Failure> {
        let workflow: answer::Workflow = read(stored.get())?;
        let before = loopfour_lang::json::parse(workflow.source.as_bytes()).unwrap_or_default();
        let mut applied = Applied::updated(Some(workflow.version), &before, file, stored);
        applied.dry_run = self.dry_run;
        if applied.result == Outcome::Updated && !self.dry_run {
            let body = update(source, &gone(&before, file), self.summary.as_deref());
            applied.workflow = Some(client.put(&path(workflow.id), workflow.version, body).await?);
        }
        Ok(applied)
    }
}

impl Applied {
    /// A workflow whose text was `before` and is `after`.
    pub fn updated(version: Option<u32>, before: &Value, after: &Value, workflow: Box<RawValue>) -> Applied {
        let changes = changes::between(before, after);
        let result = if changes.is_empty() { Outcome::Unchanged } else { Outcome::Updated };
        Applied { result, dry_run: false, changes, workflow: Some(workflow), before: version }
    }

    async fn activate(&mut self, client: &Client) -> Result<(), Failure> {
        let Some(text) = &self.workflow else { return Ok(()) };
        let workflow: answer::Workflow = read(text.get())?;
        if workflow.status == "draft" {
            let path = format!("{}/activate", path(workflow.id));
            self.workflow = Some(client.post(&path, String::new()).await?);
        }
        Ok(())
    }

    /// Prints it, for programs or for people.
    ///
    /// # Errors
    /// Stdout takes nothing, or the server answered no workflow.
    pub fn tell(self, json: bool) -> Result<u8, Failure> {
        self.print(json, || self.describe())
    }

    fn print(&self, json: bool, describe: impl FnOnce() -> Result<String, Failure>) -> Result<u8, Failure> {
        let text = match json {
            true => serde_json::to_string(self).expect("texts, numbers and JSON are always JSON"),
            false => describe()?,
        };
        print::out(&text)?;
        Ok(DONE)
    }

    fn describe(&self) -> Result<String, Failure> {
        let workflow: answer::Workflow = read(self.workflow.as_ref().map_or("null", |text| text.get()))?;
        let done = match (self.result, self.dry_run) {
            (Outcome::Created, _) => "created",
            (Outcome::Updated, false) => "updated",
            (Outcome::Updated, true) => "would update",
            (Outcome::Unchanged, _) => "unchanged",
        };
        let mut text = format!("{done} {}", line(&workflow));
        if let Some(before) = self.before.filter(|before| *before != workflow.version) {
            write!(text, " (was version {before})").expect("text takes any text");
        }
        for change in &self.changes {
            write!(text, "\n{}", change.line()).expect("text takes any text");
        }
        for line in outlook(&workflow) {
            write!(text, "\n{line}").expect("text takes any text");
        }
        Ok(text)
    }
}

/// The members that are no longer there: an update must say so, since it keeps what it does not name.
fn gone(before: &Value, after: &Value) -> Vec<String> {
    let Value::Object(before) = before else { return Vec::new() };
    before.keys().filter(|key| after.get(key).is_none()).cloned().collect()
}

/// The body of an update: the file as it is, with what it does not say itself put at its end.
fn update(source: &str, gone: &[String], summary: Option<&str>) -> String {
    let text = |text: &str| serde_json::to_string(text).expect("text is always JSON");
    let mut members: Vec<String> = gone.iter().map(|key| format!("{}: null", text(key))).collect();
    members.extend(summary.map(|summary| format!("\"changeSummary\": {}", text(summary))));
    match source.trim_end().strip_suffix('}') {
        Some(open) if !members.is_empty() => format!("{open}, {}}}", members.join(", ")),
        Some(_) | None => source.to_owned(),
    }
}
