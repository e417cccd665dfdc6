//! `loopfour notices`: addresses that a server tells of what happens.

use loopfour_engine::NoticeId;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::answer;
use crate::client::{Client, ServerFlags};
use crate::failure::{DONE, FAILED, Failure};
use crate::listing::{self, Part, read};
use crate::print::{self, one_line};
use crate::table::Cell;

/// Have addresses told of what happens: runs that fail or wait, dead events, broken connections.
///
/// The key in LOOPFOUR_API_KEY needs the scope `admin`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour notices add https://example.com/hooks --events run.failed,event.dead
  loopfour notices list")]
pub struct Notices {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: ServerFlags,
}

#[derive(clap::Subcommand)]
enum Command {
    Add(Add),
    List(List),
    Test(Test),
    Delete(Delete),
}

/// Have an address told, and print the secret that signs what it gets: this is the only time that it is shown.
///
/// The address gets a POST for each thing that happens, signed as Standard Webhooks has it. One that is not public must be
/// allowed by `outbound_allow` in the server's settings; only such a one may begin with http.
#[derive(clap::Args)]
#[command(after_help = "\
Types: run.started, run.waiting, run.completed, run.failed, run.cancelled,
run.timeout, run.outcome_unknown, event.dead, connection.error; run.*, event.*
and connection.* stand for families, * for all.

Examples:
  loopfour notices add https://example.com/hooks --events run.failed,run.outcome_unknown
  SECRET=$(loopfour notices add https://example.com/all --events '*')")]
struct Add {
    /// Where messages go.
    url: String,
    /// What it is told of, a comma list.
    #[arg(long, required = true, value_delimiter = ',', value_name = "TYPES")]
    events: Vec<String>,
    /// Print all of the answer as one JSON object, not the secret alone.
    #[arg(long)]
    json: bool,
}

/// List the addresses of the company, the newest first, without their secrets.
///
/// The columns are id, status, address, when a message arrived last, what it is told of, and why the last try was in vain
/// or the address is told no more.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour notices list
  loopfour notices list --all --json | jq -r 'select(.status == \"disabled\") | .url'")]
struct List {
    #[command(flatten)]
    part: Part,
}

/// Send a message of the type notice.test now, and say what came of it. A disabled address that it reaches is active again.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 it arrived, 1 it did not.

Example:
  loopfour notices test ntc_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968")]
struct Test {
    #[command(flatten)]
    target: Target,
}

/// Tell an address nothing more, not even what is on its way.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  loopfour notices delete ntc_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968")]
struct Delete {
    #[command(flatten)]
    target: Target,
}

/// Which one.
#[derive(clap::Args)]
struct Target {
    /// Its id (ntc_...), as `notices list` shows it.
    #[arg(value_name = "ID")]
    id: NoticeId,
    /// Print what the API answers.
    #[arg(long)]
    json: bool,
}

impl Notices {
    /// Does what was asked for.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let client = self.server.client()?;
        match self.command {
            Command::Add(add) => add.carry_out(&client).await,
            Command::List(list) => list.carry_out(&client).await,
            Command::Test(test) => test.carry_out(&client).await,
            Command::Delete(delete) => delete.carry_out(&client).await,
        }
    }
}

impl Add {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let body = json!({ "url": self.url, "events": self.events });
        let made: Box<RawValue> = client.post("/api/v1/notices", body.to_string()).await?;
        if self.json {
            print::out(made.get())?;
            return Ok(DONE);
        }
        let made: Value = read(made.get())?;
        let text = |key: &str| made[key].as_str().unwrap_or_default();
        print::out(text("secret"))?;
        print::talk(&format!("{} is told; keep its secret now: it is not shown again", one_line(text("id"))));
        Ok(DONE)
    }
}

impl List {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let head = &["ID", "STATUS", "ADDRESS", "DELIVERED, UTC", "EVENTS", "WHAT IS WRONG"];
        self.part.print(client, listing::List { path: "/api/v1/notices", query: Vec::new(), head, row }).await
    }
}

fn row(notice: &answer::Notice) -> Vec<Cell> {
    let wrong = notice.disabled_reason.as_deref().or(notice.last_error.as_deref());
    vec![
        Cell::of(&notice.id),
        Cell::of(&notice.status),
        Cell::of(&notice.url),
        Cell::time(notice.last_delivered_at.as_deref().unwrap_or("-")),
        Cell::of(&notice.events.join(",")),
        Cell::of(wrong.unwrap_or("-")),
    ]
}

impl Test {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let path = format!("/api/v1/notices/{}/test", self.target.id);
        let tested: Box<RawValue> = client.post(&path, String::new()).await?;
        let told: answer::TestedNotice = read(tested.get())?;
        if self.target.json {
            print::out(tested.get())?;
            return Ok(if told.delivered { DONE } else { FAILED });
        }
        match (told.delivered, told.status) {
            (true, status) => {
                let status = status.map_or_else(String::new, |status| format!("answered with {status}"));
                print::out(&format!("delivered  {status}"))?;
                Ok(DONE)
            }
            (false, _) => {
                let why = told.error.unwrap_or_default();
                Err(Failure::failed(format!("it did not arrive: {}", one_line(&why))))
            }
        }
    }
}

impl Delete {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let deleted: Box<RawValue> = client.delete(&format!("/api/v1/notices/{}", self.target.id)).await?;
        if self.target.json {
            print::out(deleted.get())?;
        } else {
            let notice: answer::Notice = read(deleted.get())?;
            print::out(&format!("deleted {}  {}", self.target.id, one_line(&notice.url)))?;
        }
        Ok(DONE)
    }
}
