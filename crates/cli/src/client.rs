//! A client of the server's REST API: sends a request, opens the envelope, and turns an error into one line.
//!
//! It knows the envelope and the live events' framing; what a resource looks like is left to the commands.

mod sse;

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::{self, Config, Flags};
use crate::failure::Failure;
use crate::print::Reader;

pub use sse::{LiveEvent, LiveEvents};

const CONNECT: Duration = Duration::from_secs(10);
/// Longer than the longest `?wait`.
const ANSWER: Duration = Duration::from_secs(90);
/// The limits of rate are by the minute, so a page that is refused for now is given within one.
const LONGEST_PAUSE: Duration = Duration::from_secs(61);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// Where the server is, as flags.
#[derive(clap::Args, Debug, Default)]
pub struct ServerFlags {
    /// Address of the server, such as http://127.0.0.1:3000 [env: LOOPFOUR_SERVER] [default: http:// and the setting
    /// `listen`]. The API key comes from LOOPFOUR_API_KEY
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
}

impl ServerFlags {
    /// The address that flag or environment name.
    ///
    /// # Errors
    /// The environment's is not UTF-8.
    pub fn named(&self) -> Result<Option<String>, Failure> {
        self.server.clone().map_or_else(|| config::environment("LOOPFOUR_SERVER"), |url| Ok(Some(url)))
    }

    /// A client for the server that flag, environment or settings name, with the key from the environment.
    ///
    /// # Errors
    /// There is no key, or the address is none.
    pub fn client(&self) -> Result<Client, Failure> {
        let key = config::environment("LOOPFOUR_API_KEY")?.ok_or_else(|| {
            Failure::refused("LOOPFOUR_API_KEY is not set").hint("the first `loopfour serve` printed a key")
        })?;
        let address = match self.named()? {
            Some(address) => address,
            None => local_address(Config::load(Flags::default())?.listen),
        };
        Client::new(&address, key.into())
    }
}

/// The address of a server on this machine that listens there.
pub fn local_address(mut listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{listen}")
}

/// A good answer.
#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    cursor: Option<String>,
    #[serde(default)]
    refused: Vec<Refused>,
}

/// Webhooks of a provider that were refused for their signature.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Whose they claimed to be.
    pub provider: String,
    /// How many.
    pub count: u64,
    /// ISO time of the last one.
    pub last_at: String,
}

/// A part of a list.
pub struct Page {
    /// As the API answers them.
    pub rows: Vec<Box<RawValue>>,
    /// Where the list goes on, if it does.
    pub next: Option<String>,
    /// Beside events: what came and is none.
    pub refused: Vec<Refused>,
}

/// A server and a key for it.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    key: SecretString,
}

impl Client {
    /// A client for the server at that address.
    ///
    /// # Errors
    /// The address is none.
    pub fn new(address: &str, key: SecretString) -> Result<Client, Failure> {
        let wrong = || {
            Failure::refused(format!("`{address}` is not a server's address such as http://127.0.0.1:3000"))
        };
        let base = Url::parse(address).map_err(|_| wrong())?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(wrong());
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("loopfour/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| Failure::refused(format!("cannot make an HTTP client: {}", deepest(&cause))))?;
        Ok(Client { http, base, key })
    }

    /// Reads a resource: the envelope's `data`.
    ///
    /// # Errors
    /// The server cannot be reached or answers an error.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.data(self.request(Method::GET, path)).await
    }

