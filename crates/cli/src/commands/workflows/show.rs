//! `loopfour workflows show`.

use serde_json::value::RawValue;

use super::{id_of, lines, path};
use crate::answer;
use crate::client::Client;
use crate::failure::{DONE, Failure};
use crate::listing::read;
use crate::print;

/// Show a workflow: how it stands, and its text as it is stored.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour workflows show 'Create and Send Invoice'
  loopfour workflows show wf_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 --version 2
  loopfour workflows show 'Create and Send Invoice' --source > invoice.json")]
pub struct Show {
    /// The workflow's id (wf_...) or name.
    #[arg(value_name = "WORKFLOW")]
    workflow: String,
    /// An older version instead of the current one.
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// Print the text alone, as it is stored.
    #[arg(long, conflicts_with = "json")]
    source: bool,
    /// Print the workflow, or the version, as the API answers it.
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let id = id_of(client, &self.workflow).await?;
        let text: Box<RawValue> = match self.version {
            Some(version) => client.get(&format!("{}/versions/{version}", path(id))).await?,
            None => client.get(&path(id)).await?,
        };
        if self.json {
            print::out(text.get())?;
            return Ok(DONE);
        }
        let text = text.get();
        let (title, source) = match self.version {
            Some(_) => {
                let version: answer::Version = read(text)?;
                (head(&version), version.source.trim_end().to_owned())
            }
            None => {
                let workflow: answer::Workflow = read(text)?;
                (lines(&workflow), workflow.source.trim_end().to_owned())
            }
        };
        match (self.source, print::room()) {
            // For a file or a program, letter by letter.
            (true, None) => print::out(&source)?,
            (true, Some(_)) => print::out(&print::lines(&source))?,
            (false, _) => print::out(&format!("{title}\n{}", print::lines(&source)))?,
        };
        Ok(DONE)
    }
}

fn head(version: &answer::Version) -> String {
    let summary = version.change_summary.as_deref().map(|summary| format!("  {}", print::one_line(summary)));
    let (number, at) = (version.version, print::one_line(&version.created_at));
    format!("version {number}  {at}{}", summary.unwrap_or_default())
}
