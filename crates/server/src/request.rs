//! What happens around every request: it gets an id, a panic becomes a 500, errors are written out and logged under the
//! id, and the headers that every answer has are set.

use std::panic::AssertUnwindSafe;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use hyper::header::{self, HeaderName, HeaderValue};
use tracing::{debug, error};
use uuid::Uuid;

use crate::envelope;
use crate::error::Error;
use crate::limits::Drained;
use crate::rate::Slot;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps every route, known or not.
pub async fn around(request: Request, next: Next) -> Response {
    let id = format!("req_{}", Uuid::now_v7());
    let mut request = request.map(|body| Body::new(Drained::new(body)));
    let slot = Slot::default();
    request.extensions_mut().insert(slot.clone());
    let what = format!("{} {}", request.method(), request.uri().path());
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
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
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn write(failed: &Error, id: &str, what: &str, response: &mut Response) {
    if failed.code.status().is_server_error() {
        error!(request = id, what, cause = failed.cause.as_deref().unwrap_or(""), "{failed}");
    } else {
        debug!(request = id, what, "{failed}");
    }
    *response.body_mut() = Body::from(envelope::failure(failed, id));
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
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
