//! Providers and integrations: what there is to connect to, and which of it is set up.

use serde_json::{Map, Value, json};

use super::answer::{Answer, Issue, Refusal};
use super::fields::{self, Field, Kind, optional, required};
use super::http::Request;
use super::state::{Integration, Shared, iso};

/// A kind of service that a connection can be to.
pub(super) struct Provider {
    pub(super) name: &'static str,
    pub(super) display_name: &'static str,
    /// `OAUTH2`, `BASIC` or `API_KEY`.
    pub(super) auth_mode: &'static str,
    /// Whether its tokens end and are renewed.
    pub(super) renews: bool,
}

const PROVIDERS: &[Provider] = &[
    provider_of("github", "GitHub", "OAUTH2", false),
    provider_of("sendgrid", "SendGrid", "API_KEY", false),
    provider_of("stripe", "Stripe Connect", "OAUTH2", false),
    provider_of("stripe-api-key", "Stripe (API Key)", "BASIC", false),
    provider_of("stripe-app", "Stripe App", "OAUTH2", true),
    provider_of("stripe-app-sandbox", "Stripe App (Sandbox)", "OAUTH2", true),
    provider_of("stripe-express", "Stripe Express", "OAUTH2", false),
];

const fn provider_of(
    name: &'static str,
    display_name: &'static str,
    auth_mode: &'static str,
    renews: bool,
) -> Provider {
    Provider { name, display_name, auth_mode, renews }
}

/// The provider of that name.
pub(super) fn provider(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.name == name)
}

/// `GET /integrations`.
pub(super) fn list(shared: &Shared, request: &Request) -> Result<Answer, Refusal> {
    fields::query(request, &[])?;
    let state = shared.state();
    let all: Vec<Value> = state.integrations.iter().map(|(key, one)| shown(key, one)).collect();
    Ok(Answer::json(200, &json!({"data": all})))
}

/// `GET /integrations/{key}`.
pub(super) fn get(shared: &Shared, request: &Request, key: &str) -> Result<Answer, Refusal> {
    fields::query(request, &["include"])?;
    let state = shared.state();
    let missing = || Refusal::new(404, "not_found", format!("Integration \"{key}\" does not exist"));
    let integration = state.integrations.get(key).ok_or_else(missing)?;
    let mut data = shown(key, integration);
    for (_, what) in request.query.iter().filter(|(name, _)| name == "include") {
        match what.as_str() {
            "webhook" => data["webhook_url"] = Value::Null,
            "credentials" => data["credentials"] = integration.credentials.clone(),
            _ => {
                let issue = Issue::new("invalid_value", format!("Invalid option: {what}"), &["include", "0"]);
                return Err(Refusal::invalid("invalid_query_params", &[issue]));
            }
        }
    }
    Ok(Answer::json(200, &json!({"data": data})))
}

const NEW: &[Field] = &[
    required("unique_key", Kind::Text(1, 255)),
    required("provider", Kind::Text(1, 255)),
    optional("display_name", Kind::Text(1, 255)),
    optional("credentials", Kind::Map),
];

/// `POST /integrations`.
pub(super) fn create(shared: &Shared, request: &Request, body: &Value) -> Result<Answer, Refusal> {
    fields::query(request, &[])?;
    let body = fields::body(body, NEW)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let wrong = |message: &str, path: &str| {
        Refusal::invalid("invalid_body", &[Issue::new("custom", message, &[path])])
    };
    let provider = text("provider").and_then(provider);
    let provider = provider.ok_or_else(|| wrong("Invalid provider", "provider"))?;
    let key = text("unique_key").unwrap_or_default();
    let mut integration = Integration::new(provider, shared.now());
    if let Some(name) = text("display_name") {
        integration.display_name = name.to_owned();
    }
    integration.credentials = body.get("credentials").cloned().unwrap_or_default();
    let mut state = shared.state();
    if state.integrations.contains_key(key) {
        return Err(wrong("Unique key already exists", "unique_key"));
    }
    let data = shown(key, &integration);
    state.integrations.insert(key.to_owned(), integration);
    Ok(Answer::json(200, &json!({"data": data})))
}

/// `GET /providers/{name}`.
pub(super) fn template(request: &Request, name: &str) -> Result<Answer, Refusal> {
    fields::query(request, &[])?;
    let missing = || Refusal::new(404, "not_found", format!("Unknown provider {name}"));
    let provider = provider(name).ok_or_else(missing)?;
    let data = json!({
        "name": provider.name,
        "display_name": provider.display_name,
        "auth_mode": provider.auth_mode,
        "credentials": Map::new(),
        "connection_config": Map::new(),
        "docs_connect": format!("https://nango.dev/docs/integrations/all/{name}/connect"),
    });
    Ok(Answer::json(200, &json!({"data": data})))
}

fn shown(key: &str, integration: &Integration) -> Value {
    let at = iso(integration.created_at);
    json!({
        "unique_key": key,
        "provider": integration.provider.name,
        "display_name": integration.display_name,
        "logo": "",
        "forward_webhooks": true,
        "created_at": at,
        "updated_at": at,
    })
}
