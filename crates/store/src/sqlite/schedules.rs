//! How far the schedules of active workflows are: the engine's port, and what changes of workflows and starts of runs do
//! to it. When one fires is decided elsewhere.

use loopfour_engine::ports::JournalError;
use loopfour_engine::schedules::{Scheduled, Schedules};
use loopfour_engine::{CompanyId, Timestamp, TriggerKind, WorkflowId};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::Store;
use crate::error::StorageError;
use crate::sqlite::workflows::{WorkflowRow, WorkflowStatus};
use crate::sqlite::{journal, time, uuid};

impl Schedules for Store {
    async fn scheduled(&self) -> Result<Vec<Scheduled>, JournalError> {
        let all = self.read(|db| {
            let sql = "SELECT s.workflow, s.company, s.version, w.version, s.anchor, s.after FROM schedules s
                       JOIN workflows w ON w.id = s.workflow AND w.company = s.company ORDER BY s.workflow";
            db.prepare_cached(sql)?.query_map([], read_row)?.collect()
        });
        Ok(all.await?)
    }

    async fn changed(&self, seen: u64) -> u64 {
        crate::watch::more_than(&self.0.memory.scheduled, seen).await
    }

    async fn version_made_at(&self, workflow: WorkflowId, version: u32) -> Result<Timestamp, JournalError> {
        let made = self.read(move |db| {
            let sql = "SELECT created_at FROM workflow_versions WHERE workflow = ?1 AND version = ?2";
            let keys = params![workflow.0.as_bytes(), version];
            db.prepare_cached(sql)?.query_row(keys, |row| time(row, 0)).optional()
        });
        made.await?.ok_or_else(|| journal::missing_version(workflow, version))
    }

    async fn move_on(&self, from: Scheduled, to: Scheduled) -> Result<(), JournalError> {
        let move_on = move |db: &Connection| {
            let sql = "UPDATE schedules SET version = ?6, anchor = ?7, after = ?8
                       WHERE workflow = ?1 AND company = ?2 AND version = ?3 AND anchor = ?4 AND after = ?5";
            db.prepare_cached(sql)?.execute(params![
                from.workflow.0.as_bytes(),
                from.company.0.as_bytes(),
                from.version,
                from.anchor.0,
                from.after.0,
                to.version,
                to.anchor.0,
                to.after.0,
            ])?;
            Ok(Ok::<_, StorageError>(()))
        };
        Ok(self.write(move_on, |_, ()| {}).await?)
    }

    async fn is_under_way(&self, workflow: WorkflowId) -> Result<bool, JournalError> {
        let found = self.read(move |db| {
            let sql = "SELECT 1 FROM runs WHERE workflow = ?1 AND status IN ('pending', 'running', 'waiting')
                       AND trigger = 'schedule'";
            db.prepare_cached(sql)?.exists([workflow.0.as_bytes()])
        });
        Ok(found.await?)
    }
}

impl Store {
    /// How far the schedule of a company's workflow is; none where it has none or is not active.
    ///
    /// # Errors
    /// The database failed.
    pub async fn schedule_of(
        &self,
        company: CompanyId,
        workflow: WorkflowId,
    ) -> Result<Option<Scheduled>, StorageError> {
        self.read(move |db| {
            let sql = "SELECT s.workflow, s.company, s.version, w.version, s.anchor, s.after FROM schedules s
                       JOIN workflows w ON w.id = s.workflow AND w.company = s.company
                       WHERE s.workflow = ?1 AND s.company = ?2";
            let keys = [workflow.0.as_bytes(), company.0.as_bytes()];
            db.prepare_cached(sql)?.query_row(keys, read_row).optional()
        })
        .await
    }
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Scheduled> {
    Ok(Scheduled {
        workflow: WorkflowId(uuid(row, 0)?),
        company: CompanyId(uuid(row, 1)?),
        version: row.get(2)?,
        current: row.get(3)?,
        anchor: time(row, 4)?,
        after: time(row, 5)?,
    })
}

/// Brings the row of a workflow's schedule to what its head says, and says whether there is one, or was.
pub(crate) fn follow(db: &Connection, head: &WorkflowRow, now: Timestamp) -> rusqlite::Result<bool> {
    let keys = [head.id.0.as_bytes(), head.company.0.as_bytes()];
    let fires = head.status == WorkflowStatus::Active && head.trigger == Some(TriggerKind::Schedule);
    if !fires {
        let sql = "DELETE FROM schedules WHERE workflow = ?1 AND company = ?2";
        return Ok(db.prepare_cached(sql)?.execute(keys)? > 0);
    }
    // One that is there goes on: what the version before owes is not lost.
    let sql = "INSERT INTO schedules (workflow, company, version, anchor, after) VALUES (?1, ?2, ?3, ?4, ?4)
               ON CONFLICT (workflow) DO NOTHING";
    db.prepare_cached(sql)?.execute(params![keys[0], keys[1], head.version, now.0])?;
    Ok(true)
}

/// A backup is restored: what fired since it was made is not known, so nothing up to now fires any more.
pub(crate) fn restored(db: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let sql = "UPDATE schedules SET after = ?1, version = w.version,
                   anchor = iif(schedules.version = w.version, schedules.anchor, ?1)
               FROM workflows w WHERE w.id = schedules.workflow AND w.company = schedules.company";
    db.execute(sql, [now.0])?;
    Ok(())
}

/// The run for a firing has begun.
pub(crate) fn fired(
    db: &Connection,
    company: CompanyId,
    workflow: WorkflowId,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "UPDATE schedules SET after = max(after, ?3) WHERE workflow = ?1 AND company = ?2";
    db.prepare_cached(sql)?.execute(params![workflow.0.as_bytes(), company.0.as_bytes(), at.0])?;
    Ok(())
}
