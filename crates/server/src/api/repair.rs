//! What people do to a run under way or ended badly: cancel it, let it go on, say what became of a call, and look at the
//! provider for what a call may have made. What follows is decided by the engine; starting it anew is in
//! [`restart`](super::restart).

use axum::extract::{Request, State};
use hyper::StatusCode;
use loopfour_engine::ports::{Act, ActError, Candidate, Deed, JournalError, Resolution};
use loopfour_engine::{RunId, Timestamp};
use loopfour_lang::{Document, Object, Value};
use loopfour_store::Scope;
use serde::Serialize;

use super::runs;
use crate::App;
use crate::auth::{Caller, Id, Step};
use crate::body::{self, Fields};
use crate::envelope::Answer;
use crate::error::{Code, Error, Problem};
use crate::query::Query;
use crate::view::Time;

/// Longest `reason`, characters.
const LONGEST_REASON: usize = 1000;
/// Longest `id` of an object at a provider, characters.
const LONGEST_ID: usize = 255;

/// `POST /runs/:id/cancel`.
///
/// # Errors
/// 409 once the run has ended; 400, 401, 403, 404, 408, 413, 415, 503.
pub async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<RunId>,
    request: Request,
) -> Result<Answer, Error> {
    Fields::of(read(&caller, request).await?).finish()?;
    act(&app, &caller, id, Deed::Cancel, StatusCode::ACCEPTED).await
}

/// `POST /runs/:id/retry`.
///
/// # Errors
/// 409 unless the run failed or timed out, and where its call may be done and nobody says that it was not; 400, 401, 403,
/// 404, 408, 413, 415, 503.
pub async fn retry(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<RunId>,
    request: Request,
) -> Result<Answer, Error> {
    let mut fields = Fields::of(read(&caller, request).await?);
    let not_done = fields.boolean("notDone").unwrap_or(false);
    fields.finish()?;
    act(&app, &caller, id, Deed::Retry { not_done }, StatusCode::ACCEPTED).await
}

/// `POST /runs/:id/steps/:stepId/resolve`.
///
/// # Errors
/// 400, also for an object that does not exist or does not fit the step; 404; 409 where the step does not wait so; 503,
/// also where the provider does not answer; 401, 403, 408, 413, 415.
pub async fn resolve(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<RunId>,
    Step(path): Step,
    request: Request,
) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsExecute)?;
    Query::of(request.uri()).finish()?;
    let (reason, resolution) = said(body::required_object(request).await?)?;
    act(&app, &caller, id, Deed::Resolve { path, reason, resolution }, StatusCode::OK).await
}

/// `POST /runs/:id/steps/:stepId/candidates`.
///
/// # Errors
/// 400 where the step makes no objects of its own; 404; 409 where it made no call; 503, also where the provider does not
/// answer; 401, 403, 408, 413, 415.
pub async fn candidates(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<RunId>,
    Step(path): Step,
    request: Request,
) -> Result<Answer, Error> {
    Fields::of(read(&caller, request).await?).finish()?;
    exists(&app, &caller, id).await?;
    let looked = app.runs().candidates(id, path).await.map_err(|error| refused(error, "stepId"))?;
    let note = match (looked.found.is_empty(), looked.complete) {
        (false, _) if looked.changes => {
            "this is the object that the call was to change, as it is now; that it is here says nothing: look whether it \
             shows the change"
        }
        (true, _) if looked.changes => "the object that the call was to change is not there",
        (false, _) => "these carry the run and the step in their metadata",
        (true, true) => {
            "none carries the run and the step in its metadata; that does not prove that the call was not done: the \
             provider may show it later, and metadata can be changed"
        }
        (true, false) => "none was found among those looked at, and not all were; that proves nothing",
    };
    let found = looked.found.iter().map(CandidateView::of).collect();
    let searched = Searched { objects: looked.searched, complete: looked.complete, note };
    Answer::new(StatusCode::OK, &CandidatesView { candidates: found, searched })
}

#[derive(Serialize)]
struct CandidatesView<'a> {
    candidates: Vec<CandidateView<'a>>,
    searched: Searched,
}

#[derive(Serialize)]
struct CandidateView<'a> {
    id: &'a str,
    object: &'a str,
    created: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
}

