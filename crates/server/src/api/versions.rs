//! `/api/v1/workflows/:id/versions`: every text that a workflow ever had, and going back to one.

use axum::extract::{Request, State};
use hyper::{StatusCode, Uri, header};
use loopfour_engine::WorkflowId;
use loopfour_lang::Value;
use loopfour_store::{Edit, Scope, VersionHead, VersionRow, WorkflowStatus};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::listening;
use super::workflows::{self, EDIT_TRIES, IfMatch};
use crate::App;
use crate::auth::{Caller, Id, Version};
use crate::body::{self, Fields, kind};
use crate::definition::{self, Accepted, Errors};
use crate::envelope::{Answer, Meta};
use crate::error::{Code, Error};
use crate::query::{List, Query};
use crate::view::Time;

/// What a version has beside its definition.
const OURS: [&str; 5] = ["workflowId", "version", "changeSummary", "source", "createdAt"];

/// A version in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionItem<'a> {
    workflow_id: WorkflowId,
    version: u32,
    change_summary: Option<&'a str>,
    created_at: Time,
}

/// A version: its definition's members as they were written, and the whole text.
struct VersionView<'a> {
    workflow: WorkflowId,
    row: &'a VersionRow,
    members: definition::Members<'a>,
}

impl Serialize for VersionView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("workflowId", &self.workflow)?;
        map.serialize_entry("version", &self.row.version)?;
        map.serialize_entry("changeSummary", &self.row.change_summary)?;
        for (key, value) in self.members.iter().filter(|(key, _)| !OURS.contains(&key.as_str())) {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("source", &self.row.source)?;
        map.serialize_entry("createdAt", &Time(self.row.created_at))?;
        map.end()
    }
}

/// `GET /workflows/:id/versions`.
///
/// # Errors
/// 400, 401, 403, 404.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    uri: Uri,
) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsRead)?;
    let mut query = Query::of(&uri);
    let span = query.span(List::Versions);
    query.finish()?;
    workflows::find(&app, &caller, id).await?;
    let page = app.store().workflow_versions(caller.company(), id, span).await?;
    let items: Vec<VersionItem<'_>> = page.rows.iter().map(|row| item(id, row)).collect();
    Answer::with_meta(StatusCode::OK, &items, &Meta::list(List::Versions, page.next))
}

fn item(workflow_id: WorkflowId, row: &VersionHead) -> VersionItem<'_> {
    VersionItem {
        workflow_id,
        version: row.version,
        change_summary: row.change_summary.as_deref(),
        created_at: Time(row.created_at),
    }
}

/// `GET /workflows/:id/versions/:version`.
///
/// # Errors
/// 400, 401, 403, 404.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    Version(version): Version,
    uri: Uri,
) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsRead)?;
    Query::of(&uri).finish()?;
    let row = find(&app, &caller, id, version).await?;
    definition::apart(row.source.len(), move || {
        let view = VersionView { workflow: id, row: &row, members: definition::members(&row.source)? };
        Ok(Answer::new(StatusCode::OK, &view)?.header(header::ETAG, &workflows::tag(row.version)))
    })
    .await?
}

/// `POST /workflows/:id/rollback`: makes a new version with the text of an old one.
///
/// # Errors
/// 400, also with every error that the checks find in the old text today; 404, also for an unknown version; 409 if
/// archived; 412 if `If-Match` is not the current version; 401, 403, 408, 413, 415.
pub async fn rollback(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    request: Request,
) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsWrite)?;
    let errors = workflows::incomplete(Query::of(request.uri()))?;
    let wanted = IfMatch::of(request.headers());
    let mut fields = Fields::of(body::required_object(request).await?);
    let version = fields.required("version").and_then(|value| number(&value, &mut fields));
    fields.finish()?;
    let version = version.unwrap_or_default();
    for _ in 0..EDIT_TRIES {
        let row = workflows::find(&app, &caller, id).await?;
        workflows::refuse_unless(&row, &WorkflowStatus::LIVING, "rolled back")?;
        wanted.check(&row)?;
        let errors = if row.status == WorkflowStatus::Draft { errors } else { Errors::Refused };
        let old = find(&app, &caller, id, version).await?;
        let Accepted { text, name, remarks, workflow } = definition::accepted(old.source, errors).await?;
        if let (WorkflowStatus::Active, Some(workflow)) = (row.status, &workflow) {
            listening::refuse_disagreement(&app, &caller, id, workflow).await?;
        }
        let edit = Edit {
            name,
            source: text.clone(),
            change_summary: Some(format!("rollback to version {version}")),
            expected_version: Some(row.version),
            from: vec![row.status],
            rolled_back_to: Some(version),
        };
        match app.store().update_workflow(caller.company(), id, edit, &caller.actor(), app.now()).await {
            Ok(row) => {
                let outlook = listening::settled(&app, &caller, &row).await?;
                return workflows::answer(StatusCode::OK, row, text, Some(remarks), outlook).await;
            }
            Err(error) => workflows::retry_or_fail(error)?,
        }
    }
    Err(workflows::too_busy(id))
}

/// The version of the company's workflow; a missing workflow is told before a missing version.
async fn find(app: &App, caller: &Caller, id: WorkflowId, version: u32) -> Result<VersionRow, Error> {
    workflows::find(app, caller, id).await?;
    let row = app.store().workflow_version(caller.company(), id, version).await?;
    row.ok_or_else(|| Error::new(Code::NotFound, format!("workflow `{id}` has no version {version}")))
}

fn number(value: &Value, fields: &mut Fields) -> Option<u32> {
    match value {
        // No workflow has as many versions: what is larger is unknown, as any other.
        Value::Integer(number) if *number > 0 => Some(u32::try_from(*number).unwrap_or(u32::MAX)),
        Value::Integer(number) => {
            fields.problem("version", format!("`version` must be a whole number from 1, not {number}"));
            None
        }
        Value::Decimal(number) => {
            fields.problem("version", format!("`version` must be a whole number, not {number}"));
            None
        }
        other => {
            fields.problem("version", format!("`version` must be a whole number, not {}", kind(other)));
            None
        }
    }
}
