//! Workflows: a head that changes, and versions that never do. Whether a text can work is not known here.

use loopfour_engine::event::Actor;
use loopfour_engine::{CompanyId, Timestamp, TriggerKind, WorkflowId};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::error::StorageError;
use crate::page::{Cursor, Page, Span};
use crate::sqlite::audit::{self, Deed};
use crate::sqlite::runs::{find_trigger, trigger_name};
use crate::sqlite::{named, optional, schedules, time, uuid};
use crate::{Memory, Store};

/// How a workflow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkflowStatus {
    /// Not run yet.
    Draft,
    /// Takes runs.
    Active,
    /// Takes no runs for now.
    Paused,
    /// Deleted; kept for its runs.
    Archived,
}

impl WorkflowStatus {
    /// Every status.
    pub const ALL: [WorkflowStatus; 4] =
        [WorkflowStatus::Draft, WorkflowStatus::Active, WorkflowStatus::Paused, WorkflowStatus::Archived];

    /// Those that lists show unasked, that may be edited and archived: all but archived.
    pub const LIVING: [WorkflowStatus; 3] =
        [WorkflowStatus::Draft, WorkflowStatus::Active, WorkflowStatus::Paused];

    /// The name that the API uses.
    pub fn name(self) -> &'static str {
        match self {
            WorkflowStatus::Draft => "draft",
            WorkflowStatus::Active => "active",
            WorkflowStatus::Paused => "paused",
            WorkflowStatus::Archived => "archived",
        }
    }

    fn find(name: &str) -> Option<WorkflowStatus> {
        WorkflowStatus::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// The head of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowRow {
    /// Its id.
    pub id: WorkflowId,
    /// Whose it is.
    pub company: CompanyId,
    /// How it stands.
    pub status: WorkflowStatus,
    /// Its current version, from 1.
    pub version: u32,
    /// Its name in that version.
    pub name: String,
    /// What starts that version; none where its text does not say.
    pub trigger: Option<TriggerKind>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its text or status last changed.
    pub updated_at: Timestamp,
}

impl WorkflowRow {
    /// Where it stands in lists.
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: self.id.0 }
    }
}

