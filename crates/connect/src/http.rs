//! Sending one HTTP request and reading its answer, for all providers: one pooled client, every time-out set, no
//! redirects, no proxy from the environment, no retries.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url, redirect, retry};

use crate::Error;

/// An answer's greatest size in bytes; a larger one is not kept.
pub(crate) const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Until a connection stands, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two packets of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(80);
/// Shorter than servers keep an idle connection, so that a call seldom meets one that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// Connections kept open to one host.
const IDLE_CONNECTIONS: usize = 1024;

/// The process's HTTP client. Clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct Client(reqwest::Client);

/// A request ready to go.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    /// From the first try to connect to the last byte of the answer.
    pub(crate) timeout: Duration,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// None where it is larger than [`BODY_LIMIT`].
    pub(crate) body: Option<Bytes>,
}

/// No answer, or not all of it.
pub(crate) enum Failure {
    /// No connection ever stood: not a byte of the request left.
    NotConnected(String),
    /// The request may have arrived.
    Lost(String),
}

impl Client {
    /// A client for hosts reached over TLS, or only for ones reached without.
    pub(crate) fn new(tls: Tls) -> Result<Client, Error> {
        // A second installation is refused, and there is nothing to do about it: some provider is there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("LoopFour/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS);
        match tls {
            Tls::SystemRoots => {}
            // The system's certificates need not be there then, as in a bare container.
            Tls::Unused => builder = builder.tls_certs_only([]),
        }
        builder.build().map(Client).map_err(|error| Error::Client(causes(&error)))
    }

    /// Sends once.
    pub(crate) async fn send(&self, outgoing: Outgoing) -> Result<Answer, Failure> {
        let mut request = self.0.request(outgoing.method, outgoing.url);
        request = request.headers(outgoing.headers).timeout(outgoing.timeout);
        if let Some(body) = outgoing.body {
            request = request.body(body);
        }
        let mut response = request.send().await.map_err(failure)?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = read(response).await.map_err(|error| Failure::Lost(causes(&error)))?;
        Ok(Answer { status, headers, body })
    }
}

/// Whether the client's hosts are reached over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Yes, trusting the certificates of this system.
    SystemRoots,
    /// No.
    Unused,
}

/// Whether an address is this machine's own by its name.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Whether an address leads to this machine or into a private network, as far as its spelling tells.
pub(crate) fn is_private(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_private = match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            address.is_private() || address.is_link_local() || address.is_unspecified()
        }
        Ok(IpAddr::V6(address)) => {
            address.is_unique_local() || address.is_unicast_link_local() || address.is_unspecified()
        }
        Err(_) => {
            let names = [".localhost", ".local", ".internal", ".lan", ".home.arpa"];
            !host.contains('.') || names.iter().any(|name| host.ends_with(name))
        }
    };
    is_private || is_loopback(url)
}

/// Reads the body; most come in one piece, which is not copied.
async fn read(mut response: reqwest::Response) -> Result<Option<Bytes>, reqwest::Error> {
    let Some(first) = response.chunk().await? else { return Ok(Some(Bytes::new())) };
    let Some(mut next) = response.chunk().await? else { return Ok(within_limit(first)) };
    let mut body = BytesMut::from(first);
    loop {
        if body.len() + next.len() > BODY_LIMIT {
            return Ok(None);
        }
        body.extend_from_slice(&next);
        match response.chunk().await? {
            Some(chunk) => next = chunk,
            None => return Ok(Some(body.freeze())),
        }
    }
}

fn within_limit(body: Bytes) -> Option<Bytes> {
    (body.len() <= BODY_LIMIT).then_some(body)
}

fn failure(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    if error.is_connect() { Failure::NotConnected(causes(&error)) } else { Failure::Lost(causes(&error)) }
}

/// The error and what it came from, innermost last; reqwest's own words say little.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    if error.is_timeout() && !error.is_connect() {
        return "no answer within the time limit".to_owned();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
