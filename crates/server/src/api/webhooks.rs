//! `POST /webhooks/stripe/:companyId` and `/webhooks/custom/:companyId/:path`: events come in. A request is answered after
//! its event is durable and before any step runs; one that nobody signed leaves nothing but a count.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use hyper::header::{self, HeaderMap, HeaderValue};
use loopfour_engine::ports::JournalError;
use loopfour_engine::provider_events::{Entrance, Incoming, SignatureHeaders, Signer};
use loopfour_engine::{CompanyId, EventId};
use loopfour_lang::{Document, Value};
use serde::Serialize;

use crate::App;
use crate::auth::{CompanyPath, WebhookPath};
use crate::body;
use crate::error::{Code, Error, Problem};
use crate::query::Query;
use crate::rate::Peer;

/// Longest id of a delivery, and longest type of an event, characters.
const LONGEST_NAME: usize = 255;

/// What whoever sent an event is answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    received: bool,
    event_id: EventId,
    workflows_triggered: usize,
}

/// `POST /webhooks/stripe/:companyId`.
///
/// # Errors
/// 401 for a signature that is missing, stale or bad, and for an unknown company, all alike; 400 for what is signed and no
/// event, or one of the thin form; 408, 413; 429 for too many from one address; 503 while nothing can be stored.
pub async fn stripe(
    State(app): State<App>,
    CompanyPath(company): CompanyPath,
    request: Request,
) -> Result<Response, Error> {
    count(&app, &request)?;
    let headers = request.headers().clone();
    Query::of(request.uri()).finish()?;
    let body = body::raw(request).await?;
    let company = company.ok_or_else(refused)?;
    let entrance = Entrance::Stripe;
    let signer = verified(&app, company, &entrance, &headers, &body)?;
    let event = event(&body)?;
    let (id, kind) = stripe_event(event.value())?;
    let provider_event_id = Some(id);
    take_in(&app, Incoming { company, entrance, signer, provider_event_id, kind, body: event }).await
}

/// `POST /webhooks/custom/:companyId/:path`.
///
/// # Errors
/// 401 for an unknown company or path, and where a signature is asked for and missing, stale or bad, all alike; 400 for
/// what is no JSON object; 408, 413; 429 for too many from one address; 503 while nothing can be stored.
pub async fn custom(
    State(app): State<App>,
    WebhookPath(company, path): WebhookPath,
    request: Request,
) -> Result<Response, Error> {
    count(&app, &request)?;
    let headers = request.headers().clone();
    Query::of(request.uri()).finish()?;
    let body = body::raw(request).await?;
    let company = company.ok_or_else(refused)?;
    let asked = app.intake().asks_for_signature(company, &path).await.ok_or_else(refused)?;
    let entrance = Entrance::Custom { path };
    let signer = if asked { verified(&app, company, &entrance, &headers, &body)? } else { Signer::Nobody };
    let event = event(&body)?;
    let kind = match event.value().get("type") {
        Some(Value::Text(kind)) if kind.chars().count() <= LONGEST_NAME => kind.to_string(),
        _ => String::new(),
    };
    let provider_event_id = delivery(&headers)?;
    take_in(&app, Incoming { company, entrance, signer, provider_event_id, kind, body: event }).await
}

/// One address may send so many.
fn count(app: &App, request: &Request) -> Result<(), Error> {
    match request.extensions().get() {
        Some(Peer(address)) => app.rates().webhook(*address, app.now()),
        None => Ok(()),
    }
}

