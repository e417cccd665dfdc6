//! The body of `PATCH /connections/:id`. What the provider has to say about it is not decided here.

use loopfour_engine::connections::{ConnectionChange, EventSource, SettingsChange};
use loopfour_lang::{Object, Value};
use secrecy::SecretString;

use super::{LONGEST_NAME, secret};
use crate::body::{Fields, kind};
use crate::error::Error;

/// The parts of a pace.
const PACES: [&str; 3] = ["read", "write", "total"];
/// Most calls a second that can be set.
const MOST_CALLS: i64 = 10_000;
/// Most secrets that sign the events of one connection: the one in force, and those before that still roll.
const MOST_SECRETS: usize = 10;

/// A setting that may be left as it is (none), taken away, or set.
type Setting<T> = Option<Option<T>>;

/// Reads the body.
///
/// # Errors
/// 400 with everything that is wrong.
pub fn wanted(body: Object) -> Result<ConnectionChange, Error> {
    let mut fields = Fields::of(body);
    let name = fields.value("name").and_then(|value| fields.text("name", &value, LONGEST_NAME));
    let mut settings = SettingsChange::default();
    if let Some(mut inner) = fields.inner("settings") {
        settings.stripe_account = account(&mut inner);
        settings.api_version = version(&mut inner);
        settings.pace = pace(&mut inner);
        settings.events = events(&mut inner);
        fields.close("settings", inner);
    }
    let webhook_secrets = secrets(&mut fields);
    let same_account = fields.boolean("sameAccount").unwrap_or(false);
    fields.finish()?;
    Ok(ConnectionChange { name, settings, webhook_secrets, same_account })
}

/// A text that fits, or null.
fn text(fields: &mut Fields, name: &'static str, fits: fn(&str) -> bool, form: &str) -> Setting<String> {
    match fields.value(name)? {
        Value::Null => Some(None),
        Value::Text(text) if fits(&text) => Some(Some(text.to_string())),
        Value::Text(text) => {
            let shown: String = text.chars().take(80).collect();
            fields.problem(name, format!("`{name}` must be {form} or null, not `{shown}`"));
            None
        }
        other => {
            fields.problem(name, format!("`{name}` must be {form} or null, not {}", kind(&other)));
            None
        }
    }
}

fn account(fields: &mut Fields) -> Setting<String> {
    let fits = |text: &str| {
        let rest = text.strip_prefix("acct_").unwrap_or_default();
        !rest.is_empty() && text.len() <= 255 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    text(fields, "stripeAccount", fits, "an account's id (`acct_…`)")
}

fn version(fields: &mut Fields) -> Setting<String> {
    let fits = |text: &str| {
        let (date, name) = text.split_at_checked(10).unwrap_or_default();
        let name = name.is_empty()
            || name.strip_prefix('.').is_some_and(|name| {
                !name.is_empty() && name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_lowercase())
            });
        name && date.parse::<jiff::civil::Date>().is_ok_and(|parsed| parsed.to_string() == date)
    };
    text(fields, "apiVersion", fits, "a version such as `2026-08-26.dahlia`")
}

/// `off`, or an object of figures; kept as the setting `stripe.pace` is written, `read=50,write=off`.
fn pace(fields: &mut Fields) -> Setting<String> {
    match fields.value("pace")? {
        Value::Null => Some(None),
        Value::Text(text) if &*text == "off" => Some(Some("off".to_owned())),
        Value::Object(_) => {
            let mut figures = fields.inner("pace")?;
            let parts: Vec<String> =
                PACES.into_iter().filter_map(|name| figure(&mut figures, name)).collect();
            fields.close("pace", figures);
            Some((!parts.is_empty()).then(|| parts.join(",")))
        }
        Value::Boolean(_) | Value::Integer(_) | Value::Decimal(_) | Value::Text(_) | Value::Array(_) => {
            let form = "`off`, null, or an object such as `{\"read\": 50, \"write\": \"off\"}`";
            fields.problem("pace", format!("`pace` must be {form}"));
            None
        }
    }
}

fn figure(fields: &mut Fields, name: &'static str) -> Option<String> {
    let figure = match fields.value(name)? {
        Value::Text(text) if &*text == "off" => Some(text.to_string()),
        Value::Integer(number) if (1..=MOST_CALLS).contains(&number) => Some(number.to_string()),
        Value::Null
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Text(_)
        | Value::Array(_)
        | Value::Object(_) => None,
    };
    if figure.is_none() {
        let message =
            format!("`{name}` must be calls a second, a whole number from 1 to {MOST_CALLS}, or `off`");
        fields.problem(name, message);
    }
    figure.map(|figure| format!("{name}={figure}"))
}

fn events(fields: &mut Fields) -> Option<EventSource> {
    match fields.value("events")? {
        Value::Text(text) if &*text == "webhook" => Some(EventSource::Webhook),
        Value::Text(text) if &*text == "poll" => Some(EventSource::Poll),
        Value::Text(text) => {
            fields.unknown("source of events", "events", &text, &["webhook", "poll"]);
            None
        }
        other => {
            fields.problem("events", format!("`events` must be text, not {}", kind(&other)));
            None
        }
    }
}

fn secrets(fields: &mut Fields) -> Option<Vec<SecretString>> {
    const NAME: &str = "webhookSecrets";
    let items = match fields.value(NAME)? {
        Value::Array(items) => items,
        other => {
            fields.problem(NAME, format!("`{NAME}` must be an array, not {}", kind(&other)));
            return None;
        }
    };
    if items.len() > MOST_SECRETS {
        fields.problem(NAME, format!("`{NAME}` has {} secrets, {MOST_SECRETS} are the most", items.len()));
    }
    let secrets = items.iter().enumerate().take(MOST_SECRETS);
    let secrets: Vec<Option<SecretString>> =
        secrets.map(|(index, item)| secret(&format!("{NAME}[{index}]"), item, fields)).collect();
    secrets.into_iter().collect()
}
