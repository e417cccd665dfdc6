//! `loopfour demo`: the documentation's example on a server of its own, both branches, told step by step.

use std::path::{Path, PathBuf};

use serde_json::Value;
use uuid::Uuid;

use crate::answer;
use crate::client::Client;
use crate::config::{self, Config};
use crate::ending::{Ending, untold};
use crate::failure::{DONE, Failure, INTERRUPTED};
use crate::instance::{self, Instance};
use crate::print::{self, Reader, style};
use crate::progress::Progress;
use crate::remote;
use crate::signals::Signals;

/// The example, as the documentation has it.
const EXAMPLE: &str = include_str!("../../../../docs/examples/create-and-send-invoice.json");
const EXAMPLE_FILE: &str = "create-and-send-invoice.json";
const KEY_HEADER: &str = "-H \"x-api-key: $LOOPFOUR_API_KEY\"";
const JSON_HEADER: &str = "-H 'content-type: application/json'";
/// The key that the offline Stripe is asked with; it takes any test key.
const SANDBOX_KEY: &str = "sk_test_sandbox";

/// Watch LoopFour at work: an invoice created, finalized and sent, for a new customer and for a known one.
///
/// Starts a server with the built-in offline Stripe on a fresh data directory, creates and activates the example
/// workflow and runs it twice. Every API call is shown as a curl line that you can copy, every step as it happens. Then
/// it stays up until Ctrl-C, so that you can look around. Nothing leaves this machine.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 both runs completed and both invoices are open with the right amount, 1 otherwise, 2 not started.

Examples:
  loopfour demo
  loopfour demo --once
  loopfour demo --listen 127.0.0.1:8080 --data demo-data")]
pub struct Demo {
    /// End after the two runs.
    #[arg(long)]
    once: bool,
    /// Where the server listens [default: 127.0.0.1:3000, or a free port where that is taken].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Keep the data in this directory [default: a new one, removed at the end].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Demo {
    /// Shows everything, and gives the exit code.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        instance::log("warn");
        let mut stop = std::pin::pin!(Signals::new()?.stop());
        let folder = Folder::new(self.data)?;
        let config =
            Config { sandbox: true, ..Config::on(listen(self.listen.as_deref())?, folder.path.clone()) };
        let instance = Instance::start(&config).await?;
        let shown = tokio::select! {
            shown = Stage::set(&instance, &folder) => shown,
            () = &mut stop => Ok(INTERRUPTED),
        };
        if !self.once && matches!(shown, Ok(DONE)) {
            say("The server stays up until you press Ctrl-C.")?;
            stop.await;
        }
        instance.stop().await;
        shown
    }
}

/// The address given, else the usual one, else any that is free.
fn listen(given: Option<&str>) -> Result<std::net::SocketAddr, Failure> {
    if let Some(address) = given {
        return config::address("--listen", address);
    }
    let usual = config::address("listen", config::DEFAULT_LISTEN)?;
    let is_free = std::net::TcpListener::bind(usual).is_ok();
    Ok(if is_free { usual } else { std::net::SocketAddr::new(usual.ip(), 0) })
}

/// Where the demo keeps its data.
struct Folder {
    path: PathBuf,
    /// It is ours, and goes with us.
    fresh: bool,
}

impl Folder {
    fn new(given: Option<PathBuf>) -> Result<Folder, Failure> {
        let fresh = given.is_none();
        let name = || std::env::temp_dir().join(format!("loopfour-demo-{:08x}", random()));
        let path = given.unwrap_or_else(name);
        std::fs::create_dir_all(&path)
            .map_err(|cause| Failure::refused(format!("{}: cannot be made: {cause}", path.display())))?;
        Ok(Folder { path, fresh })
    }

    /// What makes the demo's customer a new one where an earlier demo left its own.
    fn mark(&self) -> String {
        if self.fresh { String::new() } else { format!("+{:08x}", random()) }
    }
}

