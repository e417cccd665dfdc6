//! What it says by webhook: connected, refused, a refresh failed. Signed, sent once, and kept to be sent again.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::answer::Issue;
use super::client::{self, Call};
use super::integrations::Provider;
use super::state::{Connection, Shared, State};
use super::uuid;

/// Whether and where to webhooks go, and those that went.
#[derive(Default)]
pub(super) struct Webhooks {
    pub(super) on: bool,
    /// Connects to that address, without TLS, whatever the URL names.
    pub(super) deliver_to: Option<String>,
    /// Takes loopback URLs, which Nango does not.
    pub(super) loopback: bool,
    pub(super) sent: Vec<Delivery>,
}

/// A webhook that was sent.
#[derive(Clone, Serialize)]
pub(super) struct Delivery {
    /// Counts from 1.
    pub(super) number: usize,
    pub(super) url: String,
    pub(super) body: String,
    /// `X-Nango-Hmac-Sha256`.
    pub(super) signature: String,
    /// Null where nobody answered.
    pub(super) status: Option<u16>,
}

/// What there is to say.
pub(super) enum News<'a> {
    Connected {
        connection: &'a Connection,
        is_new: bool,
    },
    /// The person or the provider said no. Of the session it carries nothing but the URL.
    Refused {
        integration: &'a str,
        provider: &'a Provider,
        webhook_url: Option<&'a str>,
        kind: &'a str,
        description: &'a str,
    },
    RefreshFailed {
        connection: &'a Connection,
        description: &'a str,
    },
}

/// What is wrong with a URL that Nango would not call.
pub(super) fn unreachable(state: &State, url: &str) -> Option<Issue> {
    let uri: hyper::Uri = url.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']).to_lowercase();
    let private = match host.parse() {
        Ok(IpAddr::V4(ip)) => {
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()
        }
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unspecified(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    };
    let nangos = host == "nango.dev" || host.ends_with(".nango.dev");
    let refused = nangos || (private && !state.webhooks.loopback);
    let message = "The URL must not be of a private or loopback address, nor of nango.dev";
    refused.then(|| Issue::new("custom", message, &["webhook_url_override"]))
}

/// Says it, where webhooks are on and somebody is to be told; waits until it was taken or refused.
pub(super) async fn send(shared: &Shared, news: News<'_>) {
    let (url, body) = match &news {
        News::Connected { connection, .. } | News::RefreshFailed { connection, .. } => {
            (connection.webhook_url.as_deref(), body(&news))
        }
        News::Refused { webhook_url, .. } => (*webhook_url, body(&news)),
    };
    let Some(url) = url.filter(|_| shared.state().webhooks.on) else { return };
    deliver(shared, url, body.to_string()).await;
}

/// The body, its keys sorted.
fn body(news: &News<'_>) -> Value {
    let mut body = Map::new();
    let mut about = |integration: &str, provider: &Provider, connection: &str| {
        body.insert("authMode".to_owned(), json!(provider.auth_mode));
        body.insert("connectionId".to_owned(), json!(connection));
        body.insert("provider".to_owned(), json!(provider.name));
        body.insert("providerConfigKey".to_owned(), json!(integration));
    };
    let (operation, error) = match news {
        News::Connected { connection, is_new } => {
            about(&connection.integration, connection.provider, &connection.id);
            (if *is_new { "creation" } else { "override" }, None)
        }
        News::Refused { integration, provider, kind, description, .. } => {
            about(integration, provider, &uuid());
            ("creation", Some(json!({"description": description, "type": kind})))
        }
        News::RefreshFailed { connection, description } => {
            about(&connection.integration, connection.provider, &connection.id);
            let kind = "refresh_token_external_error";
            ("refresh", Some(json!({"description": description, "type": kind})))
        }
    };
    match news {
        News::Connected { connection, .. } | News::RefreshFailed { connection, .. } => {
            body.insert("tags".to_owned(), json!(connection.tags));
            if !connection.end_user.is_null() {
                body.insert("endUser".to_owned(), end_user(&connection.end_user));
            }
        }
        News::Refused { .. } => {}
    }
    body.insert("success".to_owned(), json!(error.is_none()));
    body.extend(error.map(|error| ("error".to_owned(), error)));
    body.insert("operation".to_owned(), json!(operation));
    body.insert("environment".to_owned(), json!("dev"));
    body.insert("from".to_owned(), json!("nango"));
    body.insert("type".to_owned(), json!("auth"));
    body.sort_keys();
    Value::Object(body)
}

fn end_user(shown: &Value) -> Value {
    let mut user = Map::new();
    let parts = [
        ("endUserEmail", &shown["email"]),
        ("endUserId", &shown["id"]),
        ("organizationId", &shown["organization"]["id"]),
    ];
    user.extend(
        parts
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| ((*name).to_owned(), (*value).clone())),
    );
    user.insert("tags".to_owned(), if shown["tags"].is_null() { json!({}) } else { shown["tags"].clone() });
    Value::Object(user)
}

async fn deliver(shared: &Shared, url: &str, body: String) {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(shared.signing_key.as_bytes()).expect("a key of any length will do");
    mac.update(body.as_bytes());
    let signature = hex(&mac.finalize().into_bytes());
    let old = hex(&Sha256::new().chain_update(&shared.signing_key).chain_update(&body).finalize());
    let connect_to = shared.state().webhooks.deliver_to.clone();
    let call = Call {
        method: "POST",
        url,
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("user-agent", "nango/0.71.4 (fake)".to_owned()),
            ("x-nango-hmac-sha256", signature.clone()),
            ("x-nango-signature", old),
        ],
        body: body.clone().into(),
        connect_to,
    };
    let status = client::send(call).await.ok().map(|reply| reply.status);
    let sent = &mut shared.state().webhooks.sent;
    sent.push(Delivery { number: sent.len() + 1, url: url.to_owned(), body, signature, status });
}

/// Sends one again; `Err` where there is none of that number.
pub(super) async fn resend(shared: &Shared, number: usize) -> Result<(), String> {
    let sent = shared.state().webhooks.sent.get(number.wrapping_sub(1)).cloned();
    let sent = sent.ok_or_else(|| format!("no webhook {number} was sent"))?;
    deliver(shared, &sent.url, sent.body).await;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
