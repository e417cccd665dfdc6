//! `/api/v1/workflows`: made, read, edited and checked. Changes of their status are in [`super::status`], their versions
//! in [`super::versions`], starting a run of one in [`super::start`].

use axum::extract::{Request, State};
use hyper::header::{self, HeaderMap};
use hyper::{StatusCode, Uri};
use loopfour_engine::WorkflowId;
use loopfour_lang::trigger::Trigger;
use loopfour_store::{Edit, Scope, WorkflowError, WorkflowFilter, WorkflowRow, WorkflowStatus};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::listening::{self, Outlook};
use crate::auth::{Caller, Id};
use crate::body::{self, Fields};
use crate::definition::{self, Accepted, Errors};
use crate::envelope::{Answer, Meta};
use crate::error::{Code, Error, Problem};
use crate::query::{List, Query};
use crate::view::Time;
use crate::{App, limits};

/// The key of an update that says why it was made; it is no part of the definition.
const CHANGE_SUMMARY: &str = "changeSummary";
/// Longest reason for an update, characters.
const LONGEST_SUMMARY: usize = 1000;
/// How often a change begins anew when others edit the workflow at the same time.
pub const EDIT_TRIES: usize = 10;

/// What a workflow has beside its definition.
const OURS: [&str; 8] =
    ["id", "status", "version", "source", "nextFirings", "webhook", "createdAt", "updatedAt"];

/// A workflow: what is known about it, its definition's members as they were written, and the whole text.
struct WorkflowView<'a> {
    row: &'a WorkflowRow,
    outlook: &'a Outlook,
    members: definition::Members<'a>,
    source: &'a str,
}

impl Serialize for WorkflowView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.row.id)?;
        map.serialize_entry("status", self.row.status.name())?;
        map.serialize_entry("version", &self.row.version)?;
        // An incomplete draft may have any keys; ours stand once.
        for (key, value) in self.members.iter().filter(|(key, _)| !OURS.contains(&key.as_str())) {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("source", self.source)?;
        if let Some(firings) = &self.outlook.next_firings {
            map.serialize_entry("nextFirings", firings)?;
        }
        if let Some(webhook) = &self.outlook.webhook {
            map.serialize_entry("webhook", webhook)?;
        }
        map.serialize_entry("createdAt", &Time(self.row.created_at))?;
        map.serialize_entry("updatedAt", &Time(self.row.updated_at))?;
        map.end()
    }
}

/// A workflow in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WorkflowItem<'a> {
    id: WorkflowId,
    name: &'a str,
    status: &'static str,
    version: u32,
    created_at: Time,
    updated_at: Time,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    valid: bool,
    diagnostics: Vec<Problem>,
    /// When a schedule would fire next if it were activated now.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_firings: Option<Vec<Time>>,
}

/// `GET /workflows`.
///
/// # Errors
/// 400, 401, 403.
pub async fn list(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsRead)?;
    let mut query = Query::of(&uri);
    let statuses = WorkflowStatus::ALL.map(|status| (status.name(), status));
    let filter = WorkflowFilter { status: query.choice("status", &statuses), search: query.text("search") };
    let span = query.span(List::Workflows);
    query.finish()?;
    let page = app.store().workflows(caller.company(), filter, span).await?;
    let items: Vec<WorkflowItem<'_>> = page.rows.iter().map(item).collect();
    Answer::with_meta(StatusCode::OK, &items, &Meta::list(List::Workflows, page.next))
}

fn item(row: &WorkflowRow) -> WorkflowItem<'_> {
    WorkflowItem {
        id: row.id,
        name: &row.name,
        status: row.status.name(),
        version: row.version,
        created_at: Time(row.created_at),
        updated_at: Time(row.updated_at),
    }
}

/// `POST /workflows`: the body is the definition.
///
/// # Errors
/// 400 with every error of the definition; 401, 403, 408, 413, 415.
pub async fn create(State(app): State<App>, caller: Caller, request: Request) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsWrite)?;
    let errors = incomplete(Query::of(request.uri()))?;
    let text = body::text(request).await?;
    let Accepted { text, name, remarks, .. } = definition::accepted(text, errors).await?;
    let row = app.store().create_workflow(caller.company(), &name, &text, &caller.actor(), app.now()).await?;
    let place = format!("/api/v1/workflows/{}", row.id);
    let outlook = listening::outlook(&app, &row).await?;
    let answer = answer(StatusCode::CREATED, row, text, Some(remarks), outlook).await?;
    Ok(answer.header(header::LOCATION, &place))
}

