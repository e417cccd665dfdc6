//! `/api/v1/connections`: a company's connections. What is done to them is asked of the port
//! [`loopfour_engine::connections::Connections`]; secrets go in here and never come out. Authorising one is in [`super::authorize`].

mod change;
mod used_by;
mod view;

use axum::extract::{Request, State};
use hyper::{StatusCode, Uri, header};
use loopfour_engine::ConnectionId;
use loopfour_engine::connections::{ConnectionError, ConnectionStatus, KeepError, NewKeyConnection};
use loopfour_lang::{Object, Value};
use loopfour_store::{ConnectionFilter, Scope};
use secrecy::SecretString;
use serde::Serialize;

use crate::App;
use crate::auth::{Caller, Id, Named};
use crate::body::{self, Fields, kind};
use crate::envelope::{Answer, Meta};
use crate::error::{Code, Error, Problem};
use crate::query::{List, Query};
use used_by::{User, users};
use view::{ConnectionItem, ConnectionView};

/// The providers that there are connections for.
pub const PROVIDERS: [&str; 1] = ["stripe"];
/// Longest name of a connection, characters.
pub const LONGEST_NAME: usize = 255;
/// Longest key or secret, characters; Stripe's have about a hundred.
const LONGEST_SECRET: usize = 500;

impl Named for ConnectionId {
    const KIND: &'static str = "connection";
}

/// A connection that was ended.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ended<'a> {
    #[serde(flatten)]
    connection: ConnectionView<'a>,
    used_by: Vec<User>,
}

/// `GET /connections`.
///
/// # Errors
/// 400, 401, 403.
pub async fn list(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Answer, Error> {
    caller.needs(Scope::ConnectionsRead)?;
    let mut query = Query::of(&uri);
    let provider = query.choice("provider", &PROVIDERS.map(|name| (name, name))).map(str::to_owned);
    let statuses = ConnectionStatus::ALL.map(|status| (status.name(), status));
    let status = query.choice("status", &statuses);
    let span = query.span(List::Connections);
    query.finish()?;
    let page = app
        .store()
        .connections(caller.company(), ConnectionFilter { provider, status }, span, app.now())
        .await?;
    let items: Vec<ConnectionItem<'_>> = page.rows.iter().map(ConnectionItem::of).collect();
    Answer::with_meta(StatusCode::OK, &items, &Meta::list(List::Connections, page.next))
}

/// `GET /connections/:id`: where an authorisation is open, Nango is asked first.
///
/// # Errors
/// 404; 503 while Nango gives no answer; 400, 401, 403.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<ConnectionId>,
    uri: Uri,
) -> Result<Answer, Error> {
    caller.needs(Scope::ConnectionsRead)?;
    Query::of(&uri).finish()?;
    let connection = app.connections().look(caller.company(), id).await?;
    Answer::new(StatusCode::OK, &ConnectionView::of(&connection))
}

/// `POST /connections`: by key, which the provider is asked about before anything is stored.
///
/// # Errors
/// 400, also for a key that the provider refuses; 409 where the name is taken; 503 where the provider cannot be reached;
/// 401, 403, 408, 413, 415.
pub async fn create(State(app): State<App>, caller: Caller, request: Request) -> Result<Answer, Error> {
    caller.needs(Scope::ConnectionsWrite)?;
    Query::of(request.uri()).finish()?;
    let new = wanted(body::required_object(request).await?)?;
    let connection = app.connections().add_key(caller.company(), new, &caller.actor()).await?;
    let place = format!("/api/v1/connections/{}", connection.id);
    let answer = Answer::new(StatusCode::CREATED, &ConnectionView::of(&connection))?;
    Ok(answer.header(header::LOCATION, &place))
}

/// `PATCH /connections/:id`: what is given replaces what there is; `null` takes a setting away.
///
/// # Errors
/// 400 with everything that is wrong; 404; 409 where the name is taken or its state does not allow it; 401, 403, 408, 413,
/// 415.
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<ConnectionId>,
    request: Request,
) -> Result<Answer, Error> {
    caller.needs(Scope::ConnectionsWrite)?;
    Query::of(request.uri()).finish()?;
    let change = change::wanted(body::optional_object(request).await?)?;
    let connection = app.connections().change(caller.company(), id, change, &caller.actor()).await?;
    Answer::new(StatusCode::OK, &ConnectionView::of(&connection))
}

