//! The server under load: a `loopfour serve` of its own, the example activated on it, and the workers that run it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::process::Process;

const API_KEY: &str = "wfk_bench000000000000000000000000000";

/// Off, since they are promises about load that a benchmark has to break.
const LIMITS_OFF: [&str; 2] = ["LOOPFOUR_RATE_LIMITS", "LOOPFOUR_STRIPE_PACE"];

/// How long the server may take until it is ready.
const START_TIME: Duration = Duration::from_secs(20);

/// A server that listens.
pub struct Server {
    process: Process,
    address: SocketAddr,
    log: PathBuf,
}

/// The example, active on a server.
pub struct Workflow {
    address: SocketAddr,
    path: String,
}

/// One connection with one request at a time: less than a pooled client does, so that the driver is not measured.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

#[derive(Deserialize)]
struct Ended {
    status: String,
}

impl Server {
    /// Starts the program on an empty data directory, with Stripe at the provider's address and all limits off.
    pub async fn start(program: &Path, folder: &Path, provider: &str) -> Result<Server> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = folder.join("serve.log");
        let mut command = Command::new(program);
        command.args(["serve", "--listen", &address.to_string(), "--data"]).arg(folder.join("data"));
        let output = File::create(&log)?;
        command.env_clear().current_dir(folder).stdout(output.try_clone()?).stderr(output);
        command.env("LOOPFOUR_API_KEY", API_KEY);
        command.env("LOOPFOUR_STRIPE_API_BASE", format!("http://{provider}"));
        command.env("STRIPE_API_KEY", concat!("sk_test_", "bench0000000000000000"));
        command.envs(LIMITS_OFF.map(|name| (name, "off")));
        println!("limits     {}", LIMITS_OFF.map(|name| format!("{name}=off")).join(" "));
        let mut server = Server { process: Process::start("loopfour", &mut command)?, address, log };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// Creates the workflow in that file and activates it.
    pub async fn activate(&self, file: &Path) -> Result<Workflow> {
        let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let mut connection = Connection::open(self.address).await?;
        let created = connection.post("/api/v1/workflows", Bytes::from(text), StatusCode::CREATED).await?;
        let Answer { data: Created { id } } = serde_json::from_slice(&created)?;
        let path = format!("/api/v1/workflows/{id}");
        connection.post(&format!("{path}/activate"), Bytes::new(), StatusCode::OK).await?;
        Ok(Workflow { address: self.address, path: format!("{path}/run?wait=60") })
    }

    /// Its number with the system.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let end = Instant::now() + START_TIME;
        while Instant::now() < end {
            if let Ok(mut connection) = Connection::open(self.address).await
                && connection.call(Method::GET, "/readyz", Bytes::new(), StatusCode::OK).await.is_ok()
            {
                return Ok(());
            }
            if let Some(status) = self.process.ended()? {
                bail!("the server ended: {status}\n{}", std::fs::read_to_string(&self.log)?);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the server was not ready in time\n{}", std::fs::read_to_string(&self.log)?)
    }
}

impl Workflow {
    /// Starts run after run for that time, each once the one before has completed; answers how long each took.
    pub fn worker(
        &self,
        number: usize,
        time: Duration,
    ) -> impl Future<Output = Result<Vec<Duration>>> + Send + 'static {
        let (address, path) = (self.address, self.path.clone());
        let input = format!(
            r#"{{"input":{{"email":"buyer-{number}@bench.example","name":"Bench Buyer","amount":9900,"description":"Consulting"}}}}"#
        );
        async move {
            let input = Bytes::from(input);
            let mut connection = Connection::open(address).await?;
            let end = Instant::now() + time;
            let mut took = Vec::new();
            while Instant::now() < end {
                let start = Instant::now();
                let body = connection.post(&path, input.clone(), StatusCode::OK).await?;
                took.push(start.elapsed());
                let Answer { data: Ended { status } } = serde_json::from_slice(&body)?;
                if status != "completed" {
                    bail!("a run did not complete: {}", String::from_utf8_lossy(&body));
                }
            }
            Ok(took)
        }
    }
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the sender; what goes wrong on it is the answer of the request under way.
        tokio::spawn(connection);
        Ok(Connection { sender, host: HeaderValue::try_from(address.to_string())? })
    }

    async fn post(&mut self, path: &str, body: Bytes, expected: StatusCode) -> Result<Bytes> {
        self.call(Method::POST, path, body, expected).await
    }

    async fn call(&mut self, method: Method, path: &str, body: Bytes, expected: StatusCode) -> Result<Bytes> {
        let request = Request::builder().method(method).uri(path).header(HOST, &self.host);
        let request = request.header("x-api-key", API_KEY).header(CONTENT_TYPE, "application/json");
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status != expected {
            bail!("{path} answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }
}
