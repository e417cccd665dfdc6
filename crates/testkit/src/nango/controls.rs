//! The fake's own controls under `/_nango/`, for tests; the head of the module lists them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answer::Answer;
use super::http::Request;
use super::state::{Connection, Credentials, Integration, Shared, Weather};
use super::{integrations, tokens, webhooks};

/// Answers a call of a control.
pub(super) async fn answer(shared: &Shared, request: &Request) -> Answer {
    let name = request.segments.get(1).map_or("", String::as_str);
    let body = serde_json::from_slice(&request.body).unwrap_or_default();
    match run(shared, &request.method, name, body).await {
        Ok(body) => Answer::json(200, &body),
        Err(message) => Answer::json(400, &json!({"error": {"message": message}})),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    /// Seconds, back where negative.
    advance: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    per_minute: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    /// Null where tokens never end.
    #[serde(default, deserialize_with = "given")]
    lifetime: Option<Option<i64>>,
    failing_refreshes: Option<u32>,
    hidden: Option<bool>,
}

/// Tells null from left out.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<i64>>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoked {
    connection_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    on: bool,
    deliver_to: Option<String>,
    #[serde(default)]
    loopback: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    number: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Integrations {
    providers: Vec<String>,
}

fn parse<T: DeserializeOwned>(body: Value) -> Result<T, String> {
    serde_json::from_value(body).map_err(|error| format!("the body is not as it should be: {error}"))
}

/// Runs a control; `Err` says what is wrong.
pub(super) async fn run(shared: &Shared, method: &str, name: &str, body: Value) -> Result<Value, String> {
    match (method, name) {
        ("GET", "calls" | "connections" | "clock" | "weather" | "limit" | "tokens" | "webhooks") => {}
        ("POST", "clock") => {
            let Advance { advance } = parse(body)?;
            shared.move_clock(advance.saturating_mul(1000));
        }
        ("POST", "weather") => {
            let weather: Weather = parse(body)?;
            shared.state().weather = weather;
        }
        ("POST", "limit") => shared.state().rate.per_minute = parse::<Limit>(body)?.per_minute,
        ("POST", "tokens") => {
            let Rules { lifetime, failing_refreshes, hidden } = parse(body)?;
            let rules = &mut shared.state().tokens;
            rules.lifetime = lifetime.unwrap_or(rules.lifetime);
            rules.failing_refreshes = failing_refreshes.unwrap_or(rules.failing_refreshes);
            rules.hidden = hidden.unwrap_or(rules.hidden);
        }
        ("POST", "revoke") => tokens::revoke(shared, &parse::<Revoked>(body)?.connection_id).await?,
        ("POST", "webhooks") => {
            let Switch { on, deliver_to, loopback } = parse(body)?;
            let webhooks = &mut shared.state().webhooks;
            (webhooks.on, webhooks.deliver_to, webhooks.loopback) = (on, deliver_to, loopback);
        }
        ("POST", "resend") => webhooks::resend(shared, parse::<Again>(body)?.number).await?,
        ("POST", "integrations") => set_integrations(shared, &parse::<Integrations>(body)?.providers)?,
        (method, name) => return Err(format!("there is no control {method} /_nango/{name}")),
    }
    Ok(shown(shared, name))
}

fn set_integrations(shared: &Shared, names: &[String]) -> Result<(), String> {
    let now = shared.now();
    let named = |name: &String| {
        let provider =
            integrations::provider(name).ok_or_else(|| format!("there is no provider `{name}`"))?;
        Ok::<_, String>((name.clone(), Integration::new(provider, now)))
    };
    let all = names.iter().map(named).collect::<Result<_, _>>()?;
    shared.state().integrations = all;
    Ok(())
}

fn shown(shared: &Shared, name: &str) -> Value {
    let now = shared.now();
    let state = shared.state();
    match name {
        "calls" => {
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for call in &state.calls {
                *counts.entry(&call.kind).or_default() += 1;
            }
            json!({"calls": state.calls, "counts": counts})
        }
        "connections" | "revoke" => {
            json!({"connections": state.connections.iter().map(secrets).collect::<Vec<_>>()})
        }
        "clock" => json!({"now": now}),
        "weather" => json!(state.weather),
        "limit" => json!({"per_minute": state.rate.per_minute}),
        "tokens" => {
            let rules = &state.tokens;
            json!({"lifetime": rules.lifetime, "failing_refreshes": rules.failing_refreshes, "hidden": rules.hidden})
        }
        "webhooks" | "resend" => {
            let webhooks = &state.webhooks;
            json!({
                "on": webhooks.on,
                "deliver_to": webhooks.deliver_to,
                "loopback": webhooks.loopback,
                "sent": webhooks.sent,
            })
        }
        _ => json!({"integrations": state.integrations.keys().collect::<Vec<_>>()}),
    }
}

/// A connection with what callers are not shown.
fn secrets(one: &Connection) -> Value {
    let (account, token) = match &one.credentials {
        Credentials::Token(token) => (json!(token.account), json!(token.access)),
        Credentials::Given(given) => (Value::Null, given["username"].clone()),
    };
    json!({
        "connection_id": one.id,
        "provider_config_key": one.integration,
        "account": account,
        "token": token,
        "tags": one.tags,
        "revoked": one.revoked,
    })
}