/// A version of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    /// Its number, from 1.
    pub version: u32,
    /// The text as it was sent.
    pub source: String,
    /// What its author says about the change.
    pub change_summary: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A version in a list, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionHead {
    /// Its number, from 1.
    pub version: u32,
    /// What its author says about the change.
    pub change_summary: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl VersionHead {
    /// Where it stands in lists. The number alone decides; it stands where other lists have an id.
    pub fn cursor(&self) -> Cursor {
        Cursor { created_at: self.created_at, id: Uuid::from_u128(u128::from(self.version)) }
    }
}

/// A new version of a workflow.
#[derive(Clone, Debug)]
pub struct Edit {
    /// The name that the text gives.
    pub name: String,
    /// The text as it was sent.
    pub source: String,
    /// What its author says about the change.
    pub change_summary: Option<String>,
    /// The version that it was made from; `None`: whichever there is.
    pub expected_version: Option<u32>,
    /// How the workflow may stand.
    pub from: Vec<WorkflowStatus>,
    /// The earlier version whose text this is again, where it is one.
    pub rolled_back_to: Option<u32>,
}

/// A change of a workflow's status.
#[derive(Clone, Debug)]
pub struct StatusChange {
    /// How the workflow may stand.
    pub from: Vec<WorkflowStatus>,
    /// How it stands then.
    pub to: WorkflowStatus,
    /// The version that was looked at before deciding; `None`: it does not matter.
    pub expected_version: Option<u32>,
}

/// Which workflows a list shows.
#[derive(Clone, Debug, Default)]
pub struct WorkflowFilter {
    /// Those that stand so; `None`: all but archived ones.
    pub status: Option<WorkflowStatus>,
    /// Those whose name has this in it, in whatever case.
    pub search: Option<String>,
}

/// Why a workflow was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkflowError {
    /// The company has none of that id.
    #[error("{0} does not exist")]
    Missing(WorkflowId),
    /// It was edited meanwhile.
    #[error("{workflow} is at version {current}")]
    VersionConflict {
        /// The workflow.
        workflow: WorkflowId,
        /// The version that it has.
        current: u32,
    },
    /// Its status does not allow that.
    #[error("{workflow} is {}", status.name())]
    InvalidState {
        /// The workflow.
        workflow: WorkflowId,
        /// How it stands.
        status: WorkflowStatus,
    },
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Store {
    /// Makes a workflow: a draft at version 1.
    ///
    /// # Errors
    /// The database failed, also when there is no such company.
    pub async fn create_workflow(
        &self,
        company: CompanyId,
        name: &str,
        source: &str,
        by: &Actor,
        now: Timestamp,
    ) -> Result<WorkflowRow, StorageError> {
        let row = WorkflowRow {
            id: WorkflowId(Uuid::now_v7()),
            company,
            status: WorkflowStatus::Draft,
            version: 1,
            name: name.to_owned(),
            trigger: trigger(source),
            created_at: now,
            updated_at: now,
        };
        let (source, by) = (source.to_owned(), by.clone());
        let create = move |db: &Connection| {
            insert_head(db, &row)?;
            insert_version(db, &row, &source, None)?;
            let deed = Deed::new("workflow.create", "workflow", row.id);
            audit::note(db, company, &by, &deed.after(json!({ "name": row.name, "version": 1 })), now)?;
            Ok(Ok(row.clone()))
        };
        self.write(create, |memory, row: &WorkflowRow| memory.workflows.changed(row.id, row.clone())).await
    }

    /// A workflow's head; from memory, once it was asked for.
    ///
    /// # Errors
    /// The database failed.
    pub async fn workflow(
        &self,
        company: CompanyId,
        id: WorkflowId,
    ) -> Result<Option<WorkflowRow>, StorageError> {
        let mark = match self.0.memory.workflows.get(&id) {
            Ok(row) => return Ok(Some(row).filter(|row| row.company == company)),
            Err(mark) => mark,
        };
        let found = self.read(move |db| head(db, company, id)).await?;
        if let Some(row) = &found {
            self.0.memory.workflows.fill(mark, id, row.clone());
        }
        Ok(found)
    }

    /// Makes a new version of a workflow and makes it the current one.
    ///
    /// # Errors
    /// There is no such workflow, it is at another version than expected or stands otherwise than allowed, or the
    /// database failed.
    pub async fn update_workflow(
        &self,
        company: CompanyId,
        id: WorkflowId,
        edit: Edit,
        by: &Actor,
        now: Timestamp,
    ) -> Result<WorkflowRow, WorkflowError> {
        let (by, trigger) = (by.clone(), trigger(&edit.source));
        let update = move |db: &Connection| {
            let old = match expect(db, (company, id), edit.expected_version, &edit.from)? {
                Ok(old) => old,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let (version, name) = (old.version + 1, edit.name.clone());
            let row = WorkflowRow { version, name, trigger, updated_at: now, ..old };
            insert_version(db, &row, &edit.source, edit.change_summary.as_deref())?;
            audit::note(db, company, &by, &edited(&old, &row, &edit), now)?;
            Changed::store(db, row, now).map(Ok)
        };
        self.write(update, Changed::tell).await.map(|changed| changed.row)
    }

    /// Changes a workflow's status.
    ///
    /// # Errors
    /// There is no such workflow, it is at another version than expected or stands otherwise than allowed, or the
    /// database failed.
    pub async fn set_status(
        &self,
        company: CompanyId,
        id: WorkflowId,
        change: StatusChange,
        by: &Actor,
        now: Timestamp,
    ) -> Result<WorkflowRow, WorkflowError> {
        let by = by.clone();
        let set = move |db: &Connection| {
            let old = match expect(db, (company, id), change.expected_version, &change.from)? {
                Ok(old) => old,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let row = WorkflowRow { status: change.to, updated_at: now, ..old.clone() };
            audit::note(db, company, &by, &changed(&old, change.to), now)?;
            Changed::store(db, row, now).map(Ok)
        };
        self.write(set, Changed::tell).await.map(|changed| changed.row)
    }

    /// A version of a workflow.
    ///
    /// # Errors
    /// The database failed.
    pub async fn workflow_version(
        &self,
        company: CompanyId,
        id: WorkflowId,
        version: u32,
    ) -> Result<Option<VersionRow>, StorageError> {
        self.read(move |db| {
            let sql = "SELECT version, source, change_summary, created_at FROM workflow_versions
                       WHERE workflow = ?1 AND version = ?2 AND company = ?3";
            let mut statement = db.prepare_cached(sql)?;
            let keys = params![id.0.as_bytes(), version, company.0.as_bytes()];
            let read = |row: &Row<'_>| {
                Ok(VersionRow {
                    version: row.get(0)?,
                    source: row.get(1)?,
                    change_summary: row.get(2)?,
                    created_at: time(row, 3)?,
                })
            };
            statement.query_row(keys, read).optional()
        })
        .await
    }

    /// A part of the list of a workflow's versions, by number.
    ///
    /// # Errors
    /// The database failed.
    pub async fn workflow_versions(
        &self,
        company: CompanyId,
        id: WorkflowId,
        span: Span,
    ) -> Result<Page<VersionHead>, StorageError> {
        self.read(move |db| {
            let (after, comparison, direction) = span.sql();
            let mut statement = db.prepare_cached(&format!(
                "SELECT version, change_summary, created_at FROM workflow_versions
                 WHERE workflow = ?1 AND company = ?2 AND version {comparison} ?3
                 ORDER BY version {direction} LIMIT ?4"
            ))?;
            let version = u32::try_from(after.id.as_u128()).unwrap_or(u32::MAX);
            let keys = params![id.0.as_bytes(), company.0.as_bytes(), version, span.wanted()];
            let read = |row: &Row<'_>| {
                Ok(VersionHead {
                    version: row.get(0)?,
                    change_summary: row.get(1)?,
                    created_at: time(row, 2)?,
                })
            };
            let rows = statement.query_map(keys, read)?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(span.ordered(rows, VersionHead::cursor))
        })
        .await
    }

    /// A part of the list of workflows.
    ///
    /// # Errors
    /// The database failed.
    pub async fn workflows(
        &self,
        company: CompanyId,
        filter: WorkflowFilter,
        span: Span,
    ) -> Result<Page<WorkflowRow>, StorageError> {
        self.read(move |db| {
            let (after, comparison, direction) = span.sql();
            let mut statement = db.prepare_cached(&format!(
                "SELECT {HEAD} FROM workflows WHERE company = ?1 AND status = ?2 AND instr(search, ?3) > 0
                 AND (created_at, id) {comparison} (?4, ?5) ORDER BY created_at {direction}, id {direction} LIMIT ?6"
            ))?;
            let search = filter.search.unwrap_or_default().to_lowercase();
            let statuses = filter.status.as_ref().map_or(&WorkflowStatus::LIVING[..], std::slice::from_ref);
            let mut rows = Vec::new();
            for status in statuses {
                let keys = params![
                    company.0.as_bytes(),
                    status.name(),
                    search,
                    after.created_at.0,
                    after.id.as_bytes(),
                    span.wanted(),
                ];
                for row in statement.query_map(keys, read_head)? {
                    rows.push(row?);
                }
            }
            Ok(span.page(rows, WorkflowRow::cursor))
        })
        .await
    }
}

/// A head that was changed.
struct Changed {
    row: WorkflowRow,
    /// Whether it has a schedule, or had one.
    is_scheduled: bool,
}

impl Changed {
    /// Stores the new state of a head, and what hangs on it.
    fn store(db: &Connection, row: WorkflowRow, now: Timestamp) -> rusqlite::Result<Changed> {
        update_head(db, &row)?;
        let is_scheduled = schedules::follow(db, &row, now)?;
        Ok(Changed { row, is_scheduled })
    }

    /// Tells those who know heads by heart; only after the commit.
    fn tell(memory: &Memory, changed: &Changed) {
        memory.workflows.changed(changed.row.id, changed.row.clone());
        memory.active.changed(&changed.row);
        if changed.is_scheduled {
            memory.scheduled.send_modify(|times| *times += 1);
        }
    }
}

/// What starts a workflow, by its text.
fn trigger(source: &str) -> Option<TriggerKind> {
    #[derive(Deserialize)]
    struct Text {
        trigger: Trigger,
    }
    #[derive(Deserialize)]
    struct Trigger {
        #[serde(rename = "type")]
        kind: TriggerKind,
    }
    serde_json::from_str::<Text>(source).ok().map(|text| text.trigger.kind)
}

/// The active workflows of every company.
pub(crate) fn active(db: &Connection) -> rusqlite::Result<Vec<WorkflowRow>> {
    let sql = format!(
        "SELECT {HEAD} FROM workflows WHERE company IN (SELECT id FROM companies) AND status = 'active'"
    );
    db.prepare(&sql)?.query_map([], read_head)?.collect()
}

const HEAD: &str = "id, company, status, version, name, created_at, updated_at, trigger";

fn head(db: &Connection, company: CompanyId, id: WorkflowId) -> rusqlite::Result<Option<WorkflowRow>> {
    let sql = format!("SELECT {HEAD} FROM workflows WHERE id = ?1 AND company = ?2");
    let mut statement = db.prepare_cached(&sql)?;
    statement.query_row(params![id.0.as_bytes(), company.0.as_bytes()], read_head).optional()
}

/// The head that is to be changed, if it is as expected.
fn expect(
    db: &Connection,
    (company, id): (CompanyId, WorkflowId),
    version: Option<u32>,
    from: &[WorkflowStatus],
) -> rusqlite::Result<Result<WorkflowRow, WorkflowError>> {
    Ok(match head(db, company, id)? {
        None => Err(WorkflowError::Missing(id)),
        // Before the version: what is archived has no use for a newer one.
        Some(row) if !from.contains(&row.status) => {
            Err(WorkflowError::InvalidState { workflow: id, status: row.status })
        }
        Some(row) if version.is_some_and(|version| version != row.version) => {
            Err(WorkflowError::VersionConflict { workflow: id, current: row.version })
        }
        Some(row) => Ok(row),
    })
}

/// What the audit log says of an edit.
fn edited(old: &WorkflowRow, new: &WorkflowRow, edit: &Edit) -> Deed {
    let mut after = json!({ "name": new.name, "version": new.version });
    if let Some(summary) = &edit.change_summary {
        after["changeSummary"] = json!(summary);
    }
    if let Some(version) = edit.rolled_back_to {
        after["rolledBackTo"] = json!(version);
    }
    let action = if edit.rolled_back_to.is_some() { "workflow.rollback" } else { "workflow.update" };
    let deed = Deed::new(action, "workflow", new.id);
    deed.before(json!({ "name": old.name, "version": old.version })).after(after)
}

/// What the audit log says of a change of status.
fn changed(old: &WorkflowRow, to: WorkflowStatus) -> Deed {
    let action = match (old.status, to) {
        (WorkflowStatus::Paused, WorkflowStatus::Active) => "workflow.resume",
        (_, WorkflowStatus::Active) => "workflow.activate",
        (_, WorkflowStatus::Paused) => "workflow.pause",
        (_, WorkflowStatus::Archived) => "workflow.archive",
        (_, WorkflowStatus::Draft) => "workflow.update",
    };
    let deed = Deed::new(action, "workflow", old.id);
    deed.before(json!({ "status": old.status.name() })).after(json!({ "status": to.name() }))
}

fn insert_head(db: &Connection, row: &WorkflowRow) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO workflows (id, company, status, version, name, search, created_at, updated_at, trigger)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    db.prepare_cached(sql)?.execute(params![
        row.id.0.as_bytes(),
        row.company.0.as_bytes(),
        row.status.name(),
        row.version,
        row.name,
        row.name.to_lowercase(),
        row.created_at.0,
        row.updated_at.0,
        row.trigger.map(trigger_name),
    ])?;
    Ok(())
}

