//! `/api/v1/audit`: who did what in the caller's company, as a list or as a whole, with the hash that holds it together.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use loopfour_engine::Actor;
use loopfour_store::{AuditFilter, AuditHead, AuditRow, Deed, Scope};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::warn;

use crate::App;
use crate::auth::{Access, Caller};
use crate::envelope::{Answer, Meta};
use crate::error::{Code, Error};
use crate::query::{List, Query};
use crate::view::Time;

/// So many rows of an export are read at a time.
const PART: u32 = 500;

/// A row as clients see it.
#[derive(Serialize)]
struct Row<'a> {
    seq: u64,
    at: Time,
    actor: ActorView<'a>,
    address: Option<&'a str>,
    action: &'a str,
    object: Object<'a>,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    hash: String,
}

#[derive(Serialize)]
struct ActorView<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct Object<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
}

impl<'a> Row<'a> {
    fn of(row: &'a AuditRow) -> Row<'a> {
        Row {
            seq: row.seq,
            at: Time(row.at),
            actor: ActorView { kind: kind(&row.actor), id: &row.actor.id, name: &row.actor.name },
            address: row.actor.address.as_deref(),
            action: &row.action,
            object: Object { kind: &row.object_type, id: &row.object_id },
            before: row.before.as_ref(),
            after: row.after.as_ref(),
            hash: row.hash.to_string(),
        }
    }
}

fn kind(actor: &Actor) -> &'static str {
    match actor.id.split_once('_') {
        Some(("key", _)) => "key",
        Some(("mem", _)) => "member",
        _ => "system",
    }
}

/// `GET /audit`: the newest first, or with `format=jsonl` everything from the first on. `HEAD` exports nothing, and says so
/// nowhere.
///
/// # Errors
/// 400, 401, 403.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    method: Method,
    uri: Uri,
) -> Result<Response, Error> {
    caller.needs(Scope::Admin)?;
    let mut query = Query::of(&uri);
    if query.choice("format", &[("json", false), ("jsonl", true)]) == Some(true) {
        query.finish()?;
        // The chain is whole or nothing: nothing else can be asked for.
        let nothing = || Body::from_stream(stream::empty::<Result<Bytes, Error>>());
        let body = if method == Method::HEAD { nothing() } else { export(app, caller).await? };
        return Ok(as_file(body));
    }
    let filter = AuditFilter {
        action: query.text("action"),
        actor: query.text("actor"),
        object: query.text("object"),
    };
    let span = query.span(List::Audit);
    query.finish()?;
    let page = app.store().audit(caller.company(), filter, span).await?;
    let rows: Vec<Row<'_>> = page.rows.iter().map(Row::of).collect();
    Ok(Answer::with_meta(StatusCode::OK, &rows, &Meta::list(List::Audit, page.next))?.into_response())
}

/// The whole log as lines; the last one has the head, by which a log that was cut later is found out.
async fn export(app: App, caller: Caller) -> Result<Body, Error> {
    let company = caller.company();
    let deed = Deed::new("audit.export", "company", company);
    app.store().record(company, &caller.actor(), deed, app.now()).await?;
    let head = app.store().audit_head(company).await?;
    let lines = Lines { access: Access::of(caller, &app), app, head, after: Some(0) };
    let lines = stream::unfold(lines, async |mut lines| Some((lines.next().await?, lines)));
    Ok(Body::from_stream(lines))
}

fn as_file(body: Body) -> Response {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/jsonl");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    let disposition = HeaderValue::from_static("attachment; filename=\"audit.jsonl\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    response
}

/// An export under way, which holds a part of the log at most.
struct Lines {
    app: App,
    access: Access,
    head: AuditHead,
    /// The last row that went out; none once everything has.
    after: Option<u64>,
}

impl Lines {
    /// The next lines. An error cuts the answer off, so that nobody takes a part for the whole.
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        let after = self.after.take()?;
        let part = self.part(after).await;
        if let Err(error) = &part {
            warn!(%error, cause = error.cause.as_deref().unwrap_or(""), "an export of the audit log was cut off");
        }
        Some(part)
    }

    async fn part(&mut self, after: u64) -> Result<Bytes, Error> {
        if self.access.is_over(&self.app).await {
            return Err(Error::new(Code::Unauthorized, "the key or the session ended meanwhile"));
        }
        let rows = self.app.store().audit_part(self.access.company(), after, self.head.count, PART).await?;
        let mut lines = Vec::new();
        for row in &rows {
            line(&mut lines, &Row::of(row))?;
        }
        match rows.last().map_or(after, |row| row.seq) {
            last if last == self.head.count => {
                line(&mut lines, &json!({"head": self.head.hash.to_string(), "count": self.head.count}))?;
            }
            last if rows.is_empty() => {
                return Err(Error::internal(format!("rows after {last} of the audit log are missing")));
            }
            last => self.after = Some(last),
        }
        Ok(lines.into())
    }
}

fn line(lines: &mut Vec<u8>, item: &impl Serialize) -> Result<(), Error> {
    serde_json::to_writer(&mut *lines, item).map_err(Error::internal)?;
    lines.push(b'\n');
    Ok(())
}
