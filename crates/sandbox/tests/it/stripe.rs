//! A sandbox in this process on a loopback port, and a client that checks every answer's shape.

use std::collections::HashMap;
use std::sync::Once;

use loopfour_sandbox::{Config, Sandbox, shape};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const KEY: &str = "sk_test_sandbox";

/// A running sandbox and a client of it.
pub struct Stripe {
    pub base: String,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Value,
}

impl Reply {
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Status, type, code and parameter of an error, as one line.
    pub fn error(&self) -> String {
        let error = &self.body["error"];
        let part = |name: &str| error[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {}", self.status, part("type"), part("code"), part("param"))
    }
}

impl Stripe {
    pub async fn start() -> Stripe {
        Stripe::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Stripe {
        let sandbox = Sandbox::open(config).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            sandbox.serve(listener, shutdown).await.unwrap();
        });
        Stripe { base, http: http(), stop: Some(stop), server: Some(server) }
    }

    /// A client of a sandbox that runs elsewhere.
    pub fn at(base: String) -> Stripe {
        Stripe { base, http: http(), stop: None, server: None }
    }

    pub async fn stop(mut self) {
        drop(self.stop.take());
        if let Some(server) = self.server.take() {
            server.await.unwrap();
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(reqwest::Method::GET, path, "", &[]).await.unwrap()
    }

    pub async fn post(&self, path: &str, params: &[(&str, &str)]) -> Reply {
        self.send(reqwest::Method::POST, path, &encode(params), &[]).await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(reqwest::Method::DELETE, path, "", &[]).await.unwrap()
    }

    pub async fn post_with_key(&self, path: &str, params: &[(&str, &str)], key: &str) -> Reply {
        self.try_post(path, params, key).await.unwrap()
    }

    /// Like `post_with_key`; an error where the connection is cut.
    pub async fn try_post(
        &self,
        path: &str,
        params: &[(&str, &str)],
        key: &str,
    ) -> Result<Reply, reqwest::Error> {
        self.send(reqwest::Method::POST, path, &encode(params), &[("idempotency-key", key)]).await
    }

    /// Sends a call with headers of its own; those named here replace the usual ones.
    pub async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Result<Reply, reqwest::Error> {
        let mut all = HashMap::from([
            ("authorization", format!("Bearer {KEY}")),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ]);
        all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in all.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, value);
        }
        let response = request.body(body.to_owned()).send().await?;
        let status = response.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
        let headers =
            response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let body: Value = serde_json::from_slice(&response.bytes().await?).unwrap();
        let reply = Reply { status, headers, body };
        if path.starts_with("/v1/") {
            check_shape(&reply);
        }
        Ok(reply)
    }

    /// Asks a control.
    pub async fn control(&self, method: &str, name: &str, body: Value) -> Reply {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let headers = [("authorization", ""), ("content-type", "application/json")];
        let path = format!("/_sandbox/{name}");
        self.send(method, &path, &body.to_string(), &headers).await.unwrap()
    }

    /// A customer's id.
    pub async fn customer(&self, email: &str) -> String {
        id(&self.post("/v1/customers", &[("email", email), ("name", "Ada")]).await.ok())
    }

    /// The id of a draft to be sent within 30 days.
    pub async fn invoice(&self, customer: &str) -> String {
        let params =
            [("customer", customer), ("collection_method", "send_invoice"), ("days_until_due", "30")];
        id(&self.post("/v1/invoices", &params).await.ok())
    }
}

pub fn id(object: &Value) -> String {
    object["id"].as_str().unwrap().to_owned()
}

/// The `error` of an answer has Stripe's keys; anything else fits the objects table.
#[track_caller]
fn check_shape(reply: &Reply) {
    assert!(reply.header("request-id").unwrap().starts_with("req_"));
    assert_eq!(reply.header("stripe-version"), Some("2026-08-26.dahlia"));
    let Some(error) = reply.body.get("error") else {
        return assert_eq!(shape::problems(&reply.body), [""; 0], "{:#}", reply.body);
    };
    let known = ["charge", "code", "decline_code", "doc_url", "message", "param", "type"];
    for (name, value) in error.as_object().unwrap() {
        if ["payment_intent", "payment_method"].contains(&name.as_str()) {
            assert_eq!(shape::problems(value), [""; 0], "{value:#}");
        } else {
            assert!(known.contains(&name.as_str()) && value.is_string(), "{error}");
        }
    }
    assert!(!error["message"].as_str().unwrap().is_empty() && error["type"].is_string());
    let documented = error["code"].as_str().is_some_and(|code| code != "sandbox_unsupported");
    assert_eq!(error["doc_url"].is_string(), documented, "{error}");
}

fn http() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Another test binary's helper may have been first; then one is installed all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().timeout(std::time::Duration::from_secs(20)).build().unwrap()
}

/// Form text of pairs, everything but letters and digits percent-encoded.
pub fn encode(params: &[(&str, &str)]) -> String {
    let text = |text: &str| {
        let bytes = text.bytes().map(|byte| match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
            b' ' => "+".to_owned(),
            _ => format!("%{byte:02X}"),
        });
        bytes.collect::<String>()
    };
    let pairs: Vec<String> =
        params.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
    pairs.join("&")
}