fn update_head(db: &Connection, row: &WorkflowRow) -> rusqlite::Result<()> {
    let sql = "UPDATE workflows SET status = ?2, version = ?3, name = ?4, search = ?5, updated_at = ?6, trigger = ?8
               WHERE id = ?1 AND company = ?7";
    db.prepare_cached(sql)?.execute(params![
        row.id.0.as_bytes(),
        row.status.name(),
        row.version,
        row.name,
        row.name.to_lowercase(),
        row.updated_at.0,
        row.company.0.as_bytes(),
        row.trigger.map(trigger_name),
    ])?;
    Ok(())
}

/// The version that the head says is current.
fn insert_version(
    db: &Connection,
    head: &WorkflowRow,
    source: &str,
    summary: Option<&str>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO workflow_versions (workflow, version, company, source, change_summary, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    db.prepare_cached(sql)?.execute(params![
        head.id.0.as_bytes(),
        head.version,
        head.company.0.as_bytes(),
        source,
        summary,
        head.updated_at.0,
    ])?;
    Ok(())
}

fn read_head(row: &Row<'_>) -> rusqlite::Result<WorkflowRow> {
    Ok(WorkflowRow {
        id: WorkflowId(uuid(row, 0)?),
        company: CompanyId(uuid(row, 1)?),
        status: named(row, 2, WorkflowStatus::find)?,
        version: row.get(3)?,
        name: row.get(4)?,
        created_at: time(row, 5)?,
        updated_at: time(row, 6)?,
        // One that is not known starts nothing.
        trigger: optional(row, 7, |name| Some(find_trigger(name)))?.flatten(),
    })
}
