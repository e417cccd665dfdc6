//! `loopfour companies`: the companies of a server.

use serde_json::json;
use serde_json::value::RawValue;

use crate::answer;
use crate::client::{Client, ServerFlags};
use crate::failure::{DONE, Failure};
use crate::listing::{self, Part};
use crate::print;
use crate::table::Cell;

/// Manage the companies of a server.
///
/// Companies share a server and nothing else: each has workflows, runs, connections, people and keys of its own. The key in
/// LOOPFOUR_API_KEY must be one of the company `default`, with the scope `admin`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour companies create 'Example GmbH'
  loopfour companies list")]
pub struct Companies {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(clap::Subcommand)]
enum Command {
    Create(Create),
    List(List),
}

/// Make a company, and print its id, its name and its first key as JSON: the key is shown only this time.
///
/// The key has all scopes, in that company alone.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour companies create 'Example GmbH'
  loopfour companies create 'Example GmbH' | jq -r .key > example.key")]
struct Create {
    /// What it is called, for people.
    #[arg(value_name = "NAME")]
    name: String,
}

/// List the companies, the newest first.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour companies list
  loopfour companies list --json | jq -r .id")]
struct List {
    #[command(flatten)]
    part: Part,
}

impl Companies {
    /// Does what was asked for.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let client = self.server.client()?;
        match self.command {
            Command::Create(create) => create.carry_out(&client).await,
            Command::List(list) => list.carry_out(&client).await,
        }
    }
}

impl Create {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let body = json!({ "name": self.name }).to_string();
        let made: Box<RawValue> = client.post("/api/v1/companies", body).await?;
        print::out(made.get())?;
        print::talk("keep the key now: it is not shown again");
        Ok(DONE)
    }
}

impl List {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let (path, query) = ("/api/v1/companies", Vec::new());
        self.part.print(client, listing::List { path, query, head: &["ID", "NAME"], row }).await
    }
}

fn row(company: &answer::Company) -> Vec<Cell> {
    vec![Cell::of(&company.id), Cell::of(&company.name)]
}
