//! `loopfour events`: what providers sent, and handing it over once more.

use clap::Subcommand;
use loopfour_engine::EventId;
use loopfour_engine::provider_events::EventStatus;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::{Client, ServerFlags};
use crate::commands::{connections, workflows};
use crate::failure::{DONE, Failure};
use crate::listing::{self, Part, read};
use crate::print::{self, one_line, style};
use crate::table::Cell;

const LIST: &str = "/api/v1/events";

/// Look at the events that providers sent, and hand them over once more.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour events list --status dead
  loopfour events show evt_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968
  loopfour events replay evt_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968
  loopfour events replay --status dead --type invoice.paid")]
pub struct Events {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Replay(Replay),
}

/// Which events.
#[derive(clap::Args)]
struct Filter {
    /// Only events with this status.
    #[arg(long, value_parser = EventStatus::ALL.map(EventStatus::name))]
    status: Option<String>,
    /// Only events of this type, such as invoice.paid.
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// Only events of this provider.
    #[arg(long, value_parser = ["stripe", "custom"])]
    provider: Option<String>,
    /// Only events of this connection: its id (conn_...) or name.
    #[arg(long, value_name = "CONNECTION")]
    of: Option<String>,
}

/// List events, the newest first.
///
/// The columns are id, status, type, the provider's id, and how many runs it started. Webhooks that were refused for their
/// signature are no events: how many there were is said on stderr.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour events list
  loopfour events list --type invoice.paid --limit 100
  loopfour events list --status dead --all --json | jq -r .id")]
struct List {
    #[command(flatten)]
    filter: Filter,
    /// Only events that started a run of this workflow: its id (wf_...) or name.
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<String>,
    #[command(flatten)]
    part: Part,
}

/// Show an event: what became of it, and what came.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour events show evt_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968
  loopfour events show evt_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 --json | jq .body")]
struct Show {
    /// The event's id (evt_...).
    #[arg(value_name = "ID")]
    id: EventId,
    /// Print the event as the API answers it.
    #[arg(long)]
    json: bool,
}

/// Hand events over once more: to the active workflows that listen and have no run for them yet.
///
/// Name the events, or say by the options which are meant; up to 1000 at a time.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour events replay evt_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968
  loopfour events replay --status dead --from 2026-11-01T00:00:00Z
  loopfour events replay evt_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 --workflow 'Book payments' --again
  loopfour events replay --status unrouted --connection books")]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true)
    .args(["ids", "status", "type", "provider", "of", "from", "to"])))]
struct Replay {
    /// The events' ids (evt_...).
    #[arg(value_name = "ID", conflicts_with_all = ["status", "type", "provider", "of", "from", "to"])]
    ids: Vec<EventId>,
    #[command(flatten)]
    filter: Filter,
    /// Only events that came then or later, such as 2026-11-24T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only events that came before then.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// To this workflow alone: its id (wf_...) or name.
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<String>,
    /// Also if the workflow has a run for the event: a second one.
    #[arg(long, requires = "workflow")]
    again: bool,
    /// Whose the unrouted events are: a connection's id (conn_...) or name.
    #[arg(long, value_name = "CONNECTION")]
    connection: Option<String>,
}

/// An event as the API answers it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its id.
    pub id: String,
    /// What the provider calls it.
    pub provider_event_id: Option<String>,
    /// Its type.
    pub r#type: String,
    /// How it stands.
    pub status: String,
    /// Why it stands so.
    pub reason: Option<String>,
    /// How often handing it over was tried.
    attempts: u64,
    /// What it started.
    pub runs: Vec<String>,
    /// When it came.
    pub created_at: String,
    body: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    events: u64,
    workflows_triggered: u64,
}

impl Events {
    /// Does what was asked for.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let client = self.server.client()?;
        match self.command {
            Command::List(list) => list.carry_out(&client).await,
            Command::Show(show) => show.carry_out(&client).await,
            Command::Replay(replay) => replay.carry_out(&client).await,
        }
    }
}

impl Filter {
    /// As the API takes it.
    async fn fields(self, client: &Client) -> Result<Vec<(&'static str, String)>, Failure> {
        let connection = match self.of {
            Some(named) => Some(connections::id_of(client, &named).await?),
            None => None,
        };
        let fields = [
            ("status", self.status),
            ("type", self.r#type),
            ("provider", self.provider),
            ("connectionId", connection),
        ];
        Ok(fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

impl List {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let mut query = self.filter.fields(client).await?;
        if let Some(workflow) = self.workflow {
            query.push(("workflowId", workflows::id_of(client, &workflow).await?.to_string()));
        }
        let head = &["ID", "STATUS", "TYPE", "PROVIDER'S ID", "RUNS"];
        self.part.print(client, listing::List { path: LIST, query, head, row }).await
    }
}

fn row(event: &Event) -> Vec<Cell> {
    vec![
        Cell::of(&event.id),
        Cell::of(&event.status).styled(colour(&event.status)),
        Cell::of(&event.r#type),
        Cell::of(event.provider_event_id.as_deref().unwrap_or("-")),
        Cell::of(&event.runs.len().to_string()),
    ]
}

/// The colour of a status.
pub fn colour(status: &str) -> &'static str {
    match status {
        "dispatched" => style::GREEN,
        "dead" => style::RED,
        "unrouted" => style::YELLOW,
        _ => "",
    }
}

impl Show {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let event: Box<RawValue> = client.get(&format!("{LIST}/{}", self.id)).await?;
        print::out(&if self.json { event.get().to_owned() } else { describe(&read(event.get())?)? })?;
        Ok(DONE)
    }
}

fn describe(event: &Event) -> Result<String, Failure> {
    let (status, colour) = (one_line(&event.status), colour(&event.status));
    let mut lines = vec![
        format!("{}  {colour}{status}{}  {}", one_line(&event.id), style::RESET, one_line(&event.r#type)),
        format!("came at {}", one_line(&event.created_at)),
    ];
    lines.extend(event.provider_event_id.as_deref().map(|id| format!("provider's id {}", one_line(id))));
    lines.extend(event.reason.as_deref().map(|reason| format!("reason {}", one_line(reason))));
    if event.attempts > 1 {
        lines.push(format!("tried {} times", event.attempts));
    }
    lines.extend(event.runs.iter().map(|run| format!("run {}", one_line(run))));
    match &event.body {
        Some(body) => {
            let body: Value = read(body.get())?;
            lines.push(serde_json::to_string_pretty(&body).unwrap_or_default());
        }
        None => lines.push("what came is not kept any more".to_owned()),
    }
    Ok(lines.join("\n"))
}

impl Replay {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let mut body = json!({});
        if self.ids.is_empty() {
            let mut filter = self.filter.fields(client).await?;
            filter.extend(self.from.map(|from| ("from", from)));
            filter.extend(self.to.map(|to| ("to", to)));
            body["filter"] =
                filter.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        } else {
            body["eventIds"] = self.ids.iter().map(EventId::to_string).collect();
        }
        if let Some(workflow) = &self.workflow {
            body["workflowId"] = json!(workflows::id_of(client, workflow).await?.to_string());
        }
        if self.again {
            body["again"] = json!(true);
        }
        if let Some(connection) = &self.connection {
            body["connectionId"] = json!(connections::id_of(client, connection).await?);
        }
        let Replayed { events, workflows_triggered } =
            client.post(&format!("{LIST}/replay"), body.to_string()).await?;
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        let (several, runs) = (plural(events), plural(workflows_triggered));
        print::out(&format!(
            "{events} event{several} handed over once more: {workflows_triggered} run{runs} to begin"
        ))?;
        Ok(DONE)
    }
}
