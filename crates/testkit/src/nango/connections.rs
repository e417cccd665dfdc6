//! Connections: listed by tag, shown with their credentials, imported, changed, deleted.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::answer::{Answer, Issue, Refusal};
use super::fields::{self, Field, Kind, optional, required};
use super::http::Request;
use super::integrations::Provider;
use super::sessions::{self, END_USER};
use super::state::{Connection, Credentials, Session, Shared, State, iso};
use super::webhooks::{self, News};
use super::{tokens, uuid};

const LIST: &[&str] = &[
    "connectionId",
    "search",
    "endUserId",
    "endUserOrganizationId",
    "integrationId",
    "tags[…]",
    "limit",
    "page",
];
const GET: &[&str] =
    &["provider_config_key", "force_refresh", "refresh_token", "refresh_github_app_jwt_token"];

pub(super) fn missing() -> Refusal {
    Refusal::new(404, "not_found", "Failed to find connection")
}

/// `GET /connections`.
pub(super) fn list(shared: &Shared, request: &Request) -> Result<Answer, Refusal> {
    fields::query(request, LIST)?;
    let number = |name: &str, most: usize, default: usize| {
        let wrong = |text: &str| {
            let message = format!("Invalid input: {text}");
            Refusal::invalid("invalid_query_params", &[Issue::new("invalid_type", message, &[name])])
        };
        request.parameter(name).map_or(Ok(default), |text| {
            text.parse().ok().filter(|number| *number <= most).ok_or_else(|| wrong(text))
        })
    };
    let (limit, page) = (number("limit", 2000, 10_000)?, number("page", usize::MAX, 0)?);
    let state = shared.state();
    let found = state
        .connections
        .iter()
        .filter(|one| request.query.iter().all(|(name, value)| fits(one, name, value)));
    let rows: Vec<Value> = found.skip(page.saturating_mul(limit)).take(limit).map(row).collect();
    Ok(Answer::json(200, &json!({"connections": rows})))
}

/// Whether a connection is one that a parameter asks for.
fn fits(one: &Connection, name: &str, value: &str) -> bool {
    let is = |shown: &Value| shown.as_str() == Some(value);
    match name {
        "connectionId" => one.id == value,
        "search" => one.id.contains(value) || one.end_user.to_string().contains(value),
        "endUserId" => is(&one.end_user["id"]),
        "endUserOrganizationId" => is(&one.end_user["organization"]["id"]),
        "integrationId" => value.split(',').any(|key| one.integration == key),
        _ => {
            let tag = name.strip_prefix("tags[").and_then(|name| name.strip_suffix(']'));
            tag.is_none_or(|tag| one.tags.get(&tag.to_lowercase()).is_some_and(is))
        }
    }
}

fn row(one: &Connection) -> Value {
    json!({
        "id": one.number,
        "connection_id": one.id,
        "provider_config_key": one.integration,
        "provider": one.provider.name,
        "errors": errors(one),
        "end_user": one.end_user,
        "tags": one.tags,
        "metadata": one.metadata,
        "created": iso(one.created_at),
    })
}

fn errors(one: &Connection) -> Value {
    let failed = one.failed_at.map(|at| json!({"type": "auth", "log_id": format!("log_{at}")}));
    json!(failed.into_iter().collect::<Vec<_>>())
}

/// How much of a connection's credentials is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    None,
    Access,
    Refresh,
}

/// A connection in full.
pub(super) fn shown(one: &Connection, secrets: Secrets) -> Value {
    let credentials = if secrets == Secrets::None { json!({}) } else { credentials(one, secrets) };
    json!({
        "id": one.number,
        "connection_id": one.id,
        "provider_config_key": one.integration,
        "provider": one.provider.name,
        "errors": errors(one),
        "end_user": one.end_user,
        "tags": one.tags,
        "metadata": one.metadata,
        "connection_config": one.config,
        "webhook_url_override": one.webhook_url,
        "created_at": iso(one.created_at).replace('Z', "+00:00"),
        "updated_at": iso(one.updated_at).replace('Z', "+00:00"),
        "last_fetched_at": one.last_fetched_at.map(|at| iso(at).replace('Z', "+00:00")),
        "credentials": credentials,
    })
}

