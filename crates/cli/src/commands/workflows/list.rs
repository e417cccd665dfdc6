//! `loopfour workflows list`.

use super::colour;
use crate::answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::listing::{self, Part};
use crate::table::Cell;

const STATUSES: [&str; 4] = ["draft", "active", "paused", "archived"];

/// List workflows, the newest first; archived ones only if they are asked for.
///
/// The columns are id, status, version, time of the last edit and name.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour workflows list --status active
  loopfour workflows list --search invoice
  loopfour workflows list --all --json | jq -r .id")]
pub struct List {
    /// Only workflows with this status.
    #[arg(long, value_parser = STATUSES)]
    status: Option<String>,
    /// Only workflows that have this text in their name, in upper or lower case.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[command(flatten)]
    part: Part,
}

impl List {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let query = [("status", self.status), ("search", self.search)];
        let list = listing::List {
            path: "/api/v1/workflows",
            query: query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            head: &["ID", "STATUS", "VERSION", "UPDATED, UTC", "NAME"],
            row,
        };
        self.part.print(client, list).await
    }
}

fn row(workflow: &answer::Workflow) -> Vec<Cell> {
    vec![
        Cell::of(&workflow.id.to_string()),
        Cell::of(&workflow.status).styled(colour(&workflow.status)),
        Cell::of(&workflow.version.to_string()),
        Cell::time(&workflow.updated_at),
        Cell::of(&workflow.name),
    ]
}
