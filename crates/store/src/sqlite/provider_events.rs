//! What comes in from providers: the engine's port for those who take it in and hand it over, and the lists of those who
//! show it. Who signed an event, and who is to get it, is decided elsewhere.

use std::sync::Arc;

use loopfour_engine::event::Actor;
use loopfour_engine::notices::NoticeKind;
use loopfour_engine::ports::JournalError;
use loopfour_engine::provider_events::{
    Active, Entrance, EventStatus, HandOver, Inbox, Kept, NewEvent, ProviderEvent,
};
use loopfour_engine::{Cause, CompanyId, ConnectionId, EventId, RunId, Timestamp, TriggerKind, WorkflowId};
use loopfour_lang::Document;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::StorageError;
use crate::page::{Cursor, Order, Page, Span};
use crate::sqlite::audit::{self, Deed};
use crate::sqlite::{hand_overs, json as from_json, named, outbox, time, uuid};
use crate::{Memory, Store};

/// Which events a list shows.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Those that stand so.
    pub status: Option<EventStatus>,
    /// Those of this type.
    pub kind: Option<String>,
    /// Those of this provider.
    pub provider: Option<String>,
    /// Those that belong to this connection.
    pub connection: Option<ConnectionId>,
    /// Those that this workflow got, or is to get.
    pub workflow: Option<WorkflowId>,
    /// Those that came in then or later.
    pub from: Option<Timestamp>,
    /// Those that came in before.
    pub to: Option<Timestamp>,
}

/// An event in a list, with the runs that it started, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEvent {
    /// The event.
    pub event: ProviderEvent,
    /// Its runs and their workflows.
    pub runs: Vec<(WorkflowId, RunId)>,
}

impl Inbox for Store {
    fn active(&self, company: CompanyId, trigger: TriggerKind) -> Vec<Active> {
        self.0.memory.active.with(company, trigger)
    }

    async fn has_workflow(&self, company: CompanyId, workflow: WorkflowId) -> Result<bool, JournalError> {
        Ok(self.workflow(company, workflow).await?.is_some())
    }

    async fn keep(&self, event: NewEvent) -> Result<Kept, JournalError> {
        let wakes = !event.workflows.is_empty();
        let committed = move |memory: &Memory, kept: &Kept| {
            if wakes && *kept == Kept::New {
                memory.put_in.send_modify(|times| *times += 1);
            }
        };
        self.write(move |db| insert(db, &event).map(Ok::<_, StorageError>), committed)
            .await
            .map_err(Into::into)
    }

    async fn due(&self, now: Timestamp, most: usize) -> Result<Vec<HandOver>, JournalError> {
        Ok(self.read(move |db| hand_overs::due(db, now, most)).await?)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, JournalError> {
        Ok(self.read(hand_overs::next_due).await?)
    }

    async fn put_in(&self, seen: u64) -> u64 {
        crate::watch::more_than(&self.0.memory.put_in, seen).await
    }

    async fn event(
        &self,
        company: CompanyId,
        event: EventId,
    ) -> Result<Option<(ProviderEvent, Option<Document>)>, JournalError> {
        let found = self.read(move |db| {
            let sql = format!(
                "SELECT {COLUMNS}, b.body FROM provider_events e
                 LEFT JOIN provider_event_bodies b ON b.event = e.id AND b.company = e.company
                 WHERE e.id = ?1 AND e.company = ?2"
            );
            let read = |row: &Row<'_>| {
                let body = match row.get_ref(BODY)? {
                    rusqlite::types::ValueRef::Null => None,
                    _ => Some(from_json(row, BODY)?),
                };
                Ok((read_row(row)?, body))
            };
            let keys = params![event.0.as_bytes(), company.0.as_bytes()];
            db.prepare_cached(&sql)?.query_row(keys, read).optional()
        });
        Ok(found.await?)
    }

    async fn failed(
        &self,
        hand_over: HandOver,
        reason: String,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let told = Arc::clone(&self.0.memory);
        let failed = move |db: &Connection| {
            let Some(event) = fail(db, &hand_over, &reason, next)? else {
                return Ok(Ok::<_, StorageError>(0));
            };
            let (company, workflow) = (hand_over.company, hand_over.workflow);
            let data = |db: &Connection| dead(db, company, event, workflow, &reason);
            outbox::put_in(db, &told.listening, company, NoticeKind::EventDead, now, data).map(Ok)
        };
        self.write(failed, |memory, messages| memory.listening.tell(*messages)).await?;
        Ok(())
    }

