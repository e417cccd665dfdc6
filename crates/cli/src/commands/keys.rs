//! `loopfour keys`: API keys of a server.

use serde_json::{Value, json};

use crate::client::ServerFlags;
use crate::failure::{DONE, Failure};
use crate::print;

/// Manage the API keys of a server.
#[derive(clap::Args)]
pub struct Keys {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(clap::Subcommand)]
enum Command {
    Create(Create),
}

/// Make a key and print it: this is the only time that it is shown.
///
/// The key from LOOPFOUR_API_KEY needs the scope `admin`, and every scope that the new one gets.
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
    /// Print all of the answer as JSON, not the key alone.
    #[arg(long)]
    json: bool,
}

impl Keys {
    /// Does what was asked for.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let client = self.server.client()?;
        let Command::Create(create) = self.command;
        let mut body = json!({ "name": create.name, "scopes": create.scopes });
        if let Some(time) = create.expires_at {
            body["expiresAt"] = Value::String(time);
        }
        let key: Value = client.post("/api/v1/keys", body.to_string()).await?;
        if create.json {
            print::out(&format!("{key:#}"))?;
        } else {
            print::out(key["key"].as_str().unwrap_or_default())?;
            print::talk("keep it now: it is not shown again");
        }
        Ok(DONE)
    }
}
