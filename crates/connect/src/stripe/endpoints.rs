//! Webhook endpoints at Stripe: made, looked at, changed, deleted. When that is to be done is decided elsewhere.

use std::sync::Arc;

use loopfour_engine::{CompanyId, Failure, Finding};
use loopfour_lang::{Document, Value};
use secrecy::SecretString;

use super::form::{self, Form};
use super::own::Own;
use super::{Stripe, error, unsent};
use crate::live::Live;

const PATH: &str = "/v1/webhook_endpoints";
/// The key of the metadata that says whose an endpoint is.
const COMPANY: &str = "loopfour_company";

/// A webhook endpoint as Stripe shows it.
pub(crate) struct Remote {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) is_enabled: bool,
    /// Sorted.
    pub(crate) events: Vec<String>,
    /// The company that it was made for, if we made it.
    pub(crate) company: Option<String>,
}

impl Stripe {
    /// Makes an endpoint, of the connection's version of the API. Gives its id, and the secret that is told only now.
    ///
    /// # Errors
    /// Stripe refused it, or gave no answer that shows both.
    pub(crate) async fn make_endpoint(
        self: &Arc<Stripe>,
        live: &Arc<Live>,
        company: CompanyId,
        url: &str,
        events: &[String],
    ) -> Result<(String, SecretString), Box<Failure>> {
        let mut form = wanted(url, events);
        form.under("api_version", |form| form.put(live.version()));
        form.under("description", |form| form.put("LoopFour"));
        form.under("metadata", |form| form.under(COMPANY, |form| form.put(&company.to_string())));
        let made = self.own(live, Own::post(PATH, form.into_text())).await?;
        match (text(made.value(), "id"), text(made.value(), "secret")) {
            (Some(id), Some(secret)) => Ok((id.to_owned(), secret.into())),
            _ => Err(error::failure(Finding::Unknown, unsent::endpoint_without_secret())),
        }
    }

    /// Tells Stripe what an endpoint is to be like, and enables it.
    ///
    /// # Errors
    /// Stripe refused it, or gave no answer.
    pub(crate) async fn change_endpoint(
        self: &Arc<Stripe>,
        live: &Arc<Live>,
        id: &str,
        url: &str,
        events: &[String],
    ) -> Result<(), Box<Failure>> {
        let mut form = wanted(url, events);
        form.under("disabled", |form| form.put("false"));
        self.own(live, Own::post(&path(id), form.into_text())).await.map(|_| ())
    }

    /// Disables an endpoint.
    ///
    /// # Errors
    /// Stripe refused it, or gave no answer.
    pub(crate) async fn disable_endpoint(
        self: &Arc<Stripe>,
        live: &Arc<Live>,
        id: &str,
    ) -> Result<(), Box<Failure>> {
        self.own(live, Own::post(&path(id), "disabled=true".to_owned())).await.map(|_| ())
    }

    /// Deletes an endpoint.
    ///
    /// # Errors
    /// Stripe refused it, or gave no answer.
    pub(crate) async fn delete_endpoint(
        self: &Arc<Stripe>,
        live: &Arc<Live>,
        id: &str,
    ) -> Result<(), Box<Failure>> {
        self.own(live, Own::delete(&path(id))).await.map(|_| ())
    }

    /// An endpoint as it stands.
    ///
    /// # Errors
    /// Stripe refused it, or gave no answer.
    pub(crate) async fn endpoint(
        self: &Arc<Stripe>,
        live: &Arc<Live>,
        id: &str,
    ) -> Result<Remote, Box<Failure>> {
        let shown = self.own(live, Own::get(&path(id), String::new())).await?;
        Ok(remote(shown.value()))
    }

    /// All endpoints of the account: Stripe lets it have 16.
    ///
    /// # Errors
    /// Stripe refused it, or gave no answer.
    pub(crate) async fn endpoints(self: &Arc<Stripe>, live: &Arc<Live>) -> Result<Vec<Remote>, Box<Failure>> {
        let list: Document = self.own(live, Own::get(PATH, "limit=100".to_owned())).await?;
        match list.value().get("data") {
            Some(Value::Array(shown)) => Ok(shown.iter().map(remote).collect()),
            Some(_) | None => Ok(Vec::new()),
        }
    }
}

/// Whether Stripe says that there is no such thing.
pub(crate) fn is_absent(failure: &Failure) -> bool {
    let error = &failure.error;
    failure.finding == Finding::Refused
        && (error.status == Some(404) || error.reason.as_deref() == Some("resource_missing"))
}

fn wanted(url: &str, events: &[String]) -> Form {
    let mut form = Form::default();
    form.under("url", |form| form.put(url));
    for (index, event) in events.iter().enumerate() {
        form.under("enabled_events", |form| form.under(&index.to_string(), |form| form.put(event)));
    }
    form
}

fn path(id: &str) -> String {
    let id: String = form::encode(id).collect();
    format!("{PATH}/{id}")
}

fn remote(shown: &Value) -> Remote {
    let owned = |name| text(shown, name).unwrap_or_default().to_owned();
    let mut events: Vec<String> = match shown.get("enabled_events") {
        Some(Value::Array(events)) => events.iter().filter_map(Value::as_text).map(str::to_owned).collect(),
        Some(_) | None => Vec::new(),
    };
    events.sort();
    Remote {
        id: owned("id"),
        url: owned("url"),
        is_enabled: text(shown, "status") == Some("enabled"),
        events,
        company: shown.get("metadata").and_then(|metadata| text(metadata, COMPANY)).map(str::to_owned),
    }
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_text)
}
