//! The store over real files in a directory of its own for each test.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod backup;
mod connections;
mod events;
mod health;
mod isolation;
mod journal;
mod keys;
mod members;
mod notices;
mod open;
mod queries;
mod restore;
mod roundtrip;
mod runs;
mod schedules;
mod secrets;
mod signing;
mod sudden;
mod watch;
mod workflows;

use std::sync::Arc;

use std::path::PathBuf;

use loopfour_engine::definitions::Definitions;
use loopfour_engine::ports::{Append, Journal as _, JournalError};
use loopfour_engine::{
    Actor, CompanyId, Entry, Event, Run, RunId, RunStatus, StepPath, Summary, Timestamp, TriggerKind,
    WorkflowId,
};
use loopfour_lang::Value;
use loopfour_store::{Order, Span, Store};
use tempfile::TempDir;
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// An open store with one workflow.
struct Place {
    directory: TempDir,
    store: Store,
    company: CompanyId,
    workflow: WorkflowId,
}

impl Place {
    async fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), NOW).unwrap();
        let company = store.default_company();
        let workflow = store.create_workflow(company, "Dunning", "{}", &by(), NOW).await.unwrap().id;
        Place { directory, store, company, workflow }
    }

    /// The start of a new run.
    fn start(&self, at: Timestamp, idempotency_key: Option<&str>) -> Append {
        let run = RunId(Uuid::now_v7());
        let event = Event::RunStarted {
            run,
            company: self.company,
            workflow: self.workflow,
            version: 1,
            trigger: TriggerKind::Api,
            input: Value::from("the input"),
            connection: None,
            idempotency_key: idempotency_key.map(str::to_owned),
            restarted_from: None,
            by: None,
            cause: None,
            queue: None,
        };
        Append {
            run,
            expected: 0,
            entries: [Entry { seq: 1, at, event }].into(),
            summary: summary(RunStatus::Running),
        }
    }

    /// A run of one entry.
    async fn run(&self, at: Timestamp, status: RunStatus) -> RunId {
        let batch = Append { summary: summary(status), ..self.start(at, None) };
        let run = batch.run;
        self.store.append(batch).await.unwrap();
        run
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("loopfour.db")
    }

    /// The database as another program sees it.
    fn outside(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.database()).unwrap()
    }
}

fn summary(status: RunStatus) -> Summary {
    Summary {
        status,
        waiting: None,
        started_at: Some(NOW),
        completed_at: None,
        output_at: None,
        due_at: None,
    }
}

/// Entries that go on from `expected`, each a skipped step named after its number.
fn skips(run: RunId, expected: u64, count: u64) -> Append {
    let entry =
        |seq| Entry { seq, at: NOW, event: Event::StepSkipped { path: StepPath(format!("step-{seq}")) } };
    let entries = (expected + 1..=expected + count).map(entry).collect();
    Append { run, expected, entries, summary: summary(RunStatus::Running) }
}

/// Whoever does something in a test.
fn by() -> Actor {
    Actor { id: "key_test".to_owned(), name: "test".to_owned(), address: Some("192.0.2.1".to_owned()) }
}

fn newest(limit: u32) -> Span {
    Span { order: Order::Descending, after: None, limit }
}
