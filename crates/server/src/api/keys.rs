//! `/api/v1/keys`: API keys of the caller's company.

use std::str::FromStr as _;

use axum::extract::{Request, State};
use hyper::{StatusCode, Uri};
use loopfour_engine::{KeyId, MemberId, Timestamp};
use loopfour_lang::{Object, Value};
use loopfour_store::{Holder, KeyError, KeyRow, NewKey, Scope};
use serde::Serialize;

use crate::App;
use crate::auth::{Caller, Id};
use crate::body::{self, Fields, kind};
use crate::envelope::{Answer, Meta};
use crate::error::{Code, Error};
use crate::query::{List, Query};
use crate::view::Time;

/// Longest name of a key, characters.
const LONGEST_NAME: usize = 255;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    id: KeyId,
    key: &'a str,
    name: &'a str,
    scopes: Vec<&'static str>,
    expires_at: Option<Time>,
    created_at: Time,
}

/// A key in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyItem<'a> {
    id: KeyId,
    name: &'a str,
    prefix: &'a str,
    scopes: Vec<&'static str>,
    expires_at: Option<Time>,
    last_used_at: Option<Time>,
    created_at: Time,
    /// The member whose it is; a machine's has none.
    member: Option<MemberId>,
}

impl<'a> KeyItem<'a> {
    fn of(row: &'a KeyRow) -> KeyItem<'a> {
        KeyItem {
            id: row.id,
            name: &row.name,
            prefix: &row.prefix,
            scopes: row.scopes.iter().map(|scope| scope.name()).collect(),
            expires_at: row.expires_at.map(Time),
            last_used_at: row.last_used_at.map(Time),
            created_at: Time(row.created_at),
            member: row.member,
        }
    }
}

/// `POST /keys`. The answer is the only place where the key is ever shown.
///
/// # Errors
/// 400; 403 without `admin`, and for a scope that the caller has not; 401, 408, 413, 415.
pub async fn create(State(app): State<App>, caller: Caller, request: Request) -> Result<Answer, Error> {
    caller.needs(Scope::Admin)?;
    Query::of(request.uri()).finish()?;
    let now = app.now();
    let mut key = wanted(body::required_object(request).await?, now)?;
    // A person's own ends with the person, and so do those that are made with it; a machine's key makes a machine's.
    key.member = match caller.principal.holder {
        Holder::Member { id, .. } => Some(id),
        Holder::Key { member, .. } => member,
    };
    for scope in &key.scopes {
        caller.needs(*scope)?;
    }
    let (id, secret) =
        app.store().create_key(caller.company(), key.clone(), &caller.actor(), now).await.map_err(refused)?;
    let created = Created {
        id,
        key: secret.reveal(),
        name: &key.name,
        scopes: key.scopes.iter().map(|scope| scope.name()).collect(),
        expires_at: key.expires_at.map(Time),
        created_at: Time(now),
    };
    Answer::new(StatusCode::CREATED, &created)
}

/// `GET /keys`: without revoked ones, and never with the keys themselves.
///
/// # Errors
/// 400, 401, 403.
pub async fn list(State(app): State<App>, caller: Caller, uri: Uri) -> Result<Answer, Error> {
    caller.needs(Scope::Admin)?;
    let mut query = Query::of(&uri);
    let span = query.span(List::Keys);
    query.finish()?;
    let page = app.store().keys(caller.company(), span).await?;
    let items: Vec<KeyItem<'_>> = page.rows.iter().map(KeyItem::of).collect();
    Answer::with_meta(StatusCode::OK, &items, &Meta::list(List::Keys, page.next))
}

/// `DELETE /keys/:id`: the key ends at once, in streams under way too. A key may end itself.
///
/// # Errors
/// 404, also for one that was revoked before; 400, 401, 403.
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<KeyId>,
    request: Request,
) -> Result<Answer, Error> {
    caller.needs(Scope::Admin)?;
    Query::of(request.uri()).finish()?;
    Fields::of(body::optional_object(request).await?).finish()?;
    let revoked = app.store().revoke_key(caller.company(), id, &caller.actor(), app.now()).await?;
    let revoked = revoked.ok_or_else(|| Error::missing("key", &id.to_string()))?;
    Answer::new(StatusCode::OK, &KeyItem::of(&revoked))
}

fn refused(error: KeyError) -> Error {
    match error {
        KeyError::Storage(cause) => cause.into(),
        // The caller itself was deactivated meanwhile.
        KeyError::Member(_) => Error::new(Code::Forbidden, error.to_string()),
        KeyError::Exists => Error::internal("the system's randomness repeats itself"),
    }
}

fn wanted(body: Object, now: Timestamp) -> Result<NewKey, Error> {
    let mut fields = Fields::of(body);
    let name = fields.required("name").and_then(|name| fields.text("name", &name, LONGEST_NAME));
    let scopes = fields.required("scopes").map(|scopes| scopes_of(&scopes, &mut fields));
    let expires_at = fields.value("expiresAt").and_then(|end| end_of(&end, now, &mut fields));
    fields.finish()?;
    Ok(NewKey {
        name: name.unwrap_or_default(),
        scopes: scopes.unwrap_or_default(),
        expires_at,
        member: None,
    })
}

fn scopes_of(value: &Value, fields: &mut Fields) -> Vec<Scope> {
    let Value::Array(items) = value else {
        fields.problem("scopes", format!("`scopes` must be an array, not {}", kind(value)));
        return Vec::new();
    };
    if items.is_empty() {
        fields.problem("scopes", "`scopes` must name at least one scope".to_owned());
    }
    let mut scopes = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let field = format!("scopes[{index}]");
        match item {
            Value::Text(name) => match Scope::from_str(name) {
                Ok(scope) if scopes.contains(&scope) => {}
                Ok(scope) => scopes.push(scope),
                Err(_) => fields.unknown("scope", &field, name, &Scope::ALL.map(Scope::name)),
            },
            other => fields.problem(&field, format!("a scope must be text, not {}", kind(other))),
        }
    }
    scopes
}

fn end_of(value: &Value, now: Timestamp, fields: &mut Fields) -> Option<Timestamp> {
    let text = match value {
        Value::Text(text) => &**text,
        // Said aloud: it does not end.
        Value::Null => return None,
        other => {
            fields.problem("expiresAt", format!("`expiresAt` must be text, not {}", kind(other)));
            return None;
        }
    };
    match text.parse::<jiff::Timestamp>() {
        Ok(time) if time.as_millisecond() > now.0 => Some(Timestamp(time.as_millisecond())),
        Ok(_) => {
            fields.problem("expiresAt", format!("`expiresAt` must be in the future, not `{text}`"));
            None
        }
        Err(_) => {
            let message = format!(
                "`expiresAt` must be a time such as `2027-01-31T00:00:00.000Z`, in the year 9999 at most, not `{text}`"
            );
            fields.problem("expiresAt", message);
            None
        }
    }
}
