//! The offline Stripe in a process of its own, which survives the server and tells what it was asked.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::Value;

use crate::client::Client;
use crate::process::{self, Process};

/// How long it may take until it listens.
const START_TIME: Duration = Duration::from_secs(60);

/// A running sandbox.
pub struct Sandbox {
    pub address: SocketAddr,
    client: Client,
    _process: Process,
}

impl Sandbox {
    /// Starts it with a data directory in this folder.
    ///
    /// # Errors
    /// It does not listen in time.
    pub async fn start(folder: &Path) -> Result<Sandbox> {
        let arguments = ["sandbox", "--listen", "127.0.0.1:0", "--data", "sandbox"];
        let mut command = process::command(&process::product()?, &arguments, folder);
        let log = folder.join("sandbox.log");
        let process = Process::start(&mut command, &log)?;
        let start = Instant::now();
        while start.elapsed() < START_TIME {
            let text = std::fs::read_to_string(&log)?;
            let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let address = whole.map(str::trim).find_map(|line| line.strip_prefix("listening on http://"));
            if let Some(address) = address {
                let address: SocketAddr = address.parse()?;
                return Ok(Sandbox { address, client: Client::new(address)?, _process: process });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("the sandbox does not listen: {}", std::fs::read_to_string(&log)?)
    }

    /// Sets one of its controls.
    ///
    /// # Errors
    /// It refuses.
    pub async fn control(&self, name: &str, body: &Value) -> Result<Value> {
        self.client.ask(Method::POST, &format!("/_sandbox/{name}"), Some(body)).await
    }

    /// Reads one of its controls.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn read(&self, name: &str) -> Result<Value> {
        self.client.ask(Method::GET, &format!("/_sandbox/{name}"), None).await
    }

    /// The numbers of the writes that it is working on.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn open_writes(&self) -> Result<Vec<u64>> {
        let open = self.read("in_flight").await?;
        let writes = open["writes"].as_array().context("the sandbox names the writes in flight")?;
        Ok(writes.iter().filter_map(Value::as_u64).collect())
    }

    /// Whether one of these writes has got no answer, by the log: neither a status nor a cut connection.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn unanswered(&self, writes: &[u64]) -> Result<bool> {
        let Some(first) = writes.iter().min() else { return Ok(false) };
        let log = self.read(&format!("calls?after={}", first.saturating_sub(1))).await?;
        let calls = log["calls"].as_array().context("the sandbox lists its calls")?;
        let open = |call: &Value| {
            let is_one = call["number"].as_u64().is_some_and(|number| writes.contains(&number));
            is_one && call["status"].is_null() && call["cut"] == false
        };
        Ok(calls.iter().any(open))
    }

    /// All objects of a kind, and what the sandbox remembers of them besides, by id.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn objects(&self, kind: &str) -> Result<(Vec<Value>, Value)> {
        let mut answer = self.read(&format!("objects?type={kind}")).await?;
        let objects = answer["objects"].take();
        let Value::Array(objects) = objects else { bail!("the sandbox lists its objects") };
        Ok((objects, answer["hidden"].take()))
    }
}
