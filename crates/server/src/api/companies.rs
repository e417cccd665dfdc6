//! `/api/v1/companies`: the tenants of this server. Only who runs it may ask: an `admin` of the company `default`.

use axum::extract::{Request, State};
use hyper::{StatusCode, Uri};
use loopfour_engine::CompanyId;
use loopfour_store::{CompanyError, CompanyRow, DEFAULT_COMPANY, Scope};
use serde::Serialize;

use crate::App;
use crate::auth::Caller;
use crate::body::{self, Fields};
use crate::envelope::{Answer, Meta};
use crate::error::{Code, Error};
use crate::query::{List, Query};
use crate::view::Time;

/// Longest name of a company, characters.
const LONGEST_NAME: usize = 255;

#[derive(Serialize)]
struct Created<'a> {
    id: CompanyId,
    name: &'a str,
    key: &'a str,
}

/// A company in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CompanyItem<'a> {
    id: CompanyId,
    name: &'a str,
    created_at: Time,
}

impl<'a> CompanyItem<'a> {
    fn of(row: &'a CompanyRow) -> CompanyItem<'a> {
        CompanyItem { id: row.id, name: &row.name, created_at: Time(row.created_at) }
    }
}

/// `POST /companies`: makes a company and its first key, which has all scopes and is shown only here.
///
/// # Errors
/// 403 for whoever is no admin of the company `default`; 409 for a name that is taken; 400, 401, 408, 413, 415.
pub async fn create(State(app): State<App>, caller: Caller, request: Request) -> Result<Answer, Error> {
    runs_the_server(&app, &caller)?;
    Query::of(request.uri()).finish()?;
    let mut fields = Fields::of(body::required_object(request).await?);
    let name = fields.required("name").and_then(|name| fields.text("name", &name, LONGEST_NAME));
    fields.finish()?;
    let name = name.unwrap_or_default();
    let made = app.store().create_company(&name, &caller.actor(), app.now()).await;
    let (id, key) = made.map_err(|error| match error {
        CompanyError::Exists(_) => Error::new(Code::Conflict, error.to_string()),
        CompanyError::Storage(cause) => cause.into(),
    })?;
    Answer::new(StatusCode::CREATED, &Created { id, name: &name, key: key.reveal() })
}

/// `GET /companies`.
///
/// # Errors
/// 403 for whoever is no admin of the company `default`; 400, 401.
pub async fn list(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Answer, Error> {
    runs_the_server(&app, &caller)?;
    let mut query = Query::of(&uri);
    let span = query.span(List::Companies);
    query.finish()?;
    let page = app.store().companies(span).await?;
    let items: Vec<CompanyItem<'_>> = page.rows.iter().map(CompanyItem::of).collect();
    Answer::with_meta(StatusCode::OK, &items, &Meta::list(List::Companies, page.next))
}

fn runs_the_server(app: &App, caller: &Caller) -> Result<(), Error> {
    caller.needs(Scope::Admin)?;
    if caller.company() == app.store().default_company() {
        return Ok(());
    }
    let message = format!("only an admin of the company `{DEFAULT_COMPANY}` sees and makes companies");
    Err(Error::new(Code::Forbidden, message))
}
