//! `/api/v1/runs`: listed, read from their journals, and watched.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use hyper::{HeaderMap, StatusCode, Uri};
use loopfour_engine::{CompanyId, Entry, Event, Run, RunId, RunStatus};
use loopfour_lang::Value;
use loopfour_store::{ListedRun, RunFilter, Scope};

use crate::auth::{Access, Caller, Id};
use crate::definition::apart;
use crate::envelope::{Answer, Meta};
use crate::error::{Error, Problem};
use crate::query::{List, Query};
use crate::view::{ListedView, RunView};
use crate::{App, limits, live};

const LAST_EVENT_ID: &str = "last-event-id";

/// `GET /runs`.
///
/// # Errors
/// 400, 401, 403.
pub async fn list(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Answer, Error> {
    caller.needs(Scope::RunsRead)?;
    let mut query = Query::of(&uri);
    let statuses = RunStatus::ALL.map(|status| (status.name(), status));
    let filter = RunFilter {
        workflow: query.parsed("workflowId", "a workflow's id"),
        status: query.choice("status", &statuses),
    };
    let span = query.span(List::Runs);
    query.finish()?;
    let page = app.store().runs(caller.company(), filter, span).await?;
    let mut told = Vec::with_capacity(page.rows.len());
    for run in &page.rows {
        told.push((title(&app, run).await?, app.runs().is_stalled(run.row.id)));
    }
    let outputs = page.rows.iter().filter_map(|run| run.output.as_ref());
    let size = outputs.map(|output| output.text().len()).sum::<usize>()
        + page.rows.iter().map(|run| weight(&run.input)).sum::<usize>();
    apart(size, move || {
        let runs = page.rows.iter().zip(told);
        let items = runs.map(|(run, (title, is_stalled))| ListedView::of(run, title, is_stalled));
        let items: Vec<ListedView<'_>> = items.collect();
        Answer::with_meta(StatusCode::OK, &items, &Meta::list(List::Runs, page.next))
    })
    .await?
}

/// The title of a run in a list; none where its text is one that an earlier release took and this one does not.
async fn title(app: &App, listed: &ListedRun) -> Result<Option<String>, Error> {
    let row = &listed.row;
    let definition = app.definition(row.company, row.workflow, row.version).await?;
    let Some(definition) = definition.filter(|definition| definition.settings.title.is_some()) else {
        return Ok(None);
    };
    let event = Event::RunStarted {
        run: row.id,
        company: row.company,
        workflow: row.workflow,
        version: row.version,
        trigger: row.trigger,
        input: listed.input.clone(),
        connection: None,
        idempotency_key: None,
        restarted_from: row.restarted_from,
        by: None,
        cause: None,
        queue: None,
    };
    let first = Entry { seq: 1, at: row.created_at, event };
    Ok(Run::begin(definition, &first).map_err(Error::internal)?.title())
}

/// `GET /runs/:id`.
///
/// # Errors
/// 400, 401, 403, 404.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<RunId>,
    uri: Uri,
) -> Result<Answer, Error> {
    caller.needs(Scope::RunsRead)?;
    Query::of(&uri).finish()?;
    answer(&app, caller.company(), id).await
}

/// `GET /runs/:id/events`: server-sent events, from the beginning or after `Last-Event-ID`.
///
/// # Errors
/// 400, 401, 403, 404.
pub async fn events(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<RunId>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Error> {
    caller.needs(Scope::RunsRead)?;
    Query::of(&uri).finish()?;
    let after = last_event_id(&headers)?;
    // Subscribed before the run is read: what the read does not show will be told.
    let progress = app.store().watch(id);
    let row = app.store().run(caller.company(), id).await?;
    let row = row.ok_or_else(|| Error::missing("run", &id.to_string()))?;
    if row.status.has_ended() && after.is_some_and(|after| after >= row.length) {
        // Tells a browser's EventSource, which comes back by itself, that it may stay away.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let access = Access::of(caller, &app);
    Ok(live::events(app, access, &row, after.unwrap_or(0), progress))
}

/// The company's run of that id with its steps.
///
/// # Errors
/// 404; 500 if its journal cannot be read any more.
pub async fn answer(app: &App, company: CompanyId, id: RunId) -> Result<Answer, Error> {
    show_state(app, Box::new(folded(app, company, id).await?), StatusCode::OK).await
}

/// The company's run of that id, folded from its journal.
///
/// # Errors
/// 404; 500 if its journal cannot be read any more.
pub async fn folded(app: &App, company: CompanyId, id: RunId) -> Result<Run, Error> {
    let entries = app.store().entries(company, id, 0).await?;
    let Some(first) = entries.first() else { return Err(Error::missing("run", &id.to_string())) };
    let Event::RunStarted { workflow, version, .. } = &first.event else {
        return Err(Error::internal(format!("the journal of {id} does not begin with its start")));
    };
    let definition = app.definition(company, *workflow, *version).await?;
    let definition = definition.ok_or_else(|| {
        Error::internal(format!("version {version} of {workflow} has errors, but {id} runs it"))
    })?;
    Run::fold(definition, &entries).map_err(Error::internal)
}

/// This run with its steps.
///
/// # Errors
/// Only defects.
pub async fn show_state(app: &App, run: Box<Run>, status: StatusCode) -> Result<Answer, Error> {
    let is_stalled = app.runs().is_stalled(run.id);
    let values = run.steps.iter();
    let values = values.map(|step| step.output.text().len() + step.input.as_ref().map_or(0, weight));
    let size = values.sum::<usize>() + weight(&run.input) + run.output.text().len();
    apart(size, move || Answer::new(status, &RunView::of(&run, is_stalled))).await?
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let Some(header) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let id = header.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or_else(|| {
        let message = "`last-event-id` must be the id of an event of this run, which is a whole number";
        Error::invalid("a header is not valid", vec![Problem::new(LAST_EVENT_ID, message)])
    })
}

/// About how many bytes a value takes as JSON; counting ends where it is clear that it is large.
pub fn weight(value: &Value) -> usize {
    fn add(value: &Value, total: &mut usize) {
        *total += 8;
        match value {
            Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Decimal(_) => {}
            Value::Text(text) => *total += text.len(),
            Value::Array(items) => {
                for item in items.iter() {
                    if *total > limits::INLINE {
                        return;
                    }
                    add(item, total);
                }
            }
            Value::Object(members) => {
                for (key, member) in members.iter() {
                    if *total > limits::INLINE {
                        return;
                    }
                    *total += key.len();
                    add(member, total);
                }
            }
        }
    }
    let mut total = 0;
    add(value, &mut total);
    total
}