    async fn withdraw(&self, hand_over: HandOver) -> Result<(), JournalError> {
        let HandOver { company, workflow, cause, .. } = hand_over;
        let text = cause.to_string();
        let withdraw = move |db: &Connection| {
            let removed = hand_overs::remove(db, company, &text, workflow)?;
            if let (Some(attempts), Cause::Event { event, .. }) = (removed, cause) {
                hand_overs::settle(db, company, event, attempts)?;
            }
            Ok(Ok::<_, StorageError>(()))
        };
        Ok(self.write(withdraw, |_, ()| {}).await?)
    }

    async fn put_in_again(
        &self,
        company: CompanyId,
        event: EventId,
        connection: Option<ConnectionId>,
        hand_overs: Vec<HandOver>,
        by: &Actor,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        let (wakes, by) = (!hand_overs.is_empty(), by.clone());
        let again = Again { company, event, connection, hand_overs };
        let committed = move |memory: &Memory, (): &()| {
            if wakes {
                memory.put_in.send_modify(|times| *times += 1);
            }
        };
        self.write(move |db| again.store(db, &by, now), committed).await
    }

    async fn runs_of(
        &self,
        company: CompanyId,
        event: EventId,
    ) -> Result<Vec<(WorkflowId, RunId)>, JournalError> {
        Ok(self.read(move |db| runs(db, company, event)).await?)
    }
}

impl Store {
    /// A part of the list of events that came in.
    ///
    /// # Errors
    /// The database failed.
    pub async fn provider_events(
        &self,
        company: CompanyId,
        filter: EventFilter,
        span: Span,
    ) -> Result<Page<ListedEvent>, StorageError> {
        self.read(move |db| {
            // One state of the database for events and runs.
            let snapshot = db.unchecked_transaction()?;
            let page = page(&snapshot, company, &filter, span)?;
            let listed = page.rows.into_iter().map(|event| {
                let runs = runs(&snapshot, company, event.id)?;
                Ok(ListedEvent { event, runs })
            });
            Ok(Page { rows: listed.collect::<rusqlite::Result<_>>()?, next: page.next })
        })
        .await
    }
}

fn insert(db: &Connection, new: &NewEvent) -> rusqlite::Result<Kept> {
    let event = &new.event;
    let path = path(&event.entrance);
    let sql = "INSERT INTO provider_events (id, company, provider, path, provider_event_id, type, connection, status,
                                            reason, attempts, created_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
               ON CONFLICT (company, provider, path, provider_event_id) WHERE provider_event_id IS NOT NULL DO NOTHING";
    let inserted = db.prepare_cached(sql)?.execute(params![
        event.id.0.as_bytes(),
        event.company.0.as_bytes(),
        event.entrance.provider(),
        path,
        event.provider_event_id,
        event.kind,
        event.connection.as_ref().map(|id| id.0.as_bytes()),
        event.status.name(),
        event.reason,
        event.attempts,
        event.created_at.0,
    ])?;
    if inserted == 0 {
        let sql = "SELECT id FROM provider_events
                   WHERE company = ?1 AND provider = ?2 AND path = ?3 AND provider_event_id = ?4";
        let keys =
            params![event.company.0.as_bytes(), event.entrance.provider(), path, event.provider_event_id];
        return db.prepare_cached(sql)?.query_row(keys, |row| uuid(row, 0).map(EventId).map(Kept::Duplicate));
    }
    let sql = "INSERT INTO provider_event_bodies (event, company, created_at, body) VALUES (?1, ?2, ?3, ?4)";
    db.prepare_cached(sql)?.execute(params![
        event.id.0.as_bytes(),
        event.company.0.as_bytes(),
        event.created_at.0,
        new.body.text(),
    ])?;
    let cause = event.id.to_string();
    for workflow in &new.workflows {
        hand_overs::put_in(db, event.company, &cause, *workflow, event.created_at)?;
    }
    Ok(Kept::New)
}

/// Puts a hand-over off, or takes it away; then it gives the event that is dead from here on, if it was one's.
fn fail(
    db: &Connection,
    hand_over: &HandOver,
    reason: &str,
    next: Option<Timestamp>,
) -> rusqlite::Result<Option<EventId>> {
    let tried = HandOver { attempts: hand_over.attempts.saturating_add(1), ..*hand_over };
    match (next, tried.cause) {
        (None, _) => give_up(db, &tried, reason),
        (Some(next), Cause::Event { event, .. }) if hand_overs::put_off(db, &tried, next)? => {
            hand_overs::settle(db, tried.company, event, tried.attempts).map(|()| None)
        }
        (Some(_), Cause::Event { .. }) => Ok(None),
        (Some(next), Cause::Firing { .. } | Cause::Failure { .. }) => {
            hand_overs::put_off(db, &tried, next).map(|_| None)
        }
    }
}

