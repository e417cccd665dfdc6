//! `loopfour audit`: who did what, and whether the log is whole.

use loopfour_store::{AuditHash, ReadOnly};
use serde_json::Value;

use crate::answer;
use crate::client::{Client, ServerFlags};
use crate::config::DataFlags;
use crate::failure::{DONE, FAILED, Failure};
use crate::listing::{self, Part};
use crate::print::{self, Reader, one_line};
use crate::table::Cell;

/// Look at the audit log: who did what, when, from where.
///
/// Each row holds a hash over itself and the row before, so that a row which was changed or taken out is found.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour audit list
  loopfour audit export > audit.jsonl
  loopfour audit verify")]
pub struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    List(List),
    Export(Export),
    Verify(Verify),
}

/// List what was done in the company, the newest first. The key in LOOPFOUR_API_KEY needs the scope `admin`.
///
/// The columns are the row's number, time, action, object, address and who it was.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour audit list
  loopfour audit list --action key.create
  loopfour audit list --actor mem_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968 --all --json")]
struct List {
    /// Only this action, such as workflow.activate.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what this key (key_...) or member (mem_...) did.
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Only what was done to this.
    #[arg(long, value_name = "ID")]
    object: Option<String>,
    #[command(flatten)]
    part: Part,
    #[command(flatten)]
    server: ServerFlags,
}

/// Print the whole log, oldest row first, one JSON object a line; the last line is {head, count}.
///
/// The head is the last row's hash. Keep it where nobody who can reach the server's disk can change it: with it, `loopfour
/// audit verify --head` also finds that rows were cut off the end. The key in LOOPFOUR_API_KEY needs the scope `admin`.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 all of it, 1 not all of it.

Examples:
  loopfour audit export > audit.jsonl
  loopfour audit export | tail -n 1 | jq -r .head")]
struct Export {
    #[command(flatten)]
    server: ServerFlags,
}

/// Check that the log of every company is whole, on the disk, while the server runs or not.
///
/// Each row's hash is computed again from what the row says and from the row before. A line for each company tells how many
/// rows it has, and its head; the first thing that is wrong is a line that names company and row.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 whole, 1 broken, 2 the database cannot be read.

Examples:
  loopfour audit verify
  loopfour audit verify --data /var/lib/loopfour
  loopfour audit verify --head $(tail -n 1 audit.jsonl | jq -r .head)")]
struct Verify {
    /// A head that was exported before, 64 hexadecimal digits: no row up to it may be missing.
    #[arg(long, value_name = "HASH")]
    head: Option<AuditHash>,
    #[command(flatten)]
    data: DataFlags,
}

impl Audit {
    /// Does what was asked for.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        match self.command {
            Command::List(list) => {
                let client = list.server.client()?;
                list.carry_out(&client).await
            }
            Command::Export(export) => export.carry_out(&export.server.client()?).await,
            Command::Verify(verify) => verify.carry_out(),
        }
    }
}

impl List {
    async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let query = [("action", self.action), ("actor", self.actor), ("object", self.object)];
        let query = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let path = "/api/v1/audit";
        let head = &["ROW", "AT, UTC", "ACTION", "OBJECT", "FROM", "WHO"];
        self.part.print(client, listing::List { path, query, head, row }).await
    }
}

fn row(row: &answer::AuditRow) -> Vec<Cell> {
    let name = |named: &answer::Named| named.name.clone().unwrap_or_else(|| named.id.clone());
    vec![
        Cell::of(&row.seq.to_string()),
        Cell::time(&row.at),
        Cell::of(&row.action),
        Cell::of(&row.object.id),
        Cell::of(row.address.as_deref().unwrap_or("-")),
        Cell::of(&format!("{} {}", row.actor.kind, name(&row.actor))),
    ]
}

impl Export {
    async fn carry_out(&self, client: &Client) -> Result<u8, Failure> {
        // An export that was cut off in the middle must not be taken for a whole one.
        let mut last = Vec::new();
        let mut reader = Reader::There;
        let path = client.with_query("/api/v1/audit", &[("format", "jsonl".to_owned())]);
        let taken = client.copy(&path, |part| {
            let lines = part.split_inclusive(|byte| *byte == b'\n');
            for line in lines {
                if last.last() == Some(&b'\n') {
                    last.clear();
                }
                last.extend_from_slice(line);
            }
            reader = print::raw(part)?;
            Ok(reader)
        });
        taken.await?;
        let last: Value = serde_json::from_slice(&last).unwrap_or_default();
        match (reader, last["head"].as_str()) {
            (Reader::Gone, _) | (Reader::There, Some(_)) => Ok(DONE),
            (Reader::There, None) => Err(Failure::failed("the export ended before its last line")),
        }
    }
}

impl Verify {
    fn carry_out(self) -> Result<u8, Failure> {
        let directory = self.data.directory()?;
        let database = ReadOnly::open(&directory).map_err(|cause| Failure::refused(cause.to_string()))?;
        let verified = database.audit_verify(self.head).map_err(|cause| {
            Failure::refused(format!("the data directory `{}`: {cause}", directory.display()))
        })?;
        for chain in &verified.companies {
            let (name, rows, head) = (one_line(&chain.name), chain.head.count, chain.head.hash);
            let rows = if rows == 1 { "1 row is".to_owned() } else { format!("{rows} rows are") };
            print::out(&format!("company `{name}`: {rows} whole, head {head}"))?;
        }
        match verified.broken {
            None => Ok(DONE),
            Some(broken) => {
                print::out(&one_line(&broken.to_string()))?;
                Ok(FAILED)
            }
        }
    }
}
