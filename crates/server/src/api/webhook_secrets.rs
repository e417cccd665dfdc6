//! `/api/v1/webhook-secrets`: what the company's senders of events sign with. Secrets go in here and never come out; those
//! of a connection are set with the connection.

use axum::extract::{Request, State};
use hyper::{StatusCode, Uri};
use loopfour_engine::connections::ConnectionError;
use loopfour_engine::provider_events::Entrance;
use loopfour_lang::Value;
use loopfour_store::Scope;
use secrecy::SecretString;
use serde::Serialize;

use super::connections::secret;
use crate::App;
use crate::auth::{Caller, PathName};
use crate::body::{self, Fields, kind};
use crate::envelope::Answer;
use crate::error::{Error, Problem};
use crate::query::Query;

/// So many secrets of one sender are valid at a time at most.
const MOST_SECRETS: usize = 10;

/// How many secrets there are of one sender.
#[derive(Serialize)]
struct Count<'a> {
    provider: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    secrets: usize,
}

/// `GET /webhook-secrets`: how many there are, never which.
///
/// # Errors
/// 400, 401, 403.
pub async fn list(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Answer, Error> {
    caller.needs(Scope::ConnectionsRead)?;
    Query::of(&uri).finish()?;
    let counts = app.senders().secret_counts(caller.company());
    let counts: Vec<Count<'_>> = counts.iter().map(|(entrance, secrets)| count(entrance, *secrets)).collect();
    Answer::new(StatusCode::OK, &counts)
}

/// `PUT /webhook-secrets/stripe`: these take the place of those before; an empty list takes them away.
///
/// # Errors
/// 400, 401, 403, 408, 413, 415, 503.
pub async fn stripe(State(app): State<App>, caller: Caller, request: Request) -> Result<Answer, Error> {
    put(&app, &caller, Entrance::Stripe, request).await
}

/// `PUT /webhook-secrets/custom/:path`.
///
/// # Errors
/// 400, 401, 403, 408, 413, 415, 503.
pub async fn custom(
    State(app): State<App>,
    caller: Caller,
    PathName(path): PathName,
    request: Request,
) -> Result<Answer, Error> {
    put(&app, &caller, Entrance::Custom { path }, request).await
}

async fn put(app: &App, caller: &Caller, entrance: Entrance, request: Request) -> Result<Answer, Error> {
    caller.needs(Scope::ConnectionsWrite)?;
    Query::of(request.uri()).finish()?;
    let mut fields = Fields::of(body::required_object(request).await?);
    let secrets = fields.required("secrets").map(|given| secrets(&given, &mut fields)).unwrap_or_default();
    fields.finish()?;
    let number = secrets.len();
    match app.senders().keep_secrets(caller.company(), entrance.clone(), secrets, &caller.actor()).await {
        Ok(()) => Answer::new(StatusCode::OK, &count(&entrance, number)),
        Err(ConnectionError::Invalid { field, message }) => {
            Err(Error::invalid("the secrets cannot be used", vec![Problem::new(field, message)]))
        }
        Err(error) => Err(error.into()),
    }
}

fn secrets(given: &Value, fields: &mut Fields) -> Vec<SecretString> {
    let Value::Array(given) = given else {
        fields.problem("secrets", format!("`secrets` must be an array, not {}", kind(given)));
        return Vec::new();
    };
    if given.len() > MOST_SECRETS {
        fields.problem("secrets", format!("`secrets` holds {MOST_SECRETS} at most"));
    }
    let read = given.iter().take(MOST_SECRETS).enumerate();
    read.filter_map(|(index, value)| secret(&format!("secrets[{index}]"), value, fields)).collect()
}

fn count(entrance: &Entrance, secrets: usize) -> Count<'_> {
    Count { provider: entrance.provider(), path: entrance.path(), secrets }
}
