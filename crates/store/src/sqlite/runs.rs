//! Runs as the API shows them: the rows that stand beside the journal, and what of the journal lists need.

use loopfour_engine::{
    Cause, CompanyId, Entry, Event, Queue, RunError, RunId, RunStatus, Timestamp, TriggerKind, Waiting,
    WorkflowId,
};
use loopfour_lang::{Document, Value};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;

use crate::Store;
use crate::error::StorageError;
use crate::page::{Cursor, Page, Span};
use crate::sqlite::{journal, json, named, optional, optional_time, time, uuid};

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// Whose it is.
    pub company: CompanyId,
    /// Which workflow it runs.
    pub workflow: WorkflowId,
    /// Which version of it.
    pub version: u32,
    /// How it stands.
    pub status: RunStatus,
    /// Why it waits.
    pub waiting: Option<Waiting>,
    /// What started it.
    pub trigger: TriggerKind,
    /// The caller's key.
    pub idempotency_key: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// How many entries its journal has.
    pub length: u64,
    /// Which entry holds its output.
    pub output_at: Option<u64>,
    /// When it goes on by itself, or its time limit passes.
    pub due_at: Option<Timestamp>,
    /// The run that it starts anew.
    pub restarted_from: Option<RunId>,
    /// Why it was started, where nobody asked for it by name.
    pub cause: Option<Cause>,
    /// Whose turn it waits for, or has, where runs of the workflow take turns.
    pub queue: Option<Queue>,
}

impl RunRow {
    /// Where it stands in lists.
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: self.id.0 }
    }
}

/// A run in a list, with what it was given and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedRun {
    /// How it stands.
    pub row: RunRow,
    /// What it was given.
    pub input: Value,
    /// What it gave.
    pub output: Option<Document>,
    /// Why it failed.
    pub error: Option<RunError>,
}

/// Which runs a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunFilter {
    /// Those of this workflow.
    pub workflow: Option<WorkflowId>,
    /// Those that stand so.
    pub status: Option<RunStatus>,
}

impl Store {
    /// How a run stands.
    ///
    /// # Errors
    /// The database failed.
    pub async fn run(&self, company: CompanyId, id: RunId) -> Result<Option<RunRow>, StorageError> {
        self.read(move |db| {
            let sql = format!("SELECT {COLUMNS} FROM runs WHERE id = ?1 AND company = ?2");
            let mut statement = db.prepare_cached(&sql)?;
            statement.query_row(params![id.0.as_bytes(), company.0.as_bytes()], read_row).optional()
        })
        .await
    }

    /// The run that an idempotency key started, less than 24 hours before `now`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn run_by_key(
        &self,
        company: CompanyId,
        workflow: WorkflowId,
        key: String,
        now: Timestamp,
    ) -> Result<Option<RunId>, StorageError> {
        self.read(move |db| journal::run_by_key(db, company, workflow, &key, now)).await
    }

    /// A part of the list of runs.
    ///
    /// # Errors
    /// The database failed.
    pub async fn runs(
        &self,
        company: CompanyId,
        filter: RunFilter,
        span: Span,
    ) -> Result<Page<ListedRun>, StorageError> {
        self.read(move |db| {
            // One state of the database for rows and entries.
            let snapshot = db.unchecked_transaction()?;
            let page = page(&snapshot, company, filter, span)?;
            let rows = page.rows.into_iter().map(|row| listed(&snapshot, row)).collect::<Result<_, _>>()?;
            Ok(Page { rows, next: page.next })
        })
        .await
    }

    /// The journal of a run after an entry (0: all of it), in order; nothing if the company has no such run.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entries(
        &self,
        company: CompanyId,
        run: RunId,
        after: u64,
    ) -> Result<Vec<Entry>, StorageError> {
        self.read(move |db| {
            let sql =
                "SELECT seq, at, body FROM events WHERE run = ?1 AND seq > ?2 AND company = ?3 ORDER BY seq";
            let mut statement = db.prepare_cached(sql)?;
            let after = i64::try_from(after).unwrap_or(i64::MAX);
            let keys = params![run.0.as_bytes(), after, company.0.as_bytes()];
            statement.query_map(keys, journal::read_entry)?.collect()
        })
        .await
    }
}

impl Store {
    /// A part of a run's journal, by position; nothing if the company has no such run.
    ///
    /// # Errors
    /// The database failed.
    pub async fn entries_page(
        &self,
        company: CompanyId,
        run: RunId,
        span: Span,
    ) -> Result<Page<Entry>, StorageError> {
        self.read(move |db| {
            let (after, comparison, direction) = span.sql();
            let mut statement = db.prepare_cached(&format!(
                "SELECT seq, at, body FROM events WHERE run = ?1 AND seq {comparison} ?2 AND company = ?3
                 ORDER BY seq {direction} LIMIT ?4"
            ))?;
            let after = i64::try_from(after.id.as_u128()).unwrap_or(i64::MAX);
            let keys = params![run.0.as_bytes(), after, company.0.as_bytes(), span.wanted()];
            let rows = statement.query_map(keys, journal::read_entry)?.collect::<Result<Vec<_>, _>>()?;
            Ok(span.ordered(rows, |entry| Cursor {
                created_at: entry.at,
                id: Uuid::from_u128(u128::from(entry.seq)),
            }))
        })
        .await
    }
}

