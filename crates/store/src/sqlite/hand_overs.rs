//! Hand-overs: which workflow is to get a run for which cause. Each change of them brings the event's status along, in the
//! same commit. When one is tried, and how often, is decided elsewhere.

use loopfour_engine::provider_events::HandOver;
use loopfour_engine::{Cause, CompanyId, EventId, RunId, Timestamp, WorkflowId};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::sqlite::{named, uuid};

/// Puts one in, the last in order; one that is there begins anew.
pub(crate) fn put_in(
    db: &Connection,
    company: CompanyId,
    cause: &str,
    workflow: WorkflowId,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO hand_overs (company, cause, workflow, attempts, next_at) VALUES (?1, ?2, ?3, 0, ?4)
               ON CONFLICT (company, cause, workflow) DO UPDATE SET attempts = 0, next_at = excluded.next_at";
    db.prepare_cached(sql)?.execute(params![company.0.as_bytes(), cause, workflow.0.as_bytes(), at.0])?;
    Ok(())
}

/// Puts one in for every active workflow that waits for failures, and says whether there is any. The failure of a run of
/// such a workflow, as it was when the run started, starts none.
pub(crate) fn put_in_failure(
    db: &Connection,
    company: CompanyId,
    run: RunId,
    length: u64,
    at: Timestamp,
) -> rusqlite::Result<bool> {
    let sql = "INSERT INTO hand_overs (company, cause, workflow, attempts, next_at)
               SELECT w.company, ?2, w.id, 0, ?3 FROM workflows w
               WHERE w.company = ?1 AND w.status = 'active' AND w.trigger = 'failure' AND NOT EXISTS (
                   SELECT 1 FROM runs r JOIN workflow_versions v
                       ON v.workflow = r.workflow AND v.version = r.version AND v.company = r.company
                   WHERE r.id = ?4 AND r.company = ?1 AND json_valid(v.source)
                     AND v.source ->> '$.trigger.type' = 'failure')
               ORDER BY w.id ON CONFLICT (company, cause, workflow) DO NOTHING";
    let cause = Cause::Failure { run, length }.to_string();
    let values = params![company.0.as_bytes(), cause, at.0, run.0.as_bytes()];
    Ok(db.prepare_cached(sql)?.execute(values)? > 0)
}

/// The run for a cause has begun: its hand-over, if there is one, is through.
pub(crate) fn begun(
    db: &Connection,
    company: CompanyId,
    workflow: WorkflowId,
    cause: Cause,
    text: &str,
) -> rusqlite::Result<()> {
    let Some(attempts) = remove(db, company, text, workflow)? else { return Ok(()) };
    match cause {
        Cause::Event { event, .. } => settle(db, company, event, attempts + 1),
        Cause::Firing { .. } | Cause::Failure { .. } => Ok(()),
    }
}

/// Removes one and gives the number of its tries.
pub(crate) fn remove(
    db: &Connection,
    company: CompanyId,
    cause: &str,
    workflow: WorkflowId,
) -> rusqlite::Result<Option<u32>> {
    let sql = "DELETE FROM hand_overs WHERE company = ?1 AND cause = ?2 AND workflow = ?3 RETURNING attempts";
    let keys = params![company.0.as_bytes(), cause, workflow.0.as_bytes()];
    db.prepare_cached(sql)?.query_row(keys, |row| row.get(0)).optional()
}

/// So many tries were in vain: the next one is then. `false` if there is no such hand-over any more.
pub(crate) fn put_off(db: &Connection, hand_over: &HandOver, next: Timestamp) -> rusqlite::Result<bool> {
    let sql = "UPDATE hand_overs SET attempts = ?4, next_at = ?5
               WHERE company = ?1 AND cause = ?2 AND workflow = ?3";
    let values = params![
        hand_over.company.0.as_bytes(),
        hand_over.cause.to_string(),
        hand_over.workflow.0.as_bytes(),
        hand_over.attempts,
        next.0,
    ];
    Ok(db.prepare_cached(sql)?.execute(values)? > 0)
}

/// Takes down that a workflow did not get an event.
pub(crate) fn put_dead(
    db: &Connection,
    company: CompanyId,
    event: EventId,
    workflow: WorkflowId,
    reason: &str,
) -> rusqlite::Result<()> {
    // Of an event that is gone nothing is kept.
    let sql = "INSERT INTO dead_hand_overs (event, workflow, company, reason)
               SELECT id, ?2, company, ?4 FROM provider_events WHERE id = ?1 AND company = ?3
               ON CONFLICT (event, workflow) DO UPDATE SET reason = excluded.reason";
    let values = params![event.0.as_bytes(), workflow.0.as_bytes(), company.0.as_bytes(), reason];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Forgets that a workflow did not get an event.
pub(crate) fn revive(
    db: &Connection,
    company: CompanyId,
    event: EventId,
    workflow: WorkflowId,
) -> rusqlite::Result<()> {
    let sql = "DELETE FROM dead_hand_overs WHERE event = ?1 AND workflow = ?2 AND company = ?3";
    let keys = params![event.0.as_bytes(), workflow.0.as_bytes(), company.0.as_bytes()];
    db.prepare_cached(sql)?.execute(keys)?;
    Ok(())
}

/// Brings an event's status to what its hand-overs and runs say. It was tried so often at least.
pub(crate) fn settle(
    db: &Connection,
    company: CompanyId,
    event: EventId,
    attempts: u32,
) -> rusqlite::Result<()> {
    let sql = "UPDATE provider_events SET attempts = max(attempts, ?5), status = CASE
                   WHEN EXISTS (SELECT 1 FROM dead_hand_overs WHERE event = ?1 AND company = ?2) THEN 'dead'
                   WHEN EXISTS (SELECT 1 FROM hand_overs WHERE company = ?2 AND cause >= ?3 AND cause < ?4)
                   THEN 'stored'
                   WHEN EXISTS (SELECT 1 FROM runs WHERE company = ?2 AND cause >= ?3 AND cause < ?4)
                   THEN 'dispatched' ELSE 'stored' END
               WHERE id = ?1 AND company = ?2";
    let (first, end) = causes(event);
    let values = params![event.0.as_bytes(), company.0.as_bytes(), first, end, attempts];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Between which texts the causes are that name an event: from the first on, before the second.
pub(crate) fn causes(event: EventId) -> (String, String) {
    // `!` follows the space.
    (event.to_string(), format!("{event}!"))
}

/// Those whose time has come, in order.
pub(crate) fn due(db: &Connection, now: Timestamp, most: usize) -> rusqlite::Result<Vec<HandOver>> {
    // By place and not by time: what is tried again later is little beside what is due.
    let sql = "SELECT company, workflow, cause, attempts FROM hand_overs WHERE next_at <= ?1
               ORDER BY place LIMIT ?2";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    db.prepare_cached(sql)?.query_map(params![now.0, most], read_row)?.collect()
}

/// When the next one is due.
pub(crate) fn next_due(db: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT min(next_at) FROM hand_overs";
    db.prepare_cached(sql)?.query_row([], |row| crate::sqlite::optional_time(row, 0))
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<HandOver> {
    Ok(HandOver {
        company: CompanyId(uuid(row, 0)?),
        workflow: WorkflowId(uuid(row, 1)?),
        cause: named(row, 2, |text| text.parse().ok())?,
        attempts: row.get(3)?,
    })
}
