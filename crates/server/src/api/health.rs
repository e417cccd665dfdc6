//! `/healthz` and `/readyz`, for whoever watches the process. No key.

use axum::extract::State;
use hyper::{StatusCode, Uri};
use serde::Serialize;

use crate::App;
use crate::envelope::Answer;
use crate::error::{Code, Error};
use crate::query::Query;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// `GET /healthz`: the process answers.
///
/// # Errors
/// 400.
pub async fn healthz(uri: Uri) -> Result<Answer, Error> {
    Query::of(&uri).finish()?;
    Answer::new(StatusCode::OK, &Health { status: "ok" })
}

/// `GET /readyz`: requests can be served, the database included.
///
/// # Errors
/// 400; 503 while the server stops or its database does not answer.
pub async fn readyz(State(app): State<App>, uri: Uri) -> Result<Answer, Error> {
    Query::of(&uri).finish()?;
    if *app.stopping().borrow() {
        return Err(Error::new(Code::Unavailable, "the server is stopping"));
    }
    app.store().ready().await?;
    Answer::new(StatusCode::OK, &Health { status: "ready" })
}
