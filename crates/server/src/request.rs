//! What happens around every request: it gets an id, a panic becomes a 500, errors are written out and logged under the
//! id, and the headers that every answer has are set. Nothing allows a page of another origin to read an answer (CORS).

use std::panic::AssertUnwindSafe;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use hyper::Version;
use hyper::header::{self, HeaderName, HeaderValue};
use tracing::{debug, error};
use uuid::Uuid;

use crate::error::{Error, Problem};
use crate::limits::Drained;
use crate::rate::Slot;
use crate::{App, envelope, page};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What browsers may do with every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
/// What an answer that is no page may load.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// A year. Only where browsers come by https.
const HTTPS_ONLY: &str = "max-age=31536000";

/// Wraps every route, known or not.
pub async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = format!("req_{}", Uuid::now_v7());
    let mut request = request.map(|body| Body::new(Drained::new(body)));
    let slot = Slot::default();
    request.extensions_mut().insert(slot.clone());
    let what = format!("{} {}", request.method(), request.uri().path());
    // A length beside it was hidden by the parser. A proxy before us may have believed that one, and then takes a part of
    // the body for the next request: there is none on this connection.
    let last = request.headers().contains_key(header::TRANSFER_ENCODING);
    let answered = match one_host(&request) {
        Ok(()) => AssertUnwindSafe(next.run(request)).catch_unwind().await,
        Err(refused) => Ok(refused.into_response()),
    };
    let mut response = answered.unwrap_or_else(|panic| Error::internal(panic_text(&*panic)).into_response());
    if let Some(failed) = response.extensions_mut().remove::<Error>() {
        write(&failed, &id, &what, &mut response);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    if let Some(standing) = slot.get() {
        standing.write(headers);
    }
    if last {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    if app.settings().is_https() {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HTTPS_ONLY));
    }
    response
}

/// Refuses a request of which two servers could think that it is for different hosts.
fn one_host(request: &Request) -> Result<(), Error> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts == 1 || (hosts == 0 && request.version() == Version::HTTP_10) {
        return Ok(());
    }
    let message =
        if hosts == 0 { "the header `host` is missing" } else { "the header `host` is given more than once" };
    let error = Error::invalid("the request is not valid", vec![Problem::new("host", message)]);
    Err(Error { close: true, ..error })
}

fn write(failed: &Error, id: &str, what: &str, response: &mut Response) {
    if failed.code.status().is_server_error() {
        error!(request = id, what, cause = failed.cause.as_deref().unwrap_or(""), "{failed}");
    } else {
        debug!(request = id, what, "{failed}");
    }
    let (body, kind) = match failed.page {
        true => (page::failure(failed, id), "text/html; charset=utf-8"),
        false => (envelope::failure(failed, id), "application/json"),
    };
    *response.body_mut() = Body::from(body);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if failed.page {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY));
    }
    if let Some(seconds) = failed.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if failed.close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panic: {}", text.unwrap_or_default())
}
