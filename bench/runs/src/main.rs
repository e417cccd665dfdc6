//! The benchmark of lists: fills a store with a million runs through the journal, as the engine would, then asks a server
//! over it for pages by HTTP on one connection, and prints how long they took. Nothing runs meanwhile.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it reports on the terminal")]

mod connections;
mod events;

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use loopfour_engine::definitions::Definitions;
use loopfour_engine::event::TriggerKind;
use loopfour_engine::notices::{Teller, Telling, Untold};
use loopfour_engine::ports::{
    Act, ActError, Append, BoxFuture, Candidates, Clock, Journal as _, JournalError, Runs, Start, StartError,
    Started,
};
use loopfour_engine::{
    Actor, CompanyId, Entry, Event, Receipt, Run, RunId, RunStatus, StepError, StepPath, Summary, Timestamp,
    WorkflowId,
};
use loopfour_lang::{Value, json};
use loopfour_server::query::{List, Position};
use loopfour_server::rate::RateLimits;
use loopfour_server::settings::Settings;
use loopfour_server::{App, Services};
use loopfour_store::{Cursor, NewKey, Scope, Store};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use connections::NoConnections;
use events::NoEvents;

/// When the first run was accepted; one follows each second.
const FIRST: i64 = 1_767_225_600_000;
const WORKFLOWS: usize = 20;
/// Appends under way at a time: as many as the store commits together, and as many again.
const IN_FLIGHT: usize = 512;
const WARM_UP: usize = 20;
/// What is aimed for, at the 99th of a hundred.
const AIM: Duration = Duration::from_millis(20);

const WORKFLOW: &str = r#"{"name": "Bench", "trigger": {"type": "api"}, "steps": [
  {"id": "create", "action": "stripe.createCustomer", "config": {"email": "{{input.email}}"}}
]}"#;

struct Options {
    runs: usize,
    requests: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(options) = options(&arguments) else {
        eprintln!("usage: bench-runs runs [--runs N] [--requests N]");
        return ExitCode::from(2);
    };
    match bench(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: &[String]) -> Option<Options> {
    let mut options = Options { runs: 1_000_000, requests: 1_000 };
    let (name, rest) = arguments.split_first()?;
    if name != "runs" || rest.len() % 2 == 1 {
        return None;
    }
    for pair in rest.chunks_exact(2) {
        let number = pair[1].parse().ok().filter(|number| *number > 0)?;
        match pair[0].as_str() {
            "--runs" => options.runs = number,
            "--requests" => options.requests = number,
            _ => return None,
        }
    }
    Some(options)
}

async fn bench(options: &Options) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let begun = Instant::now();
    let store = Store::open(directory.path(), Timestamp(FIRST))?;
    let workflows = fill(&store, options.runs).await?;
    let size = std::fs::metadata(directory.path().join("loopfour.db"))?.len() >> 20;
    println!("{} runs stored in {} s, {size} MiB", options.runs, begun.elapsed().as_secs());
    println!("rate limits are off: a benchmark has to break them\n");

    let company = store.default_company();
    let key =
        NewKey { name: "bench".to_owned(), scopes: Scope::ALL.to_vec(), expires_at: None, member: None };
    let (_, key) = store.create_key(company, key, &Actor::system("bench"), Timestamp(FIRST)).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let app = {
        let services = Services {
            store,
            runs: Arc::new(Nobody),
            definitions: Arc::new(Definitions::default()),
            connections: Arc::new(NoConnections),
            senders: Arc::new(NoEvents),
            endpoints: Arc::new(NoEvents),
            intake: Arc::new(NoEvents),
            identity: None,
            teller: Arc::new(Nobody),
            clock: Arc::new(End),
        };
        let settings = Settings { rate_limits: RateLimits::OFF, ..Settings::at("http://localhost") };
        App::new(services, settings)
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(loopfour_server::serve(listener, app, async {
        let _ = stopped.await;
    }));
    let mut client = Client::connect(address, key.reveal()).await?;
    let mut worst = Duration::ZERO;
    println!("{:<44} {:>9} {:>9} {:>9}", "page of 50", "p50 ms", "p99 ms", "most ms");
    // The seventh has failed runs among its own.
    for (name, query) in queries(workflows[7]) {
        let mut took = Vec::with_capacity(options.requests);
        for number in 0..WARM_UP + options.requests {
            let query = query.replace("MIDDLE", &middle(number, options.runs));
            let time = client.page(&query).await?;
            if number >= WARM_UP {
                took.push(time);
            }
        }
        took.sort_unstable();
        let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
        let [p50, p99, most] = [at(50), at(99), at(100)].map(milliseconds);
        println!("{name:<44} {p50:>9} {p99:>9} {most:>9}");
        worst = worst.max(at(99));
    }
    println!("\nthe slowest p99 is {} ms; aimed for are under {}", milliseconds(worst), milliseconds(AIM));
    drop(client);
    let _ = stop.send(());
    serving.await??;
    Ok(())
}

fn milliseconds(time: Duration) -> String {
    format!("{}.{:02}", time.as_millis(), time.subsec_micros() % 1_000 / 10)
}

fn queries(workflow: WorkflowId) -> Vec<(&'static str, String)> {
    vec![
        ("first, desc", "order=desc".to_owned()),
        ("first, asc", "order=asc".to_owned()),
        ("in the middle, desc", "order=desc&cursor=MIDDLE".to_owned()),
        ("in the middle, asc", "order=asc&cursor=MIDDLE".to_owned()),
        ("first of one workflow", format!("workflowId={workflow}")),
        ("in the middle of one workflow", format!("workflowId={workflow}&cursor=MIDDLE")),
        ("first of a rare status", "status=failed".to_owned()),
        (
            "middle of one workflow and a rare status",
            format!("workflowId={workflow}&status=failed&cursor=MIDDLE"),
        ),
    ]
}

/// A place in the list that no request had before.
fn middle(number: usize, runs: usize) -> String {
    // A step that is prime to the number of runs visits places all over.
    let place = runs / 10 + (number * 7_919) % (runs * 8 / 10).max(1);
    let created_at = Timestamp(FIRST + i64::try_from(place).unwrap_or_default() * 1_000);
    Position { list: List::Runs, cursor: Cursor { created_at, id: Uuid::nil() } }.to_string()
}

async fn fill(store: &Store, runs: usize) -> Result<Vec<WorkflowId>> {
    let company = store.default_company();
    let mut workflows = Vec::new();
    for _ in 0..WORKFLOWS {
        workflows.push(
            store
                .create_workflow(company, "Bench", WORKFLOW, &Actor::system("bench"), Timestamp(FIRST))
                .await?
                .id,
        );
    }
    let output = r#"{"id": "cus_1", "object": "customer", "email": "a@b.example", "created": 1767225600, "livemode": false,
        "balance": 0, "currency": "usd", "description": null, "metadata": {"loopfour_run": "run_x", "loopfour_step": "create"}}"#;
    let output = json::parse(output.as_bytes()).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    stream::iter(0..runs)
        .map(|number| store.append(run(company, workflows[number % WORKFLOWS], number, &output)))
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await?;
    Ok(workflows)
}

