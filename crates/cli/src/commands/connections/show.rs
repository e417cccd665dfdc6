//! `loopfour connections show`.

use serde_json::value::RawValue;

use super::{Target, tell};
use crate::client::Client;
use crate::failure::{DONE, Failure};

/// Show a connection: how it stands, whose account it is, what was set, and why it is not active.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour connections show books
  loopfour connections show books --json | jq -r .lastError")]
pub struct Show {
    #[command(flatten)]
    target: Target,
}

impl Show {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let path = self.target.path(client).await?;
        let connection: Box<RawValue> = client.get(&path).await?;
        tell(&connection, self.target.json).map(|_| DONE)
    }
}
