//! `pace-test`: many calls wanted at once, of a server that keeps the pace of a live account, at a sandbox that allows just
//! so many in any sliding second. They must neither bounce off the limit nor leave the allowed rate unused.
//! It takes real time; that the pace is right at every moment is proven with a moved clock in `crates/connect`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Verdict;
use crate::client::Client;
use crate::process;
use crate::sandbox::Sandbox;
use crate::server::{Server, Setup};

/// The live figures of Stripe: calls in any second.
const RATE: u64 = 100;
const SETTINGS: [(&str, &str); 2] =
    [("LOOPFOUR_RATE_LIMITS", "off"), ("LOOPFOUR_STRIPE_PACE", "read=100,write=100,total=100")];
/// How many requests start runs at the same time.
const STARTERS: usize = 16;
/// The most calls that the sandbox's log is asked for, which remembers ten thousand.
pub const MOST_CALLS: u64 = 9_000;

/// One run of the workflow makes one call: an action and its config.
type Endpoint = (&'static str, &'static str);

const READS: [Endpoint; 8] = [
    ("stripe.listCustomers", r#"{"limit": 1}"#),
    ("stripe.getCustomer", r#"{"customerId": "cus_pace"}"#),
    ("stripe.listInvoices", r#"{"limit": 1}"#),
    ("stripe.getInvoice", r#"{"invoiceId": "in_pace"}"#),
    ("stripe.listPaymentIntents", r#"{"limit": 1}"#),
    ("stripe.listSubscriptions", r#"{"limit": 1}"#),
    ("stripe.getBalance", "{}"),
    ("stripe.listBalanceTransactions", r#"{"limit": 1}"#),
];

const WRITES: [Endpoint; 8] = [
    ("stripe.createCustomer", r#"{"name": "Ada"}"#),
    ("stripe.updateCustomer", r#"{"customerId": "cus_pace", "name": "Ada"}"#),
    (
        "stripe.createInvoice",
        r#"{"customerId": "cus_pace", "autoAdvance": false, "collectionMethod": "send_invoice", "daysUntilDue": 30}"#,
    ),
    ("stripe.createInvoiceItem", r#"{"customerId": "cus_item", "amount": 100, "currency": "usd"}"#),
    ("stripe.createPaymentIntent", r#"{"amount": 900, "currency": "usd"}"#),
    ("stripe.sendInvoice", r#"{"invoiceId": "in_pace"}"#),
    (
        "stripe.createSubscription",
        r#"{"customerId": "cus_pace", "items": [{"price": "price_pace"}], "collectionMethod": "send_invoice", "daysUntilDue": 30}"#,
    ),
    ("stripe.updateSubscription", r#"{"subscriptionId": "sub_pace", "metadata": {"a": "b"}}"#),
];

/// What came of one case.
struct Figures {
    calls: u64,
    refused: u64,
    seconds: Duration,
}

/// Runs the three cases and prints their figures.
///
/// # Errors
/// A process does not do what it must for the test to go on.
pub async fn run(calls: u64) -> Result<Verdict> {
    println!("pace-test --calls {calls}: {}={}", SETTINGS[1].0, SETTINGS[1].1);
    println!("the sandbox allows {RATE} calls in any sliding second\n");
    println!("{:<14} {:>7} {:>7} {:>12} {:>9}", "", "calls", "429s", "of the rate", "seconds");
    let both: Vec<Endpoint> = READS.into_iter().take(4).chain(WRITES.into_iter().take(4)).collect();
    let mut verdict = Verdict::Holds;
    for (name, endpoints) in [("reads", &READS[..]), ("writes", &WRITES), ("both", &both)] {
        let Figures { calls, refused, seconds } = case(endpoints, calls).await.context(name)?;
        let allowed = seconds.as_secs_f64() * RATE as f64;
        let used = calls.saturating_sub(1) as f64 / allowed * 100.0;
        println!("{name:<14} {calls:>7} {refused:>7} {used:>10.1} % {:>9.1}", seconds.as_secs_f64());
        // At most one of a thousand calls is refused, and 95 % of the rate is used.
        if refused * 1000 > calls || used < 95.0 {
            verdict = Verdict::Fails;
        }
    }
    println!("{}", if verdict == Verdict::Holds { "pace holds" } else { "pace does not hold" });
    Ok(verdict)
}

async fn case(endpoints: &[Endpoint], calls: u64) -> Result<Figures> {
    let folder = process::folder("pace-test")?;
    let sandbox = Sandbox::start(folder.path()).await?;
    sandbox.control("fixtures", &fixtures()).await?;
    sandbox.control("limits", &json!({"read": RATE, "write": RATE, "total": RATE})).await?;
    let setup = Setup { folder: folder.path(), stripe: sandbox.address, settings: &SETTINGS };
    let server = Server::start(setup).await?;
    let mut workflows = Vec::new();
    for (action, config) in endpoints {
        let config: Value = serde_json::from_str(config)?;
        let step = json!({"id": "call", "type": "action", "action": action, "config": config});
        let definition = json!({"name": action, "trigger": {"type": "api"}, "steps": [step]});
        workflows.push(server.activate(&definition).await?);
    }
    // What the server asks for by itself at its start is none of these calls.
    let before = last_call(&sandbox, 0).await?.unwrap_or(0);

    start_all(&server.client(), &workflows, calls).await?;
    await_all(&server.client(), calls).await?;

    let log = sandbox.read(&format!("calls?after={before}")).await?;
    let log = log["calls"].as_array().context("the sandbox lists its calls")?;
    let refused = log.iter().filter(|call| call["status"] == 429).count() as u64;
    let at = |call: Option<&Value>| call.and_then(|call| call["at"].as_u64()).context("calls have a time");
    let milliseconds = at(log.last())?.saturating_sub(at(log.first())?);
    Ok(Figures { calls: log.len() as u64, refused, seconds: Duration::from_millis(milliseconds.max(1)) })
}

fn fixtures() -> Value {
    json!({"objects": [
        {"object": "customer", "id": "cus_pace", "email": "pace@proof.example"},
        {"object": "customer", "id": "cus_item", "email": "item@proof.example"},
        {"object": "invoice", "id": "in_pace", "customer": "cus_pace", "status": "open",
         "collection_method": "send_invoice"},
        {"object": "product", "id": "prod_pace", "name": "Pace"},
        {"object": "price", "id": "price_pace", "product": "prod_pace", "currency": "usd",
         "unit_amount": 2900, "recurring": {"interval": "month"}},
        {"object": "subscription", "id": "sub_pace", "customer": "cus_pace",
         "collection_method": "send_invoice", "days_until_due": 30, "items": [{"price": "price_pace"}]},
    ]})
}

async fn last_call(sandbox: &Sandbox, after: u64) -> Result<Option<u64>> {
    let log = sandbox.read(&format!("calls?after={after}")).await?;
    Ok(log["calls"].as_array().and_then(|calls| calls.last()?["number"].as_u64()))
}

/// Starts so many runs as fast as the server takes them, the workflows in turn.
async fn start_all(server: &Client, workflows: &[String], calls: u64) -> Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let calls = usize::try_from(calls)?;
    let mut starters = JoinSet::new();
    for _ in 0..STARTERS {
        let (server, workflows, next) = (server.clone(), workflows.to_vec(), Arc::clone(&next));
        starters.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    return Ok(());
                }
                let path = format!("/api/v1/workflows/{}/run", workflows[number % workflows.len()]);
                crate::server::start_run(&server, &path, &json!({})).await?;
            }
        });
    }
    while let Some(starter) = starters.join_next().await {
        let outcome: Result<()> = starter?;
        outcome?;
    }
    Ok(())
}

/// Waits until all runs have completed.
async fn await_all(server: &Client, calls: u64) -> Result<()> {
    let patience = Duration::from_secs(60 + calls * 2 / RATE);
    let start = Instant::now();
    while start.elapsed() < patience {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut open = Vec::new();
        for status in ["pending", "running", "waiting", "failed"] {
            let path = format!("/api/v1/runs?limit=1&status={status}");
            let runs = server.ask(Method::GET, &path, None).await?;
            if let Some(run) = runs["data"].get(0) {
                open.push((status, run["id"].as_str().unwrap_or_default().to_owned()));
            }
        }
        if let Some((_, run)) = open.iter().find(|(status, _)| *status == "failed") {
            let run = server.ask(Method::GET, &format!("/api/v1/runs/{run}"), None).await?;
            bail!("a run failed: {}", run["data"]);
        }
        if open.is_empty() {
            return Ok(());
        }
    }
    bail!("the runs did not end within {} s", patience.as_secs())
}