/// A run that has ended: most completed, one in fifty failed.
fn run(company: CompanyId, workflow: WorkflowId, number: usize, output: &Value) -> Append {
    let at = Timestamp(FIRST + i64::try_from(number).unwrap_or_default() * 1_000);
    let run = RunId(Uuid::now_v7());
    let path = StepPath("create".to_owned());
    let input = Value::Object(
        [("email".to_owned(), Value::from("a@b.example"))]
            .into_iter()
            .collect::<loopfour_lang::Object>()
            .into(),
    );
    let started = Event::RunStarted {
        run,
        company,
        workflow,
        version: 1,
        trigger: TriggerKind::Api,
        input,
        connection: None,
        idempotency_key: None,
        restarted_from: None,
        by: None,
        cause: None,
        queue: None,
    };
    let failed = number % 50 == 7;
    let rest = if failed {
        let error = Box::new(StepError::new("card_declined", "your card was declined", "use another card"));
        let step = Event::StepFailed { path, epoch: 1, input: None, error: error.clone(), fallback: None };
        [step, Event::RunFailed { error }]
    } else {
        let receipt = Receipt::default();
        let step = Event::StepSucceeded { path, epoch: 1, output: output.clone().into(), receipt };
        [step, Event::RunCompleted { output: None }]
    };
    let events = [started].into_iter().chain(rest);
    let entries = (1..).zip(events).map(|(seq, event)| Entry { seq, at, event }).collect();
    let summary = Summary {
        status: if failed { RunStatus::Failed } else { RunStatus::Completed },
        waiting: None,
        started_at: Some(at),
        completed_at: Some(Timestamp(at.0 + 500)),
        output_at: (!failed).then_some(2),
        due_at: None,
    };
    Append { run, expected: 0, entries, summary }
}

/// One connection with one request at a time.
struct Client {
    sender: SendRequest<Empty<Bytes>>,
    key: String,
}

impl Client {
    async fn connect(address: std::net::SocketAddr, key: &str) -> Result<Client> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with its sender.
        tokio::spawn(connection);
        Ok(Client { sender, key: key.to_owned() })
    }

    /// How long a page took, from the request's first byte to the answer's last.
    async fn page(&mut self, query: &str) -> Result<Duration> {
        let request = Request::get(format!("/api/v1/runs?{query}"))
            .header("host", "bench")
            .header("x-api-key", &self.key)
            .body(Empty::new())?;
        self.sender.ready().await?;
        let begun = Instant::now();
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        let took = begun.elapsed();
        if status != StatusCode::OK || body.len() < 1_000 {
            bail!("{query}: {status}, {}", std::str::from_utf8(&body).context("the answer is no text")?);
        }
        Ok(took)
    }
}

/// Starts nothing.
struct Nobody;

impl Runs for Nobody {
    fn start(&self, _: Start) -> BoxFuture<'_, Result<Started, StartError>> {
        Box::pin(async { Err(StartError::Journal(no_host())) })
    }

    fn act(&self, _: RunId, _: Act) -> BoxFuture<'_, Result<Box<Run>, ActError>> {
        Box::pin(async { Err(ActError::Journal(no_host())) })
    }

    fn candidates(&self, _: RunId, _: StepPath) -> BoxFuture<'_, Result<Candidates, ActError>> {
        Box::pin(async { Err(ActError::Journal(no_host())) })
    }

    fn is_stalled(&self, _: RunId) -> bool {
        false
    }
}

impl Teller for Nobody {
    fn check(&self, _: &str) -> Result<(), String> {
        Err("nobody is told of anything here".to_owned())
    }

    fn tell<'a>(&'a self, _: &'a Telling, _: Timestamp) -> BoxFuture<'a, Result<u16, Untold>> {
        Box::pin(async { Err(Untold::Failed("nobody is told of anything here".to_owned())) })
    }
}

fn no_host() -> JournalError {
    JournalError::Missing("a host".to_owned())
}

/// The time after the last run.
struct End;

impl Clock for End {
    fn now(&self) -> Timestamp {
        Timestamp(FIRST + 10_000_000_000)
    }

    async fn until(&self, _: Timestamp) {}
}
