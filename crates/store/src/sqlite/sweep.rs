//! Removes events that came in long ago: first their bodies, later what is known of them. Nothing else ever removes any.

use loopfour_engine::{CompanyId, EventId, Timestamp};
use rusqlite::{Connection, Row, params};

use crate::Store;
use crate::error::StorageError;
use crate::sqlite::uuid;

/// So many bodies and so many events go with one commit at most, so that nobody waits long for theirs.
const PART: usize = 500;

/// So long an event is known at least, in milliseconds: 35 days. A provider may send it again as long as that.
const KNOWN: i64 = 35 * 24 * 60 * 60 * 1000;

impl Store {
    /// Removes some of what is old: bodies older than `keep_ms` milliseconds, and events older than that and 35 days; never
    /// of those that are still to be handed over. Says whether there is more.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sweep_events(&self, now: Timestamp, keep_ms: i64) -> Result<bool, StorageError> {
        let before = |age: i64| Timestamp(now.0.saturating_sub(age));
        let (bodies, events) = (before(keep_ms), before(keep_ms.max(KNOWN)));
        self.write(move |db| sweep(db, bodies, events).map(Ok), |_, _| {}).await
    }
}

/// Of an event that is still to be handed over.
const IS_WANTED: &str = "EXISTS (SELECT 1 FROM hand_overs h WHERE h.company = e.company AND h.cause >= e.cause \
                         AND h.cause < e.cause || '!')";

fn sweep(db: &Connection, bodies: Timestamp, events: Timestamp) -> rusqlite::Result<bool> {
    let mut companies = db.prepare_cached("SELECT id FROM companies")?;
    let companies = companies.query_map([], |row| uuid(row, 0).map(CompanyId))?;
    let (mut without_body, mut gone) = (PART, PART);
    for company in companies {
        let company = company?;
        let old = old_bodies(db, company, bodies, without_body)?;
        old.iter().try_for_each(|event| remove_body(db, company, *event))?;
        without_body -= old.len();
        for status in ["stored", "dispatched", "unrouted", "dead"] {
            let old = old_events(db, (company, status), events, gone)?;
            old.iter().try_for_each(|event| remove(db, company, *event))?;
            gone -= old.len();
        }
    }
    Ok(without_body == 0 || gone == 0)
}

fn old_bodies(
    db: &Connection,
    company: CompanyId,
    before: Timestamp,
    most: usize,
) -> rusqlite::Result<Vec<EventId>> {
    let sql = format!(
        "SELECT b.event FROM provider_event_bodies b JOIN provider_events e ON e.id = b.event AND e.company = b.company
         WHERE b.company = ?1 AND b.created_at < ?2 AND NOT {IS_WANTED} ORDER BY b.created_at LIMIT ?3"
    );
    let keys = params![company.0.as_bytes(), before.0, i64::try_from(most).unwrap_or(i64::MAX)];
    db.prepare_cached(&sql)?.query_map(keys, read_id)?.collect()
}

fn old_events(
    db: &Connection,
    (company, status): (CompanyId, &str),
    before: Timestamp,
    most: usize,
) -> rusqlite::Result<Vec<EventId>> {
    let sql = format!(
        "SELECT e.id FROM provider_events e WHERE e.company = ?1 AND e.status = ?2 AND e.created_at < ?3
         AND NOT {IS_WANTED} ORDER BY e.created_at LIMIT ?4"
    );
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let keys = params![company.0.as_bytes(), status, before.0, most];
    db.prepare_cached(&sql)?.query_map(keys, read_id)?.collect()
}

fn read_id(row: &Row<'_>) -> rusqlite::Result<EventId> {
    uuid(row, 0).map(EventId)
}

fn remove_body(db: &Connection, company: CompanyId, event: EventId) -> rusqlite::Result<()> {
    let sql = "DELETE FROM provider_event_bodies WHERE event = ?1 AND company = ?2";
    db.prepare_cached(sql)?.execute([event.0.as_bytes(), company.0.as_bytes()])?;
    Ok(())
}

fn remove(db: &Connection, company: CompanyId, event: EventId) -> rusqlite::Result<()> {
    remove_body(db, company, event)?;
    for sql in [
        "DELETE FROM dead_hand_overs WHERE event = ?1 AND company = ?2",
        "DELETE FROM provider_events WHERE id = ?1 AND company = ?2",
    ] {
        db.prepare_cached(sql)?.execute([event.0.as_bytes(), company.0.as_bytes()])?;
    }
    Ok(())
}
