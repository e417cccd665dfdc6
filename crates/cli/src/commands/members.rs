//! `loopfour members`: the people of a company. A member is named by the e-mail address or by the id.

use loopfour_engine::MemberId;
use loopfour_lang::nearest::nearest;
use loopfour_store::Role;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::answer;
use crate::client::{Client, ServerFlags};
use crate::failure::{DONE, Failure};
use crate::listing::{self, Part, read};
use crate::print::{self, one_line, style};
use crate::table::Cell;

/// Manage the people of a company. The key in LOOPFOUR_API_KEY needs the scope `admin`.
///
/// A role is a set of scopes: a viewer sees workflows, runs and connections; an operator also runs workflows and repairs
/// runs; a builder also makes workflows and connections; an admin may do everything.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour members invite ada@example.com --role operator
  loopfour members list
  loopfour members update ada@example.com --active false")]
pub struct Members {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(clap::Subcommand)]
enum Command {
    Invite(Invite),
    List(List),
    Update(Update),
}

/// Invite a person, and print the link to sign in with: it works once, and is shown only this time.
///
/// For who is a member already it makes a new link.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour members invite ada@example.com --role operator
  loopfour members invite ada@example.com --role admin --json | jq -r .id")]
struct Invite {
    /// The person's e-mail address.
    #[arg(value_name = "MAIL")]
    email: String,
    /// What the person may do.
    #[arg(long, value_parser = Role::ALL.map(Role::name))]
    role: String,
    /// Print the answer as one JSON object, not the link alone.
    #[arg(long)]
    json: bool,
}

/// List the members, the newest first.
///
/// The columns are id, role, whether the person may come in, and the e-mail address.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour members list
  loopfour members list --all --json | jq -r 'select(.role == \"admin\") | .email'")]
struct List {
    #[command(flatten)]
    part: Part,
}

/// Change a member's role, or let the person in no more.
///
/// Who is not active any more is signed out at once, and all keys of that member end.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour members update ada@example.com --role builder
  loopfour members update mem_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 --active false")]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true).args(["role", "active"])))]
struct Update {
    /// The e-mail address or the id (mem_...).
    #[arg(value_name = "MEMBER")]
    member: String,
    /// What the person may do from now on.
    #[arg(long, value_parser = Role::ALL.map(Role::name))]
    role: Option<String>,
    /// Whether the person may come in.
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
    /// Print the member as the API answers it.
    #[arg(long)]
    json: bool,
}

impl Members {
    /// Does what was asked for.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let client = self.server.client()?;
        match self.command {
            Command::Invite(invite) => invite.carry_out(&client).await,
            Command::List(list) => list.carry_out(&client).await,
            Command::Update(update) => update.carry_out(&client).await,
        }
    }
}

impl Invite {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let body = json!({ "email": self.email, "role": self.role }).to_string();
        let invited: Box<RawValue> = client.post("/api/v1/members", body).await?;
        if self.json {
            print::out(invited.get())?;
        } else {
            let invited: Value = read(invited.get())?;
            print::out(&one_line(invited["link"].as_str().unwrap_or_default()))?;
            print::talk(
                "hand it to the person alone: whoever opens it first is signed in, and it is not shown again",
            );
        }
        Ok(DONE)
    }
}

impl List {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let (path, query) = ("/api/v1/members", Vec::new());
        let head = &["ID", "ROLE", "ACTIVE", "MAIL"];
        self.part.print(client, listing::List { path, query, head, row }).await
    }
}

impl Update {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let id = id_of(client, &self.member).await?;
        let mut body = Map::new();
        body.extend(self.role.map(|role| ("role".to_owned(), Value::String(role))));
        body.extend(self.active.map(|active| ("active".to_owned(), Value::Bool(active))));
        let path = format!("/api/v1/members/{id}");
        let changed: Box<RawValue> = client.patch(&path, Value::Object(body).to_string()).await?;
        if self.json {
            print::out(changed.get())?;
        } else {
            let member: answer::Member = read(changed.get())?;
            let active = if member.active { "active" } else { "not active" };
            let (role, mail) = (one_line(&member.role), one_line(&member.email));
            print::out(&format!("{}  {role}  {active}  {mail}", member.id))?;
        }
        Ok(DONE)
    }
}

async fn id_of(client: &Client, named: &str) -> Result<MemberId, Failure> {
    if let Ok(id) = named.parse() {
        return Ok(id);
    }
    let members: Vec<answer::Member> = listing::whole(client, "/api/v1/members").await?;
    if let Some(found) = members.iter().find(|member| member.email.eq_ignore_ascii_case(named)) {
        return Ok(found.id);
    }
    let hint = match nearest(named, members.iter().map(|member| member.email.as_str())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`loopfour members list` shows who there is".to_owned(),
    };
    Err(Failure::failed(format!("there is no member `{named}`")).hint(hint))
}

fn row(member: &answer::Member) -> Vec<Cell> {
    let (active, colour) = if member.active { ("yes", style::GREEN) } else { ("no", style::DIM) };
    vec![
        Cell::of(&member.id.to_string()),
        Cell::of(&member.role),
        Cell::of(active).styled(colour),
        Cell::of(&member.email),
    ]
}
