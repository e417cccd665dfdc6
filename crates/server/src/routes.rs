//! Every route once: its address, its handler, and what the OpenAPI document says about it. The router and the document
//! are both made from this table, so neither knows a route that the other does not.

mod access;
mod connections;
mod events;
mod notices;

use axum::routing::{MethodRouter, delete, get, post, put};
use loopfour_store::Scope;

use crate::error::Code;
use crate::{App, api};

/// One method at one address.
pub struct Route {
    /// In lower case, as the document has it.
    pub method: &'static str,
    /// From the root, parts that vary in braces.
    pub path: &'static str,
    /// Answers.
    pub handler: MethodRouter<App>,
    /// A name that is unique in the document.
    pub id: &'static str,
    /// The group it belongs to.
    pub group: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What else there is to know.
    pub description: &'static str,
    /// Who may call.
    pub access: Access,
    /// Names of parameters of the query string and of headers, see [`crate::openapi`].
    pub parameters: &'static [&'static str],
    /// What it is sent.
    pub body: Body,
    /// What it answers when it goes well.
    pub answers: Vec<Success>,
    /// What it may be refused with, beside what goes without saying (see [`crate::openapi`]).
    pub refusals: &'static [Code],
}

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Whoever comes to sign in or out; what comes along decides.
    SignIn,
    /// Any valid key, or a session.
    AnyKey,
    /// A key or a session with this scope.
    Scope(Scope),
}

/// What a call is sent; the names are those of schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing is read.
    None,
    /// An empty object at most.
    Empty,
    /// May be left out.
    Optional(&'static str),
    /// Must be there.
    Required(&'static str),
}

/// What a call answers when it goes well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Success {
    /// The HTTP status.
    pub status: u16,
    /// What comes.
    pub form: Form,
}