/// Eight hexadecimal digits' worth of what no other demo has.
fn random() -> u128 {
    Uuid::now_v7().as_u128() & 0xffff_ffff
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.fresh {
            // What cannot be removed stays in the system's folder for such things.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// What a run is given: one invoice.
struct Bill {
    title: &'static str,
    email: String,
    name: &'static str,
    amount: i64,
    description: &'static str,
}

impl Bill {
    /// The body that starts the run, as it is shown and sent.
    fn body(&self) -> String {
        let Bill { email, name, amount, description, .. } = self;
        format!(
            "{{\"input\": {{\"email\": \"{email}\", \"name\": \"{name}\",\n         \
             \"amount\": {amount}, \"description\": \"{description}\"}}}}"
        )
    }
}

/// The server and the offline Stripe behind it, as a client sees them.
struct Stage {
    client: Client,
    /// The offline Stripe's address.
    stripe: String,
    http: reqwest::Client,
}

impl Stage {
    /// Plays the whole piece.
    async fn set(instance: &Instance, folder: &Folder) -> Result<u8, Failure> {
        let key = match &instance.key {
            Some(key) => key.clone(),
            None => instance.new_key("demo").await?,
        };
        let server = format!("http://{}", instance.address);
        let stripe = instance.sandbox.as_ref().map(|sandbox| sandbox.address.clone()).unwrap_or_default();
        heading("LoopFour: an invoice, created, finalized and sent, twice")?;
        say(&format!("\n  export LOOPFOUR_API_KEY={}", key.reveal()))?;
        say(&format!("  export LOOPFOUR_SERVER={server}"))?;
        say("  api=$LOOPFOUR_SERVER/api/v1")?;
        say(&format!("  stripe={stripe}   # the offline Stripe\n"))?;
        let client = Client::new(&server, key.reveal().into())?;
        Stage { client, stripe, http: reqwest::Client::new() }.play(folder).await
    }

    async fn play(&self, folder: &Folder) -> Result<u8, Failure> {
        let workflow = self.prepare(&folder.path).await?;
        let bills = bills(&folder.mark());
        let mut endings = Vec::new();
        for bill in &bills {
            endings.push(self.run(&workflow, bill).await?);
        }
        heading("5. Look at the invoices, at the offline Stripe")?;
        curl("\"$stripe/_sandbox/objects?type=invoice\"", &[])?;
        let objects = self.ask_stripe("/_sandbox/objects?type=invoice").await?;
        let mut is_right = true;
        for (ending, bill) in endings.iter().zip(&bills) {
            let id = ending.output.get("id").and_then(|id| id.as_text()).unwrap_or_default();
            curl(&format!("$stripe/v1/invoices/{id}"), &[&format!("-u {SANDBOX_KEY}:")])?;
            let invoice = self.ask_stripe(&format!("/v1/invoices/{id}")).await?;
            let sent_to = objects["hidden"][id]["sent_to"].as_str();
            say(&format!("  {}\n", describe_invoice(&invoice, sent_to)))?;
            is_right &= ending.exit() == DONE
                && invoice["status"] == "open"
                && invoice["amount_due"] == bill.amount
                && sent_to == Some(bill.email.as_str());
        }
        if !is_right {
            return Err(Failure::failed("the demo did not end as it should; what is above says where"));
        }
        what_next(endings.first().map(|ending| ending.run.as_str()).unwrap_or_default())?;
        Ok(DONE)
    }

    /// Creates and activates the example; its id.
    async fn prepare(&self, folder: &Path) -> Result<String, Failure> {
        let file = folder.join(EXAMPLE_FILE);
        std::fs::write(&file, EXAMPLE)
            .map_err(|cause| Failure::refused(format!("{}: cannot be written: {cause}", file.display())))?;
        heading("1. Create the workflow of the documentation")?;
        let headers = format!("{KEY_HEADER} {JSON_HEADER}");
        curl("$api/workflows", &[&headers, &format!("-d \"@{}\"", file.display())])?;
        let workflow: answer::Workflow = self.client.post("/api/v1/workflows", EXAMPLE.to_owned()).await?;
        say(&format!("  id {}, status {}\n", workflow.id, workflow.status))?;

        heading("2. Activate it")?;
        let path = format!("workflows/{}/activate", workflow.id);
        curl(&format!("$api/{path}"), &[&format!("-X POST {KEY_HEADER}")])?;
        let active: answer::Workflow = self.client.post(&format!("/api/v1/{path}"), String::new()).await?;
        say(&format!("  status {}\n", active.status))?;
        Ok(workflow.id.to_string())
    }

    /// Runs the workflow once, each step told as it happens.
    async fn run(&self, workflow: &str, bill: &Bill) -> Result<Ending, Failure> {
        heading(bill.title)?;
        let body = bill.body();
        let headers = format!("{KEY_HEADER} {JSON_HEADER}");
        curl(&format!("$api/workflows/{workflow}/run"), &[&headers, &format!("-d '{body}'")])?;
        let started: answer::Started =
            self.client.post(&format!("/api/v1/workflows/{workflow}/run"), body).await?;
        let id = started.run_id.as_str();
        say(&format!("  runId {id}, status {}\n", started.status))?;
        curl(&format!("-N $api/runs/{id}/events"), &[KEY_HEADER])?;
        let example: Value = serde_json::from_str(EXAMPLE).unwrap_or_default();
        let steps = example["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut progress = Progress::new(steps.iter().filter_map(|step| step["id"].as_str()));
        let ending = remote::follow(&self.client, id, remote::print(&mut progress)).await?;
        say("")?;
        curl(&format!("$api/runs/{id}"), &[KEY_HEADER])?;
        say(&format!("  {}", ending.line()))?;
        if let Some(error) = untold(&ending.error) {
            say(&error)?;
        }
        say("")?;
        Ok(ending)
    }

    async fn ask_stripe(&self, path: &str) -> Result<Value, Failure> {
        let request = self.http.get(format!("{}{path}", self.stripe)).bearer_auth(SANDBOX_KEY);
        let answer = async { request.send().await?.text().await }.await;
        let text =
            answer.map_err(|cause| Failure::failed(format!("no answer from the offline Stripe: {cause}")))?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}

/// One for a customer that is new, one for the same customer, who is known then.
fn bills(mark: &str) -> [Bill; 2] {
    let email = format!("ada{mark}@example.com");
    [
        Bill {
            title: "3. Run it for a new customer",
            email: email.clone(),
            name: "Ada Lovelace",
            amount: 9900,
            description: "Consulting in June",
        },
        Bill {
            title: "4. Run it again: the customer is known now",
            email,
            name: "Ada Lovelace",
            amount: 12500,
            description: "Consulting in July",
        },
    ]
}

fn describe_invoice(invoice: &Value, sent_to: Option<&str>) -> String {
    let text = |key: &str| invoice[key].as_str().unwrap_or("?").to_owned();
    let cents = invoice["amount_due"].as_i64().unwrap_or_default();
    let sent = sent_to.map_or("not sent".to_owned(), |email| format!("sent to {email}"));
    let currency = text("currency").to_uppercase();
    format!("{}, {sent}, {}.{:02} {currency}", text("status"), cents / 100, cents % 100)
}

fn what_next(run: &str) -> Result<(), Failure> {
    let program = std::env::args().next().unwrap_or_else(|| "loopfour".to_owned());
    heading("What next")?;
    say("  In another terminal, after the lines at the top:\n")?;
    say(&format!("    {program} runs list"))?;
    say(&format!("    {program} runs show {run}\n"))?;
    say("  docs/guides/first-workflow.md shows how to write a workflow of your own.\n")
}

fn say(text: &str) -> Result<(), Failure> {
    // The demo goes on where nobody reads it: its exit code still says how it went.
    print::out(text).map(|_: Reader| ())
}

fn heading(text: &str) -> Result<(), Failure> {
    say(&format!("{}{text}{}", style::BOLD, style::RESET))
}

/// A call as a line to copy.
fn curl(target: &str, options: &[&str]) -> Result<(), Failure> {
    let mut line = format!("  {}curl -s {target}", style::DIM);
    options.iter().for_each(|option| line.push_str(&format!(" \\\n    {option}")));
    line.push_str(style::RESET);
    say(&line)
}
