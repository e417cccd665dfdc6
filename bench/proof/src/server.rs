//! The server that is to keep the promises: started on one data directory again and again, and killed as often.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::Value;

use crate::client::{API_KEY, Client};
use crate::process::{self, Process};

/// How long it may take until it is ready.
const START_TIME: Duration = Duration::from_secs(60);
/// How long it may refuse a run.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long it is left alone after it refused.
const PAUSE: Duration = Duration::from_millis(50);

/// How it is set up.
pub struct Setup<'a> {
    /// Where its data directory is, in a folder of its own.
    pub folder: &'a Path,
    /// Where it finds Stripe.
    pub stripe: SocketAddr,
    /// Settings beside that.
    pub settings: &'a [(&'static str, &'static str)],
}

/// A server that runs, or was killed.
pub struct Server {
    folder: PathBuf,
    address: SocketAddr,
    environment: Vec<(&'static str, String)>,
    client: Client,
    process: Option<Process>,
}

impl Server {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// It ends, or is not ready in time.
    pub async fn start(setup: Setup<'_>) -> Result<Server> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut environment = vec![
            ("LOOPFOUR_API_KEY", API_KEY.to_owned()),
            ("LOOPFOUR_STRIPE_API_BASE", format!("http://{}", setup.stripe)),
            ("STRIPE_API_KEY", ["sk", "test", "proof00000000000"].join("_")),
        ];
        environment.extend(setup.settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let client = Client::new(address)?;
        let folder = setup.folder.to_owned();
        let mut server = Server { folder, address, environment, client, process: None };
        server.restart().await?;
        Ok(server)
    }

    /// Starts it anew on the same data directory and address; answers how long it took until it was ready.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub async fn restart(&mut self) -> Result<Duration> {
        let start = Instant::now();
        self.spawn()?;
        while start.elapsed() < START_TIME {
            let ready = self.client.call(Method::GET, "/readyz", None).await;
            if ready.is_ok_and(|answer| answer.status == 200) {
                return Ok(start.elapsed());
            }
            if let Some(status) = self.process.as_mut().map(Process::ended).transpose()?.flatten() {
                bail!("the server ended: {status}\n{}", self.log()?);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("the server was not ready in time\n{}", self.log()?)
    }

    /// Kills the process, if there is one, and starts the next without waiting for it.
    ///
    /// # Errors
    /// The program is not there.
    pub fn spawn(&mut self) -> Result<()> {
        self.kill();
        let listen = self.address.to_string();
        let arguments = ["serve", "--listen", &listen, "--data", "data"];
        let mut command = process::command(&process::product()?, &arguments, &self.folder);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.process = Some(Process::start(&mut command, &self.log_file())?);
        Ok(())
    }

    /// Ends it as a power cut would, as far as the process goes. Returns once it is gone.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// A client of its API, which outlives its processes.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Creates a workflow and activates it; answers its id.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn activate(&self, definition: &Value) -> Result<String> {
        let created = self.client.ask(Method::POST, "/api/v1/workflows", Some(definition)).await?;
        let id = created["data"]["id"].as_str().context("a workflow has an id")?.to_owned();
        self.client.ask(Method::POST, &format!("/api/v1/workflows/{id}/activate"), None).await?;
        Ok(id)
    }

    /// All that its processes have printed.
    ///
    /// # Errors
    /// The file is gone.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.log_file())?)
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("serve.log")
    }
}

/// Sends the start of a run until it is accepted; answers the run's id. A start that got no answer is sent again too, so
/// where the server may be killed meanwhile the body needs an idempotency key.
///
/// # Errors
/// It is not accepted in time, or refused for good.
pub async fn start_run(server: &Client, path: &str, body: &Value) -> Result<String> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match server.call(Method::POST, path, Some(body)).await {
            Ok(answer) if answer.status == 202 => {
                let id = answer.body["data"]["runId"].as_str();
                return Ok(id.context("an accepted run has an id")?.to_owned());
            }
            Ok(answer) if matches!(answer.status, 429 | 503) => {
                tokio::time::sleep(answer.retry_after.unwrap_or(PAUSE)).await;
            }
            Ok(answer) => bail!("{path} answered {}: {}", answer.status, answer.body),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    bail!("{path} did not accept a run for {} s", PATIENCE.as_secs())
}
