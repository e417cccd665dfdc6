//! `loopfour keys`: API keys of a server.

use loopfour_engine::KeyId;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::answer;
use crate::client::{Client, ServerFlags};
use crate::failure::{DONE, Failure};
use crate::listing::{self, Part, read};
use crate::print::{self, one_line};
use crate::table::Cell;

/// Manage the API keys of a server. The key in LOOPFOUR_API_KEY needs the scope `admin`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour keys list
  loopfour keys create shop --scopes workflows:execute,runs:read")]
pub struct Keys {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(clap::Subcommand)]
enum Command {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make a key and print it: this is the only time that it is shown.
///
/// The key from LOOPFOUR_API_KEY needs the scope `admin`, and every scope that the new one gets. The new key is a machine's;
/// people make keys of their own while they are signed in.
#[derive(clap::Args)]
#[command(after_help = "\
Scopes: workflows:read, workflows:write, workflows:execute, runs:read,
connections:read, connections:write, admin.

Examples:
  loopfour keys create deploy --scopes workflows:read,workflows:write
  loopfour keys create ci --scopes runs:read --expires-at 2027-01-01T00:00:00Z
  KEY=$(loopfour keys create shop --scopes workflows:execute)")]
struct Create {
    /// What it is called, for people.
    name: String,
    /// What it may do, a comma list; no scope implies another.
    #[arg(long, required = true, value_delimiter = ',', value_name = "SCOPES")]
    scopes: Vec<String>,
    /// When it ends, an ISO time; without it the key is valid until it is revoked.
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Print all of the answer as one JSON object, not the key alone.
    #[arg(long)]
    json: bool,
}

/// List the keys of the company, the newest first, without the keys themselves and without revoked ones.
///
/// The columns are id, how the key begins, its name, when it was last used, when it ends, the member whose it
/// is, if it is not a machine's, and its scopes.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour keys list
  loopfour keys list --all --json | jq -r 'select(.lastUsedAt == null) | .id'")]
struct List {
    #[command(flatten)]
    part: Part,
}

/// End a key at once, in streams under way too. There is no way back.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  loopfour keys revoke key_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968")]
struct Revoke {
    /// The key's id (key_...), as `keys list` shows it.
    #[arg(value_name = "ID")]
    id: KeyId,
    /// Print what the key was as the API answers it.
    #[arg(long)]
    json: bool,
}

impl Keys {
    /// Does what was asked for.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let client = self.server.client()?;
        match self.command {
            Command::Create(create) => create.carry_out(&client).await,
            Command::List(list) => list.carry_out(&client).await,
            Command::Revoke(revoke) => revoke.carry_out(&client).await,
        }
    }
}

impl Create {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let mut body = json!({ "name": self.name, "scopes": self.scopes });
        if let Some(time) = self.expires_at {
            body["expiresAt"] = Value::String(time);
        }
        let made: Box<RawValue> = client.post("/api/v1/keys", body.to_string()).await?;
        if self.json {
            print::out(made.get())?;
        } else {
            let made: Value = read(made.get())?;
            print::out(made["key"].as_str().unwrap_or_default())?;
            print::talk("keep it now: it is not shown again");
        }
        Ok(DONE)
    }
}

impl List {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let head = &["ID", "BEGINS", "NAME", "LAST USED, UTC", "ENDS, UTC", "OF", "SCOPES"];
        self.part.print(client, listing::List { path: "/api/v1/keys", query: Vec::new(), head, row }).await
    }
}

fn row(key: &answer::Key) -> Vec<Cell> {
    let time = |time: &Option<String>| Cell::time(time.as_deref().unwrap_or("-"));
    vec![
        Cell::of(&key.id),
        Cell::of(&key.prefix),
        Cell::of(&key.name),
        time(&key.last_used_at),
        time(&key.expires_at),
        Cell::of(key.member.as_deref().unwrap_or("machine")),
        Cell::of(&key.scopes.join(",")),
    ]
}

impl Revoke {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let revoked: Box<RawValue> = client.delete(&format!("/api/v1/keys/{}", self.id)).await?;
        if self.json {
            print::out(revoked.get())?;
        } else {
            let key: answer::Key = read(revoked.get())?;
            print::out(&format!("revoked {}  {}", self.id, one_line(&key.name)))?;
        }
        Ok(DONE)
    }
}