/// The form of an answer; the names are those of schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The envelope with this as its data.
    Data(&'static str),
    /// The same with the entity tag of a version.
    Tagged(&'static str),
    /// The envelope with a list of these, and where it goes on.
    List(&'static str),
    /// Server-sent events, the data of each like this.
    Events(&'static str),
    /// No envelope: this content type.
    Bare(&'static str),
    /// No envelope: lines of JSON, each like this, but the last.
    Lines(&'static str),
    /// No body.
    Nothing,
}

fn ok(form: Form) -> Success {
    Success { status: 200, form }
}

const PAGE: [&str; 3] = ["limit", "cursor", "order"];
const STATE: &[Code] = &[Code::InvalidState, Code::VersionConflict, Code::Conflict];

/// A call that reads; the others begin from it.
fn read(path: &'static str, handler: MethodRouter<App>, id: &'static str, summary: &'static str) -> Route {
    Route {
        method: "get",
        path,
        handler,
        id,
        group: "server",
        summary,
        description: "",
        access: Access::Public,
        parameters: &[],
        body: Body::None,
        answers: vec![],
        refusals: &[],
    }
}

/// All routes, in the order of the document.
pub fn routes() -> Vec<Route> {
    let mut routes = workflows();
    routes.extend(changes());
    routes.extend(runs());
    routes.extend(repair());
    routes.extend(keys());
    routes.extend(notices::notices());
    routes.extend(access::people());
    routes.extend(access::sessions());
    routes.extend(connections::connections());
    routes.extend(connections::public());
    routes.extend(events::events());
    routes.extend(events::public());
    routes.extend(public());
    routes
}

fn workflows() -> Vec<Route> {
    let route = |path, handler, id, summary| Route {
        group: "workflows",
        access: Access::Scope(Scope::WorkflowsRead),
        ..read(path, handler, id, summary)
    };
    let write = Access::Scope(Scope::WorkflowsWrite);
    vec![
        Route {
            parameters: &["workflowStatus", "search", PAGE[0], PAGE[1], PAGE[2]],
            answers: vec![ok(Form::List("WorkflowItem"))],
            ..route("/api/v1/workflows", get(api::workflows::list), "listWorkflows", "List workflows")
        },
        Route {
            method: "post",
            access: write,
            description: "The body is the definition. Errors are told all at once in `details`; warnings and infos come \
                          in `meta.diagnostics`.",
            parameters: &["incomplete"],
            body: Body::Required("Definition"),
            answers: vec![Success { status: 201, form: Form::Tagged("Workflow") }],
            ..route(
                "/api/v1/workflows",
                post(api::workflows::create),
                "createWorkflow",
                "Create a workflow, a draft",
            )
        },
        Route {
            method: "post",
            description: "Answers 200 whatever is found; 400 only for what is not JSON.",
            body: Body::Required("AnyJson"),
            answers: vec![ok(Form::Data("Verdict"))],
            ..route(
                "/api/v1/workflows/validate",
                post(api::workflows::validate),
                "validateWorkflow",
                "Check a definition without storing it",
            )
        },
        Route {
            answers: vec![ok(Form::Tagged("Workflow"))],
            ..route("/api/v1/workflows/{id}", get(api::workflows::show), "getWorkflow", "Read a workflow")
        },
        Route {
            method: "put",
            access: write,
            description: "Partial: what is given replaces the members of the same name, null takes one away. Makes a new \
                          version; runs under way keep theirs.",
            parameters: &["incomplete", "ifMatch"],
            body: Body::Required("WorkflowUpdate"),
            answers: vec![ok(Form::Tagged("Workflow"))],
            refusals: STATE,
            ..route(
                "/api/v1/workflows/{id}",
                put(api::workflows::update),
                "updateWorkflow",
                "Edit a workflow",
            )
        },
        Route {
            parameters: &PAGE,
            answers: vec![ok(Form::List("VersionItem"))],
            ..route(
                "/api/v1/workflows/{id}/versions",
                get(api::versions::list),
                "listWorkflowVersions",
                "List the versions of a workflow",
            )
        },
        Route {
            answers: vec![ok(Form::Tagged("Version"))],
            ..route(
                "/api/v1/workflows/{id}/versions/{version}",
                get(api::versions::show),
                "getWorkflowVersion",
                "Read a version of a workflow",
            )
        },
        Route {
            method: "post",
            access: write,
            parameters: &["incomplete", "ifMatch"],
            body: Body::Required("Rollback"),
            answers: vec![ok(Form::Tagged("Workflow"))],
            refusals: STATE,
            ..route(
                "/api/v1/workflows/{id}/rollback",
                post(api::versions::rollback),
                "rollbackWorkflow",
                "Make a new version with the text of an old one",
            )
        },
    ]
}

/// What changes the status of a workflow, and what starts a run of one.
fn changes() -> Vec<Route> {
    let route = |path, handler, id, summary| Route {
        method: "post",
        group: "workflows",
        access: Access::Scope(Scope::WorkflowsWrite),
        parameters: &["ifMatch"],
        body: Body::Empty,
        answers: vec![ok(Form::Tagged("Workflow"))],
        refusals: STATE,
        ..read(path, handler, id, summary)
    };
    vec![
        route(
            "/api/v1/workflows/{id}/activate",
            post(api::status::activate),
            "activateWorkflow",
            "Let a draft take runs",
        ),
        route(
            "/api/v1/workflows/{id}/pause",
            post(api::status::pause),
            "pauseWorkflow",
            "Let an active workflow take no runs for now",
        ),
        route(
            "/api/v1/workflows/{id}/resume",
            post(api::status::resume),
            "resumeWorkflow",
            "Let a paused workflow take runs again",
        ),
        Route {
            method: "delete",
            description: "It can still be read, and lists show it with `status=archived`. Runs under way go on.",
            ..route(
                "/api/v1/workflows/{id}",
                delete(api::status::archive),
                "archiveWorkflow",
                "Archive a workflow for good",
            )
        },
        Route {
            access: Access::Scope(Scope::WorkflowsExecute),
            description: "The same `idempotencyKey` within 24 hours answers with the run that it started first. With \
                          `wait` the run itself is answered with 200, if it ends in time.",
            parameters: &["wait"],
            body: Body::Optional("Start"),
            answers: vec![Success { status: 202, form: Form::Data("Accepted") }, ok(Form::Data("Run"))],
            refusals: &[Code::InvalidState, Code::Conflict],
            ..route("/api/v1/workflows/{id}/run", post(api::start::run), "runWorkflow", "Start a run")
        },
    ]
}

fn runs() -> Vec<Route> {
    let route = |path, handler, id, summary| Route {
        group: "runs",
        access: Access::Scope(Scope::RunsRead),
        ..read(path, handler, id, summary)
    };
    vec![
        Route {
            parameters: &["workflowId", "runStatus", PAGE[0], PAGE[1], PAGE[2]],
            answers: vec![ok(Form::List("RunItem"))],
            ..route("/api/v1/runs", get(api::runs::list), "listRuns", "List runs")
        },
        Route {
            answers: vec![ok(Form::Data("Run"))],
            ..route("/api/v1/runs/{id}", get(api::runs::show), "getRun", "Read a run with its steps")
        },
        Route {
            description: "Lines for people, the oldest first; the values are in the run itself.",
            parameters: &["limit", "cursor", "orderAscending"],
            answers: vec![ok(Form::List("LogLine"))],
            ..route(
                "/api/v1/runs/{id}/logs",
                get(api::logs::list),
                "listRunLogs",
                "Read what a run did, step by step",
            )
        },
        Route {
            description: "Server-sent events from the first on, or after `Last-Event-ID`, until the run has ended; 204 \
                          where nothing more can come. The stream ends with its key.",
            parameters: &["lastEventId"],
            answers: vec![ok(Form::Events("RunEvent")), Success { status: 204, form: Form::Nothing }],
            ..route("/api/v1/runs/{id}/events", get(api::runs::events), "streamRunEvents", "Watch a run")
        },
    ]
}

/// What people do to runs.
fn repair() -> Vec<Route> {
    let route = |path, handler, id, summary| Route {
        method: "post",
        group: "runs",
        access: Access::Scope(Scope::WorkflowsExecute),
        refusals: &[Code::InvalidState],
        answers: vec![Success { status: 202, form: Form::Data("Run") }],
        ..read(path, handler, id, summary)
    };
    vec![
        Route {
            description: "The run ends once the outcome of the step in hand is known; nothing more is sent by itself. A \
                          second time changes nothing; 409 once it has ended.",
            body: Body::Empty,
            ..route("/api/v1/runs/{id}/cancel", post(api::repair::cancel), "cancelRun", "Cancel a run")
        },
        Route {
            description: "Goes on at the first failed step with the results that there are, from `failed` and `timeout`. \
                          `notDone` says that you looked and the failed call was not done; it is needed after \
                          `OUTCOME_UNKNOWN`.",
            body: Body::Optional("Retry"),
            ..route("/api/v1/runs/{id}/retry", post(api::repair::retry), "retryRun", "Let a failed run go on")
        },
        Route {
            description: "A new run of the workflow's current version with the same input, of a run that has ended. With \
                          `fromStep` it keeps the results of the steps before that one. A run with a write of unknown \
                          outcome is restarted only with `force`.",
            body: Body::Optional("Restart"),
            answers: vec![Success { status: 202, form: Form::Data("Accepted") }],
            ..route(
                "/api/v1/runs/{id}/restart",
                post(api::restart::restart),
                "restartRun",
                "Start a run anew",
            )
        },
        Route {
            description: "For a step that waits as `outcome_unknown` or is parked: a person says what became of its call. \
                          With `done`, `id` is read back at the provider and becomes the output.",
            body: Body::Required("Resolve"),
            answers: vec![ok(Form::Data("Run"))],
            ..route(
                "/api/v1/runs/{id}/steps/{stepId}/resolve",
                post(api::repair::resolve),
                "resolveStep",
                "Say what became of a call",
            )
        },
        Route {
            description: "Objects at the provider that carry the run and the step in their metadata; for a call that \
                          changes an object, that object. That none is found proves nothing.",
            body: Body::Empty,
            answers: vec![ok(Form::Data("Candidates"))],
            ..route(
                "/api/v1/runs/{id}/steps/{stepId}/candidates",
                post(api::repair::candidates),
                "listCandidates",
                "Look for what a call may have made",
            )
        },
    ]
}

fn keys() -> Vec<Route> {
    let route = |path, handler, id, summary| Route {
        group: "keys",
        access: Access::Scope(Scope::Admin),
        ..read(path, handler, id, summary)
    };
    vec![
        Route {
            access: Access::AnyKey,
            answers: vec![ok(Form::Data("Me"))],
            ..route("/api/v1/me", get(api::me::show), "getMe", "Whom the key or the session stands for")
        },
        Route {
            parameters: &PAGE,
            answers: vec![ok(Form::List("Key"))],
            ..route(
                "/api/v1/keys",
                get(api::keys::list),
                "listKeys",
                "List the API keys that are not revoked",
            )
        },
        Route {
            method: "post",
            description: "The answer is the only place where the key is ever shown. Nobody makes one with a scope that \
                          they have not. What a member makes is the member's and ends with the member.",
            body: Body::Required("NewKey"),
            answers: vec![Success { status: 201, form: Form::Data("CreatedKey") }],
            ..route("/api/v1/keys", post(api::keys::create), "createKey", "Make an API key")
        },
        Route {
            method: "delete",
            description: "It ends at once, in streams under way too.",
            body: Body::Empty,
            answers: vec![ok(Form::Data("Key"))],
            ..route("/api/v1/keys/{id}", delete(api::keys::revoke), "revokeKey", "Revoke an API key")
        },
    ]
}

fn public() -> Vec<Route> {
    vec![
        Route {
            answers: vec![ok(Form::Data("Health"))],
            ..read("/healthz", get(api::health::healthz), "getHealth", "Whether the process answers")
        },
        Route {
            answers: vec![ok(Form::Data("Health"))],
            ..read("/readyz", get(api::health::readyz), "getReadiness", "Whether requests can be served")
        },
        Route {
            answers: vec![ok(Form::Bare("application/json"))],
            ..read("/openapi.json", get(api::reference::document), "getDocument", "This document")
        },
        Route {
            answers: vec![ok(Form::Bare("text/html"))],
            ..read("/docs", get(api::reference::page), "getReference", "This document, to be browsed")
        },
        Route {
            answers: vec![ok(Form::Bare("text/javascript"))],
            ..read(
                "/docs/reference.js",
                get(api::reference::script),
                "getReferenceScript",
                "The page's script",
            )
        },
        Route {
            answers: vec![ok(Form::Bare("text/css"))],
            ..read("/docs/reference.css", get(api::reference::style), "getReferenceStyle", "The page's style")
        },
    ]
}
