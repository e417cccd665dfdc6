//! `loopfour connections list`.

use loopfour_engine::connections::ConnectionStatus;

use super::{LIST, colour};
use crate::answer;
use crate::client::Client;
use crate::failure::Failure;
use crate::listing::{self, Part};
use crate::table::Cell;

/// List connections, the newest first.
///
/// The columns are id, status, provider, account and name.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour connections list
  loopfour connections list --status error
  loopfour connections list --all --json | jq -r .externalAccountId")]
pub struct List {
    /// Only connections with this status.
    #[arg(long, value_parser = ConnectionStatus::ALL.map(ConnectionStatus::name))]
    status: Option<String>,
    /// Only connections of this provider.
    #[arg(long, value_name = "PROVIDER")]
    provider: Option<String>,
    #[command(flatten)]
    part: Part,
}

impl List {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let query = [("status", self.status), ("provider", self.provider)];
        let list = listing::List {
            path: LIST,
            query: query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            head: &["ID", "STATUS", "PROVIDER", "ACCOUNT", "NAME"],
            row,
        };
        self.part.print(client, list).await
    }
}

fn row(connection: &answer::Connection) -> Vec<Cell> {
    vec![
        Cell::of(&connection.id),
        Cell::of(&connection.status).styled(colour(&connection.status)),
        Cell::of(&connection.provider),
        Cell::of(connection.external_account_id.as_deref().unwrap_or("-")),
        Cell::of(&connection.name),
    ]
}
