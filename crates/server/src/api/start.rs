//! `POST /api/v1/workflows/:id/run`: starts a run, and waits for its end if asked to.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use hyper::StatusCode;
use loopfour_engine::event::TriggerKind;
use loopfour_engine::ports::{JournalError, Start, StartError, Started};
use loopfour_engine::{ConnectionId, Event, RunId, WorkflowId};
use loopfour_lang::{Object, Value, Workflow};
use loopfour_store::{Scope, WorkflowStatus};
use serde::Serialize;
use tokio::time::Instant;

use super::{runs, workflows};
use crate::auth::{Caller, Id};
use crate::body::{self, Fields};
use crate::definition::apart;
use crate::envelope::Answer;
use crate::error::{Code, Error, Problem};
use crate::query::Query;
use crate::{App, live};

/// Longest `idempotencyKey`, characters.
const LONGEST_KEY: usize = 255;

/// A run that was accepted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    run_id: RunId,
    status: &'static str,
    workflow_id: WorkflowId,
    workflow_version: u32,
}

impl Accepted {
    /// This run of that version.
    pub fn of(run: RunId, workflow: WorkflowId, version: u32) -> Accepted {
        Accepted { run_id: run, status: "pending", workflow_id: workflow, workflow_version: version }
    }
}

/// What a caller may say about the run.
struct Wanted {
    input: Value,
    connection: Option<ConnectionId>,
    idempotency_key: Option<String>,
}

/// `POST /workflows/:id/run`.
///
/// # Errors
/// 400; 404, also for an unknown connection; 409 unless the workflow is active, or if the `idempotencyKey` started a run
/// with another input; 429 while too many runs are under way;
/// 503 while the server stops or its disk takes nothing; 401, 403, 408, 413, 415.
pub async fn run(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    request: Request,
) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsExecute)?;
    let mut query = Query::of(request.uri());
    let wait = query.number("wait", 1..=60);
    query.finish()?;
    let wanted = wanted(body::optional_object(request).await?, &app, &caller)?;
    let row = workflows::find(&app, &caller, id).await?;
    // What was started is found again whatever became of its workflow since; only an archived one answers nothing.
    if let Some(key) = &wanted.idempotency_key
        && row.status != WorkflowStatus::Archived
        && let Some(run) = app.store().run_by_key(caller.company(), id, key.clone(), app.now()).await?
    {
        let version = version_started_with(&app, &caller, run, (&wanted.input, wanted.connection)).await?;
        return reply(&app, &caller, id, found(run), version, wait).await;
    }
    workflows::refuse_unless(&row, &[WorkflowStatus::Active], "run")?;
    let definition = definition(&app, &caller, id, row.version).await?;
    fits(&definition, &wanted.input).await?;
    let start = Start {
        run: None,
        company: caller.company(),
        workflow: id,
        version: row.version,
        definition,
        trigger: TriggerKind::Api,
        input: wanted.input.clone(),
        connection: wanted.connection,
        idempotency_key: wanted.idempotency_key,
        restarted_from: None,
        by: Some(caller.actor()),
        cause: None,
        queue: None,
        kept: Vec::new(),
    };
    let (started, version) = match app.runs().start(start).await {
        Ok(started) => (started, row.version),
        Err(StartError::Journal(JournalError::Exists { run })) => {
            (found(run), version_started_with(&app, &caller, run, (&wanted.input, wanted.connection)).await?)
        }
        Err(error) => return Err(refused(error)),
    };
    reply(&app, &caller, id, started, version, wait).await
}

/// Why no run was started.
pub fn refused(error: StartError) -> Error {
    match error {
        StartError::Stopping => Error::new(Code::Unavailable, "the server is stopping"),
        StartError::Busy => Error::busy(),
        StartError::Journal(JournalError::Full(cause)) => Error::full(cause),
        StartError::Journal(JournalError::Storage(cause)) => {
            Error::unavailable("the run could not be recorded; nothing was started", cause)
        }
        StartError::Journal(
            error @ (JournalError::Conflict { .. } | JournalError::Exists { .. } | JournalError::Missing(_)),
        ) => Error::internal(error),
    }
}

