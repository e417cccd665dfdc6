//! The journal of runs: the engine's port. Entries are written once and never changed; the row of the run is brought up
//! to date in the same commit. Events become JSON in the caller's task, not in the writer.

use std::sync::Arc;

use loopfour_engine::event::Actor;
use loopfour_engine::ports::{Append, Due, Journal, JournalError, Turn, Unfinished};
use loopfour_engine::{
    Cause, CompanyId, Entry, Event, RunId, RunStatus, Summary, Timestamp, TriggerKind, WorkflowId,
};
use rusqlite::{Connection, OptionalExtension as _, Row, ffi, params};
use serde_json::json;

use crate::error::StorageError;
use crate::listening::Listening;
use crate::sqlite::audit::{self, Deed};
use crate::sqlite::run_notices::{self, Batch, End};
use crate::sqlite::runs::{count, find_status, queue, trigger_name, waiting};
use crate::sqlite::{hand_overs, json as from_json, named, optional_time, schedules, time, uuid};
use crate::watch::Progress;
use crate::{Memory, Store};

/// How long an idempotency key holds, in milliseconds: 24 hours.
const KEY_LIFETIME: i64 = 24 * 60 * 60 * 1000;

impl Journal for Store {
    async fn append(&self, batch: Append) -> Result<(), JournalError> {
        let prepared = Prepared::new(batch)?;
        let (run, progress) = (prepared.run, prepared.progress());
        let told = Arc::clone(&self.0.memory);
        let committed = move |memory: &Memory, stored: &Stored| {
            memory.watchers.tell(run, progress);
            if stored.put_in {
                memory.put_in.send_modify(|times| *times += 1);
            }
            memory.listening.tell(stored.messages);
        };
        self.write(move |db| prepared.store(db, &told.listening), committed).await.map(drop)
    }

    async fn load(&self, run: RunId) -> Result<Vec<Entry>, JournalError> {
        Ok(self.read(move |db| entries(db, run)).await?)
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, JournalError> {
        let runs = self.read(|db| {
            let sql = "SELECT r.id, r.status, r.waiting, r.due_at, r.workflow, r.queue FROM companies c CROSS JOIN runs r
                       WHERE r.company = c.id AND r.status IN ('pending', 'running', 'waiting')
                       ORDER BY r.created_at, r.id";
            db.prepare(sql)?.query_map([], read_unfinished)?.collect()
        });
        Ok(runs.await?)
    }

    async fn waiting_for_connection(&self, company: CompanyId) -> Result<Vec<RunId>, JournalError> {
        let runs = self.read(move |db| {
            let sql = "SELECT id FROM runs WHERE company = ?1 AND status = 'waiting'
                       AND waiting ->> '$.reason' = 'connection' ORDER BY created_at, id";
            db.prepare_cached(sql)?
                .query_map([company.0.as_bytes()], |row| uuid(row, 0).map(RunId))?
                .collect()
        });
        Ok(runs.await?)
    }

    async fn definition(&self, workflow: WorkflowId, version: u32) -> Result<String, JournalError> {
        let source = self.read(move |db| source(db, workflow, version)).await?;
        source.ok_or_else(|| missing_version(workflow, version))
    }
}

fn read_unfinished(row: &Row<'_>) -> rusqlite::Result<Unfinished> {
    let summary = Summary {
        status: named(row, 1, find_status)?,
        waiting: waiting(row, 2)?,
        due_at: optional_time(row, 3)?,
        started_at: None,
        completed_at: None,
        output_at: None,
    };
    let turn = match queue(row, 5)? {
        Some(queue) => {
            let begun = summary.status != RunStatus::Pending;
            Some(Turn { workflow: WorkflowId(uuid(row, 4)?), queue, begun })
        }
        None => None,
    };
    Ok(Unfinished { run: RunId(uuid(row, 0)?), due: Due::of(&summary), turn })
}

/// A batch, ready to be written.
pub(crate) struct Prepared {
    run: RunId,
    expected: i64,
    length: i64,
    start: Option<Start>,
    summary: Summary,
    waiting: Option<String>,
    /// Time and event of each entry.
    entries: Vec<(Timestamp, String)>,
    /// What of it somebody did, for the audit log.
    deeds: Vec<(Timestamp, Actor, Deed)>,
    /// When the run failed, if it did by this.
    failed_at: Option<Timestamp>,
    /// What of it is an end, for whoever wants to be told.
    ends: Vec<End>,
}

/// What came of a batch beside the journal.
pub(crate) struct Stored {
    /// Whether hand-overs were put in.
    put_in: bool,
    /// How many messages were put in.
    messages: usize,
}

/// What a run's row takes from its first entry.
struct Start {
    company: CompanyId,
    workflow: WorkflowId,
    version: u32,
    trigger: TriggerKind,
    idempotency_key: Option<String>,
    restarted_from: Option<RunId>,
    /// With its text.
    cause: Option<(Cause, String)>,
    queue: Option<String>,
    created_at: Timestamp,
}

impl Prepared {
    /// Checks a batch in itself and turns its events into JSON.
    pub(crate) fn new(batch: Append) -> Result<Prepared, JournalError> {
        let run = batch.run;
        let conflict = || JournalError::Conflict { run };
        if !(batch.expected + 1..).zip(batch.entries.iter()).all(|(seq, entry)| entry.seq == seq) {
            return Err(conflict());
        }
        let start = match batch.entries.first() {
            Some(first) if batch.expected == 0 => Some(start(run, first)?),
            None if batch.expected == 0 => return Err(missing_start(run)),
            Some(_) | None => None,
        };
        let expected = i64::try_from(batch.expected).map_err(|_| conflict())?;
        let added = i64::try_from(batch.entries.len()).map_err(|_| conflict())?;
        let waiting = batch.summary.waiting.as_ref().map(to_json).transpose()?;
        let entries = batch.entries.iter().map(|entry| Ok((entry.at, to_json(&entry.event)?)));
        Ok(Prepared {
            run,
            expected,
            length: expected + added,
            start,
            waiting,
            entries: entries.collect::<Result<_, StorageError>>()?,
            failed_at: batch
                .entries
                .iter()
                .rev()
                .find(|entry| is_failure(&entry.event))
                .map(|entry| entry.at),
            deeds: batch.entries.iter().filter_map(|entry| deed(run, entry)).collect(),
            ends: batch.entries.iter().filter_map(End::of).collect(),
            summary: batch.summary,
        })
    }

