//! The form of every answer: `{"success": true, "data": …, "meta"?}`, or `{"success": false, "error": …}`.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use loopfour_store::Cursor;
use serde::Serialize;

use crate::error::{Error, Problem};
use crate::query::{List, Position};
use crate::view::Time;

/// What stands beside the data.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Where a list goes on; only when more follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Whether a list goes on; always there for lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_more: Option<bool>,
    /// What the checker found that is no error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Vec<Problem>>,
    /// Beside events: who sent some that nobody signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Vec<Refused>>,
}

/// Webhooks that were refused for their signature: nothing else is kept of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// `stripe` or `custom`.
    pub provider: String,
    /// How many.
    pub count: u64,
    /// When the last one came.
    pub last_at: Time,
}

impl Meta {
    /// Beside a list, which goes on at `next`.
    pub fn list(list: List, next: Option<Cursor>) -> Meta {
        let cursor = next.map(|cursor| Position { list, cursor }.to_string());
        Meta { has_more: Some(cursor.is_some()), cursor, ..Meta::default() }
    }
}

#[derive(Serialize)]
struct Success<'a, T> {
    success: bool,
    data: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a Meta>,
}

#[derive(Serialize)]
struct Failure<'a> {
    success: bool,
    error: FailureBody<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailureBody<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[Problem]>::is_empty")]
    details: &'a [Problem],
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// An answer that went well, written out.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// An answer with data alone.
    ///
    /// # Errors
    /// The data cannot be written as JSON, which is a defect.
    pub fn new(status: StatusCode, data: &impl Serialize) -> Result<Answer, Error> {
        Answer::write(status, data, None)
    }

    /// An answer with data and meta.
    ///
    /// # Errors
    /// The data cannot be written as JSON, which is a defect.
    pub fn with_meta(status: StatusCode, data: &impl Serialize, meta: &Meta) -> Result<Answer, Error> {
        Answer::write(status, data, Some(meta))
    }

    /// The same with a header; one whose value cannot be a header is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Answer {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    fn write(status: StatusCode, data: &impl Serialize, meta: Option<&Meta>) -> Result<Answer, Error> {
        let body = serde_json::to_vec(&Success { success: true, data, meta }).map_err(Error::internal)?;
        Ok(Answer { status, headers: HeaderMap::new(), body })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// The body of a failure; a 5xx names the request.
pub fn failure(error: &Error, request_id: &str) -> Vec<u8> {
    let request_id = error.code.status().is_server_error().then_some(request_id);
    let body =
        FailureBody { code: error.code.name(), message: &error.message, details: &error.details, request_id };
    // Text and numbers only: this cannot fail.
    serde_json::to_vec(&Failure { success: false, error: body }).unwrap_or_default()
}
