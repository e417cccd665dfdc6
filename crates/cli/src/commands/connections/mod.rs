//! `loopfour connections`: a company's credentials for a provider. A connection is named by its id or its name.

mod add_key;
mod auth_url;
mod delete;
mod list;
mod set;
mod show;
mod test;

use loopfour_lang::nearest::nearest;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::answer;
use crate::client::{Client, ServerFlags};
use crate::failure::{DONE, FAILED, Failure};
use crate::listing::{self, read};
use crate::print::{self, one_line, style};

/// Connect accounts to a server, and look after the connections.
///
/// Where a command takes a CONNECTION, give its id (conn_...) or its name.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour connections add-key books < stripe.key
  loopfour connections auth-url stripe
  loopfour connections list")]
pub struct Connections {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(clap::Subcommand)]
enum Command {
    List(list::List),
    Show(show::Show),
    AddKey(add_key::AddKey),
    AuthUrl(auth_url::AuthUrl),
    Test(test::Test),
    Set(set::Set),
    Delete(delete::Delete),
}

/// Which connection, and how the answer is printed.
#[derive(clap::Args)]
struct Target {
    /// The connection's id (conn_...) or name.
    #[arg(value_name = "CONNECTION")]
    connection: String,
    /// Print the connection as the API answers it.
    #[arg(long)]
    json: bool,
}

impl Connections {
    /// Does what was asked for.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let client = self.server.client()?;
        match self.command {
            Command::List(list) => list.carry_out(&client).await,
            Command::Show(show) => show.carry_out(&client).await,
            Command::AddKey(add_key) => add_key.carry_out(&client).await,
            Command::AuthUrl(auth_url) => auth_url.carry_out(&client).await,
            Command::Test(test) => test.carry_out(&client).await,
            Command::Set(set) => set.carry_out(&client).await,
            Command::Delete(delete) => delete.carry_out(&client).await,
        }
    }
}

impl Target {
    /// Where the API has it.
    async fn path(&self, client: &Client) -> Result<String, Failure> {
        id_of(client, &self.connection).await.map(|id| format!("{LIST}/{id}"))
    }
}

const LIST: &str = "/api/v1/connections";

/// The id of the connection of that id or name.
///
/// # Errors
/// There is none of that name, or the server cannot be reached or answers an error.
pub async fn id_of(client: &Client, named: &str) -> Result<String, Failure> {
    if named.parse::<loopfour_engine::ConnectionId>().is_ok() {
        return Ok(named.to_owned());
    }
    let all: Vec<answer::Connection> = listing::whole(client, LIST).await?;
    let found: Vec<&answer::Connection> = all.iter().filter(|one| one.name == named).collect();
    // An ended connection may have left its name to another one.
    let usable = found.iter().find(|one| one.status != "disconnected");
    match usable.or(found.first()) {
        Some(connection) => Ok(connection.id.clone()),
        None => {
            let hint = match nearest(named, all.iter().map(|one| one.name.as_str())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`loopfour connections list` shows what there is".to_owned(),
            };
            Err(Failure::failed(format!("there is no connection `{named}`")).hint(hint))
        }
    }
}

/// The id of the only connection that can be used.
///
/// # Errors
/// There is none or there are several, or the server cannot be reached or answers an error.
pub async fn only_active(client: &Client) -> Result<String, Failure> {
    let all: Vec<answer::Connection> = listing::whole(client, LIST).await?;
    let active: Vec<&answer::Connection> = all.iter().filter(|one| one.status == "active").collect();
    match active[..] {
        [only] => Ok(only.id.clone()),
        [] => Err(Failure::failed("there is no active connection")
            .hint("`loopfour connections add-key NAME` makes one")),
        _ => {
            let names = active.iter().map(|one| one_line(&one.name)).collect::<Vec<_>>().join(", ");
            Err(Failure::failed("there are several active connections")
                .hint(format!("name one with --connection: {names}")))
        }
    }
}

/// Prints a connection as the API answered it, or in a few lines. Only an active one is a good end.
fn tell(connection: &RawValue, json: bool) -> Result<u8, Failure> {
    let shown: answer::Connection = read(connection.get())?;
    print::out(&if json { connection.get().to_owned() } else { describe(&shown) })?;
    Ok(if shown.status == "active" { DONE } else { FAILED })
}

/// A connection as people read it.
fn describe(connection: &answer::Connection) -> String {
    let (status, colour) = (one_line(&connection.status), colour(&connection.status));
    let (id, name, provider) =
        (one_line(&connection.id), one_line(&connection.name), one_line(&connection.provider));
    let mut lines = vec![format!("{id}  {colour}{status}{}  {provider}  {name}", style::RESET)];
    let account = connection.external_account_id.as_deref().map(one_line);
    let mode = connection.mode.as_deref().map(one_line);
    lines.extend(match (account, mode) {
        (Some(account), Some(mode)) => Some(format!("account {account}, {mode}")),
        (Some(only), None) => Some(format!("account {only}")),
        (None, Some(mode)) => Some(format!("mode {mode}")),
        (None, None) => None,
    });
    let former = connection.former_account_id.as_deref().map(one_line);
    lines.extend(former.map(|former| {
        format!("account before {former}: its runs wait, unless `loopfour connections set --same-account` says it is the same")
    }));
    lines.extend(connection.last_synced_at.as_deref().map(|at| format!("last good at {}", one_line(at))));
    let settings = connection.settings.as_object().into_iter().flatten();
    lines.extend(settings.filter(|(_, value)| !value.is_null()).map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{} {}", one_line(name), one_line(&value))
    }));
    lines.extend(connection.last_error.as_deref().map(|error| format!("error {}", one_line(error))));
    lines.join("\n")
}

fn colour(status: &str) -> &'static str {
    match status {
        "active" => style::GREEN,
        "error" | "expired" => style::RED,
        "pending" => style::YELLOW,
        "disconnected" => style::DIM,
        _ => "",
    }
}

/// The body without what is not given.
fn body<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
