//! Connect sessions: who may connect what for half an hour, and what is then said of the connection.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::answer::{Answer, Issue, Refusal};
use super::fields::{self, Field, Kind, optional, required};
use super::http::Request;
use super::state::{Session, Shared, State, iso};
use super::{uuid, webhooks};

/// How long a session lives, in milliseconds.
const LIFE: i64 = 30 * 60 * 1000;
const PREFIX: &str = "nango_connect_session_";

/// The fields of an end user.
pub(super) const END_USER: &[Field] = &[
    required("id", Kind::Text(1, 255)),
    optional("email", Kind::Email),
    optional("display_name", Kind::Text(0, 255)),
    optional("tags", Kind::Tags),
];
const ORGANIZATION: &[Field] =
    &[required("id", Kind::Text(0, 255)), optional("display_name", Kind::Text(0, 255))];
const END_USER_FIELD: Field = optional("end_user", Kind::Table(END_USER));
const ORGANIZATION_FIELD: Field = optional("organization", Kind::Table(ORGANIZATION));
const DEFAULTS_FIELD: Field = optional("integrations_config_defaults", Kind::Map);
const OVERRIDES_FIELD: Field = optional("overrides", Kind::Map);
const TAGS_FIELD: Field = optional("tags", Kind::Tags);
const WEBHOOK_FIELD: Field = optional("webhook_url_override", Kind::Url);
const NEW: &[Field] = &[
    END_USER_FIELD,
    ORGANIZATION_FIELD,
    DEFAULTS_FIELD,
    OVERRIDES_FIELD,
    TAGS_FIELD,
    WEBHOOK_FIELD,
    optional("allowed_integrations", Kind::Texts),
];
const RENEWAL: &[Field] = &[
    required("connection_id", Kind::Text(1, 255)),
    required("integration_id", Kind::Text(1, 255)),
    END_USER_FIELD,
    ORGANIZATION_FIELD,
    DEFAULTS_FIELD,
    OVERRIDES_FIELD,
    TAGS_FIELD,
    WEBHOOK_FIELD,
];

