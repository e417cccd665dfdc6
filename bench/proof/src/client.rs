//! JSON over HTTP with a process that may be dead at any moment.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client as Http, Method, redirect, retry};
use serde_json::Value;

/// The key that every server is given.
pub const API_KEY: &str = "wfk_proof000000000000000000000000000";

/// Longer than anything takes that is asked for here.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where to ask.
#[derive(Clone)]
pub struct Client {
    http: Http,
    base: String,
}

/// An answer of any status.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    /// `Retry-After`, where it is there and in seconds.
    pub retry_after: Option<Duration>,
}

impl Client {
    /// Asks the process that listens there.
    ///
    /// # Errors
    /// The client cannot be made.
    pub fn new(address: SocketAddr) -> Result<Client> {
        let http = Http::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .tcp_nodelay(true)
            .timeout(PATIENCE)
            .tls_certs_only([])
            .build()?;
        Ok(Client { http, base: format!("http://{address}") })
    }

    /// One request.
    ///
    /// # Errors
    /// There was no answer: the process may have got it or not.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        request = request.header("x-api-key", API_KEY);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let text = response.bytes().await?;
        let body = if text.is_empty() { Value::Null } else { serde_json::from_slice(&text)? };
        Ok(Answer { status, body, retry_after: seconds.map(Duration::from_secs) })
    }

    /// Delivers a webhook of Stripe's; answers the status.
    ///
    /// # Errors
    /// There was no answer: the process may have got it or not.
    pub async fn deliver(&self, path: &str, signature: &str, body: String) -> Result<u16> {
        let request = self.http.post(format!("{}{path}", self.base)).header("stripe-signature", signature);
        let response = request.header(CONTENT_TYPE, "application/json").body(body).send().await?;
        let status = response.status().as_u16();
        // So that the connection can be used again.
        response.bytes().await?;
        Ok(status)
    }

    /// One request that goes well.
    ///
    /// # Errors
    /// There was no answer, or one of another status than 200, 201 and 202.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let answer = self.call(method, path, body).await.with_context(|| format!("asking {path}"))?;
        if !(200..=202).contains(&answer.status) {
            bail!("{path} answered {}: {}", answer.status, answer.body);
        }
        Ok(answer.body)
    }
}
