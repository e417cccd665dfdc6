//! `/api/v1/notices`: addresses that are told of what happens in the caller's company.

use axum::extract::{Request, State};
use hyper::{StatusCode, Uri};
use loopfour_engine::NoticeId;
use loopfour_engine::notices::{Notice, NoticeKind, Untold};
use loopfour_lang::{Object, Value};
use loopfour_store::{NewNotice, NoticeError, Scope};
use secrecy::ExposeSecret as _;
use serde::Serialize;

use crate::App;
use crate::auth::{Caller, Id};
use crate::body::{self, Fields, kind};
use crate::envelope::{Answer, Meta};
use crate::error::{Code, Error};
use crate::query::{List, Query};
use crate::view::Time;

/// Longest address, characters.
const LONGEST_URL: usize = 2048;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    id: NoticeId,
    secret: &'a str,
    url: &'a str,
    events: &'a [String],
    created_at: Time,
}

/// A notice in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NoticeItem<'a> {
    id: NoticeId,
    url: &'a str,
    events: &'a [String],
    status: &'static str,
    created_at: Time,
    disabled_at: Option<Time>,
    disabled_reason: Option<&'a str>,
    last_error: Option<&'a str>,
    last_delivered_at: Option<Time>,
    failures: u64,
}

impl<'a> NoticeItem<'a> {
    fn of(row: &'a Notice) -> NoticeItem<'a> {
        let disabled = row.disabled.as_ref();
        NoticeItem {
            id: row.id,
            url: &row.url,
            events: &row.events,
            status: if disabled.is_some() { "disabled" } else { "active" },
            created_at: Time(row.created_at),
            disabled_at: disabled.map(|disabled| Time(disabled.at)),
            disabled_reason: disabled.map(|disabled| &*disabled.reason),
            last_error: row.last_error.as_deref(),
            last_delivered_at: row.last_delivered_at.map(Time),
            failures: row.failures,
        }
    }
}

/// What came of a test.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tested {
    delivered: bool,
    /// The HTTP status of the answer, where one came.
    status: Option<u16>,
    error: Option<String>,
}

/// `POST /notices`. The answer is the only place where the secret is ever shown.
///
/// # Errors
/// 400; 409 where the company has as many as may be; 401, 403, 408, 413, 415.
pub async fn create(State(app): State<App>, caller: Caller, request: Request) -> Result<Answer, Error> {
    caller.needs(Scope::Admin)?;
    Query::of(request.uri()).finish()?;
    let new = wanted(body::required_object(request).await?, &app)?;
    let made = app.store().create_notice(caller.company(), new, &caller.actor(), app.now()).await;
    let (notice, secret) = made.map_err(refused)?;
    let created = Created {
        id: notice.id,
        secret: secret.expose_secret(),
        url: &notice.url,
        events: &notice.events,
        created_at: Time(notice.created_at),
    };
    Answer::new(StatusCode::CREATED, &created)
}

/// `GET /notices`: never with their secrets.
///
/// # Errors
/// 400, 401, 403.
pub async fn list(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Answer, Error> {
    caller.needs(Scope::Admin)?;
    let mut query = Query::of(&uri);
    let span = query.span(List::Notices);
    query.finish()?;
    let page = app.store().notices(caller.company(), span).await?;
    let items: Vec<NoticeItem<'_>> = page.rows.iter().map(NoticeItem::of).collect();
    Answer::with_meta(StatusCode::OK, &items, &Meta::list(List::Notices, page.next))
}

/// `DELETE /notices/:id`: nothing more is sent there, not even what is on its way.
///
/// # Errors
/// 404; 400, 401, 403.
pub async fn delete(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<NoticeId>,
    request: Request,
) -> Result<Answer, Error> {
    caller.needs(Scope::Admin)?;
    Query::of(request.uri()).finish()?;
    Fields::of(body::optional_object(request).await?).finish()?;
    let deleted = app.store().delete_notice(caller.company(), id, &caller.actor(), app.now()).await?;
    let deleted = deleted.ok_or_else(|| missing(id))?;
    Answer::new(StatusCode::OK, &NoticeItem::of(&deleted))
}

/// `POST /notices/:id/test`: sends `notice.test` now, once. Where it arrives, a disabled notice is active again.
///
/// # Errors
/// 404; 400, 401, 403.
pub async fn test(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<NoticeId>,
    request: Request,
) -> Result<Answer, Error> {
    caller.needs(Scope::Admin)?;
    Query::of(request.uri()).finish()?;
    Fields::of(body::optional_object(request).await?).finish()?;
    let telling = app.store().test_telling(caller.company(), id, app.now()).await?;
    let telling = telling.ok_or_else(|| missing(id))?;
    let told = app.teller().tell(&telling, app.now()).await;
    if told.is_ok() {
        let well = app.store().notice_is_well(caller.company(), id, &caller.actor(), app.now()).await?;
        well.ok_or_else(|| missing(id))?;
    }
    let status = match &told {
        Ok(status) | Err(Untold::Status(status)) => Some(*status),
        Err(Untold::Gone) => Some(StatusCode::GONE.as_u16()),
        Err(Untold::Failed(_)) => None,
    };
    let (delivered, error) = (told.is_ok(), told.err().map(|untold| untold.to_string()));
    Answer::new(StatusCode::OK, &Tested { delivered, status, error })
}

fn missing(id: NoticeId) -> Error {
    Error::missing("notice", &id.to_string())
}

fn refused(error: NoticeError) -> Error {
    match error {
        NoticeError::Storage(cause) => cause.into(),
        NoticeError::TooMany => Error::new(Code::Conflict, error.to_string()),
    }
}

fn wanted(body: Object, app: &App) -> Result<NewNotice, Error> {
    let mut fields = Fields::of(body);
    let url = fields.required("url").and_then(|url| fields.text("url", &url, LONGEST_URL));
    if let Some(Err(why)) = url.as_deref().map(|url| app.teller().check(url)) {
        fields.problem("url", why);
    }
    let events = fields.required("events").map(|events| events_of(&events, &mut fields));
    fields.finish()?;
    Ok(NewNotice { url: url.unwrap_or_default(), events: events.unwrap_or_default() })
}

fn events_of(value: &Value, fields: &mut Fields) -> Vec<String> {
    let Value::Array(items) = value else {
        fields.problem("events", format!("`events` must be an array, not {}", kind(value)));
        return Vec::new();
    };
    if items.is_empty() {
        fields.problem("events", "`events` must name at least one type, or `*`".to_owned());
    }
    let known: Vec<&str> = NoticeKind::known().collect();
    let mut events = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let field = format!("events[{index}]");
        match item {
            Value::Text(name) if !known.contains(&&**name) => fields.unknown("type", &field, name, &known),
            Value::Text(name) if events.iter().any(|event| *event == **name) => {}
            Value::Text(name) => events.push(name.to_string()),
            other => fields.problem(&field, format!("a type must be text, not {}", kind(other))),
        }
    }
    events
}
