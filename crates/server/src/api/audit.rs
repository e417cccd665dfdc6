//! `/api/v1/audit`: who did what in the caller's company, as a list or as a whole, with the hash that holds it together.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use hyper::header::{self, HeaderValue};
use hyper::{StatusCode, Uri};
use loopfour_engine::{Actor, CompanyId};
use loopfour_store::{AuditFilter, AuditHead, AuditRow, Deed, Scope};
use serde::Serialize;
use serde_json::{Value, json};

use crate::App;
use crate::auth::Caller;
use crate::envelope::{Answer, Meta};
use crate::error::Error;
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

/// `GET /audit`: the newest first, or with `format=jsonl` everything from the first on.
///
/// # Errors
/// 400, 401, 403.
pub async fn list(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Response, Error> {
    caller.needs(Scope::Admin)?;
    let mut query = Query::of(&uri);
    if query.choice("format", &[("json", false), ("jsonl", true)]) == Some(true) {
        query.finish()?;
        return export(app, &caller).await;
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
async fn export(app: App, caller: &Caller) -> Result<Response, Error> {
    let company = caller.company();
    let deed = Deed::new("audit.export", "company", company);
    app.store().record(company, &caller.actor(), deed, app.now()).await?;
    let head = app.store().audit_head(company).await?;
    let lines = stream::unfold(Some(0), move |after| {
        let app = app.clone();
        async move { part(&app, company, after?, head).await }
    });
    let mut response = Response::new(Body::from_stream(lines));
    let kind = HeaderValue::from_static("application/jsonl");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    let disposition = HeaderValue::from_static("attachment; filename=\"audit.jsonl\"");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}

/// The next lines, and after which row it goes on; an error cuts the answer off, which clients notice.
async fn part(
    app: &App,
    company: CompanyId,
    after: u64,
    head: AuditHead,
) -> Option<(Result<Bytes, std::io::Error>, Option<u64>)> {
    let rows = match app.store().audit_part(company, after, head.count, PART).await {
        Ok(rows) => rows,
        Err(cause) => return Some((Err(std::io::Error::other(cause.to_string())), None)),
    };
    let mut lines = Vec::new();
    for row in &rows {
        if let Err(cause) = serde_json::to_writer(&mut lines, &Row::of(row)) {
            return Some((Err(cause.into()), None));
        }
        lines.push(b'\n');
    }
    let last = rows.last().map(|row| row.seq).filter(|last| *last < head.count);
    if last.is_none() {
        let end = json!({"head": head.hash.to_string(), "count": head.count});
        lines.extend_from_slice(format!("{end}\n").as_bytes());
    }
    Some((Ok(lines.into()), last))
}
