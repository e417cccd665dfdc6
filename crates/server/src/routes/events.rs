//! The rows about provider events.

use axum::routing::{get, post, put};
use loopfour_store::Scope;

use super::{Access, Body, Form, PAGE, Route, Success, ok, read};
use crate::api;
use crate::error::Code;

/// What people do with events that came in, and with what their senders sign with.
pub fn events() -> Vec<Route> {
    let route = |path, handler, id, summary| Route {
        group: "events",
        access: Access::Scope(Scope::RunsRead),
        ..read(path, handler, id, summary)
    };
    let secrets = |path, handler, id, summary| Route {
        method: "put",
        access: Access::Scope(Scope::ConnectionsWrite),
        description: "They take the place of those before; several are valid at a time, an empty list takes them away. \
                      They are never shown again.",
        body: Body::Required("WebhookSecrets"),
        answers: vec![ok(Form::Data("SecretCount"))],
        refusals: &[Code::Unavailable],
        ..route(path, handler, id, summary)
    };
    let mut routes = vec![
        Route {
            description: "`meta.refused` counts webhooks that were refused for their signature.",
            parameters: &[
                "eventStatus",
                "eventType",
                "eventProvider",
                "eventConnection",
                "workflowId",
                PAGE[0],
                PAGE[1],
                PAGE[2],
            ],
            answers: vec![ok(Form::List("Event"))],
            ..route("/api/v1/events", get(api::events::list), "listEvents", "List provider events")
        },
        Route {
            answers: vec![ok(Form::Data("EventWithBody"))],
            ..route("/api/v1/events/{id}", get(api::events::show), "getEvent", "Read a provider event")
        },
        Route {
            access: Access::Scope(Scope::ConnectionsRead),
            answers: vec![ok(Form::Data("SecretCounts"))],
            ..route(
                "/api/v1/webhook-secrets",
                get(api::webhook_secrets::list),
                "countWebhookSecrets",
                "Count the secrets of senders",
            )
        },
        secrets(
            "/api/v1/webhook-secrets/stripe",
            put(api::webhook_secrets::stripe),
            "setStripeWebhookSecrets",
            "Set the secrets of the company's endpoints at Stripe",
        ),
        secrets(
            "/api/v1/webhook-secrets/custom/{path}",
            put(api::webhook_secrets::custom),
            "setCustomWebhookSecrets",
            "Set the secrets of who sends to a custom path",
        ),
    ];
    routes.extend(replays());
    routes
}

fn replays() -> Vec<Route> {
    let route = |path, handler, id, summary| Route {
        method: "post",
        group: "events",
        access: Access::Scope(Scope::WorkflowsExecute),
        refusals: &[Code::NotFound, Code::InvalidState, Code::Unavailable],
        ..read(path, handler, id, summary)
    };
    let accepted = |schema| vec![Success { status: 202, form: Form::Data(schema) }];
    vec![
        Route {
            description: "Hands it over to the active workflows that listen and did not get it; with `workflowId` to that \
                          one alone, with `again` also if it has a run for it. `connectionId` says whose an unrouted \
                          event is.",
            body: Body::Optional("Replay"),
            answers: accepted("Replayed"),
            ..route(
                "/api/v1/events/{id}/replay",
                post(api::events::replay),
                "replayEvent",
                "Hand an event over once more",
            )
        },
        Route {
            description: "The same for up to 1000 events, named or by a filter, oldest first. Of those that a filter \
                          finds the ones that cannot be handed over are left as they are.",
            body: Body::Required("ReplayMany"),
            answers: accepted("ReplayedMany"),
            ..route(
                "/api/v1/events/replay",
                post(api::events::replay_many),
                "replayEvents",
                "Hand many events over once more",
            )
        },
    ]
}

/// Where events come in; whoever sends one signs it.
pub fn public() -> Vec<Route> {
    let route = |path, handler, id, summary| Route {
        method: "post",
        group: "events",
        body: Body::Required("AnyJson"),
        answers: vec![ok(Form::Bare("application/json"))],
        refusals: &[Code::Unauthorized, Code::RateLimited, Code::Unavailable],
        ..read(path, handler, id, summary)
    };
    vec![
        Route {
            description: "Signed in `stripe-signature`. Answers `{received, eventId, workflowsTriggered}` once the event \
                          is stored and before any step runs; a repetition starts nothing and answers 0. A missing, stale \
                          or bad signature and an unknown company are refused alike.",
            ..route(
                "/webhooks/stripe/{companyId}",
                post(api::webhooks::stripe),
                "receiveFromStripe",
                "Take an event of Stripe's",
            )
        },
        Route {
            description: "Signed as Standard Webhooks say (`webhook-id`, `webhook-timestamp`, `webhook-signature`), unless \
                          the workflows of the path do without. Deliveries are told to be the same by `webhook-id` or \
                          `idempotency-key`.",
            ..route(
                "/webhooks/custom/{companyId}/{path}",
                post(api::webhooks::custom),
                "receiveCustom",
                "Take an event of anybody's",
            )
        },
    ]
}
