//! How far the schedules of active workflows are. When one fires is decided elsewhere.

use loopfour_engine::{CompanyId, Timestamp, TriggerKind, WorkflowId};
use rusqlite::{Connection, params};

use crate::sqlite::workflows::{WorkflowRow, WorkflowStatus};

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
