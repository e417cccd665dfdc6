//! `/api/v1/me`: whom the key or the session stands for.

use hyper::{StatusCode, Uri};
use loopfour_engine::CompanyId;
use loopfour_store::{Holder, Principal};
use serde::Serialize;

use crate::auth::Caller;
use crate::envelope::Answer;
use crate::error::Error;
use crate::query::Query;

/// Whom a key or a session stands for.
#[derive(Debug, Serialize)]
pub struct Me<'a> {
    company: Company<'a>,
    scopes: Vec<&'static str>,
    holder: HolderView<'a>,
}

#[derive(Debug, Serialize)]
struct Company<'a> {
    id: CompanyId,
    name: &'a str,
}

#[derive(Debug, Serialize)]
struct HolderView<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    name: &'a str,
}

impl Me<'_> {
    /// As clients see it.
    pub fn of(principal: &Principal) -> Me<'_> {
        let holder = match &principal.holder {
            Holder::Key { id, name, .. } => HolderView { kind: "key", id: id.to_string(), name },
            Holder::Member { id, email } => HolderView { kind: "member", id: id.to_string(), name: email },
        };
        Me {
            company: Company { id: principal.company, name: &principal.company_name },
            scopes: principal.scopes.iter().map(|scope| scope.name()).collect(),
            holder,
        }
    }
}

/// `GET /me`, with any scope.
///
/// # Errors
/// 400, 401.
pub async fn show(caller: Caller, uri: Uri) -> Result<Answer, Error> {
    Query::of(&uri).finish()?;
    Answer::new(StatusCode::OK, &Me::of(&caller.principal))
}
