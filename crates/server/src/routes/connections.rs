//! The rows about connections.

use axum::routing::{delete, get, patch, post};
use loopfour_store::Scope;

use super::{Access, Body, Form, PAGE, Route, Success, ok, read};
use crate::api;
use crate::error::Code;

const REFUSED: &[Code] = &[Code::InvalidState, Code::Conflict];

/// What people do with connections.
pub fn connections() -> Vec<Route> {
    let route = |path, handler, id, summary| Route {
        group: "connections",
        access: Access::Scope(Scope::ConnectionsRead),
        ..read(path, handler, id, summary)
    };
    let write = Access::Scope(Scope::ConnectionsWrite);
    vec![
        Route {
            parameters: &["provider", "connectionStatus", PAGE[0], PAGE[1], PAGE[2]],
            answers: vec![ok(Form::List("ConnectionItem"))],
            ..route("/api/v1/connections", get(api::connections::list), "listConnections", "List connections")
        },
        Route {
            method: "post",
            access: write,
            description: "The provider is asked first: a key that it refuses is not stored. A connection of that name \
                          which is not active gets the key and keeps its id. The key is never shown again.",
            body: Body::Required("NewConnection"),
            answers: vec![Success { status: 201, form: Form::Data("Connection") }],
            refusals: REFUSED,
            ..route(
                "/api/v1/connections",
                post(api::connections::create),
                "createConnection",
                "Connect an account by an API key",
            )
        },
        Route {
            access: write,
            description: "`authUrl` is for the person's browser and ends after 30 minutes; `statusUrl` is a page that \
                          waits, tells how it went, and goes on to `redirectUrl`. A connection of that name in error, \
                          expired or disconnected is connected anew and keeps its id.",
            parameters: &["redirectUrl", "connectionName"],
            answers: vec![ok(Form::Data("Authorization"))],
            refusals: REFUSED,
            ..route(
                "/api/v1/connections/{provider}/auth-url",
                get(api::authorize::auth_url),
                "authorizeConnection",
                "Begin to connect an account by way of Nango",
            )
        },
        Route {
            description: "Where an authorisation is open, Nango is asked how it stands.",
            answers: vec![ok(Form::Data("Connection"))],
            refusals: REFUSED,
            ..route(
                "/api/v1/connections/{id}",
                get(api::connections::show),
                "getConnection",
                "Read a connection",
            )
        },
        Route {
            method: "patch",
            access: write,
            description: "What is left out stays, also within `settings`; null takes a setting away. `webhookSecrets` take \
                          the place of those before. `sameAccount` says that the account which the new key may not read \
                          is the one of the key before.",
            body: Body::Optional("ConnectionUpdate"),
            answers: vec![ok(Form::Data("Connection"))],
            refusals: REFUSED,
            ..route(
                "/api/v1/connections/{id}",
                patch(api::connections::change),
                "updateConnection",
                "Change a connection's name or settings",
            )
        },
        Route {
            method: "delete",
            access: write,
            description: "Its credentials are erased, and nothing is sent with them any more. The row stays, since runs \
                          name it. `usedBy` lists the workflows that use it.",
            body: Body::Empty,
            answers: vec![ok(Form::Data("EndedConnection"))],
            refusals: REFUSED,
            ..route(
                "/api/v1/connections/{id}",
                delete(api::connections::disconnect),
                "endConnection",
                "End a connection",
            )
        },
        Route {
            method: "post",
            access: write,
            description: "Asks the provider. The connection is active or in error afterwards.",
            body: Body::Empty,
            answers: vec![ok(Form::Data("Connection"))],
            refusals: REFUSED,
            ..route(
                "/api/v1/connections/{id}/test",
                post(api::connections::test),
                "testConnection",
                "Test a connection",
            )
        },
    ]
}

/// What is for browsers and for Nango, and needs no key.
pub fn public() -> Vec<Route> {
    let route =
        |path, handler, id, summary| Route { group: "connections", ..read(path, handler, id, summary) };
    vec![
        Route {
            description: "A hint only, which is answered alike whatever is true. Goes on to `redirectUrl` if that has \
                          an origin which is allowed, else shows a page.",
            parameters: &["connectionId", "success", "authorizationError", "anyRedirectUrl"],
            answers: vec![ok(Form::Bare("text/html")), Success { status: 303, form: Form::Nothing }],
            ..route(
                "/api/v1/connections/callback",
                get(api::authorize::callback),
                "returnFromProvider",
                "Where a browser may come back to",
            )
        },
        Route {
            description: "The address is the key to it. It waits, tells how it went, and goes on.",
            answers: vec![
                ok(Form::Bare("text/html")),
                Success { status: 404, form: Form::Bare("text/html") },
            ],
            refusals: &[Code::Unavailable],
            ..route(
                "/connect/{attempt}",
                get(api::connect::page),
                "getAuthorizationPage",
                "The page that waits for an authorisation",
            )
        },
        Route {
            answers: vec![ok(Form::Data("AuthorizationState"))],
            refusals: &[Code::Unavailable],
            ..route(
                "/connect/{attempt}/state",
                get(api::connect::state),
                "getAuthorizationState",
                "How an authorisation stands",
            )
        },
        Route {
            answers: vec![ok(Form::Bare("text/javascript"))],
            ..route(
                "/connect/page.js",
                get(api::connect::script),
                "getAuthorizationScript",
                "That page's script",
            )
        },
        Route {
            answers: vec![ok(Form::Bare("text/css"))],
            ..route(
                "/connect/page.css",
                get(api::connect::style),
                "getAuthorizationStyle",
                "That page's style",
            )
        },
        Route {
            method: "post",
            description: "Signed in `x-nango-hmac-sha256`. It only makes faster what is asked of Nango anyway. An unknown \
                          authorisation is answered like a bad signature.",
            body: Body::Required("AnyJson"),
            answers: vec![ok(Form::Bare("application/json"))],
            refusals: &[Code::Unauthorized, Code::RateLimited, Code::Unavailable],
            ..route(
                "/webhooks/nango/{attempt}",
                post(api::nango::receive),
                "receiveFromNango",
                "Take Nango's news of an authorisation",
            )
        },
    ]
}
