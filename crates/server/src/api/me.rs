//! `/api/v1/me`: whom the key stands for.

use axum::extract::State;
use hyper::{StatusCode, Uri};
use loopfour_engine::CompanyId;
use loopfour_store::Holder;
use serde::Serialize;

use crate::App;
use crate::auth::Caller;
use crate::envelope::Answer;
use crate::error::Error;
use crate::query::Query;

#[derive(Serialize)]
struct Me<'a> {
    company: Company<'a>,
    scopes: Vec<&'static str>,
    holder: Asking<'a>,
}

#[derive(Serialize)]
struct Company<'a> {
    id: CompanyId,
    name: &'a str,
}

#[derive(Serialize)]
struct Asking<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    name: &'a str,
}

/// `GET /me`, with any scope.
///
/// # Errors
/// 400, 401.
pub async fn show(State(_): State<App>, caller: Caller, uri: Uri) -> Result<Answer, Error> {
    Query::of(&uri).finish()?;
    let principal = &caller.0;
    let holder = principal.actor(None);
    let kind = match principal.holder {
        Holder::Key { .. } => "key",
        Holder::Member { .. } => "member",
    };
    let me = Me {
        company: Company { id: principal.company, name: &principal.company_name },
        scopes: principal.scopes.iter().map(|scope| scope.name()).collect(),
        holder: Asking { kind, id: &holder.id, name: &holder.name },
    };
    Answer::new(StatusCode::OK, &me)
}
