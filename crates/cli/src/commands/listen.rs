//! `loopfour listen`: events without an address that the provider could reach.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use serde_json::json;
use serde_json::value::RawValue;

use crate::answer;
use crate::client::ServerFlags;
use crate::commands::connections;
use crate::commands::events::{Event, colour};
use crate::failure::{DONE, Failure};
use crate::listing::read;
use crate::print::{self, Reader, one_line, style};
use crate::signals::Signals;

/// How often the server is asked what came.
const PACE: Duration = Duration::from_secs(1);

/// Have Stripe asked for a connection's events, and print what comes.
///
/// For a server that Stripe cannot reach, such as one on your own machine: the server asks for the events every few
/// seconds, and workflows run as if a webhook had brought them. That stays so when this command ends;
/// `loopfour connections set NAME --events webhook` ends it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour listen
  loopfour listen --connection books
  loopfour listen --json | jq -r .type")]
pub struct Listen {
    /// The connection's id (conn_...) or name; the only active one if left out.
    #[arg(long, value_name = "CONNECTION")]
    connection: Option<String>,
    /// Print each event as one JSON object a line, as the API's list has it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerFlags,
}

impl Listen {
    /// Prints until it is interrupted.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let client = self.server.client()?;
        let signals = Signals::new()?;
        let id = match &self.connection {
            Some(named) => connections::id_of(&client, named).await?,
            None => connections::only_active(&client).await?,
        };
        let path = format!("/api/v1/connections/{id}");
        let body = json!({"settings": {"events": "poll"}}).to_string();
        let connection: answer::Connection = client.patch(&path, body).await?;
        print::talk(&format!(
            "events of `{}` are asked for from now on; `loopfour connections set {id} --events webhook` ends that",
            one_line(&connection.name)
        ));
        let query = [("connectionId", id), ("limit", "100".to_owned())];
        let page = client.page("/api/v1/events", &query).await?;
        let mut seen = HashSet::new();
        for row in &page.rows {
            seen.insert(read::<Event>(row.get())?.id);
        }
        let mut stop = pin!(signals.stop());
        loop {
            tokio::select! {
                () = tokio::time::sleep(PACE) => {}
                () = &mut stop => return Ok(DONE),
            }
            let page = client.page("/api/v1/events", &query).await?;
            for row in page.rows.iter().rev() {
                let event: Event = read(row.get())?;
                if seen.insert(event.id.clone()) && self.tell(row, &event)? == Reader::Gone {
                    return Ok(DONE);
                }
            }
        }
    }

    fn tell(&self, row: &RawValue, event: &Event) -> Result<Reader, Failure> {
        if self.json {
            return print::out(row.get());
        }
        let provider = event.provider_event_id.as_deref().unwrap_or("-");
        print::out(&format!(
            "{}  {}{}{}  {}  {}",
            one_line(&event.created_at),
            colour(&event.status),
            one_line(&event.r#type),
            style::RESET,
            one_line(provider),
            one_line(&event.id)
        ))
    }
}