impl<'a> CandidateView<'a> {
    fn of(candidate: &'a Candidate) -> CandidateView<'a> {
        CandidateView {
            id: &candidate.id,
            object: &candidate.object,
            created: Time(Timestamp(candidate.created.saturating_mul(1000))),
            amount: candidate.amount,
            currency: candidate.currency.as_deref(),
            status: candidate.status.as_deref(),
        }
    }
}

/// What was looked at.
#[derive(Serialize)]
struct Searched {
    objects: u64,
    complete: bool,
    note: &'static str,
}

/// The body, in which nothing is required, of a request by whoever may execute.
async fn read(caller: &Caller, request: Request) -> Result<Object, Error> {
    caller.needs(Scope::WorkflowsExecute)?;
    Query::of(request.uri()).finish()?;
    body::optional_object(request).await
}

/// What a person says of a call whose outcome is unknown.
fn said(body: Object) -> Result<(String, Resolution), Error> {
    let mut fields = Fields::of(body);
    let reason = fields.required("reason");
    let reason = reason.and_then(|value| fields.text("reason", &value, LONGEST_REASON));
    if reason.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        fields.problem("reason", "`reason` must say how you know".to_owned());
    }
    let outcome = fields.required("outcome");
    let outcome = outcome.and_then(|value| fields.text("outcome", &value, LONGEST_ID));
    let id = fields.value("id").and_then(|value| fields.text("id", &value, LONGEST_ID));
    let output = fields.value("output").filter(|output| *output != Value::Null);
    let not_done = fields.boolean("notDone");
    let is_done = outcome.as_deref() == Some("done");
    for (name, misplaced) in [("id", id.is_some() && !is_done), ("output", output.is_some() && !is_done)] {
        if misplaced && outcome.is_some() {
            fields.problem(name, format!("`{name}` belongs to the outcome `done`"));
        }
    }
    if not_done.is_some() && outcome.as_deref().is_some_and(|outcome| outcome != "retry") {
        fields.problem("notDone", "`notDone` belongs to the outcome `retry`".to_owned());
    }
    let resolution = match (outcome.as_deref(), id, output) {
        (Some("done"), Some(id), None) => Some(Resolution::Found { id }),
        (Some("done"), None, Some(output)) => Some(Resolution::Done { output: Document::from(output) }),
        (Some("done"), Some(_), Some(_)) => {
            fields.problem("output", "give `id` or `output`, not both".to_owned());
            None
        }
        (Some("done"), None, None) => {
            fields.problem("id", "`done` needs the object's `id`, or the `output` itself".to_owned());
            None
        }
        (Some("retry"), _, _) => Some(Resolution::Retry { not_done: not_done.unwrap_or(false) }),
        (Some("fail"), _, _) => Some(Resolution::Fail),
        (Some(other), _, _) => {
            fields.unknown("outcome", "outcome", other, &["done", "retry", "fail"]);
            None
        }
        (None, _, _) => None,
    };
    fields.finish()?;
    let said = reason.zip(resolution);
    said.ok_or_else(|| Error::internal("a body without reason or outcome was not refused"))
}

/// Does it, and answers with the run as it stands then.
async fn act(app: &App, caller: &Caller, id: RunId, what: Deed, status: StatusCode) -> Result<Answer, Error> {
    exists(app, caller, id).await?;
    let by = caller.actor();
    let done = app.runs().act(id, Act { by, what }).await;
    runs::show_state(app, done.map_err(|error| refused(error, "id"))?, status).await
}

/// Refuses other companies' runs.
async fn exists(app: &App, caller: &Caller, id: RunId) -> Result<(), Error> {
    let row = app.store().run(caller.company(), id).await?;
    row.map(|_| ()).ok_or_else(|| Error::missing("run", &id.to_string()))
}

/// Why it was not done; `field` is what cannot be right, where something cannot.
fn refused(error: ActError, field: &str) -> Error {
    match error {
        ActError::Missing(message) => Error::new(Code::NotFound, message),
        ActError::State(message) => Error::new(Code::InvalidState, message),
        ActError::Unfit(message) => {
            Error::invalid("this cannot be done as asked", vec![Problem::new(field, message)])
        }
        ActError::Unavailable(message) => Error::new(Code::Unavailable, message),
        ActError::Stopping => Error::new(Code::Unavailable, "the server is stopping"),
        ActError::Journal(JournalError::Full(cause)) => Error::full(cause),
        ActError::Journal(JournalError::Storage(cause)) => {
            Error::unavailable("this could not be recorded; nothing was changed", cause)
        }
        ActError::Journal(
            error @ (JournalError::Conflict { .. } | JournalError::Exists { .. } | JournalError::Missing(_)),
        ) => Error::internal(error),
    }
}
