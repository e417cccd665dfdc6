//! `/api/v1/events`: what providers sent, and handing it over once more. How events come in is in
//! [`webhooks`](super::webhooks).

use std::collections::HashSet;

use axum::extract::{Request, State};
use hyper::{StatusCode, Uri};
use loopfour_engine::provider_events::{EventStatus, Inbox as _, ProviderEvent, Replay, ReplayError};
use loopfour_engine::{ConnectionId, EventId, RunId, Timestamp, WorkflowId};
use loopfour_lang::{Document, Value};
use loopfour_store::{EventFilter, Order, Scope, Span};
use serde::Serialize;

use super::connections::PROVIDERS;
use super::webhooks::not_kept;
use crate::App;
use crate::auth::{Caller, Id, Named};
use crate::body::{self, Fields};
use crate::envelope::{Answer, Meta, Refused};
use crate::error::{Code, Error};
use crate::query::{List, Query};
use crate::view::Time;

/// So many events are handed over once more by one call at most.
const MOST_REPLAYED: u32 = 1000;
/// The same, for events that are named.
const MOST_NAMED: usize = 1000;
/// Longest type of an event, characters.
const LONGEST_TYPE: usize = 255;

impl Named for EventId {
    const KIND: &'static str = "event";
}

/// An event as clients see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventView<'a> {
    id: EventId,
    provider_event_id: Option<&'a str>,
    r#type: &'a str,
    provider: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<ConnectionId>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    attempts: u32,
    runs: Vec<RunId>,
    created_at: Time,
}

impl<'a> EventView<'a> {
    fn of(event: &'a ProviderEvent, runs: &[(WorkflowId, RunId)]) -> EventView<'a> {
        EventView {
            id: event.id,
            provider_event_id: event.provider_event_id.as_deref(),
            r#type: &event.kind,
            provider: event.entrance.provider(),
            path: event.entrance.path(),
            connection_id: event.connection,
            status: event.status.name(),
            reason: event.reason.as_deref(),
            attempts: event.attempts,
            runs: runs.iter().map(|(_, run)| *run).collect(),
            created_at: Time(event.created_at),
        }
    }
}

/// An event with what came.
#[derive(Serialize)]
struct WithBody<'a> {
    #[serde(flatten)]
    event: EventView<'a>,
    /// As it came; null once that is not kept any more.
    body: Option<&'a Document>,
}

/// What handing over once more began.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<usize>,
    workflows_triggered: usize,
}

/// `GET /events`.
///
/// # Errors
/// 400, 401, 403.
pub async fn list(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Answer, Error> {
    caller.needs(Scope::RunsRead)?;
    let mut query = Query::of(&uri);
    let filter = EventFilter {
        status: query.choice("status", &EventStatus::ALL.map(|status| (status.name(), status))),
        kind: query.text("type"),
        provider: query.choice("provider", &SENDERS.map(|name| (name, name))).map(str::to_owned),
        connection: query.parsed("connectionId", "a connection's id"),
        workflow: query.parsed("workflowId", "a workflow's id"),
        ..EventFilter::default()
    };
    let span = query.span(List::Events);
    query.finish()?;
    let page = app.store().provider_events(caller.company(), filter, span).await?;
    let items: Vec<EventView<'_>> =
        page.rows.iter().map(|listed| EventView::of(&listed.event, &listed.runs)).collect();
    let refused = app.store().webhook_refusals(caller.company());
    let refused = refused.into_iter().map(|refusal| Refused {
        provider: refusal.provider,
        count: refusal.count,
        last_at: Time(refusal.last_at),
    });
    let meta = Meta { refused: Some(refused.collect()), ..Meta::list(List::Events, page.next) };
    Answer::with_meta(StatusCode::OK, &items, &meta)
}

/// Whose events there are.
const SENDERS: [&str; 2] = [PROVIDERS[0], "custom"];

/// `GET /events/:id`.
///
/// # Errors
/// 400, 401, 403, 404.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<EventId>,
    uri: Uri,
) -> Result<Answer, Error> {
    caller.needs(Scope::RunsRead)?;
    Query::of(&uri).finish()?;
    let found = app.store().event(caller.company(), id).await.map_err(not_kept)?;
    let (event, body) = found.ok_or_else(|| Error::missing("event", &id.to_string()))?;
    let runs = app.store().runs_of(caller.company(), id).await.map_err(not_kept)?;
    let view = WithBody { event: EventView::of(&event, &runs), body: body.as_ref() };
    Answer::new(StatusCode::OK, &view)
}

