//! Messages on their way to notices: put in by whoever changes something, in the same commit, and taken out by the
//! engine's port. When one is tried again is decided elsewhere.

use loopfour_engine::event::Actor;
use loopfour_engine::notices::{Notice, NoticeKind, Outbox, Telling};
use loopfour_engine::ports::JournalError;
use loopfour_engine::{CompanyId, MessageId, NoticeId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::Value;
use uuid::Uuid;

use crate::error::StorageError;
use crate::listening::Listening;
use crate::secrets::read;
use crate::sqlite::audit::{self, Deed};
use crate::sqlite::runs::count;
use crate::sqlite::{json as from_json, notices, optional_time, uuid};
use crate::{Memory, Store};

/// So many messages to one notice are on their way at most. Who is away for long while much happens misses the rest, and
/// the database does not grow without end.
const MOST_WAITING: u64 = 10_000;

impl Outbox for Store {
    async fn due(&self, now: Timestamp, each: usize) -> Result<Vec<Telling>, JournalError> {
        let rows = self.read(move |db| due(db, now, each)).await?;
        let vault = read(&self.0.vault);
        let telling = |(mut telling, sealed): (Telling, Vec<u8>)| {
            telling.secret = notices::unsealed(&vault, telling.company, telling.notice, &sealed);
            telling
        };
        Ok(rows.into_iter().map(telling).collect())
    }

    async fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, JournalError> {
        let next = self.read(move |db| {
            let sql = "SELECT min(next_at) FROM outbox WHERE next_at > ?1";
            db.prepare_cached(sql)?.query_row([after.0], |row| optional_time(row, 0))
        });
        Ok(next.await?)
    }

    async fn put_in(&self, seen: u64) -> u64 {
        self.0.memory.listening.put_in(seen).await
    }

    async fn delivered(&self, telling: &Telling, now: Timestamp) -> Result<(), JournalError> {
        let (message, notice, company) = keys(telling);
        let delivered = move |db: &Connection| {
            if remove(db, company, message)? {
                let sql = "UPDATE notices SET waiting = waiting - 1, failing_since = NULL, last_error = NULL,
                               last_delivered_at = ?3 WHERE id = ?1 AND company = ?2";
                let values = params![notice.0.as_bytes(), company.0.as_bytes(), now.0];
                db.prepare_cached(sql)?.execute(values)?;
            }
            Ok(Ok::<(), StorageError>(()))
        };
        Ok(self.write(delivered, |_, ()| {}).await?)
    }

    async fn failed(
        &self,
        telling: &Telling,
        reason: &str,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, JournalError> {
        let ((message, notice, company), reason) = (keys(telling), reason.to_owned());
        let failed = move |db: &Connection| {
            let is_there = match next {
                Some(next) => {
                    let sql = "UPDATE outbox SET attempts = attempts + 1, next_at = ?3 WHERE id = ?1 AND company = ?2";
                    let values = params![message.0.as_bytes(), company.0.as_bytes(), next.0];
                    db.prepare_cached(sql)?.execute(values)? > 0
                }
                None => remove(db, company, message)?,
            };
            if !is_there {
                return Ok(Ok::<_, StorageError>(None));
            }
            let sql = "UPDATE notices SET failing_since = coalesce(failing_since, ?3), last_error = ?4,
                           failures = failures + ?5, waiting = waiting - ?5 WHERE id = ?1 AND company = ?2
                       RETURNING failing_since";
            let given_up = i64::from(next.is_none());
            let values = params![notice.0.as_bytes(), company.0.as_bytes(), now.0, reason, given_up];
            let since = db.prepare_cached(sql)?.query_row(values, |row| optional_time(row, 0)).optional()?;
            Ok(Ok(since.flatten()))
        };
        Ok(self.write(failed, |_, _| {}).await?)
    }

    async fn disable(&self, telling: &Telling, reason: &str, now: Timestamp) -> Result<(), JournalError> {
        let ((_, notice, company), reason) = (keys(telling), reason.to_owned());
        let disable = move |db: &Connection| {
            disable(db, company, notice, &reason, now)?;
            Ok(Ok::<_, StorageError>(notices::listens(db, company)?))
        };
        let committed = move |memory: &Memory, left: &bool| memory.listening.set(company, *left);
        self.write(disable, committed).await?;
        Ok(())
    }
}

/// Puts in a message for each notice of the company that asks for this, and says how many those are. What it says is
/// asked for only where somebody listens.
pub(crate) fn put_in(
    db: &Connection,
    listening: &Listening,
    company: CompanyId,
    kind: NoticeKind,
    at: Timestamp,
    data: impl FnOnce(&Connection) -> rusqlite::Result<Value>,
) -> rusqlite::Result<usize> {
    if !listening.has(company) {
        return Ok(0);
    }
    // What is in memory says only that it is worth looking: a notice may have gone in this very transaction.
    let sql =
        "SELECT id, events, waiting FROM notices WHERE company = ?1 AND disabled_at IS NULL ORDER BY id";
    let read =
        |row: &Row<'_>| Ok((NoticeId(uuid(row, 0)?), from_json::<Vec<String>>(row, 1)?, count(row, 2)?));
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([company.0.as_bytes()], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut asking =
        found.into_iter().filter(|(_, events, _)| events.iter().any(|one| kind.is_asked_for_by(one)));
    let Some(first) = asking.next() else { return Ok(0) };
    let body = kind.message(at, &data(db)?);
    let mut messages = 0;
    for (notice, _, waiting) in std::iter::once(first).chain(asking) {
        if waiting >= MOST_WAITING {
            let sql =
                "UPDATE notices SET failures = failures + 1, last_error = ?3 WHERE id = ?1 AND company = ?2";
            let reason = format!("{MOST_WAITING} messages wait already; newer ones are not kept");
            db.prepare_cached(sql)?.execute(params![notice.0.as_bytes(), company.0.as_bytes(), reason])?;
            continue;
        }
        let sql = "INSERT INTO outbox (id, company, notice, type, body, next_at, created_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)";
        let id = Uuid::now_v7();
        let (company, notice) = (company.0.as_bytes(), notice.0.as_bytes());
        db.prepare_cached(sql)?.execute(params![id.as_bytes(), company, notice, kind.name(), body, at.0])?;
        let sql = "UPDATE notices SET waiting = waiting + 1 WHERE id = ?1 AND company = ?2";
        db.prepare_cached(sql)?.execute(params![notice, company])?;
        messages += 1;
    }
    Ok(messages)
}

fn keys(telling: &Telling) -> (MessageId, NoticeId, CompanyId) {
    (telling.id, telling.notice, telling.company)
}

fn remove(db: &Connection, company: CompanyId, message: MessageId) -> rusqlite::Result<bool> {
    let sql = "DELETE FROM outbox WHERE id = ?1 AND company = ?2";
    let removed = db.prepare_cached(sql)?.execute(params![message.0.as_bytes(), company.0.as_bytes()])?;
    Ok(removed > 0)
}

fn disable(
    db: &Connection,
    company: CompanyId,
    id: NoticeId,
    reason: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let Some(before) = notices::find(db, company, id)?.filter(|notice| notice.disabled.is_none()) else {
        return Ok(());
    };
    notices::clear(db, company, id)?;
    let sql = "UPDATE notices SET disabled_at = ?3, disabled_reason = ?4, failures = failures + waiting, waiting = 0
               WHERE id = ?1 AND company = ?2";
    db.prepare_cached(sql)?.execute(params![id.0.as_bytes(), company.0.as_bytes(), now.0, reason])?;
    let disabled = Some(loopfour_engine::notices::Disabled { at: now, reason: reason.to_owned() });
    let after = Notice { disabled, ..before.clone() };
    let deed =
        Deed::new("notice.disable", "notice", id).before(notices::told(&before)).after(notices::told(&after));
    audit::note(db, company, &Actor::system("notices"), &deed, now)
}

/// Messages whose time has come, the first ones of each notice, without their secrets, which come sealed beside them.
fn due(db: &Connection, now: Timestamp, each: usize) -> rusqlite::Result<Vec<(Telling, Vec<u8>)>> {
    // From notice to notice over the index, whatever the number of messages between them.
    let mut next =
        db.prepare_cached("SELECT notice, company FROM outbox WHERE notice > ?1 ORDER BY notice LIMIT 1")?;
    let mut first = db.prepare_cached(
        "SELECT o.id, n.id, n.company, n.url, o.body, o.attempts, n.failing_since, n.secret FROM outbox o
         JOIN notices n ON n.id = o.notice AND n.company = o.company
         WHERE o.notice = ?1 AND o.company = ?2 AND o.next_at <= ?3 AND n.disabled_at IS NULL
         ORDER BY o.next_at, o.id LIMIT ?4",
    )?;
    let each = i64::try_from(each).unwrap_or(i64::MAX);
    let (mut found, mut before) = (Vec::new(), Vec::new());
    let read = |row: &Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?));
    while let Some((notice, company)) = next.query_row([&before], read).optional()? {
        for row in first.query_map(params![notice, company, now.0, each], read_due)? {
            found.push(row?);
        }
        before = notice;
    }
    Ok(found)
}

fn read_due(row: &Row<'_>) -> rusqlite::Result<(Telling, Vec<u8>)> {
    let telling = Telling {
        id: MessageId(uuid(row, 0)?),
        notice: NoticeId(uuid(row, 1)?),
        company: CompanyId(uuid(row, 2)?),
        url: row.get(3)?,
        secret: String::new().into(),
        body: row.get(4)?,
        attempts: row.get(5)?,
        is_failing: optional_time(row, 6)?.is_some(),
    };
    Ok((telling, row.get(7)?))
}
