//! What goes back: answers, and Nango's envelope for refusals.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

/// What is sent back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Answer {
        let headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        Answer { status, headers, body: Bytes::from(body.to_string()) }
    }

    pub(super) fn html(status: u16, body: String) -> Answer {
        let headers = vec![("content-type", "text/html; charset=utf-8".to_owned())];
        Answer { status, headers, body: Bytes::from(body) }
    }

    pub(super) fn redirect(location: String) -> Answer {
        Answer { status: 302, headers: vec![("location", location)], body: Bytes::new() }
    }
}

/// One thing that is wrong with a body, a query or a path.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Issue {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) path: Vec<String>,
}

impl Issue {
    pub(super) fn new(code: &'static str, message: impl Into<String>, path: &[&str]) -> Issue {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        Issue { code, message: message.into(), path }
    }
}

/// Why it does not do what was asked.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    error: Value,
}

impl Refusal {
    /// With a code only.
    pub(super) fn bare(status: u16, code: &str) -> Refusal {
        Refusal { status, error: json!({"code": code}) }
    }

    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Refusal {
        Refusal { status, error: json!({"code": code, "message": message.into()}) }
    }

    /// Of a caller that it does not know.
    pub(super) fn unauthorized(code: &str, message: &str) -> Refusal {
        Refusal { status: 401, error: json!({"message": message, "code": code, "payload": {}}) }
    }

    /// `code` is `invalid_body`, `invalid_query_params` or `invalid_uri_params`.
    pub(super) fn invalid(code: &str, issues: &[Issue]) -> Refusal {
        Refusal { status: 400, error: json!({"code": code, "errors": issues}) }
    }

    pub(super) fn limited(method: &str, path: &str) -> Refusal {
        Refusal { status: 429, error: json!({"code": "too_many_request", "method": method, "path": path}) }
    }

    /// With more to it.
    pub(super) fn payload(mut self, payload: Value) -> Refusal {
        self.error["payload"] = payload;
        self
    }

    pub(super) fn answer(self) -> Answer {
        Answer::json(self.status, &json!({"error": self.error}))
    }
}
