//! `loopfour workflows activate`, `pause`, `resume` and `archive`.

use super::{id_of, path, tell};
use crate::client::Client;
use crate::failure::Failure;

/// Let a draft take runs.
///
/// It is checked once more: a text with errors is refused.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  loopfour workflows activate 'Create and Send Invoice'")]
pub struct Activate {
    #[command(flatten)]
    which: Which,
}

/// Take no new runs for now; those under way go on.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  loopfour workflows pause 'Create and Send Invoice'")]
pub struct Pause {
    #[command(flatten)]
    which: Which,
}

/// Take runs again after a pause.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  loopfour workflows resume 'Create and Send Invoice'")]
pub struct Resume {
    #[command(flatten)]
    which: Which,
}

/// Take no runs any more and leave the lists; it can still be read. There is no way back.
///
/// Runs under way go on.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  loopfour workflows archive wf_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968")]
pub struct Archive {
    #[command(flatten)]
    which: Which,
}

#[derive(clap::Args)]
struct Which {
    /// The workflow's id (wf_...) or name.
    #[arg(value_name = "WORKFLOW")]
    workflow: String,
    /// Print the workflow as the API answers it.
    #[arg(long)]
    json: bool,
}

impl Activate {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        self.which.post(client, "activate").await
    }
}

impl Pause {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        self.which.post(client, "pause").await
    }
}

impl Resume {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        self.which.post(client, "resume").await
    }
}

impl Archive {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let id = id_of(client, &self.which.workflow).await?;
        tell(&client.delete::<Box<_>>(&path(id)).await?, self.which.json)
    }
}

impl Which {
    async fn post(self, client: &Client, change: &str) -> Result<u8, Failure> {
        let id = id_of(client, &self.workflow).await?;
        let path = format!("{}/{change}", path(id));
        tell(&client.post::<Box<_>>(&path, String::new()).await?, self.json)
    }
}
