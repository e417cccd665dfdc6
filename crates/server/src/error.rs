//! What a request can fail with, and how a client sees it: a stable code, a sentence, and details by field.
//!
//! An [`Error`] travels inside the response and is written out by [`crate::request::around`], which knows the request's
//! id; causes go to the log, never to the client.

use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use loopfour_lang::Severity;
use loopfour_store::{StorageError, Trouble};
use serde::Serialize;

/// The codes of the API. Each has a page in `docs/errors/`; a name once released stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The request is wrong; `details` says where.
    ValidationError,
    /// No key, an unknown one, or one past its time.
    Unauthorized,
    /// The key has not the scope.
    Forbidden,
    /// Nothing by that address or id, for this company.
    NotFound,
    /// The address does not take the method.
    MethodNotAllowed,
    /// The body did not come in time.
    RequestTimeout,
    /// It contradicts an earlier request.
    Conflict,
    /// The thing is not in a state for it.
    InvalidState,
    /// The version named in `If-Match` is not the current one.
    VersionConflict,
    /// The body is over the limit.
    PayloadTooLarge,
    /// Too many requests within a minute.
    RateLimited,
    /// The body is not JSON by its content type.
    UnsupportedMediaType,
    /// A defect of ours.
    InternalError,
    /// The server is stopping, or cannot work for now.
    Unavailable,
}

impl Code {
    /// The name that clients see.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status that goes with it.
    pub fn status(self) -> StatusCode {
        self.row().1
    }

    fn row(self) -> (&'static str, StatusCode) {
        match self {
            Code::ValidationError => ("VALIDATION_ERROR", StatusCode::BAD_REQUEST),
            Code::Unauthorized => ("UNAUTHORIZED", StatusCode::UNAUTHORIZED),
            Code::Forbidden => ("FORBIDDEN", StatusCode::FORBIDDEN),
            Code::NotFound => ("NOT_FOUND", StatusCode::NOT_FOUND),
            Code::MethodNotAllowed => ("METHOD_NOT_ALLOWED", StatusCode::METHOD_NOT_ALLOWED),
            Code::RequestTimeout => ("REQUEST_TIMEOUT", StatusCode::REQUEST_TIMEOUT),
            Code::Conflict => ("CONFLICT", StatusCode::CONFLICT),
            Code::InvalidState => ("INVALID_STATE", StatusCode::CONFLICT),
            Code::VersionConflict => ("VERSION_CONFLICT", StatusCode::PRECONDITION_FAILED),
            Code::PayloadTooLarge => ("PAYLOAD_TOO_LARGE", StatusCode::PAYLOAD_TOO_LARGE),
            Code::RateLimited => ("RATE_LIMITED", StatusCode::TOO_MANY_REQUESTS),
            Code::UnsupportedMediaType => ("UNSUPPORTED_MEDIA_TYPE", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Code::InternalError => ("INTERNAL_ERROR", StatusCode::INTERNAL_SERVER_ERROR),
            Code::Unavailable => ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

/// When to come again to a server that is full, seconds.
const BUSY_SECONDS: u64 = 1;

/// A request that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct Error {
    /// What kind of failure.
    pub code: Code,
    /// What the client can act on; lower case, no full stop.
    pub message: String,
    /// What is wrong where.
    pub details: Vec<Problem>,
    /// For the log only.
    pub cause: Option<String>,
    /// The connection cannot be used on, since the rest of the request was not read.
    pub close: bool,
    /// When it may go better, seconds from now.
    pub retry_after: Option<u64>,
    /// It is told on a page, to a person in a browser.
    pub page: bool,
}

impl Error {
    /// A failure with a sentence and nothing else.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        let message = message.into();
        Error {
            code,
            message,
            details: Vec::new(),
            cause: None,
            close: false,
            retry_after: None,
            page: false,
        }
    }

    /// A 400 with everything that is wrong.
    pub fn invalid(message: impl Into<String>, details: Vec<Problem>) -> Error {
        Error { details, ..Error::new(Code::ValidationError, message) }
    }

    /// A 404 for a thing of this kind, whether it does not exist, is another company's, or the id is none.
    pub fn missing(kind: &str, id: &str) -> Error {
        let shown: String = id.chars().take(80).collect();
        Error::new(Code::NotFound, format!("{kind} `{shown}` does not exist"))
    }

    /// A 429: the server has as much to do as it can hold.
    pub fn busy() -> Error {
        let message = "too many runs are under way; nothing was started, try again in a moment";
        Error { retry_after: Some(BUSY_SECONDS), ..Error::new(Code::RateLimited, message) }
    }

    /// The same, told on a page.
    #[must_use]
    pub fn as_page(self) -> Error {
        Error { page: true, ..self }
    }

    /// A defect of ours; `cause` goes to the log.
    pub fn internal(cause: impl ToString) -> Error {
        let message = "the server met a defect of its own; its log has the cause under this request's id";
        Error { cause: Some(cause.to_string()), ..Error::new(Code::InternalError, message) }
    }

    /// The disk takes no more; `cause` goes to the log.
    pub fn full(cause: impl ToString) -> Error {
        let message = "the disk of the data directory is full or takes no writes: nothing was stored, and all goes on once \
                       there is room";
        Error::unavailable(message, cause)
    }

    /// The server cannot answer for now; `cause` goes to the log.
    pub fn unavailable(message: &str, cause: impl ToString) -> Error {
        Error { cause: Some(cause.to_string()), ..Error::new(Code::Unavailable, message) }
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Error {
        match error.trouble() {
            Trouble::Full => Error::full(error),
            Trouble::Broken | Trouble::Other => Error::unavailable("the database does not answer", error),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// One thing that is wrong with a request, or one finding about a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// A path into the body (`steps[0].id`), or the name of a query parameter or header; empty: the body itself.
    pub field: String,
    /// What is wrong; lower case, no full stop.
    pub message: String,
    /// The code of a diagnostic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// How bad it is: `error`, `warning`, `info`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Line in the text, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem {
            field: field.into(),
            message: message.into(),
            code: None,
            severity: None,
            line: None,
            column: None,
            hint: None,
        }
    }

    /// The same with a hint.
    pub fn hint(self, hint: impl Into<String>) -> Problem {
        Problem { hint: Some(hint.into()), ..self }
    }
}

impl From<&loopfour_lang::Diagnostic> for Problem {
    fn from(diagnostic: &loopfour_lang::Diagnostic) -> Problem {
        Problem {
            field: diagnostic.field.clone(),
            message: diagnostic.message.clone(),
            code: Some(diagnostic.code),
            severity: Some(diagnostic.severity),
            line: Some(diagnostic.line),
            column: Some(diagnostic.column),
            hint: diagnostic.hint.clone(),
        }
    }
}