    /// Makes or changes something: the envelope's `data`. The body is sent as it stands.
    ///
    /// # Errors
    /// The server cannot be reached or answers an error.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: String) -> Result<T, Failure> {
        self.data(with_json(self.request(Method::POST, path), body)).await
    }

    /// Puts something in the place of what was there: the envelope's `data`. The body is sent as it stands.
    ///
    /// # Errors
    /// The server cannot be reached or answers an error.
    pub async fn replace<T: DeserializeOwned>(&self, path: &str, body: String) -> Result<T, Failure> {
        self.data(with_json(self.request(Method::PUT, path), body)).await
    }

    /// Edits something that is at that version: the envelope's `data`. The body is sent as it stands.
    ///
    /// # Errors
    /// The server cannot be reached or answers an error, also when the version is another by now.
    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        version: u32,
        body: String,
    ) -> Result<T, Failure> {
        let request = self.request(Method::PUT, path).header("if-match", format!("\"{version}\""));
        self.data(with_json(request, body)).await
    }

    /// Changes parts of something: the envelope's `data`. The body is sent as it stands.
    ///
    /// # Errors
    /// The server cannot be reached or answers an error.
    pub async fn patch<T: DeserializeOwned>(&self, path: &str, body: String) -> Result<T, Failure> {
        self.data(with_json(self.request(Method::PATCH, path), body)).await
    }

    /// Deletes something: the envelope's `data`.
    ///
    /// # Errors
    /// The server cannot be reached or answers an error.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.data(self.request(Method::DELETE, path)).await
    }

    /// Reads a part of a list. Where the server asks to come back later, it does, so that long lists are read to their
    /// end.
    ///
    /// # Errors
    /// The server cannot be reached or answers an error.
    pub async fn page(&self, path: &str, query: &[(&str, String)]) -> Result<Page, Failure> {
        let path = self.with_query(path, query);
        loop {
            let response = self.send(self.request(Method::GET, &path)).await?;
            match pause(&response) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    let envelope: Envelope<Vec<Box<RawValue>>> = self.open(response).await?;
                    let (next, refused) =
                        envelope.meta.map(|meta| (meta.cursor, meta.refused)).unwrap_or_default();
                    return Ok(Page { rows: envelope.data, next, refused });
                }
            }
        }
    }

    /// Hands on a long text as it comes, however long that takes, until nobody listens any more.
    ///
    /// # Errors
    /// The server cannot be reached, answers an error, or stops in the middle.
    pub async fn copy(
        &self,
        path: &str,
        mut take: impl FnMut(&[u8]) -> Result<Reader, Failure>,
    ) -> Result<(), Failure> {
        let mut response = self.begin(self.request(Method::GET, path)).await?;
        while let Some(part) = response.chunk().await.map_err(|cause| self.unreachable(&cause))? {
            if take(&part)? == Reader::Gone {
                break;
            }
        }
        Ok(())
    }

    /// The path with these parameters behind it.
    pub fn with_query(&self, path: &str, query: &[(&str, String)]) -> String {
        let mut url = self.base.clone();
        url.set_query(None);
        url.query_pairs_mut().extend_pairs(query);
        format!("{path}?{}", url.query().unwrap_or_default())
    }

    /// The live events of a run, from its first.
    ///
    /// # Errors
    /// The server cannot be reached or answers an error.
    pub async fn live(&self, path: &str) -> Result<LiveEvents, Failure> {
        let request = self.request(Method::GET, path).header("accept", "text/event-stream");
        self.begin(request).await.map(LiveEvents::new)
    }

    /// A good answer whose body has no limit of time; its beginning has.
    async fn begin(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let begun = tokio::time::timeout(ANSWER, request.send()).await;
        let begun =
            begun.map_err(|_| Failure::failed(format!("no answer from {} in time", self.address())))?;
        let response = begun.map_err(|cause| self.unreachable(&cause))?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let status = response.status();
        let body = response.text().await.map_err(|cause| self.unreachable(&cause))?;
        Err(refusal(status, &body))
    }

    async fn data<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let response = self.send(request).await?;
        self.open(response).await.map(|envelope| envelope.data)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        request.timeout(ANSWER).send().await.map_err(|cause| self.unreachable(&cause))
    }

    async fn open<T: DeserializeOwned>(&self, response: Response) -> Result<Envelope<T>, Failure> {
        let status = response.status();
        let body = response.text().await.map_err(|cause| self.unreachable(&cause))?;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        serde_json::from_str(&body).map_err(|cause| {
            Failure::failed(format!("{} does not answer as a LoopFour server does: {cause}", self.address()))
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.address()))
            .header("x-api-key", self.key.expose_secret())
    }

    /// Without the slash at its end.
    fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    fn unreachable(&self, cause: &reqwest::Error) -> Failure {
        Failure::failed(format!("no answer from {}: {}", self.address(), deepest(cause)))
            .hint("is the server running? `--server` or LOOPFOUR_SERVER names another")
    }
}

fn with_json(request: RequestBuilder, body: String) -> RequestBuilder {
    request.header("content-type", "application/json").body(body)
}

/// How long to wait before the same is asked again, if the server says so.
fn pause(response: &Response) -> Option<Duration> {
    if response.status() != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let seconds = response.headers().get("retry-after")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).max(SHORTEST_PAUSE)).filter(|pause| *pause <= LONGEST_PAUSE)
}

/// The cause at the bottom: what the operating system or the protocol said.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// An error answer in one line: code, message, and each detail.
fn refusal(status: StatusCode, body: &str) -> Failure {
    let envelope: Value = serde_json::from_str(body).unwrap_or_default();
    let error = &envelope["error"];
    let (Some(code), Some(message)) = (error["code"].as_str(), error["message"].as_str()) else {
        return Failure::failed(format!("the server answers {status} without an error of LoopFour's"));
    };
    let details = error["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut text = format!("{message} ({code})");
    for detail in details {
        let field = detail["field"].as_str().unwrap_or_default();
        let message = detail["message"].as_str().unwrap_or_default();
        text.push_str(&format!("; {field}: {message}"));
    }
    let hints = details.iter().filter_map(|detail| detail["hint"].as_str());
    Failure::failed(text).hint(hints.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_answer_is_one_line() {
        let body = r#"{"success": false, "error": {"code": "VALIDATION_ERROR", "message": "the workflow has errors",
            "details": [{"field": "steps[0].id", "message": "is missing"}, {"field": "name", "message": "is empty", "hint": "give one"}]}}"#;
        assert_eq!(
            refusal(StatusCode::BAD_REQUEST, body).to_string(),
            "the workflow has errors (VALIDATION_ERROR); steps[0].id: is missing; name: is empty (hint: give one)"
        );
        assert_eq!(
            refusal(StatusCode::BAD_GATEWAY, "<html>").to_string(),
            "the server answers 502 Bad Gateway without an error of LoopFour's"
        );
    }

    #[test]
    fn an_address_is_http_or_https() {
        for address in ["", "localhost", "127.0.0.1:3000", "ftp://x", "mailto:x"] {
            assert!(Client::new(address, "wfk_x".into()).is_err(), "{address}");
        }
    }
}
