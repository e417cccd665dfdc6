//! `loopfour keys`: API keys of a server.

use std::path::{Path, PathBuf};

use loopfour_engine::ports::Clock as _;
use loopfour_engine::{Actor, CompanyId, KeyId, Timestamp};
use loopfour_host::SystemClock;
use loopfour_store::{NewKey, Order, ReadOnly, Scope, Span, Store};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::{Client, ServerFlags};
use crate::config::{Config, Flags};
use crate::failure::{DONE, Failure};
use crate::listing::{self, Part, read};
use crate::print::{self, one_line};
use crate::table::Cell;
use crate::{answer, instance};

/// The company of a key that is made on the disk, unless another is named.
const DEFAULT_COMPANY: &str = "default";

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
///
/// Where every key with the scope `admin` is lost, stop the server and name its data directory: whoever may write there needs
/// no key. The audit log says that it was the command line.
#[derive(clap::Args)]
#[command(after_help = "\
Scopes: workflows:read, workflows:write, workflows:execute, runs:read,
connections:read, connections:write, admin.

Examples:
  loopfour keys create deploy --scopes workflows:read,workflows:write
  loopfour keys create ci --scopes runs:read --expires-at 2027-01-01T00:00:00Z
  KEY=$(loopfour keys create shop --scopes workflows:execute)
  loopfour keys create again --data /var/lib/loopfour")]
struct Create {
    /// What it is called, for people.
    name: String,
    /// What it may do, a comma list; no scope implies another. With --data it may do everything unless this is given.
    #[arg(long, required_unless_present = "data", value_delimiter = ',', value_name = "SCOPES")]
    scopes: Vec<String>,
    /// When it ends, an ISO time; without it the key is valid until it is revoked.
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Make it on the disk, in this data directory, whose server must be stopped.
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    data: Option<PathBuf>,
    /// With --data: the name of the company that it is for [default: default].
    #[arg(long, value_name = "NAME", requires = "data")]
    company: Option<String>,
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
        match self.command {
            Command::Create(create) => match &create.data {
                Some(data) => create.on_disk(data).await,
                None => create.carry_out(&self.server.client()?).await,
            },
            Command::List(list) => list.carry_out(&self.server.client()?).await,
            Command::Revoke(revoke) => revoke.carry_out(&self.server.client()?).await,
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
        tell(made.get(), self.json)
    }

    async fn on_disk(&self, data: &Path) -> Result<u8, Failure> {
        let now = SystemClock.now();
        let key = self.new_key(now)?;
        let config = Config::load(Flags { data: Some(data.to_owned()), ..Flags::default() })?;
        // A directory without a database would get one: nobody lost a key of it.
        ReadOnly::open(&config.data).map_err(|cause| Failure::refused(cause.to_string()))?;
        let store = instance::open(&config)?;
        let company = company(&store, self.company.as_deref().unwrap_or(DEFAULT_COMPANY)).await?;
        let by = Actor::system("command line");
        let made = store.create_key(company, key.clone(), &by, now).await;
        let (id, secret) = made.map_err(|cause| Failure::failed(format!("no key was made: {cause}")))?;
        let made = json!({
            "id": id,
            "key": secret.reveal(),
            "name": key.name,
            "scopes": key.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>(),
            "expiresAt": key.expires_at.map(|end| end.to_string()),
            "createdAt": now.to_string(),
        });
        tell(&made.to_string(), self.json)
    }

    /// What a server would make of these flags; all scopes where none is named.
    fn new_key(&self, now: Timestamp) -> Result<NewKey, Failure> {
        let length = self.name.chars().count();
        if !(1..=255).contains(&length) {
            return Err(Failure::refused(format!("the name must have 1 to 255 characters, it has {length}")));
        }
        let scope = |name: &String| {
            let all = || Scope::ALL.map(Scope::name).join(", ");
            let unknown = |_| Failure::refused(format!("there is no scope `{name}`; there are: {}", all()));
            name.parse::<Scope>().map_err(unknown)
        };
        let mut scopes = self.scopes.iter().map(scope).collect::<Result<Vec<_>, _>>()?;
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            scopes = Scope::ALL.to_vec();
        }
        let end = |text: &String| match text.parse::<jiff::Timestamp>() {
            Ok(end) if end.as_millisecond() > now.0 => Ok(Timestamp(end.as_millisecond())),
            Ok(_) | Err(_) => Err(Failure::refused(format!(
                "--expires-at must be a time in the future, such as 2099-01-31T00:00:00Z, not `{text}`"
            ))),
        };
        let expires_at = self.expires_at.as_ref().map(end).transpose()?;
        Ok(NewKey { name: self.name.clone(), scopes, expires_at, member: None })
    }
}

fn tell(made: &str, as_json: bool) -> Result<u8, Failure> {
    if as_json {
        print::out(made)?;
    } else {
        let made: Value = read(made)?;
        print::out(made["key"].as_str().unwrap_or_default())?;
        print::talk("keep it now: it is not shown again");
    }
    Ok(DONE)
}

/// The company of that name.
async fn company(store: &Store, name: &str) -> Result<CompanyId, Failure> {
    let mut span = Span { order: Order::Ascending, after: None, limit: 100 };
    let mut names = Vec::new();
    loop {
        let page = store.companies(span).await;
        let page = page.map_err(|cause| Failure::refused(format!("the database failed: {cause}")))?;
        if let Some(row) = page.rows.iter().find(|row| row.name == name) {
            return Ok(row.id);
        }
        names.extend(page.rows.into_iter().map(|row| format!("`{}`", one_line(&row.name))));
        if page.next.is_none() {
            let names = names.join(", ");
            return Err(Failure::refused(format!("there is no company `{name}`; there are: {names}")));
        }
        span.after = page.next;
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
