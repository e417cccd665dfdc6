//! `loopfour connections delete`.

use serde_json::Value;
use serde_json::value::RawValue;

use super::Target;
use crate::client::Client;
use crate::failure::{DONE, Failure};
use crate::listing::read;
use crate::print::{self, one_line};

/// End a connection: its credentials are erased, and nothing is sent with them any more.
///
/// Its row stays, since runs name it. Workflows that name it in a step are told: they wait until it is connected again.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  loopfour connections delete books")]
pub struct Delete {
    #[command(flatten)]
    target: Target,
}

impl Delete {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let path = self.target.path(client).await?;
        let ended: Box<RawValue> = client.delete(&path).await?;
        if self.target.json {
            print::out(ended.get())?;
            return Ok(DONE);
        }
        let ended: Value = read(ended.get())?;
        let text = |key: &str| one_line(ended[key].as_str().unwrap_or_default()).into_owned();
        print::out(&format!("disconnected {}  {}", text("id"), text("name")))?;
        for workflow in ended["usedBy"].as_array().into_iter().flatten() {
            let name = workflow["name"].as_str().or(workflow["id"].as_str()).unwrap_or_default();
            print::talk(&format!("workflow `{}` uses it", one_line(name)));
        }
        Ok(DONE)
    }
}
