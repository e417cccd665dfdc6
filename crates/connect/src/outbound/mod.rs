//! Requests to addresses that people of a company name: guarded, so that nobody reaches through this server what they
//! cannot reach themselves. Names are resolved here and only what may be called is connected to; nothing is followed or
//! repeated, no proxy of the environment is used, and of an answer only its status counts.

mod guard;
mod network;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use loopfour_engine::Timestamp;
use loopfour_engine::notices::{Teller, Telling, Untold};
use loopfour_engine::ports::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Url, header, redirect, retry};

use crate::http::causes;
use crate::webhook::standard::{self, Key};

pub use guard::{Guard, Refused};
pub use network::{BadNetwork, Network};

/// From the first try to connect to the last byte of the answer that is looked at.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// So much of an answer is read, so that the connection can be used again; the rest is left.
const BODY_LIMIT: usize = 64 * 1024;
/// Connections kept open to one host.
const IDLE_CONNECTIONS: usize = 4;

/// Finds the addresses of a name.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Sends messages to addresses that people name.
pub struct Outbound {
    guard: Arc<Guard>,
    lookup: Lookup,
    secure: OnceLock<Client>,
    plain: OnceLock<Client>,
}

/// A client, made when it is first needed: where there is nobody to call, no certificates are read. The text says why there
/// is none, as on a system without certificates.
type Client = Result<reqwest::Client, String>;

impl Outbound {
    /// A client behind this guard, which resolves names as the system does.
    pub fn new(guard: Guard) -> Outbound {
        Outbound::resolving(guard, Arc::new(|name| Box::pin(system_lookup(name))))
    }

    /// The same with names resolved by `lookup`.
    pub fn resolving(guard: Guard, lookup: Lookup) -> Outbound {
        // A second installation is refused, and there is nothing to do about it: some provider is there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Outbound { guard: Arc::new(guard), lookup, secure: OnceLock::new(), plain: OnceLock::new() }
    }

    async fn send(&self, telling: &Telling, now: Timestamp) -> Result<u16, Untold> {
        let failed = |reason: &dyn fmt::Display| Untold::Failed(reason.to_string());
        // Again at each sending: what is allowed may have changed since the address was taken.
        let url = self.guard.check(&telling.url).map_err(|refused| failed(&refused))?;
        let client = self.client(&url).map_err(|cause| failed(&format!("no HTTP client: {cause}")))?;
        let key = Key::parse(&telling.secret).map_err(|bad| failed(&format!("the secret {bad}")))?;
        let id = telling.id.to_string();
        let request = client
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", standard::timestamp(now))
            .header("webhook-signature", key.sign(&id, now, telling.body.as_bytes()))
            .body(telling.body.clone());
        let mut answer = request.send().await.map_err(|error| failed(&causes(&error.without_url())))?;
        let status = answer.status();
        let mut read = 0;
        // What stands in it does not matter, nor whether it comes: whoever is there has said what became of the message.
        while let Ok(Some(part)) = answer.chunk().await {
            read += part.len();
            if read > BODY_LIMIT {
                break;
            }
        }
        match status.as_u16() {
            status @ 200..=299 => Ok(status),
            410 => Err(Untold::Gone),
            status => Err(Untold::Status(status)),
        }
    }

    fn client(&self, url: &Url) -> Result<&reqwest::Client, &String> {
        let client = match url.scheme() {
            "https" => self.secure.get_or_init(|| self.build(builder().https_only(true), Guard::lets_pass)),
            _ => self.plain.get_or_init(|| self.build(builder().tls_certs_only([]), Guard::lets_pass_plain)),
        };
        client.as_ref()
    }

    fn build(&self, builder: reqwest::ClientBuilder, passes: fn(&Guard, IpAddr) -> bool) -> Client {
        let resolver = Resolver { guard: Arc::clone(&self.guard), lookup: Arc::clone(&self.lookup), passes };
        builder.dns_resolver(Arc::new(resolver)).build().map_err(|error| causes(&error))
    }
}

impl Teller for Outbound {
    fn check(&self, url: &str) -> Result<(), String> {
        self.guard.check(url).map(drop).map_err(|refused| refused.to_string())
    }

    fn tell<'a>(&'a self, telling: &'a Telling, now: Timestamp) -> BoxFuture<'a, Result<u16, Untold>> {
        Box::pin(self.send(telling, now))
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("guard", &self.guard).finish_non_exhaustive()
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("LoopFour/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy()
        .tcp_nodelay(true)
        .timeout(TIME_LIMIT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
}

/// Resolves names for a client, and gives it only what may be called. Literal addresses never come here: those are looked
/// at before.
struct Resolver {
    guard: Arc<Guard>,
    lookup: Lookup,
    passes: fn(&Guard, IpAddr) -> bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, lookup, passes) = (Arc::clone(&self.guard), Arc::clone(&self.lookup), self.passes);
        Box::pin(async move {
            let found = lookup(name.as_str().to_owned()).await?;
            let (open, closed): (Vec<IpAddr>, Vec<IpAddr>) =
                found.into_iter().partition(|address| passes(&guard, *address));
            match (open.is_empty(), closed.first()) {
                (true, Some(address)) if guard.lets_pass(*address) => Err(Refused::Plain.into()),
                // The address itself is not told: it says how the operator's network is laid out.
                (true, Some(_)) => {
                    Err(Refused::Private(format!("what `{}` stands for", name.as_str())).into())
                }
                // The client has a port of its own.
                (_, _) => Ok(Box::new(open.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs),
            }
        })
    }
}

async fn system_lookup(name: String) -> io::Result<Vec<IpAddr>> {
    let found = tokio::net::lookup_host((name, 0)).await?;
    Ok(found.map(|address| address.ip()).collect())
}
