//! `POST /api/v1/runs/:id/restart`: a run that has ended is started anew, from its beginning or from one of its steps, in
//! the workflow's current version.

use axum::extract::{Request, State};
use hyper::StatusCode;
use loopfour_engine::ports::Start;
use loopfour_engine::{Event, Run, RunId};
use loopfour_lang::Workflow;
use loopfour_store::{Scope, WorkflowStatus};

use super::start::{self, Accepted};
use super::{runs, workflows};
use crate::App;
use crate::auth::{Caller, Id};
use crate::body::{self, Fields};
use crate::definition::apart;
use crate::envelope::Answer;
use crate::error::{Code, Error, Problem};
use crate::query::Query;

/// Longest `fromStep`, characters.
const LONGEST_STEP: usize = 255;

/// `POST /runs/:id/restart`.
///
/// # Errors
/// 400, also for an unknown step; 404; 409 unless the run has ended and its workflow is active, and where a call of it may
/// be done; 429 and 503 as for any start; 401, 403, 408, 413, 415.
pub async fn restart(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<RunId>,
    request: Request,
) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsExecute)?;
    Query::of(request.uri()).finish()?;
    let mut fields = Fields::of(body::optional_object(request).await?);
    let from_step = fields.value("fromStep").and_then(|value| fields.text("fromStep", &value, LONGEST_STEP));
    let force = fields.boolean("force").unwrap_or(false);
    fields.finish()?;

    let run = runs::folded(&app, caller.company(), id).await?;
    refuse_unless_over(&run, force)?;
    let row = workflows::find(&app, &caller, run.workflow).await?;
    workflows::refuse_unless(&row, &[WorkflowStatus::Active], "run")?;
    let definition = start::definition(&app, &caller, row.id, row.version).await?;
    start::fits(&definition, &run.input).await?;
    let (trigger, input, connection) = (run.trigger, run.input.clone(), run.connection);
    let kept = match from_step {
        Some(step) => {
            let definition = definition.clone();
            let size = run.steps.iter().map(|step| step.output.text().len()).sum();
            apart(size, move || kept(&run, &definition, &step)).await??
        }
        None => Vec::new(),
    };
    let start = Start {
        run: None,
        company: caller.company(),
        workflow: row.id,
        version: row.version,
        definition,
        trigger,
        input,
        connection,
        idempotency_key: None,
        restarted_from: Some(id),
        by: Some(caller.actor()),
        cause: None,
        queue: None,
        kept,
    };
    let started = app.runs().start(start).await.map_err(start::refused)?;
    Answer::new(StatusCode::ACCEPTED, &Accepted::of(started.run, row.id, row.version))
}

fn refuse_unless_over(run: &Run, force: bool) -> Result<(), Error> {
    let (id, status) = (run.id, run.status.name());
    if !run.status.has_ended() {
        let message = format!("run `{id}` is {status}; only a run that has ended can be restarted");
        return Err(Error::new(Code::InvalidState, message));
    }
    match (0..run.steps.len()).find(|step| run.may_be_done(*step)) {
        Some(step) if !force => {
            let step = &run.definition().steps[step].id;
            let message = format!(
                "the call of step `{step}` may be done, so a new run could do it twice; look at the provider, then \
                 restart with `force: true`"
            );
            Err(Error::new(Code::InvalidState, message))
        }
        Some(_) | None => Ok(()),
    }
}

/// What the new run takes over.
fn kept(run: &Run, definition: &Workflow, from_step: &str) -> Result<Vec<Event>, Error> {
    run.kept(definition, from_step).map_err(|step| {
        let message = if definition.position(from_step).is_none() {
            format!("the workflow has no step `{from_step}`")
        } else {
            format!("step `{step}` comes before `{from_step}` and has no result in run `{}`", run.id)
        };
        Error::invalid("the run cannot begin there", vec![Problem::new("fromStep", message)])
    })
}