/// `POST /events/:id/replay`.
///
/// # Errors
/// 400 for a wish that cannot be; 404 also for an unknown workflow or connection; 409 where the event or the workflow does
/// not stand so; 401, 403, 408, 413, 415, 503.
pub async fn replay(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<EventId>,
    request: Request,
) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsExecute)?;
    Query::of(request.uri()).finish()?;
    let mut fields = Fields::of(body::optional_object(request).await?);
    let wish = wish(&mut fields);
    fields.finish()?;
    let workflows_triggered = app.intake().replay(caller.company(), id, wish, &caller.actor()).await?;
    Answer::new(StatusCode::ACCEPTED, &Replayed { events: None, workflows_triggered })
}

/// `POST /events/replay`: many, by their ids or by a filter; those that cannot be handed over are left as they are.
///
/// # Errors
/// 400; 404 for an event of that id; 401, 403, 408, 413, 415, 503.
pub async fn replay_many(State(app): State<App>, caller: Caller, request: Request) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsExecute)?;
    Query::of(request.uri()).finish()?;
    let mut fields = Fields::of(body::required_object(request).await?);
    let named = fields.value("eventIds").map(|ids| event_ids(&ids, &mut fields));
    let filter = match fields.value("filter") {
        Some(_) => fields.inner("filter").map(|mut inner| {
            let filter = filter(&mut inner);
            fields.close("filter", inner);
            filter
        }),
        None => None,
    };
    if named.is_some() == filter.is_some() {
        fields.problem("eventIds", "give either `eventIds` or `filter`".to_owned());
    }
    let wish = wish(&mut fields);
    fields.finish()?;
    let by_filter = named.is_none();
    let events = match (named, filter) {
        (Some(ids), _) => each_once(ids),
        (None, Some(filter)) => matching(&app, &caller, filter).await?,
        (None, None) => Vec::new(),
    };
    let (mut replayed, mut workflows_triggered, mut unfit) = (0, 0, None);
    for event in events {
        match app.intake().replay(caller.company(), event, wish.clone(), &caller.actor()).await {
            Ok(workflows) => {
                replayed += 1;
                workflows_triggered += workflows;
            }
            // One of many that cannot be handed over stays as it is.
            Err(ReplayError::State(_)) if by_filter => {}
            Err(error @ ReplayError::Unfit(_)) if by_filter => unfit = unfit.or(Some(error)),
            Err(error) => return Err(after(replayed, error).into()),
        }
    }
    match unfit {
        // What is wished for fits none of them.
        Some(error) if replayed == 0 => Err(error.into()),
        Some(_) | None => {
            Answer::new(StatusCode::ACCEPTED, &Replayed { events: Some(replayed), workflows_triggered })
        }
    }
}

/// Named twice, an event is meant once.
fn each_once(mut ids: Vec<EventId>) -> Vec<EventId> {
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(*id));
    ids
}

/// What kept the rest from being handed over says how many were before: whoever asks once more, and for second runs,
/// leaves those out.
fn after(replayed: usize, error: ReplayError) -> ReplayError {
    let told = |message: String| match replayed {
        0 => message,
        _ => format!("{message}; the first {replayed} of the events were handed over"),
    };
    match error {
        ReplayError::Missing(message) => ReplayError::Missing(told(message)),
        ReplayError::State(message) => ReplayError::State(told(message)),
        ReplayError::Unfit(message) => ReplayError::Unfit(told(message)),
        error @ ReplayError::Journal(_) => error,
    }
}