/// What [`read_row`] reads.
pub(crate) const COLUMNS: &str = "id, company, workflow, version, status, waiting, trigger, idempotency_key, \
                                  created_at, started_at, completed_at, length, output_at, due_at, restarted_from, \
                                  cause, queue";

fn page(
    db: &Connection,
    company: CompanyId,
    filter: RunFilter,
    span: Span,
) -> rusqlite::Result<Page<RunRow>> {
    // The index by workflow does not know companies: whose the workflow is must be clear before. The plus sign keeps
    // either index from being chosen by the company that every row is compared with all the same.
    let (owner, id) = match filter.workflow {
        Some(workflow) if !owns(db, company, workflow)? => return Ok(Page { rows: Vec::new(), next: None }),
        Some(workflow) => ("workflow", workflow.0),
        None => ("company", company.0),
    };
    let (after, comparison, direction) = span.sql();
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM runs WHERE {owner} = ?1 AND status = ?2 AND (created_at, id) {comparison} (?3, ?4)
         AND +company = ?6 ORDER BY created_at {direction}, id {direction} LIMIT ?5"
    ))?;
    let statuses = filter.status.as_ref().map_or(&RunStatus::ALL[..], std::slice::from_ref);
    let mut rows = Vec::new();
    for status in statuses {
        let keys = params![
            id.as_bytes(),
            status.name(),
            after.created_at.0,
            after.id.as_bytes(),
            span.wanted(),
            company.0.as_bytes(),
        ];
        for row in statement.query_map(keys, read_row)? {
            rows.push(row?);
        }
    }
    Ok(span.page(rows, RunRow::cursor))
}

fn owns(db: &Connection, company: CompanyId, workflow: WorkflowId) -> rusqlite::Result<bool> {
    let mut statement = db.prepare_cached("SELECT 1 FROM workflows WHERE id = ?1 AND company = ?2")?;
    statement.exists(params![workflow.0.as_bytes(), company.0.as_bytes()])
}

/// Reads what lists show of a run's journal: the first entry, the output's, the last.
fn listed(db: &Connection, row: RunRow) -> rusqlite::Result<ListedRun> {
    let event = |seq| journal::event(db, row.id, seq);
    let input = match event(1)? {
        Some(Event::RunStarted { input, .. }) => input,
        Some(_) | None => Value::Null,
    };
    let output = row.output_at.map(event).transpose()?.flatten().and_then(|event| event.output());
    let error = match row.status {
        RunStatus::Failed | RunStatus::Cancelled | RunStatus::Timeout => error(db, &row)?,
        RunStatus::Pending | RunStatus::Running | RunStatus::Waiting | RunStatus::Completed => None,
    };
    Ok(ListedRun { row, input, output, error })
}

/// Why a run ended badly: the last entry says so, before those that a restored backup adds.
fn error(db: &Connection, row: &RunRow) -> rusqlite::Result<Option<RunError>> {
    for seq in (1..=row.length).rev() {
        match journal::event(db, row.id, seq)? {
            Some(Event::RunRestored { .. }) => {}
            Some(Event::RunFailed { error } | Event::RunTimedOut { error }) => return Ok(Some(*error)),
            Some(_) | None => return Ok(None),
        }
    }
    Ok(None)
}

/// The names of triggers; the same as in the journal.
pub(crate) fn trigger_name(trigger: TriggerKind) -> &'static str {
    match trigger {
        TriggerKind::Api => "api",
        TriggerKind::Webhook => "webhook",
        TriggerKind::Schedule => "schedule",
        TriggerKind::Failure => "failure",
    }
}

pub(crate) fn find_trigger(name: &str) -> Option<TriggerKind> {
    let all = [TriggerKind::Api, TriggerKind::Webhook, TriggerKind::Schedule, TriggerKind::Failure];
    all.into_iter().find(|trigger| trigger_name(*trigger) == name)
}

pub(crate) fn find_status(name: &str) -> Option<RunStatus> {
    RunStatus::ALL.into_iter().find(|status| status.name() == name)
}

/// A row of [`COLUMNS`].
pub(crate) fn read_row(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        id: RunId(uuid(row, 0)?),
        company: CompanyId(uuid(row, 1)?),
        workflow: WorkflowId(uuid(row, 2)?),
        version: row.get(3)?,
        status: named(row, 4, find_status)?,
        waiting: waiting(row, 5)?,
        trigger: named(row, 6, find_trigger)?,
        idempotency_key: row.get(7)?,
        created_at: time(row, 8)?,
        started_at: optional_time(row, 9)?,
        completed_at: optional_time(row, 10)?,
        length: count(row, 11)?,
        output_at: row.get::<_, Option<i64>>(12)?.map(i64::unsigned_abs),
        due_at: optional_time(row, 13)?,
        restarted_from: row.get::<_, Option<[u8; 16]>>(14)?.map(|id| RunId(Uuid::from_bytes(id))),
        cause: optional(row, 15, |text| text.parse().ok())?,
        queue: queue(row, 16)?,
    })
}

/// Why a run waits, in a column that may be empty.
pub(crate) fn waiting(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Waiting>> {
    if row.get_ref(column)? == rusqlite::types::ValueRef::Null {
        Ok(None)
    } else {
        json(row, column).map(Some)
    }
}

/// Whose turn a run waits for, in a column that may be empty.
pub(crate) fn queue(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Queue>> {
    optional(row, column, |text| serde_json::from_str(text).ok())
}

/// A number that is never negative.
pub(crate) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}
