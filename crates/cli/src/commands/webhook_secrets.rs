//! `loopfour webhook-secrets`: what the senders of a company's events sign with.

use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Client, ServerFlags};
use crate::failure::{DONE, Failure};
use crate::print::{self, one_line};
use crate::secret;
use crate::table::{Cell, Table};

const LIST: &str = "/api/v1/webhook-secrets";

/// Set what the senders of webhooks sign with. Secrets go in and are never shown again.
///
/// The secrets of one connection are set with the connection: `loopfour connections set NAME --webhook-secrets`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour webhook-secrets set stripe < secret.txt
  loopfour webhook-secrets set custom orders < secret.txt
  loopfour webhook-secrets list")]
pub struct WebhookSecrets {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(clap::Subcommand)]
enum Command {
    List(List),
    Set(Set),
    Clear(Clear),
}

/// Tell how many secrets there are for which sender.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  loopfour webhook-secrets list")]
struct List {
    /// Print the counts as the API answers them.
    #[arg(long)]
    json: bool,
}

/// Set the secrets of a sender; they take the place of those before.
///
/// They are read from stdin, one a line. While one is exchanged for another, set both.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour webhook-secrets set stripe < secret.txt
  loopfour webhook-secrets set custom orders < secret.txt")]
struct Set {
    #[command(flatten)]
    sender: Sender,
}

/// Take the secrets of a sender away: nothing that it sends is taken any more.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  loopfour webhook-secrets clear custom orders")]
struct Clear {
    #[command(flatten)]
    sender: Sender,
}

/// Whose secrets.
#[derive(clap::Args)]
struct Sender {
    /// `stripe`, or `custom` and a path.
    #[arg(value_parser = ["stripe", "custom"])]
    provider: String,
    /// The last part of a custom webhook's address.
    #[arg(value_name = "PATH", required_if_eq("provider", "custom"))]
    path: Option<String>,
}

/// How many secrets there are.
#[derive(Deserialize)]
struct Count {
    provider: String,
    path: Option<String>,
    secrets: u64,
}

impl WebhookSecrets {
    /// Does what was asked for.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let client = self.server.client()?;
        match self.command {
            Command::List(list) => list.carry_out(&client).await,
            Command::Set(set) => set.carry_out(&client).await,
            Command::Clear(clear) => clear.sender.put(&client, json!([])).await,
        }
    }
}

impl List {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        if self.json {
            print::out(&client.get::<Value>(LIST).await?.to_string())?;
            return Ok(DONE);
        }
        let counts: Vec<Count> = client.get(LIST).await?;
        let mut table = Table::new(&["PROVIDER", "PATH", "SECRETS"], print::room());
        let rows = counts.iter().map(|count| {
            vec![
                Cell::of(&count.provider),
                Cell::of(count.path.as_deref().unwrap_or("-")),
                Cell::of(&count.secrets.to_string()),
            ]
        });
        for line in table.draw(&rows.collect::<Vec<_>>()) {
            print::out(&line)?;
        }
        Ok(DONE)
    }
}

impl Set {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let text = secret::given(None, "webhook secret").await?;
        let lines = text.expose_secret().lines().map(str::trim).filter(|line| !line.is_empty());
        self.sender.put(client, lines.collect()).await
    }
}

impl Sender {
    async fn put(self, client: &Client, secrets: Value) -> Result<u8, Failure> {
        let path = match (&*self.provider, &self.path) {
            ("custom", Some(path)) if path.contains(['/', '?', '#', '%']) => {
                let message = format!("`{path}` cannot be the last part of an address");
                return Err(Failure::refused(message).hint("use letters, digits, `-`, `_`, `.` and `~`"));
            }
            ("custom", Some(path)) => format!("{LIST}/custom/{path}"),
            (_, None) => format!("{LIST}/{}", self.provider),
            (_, Some(_)) => return Err(Failure::refused("only `custom` has a path")),
        };
        let count: Count = client.replace(&path, json!({ "secrets": secrets }).to_string()).await?;
        let sender = count.path.map_or(count.provider, |path| format!("the path `{path}`"));
        let several = if count.secrets == 1 { "" } else { "s" };
        print::out(&format!("{} secret{several} for {}", count.secrets, one_line(&sender)))?;
        Ok(DONE)
    }
}