/// `DELETE /connections/:id`: ends it and erases its credentials. The row stays, as runs name it; the answer says which
/// workflows used it.
///
/// # Errors
/// 404; 409 for one that no person made; 503 while Nango gives no answer; 400, 401, 403, 408, 413, 415.
pub async fn disconnect(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<ConnectionId>,
    request: Request,
) -> Result<Answer, Error> {
    caller.needs(Scope::ConnectionsWrite)?;
    Query::of(request.uri()).finish()?;
    Fields::of(body::optional_object(request).await?).finish()?;
    let used_by = users(&app, caller.company(), id).await?;
    let connection = app.connections().disconnect(caller.company(), id, &caller.actor()).await?;
    Answer::new(StatusCode::OK, &Ended { connection: ConnectionView::of(&connection), used_by })
}

/// `POST /connections/:id/test`: asks the provider whether its credentials are good; the answer shows it as it stands then.
///
/// # Errors
/// 404; 409 where there is nothing to test; 503 while nobody answers; 400, 401, 403, 408, 413, 415.
pub async fn test(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<ConnectionId>,
    request: Request,
) -> Result<Answer, Error> {
    caller.needs(Scope::ConnectionsWrite)?;
    Query::of(request.uri()).finish()?;
    Fields::of(body::optional_object(request).await?).finish()?;
    let connection = app.connections().test(caller.company(), id, &caller.actor()).await?;
    Answer::new(StatusCode::OK, &ConnectionView::of(&connection))
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Error {
        match error {
            ConnectionError::Missing(message) => Error::new(Code::NotFound, message),
            ConnectionError::State(message) => Error::new(Code::InvalidState, message),
            ConnectionError::Conflict(message) => Error::new(Code::Conflict, message),
            ConnectionError::Invalid { field, message } => {
                Error::invalid("the connection cannot be so", vec![Problem::new(field, message)])
            }
            ConnectionError::Unavailable(message) => Error::new(Code::Unavailable, message),
            ConnectionError::Storage(KeepError::NameTaken) => {
                Error::new(Code::Conflict, "another connection has the name")
            }
            ConnectionError::Storage(KeepError::Storage(cause)) => {
                Error::unavailable("the connection could not be stored; nothing was changed", cause)
            }
        }
    }
}

fn wanted(body: Object) -> Result<NewKeyConnection, Error> {
    let mut fields = Fields::of(body);
    let provider = fields.required("provider").and_then(|value| provider(&value, &mut fields));
    let name = fields.value("name").and_then(|value| fields.text("name", &value, LONGEST_NAME));
    let credentials = fields.required("credentials").and_then(|_| fields.inner("credentials"));
    let key = credentials.and_then(|mut credentials| {
        let key = credentials.required("apiKey");
        let key = key.and_then(|key| secret("apiKey", &key, &mut credentials));
        fields.close("credentials", credentials);
        key
    });
    fields.finish()?;
    let (Some(provider), Some(api_key)) = (provider, key) else {
        return Err(Error::internal("a body without provider or key was not refused"));
    };
    let name = name.unwrap_or_else(|| provider.clone());
    Ok(NewKeyConnection { provider, name, api_key })
}

fn provider(value: &Value, fields: &mut Fields) -> Option<String> {
    let name = fields.text("provider", value, LONGEST_NAME)?;
    if PROVIDERS.contains(&&*name) {
        return Some(name);
    }
    fields.unknown("provider", "provider", &name, &PROVIDERS);
    None
}

/// A key or a secret, without the white space that comes with copying. Messages never show it.
pub fn secret(name: &str, value: &Value, fields: &mut Fields) -> Option<SecretString> {
    let Value::Text(text) = value else {
        fields.problem(name, format!("`{name}` must be text, not {}", kind(value)));
        return None;
    };
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST_SECRET || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message =
            format!("`{name}` must be 1 to {LONGEST_SECRET} letters, digits or signs without spaces");
        fields.problem(name, message);
        return None;
    }
    Some(SecretString::from(text.to_owned()))
}