/// Oldest first, since that is the order in which they came.
async fn matching(app: &App, caller: &Caller, filter: EventFilter) -> Result<Vec<EventId>, Error> {
    let span = Span { limit: MOST_REPLAYED, order: Order::Ascending, after: None };
    let page = app.store().provider_events(caller.company(), filter, span).await?;
    Ok(page.rows.into_iter().map(|listed| listed.event.id).collect())
}

fn wish(fields: &mut Fields) -> Replay {
    Replay {
        workflow: parsed(fields, "workflowId", "a workflow's id"),
        again: fields.boolean("again").unwrap_or(false),
        connection: parsed(fields, "connectionId", "a connection's id"),
    }
}

/// A field that is an id.
fn parsed<T: std::str::FromStr>(fields: &mut Fields, name: &'static str, what: &str) -> Option<T> {
    let value = fields.value(name)?;
    let text = fields.text(name, &value, LONGEST_TYPE)?;
    let id = text.parse().ok();
    if id.is_none() {
        fields.problem(name, format!("`{name}` must be {what}"));
    }
    id
}

fn event_ids(ids: &Value, fields: &mut Fields) -> Vec<EventId> {
    let Value::Array(ids) = ids else {
        fields.problem("eventIds", format!("`eventIds` must be an array, not {}", body::kind(ids)));
        return Vec::new();
    };
    if ids.is_empty() || ids.len() > MOST_NAMED {
        fields.problem("eventIds", format!("`eventIds` names 1 to {MOST_NAMED} events, not {}", ids.len()));
    }
    let mut named = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        match id {
            Value::Text(text) if text.parse::<EventId>().is_ok() => named.extend(text.parse::<EventId>()),
            _ => fields.problem(&format!("eventIds[{index}]"), "must be an event's id".to_owned()),
        }
    }
    named
}

fn filter(fields: &mut Fields) -> EventFilter {
    let mut filter = EventFilter {
        kind: fields.value("type").and_then(|kind| fields.text("type", &kind, LONGEST_TYPE)),
        connection: parsed(fields, "connectionId", "a connection's id"),
        workflow: parsed(fields, "workflowId", "a workflow's id"),
        from: time(fields, "from"),
        to: time(fields, "to"),
        ..EventFilter::default()
    };
    if let Some(status) =
        fields.value("status").and_then(|status| fields.text("status", &status, LONGEST_TYPE))
    {
        filter.status = EventStatus::ALL.into_iter().find(|known| known.name() == status);
        if filter.status.is_none() {
            fields.unknown("status", "status", &status, &EventStatus::ALL.map(EventStatus::name));
        }
    }
    if let Some(provider) =
        fields.value("provider").and_then(|provider| fields.text("provider", &provider, LONGEST_TYPE))
    {
        if !SENDERS.contains(&&*provider) {
            fields.unknown("provider", "provider", &provider, &SENDERS);
        }
        filter.provider = Some(provider);
    }
    filter
}

/// A field that is an instant, as `2026-11-24T12:00:00Z`.
fn time(fields: &mut Fields, name: &'static str) -> Option<Timestamp> {
    let value = fields.value(name)?;
    let text = fields.text(name, &value, LONGEST_TYPE)?;
    let time = text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_millisecond()));
    if time.is_none() {
        fields.problem(name, format!("`{name}` must be a time such as `2026-11-24T12:00:00Z`"));
    }
    time
}

impl From<ReplayError> for Error {
    fn from(error: ReplayError) -> Error {
        match error {
            ReplayError::Missing(message) => Error::new(Code::NotFound, message),
            ReplayError::State(message) => Error::new(Code::InvalidState, message),
            ReplayError::Unfit(message) => {
                Error::invalid(message.clone(), vec![crate::error::Problem::new("", message)])
            }
            ReplayError::Journal(error) => not_kept(error),
        }
    }
}