/// The workflow does not get it, and is not tried again by itself; nothing if there is no such hand-over any more. Gives the
/// event that is dead from here on, if it was one's.
pub(crate) fn give_up(
    db: &Connection,
    hand_over: &HandOver,
    reason: &str,
) -> rusqlite::Result<Option<EventId>> {
    let HandOver { company, workflow, cause, attempts } = *hand_over;
    let removed = hand_overs::remove(db, company, &cause.to_string(), workflow)?;
    let (Some(_), Cause::Event { event, .. }) = (removed, cause) else { return Ok(None) };
    hand_overs::put_dead(db, company, event, workflow, reason)?;
    hand_overs::settle(db, company, event, attempts)?;
    Ok(Some(event))
}

/// What those are told who want to hear of dead events.
fn dead(
    db: &Connection,
    company: CompanyId,
    event: EventId,
    workflow: WorkflowId,
    reason: &str,
) -> rusqlite::Result<Value> {
    let sql = "SELECT provider, provider_event_id, type, connection, w.name FROM provider_events e
               LEFT JOIN workflows w ON w.id = ?3 AND w.company = e.company WHERE e.id = ?1 AND e.company = ?2";
    let keys = params![event.0.as_bytes(), company.0.as_bytes(), workflow.0.as_bytes()];
    let read = |row: &Row<'_>| {
        Ok(json!({
            "eventId": event,
            "provider": row.get::<_, String>(0)?,
            "providerEventId": row.get::<_, Option<String>>(1)?,
            "eventType": row.get::<_, String>(2)?,
            "connectionId": row.get::<_, Option<[u8; 16]>>(3)?.map(|id| ConnectionId(Uuid::from_bytes(id))),
            "workflowId": workflow,
            "workflowName": row.get::<_, Option<String>>(4)?,
            "reason": reason,
        }))
    };
    let found = db.prepare_cached(sql)?.query_row(keys, read).optional()?;
    // Where the event is gone by now, its id is all there is to tell.
    Ok(found.unwrap_or_else(|| json!({ "eventId": event, "workflowId": workflow, "reason": reason })))
}

/// What a person wants of a kept event.
struct Again {
    company: CompanyId,
    event: EventId,
    connection: Option<ConnectionId>,
    hand_overs: Vec<HandOver>,
}

impl Again {
    fn store(
        &self,
        db: &Connection,
        by: &Actor,
        now: Timestamp,
    ) -> rusqlite::Result<Result<(), JournalError>> {
        let Again { company, event, connection, hand_overs } = self;
        let keys = params![event.0.as_bytes(), company.0.as_bytes()];
        let sql = "SELECT status FROM provider_events WHERE id = ?1 AND company = ?2";
        let found = db.prepare_cached(sql)?.query_row(keys, |row| named(row, 0, find_status)).optional()?;
        let Some(status) = found else { return Ok(Err(JournalError::Missing(event.to_string()))) };
        let routed = connection.filter(|_| status == EventStatus::Unrouted);
        if let Some(connection) = routed {
            let sql =
                "UPDATE provider_events SET connection = ?3, reason = NULL WHERE id = ?1 AND company = ?2";
            let values = params![event.0.as_bytes(), company.0.as_bytes(), connection.0.as_bytes()];
            db.prepare_cached(sql)?.execute(values)?;
        }
        if !hand_overs.is_empty() {
            let sql = "UPDATE provider_events SET attempts = 0 WHERE id = ?1 AND company = ?2";
            db.prepare_cached(sql)?.execute(keys)?;
        }
        for hand_over in hand_overs {
            hand_overs::revive(db, *company, *event, hand_over.workflow)?;
            hand_overs::put_in(db, *company, &hand_over.cause.to_string(), hand_over.workflow, now)?;
        }
        if routed.is_some() || !hand_overs.is_empty() {
            hand_overs::settle(db, *company, *event, 0)?;
        }
        audit::note(db, *company, by, &self.deed(), now)?;
        Ok(Ok(()))
    }

    fn deed(&self) -> Deed {
        let workflows: Vec<_> = self.hand_overs.iter().map(|hand_over| hand_over.workflow).collect();
        let is_again = |hand_over: &HandOver| matches!(hand_over.cause, Cause::Event { again: Some(_), .. });
        let mut after = json!({ "workflows": workflows, "again": self.hand_overs.iter().any(is_again) });
        if let Some(connection) = self.connection {
            after["connection"] = json!(connection);
        }
        Deed::new("event.replay", "event", self.event).after(after)
    }
}

/// The runs that an event started.
fn runs(db: &Connection, company: CompanyId, event: EventId) -> rusqlite::Result<Vec<(WorkflowId, RunId)>> {
    let sql = "SELECT workflow, id FROM runs WHERE company = ?1 AND cause >= ?2 AND cause < ?3
               ORDER BY created_at, id";
    let (first, end) = hand_overs::causes(event);
    let read = |row: &Row<'_>| Ok((WorkflowId(uuid(row, 0)?), RunId(uuid(row, 1)?)));
    db.prepare_cached(sql)?.query_map(params![company.0.as_bytes(), first, end], read)?.collect()
}