/// A run that was started before; where it ran is not known here.
fn found(run: RunId) -> Started {
    Started { run, rest: Box::pin(std::future::ready(None)) }
}

/// The run once it has ended, if that is waited for and comes in time; else that it was accepted.
async fn reply(
    app: &App,
    caller: &Caller,
    id: WorkflowId,
    started: Started,
    version: u32,
    wait: Option<u32>,
) -> Result<Answer, Error> {
    let run = started.run;
    if let Some(seconds) = wait {
        let until = Instant::now() + Duration::from_secs(u64::from(seconds));
        // As a rule the run's own state comes back from where it ran, and its journal need not be read.
        match tokio::time::timeout_at(until, started.rest).await {
            Ok(Some(run)) if run.status.has_ended() => {
                return runs::show_state(app, run, StatusCode::OK).await;
            }
            Ok(_) if live::ended(app, caller.company(), run, until).await? => {
                return runs::answer(app, caller.company(), run).await;
            }
            Ok(_) | Err(_) => {}
        }
    }
    Answer::new(StatusCode::ACCEPTED, &Accepted::of(run, id, version))
}

fn wanted(body: Object, app: &App, caller: &Caller) -> Result<Wanted, Error> {
    let mut fields = Fields::of(body);
    let input = fields.value("input").unwrap_or_else(|| Value::Object(Arc::new(Object::new())));
    let connection = fields.value("connectionId").and_then(|value| fields.text("connectionId", &value, 255));
    let key = fields.value("idempotencyKey");
    let idempotency_key = key.and_then(|value| fields.text("idempotencyKey", &value, LONGEST_KEY));
    fields.finish()?;
    let known = |text: String| {
        let id = text.parse().ok().filter(|id| app.connections().exists(caller.company(), *id));
        id.ok_or_else(|| Error::missing("connection", &text))
    };
    let connection = connection.map(known).transpose()?;
    Ok(Wanted { input, connection, idempotency_key })
}

/// Refuses an input that the workflow's `inputSchema` does not allow.
///
/// # Errors
/// 400 with everything that does not fit.
pub async fn fits(definition: &Arc<Workflow>, input: &Value) -> Result<(), Error> {
    if definition.input_schema.is_none() {
        return Ok(());
    }
    let (definition, input) = (Arc::clone(definition), input.clone());
    let misfits = apart(runs::weight(&input), move || {
        definition.input_schema.as_ref().map(|schema| schema.misfits("input", &input)).unwrap_or_default()
    })
    .await?;
    if misfits.is_empty() {
        return Ok(());
    }
    let problems = misfits.into_iter().map(|misfit| Problem::new(misfit.field, misfit.message));
    Err(Error::invalid("the input does not fit the workflow's `inputSchema`", problems.collect()))
}

/// The checked definition of a version; from memory as a rule.
///
/// # Errors
/// 409 where its text has errors by now.
pub async fn definition(
    app: &App,
    caller: &Caller,
    id: WorkflowId,
    version: u32,
) -> Result<Arc<Workflow>, Error> {
    let found = app.definition(caller.company(), id, version).await?;
    found.ok_or_else(|| {
        let message = format!(
            "version {version} of workflow `{id}` no longer passes the checks; validate and update it"
        );
        Error::new(Code::InvalidState, message)
    })
}

/// The version of the run that an idempotency key started before, if it was given the same input and connection.
async fn version_started_with(
    app: &App,
    caller: &Caller,
    run: RunId,
    wanted: (&Value, Option<ConnectionId>),
) -> Result<u32, Error> {
    let entries = app.store().entries(caller.company(), run, 0).await?;
    match entries.first().map(|entry| &entry.event) {
        Some(Event::RunStarted { version, input, connection, .. }) if (input, *connection) == wanted => {
            Ok(*version)
        }
        Some(Event::RunStarted { input, .. }) => {
            let other = if input == wanted.0 { "connection" } else { "input" };
            let message = format!("the `idempotencyKey` started run `{run}` with another {other}");
            Err(Error::new(Code::Conflict, message))
        }
        Some(_) | None => Err(Error::internal(format!("the journal of {run} does not begin with its start"))),
    }
}
