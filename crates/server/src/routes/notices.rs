//! The rows about addresses that are told of what happens.

use axum::routing::{delete, get, post};
use loopfour_store::Scope;

use super::{Access, Body, Form, PAGE, Route, Success, ok, read};
use crate::api;
use crate::error::Code;

/// Notices.
pub fn notices() -> Vec<Route> {
    let route = |path, handler, id, summary| Route {
        group: "notices",
        access: Access::Scope(Scope::Admin),
        ..read(path, handler, id, summary)
    };
    vec![
        Route {
            description: "The newest first, disabled ones too.",
            parameters: &PAGE,
            answers: vec![ok(Form::List("Notice"))],
            ..route("/api/v1/notices", get(api::notices::list), "listNotices", "List notices")
        },
        Route {
            method: "post",
            description: "The address gets a POST for each thing that it asks for, `{type, timestamp, data}`, signed as \
                          Standard Webhooks has it. The answer is the only place where the secret is ever shown. An address \
                          that is not public must be allowed by the operator's `outbound_allow`. 409 for a company's 21st.",
            body: Body::Required("NewNotice"),
            answers: vec![Success { status: 201, form: Form::Data("CreatedNotice") }],
            refusals: &[Code::Conflict],
            ..route(
                "/api/v1/notices",
                post(api::notices::create),
                "createNotice",
                "Have an address told of what happens",
            )
        },
        Route {
            method: "delete",
            description: "Nothing more is sent there, not even what is on its way.",
            body: Body::Empty,
            answers: vec![ok(Form::Data("Notice"))],
            ..route("/api/v1/notices/{id}", delete(api::notices::delete), "deleteNotice", "Delete a notice")
        },
        Route {
            method: "post",
            description: "Sends `notice.test` once and answers what came. Where it arrives, a disabled notice is active again.",
            body: Body::Empty,
            answers: vec![ok(Form::Data("TestedNotice"))],
            ..route("/api/v1/notices/{id}/test", post(api::notices::test), "testNotice", "Try a notice")
        },
    ]
}
