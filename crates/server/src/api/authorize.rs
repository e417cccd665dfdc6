//! Authorising a connection: the link for the person's browser, and the address where a browser may come back to. The
//! page that waits meanwhile is in [`super::connect`].

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use hyper::header::{self, HeaderValue};
use hyper::{StatusCode, Uri};
use loopfour_engine::ConnectionId;
use loopfour_engine::connections::Authorize;
use loopfour_lang::nearest::nearest;
use loopfour_store::Scope;
use serde::Serialize;
use tokio::sync::Semaphore;
use url::Url;

use super::connect::{self, Standing};
use super::connections::{LONGEST_NAME, PROVIDERS};
use crate::App;
use crate::auth::{Caller, Provider};
use crate::envelope::Answer;
use crate::error::{Code, Error};
use crate::query::Query;
use crate::view::Time;

/// How many hints are followed at a time; further ones are dropped, as the page that waits asks anyway.
static HINTS: Semaphore = Semaphore::const_new(8);
/// How long a hint is followed.
const HINT_TIME: Duration = Duration::from_secs(30);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Begun {
    auth_url: String,
    connection_id: ConnectionId,
    expires_at: Time,
    status_url: String,
}

/// `GET /connections/:provider/auth-url`: makes a pending connection, or takes the one of that name which is not active.
///
/// # Errors
/// 404 for an unknown provider; 409 for the name of an active connection, and where Nango is not configured; 503 while
/// Nango gives no answer; 400, 401, 403.
pub async fn auth_url(
    State(app): State<App>,
    caller: Caller,
    Provider(provider): Provider,
    uri: Uri,
) -> Result<Answer, Error> {
    caller.needs(Scope::ConnectionsWrite)?;
    let mut query = Query::of(&uri);
    let name = query.text("connectionName");
    if let Some(length) = name.as_ref().map(|name| name.chars().count())
        && !(1..=LONGEST_NAME).contains(&length)
    {
        let message = format!("`connectionName` must have 1 to {LONGEST_NAME} characters, it has {length}");
        query.problem("connectionName", message);
    }
    let redirect_url =
        query.text("redirectUrl").and_then(|text| match app.settings().origins().allow(&text) {
            Ok(url) => Some(url.into()),
            Err(why) => {
                query.problem("redirectUrl", format!("`redirectUrl` {why}"));
                None
            }
        });
    query.finish()?;
    if !PROVIDERS.contains(&&*provider) {
        return Err(unknown(&provider));
    }
    let name = name.unwrap_or_else(|| provider.clone());
    let wish = Authorize { provider, name, redirect_url };
    let begun = app.connections().authorize(caller.company(), wish, &caller.actor()).await?;
    let begun = Begun {
        auth_url: begun.auth_url,
        connection_id: begun.connection,
        expires_at: Time(begun.expires_at),
        status_url: format!("{}/connect/{}", app.settings().public_url, begun.attempt),
    };
    Answer::new(StatusCode::OK, &begun)
}

fn unknown(provider: &str) -> Error {
    let hint = match nearest(provider, PROVIDERS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", PROVIDERS.join(", ")),
    };
    let shown: String = provider.chars().take(80).collect();
    Error::new(Code::NotFound, format!("provider `{shown}` does not exist; {hint}"))
}

/// `GET /connections/callback`: a hint that somebody came back, from anybody. It is followed, but what comes of it is
/// told nobody here: a connection's id is no secret, and unknown ones are answered alike, and as fast.
pub async fn callback(State(app): State<App>, uri: Uri) -> Response {
    let mut query = Query::of(&uri);
    let connection: Option<ConnectionId> = query.text("connectionId").and_then(|text| text.parse().ok());
    let success = query.text("success");
    let redirect_url = query.text("redirectUrl");
    // Whatever else there is, `error` too, is of no use: Nango is asked.
    if let Some(connection) = connection {
        follow(&app, connection);
    }
    let onward = redirect_url.and_then(|text| app.settings().origins().allow(&text).ok());
    match onward {
        Some(url) => elsewhere(&passed_on(url, connection, success.as_deref())),
        None => connect::answer(StatusCode::OK, &Standing::Hint),
    }
}

/// Asks Nango about the connection, after the answer.
fn follow(app: &App, connection: ConnectionId) {
    let Some(company) = app.connections().company_of(connection) else { return };
    let Ok(permit) = HINTS.try_acquire() else { return };
    let app = app.clone();
    // Ends by itself, and nobody waits for what it finds.
    tokio::spawn(async move {
        let _ = tokio::time::timeout(HINT_TIME, app.connections().look(company, connection)).await;
        drop(permit);
    });
}

/// The address with what the browser brought, as far as it can be so.
fn passed_on(mut url: Url, connection: Option<ConnectionId>, success: Option<&str>) -> Url {
    if let Some(connection) = connection {
        url.query_pairs_mut().append_pair("connectionId", &connection.to_string());
    }
    if let Some(success @ ("true" | "false")) = success {
        url.query_pairs_mut().append_pair("success", success);
    }
    url
}

/// Sends a browser on.
fn elsewhere(url: &Url) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    // An address that was parsed is ASCII.
    if let Ok(place) = HeaderValue::from_str(url.as_str()) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}
