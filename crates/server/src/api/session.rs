//! `/api/v1/session`: signing in with a key or a one-time link, who is signed in, and signing out.

use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::{IntoResponse as _, Response};
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{StatusCode, Uri};
use loopfour_lang::Value;
use loopfour_store::{Holder, MemberError, Opened, Principal, SessionOf};

use crate::App;
use crate::api::me::Me;
use crate::auth::{self, Caller};
use crate::body::{self, Fields, kind};
use crate::envelope::Answer;
use crate::error::{Code, Error};
use crate::query::Query;
use crate::session;

/// `POST /session`: with `x-api-key` a session of the key, else with the token of a link one of its member. The session that
/// the browser had before ends.
///
/// # Errors
/// 401 for an unknown key or token, whatever is wrong with it; 403 from another site; 400, 408, 413, 415, 429.
pub async fn create(State(app): State<App>, request: Request) -> Result<Response, Error> {
    Query::of(request.uri()).finish()?;
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key(header::ORIGIN) {
        session::own_origin(&parts, &app)?;
    }
    let head = parts.clone();
    if parts.headers.contains_key(auth::API_KEY) {
        let caller = Caller::from_request_parts(&mut parts, &app).await?;
        Fields::of(body::optional_object(Request::from_parts(parts, body)).await?).finish()?;
        return with_key(&app, &head, &caller).await;
    }
    let mut fields = Fields::of(body::required_object(Request::from_parts(parts, body)).await?);
    let token = fields.required("token");
    if let Some(other) = token.as_ref().filter(|token| !matches!(token, Value::Text(_))) {
        fields.problem("token", format!("`token` must be text, not {}", kind(other)));
    }
    fields.finish()?;
    // Any text is answered alike.
    let token = token.as_ref().map_or("", |token| if let Value::Text(token) = token { token } else { "" });
    with_link(&app, &head, token).await
}

async fn with_key(app: &App, parts: &Parts, caller: &Caller) -> Result<Response, Error> {
    let holder = match &caller.principal.holder {
        Holder::Key { id, .. } => SessionOf::Key(*id),
        Holder::Member { id, .. } => SessionOf::Member(*id),
    };
    let opened = app.store().open_session(caller.company(), holder, &caller.actor(), app.now()).await;
    signed_in(app, parts, opened).await
}

async fn with_link(app: &App, parts: &Parts, token: &str) -> Result<Response, Error> {
    let Some(member) = app.store().redeem(token, app.now()).await? else {
        return Err(auth::failed(
            parts,
            app,
            "the link is not valid: it was used, is too old, or was never one",
        ));
    };
    let by = member.actor(auth::address(parts).map(|address| address.to_canonical().to_string()));
    let holder = SessionOf::Member(member.id);
    let opened = app.store().open_session(member.company, holder, &by, app.now()).await;
    signed_in(app, parts, opened).await
}

/// The answer that opens a session in the browser: who is signed in, and the cookie.
async fn signed_in(app: &App, parts: &Parts, opened: Result<Opened, MemberError>) -> Result<Response, Error> {
    let opened = opened.map_err(refusal)?;
    end_former(app, parts).await?;
    let principal = app.store().authenticate_session(opened.token.reveal(), app.now()).await?;
    let principal = principal.ok_or_else(|| Error::new(Code::Unauthorized, "the session is over already"))?;
    // A key's session ends with the key.
    let end = principal.expires_at.unwrap_or(opened.expires_at);
    with_cookie(Answer::new(StatusCode::OK, &Me::of(&principal))?, &session::open(app, &opened.token, end))
}

/// Ends the session that a browser comes with when it gets another: nobody could sign out of it any more.
///
/// # Errors
/// The database failed.
pub async fn end_former(app: &App, parts: &Parts) -> Result<(), Error> {
    let Some(token) = session::cookie(&parts.headers, session::SESSION) else { return Ok(()) };
    let Some(former) = app.store().authenticate_session(&token, app.now()).await? else { return Ok(()) };
    let by = former.actor(auth::address(parts).map(|address| address.to_canonical().to_string()));
    app.store().end_session(&token, &by, app.now()).await?;
    Ok(())
}

/// Why no session was opened: the key or the member ended in this very moment, or the database failed.
pub fn refusal(error: MemberError) -> Error {
    match error {
        MemberError::Storage(cause) => cause.into(),
        MemberError::Missing(_)
        | MemberError::Exists(_)
        | MemberError::Inactive(_)
        | MemberError::OtherPerson(_) => {
            Error::new(Code::Unauthorized, "the key or the member is not active")
        }
    }
}

/// `GET /session`.
///
/// # Errors
/// 401 where nobody is signed in; 400.
pub async fn show(caller: Caller, uri: Uri) -> Result<Answer, Error> {
    Query::of(&uri).finish()?;
    let principal: &Principal = &caller.principal;
    Answer::new(StatusCode::OK, &Me::of(principal))
}

/// `DELETE /session`: the session in the cookie ends at once, in streams under way too. A key that comes along ends
/// nothing: it may be another company's.
///
/// # Errors
/// 401 where nobody is signed in; 400, 403.
pub async fn end(State(app): State<App>, request: Request) -> Result<Response, Error> {
    Query::of(request.uri()).finish()?;
    let (mut parts, body) = request.into_parts();
    let Some(token) = session::cookie(&parts.headers, session::SESSION) else {
        return Err(Error::new(
            Code::Unauthorized,
            "nobody is signed in: the cookie of a session is missing",
        ));
    };
    parts.headers.remove(auth::API_KEY);
    let caller = Caller::from_request_parts(&mut parts, &app).await?;
    Fields::of(body::optional_object(Request::from_parts(parts, body)).await?).finish()?;
    app.store().end_session(&token, &caller.actor(), app.now()).await?;
    with_cookie(Answer::new(StatusCode::OK, &Me::of(&caller.principal))?, &session::close(&app))
}

fn with_cookie(answer: Answer, cookie: &str) -> Result<Response, Error> {
    let mut response = answer.into_response();
    let cookie = HeaderValue::from_str(cookie).map_err(Error::internal)?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}
