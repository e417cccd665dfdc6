//! Connections as clients see them. There is no field that a secret could be in.

use loopfour_engine::ConnectionId;
use loopfour_engine::connections::{Connection, ConnectionSettings, EventSource, Source};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::view::Time;

/// A connection in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionItem<'a> {
    id: ConnectionId,
    name: &'a str,
    provider: &'a str,
    status: &'static str,
    external_account_id: Option<&'a str>,
    last_synced_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
    mode: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<&'a str>,
}

impl<'a> ConnectionItem<'a> {
    /// What lists show of it.
    pub fn of(connection: &'a Connection) -> ConnectionItem<'a> {
        ConnectionItem {
            id: connection.id,
            name: &connection.name,
            provider: &connection.provider,
            status: connection.status.name(),
            external_account_id: connection.external_account_id.as_deref(),
            last_synced_at: connection.last_synced_at.map(Time),
            created_at: Time(connection.created_at),
            updated_at: Time(connection.updated_at),
            mode: connection.mode.as_deref(),
            last_error: connection.last_error.as_deref(),
        }
    }
}

/// A connection by itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionView<'a> {
    #[serde(flatten)]
    item: ConnectionItem<'a>,
    source: &'static str,
    former_account_id: Option<&'a str>,
    settings: SettingsView<'a>,
}

impl<'a> ConnectionView<'a> {
    /// All that may be seen of it.
    pub fn of(connection: &'a Connection) -> ConnectionView<'a> {
        ConnectionView {
            item: ConnectionItem::of(connection),
            source: match connection.source {
                Source::Environment => "environment",
                Source::Sandbox => "sandbox",
                Source::ApiKey => "apiKey",
                Source::Nango { .. } => "nango",
            },
            former_account_id: connection.former_account.as_deref(),
            settings: SettingsView::of(&connection.settings),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SettingsView<'a> {
    stripe_account: Option<&'a str>,
    api_version: Option<&'a str>,
    pace: Value,
    events: &'static str,
}

impl<'a> SettingsView<'a> {
    fn of(settings: &'a ConnectionSettings) -> SettingsView<'a> {
        SettingsView {
            stripe_account: settings.stripe_account.as_deref(),
            api_version: settings.api_version.as_deref(),
            pace: settings.pace.as_deref().map_or(Value::Null, pace),
            events: match settings.events {
                EventSource::Webhook => "webhook",
                EventSource::Poll => "poll",
            },
        }
    }
}

/// `read=50,write=off` as `{"read": 50, "write": "off"}`, as bodies have it; `off` as it is.
fn pace(text: &str) -> Value {
    let figure = |text: &str| text.parse::<u32>().map_or_else(|_| Value::from(text), Value::from);
    let parts = text.split(',').filter_map(|part| part.split_once('='));
    let parts: Map<String, Value> =
        parts.map(|(name, value)| (name.trim().to_owned(), figure(value.trim()))).collect();
    if parts.is_empty() { Value::from(text) } else { Value::Object(parts) }
}