    fn progress(&self) -> Progress {
        Progress { length: self.length.unsigned_abs(), status: self.summary.status }
    }

    pub(crate) fn store(
        &self,
        db: &Connection,
        listening: &Listening,
    ) -> rusqlite::Result<Result<Stored, JournalError>> {
        let before = match &self.start {
            Some(_) => None,
            None => run_notices::before(db, listening, self.run)?,
        };
        let company = match &self.start {
            Some(start) => self.begin(db, start)?,
            None => self.go_on(db)?,
        };
        let company = match company {
            Ok(company) => company,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let sql = "INSERT INTO events (run, seq, company, at, body) VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut statement = db.prepare_cached(sql)?;
        for (seq, (at, body)) in (self.expected + 1..).zip(&self.entries) {
            statement.execute(params![self.run.0.as_bytes(), seq, company.0.as_bytes(), at.0, body])?;
        }
        for (at, by, deed) in &self.deeds {
            audit::note(db, company, by, deed, *at)?;
        }
        let put_in = match self.failed_at {
            Some(at) => hand_overs::put_in_failure(db, company, self.run, self.length.unsigned_abs(), at)?,
            None => false,
        };
        let at = self.entries.last().map_or(Timestamp(0), |(at, _)| *at);
        let batch = Batch { run: self.run, company, at, ends: &self.ends, summary: &self.summary };
        let messages = batch.put_in(db, listening, before.as_ref())?;
        Ok(Ok(Stored { put_in, messages }))
    }

    /// Inserts the row of a new run.
    fn begin(&self, db: &Connection, start: &Start) -> rusqlite::Result<Result<CompanyId, JournalError>> {
        if let Some(run) = existing(db, start)? {
            return Ok(Err(JournalError::Exists { run }));
        }
        let sql = "INSERT INTO runs (id, company, workflow, version, status, waiting, trigger, idempotency_key,
                                     created_at, started_at, completed_at, length, output_at, due_at, restarted_from,
                                     cause, queue)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
                   ON CONFLICT (id) DO NOTHING";
        let inserted = db.prepare_cached(sql)?.execute(params![
            self.run.0.as_bytes(),
            start.company.0.as_bytes(),
            start.workflow.0.as_bytes(),
            start.version,
            self.summary.status.name(),
            self.waiting,
            trigger_name(start.trigger),
            start.idempotency_key,
            start.created_at.0,
            self.summary.started_at.map(|at| at.0),
            self.summary.completed_at.map(|at| at.0),
            self.length,
            self.summary.output_at.and_then(|seq| i64::try_from(seq).ok()),
            self.summary.due_at.map(|at| at.0),
            start.restarted_from.as_ref().map(|run| run.0.as_bytes()),
            start.cause.as_ref().map(|(_, text)| text),
            start.queue,
        ]);
        Ok(match inserted {
            Ok(0) => Err(JournalError::Conflict { run: self.run }),
            Ok(_) => {
                start.carry_out(db)?;
                Ok(start.company)
            }
            Err(error) if is_foreign_key(&error) => Err(missing_version(start.workflow, start.version)),
            Err(error) => return Err(error),
        })
    }