/// Who signed it.
///
/// # Errors
/// 401, and the company counts one more.
fn verified(
    app: &App,
    company: CompanyId,
    entrance: &Entrance,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Signer, Error> {
    let given = SignatureHeaders {
        stripe: only(headers, "stripe-signature"),
        id: only(headers, "webhook-id"),
        timestamp: only(headers, "webhook-timestamp"),
        signature: only(headers, "webhook-signature"),
    };
    app.senders().verify(company, entrance, given, body, app.now()).map_err(|_| {
        app.store().refuse_webhook(company, entrance.provider(), app.now());
        refused()
    })
}

/// A header that is there exactly once.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

fn refused() -> Error {
    Error::new(Code::Unauthorized, "the signature is missing, stale or not good")
}

/// The event in a body, an object.
fn event(body: &[u8]) -> Result<Document, Error> {
    let event = match Document::parse(body) {
        Ok(event) => event,
        // Whoever reads bodies of the API knows how to say what is wrong.
        Err(_) => {
            return Err(match body::object(body) {
                Err(error) => error,
                Ok(_) => no_event("", "the body cannot be read".to_owned()),
            });
        }
    };
    if event.is_object() { Ok(event) } else { Err(no_event("", "an event is an object".to_owned())) }
}

/// Id and type of a rightly signed event of Stripe.
fn stripe_event(event: &Value) -> Result<(String, String), Error> {
    match event.get("object") {
        Some(Value::Text(object)) if &**object == "event" => {}
        Some(Value::Text(object)) if object.starts_with("v2.") => {
            let message = format!("`{object}` is an event of the thin form (v2), which holds no object");
            let problem = Problem::new("object", message)
                .hint("let Stripe send snapshot events: an endpoint of /v1/webhook_endpoints does");
            return Err(Error::invalid("thin events are not taken", vec![problem]));
        }
        _ => return Err(no_event("object", "`object` is not `event`".to_owned())),
    }
    let text = |name: &str| match event.get(name) {
        Some(Value::Text(text)) if !text.is_empty() && text.chars().count() <= LONGEST_NAME => {
            Ok(text.to_string())
        }
        _ => Err(no_event(name, format!("`{name}` must be a text of 1 to {LONGEST_NAME} characters"))),
    };
    let (id, kind) = (text("id")?, text("type")?);
    // By these two it is told whose it is: what cannot be read must not count as missing.
    if !matches!(event.get("account"), None | Some(Value::Null | Value::Text(_))) {
        return Err(no_event("account", "`account` must be a text".to_owned()));
    }
    if !matches!(event.get("livemode"), None | Some(Value::Boolean(_))) {
        return Err(no_event("livemode", "`livemode` must be true or false".to_owned()));
    }
    match event.get("data").and_then(|data| data.get("object")) {
        Some(Value::Object(_)) => Ok((id, kind)),
        _ => Err(no_event("data.object", "`data.object` must be an object".to_owned())),
    }
}

fn no_event(field: &str, message: String) -> Error {
    Error::invalid("the body is no event", vec![Problem::new(field, message)])
}

/// By what deliveries of one custom event are told to be the same.
fn delivery(headers: &HeaderMap) -> Result<Option<String>, Error> {
    for name in ["webhook-id", "idempotency-key"] {
        if let Some(id) = only(headers, name).map(str::trim).filter(|id| !id.is_empty()) {
            if id.chars().count() > LONGEST_NAME {
                let message = format!("the header `{name}` has more than {LONGEST_NAME} characters");
                return Err(no_event(name, message));
            }
            return Ok(Some(id.to_owned()));
        }
    }
    Ok(None)
}

async fn take_in(app: &App, event: Incoming) -> Result<Response, Error> {
    let taken = app.intake().take_in(event).await.map_err(not_kept)?;
    let received = Received { received: true, event_id: taken.event, workflows_triggered: taken.workflows };
    let body = serde_json::to_vec(&received).map_err(Error::internal)?;
    let mut response = body.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Why an event was not kept; whoever sent it sends it again.
pub fn not_kept(error: JournalError) -> Error {
    match error {
        JournalError::Full(cause) => Error::full(cause),
        JournalError::Storage(cause) => Error::unavailable("the event could not be stored", cause),
        error @ (JournalError::Conflict { .. } | JournalError::Exists { .. } | JournalError::Missing(_)) => {
            Error::internal(error)
        }
    }
}