/// `POST /connect/sessions`.
pub(super) fn create(shared: &Shared, request: &Request, body: &Value) -> Result<Answer, Refusal> {
    fields::query(request, &[])?;
    let body = fields::body(body, NEW)?;
    if !body.contains_key("end_user") && !body.contains_key("tags") {
        let message = "Invalid input: expected object, received undefined";
        return Err(Refusal::invalid("invalid_body", &[Issue::new("invalid_type", message, &["end_user"])]));
    }
    let allowed = body.get("allowed_integrations").and_then(Value::as_array);
    let allowed = allowed.map(|all| all.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    let mut state = shared.state();
    let session = session(shared, &state, body, allowed, None)?;
    Ok(opened(shared, &mut state, session))
}

/// `POST /connect/sessions/reconnect`.
pub(super) fn reconnect(shared: &Shared, request: &Request, body: &Value) -> Result<Answer, Refusal> {
    fields::query(request, &[])?;
    let body = fields::body(body, RENEWAL)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let (connection, integration) = (text("connection_id"), text("integration_id"));
    let mut state = shared.state();
    if state.connection(integration, connection).is_none() {
        let message = "ConnectionID or IntegrationId does not exists";
        return Err(Refusal::invalid("invalid_body", &[Issue::new("custom", message, &["connection_id"])]));
    }
    let allowed = Some(vec![integration.to_owned()]);
    let session = session(shared, &state, body, allowed, Some(connection.to_owned()))?;
    Ok(opened(shared, &mut state, session))
}

fn session(
    shared: &Shared,
    state: &State,
    body: &Map<String, Value>,
    allowed: Option<Vec<String>>,
    reconnects: Option<String>,
) -> Result<Session, Refusal> {
    let mut issues = Vec::new();
    let mut known = |key: &str, path: &[&str]| {
        if !state.integrations.contains_key(key) {
            issues.push(Issue::new("custom", "Integration does not exist", path));
        }
    };
    for (index, key) in allowed.iter().flatten().enumerate() {
        known(key, &["allowed_integrations", &index.to_string()]);
    }
    for part in ["integrations_config_defaults", "overrides"] {
        let given = body.get(part).and_then(Value::as_object);
        given.into_iter().flatten().for_each(|(key, _)| known(key, &[part, key]));
    }
    let webhook_url = body.get("webhook_url_override").and_then(Value::as_str);
    issues.extend(webhook_url.and_then(|url| webhooks::unreachable(state, url)));
    if !issues.is_empty() {
        return Err(Refusal::invalid("invalid_body", &issues));
    }
    let defaults = body.get("integrations_config_defaults").and_then(Value::as_object);
    let connection_config: HashMap<_, _> = defaults
        .into_iter()
        .flatten()
        .filter_map(|(key, given)| Some((key.clone(), given.get("connection_config")?.as_object()?.clone())))
        .collect();
    let mut tags = fields::tags(body.get("tags"));
    let user = body.get("end_user").unwrap_or(&Value::Null);
    let organization = body.get("organization").unwrap_or(&Value::Null);
    let named = [
        ("end_user_id", &user["id"]),
        ("end_user_email", &user["email"]),
        ("organization_id", &organization["id"]),
    ];
    tags.extend(
        named
            .iter()
            .filter(|(_, value)| value.is_string())
            .map(|(key, value)| ((*key).to_owned(), (*value).clone())),
    );
    Ok(Session {
        expires_at: shared.now() + LIFE,
        tags,
        end_user: end_user(user, organization),
        allowed,
        connection_config,
        webhook_url: webhook_url.map(str::to_owned),
        reconnects,
    })
}

/// An end user as connections show it.
pub(super) fn end_user(user: &Value, organization: &Value) -> Value {
    if user.is_null() {
        return Value::Null;
    }
    let organization = match organization {
        Value::Null => Value::Null,
        given => json!({"id": given["id"], "display_name": given["display_name"]}),
    };
    json!({
        "id": user["id"],
        "display_name": user["display_name"],
        "email": user["email"],
        "tags": user["tags"],
        "organization": organization,
    })
}

fn opened(shared: &Shared, state: &mut State, session: Session) -> Answer {
    let token = format!("{PREFIX}{}{}", uuid(), uuid()).replace('-', "");
    let data = json!({
        "token": token,
        "connect_link": format!("{}/?session_token={token}", shared.url),
        "expires_at": iso(session.expires_at),
    });
    state.sessions.insert(token, session);
    Answer::json(201, &json!({"data": data}))
}

/// The session of a token.
pub(super) fn find(shared: &Shared, token: &str) -> Result<Session, Refusal> {
    let secret = token.strip_prefix(PREFIX).unwrap_or_default();
    if secret.len() != 64 || !secret.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = "Authentication failed. The provided connect session token is not well formed.";
        return Err(Refusal::unauthorized("invalid_connect_session_token_format", message));
    }
    let session = shared.state().sessions.get(token).cloned();
    session.filter(|session| session.expires_at > shared.now()).ok_or_else(|| {
        let message = "Authentication failed. The provided connect session token is unknown or has expired.";
        Refusal::unauthorized("unknown_connect_session_token", message)
    })
}

fn bearer(request: &Request) -> Result<&str, Refusal> {
    let header = request.header("authorization").ok_or_else(|| {
        Refusal::unauthorized(
            "missing_auth_header",
            "Authentication failed. The request is missing the header.",
        )
    })?;
    Ok(header.strip_prefix("Bearer ").unwrap_or_default())
}

/// `GET /connect/session`.
pub(super) fn show(shared: &Shared, request: &Request) -> Result<Answer, Refusal> {
    let session = find(shared, bearer(request)?)?;
    let mut data = json!({"end_user": session.end_user, "tags": session.tags});
    if let Some(allowed) = session.allowed {
        data["allowed_integrations"] = json!(allowed);
    }
    Ok(Answer::json(200, &json!({"data": data})))
}

/// `DELETE /connect/session`.
pub(super) fn end(shared: &Shared, request: &Request) -> Result<Answer, Refusal> {
    let token = bearer(request)?;
    find(shared, token)?;
    shared.state().sessions.remove(token);
    Ok(Answer { status: 204, headers: Vec::new(), body: bytes::Bytes::new() })
}
