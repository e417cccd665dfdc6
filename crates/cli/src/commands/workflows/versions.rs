//! `loopfour workflows versions` and `rollback`.

use loopfour_lang::Value;
use serde_json::json;
use serde_json::value::RawValue;

use super::apply::Applied;
use super::{id_of, path};
use crate::answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::listing::{self, Part, read};
use crate::table::Cell;

/// List the versions of a workflow, the newest first: every edit made one, and all are kept.
///
/// The columns are the version, when it was made, and what its maker said about it.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  loopfour workflows versions 'Create and Send Invoice'")]
pub struct Versions {
    /// The workflow's id (wf_...) or name.
    #[arg(value_name = "WORKFLOW")]
    workflow: String,
    #[command(flatten)]
    part: Part,
}

/// Make a new version with the text of an old one, and show what changes.
///
/// Runs under way keep to the version that they were started with.
#[derive(clap::Args)]
#[command(after_help = "\
--json prints what `workflows apply --json` does.

Example:
  loopfour workflows rollback 'Create and Send Invoice' --to 2")]
pub struct Rollback {
    /// The workflow's id (wf_...) or name.
    #[arg(value_name = "WORKFLOW")]
    workflow: String,
    /// The version whose text it gets.
    #[arg(long, value_name = "N")]
    to: u32,
    /// Print what was done as one JSON object.
    #[arg(long)]
    json: bool,
}

impl Versions {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let path = format!("{}/versions", path(id_of(client, &self.workflow).await?));
        let list = listing::List {
            path: &path,
            query: Vec::new(),
            head: &["VERSION", "CREATED, UTC", "CHANGE"],
            row,
        };
        self.part.print(client, list).await
    }
}

fn row(version: &answer::Version) -> Vec<Cell> {
    vec![
        Cell::of(&version.version.to_string()),
        Cell::time(&version.created_at),
        Cell::of(version.change_summary.as_deref().unwrap_or_default()),
    ]
}

impl Rollback {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let path = path(id_of(client, &self.workflow).await?);
        let before: answer::Workflow = client.get(&path).await?;
        let body = json!({ "version": self.to }).to_string();
        let workflow: Box<RawValue> = client.post(&format!("{path}/rollback"), body).await?;
        let after: answer::Workflow = read(workflow.get())?;
        Applied::updated(Some(before.version), &parsed(&before.source), &parsed(&after.source), workflow)
            .tell(self.json)
    }
}

/// The stored text of a workflow; an incomplete draft is JSON as well.
fn parsed(source: &str) -> Value {
    loopfour_lang::json::parse(source.as_bytes()).unwrap_or_default()
}