/// `POST /workflows/validate`.
///
/// # Errors
/// 400 for what is not JSON; 401, 403, 408, 413, 415.
pub async fn validate(State(app): State<App>, caller: Caller, request: Request) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsRead)?;
    Query::of(request.uri()).finish()?;
    let text = body::text(request).await?;
    let (text, parsed) = definition::apart(text.len(), move || {
        let parsed = body::parse(text.as_bytes());
        (text, parsed)
    })
    .await?;
    parsed?;
    let (_, checked) = definition::checked(text).await?;
    let (errors, _) = definition::sort(&checked.diagnostics);
    let diagnostics = checked.diagnostics.iter().map(Problem::from).collect();
    let next_firings = match checked.workflow.map(|workflow| workflow.trigger) {
        Some(Trigger::Schedule(schedule)) => Some(listening::next_firings(&schedule, None, app.now())),
        Some(Trigger::Api | Trigger::Webhook(_) | Trigger::Failure { .. }) | None => None,
    };
    Answer::new(StatusCode::OK, &Verdict { valid: errors.is_empty(), diagnostics, next_firings })
}

/// `GET /workflows/:id`.
///
/// # Errors
/// 400, 401, 403, 404.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    uri: Uri,
) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsRead)?;
    Query::of(&uri).finish()?;
    let row = find(&app, &caller, id).await?;
    let text = source(&app, &row, row.version).await?;
    let outlook = listening::outlook(&app, &row).await?;
    answer(StatusCode::OK, row, text, None, outlook).await
}

/// `PUT /workflows/:id`: what is given replaces the members of the same name, null takes one away. Diagnostics are about
/// the resulting definition; where members stay as they were, lines are those of the text made of both.
///
/// # Errors
/// 400 with every error of the resulting definition; 409 if archived; 412 if `If-Match` is not the current version;
/// 401, 403, 404, 408, 413, 415.
pub async fn update(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<WorkflowId>,
    request: Request,
) -> Result<Answer, Error> {
    caller.needs(Scope::WorkflowsWrite)?;
    let errors = incomplete(Query::of(request.uri()))?;
    let wanted = IfMatch::of(request.headers());
    let update = body::text(request).await?;
    let (update, summary) = definition::apart(update.len(), move || {
        let summary = change_summary(&update);
        (update, summary)
    })
    .await?;
    let change_summary = summary?;
    for _ in 0..EDIT_TRIES {
        let row = find(&app, &caller, id).await?;
        refuse_unless(&row, &WorkflowStatus::LIVING, "edited")?;
        wanted.check(&row)?;
        // What takes runs must be able to run.
        let errors = if row.status == WorkflowStatus::Draft { errors } else { Errors::Refused };
        let (stored, sent) = (source(&app, &row, row.version).await?, update.clone());
        let size = stored.len() + sent.len();
        let merged =
            definition::apart(size, move || definition::merged(&stored, &sent, CHANGE_SUMMARY)).await??;
        if merged.len() > limits::BODY {
            let message = format!("the resulting definition is larger than {} bytes", limits::BODY);
            return Err(Error::new(Code::PayloadTooLarge, message));
        }
        let Accepted { text, name, remarks, workflow } = definition::accepted(merged, errors).await?;
        if let (WorkflowStatus::Active, Some(workflow)) = (row.status, &workflow) {
            listening::refuse_disagreement(&app, &caller, id, workflow).await?;
        }
        let edit = Edit {
            name,
            source: text.clone(),
            change_summary: change_summary.clone(),
            expected_version: Some(row.version),
            // As it was looked at: a draft that was activated meanwhile takes no incomplete text.
            from: vec![row.status],
            rolled_back_to: None,
        };
        match app.store().update_workflow(caller.company(), id, edit, &caller.actor(), app.now()).await {
            Ok(row) => {
                let outlook = listening::settled(&app, &caller, &row).await?;
                return answer(StatusCode::OK, row, text, Some(remarks), outlook).await;
            }
            Err(error) => retry_or_fail(error)?,
        }
    }
    Err(too_busy(id))
}

/// The company's workflow of that id.
///
/// # Errors
/// 404.
pub async fn find(app: &App, caller: &Caller, id: WorkflowId) -> Result<WorkflowRow, Error> {
    let row = app.store().workflow(caller.company(), id).await?;
    row.ok_or_else(|| Error::missing("workflow", &id.to_string()))
}

