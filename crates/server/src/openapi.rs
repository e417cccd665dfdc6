//! The OpenAPI 3.1 document, made from the table of routes and the schemas beside it.
//!
//! Refusals that go without saying are added here: 400 everywhere; 401, 429 and, with a scope, 403 where a key is needed;
//! 404 where the address has a part that varies; 408, 413 and 415 where a body is read; 500 and 503 behind the API.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::error::Code;
use crate::rate::Class;
use crate::routes::{Access, Body, Form, Route, Success, routes};

/// The document as it is served.
pub static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut text = format!("{:#}", document());
    text.push('\n');
    text
});

/// The schemas by name, a file for each subject.
const SCHEMAS: [&str; 7] = [
    include_str!("../assets/schemas/workflows.json"),
    include_str!("../assets/schemas/runs.json"),
    include_str!("../assets/schemas/events.json"),
    include_str!("../assets/schemas/connections.json"),
    include_str!("../assets/schemas/notices.json"),
    include_str!("../assets/schemas/access.json"),
    include_str!("../assets/schemas/answers.json"),
];

/// Parameters by the name that routes give them: name, place, schema, description.
const PARAMETERS: [(&str, &str, &str, &str, &str); 29] = [
    ("provider", "provider", "query", r#"{"type":"string","enum":["stripe"]}"#, "Those of this provider."),
    (
        "connectionStatus",
        "status",
        "query",
        r##"{"$ref":"#/components/schemas/ConnectionStatus"}"##,
        "Those that stand so.",
    ),
    (
        "redirectUrl",
        "redirectUrl",
        "query",
        r#"{"type":"string","format":"uri","maxLength":2048}"#,
        "Where the browser goes on to afterwards; its origin must be that of `public_url` or one of `redirect_origins`.",
    ),
    (
        "connectionName",
        "connectionName",
        "query",
        r#"{"type":"string","minLength":1,"maxLength":255}"#,
        "What the connection is called; without it, as the provider.",
    ),
    ("connectionId", "connectionId", "query", r#"{"type":"string"}"#, "The connection."),
    ("success", "success", "query", r#"{"type":"string"}"#, "Whether it worked, as the browser was told."),
    ("authorizationError", "error", "query", r#"{"type":"string"}"#, "Why not, as the browser was told."),
    ("anyRedirectUrl", "redirectUrl", "query", r#"{"type":"string"}"#, "Where to go on to."),
    ("auditAction", "action", "query", r#"{"type":"string"}"#, "Those of this action, such as `key.create`."),
    ("auditActor", "actor", "query", r#"{"type":"string"}"#, "Those of the key or member with this id."),
    ("auditObject", "object", "query", r#"{"type":"string"}"#, "Those about the thing with this id."),
    (
        "auditFormat",
        "format",
        "query",
        r#"{"type":"string","enum":["json","jsonl"],"default":"json"}"#,
        "`jsonl`: all of it, as lines.",
    ),
    (
        "eventStatus",
        "status",
        "query",
        r##"{"$ref":"#/components/schemas/EventStatus"}"##,
        "Those that stand so.",
    ),
    ("eventType", "type", "query", r#"{"type":"string"}"#, "Those of this type, as `invoice.paid`."),
    (
        "eventProvider",
        "provider",
        "query",
        r#"{"type":"string","enum":["stripe","custom"]}"#,
        "Those of this provider.",
    ),
    ("eventConnection", "connectionId", "query", r#"{"type":"string"}"#, "Those of this connection."),
    ("redirect", "redirect", "query", r#"{"type":"string"}"#, "The path of this server to come back to."),
    (
        "limit",
        "limit",
        "query",
        r#"{"type":"integer","minimum":1,"maximum":100,"default":50}"#,
        "Items at most.",
    ),
    (
        "cursor",
        "cursor",
        "query",
        r#"{"type":"string"}"#,
        "Where to go on: `meta.cursor` of the page before.",
    ),
    (
        "order",
        "order",
        "query",
        r#"{"type":"string","enum":["desc","asc"],"default":"desc"}"#,
        "The newest or the oldest first.",
    ),
    (
        "orderAscending",
        "order",
        "query",
        r#"{"type":"string","enum":["asc","desc"],"default":"asc"}"#,
        "The oldest or the newest first.",
    ),
    (
        "workflowStatus",
        "status",
        "query",
        r##"{"$ref":"#/components/schemas/WorkflowStatus"}"##,
        "Those that stand so; without it all but archived ones.",
    ),
    ("search", "search", "query", r#"{"type":"string"}"#, "Those with this in their name, in whatever case."),
    ("workflowId", "workflowId", "query", r#"{"type":"string"}"#, "Those of this workflow."),
    (
        "runStatus",
        "status",
        "query",
        r##"{"$ref":"#/components/schemas/RunStatus"}"##,
        "Those that stand so.",
    ),
    (
        "incomplete",
        "incomplete",
        "query",
        r#"{"type":"boolean","default":false}"#,
        "Whether a draft with errors is stored all the same; they come in `meta.diagnostics` then.",
    ),
    (
        "wait",
        "wait",
        "query",
        r#"{"type":"integer","minimum":1,"maximum":60}"#,
        "Seconds to wait for the end of the run.",
    ),
    (
        "ifMatch",
        "If-Match",
        "header",
        r#"{"type":"string"}"#,
        "The entity tag of the version that the change is about; 412 if it is not the current one.",
    ),
    (
        "lastEventId",
        "Last-Event-ID",
        "header",
        r#"{"type":"integer","minimum":0}"#,
        "The id of the last event that was received.",
    ),
];

fn schemas() -> Map<String, Value> {
    let read = |text| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    SCHEMAS.into_iter().flat_map(read).collect()
}

fn document() -> Value {
    let mut paths = Map::new();
    for route in routes() {
        let at = paths.entry(route.path).or_insert_with(|| json!({}));
        at[route.method] = operation(&route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "LoopFour",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Workflows for finance teams",
            "description": "Answers are `{\"success\": true, \"data\": …, \"meta\"?}` or `{\"success\": false, \"error\": …}`. \
                            Unknown parameters and keys are refused. Every answer has an `x-request-id`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [
            {"name": "workflows", "description": "Definitions, their versions and their status"},
            {"name": "runs", "description": "What workflows did"},
            {"name": "connections", "description": "Accounts at providers"},
            {"name": "events", "description": "What providers sent"},
            {"name": "keys", "description": "API keys"},
            {"name": "notices", "description": "Addresses that are told of what happens"},
            {"name": "access", "description": "Companies, their people, and what they did"},
            {"name": "server", "description": "The server itself; no key"},
        ],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "apiKey": {
                    "type": "apiKey", "in": "header", "name": "x-api-key",
                    "description": "`wfk_` and 32 letters or digits. Scopes: `workflows:read`, `workflows:write`, \
                                    `workflows:execute`, `runs:read`, `connections:read`, `connections:write`, `admin`; \
                                    none implies another.",
                },
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "loopfour_session",
                    "description": "A person's session, see `POST /api/v1/session`. What changes something needs an `origin` \
                                    of this server. Where a key comes along, the key counts.",
                },
            },
            "headers": headers(),
            "schemas": schemas(),
        },
    })
}

fn headers() -> Value {
    let whole = |description: &str| json!({"description": description, "schema": {"type": "integer"}});
    json!({
        "X-RateLimit-Limit": whole("Requests of this kind that the key or member may make within a minute; absent where that is off."),
        "X-RateLimit-Remaining": whole("How many of them are left."),
        "X-RateLimit-Reset": whole("When the oldest one that counts leaves the window, seconds since 1970."),
        "Retry-After": whole("Seconds to wait."),
        "ETag": {"description": "The version, in quotes.", "schema": {"type": "string"}},
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.id,
        "tags": [route.group],
        "summary": route.summary,
        "security": security(route.access),
    });
    if !route.description.is_empty() {
        operation["description"] = route.description.into();
    }
    if route.access != Access::Public {
        let method = route.method.to_uppercase().parse().unwrap_or_default();
        operation["x-rate-limit"] = Class::of(&method, route.path).name().into();
    }
    let parameters = parameters(route);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    let body = match route.body {
        Body::None => None,
        Body::Empty => Some(("Empty", false)),
        Body::Optional(schema) => Some((schema, false)),
        Body::Required(schema) => Some((schema, true)),
    };
    if let Some((schema, required)) = body {
        operation["requestBody"] =
            json!({"required": required, "content": content("application/json", reference(schema))});
    }
    operation["responses"] = responses(route);
    operation
}

fn security(access: Access) -> Value {
    match access {
        Access::Public | Access::SignIn => json!([]),
        Access::AnyKey => json!([{"apiKey": []}, {"session": []}]),
        Access::Scope(scope) => json!([{"apiKey": [scope.name()]}, {"session": [scope.name()]}]),
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let parts = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = parts
        .map(|name| {
            let kind = if name == "version" { "integer" } else { "string" };
            json!({"name": name, "in": "path", "required": true, "schema": {"type": kind}})
        })
        .collect();
    for wanted in route.parameters {
        let row = PARAMETERS.iter().find(|(key, ..)| key == wanted);
        let row = row.map(|(_, name, place, schema, description)| {
            let schema: Value = serde_json::from_str(schema).unwrap_or_default();
            json!({"name": name, "in": place, "required": false, "schema": schema, "description": description})
        });
        parameters.extend(row);
    }
    parameters
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    for Success { status, form } in &route.answers {
        let answer = success(route, *form);
        let more = answer["content"].as_object().cloned();
        let known = responses.entry(status.to_string()).or_insert(answer);
        if let (Some(known), Some(more)) = (known.get_mut("content").and_then(Value::as_object_mut), more) {
            // The same in another form.
            known.extend(more);
        }
    }
    for code in refusals(route) {
        let entry = responses.entry(code.status().as_u16().to_string()).or_insert_with(|| {
            json!({
                "description": code.status().canonical_reason().unwrap_or("refused"),
                "x-error-codes": [],
                "content": content("application/json", reference("Failure")),
            })
        });
        if let Some(codes) = entry.get_mut("x-error-codes").and_then(Value::as_array_mut) {
            codes.push(code.name().into());
        }
        let headers = response_headers(route, code == Code::RateLimited);
        if !headers.is_empty() {
            entry["headers"] = headers.into();
        }
    }
    Value::Object(responses)
}

fn success(route: &Route, form: Form) -> Value {
    let (description, content) = match form {
        Form::Data(schema) | Form::Tagged(schema) => {
            (schema, Some(content("application/json", envelope(reference(schema), None))))
        }
        Form::List(schema) => {
            let data = json!({"type": "array", "items": reference(schema)});
            ("A page of the list", Some(content("application/json", envelope(data, Some("ListMeta")))))
        }
        Form::Events(schema) => {
            ("Events as they happen", Some(content("text/event-stream", reference(schema))))
        }
        Form::Bare(kind) => ("The document", Some(content(kind, json!({})))),
        Form::Lines(schema) => ("All of it", Some(content("application/jsonl", reference(schema)))),
        Form::Nothing => ("Nothing more can come", None),
    };
    let mut answer = json!({"description": description});
    if let Some(content) = content {
        answer["content"] = content;
    }
    let mut headers = response_headers(route, false);
    if let Form::Tagged(_) = form {
        headers.insert("ETag".to_owned(), json!({"$ref": "#/components/headers/ETag"}));
    }
    if !headers.is_empty() {
        answer["headers"] = headers.into();
    }
    answer
}

fn response_headers(route: &Route, limited: bool) -> Map<String, Value> {
    let limits = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"];
    let limits = limits.into_iter().filter(|_| route.access != Access::Public);
    let names = limits.chain(limited.then_some("Retry-After"));
    names.map(|name| (name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")}))).collect()
}

/// Every code that the route may answer with.
pub fn refusals(route: &Route) -> Vec<Code> {
    let mut codes = vec![Code::ValidationError];
    match route.access {
        Access::Public => {}
        Access::SignIn | Access::AnyKey => codes.extend([Code::Unauthorized, Code::RateLimited]),
        Access::Scope(_) => codes.extend([Code::Unauthorized, Code::Forbidden, Code::RateLimited]),
    }
    if route.path.contains('{') {
        codes.push(Code::NotFound);
    }
    if route.body != Body::None {
        codes.extend([Code::RequestTimeout, Code::PayloadTooLarge, Code::UnsupportedMediaType]);
    }
    codes.extend(route.refusals);
    if route.access != Access::Public || route.path == "/readyz" {
        codes.extend([Code::InternalError, Code::Unavailable]);
    }
    codes.sort_by_key(|code| code.status().as_u16());
    codes
}

fn envelope(data: Value, meta: Option<&str>) -> Value {
    let meta_schema = reference(meta.unwrap_or("Meta"));
    let mut required = vec!["success", "data"];
    required.extend(meta.map(|_| "meta"));
    json!({
        "type": "object",
        "required": required,
        "properties": {"success": {"const": true}, "data": data, "meta": meta_schema},
        "additionalProperties": false,
    })
}

fn content(kind: &str, schema: Value) -> Value {
    json!({kind: {"schema": schema}})
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}