fn page(
    db: &Connection,
    company: CompanyId,
    filter: &EventFilter,
    span: Span,
) -> rusqlite::Result<Page<ProviderEvent>> {
    let (after, comparison, direction) = span.sql();
    // Where the list begins, and the end of it: one bound at each side, so that the index serves both.
    let (first, end, last) = match span.order {
        Order::Descending => {
            let to = filter.to.map_or(after, |to| Cursor { created_at: to, id: Uuid::nil() });
            (after.min(to), ">=", filter.from.unwrap_or(Timestamp(i64::MIN)))
        }
        Order::Ascending => {
            let before = |from: Timestamp| Timestamp(from.0.saturating_sub(1));
            let from = filter.from.map_or(after, |from| Cursor { created_at: before(from), id: Uuid::max() });
            (after.max(from), "<", filter.to.unwrap_or(Timestamp(i64::MAX)))
        }
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM provider_events e WHERE e.company = ?1 AND e.status = ?2
         AND (e.created_at, e.id) {comparison} (?3, ?4) AND e.created_at {end} ?6
         AND (?7 IS NULL OR e.type = ?7) AND (?8 IS NULL OR e.provider = ?8) AND (?9 IS NULL OR e.connection = ?9)
         AND (?10 IS NULL
             OR EXISTS (SELECT 1 FROM runs r WHERE r.company = ?1 AND r.cause >= e.cause AND r.cause < e.cause || '!'
                        AND r.workflow = ?10)
             OR EXISTS (SELECT 1 FROM hand_overs h WHERE h.company = ?1 AND h.cause >= e.cause
                        AND h.cause < e.cause || '!' AND h.workflow = ?10)
             OR EXISTS (SELECT 1 FROM dead_hand_overs d WHERE d.company = ?1 AND d.event = e.id AND d.workflow = ?10))
         ORDER BY e.created_at {direction}, e.id {direction} LIMIT ?5"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let statuses = filter.status.as_ref().map_or(&EventStatus::ALL[..], std::slice::from_ref);
    let mut rows = Vec::new();
    for status in statuses {
        let keys = params![
            company.0.as_bytes(),
            status.name(),
            first.created_at.0,
            first.id.as_bytes(),
            span.wanted(),
            last.0,
            filter.kind,
            filter.provider,
            filter.connection.as_ref().map(|id| id.0.as_bytes()),
            filter.workflow.as_ref().map(|id| id.0.as_bytes()),
        ];
        for row in statement.query_map(keys, read_row)? {
            rows.push(row?);
        }
    }
    Ok(span.page(rows, |event| Cursor { created_at: event.created_at, id: event.id.0 }))
}

/// What [`read_row`] reads; a dead event has the reason of a workflow that did not get it.
const COLUMNS: &str = "e.id, e.company, e.provider, e.path, e.provider_event_id, e.type, e.connection, e.status, \
                       coalesce((SELECT d.reason FROM dead_hand_overs d WHERE d.event = e.id AND d.company = e.company \
                       LIMIT 1), e.reason), e.attempts, e.created_at";
/// The column after them.
const BODY: usize = 11;

fn read_row(row: &Row<'_>) -> rusqlite::Result<ProviderEvent> {
    let entrance = read_entrance(row, 2)?;
    Ok(ProviderEvent {
        id: EventId(uuid(row, 0)?),
        company: CompanyId(uuid(row, 1)?),
        entrance,
        provider_event_id: row.get(4)?,
        kind: row.get(5)?,
        connection: row.get::<_, Option<[u8; 16]>>(6)?.map(|id| ConnectionId(Uuid::from_bytes(id))),
        status: named(row, 7, find_status)?,
        reason: row.get(8)?,
        attempts: row.get(9)?,
        created_at: time(row, 10)?,
    })
}

fn find_status(name: &str) -> Option<EventStatus> {
    EventStatus::ALL.into_iter().find(|status| status.name() == name)
}

/// An entrance of two columns, the provider and the path.
pub(crate) fn read_entrance(row: &Row<'_>, column: usize) -> rusqlite::Result<Entrance> {
    let path: String = row.get(column + 1)?;
    named(row, column, |provider| match provider {
        "stripe" => Some(Entrance::Stripe),
        "custom" => Some(Entrance::Custom { path: path.clone() }),
        _ => None,
    })
}

/// The path as it is stored: empty for an entrance that has none, since an absent one would be unlike itself.
pub(crate) fn path(entrance: &Entrance) -> &str {
    match entrance {
        Entrance::Stripe => "",
        Entrance::Custom { path } => path,
    }
}