fn credentials(one: &Connection, secrets: Secrets) -> Value {
    let token = match &one.credentials {
        Credentials::Token(token) => token,
        Credentials::Given(given) => return given.clone(),
    };
    let mut raw = json!({
        "access_token": token.access,
        "livemode": false,
        "scope": "stripe_apps",
        "stripe_publishable_key": "pk_test_fake",
        "stripe_user_id": token.account,
        "token_type": "bearer",
    });
    let mut shown = json!({"type": "OAUTH2", "access_token": token.access});
    if let Some(seconds) = token.lifetime {
        raw["expires_in"] = json!(seconds);
    }
    if let Some(at) = token.expires_at {
        shown["expires_at"] = json!(iso(at));
    }
    if let (Secrets::Refresh, Some(refresh)) = (secrets, &token.refresh) {
        shown["refresh_token"] = json!(refresh);
        raw["refresh_token"] = json!(refresh);
    }
    shown["raw"] = raw;
    shown
}

/// The `provider_config_key` of a call about one connection.
fn integration(shared: &Shared, request: &Request) -> Result<String, Refusal> {
    let key = request.parameter("provider_config_key").filter(|key| !key.is_empty()).ok_or_else(|| {
        let message = "Invalid input: expected string, received undefined";
        let issue = Issue::new("invalid_type", message, &["provider_config_key"]);
        Refusal::invalid("invalid_query_params", &[issue])
    })?;
    if !shared.state().integrations.contains_key(key) {
        let message = format!("Unknown provider config key: {key}");
        return Err(Refusal::new(400, "unknown_provider_config", message));
    }
    Ok(key.to_owned())
}

/// `GET /connections/{id}`.
pub(super) async fn get(shared: &Shared, request: &Request, id: &str) -> Result<Answer, Refusal> {
    fields::query(request, GET)?;
    let asks = |name: &str| request.parameter(name) == Some("true");
    let integration = integration(shared, request)?;
    let hidden = shared.state().tokens.hidden;
    if hidden && (asks("force_refresh") || asks("refresh_token")) {
        let message = "The key lacks the scope environment:connections:read_credentials";
        return Err(Refusal::new(403, "forbidden", message));
    }
    tokens::renew(shared, &integration, id, asks("force_refresh")).await?;
    let now = shared.now();
    let mut state = shared.state();
    let connection = state.connection(&integration, id).ok_or_else(missing)?;
    connection.last_fetched_at = Some(now);
    let secrets = match (hidden, asks("refresh_token")) {
        (true, _) => Secrets::None,
        (false, true) => Secrets::Refresh,
        (false, false) => Secrets::Access,
    };
    Ok(Answer::json(200, &shown(connection, secrets)))
}

const IMPORT: &[Field] = &[
    required("provider_config_key", Kind::Text(1, 255)),
    required("credentials", Kind::Map),
    optional("connection_id", Kind::Text(1, 255)),
    optional("metadata", Kind::Map),
    optional("connection_config", Kind::Map),
    optional("tags", Kind::Tags),
    optional("end_user", Kind::Table(END_USER)),
    optional("webhook_url_override", Kind::Url),
];

/// `POST /connections`.
pub(super) async fn import(shared: &Shared, request: &Request, body: &Value) -> Result<Answer, Refusal> {
    fields::query(request, &[])?;
    let body = fields::body(body, IMPORT)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let integration = text("provider_config_key").unwrap_or_default();
    let provider = provider(&shared.state(), integration)?;
    let credentials = body.get("credentials").cloned().unwrap_or_default();
    let kind = credentials["type"].as_str().unwrap_or_default();
    if kind != provider.auth_mode {
        let message = format!("Provider {} does not support {kind} auth", provider.auth_mode);
        return Err(Refusal::new(400, "invalid_body", message));
    }
    let webhook_url = text("webhook_url_override");
    if let Some(issue) = webhook_url.and_then(|url| webhooks::unreachable(&shared.state(), url)) {
        return Err(Refusal::invalid("invalid_body", &[issue]));
    }
    let config = body.get("connection_config").and_then(Value::as_object).cloned().unwrap_or_default();
    let session = Session {
        expires_at: 0,
        tags: fields::tags(body.get("tags")),
        end_user: sessions::end_user(body.get("end_user").unwrap_or(&Value::Null), &Value::Null),
        allowed: None,
        connection_config: [(integration.to_owned(), config)].into(),
        webhook_url: webhook_url.map(str::to_owned),
        reconnects: text("connection_id").map(str::to_owned),
    };
    let connection = connect(shared, provider, integration, &session, Credentials::Given(credentials)).await;
    let answer = {
        let mut state = shared.state();
        let connection = state.connection(integration, &connection).ok_or_else(missing)?;
        connection.metadata = body.get("metadata").cloned().unwrap_or_default();
        shown(connection, Secrets::Access)
    };
    Ok(Answer::json(201, &answer))
}

