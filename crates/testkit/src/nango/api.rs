//! Which call is which: the weather first, then the pages for people, then the API behind its key, its rate limit and its
//! demand for JSON.

use serde_json::Value;

use super::answer::{Answer, Refusal};
use super::http::{Cut, Request};
use super::state::{Call, Counted, Mode, Shared};
use super::{connections, controls, integrations, oauth, pages, sessions};

/// Answers a call, and notes it.
pub(super) async fn answer(shared: &Shared, request: &Request) -> Result<Answer, Cut> {
    if request.segments.first().is_some_and(|first| first == "_nango") {
        return Ok(controls::answer(shared, request).await);
    }
    let number = begin(shared, request);
    let mode = shared.state().weather.meet();
    let answer = match mode {
        Mode::Up => route(shared, request).await,
        Mode::Refuse => return Err(Cut),
        Mode::Error => Refusal::new(500, "server_error", "the fake was told to fail").answer(),
        Mode::Html => Answer::html(502, "<html><body><h1>502 Bad Gateway</h1></body></html>".to_owned()),
        Mode::Limited => limited(shared, request),
    };
    if let Some(call) = shared.state().calls.get_mut(number - 1) {
        call.status = Some(answer.status);
    }
    Ok(answer)
}

fn begin(shared: &Shared, request: &Request) -> usize {
    let mut state = shared.state();
    let number = state.calls.len() + 1;
    let (method, path) = (request.method.clone(), request.path.clone());
    state.calls.push(Call { number, kind: kind(request), method, path, status: None });
    number
}

/// Method and path, with `{id}` for what varies.
fn kind(request: &Request) -> String {
    let parts: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let path = match parts.as_slice() {
        [what @ ("connections" | "integrations" | "providers"), _] => format!("{what}/{{id}}"),
        ["oauth", "connect", _] => "oauth/connect/{id}".to_owned(),
        ["api-auth", kind, _] => format!("api-auth/{kind}/{{id}}"),
        parts => parts.join("/"),
    };
    format!("{} /{path}", request.method)
}

fn limited(shared: &Shared, request: &Request) -> Answer {
    let seconds = shared.state().weather.retry_after.unwrap_or(60);
    let mut answer = Refusal::limited(&request.method, &request.path).answer();
    answer.headers.push(("retry-after", seconds.to_string()));
    answer
}

async fn route(shared: &Shared, request: &Request) -> Answer {
    let parts: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let answered = match (request.method.as_str(), parts.as_slice()) {
        ("GET", []) => Ok(pages::hosted(shared, request)),
        ("GET", ["oauth", "connect", key]) => oauth::connect(shared, request, key),
        ("GET", ["oauth", "callback"]) => Ok(oauth::callback(shared, request).await),
        ("GET", ["stripe", "authorize"]) => Ok(oauth::authorize(shared, request)),
        ("POST", ["api-auth", "basic", key]) => pages::basic(shared, request, key).await,
        ("GET", ["connect", "session"]) => sessions::show(shared, request),
        ("DELETE", ["connect", "session"]) => sessions::end(shared, request),
        (_, parts) => return behind_the_key(shared, request, parts).await,
    };
    answered.unwrap_or_else(Refusal::answer)
}

async fn behind_the_key(shared: &Shared, request: &Request, parts: &[&str]) -> Answer {
    if let Err(refusal) = check_key(shared, request) {
        return refusal.answer();
    }
    let now = shared.now();
    let counted = shared.state().rate.count(now);
    let mut answer = if counted.passes {
        called(shared, request, parts).await.unwrap_or_else(Refusal::answer)
    } else {
        let mut answer = Refusal::limited(&request.method, &request.path).answer();
        let wait = (counted.reset - now.div_euclid(1000)).max(1);
        answer.headers.push(("retry-after", wait.to_string()));
        answer
    };
    let Counted { limit, remaining, reset, .. } = counted;
    answer.headers.push(("x-ratelimit-limit", limit.to_string()));
    answer.headers.push(("x-ratelimit-remaining", remaining.to_string()));
    answer.headers.push(("x-ratelimit-reset", reset.to_string()));
    answer
}

async fn called(shared: &Shared, request: &Request, parts: &[&str]) -> Result<Answer, Refusal> {
    let body = body(request)?;
    match (request.method.as_str(), parts) {
        ("POST", ["connect", "sessions"]) => sessions::create(shared, request, &body),
        ("POST", ["connect", "sessions", "reconnect"]) => sessions::reconnect(shared, request, &body),
        ("GET", ["connections"]) => connections::list(shared, request),
        ("POST", ["connections"]) => connections::import(shared, request, &body).await,
        ("GET", ["connections", id]) => connections::get(shared, request, id).await,
        ("PATCH", ["connections", id]) => connections::change(shared, request, id, &body),
        ("DELETE", ["connections", id]) => connections::delete(shared, request, id),
        ("GET", ["integrations"]) => integrations::list(shared, request),
        ("POST", ["integrations"]) => integrations::create(shared, request, &body),
        ("GET", ["integrations", key]) => integrations::get(shared, request, key),
        ("GET", ["providers", name]) => integrations::template(request, name),
        (method, _) => {
            let page = format!("<!DOCTYPE html><pre>Cannot {method} {}</pre>", pages::escape(&request.path));
            Ok(Answer::html(404, page))
        }
    }
}

fn check_key(shared: &Shared, request: &Request) -> Result<(), Refusal> {
    let header = request.header("authorization");
    let header = header.ok_or_else(|| {
        Refusal::unauthorized(
            "missing_auth_header",
            "Authentication failed. The request is missing the header.",
        )
    })?;
    let key = header.strip_prefix("Bearer ").unwrap_or_default();
    let version =
        uuid::Uuid::try_parse(key).ok().filter(|_| key.len() == 36).map(|key| key.get_version_num());
    if version != Some(4) {
        let message = "Authentication failed. The provided secret key is not a UUID v4.";
        return Err(Refusal::unauthorized("invalid_secret_key_format", message));
    }
    if key != shared.key {
        let message = "Authentication failed. The provided secret key does not match any account.";
        return Err(Refusal::unauthorized("unknown_account", message));
    }
    Ok(())
}

fn body(request: &Request) -> Result<Value, Refusal> {
    if !matches!(request.method.as_str(), "POST" | "PATCH" | "PUT") {
        return Ok(Value::Null);
    }
    let kind = request.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let message = "Content-Type must be application/json";
        return Err(Refusal::new(415, "invalid_content_type", message));
    }
    serde_json::from_slice(&request.body)
        .map_err(|error| Refusal::new(400, "invalid_json", error.to_string()))
}
