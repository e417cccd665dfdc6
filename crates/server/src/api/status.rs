//! What takes a workflow from one status to another: activate, pause, resume, and DELETE, which archives. Runs under way
//! go on whatever happens to their workflow.

use axum::extract::{Request, State};
use hyper::StatusCode;
use loopfour_engine::WorkflowId;
use loopfour_store::{Scope, StatusChange, WorkflowStatus};

use super::listening;
use super::workflows::{self, EDIT_TRIES, IfMatch};
use crate::App;
use crate::auth::{Caller, Id};
use crate::body::{self, Fields};
use crate::definition::{self, Errors};
use crate::envelope::Answer;
use crate::error::Error;
use crate::query::Query;

/// A change of status: where it may begin, where it leads, and what messages call it.
struct Change {
    from: &'static [WorkflowStatus],
    to: WorkflowStatus,
    done: &'static str,
    /// Whether the text must pass the checks of today.
    checked: bool,
}

/// `POST /workflows/:id/activate`.
///
/// # Errors
/// 400 if the definition has errors by now; 409 unless it is a draft; 412 if `If-Match` is not the current version; 401,
/// 403, 404.
pub async fn activate(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    request: Request,
) -> Result<Answer, Error> {
    let from = &[WorkflowStatus::Draft];
    let change = Change { from, to: WorkflowStatus::Active, done: "activated", checked: true };
    set(&app, &caller, id, request, change).await
}

/// `POST /workflows/:id/pause`: it takes no runs for now.
///
/// # Errors
/// 409 unless it is active; 412 if `If-Match` is not the current version; 400, 401, 403, 404.
pub async fn pause(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    request: Request,
) -> Result<Answer, Error> {
    let from = &[WorkflowStatus::Active];
    let change = Change { from, to: WorkflowStatus::Paused, done: "paused", checked: false };
    set(&app, &caller, id, request, change).await
}

/// `POST /workflows/:id/resume`: it takes runs again.
///
/// # Errors
/// 400 if the definition has errors by now; 409 unless it is paused; 412 if `If-Match` is not the current version; 401,
/// 403, 404.
pub async fn resume(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    request: Request,
) -> Result<Answer, Error> {
    let from = &[WorkflowStatus::Paused];
    let change = Change { from, to: WorkflowStatus::Active, done: "resumed", checked: true };
    set(&app, &caller, id, request, change).await
}

/// `DELETE /workflows/:id`: it takes no runs any more, is left out of lists, and stays to be read.
///
/// # Errors
/// 409 if it is archived already; 412 if `If-Match` is not the current version; 400, 401, 403, 404.
pub async fn archive(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    request: Request,
) -> Result<Answer, Error> {
    let from = &WorkflowStatus::LIVING;
    let change = Change { from, to: WorkflowStatus::Archived, done: "archived", checked: false };
    set(&app, &caller, id, request, change).await
}

async fn set(
    app: &App,
    caller: &Caller,
    id: WorkflowId,
    request: Request,
    change: Change,
) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsWrite)?;
    Query::of(request.uri()).finish()?;
    let wanted = IfMatch::of(request.headers());
    Fields::of(body::optional_object(request).await?).finish()?;
    for _ in 0..EDIT_TRIES {
        let row = workflows::find(app, caller, id).await?;
        workflows::refuse_unless(&row, change.from, change.done)?;
        wanted.check(&row)?;
        let text = workflows::source(app, &row, row.version).await?;
        let (text, remarks) = if change.checked {
            let accepted = definition::accepted(text, Errors::Refused).await?;
            if let Some(workflow) = &accepted.workflow {
                listening::refuse_disagreement(app, caller, id, workflow).await?;
            }
            (accepted.text, Some(accepted.remarks))
        } else {
            (text, None)
        };
        let status = StatusChange {
            from: change.from.to_vec(),
            to: change.to,
            // The version whose text was checked and is answered.
            expected_version: Some(row.version),
        };
        match app.store().set_status(caller.company(), id, status, &caller.actor(), app.now()).await {
            Ok(row) => {
                let outlook = listening::settled(app, caller, &row).await?;
                return workflows::answer(StatusCode::OK, row, text, remarks, outlook).await;
            }
            Err(error) => workflows::retry_or_fail(error)?,
        }
    }
    Err(workflows::too_busy(id))
}
