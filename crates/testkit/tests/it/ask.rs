//! A fake Nango and a client of it.

use std::sync::Once;

use loopfour_testkit::ManualClock;
use loopfour_testkit::nango::{Config, Nango};
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// Noon of a day, milliseconds since 1970.
pub const NOON: i64 = 1_795_521_600_000;

pub struct Ask {
    pub nango: Nango,
    pub clock: ManualClock,
    pub http: Client,
}

pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Reply {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// Status and code of a refusal.
    #[track_caller]
    pub fn refusal(&self) -> String {
        format!("{} {}", self.status, self.json()["error"]["code"].as_str().unwrap_or("-"))
    }

    /// With this status; its body.
    #[track_caller]
    pub fn with(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub fn http() -> Client {
    static TLS: Once = Once::new();
    TLS.call_once(|| {
        // It fails only where a test before has done it.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

impl Ask {
    pub async fn start() -> Ask {
        Ask::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Ask {
        let clock = ManualClock::at(NOON);
        let config = Config { clock: Some(std::sync::Arc::new(clock.clone())), ..config };
        Ask { nango: Nango::start(config).await.unwrap(), clock, http: http() }
    }

    /// A call as it is, without the key.
    pub async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request =
            self.http.request(method, format!("{}{path}", self.nango.url())).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap() }
    }

    /// A call with the key and a JSON body; null for none.
    pub async fn call(&self, method: &str, path: &str, body: Value) -> Reply {
        let bearer = format!("Bearer {}", self.nango.key());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, path, &headers, &body).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, Value::Null).await
    }

    /// The token of a new session with this tag.
    pub async fn session(&self, attempt: &str) -> String {
        let body = json!({"tags": {"attempt": attempt}});
        let made = self.call("POST", "/connect/sessions", body).await.with(201);
        made["data"]["token"].as_str().unwrap().to_owned()
    }

    /// The link for OAuth with that session.
    pub fn link(&self, token: &str) -> String {
        format!("{}/oauth/connect/stripe-app?connect_session_token={token}", self.nango.url())
    }

    /// Connects an account; the connection's id.
    pub async fn connect(&self, attempt: &str, account: &str) -> String {
        let link = self.link(&self.session(attempt).await);
        let page = self.nango.allow(&link, account).await.unwrap();
        assert_eq!(page.status, 200, "{}", page.body);
        let list = self.get(&format!("/connections?tags[attempt]={attempt}")).await.with(200);
        list["connections"][0]["connection_id"].as_str().unwrap().to_owned()
    }

    /// A connection, with what is added to the query.
    pub async fn connection(&self, id: &str, query: &str) -> Reply {
        self.get(&format!("/connections/{id}?provider_config_key=stripe-app{query}")).await
    }
}
