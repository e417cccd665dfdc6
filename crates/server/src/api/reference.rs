//! `/openapi.json` and `/docs`: the API's reference, for programs and for people. No key. The page loads nothing from
//! elsewhere, so it works offline, and its policy allows nothing else.

use axum::response::{IntoResponse, Response};
use hyper::Uri;
use hyper::header::{self, HeaderValue};

use crate::error::Error;
use crate::openapi::DOCUMENT;
use crate::query::Query;

const PAGE: &str = include_str!("../../assets/reference.html");
const SCRIPT: &str = include_str!("../../assets/reference.js");
const STYLE: &str = include_str!("../../assets/reference.css");
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /openapi.json`.
///
/// # Errors
/// 400.
pub async fn document(uri: Uri) -> Result<Response, Error> {
    served(&uri, "application/json", DOCUMENT.as_str())
}

/// `GET /docs`.
///
/// # Errors
/// 400.
pub async fn page(uri: Uri) -> Result<Response, Error> {
    served(&uri, "text/html; charset=utf-8", PAGE)
}

/// `GET /docs/reference.js`.
///
/// # Errors
/// 400.
pub async fn script(uri: Uri) -> Result<Response, Error> {
    served(&uri, "text/javascript; charset=utf-8", SCRIPT)
}

/// `GET /docs/reference.css`.
///
/// # Errors
/// 400.
pub async fn style(uri: Uri) -> Result<Response, Error> {
    served(&uri, "text/css; charset=utf-8", STYLE)
}

/// A page, script or style of ours under a policy that lets it load nothing but our own.
///
/// # Errors
/// 400 for any parameter.
pub fn served(uri: &Uri, kind: &'static str, text: impl IntoResponse) -> Result<Response, Error> {
    Query::of(uri).finish()?;
    Ok(guarded(kind, text))
}

/// The same for an answer of whatever status.
pub fn guarded(kind: &'static str, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
