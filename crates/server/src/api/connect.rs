//! `/connect/:attempt`: the page on which a person waits until a connection is authorised. Its address is the only key to
//! it, so it is never logged with its answer, and nothing but how the try stands is shown. It needs no script; with one it
//! notices at once.

use axum::extract::State;
use axum::response::Response;
use hyper::{StatusCode, Uri};
use loopfour_engine::connections::{AttemptState, Connection, ConnectionError};
use serde::Serialize;
use url::Url;
use uuid::Uuid;

use super::reference::{guarded, served};
use crate::App;
use crate::auth::AttemptId;
use crate::envelope::Answer;
use crate::error::{Code, Error};
use crate::origins::told;
use crate::query::Query;

const PAGE: &str = include_str!("../../assets/connect.html");
const SCRIPT: &str = include_str!("../../assets/connect.js");
const STYLE: &str = include_str!("../../assets/connect.css");
/// Seconds after which a page without scripts looks again, or goes on: after a success, and after a failure, which takes
/// longer to read.
const AGAIN: u32 = 4;
const GO_ON: [u32; 2] = [2, 10];

/// How a try stands, for whoever holds its address.
#[derive(Debug)]
pub enum Standing {
    /// The person has not come back, as far as we know. The text says what is in the way.
    Open(Option<String>),
    /// It worked; with a text that a person should know, and where to go on.
    Succeeded(Option<String>, Option<Url>),
    /// It did not work; why, and where to go on.
    Failed(String, Option<Url>),
    /// There is no such try, or it is over.
    Gone,
    /// Somebody came back to the address that anybody may come back to.
    Hint,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StateView<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_url: Option<&'a str>,
}

/// `GET /connect/:attempt`.
///
/// # Errors
/// 400, 503; what is no try is a page too, with 404.
pub async fn page(
    State(app): State<App>,
    AttemptId(attempt): AttemptId,
    uri: Uri,
) -> Result<Response, Error> {
    Query::of(&uri).finish()?;
    let standing = standing(&app, attempt).await?;
    let status = if let Standing::Gone = standing { StatusCode::NOT_FOUND } else { StatusCode::OK };
    Ok(answer(status, &standing))
}

/// `GET /connect/:attempt/state`: the same for the page's script.
///
/// # Errors
/// 400, 404, 503.
pub async fn state(State(app): State<App>, AttemptId(attempt): AttemptId, uri: Uri) -> Result<Answer, Error> {
    Query::of(&uri).finish()?;
    let standing = standing(&app, attempt).await?;
    let (status, message, onward) = match &standing {
        Standing::Open(message) => ("open", message.as_deref(), None),
        Standing::Succeeded(note, onward) => ("succeeded", note.as_deref(), onward.as_ref()),
        Standing::Failed(reason, onward) => ("failed", Some(&**reason), onward.as_ref()),
        Standing::Gone | Standing::Hint => {
            return Err(Error::new(Code::NotFound, "this try does not exist, or its time is over"));
        }
    };
    Answer::new(StatusCode::OK, &StateView { status, message, redirect_url: onward.map(Url::as_str) })
}

/// `GET /connect/page.js`.
///
/// # Errors
/// 400.
pub async fn script(uri: Uri) -> Result<Response, Error> {
    served(&uri, "text/javascript; charset=utf-8", SCRIPT)
}

/// `GET /connect/page.css`.
///
/// # Errors
/// 400.
pub async fn style(uri: Uri) -> Result<Response, Error> {
    served(&uri, "text/css; charset=utf-8", STYLE)
}

async fn standing(app: &App, attempt: Option<Uuid>) -> Result<Standing, Error> {
    let Some(attempt) = attempt else { return Ok(Standing::Gone) };
    match app.connections().look_at_attempt(attempt, None).await {
        Ok(connection) => Ok(stands(app, attempt, connection)),
        Err(ConnectionError::Missing(_)) => Ok(Standing::Gone),
        // It goes on by itself; the person need not do anything.
        Err(ConnectionError::Unavailable(message)) => Ok(Standing::Open(Some(message))),
        Err(
            error @ (ConnectionError::State(_)
            | ConnectionError::Conflict(_)
            | ConnectionError::Invalid { .. }
            | ConnectionError::Storage(_)),
        ) => Err(error.into()),
    }
}

fn stands(app: &App, wanted: Uuid, connection: Connection) -> Standing {
    let id = connection.id;
    let attempt = connection.attempt.filter(|attempt| attempt.id == wanted && attempt.expires_at > app.now());
    let Some(attempt) = attempt else { return Standing::Gone };
    // Looked at again: the setting may have changed since the try began.
    let onward = attempt.redirect_url.and_then(|text| app.settings().origins().allow(&text).ok());
    match attempt.state {
        AttemptState::Open => Standing::Open(None),
        AttemptState::Succeeded { note } => Standing::Succeeded(note, onward.map(|url| told(url, id, true))),
        AttemptState::Failed { reason } => Standing::Failed(reason, onward.map(|url| told(url, id, false))),
    }
}

/// The page that says so.
pub fn answer(status: StatusCode, standing: &Standing) -> Response {
    let (state, title, text, onward) = words(standing);
    let mut refresh = String::new();
    let mut end = String::new();
    if let Some(url) = onward {
        let (url, seconds) = (escaped(url.as_str()), GO_ON[usize::from(state == "failed")]);
        refresh = format!("{seconds};url={url}");
        end = format!(r#"<a href="{url}" rel="noreferrer">Go on</a>"#);
    } else if state == "open" {
        refresh = AGAIN.to_string();
    } else {
        end.push_str("You can close this window.");
    }
    if !refresh.is_empty() {
        refresh = format!(r#"<noscript><meta http-equiv="refresh" content="{refresh}"></noscript>"#);
    }
    let text = escaped(text);
    let parts =
        [("refresh", &*refresh), ("state", state), ("title", title), ("text", &*text), ("end", &*end)];
    let mut page = String::with_capacity(PAGE.len() + 512);
    let mut rest = PAGE;
    while let Some((before, (name, after))) =
        rest.split_once("{{").and_then(|(before, after)| Some((before, after.split_once("}}")?)))
    {
        page.push_str(before);
        page.extend(parts.iter().filter(|(part, _)| *part == name).map(|(_, text)| *text));
        rest = after;
    }
    page.push_str(rest);
    guarded("text/html; charset=utf-8", (status, page))
}

/// The state's name, the title, the text, and where to go on.
fn words(standing: &Standing) -> (&'static str, &'static str, &str, Option<&Url>) {
    match standing {
        Standing::Open(message) => {
            let usual = "Finish in the other window; this page notices by itself.";
            ("open", "Waiting for you", message.as_deref().unwrap_or(usual), None)
        }
        Standing::Succeeded(note, onward) => {
            let usual = "The account is connected.";
            ("succeeded", "Connected", note.as_deref().unwrap_or(usual), onward.as_ref())
        }
        Standing::Failed(reason, onward) => ("failed", "Not connected", reason, onward.as_ref()),
        Standing::Gone => {
            let text = "It is unknown, or its time has passed. Begin again where you came from.";
            ("gone", "This link is over", text, None)
        }
        Standing::Hint => {
            ("hint", "Thank you", "Whether the account is connected is shown where you began.", None)
        }
    }
}

/// A text that stays text in a page.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