/// The provider of an integration.
fn provider(state: &State, integration: &str) -> Result<&'static Provider, Refusal> {
    let found = state.integrations.get(integration).map(|integration| integration.provider);
    let missing = || Refusal::new(404, "not_found", format!("Integration \"{integration}\" does not exist"));
    found.ok_or_else(missing)
}

/// Makes a connection, or renews the one that the session names, and says so by webhook; its id.
pub(super) async fn connect(
    shared: &Shared,
    provider: &'static Provider,
    integration: &str,
    session: &Session,
    credentials: Credentials,
) -> String {
    let now = shared.now();
    let (connection, is_new) = {
        let mut state = shared.state();
        state.made += 1;
        let mut made = Connection {
            number: state.made,
            id: session.reconnects.clone().unwrap_or_else(uuid),
            integration: integration.to_owned(),
            provider,
            credentials,
            tags: session.tags.clone(),
            end_user: session.end_user.clone(),
            metadata: Value::Null,
            config: session.connection_config.get(integration).cloned().unwrap_or_default(),
            webhook_url: session.webhook_url.clone(),
            created_at: now,
            updated_at: now,
            last_fetched_at: None,
            failed_at: None,
            failed_days: BTreeSet::new(),
            revoked: false,
        };
        let before = state.connection(integration, &made.id);
        let is_new = before.is_none();
        if let Some(before) = before {
            (made.number, made.created_at) = (before.number, before.created_at);
            made.metadata = std::mem::take(&mut before.metadata);
            *before = made.clone();
        } else {
            state.connections.push(made.clone());
        }
        (made, is_new)
    };
    webhooks::send(shared, News::Connected { connection: &connection, is_new }).await;
    connection.id
}

const CHANGE: &[Field] = &[
    optional("tags", Kind::Tags),
    optional("end_user", Kind::Table(END_USER)),
    optional("webhook_url_override", Kind::Url),
];

/// `PATCH /connections/{id}`.
pub(super) fn change(shared: &Shared, request: &Request, id: &str, body: &Value) -> Result<Answer, Refusal> {
    fields::query(request, &["provider_config_key"])?;
    let integration = integration(shared, request)?;
    let body: &Map<String, Value> = fields::body(body, CHANGE)?;
    let now = shared.now();
    let mut state = shared.state();
    let webhook_url = body.get("webhook_url_override").and_then(Value::as_str);
    if let Some(issue) = webhook_url.and_then(|url| webhooks::unreachable(&state, url)) {
        return Err(Refusal::invalid("invalid_body", &[issue]));
    }
    let connection = state.connection(&integration, id).ok_or_else(missing)?;
    if body.contains_key("tags") {
        connection.tags = fields::tags(body.get("tags"));
    }
    if let Some(user) = body.get("end_user") {
        connection.end_user = sessions::end_user(user, &Value::Null);
    }
    if let Some(url) = webhook_url {
        connection.webhook_url = Some(url.to_owned());
    }
    connection.updated_at = now;
    Ok(Answer::json(200, &json!({"success": true})))
}

/// `DELETE /connections/{id}`.
pub(super) fn delete(shared: &Shared, request: &Request, id: &str) -> Result<Answer, Refusal> {
    fields::query(request, &["provider_config_key"])?;
    let integration = integration(shared, request)?;
    let mut state = shared.state();
    let before = state.connections.len();
    state.connections.retain(|one| one.id != id || one.integration != integration);
    if state.connections.len() == before {
        return Err(Refusal::bare(400, "unknown_connection"));
    }
    Ok(Answer::json(200, &json!({"success": true})))
}