/// Refuses what the workflow's status does not allow.
///
/// # Errors
/// 409.
pub fn refuse_unless(row: &WorkflowRow, allowed: &[WorkflowStatus], done: &str) -> Result<(), Error> {
    if allowed.contains(&row.status) {
        return Ok(());
    }
    let names: Vec<&str> = allowed.iter().map(|status| status.name()).collect();
    let (id, status, names) = (row.id, row.status.name(), names.join(" or "));
    Err(Error::new(
        Code::InvalidState,
        format!("workflow `{id}` is {status}; it can be {done} while it is {names}"),
    ))
}

/// The text of a version that must be there.
///
/// # Errors
/// It is not, or the database failed.
pub async fn source(app: &App, row: &WorkflowRow, version: u32) -> Result<String, Error> {
    let found = app.store().workflow_version(row.company, row.id, version).await?;
    let missing = || Error::internal(format!("version {version} of {} is not stored", row.id));
    found.map(|version| version.source).ok_or_else(missing)
}

/// The workflow as clients see it, with its version as the entity tag.
///
/// # Errors
/// The text is not the stored form of a workflow, which is a defect.
pub async fn answer(
    status: StatusCode,
    row: WorkflowRow,
    text: String,
    diagnostics: Option<Vec<Problem>>,
    outlook: Outlook,
) -> Result<Answer, Error> {
    definition::apart(text.len(), move || {
        let members = definition::members(&text)?;
        let view = WorkflowView { row: &row, outlook: &outlook, members, source: &text };
        let tag = tag(row.version);
        let answer = match diagnostics {
            Some(diagnostics) => {
                let meta = Meta { diagnostics: Some(diagnostics), ..Meta::default() };
                Answer::with_meta(status, &view, &meta)?
            }
            None => Answer::new(status, &view)?,
        };
        Ok(answer.header(header::ETAG, &tag))
    })
    .await?
}

/// The entity tag of a version.
pub fn tag(version: u32) -> String {
    format!("\"{version}\"")
}

/// What `?incomplete` says about errors.
///
/// # Errors
/// 400 for any other parameter or value.
pub fn incomplete(mut query: Query) -> Result<Errors, Error> {
    let choices = [("true", Errors::Kept), ("false", Errors::Refused)];
    let errors = query.choice("incomplete", &choices).unwrap_or(Errors::Refused);
    query.finish().map(|()| errors)
}

/// Checks that an update is strict JSON and an object, and gives the reason in it.
fn change_summary(update: &str) -> Result<Option<String>, Error> {
    let object = body::object(update.as_bytes())?;
    let Some(value) = object.get(CHANGE_SUMMARY) else { return Ok(None) };
    let mut fields = Fields::of(loopfour_lang::Object::new());
    let summary = fields.text(CHANGE_SUMMARY, value, LONGEST_SUMMARY);
    fields.finish().map(|()| summary)
}

/// The header `if-match` of a request that changes a workflow.
#[derive(Debug)]
pub struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// What these headers say.
    pub fn of(headers: &HeaderMap) -> IfMatch {
        let mut lines = headers.get_all(header::IF_MATCH).iter().peekable();
        if lines.peek().is_none() {
            return IfMatch(None);
        }
        let tags = lines.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        IfMatch(Some(tags.map(|tag| tag.trim().to_owned()).collect()))
    }

    /// Refuses a workflow at another version than the header names.
    ///
    /// # Errors
    /// 412.
    pub fn check(&self, row: &WorkflowRow) -> Result<(), Error> {
        let current = tag(row.version);
        match &self.0 {
            Some(tags) if !tags.iter().any(|tag| *tag == "*" || *tag == current) => {
                let message = format!("`if-match` does not name the current version, which is {current}");
                Err(Error::new(Code::VersionConflict, message))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Somebody else was faster: the change begins anew with what there is now.
///
/// # Errors
/// Anything else than that.
pub fn retry_or_fail(error: WorkflowError) -> Result<(), Error> {
    match error {
        WorkflowError::VersionConflict { .. } | WorkflowError::InvalidState { .. } => Ok(()),
        WorkflowError::Missing(id) => Err(Error::missing("workflow", &id.to_string())),
        WorkflowError::Storage(error) => Err(error.into()),
    }
}

/// The answer after [`EDIT_TRIES`].
pub fn too_busy(id: WorkflowId) -> Error {
    Error::new(Code::Conflict, format!("workflow `{id}` is edited by others all the time; try again"))
}
