//! `loopfour connections test`.

use serde_json::value::RawValue;

use super::{Target, tell};
use crate::client::Client;
use crate::failure::Failure;

/// Ask the provider whether a connection is good, and note what it says.
///
/// One that was in error is active again if it is, and the runs that waited for it go on.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 it is good, 1 it is not, or nobody answered.

Example:
  loopfour connections test books")]
pub struct Test {
    #[command(flatten)]
    target: Target,
}

impl Test {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let path = self.target.path(client).await?;
        let connection: Box<RawValue> = client.post(&format!("{path}/test"), String::new()).await?;
        tell(&connection, self.target.json)
    }
}