    /// Brings the row of a run up to date, if its journal is where it is expected.
    fn go_on(&self, db: &Connection) -> rusqlite::Result<Result<CompanyId, JournalError>> {
        let company = match self.update(db, SAME_STATUS)? {
            Some(company) => Some(company),
            None => self.update(db, NEW_STATUS)?,
        };
        if let Some(company) = company {
            return Ok(Ok(company));
        }
        let exists =
            db.prepare_cached("SELECT 1 FROM runs WHERE id = ?1")?.exists([self.run.0.as_bytes()])?;
        Ok(Err(if exists {
            JournalError::Conflict { run: self.run }
        } else {
            JournalError::Missing(self.run.to_string())
        }))
    }

    fn update(&self, db: &Connection, sql: &str) -> rusqlite::Result<Option<CompanyId>> {
        let values = params![
            self.run.0.as_bytes(),
            self.expected,
            self.summary.status.name(),
            self.waiting,
            self.summary.started_at.map(|at| at.0),
            self.summary.completed_at.map(|at| at.0),
            self.length,
            self.summary.output_at.and_then(|seq| i64::try_from(seq).ok()),
            self.summary.due_at.map(|at| at.0),
        ];
        db.prepare_cached(sql)?.query_row(values, |row| uuid(row, 0).map(CompanyId)).optional()
    }
}

impl Start {
    /// What the run's beginning does to its cause.
    fn carry_out(&self, db: &Connection) -> rusqlite::Result<()> {
        let (company, workflow) = (self.company, self.workflow);
        match &self.cause {
            None => Ok(()),
            Some((Cause::Firing { at }, _)) => schedules::fired(db, company, workflow, *at),
            Some((cause @ (Cause::Event { .. } | Cause::Failure { .. }), text)) => {
                hand_overs::begun(db, company, workflow, *cause, text)
            }
        }
    }
}

/// Whether a run ended badly by an entry.
fn is_failure(event: &Event) -> bool {
    matches!(event, Event::RunFailed { .. } | Event::RunTimedOut { .. })
}

/// What somebody did by an entry, for the audit log; what a run does by itself is in its journal only.
fn deed(run: RunId, entry: &Entry) -> Option<(Timestamp, Actor, Deed)> {
    let new = |action| Deed::new(action, "run", run);
    let (by, deed) = match &entry.event {
        Event::RunStarted { by, workflow, version, trigger, connection, restarted_from, .. } => {
            let mut after = json!({ "workflow": workflow, "version": version, "trigger": trigger });
            if let Some(connection) = connection {
                after["connection"] = json!(connection);
            }
            if let Some(from) = restarted_from {
                after["restartedFrom"] = json!(from);
            }
            let action = if restarted_from.is_some() { "run.restart" } else { "run.start" };
            (by.as_ref()?, new(action).after(after))
        }
        Event::CancelRequested { by } => (by, new("run.cancel")),
        Event::RetryRequested { by, not_done } => {
            (by, new("run.retry").after(json!({ "notDone": not_done })))
        }
        Event::OutcomeResolved { path, by, reason, resolution, .. } => {
            let after = json!({ "step": path, "resolution": resolution, "reason": reason });
            (by, new("run.resolve").after(after))
        }
        Event::StepKept { .. }
        | Event::ConditionDecided { .. }
        | Event::CallIntended { .. }
        | Event::StepHeld { .. }
        | Event::CallResumed { .. }
        | Event::CallHeld { .. }
        | Event::StepSucceeded { .. }
        | Event::StepFailed { .. }
        | Event::StepSkipped { .. }
        | Event::RunCompleted { .. }
        | Event::RunFailed { .. }
        | Event::TimeLimitPassed
        | Event::RunCancelled
        | Event::RunTimedOut { .. }
        | Event::RunRestored { .. }
        | Event::RunParked { .. } => return None,
    };
    Some((entry.at, by.clone(), deed))
}

/// Most batches leave the status as it is; a statement that does not name it spares the indexes that hold it.
const SAME_STATUS: &str =
    "UPDATE runs SET waiting = ?4, started_at = ?5, completed_at = ?6, length = ?7, output_at = ?8, due_at = ?9
                           WHERE id = ?1 AND length = ?2 AND status = ?3 RETURNING company";
const NEW_STATUS: &str =
    "UPDATE runs SET status = ?3, waiting = ?4, started_at = ?5, completed_at = ?6, length = ?7,
                          output_at = ?8, due_at = ?9 WHERE id = ?1 AND length = ?2 RETURNING company";

fn start(run: RunId, first: &Entry) -> Result<Start, JournalError> {
    let Event::RunStarted {
        run: named,
        company,
        workflow,
        version,
        trigger,
        idempotency_key,
        restarted_from,
        cause,
        queue,
        ..
    } = &first.event
    else {
        return Err(missing_start(run));
    };
    if *named != run {
        return Err(missing_start(run));
    }
    Ok(Start {
        company: *company,
        workflow: *workflow,
        version: *version,
        trigger: *trigger,
        idempotency_key: idempotency_key.clone(),
        restarted_from: *restarted_from,
        cause: cause.map(|cause| (cause, cause.to_string())),
        queue: queue.as_ref().map(to_json).transpose()?,
        created_at: first.at,
    })
}

/// The run that was started with the same key, if that is less than 24 hours ago, or for the same cause, whenever that was.
fn existing(db: &Connection, start: &Start) -> rusqlite::Result<Option<RunId>> {
    let by_key = match &start.idempotency_key {
        Some(key) => run_by_key(db, start.company, start.workflow, key, start.created_at)?,
        None => None,
    };
    match (by_key, &start.cause) {
        (None, Some((_, cause))) => {
            let sql = "SELECT id FROM runs WHERE company = ?1 AND cause = ?2 AND workflow = ?3";
            let keys = params![start.company.0.as_bytes(), cause, start.workflow.0.as_bytes()];
            db.prepare_cached(sql)?.query_row(keys, |row| uuid(row, 0).map(RunId)).optional()
        }
        (by_key, _) => Ok(by_key),
    }
}

/// The run of a company's workflow that was started with a key, if that is less than 24 hours before `now`.
pub(crate) fn run_by_key(
    db: &Connection,
    company: CompanyId,
    workflow: WorkflowId,
    key: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<RunId>> {
    let sql = "SELECT id FROM runs WHERE workflow = ?1 AND idempotency_key = ?2 AND created_at > ?3 AND company = ?4
               ORDER BY created_at DESC LIMIT 1";
    let oldest = now.0.saturating_sub(KEY_LIFETIME);
    let keys = params![workflow.0.as_bytes(), key, oldest, company.0.as_bytes()];
    db.prepare_cached(sql)?.query_row(keys, |row| uuid(row, 0).map(RunId)).optional()
}

/// The text of a workflow's version.
pub(crate) fn source(
    db: &Connection,
    workflow: WorkflowId,
    version: u32,
) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT source FROM workflow_versions WHERE workflow = ?1 AND version = ?2";
    let mut statement = db.prepare_cached(sql)?;
    statement.query_row(params![workflow.0.as_bytes(), version], |row| row.get(0)).optional()
}

/// One entry's event.
pub(crate) fn event(db: &Connection, run: RunId, seq: u64) -> rusqlite::Result<Option<Event>> {
    let mut statement = db.prepare_cached("SELECT body FROM events WHERE run = ?1 AND seq = ?2")?;
    let seq = i64::try_from(seq).unwrap_or(i64::MAX);
    statement.query_row(params![run.0.as_bytes(), seq], |row| from_json(row, 0)).optional()
}

/// A run's journal.
pub(crate) fn entries(db: &Connection, run: RunId) -> rusqlite::Result<Vec<Entry>> {
    let sql = "SELECT seq, at, body FROM events WHERE run = ?1 ORDER BY seq";
    db.prepare_cached(sql)?.query_map([run.0.as_bytes()], read_entry)?.collect()
}

/// An entry of columns `seq, at, body`.
pub(crate) fn read_entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry { seq: count(row, 0)?, at: time(row, 1)?, event: from_json(row, 2)? })
}

fn to_json(value: &impl serde::Serialize) -> Result<String, StorageError> {
    serde_json::to_string(value).map_err(|cause| StorageError::other(cause.to_string()))
}

fn missing_start(run: RunId) -> JournalError {
    JournalError::Missing(format!("the start of {run}"))
}

pub(crate) fn missing_version(workflow: WorkflowId, version: u32) -> JournalError {
    JournalError::Missing(format!("version {version} of {workflow}"))
}

fn is_foreign_key(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_CONSTRAINT_FOREIGNKEY)
}
