//! `crash-test`: runs are fed to a server that is killed again and again while writes are in flight, with a sandbox beside
//! it that misbehaves all the while; in the end every accepted run must have completed, with each of its objects once.
//! Limits of rate are off, since they are promises about load and would only make the kills rarer.

mod case;
mod feed;
mod ledger;
mod person;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use self::case::Workflows;
use self::feed::{Feed, Followed};
use self::ledger::Ledger;
use crate::Verdict;
use crate::dice::Dice;
use crate::process;
use crate::sandbox::Sandbox;
use crate::server::{Server, Setup};

/// Runs that are under way at any time.
const IN_FLIGHT: u64 = 32;
/// Off, since the test has to break them.
const LIMITS_OFF: [(&str, &str); 2] = [("LOOPFOUR_RATE_LIMITS", "off"), ("LOOPFOUR_STRIPE_PACE", "off")];
/// How long it may take until there is something to kill; longer, and nothing goes on any more.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a process lives at most: one that was told to slow down would else keep all runs waiting for a minute.
const LONGEST_LIFE: Duration = Duration::from_secs(1);
/// One process of ten meets a storm of 429s: no more than so many calls pass in any second.
const BURST_LIMIT: u64 = 20;
/// How many failing cases are printed with their journal.
const SHOWN: usize = 5;

/// What the command line says.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many runs are to be accepted at least.
    pub runs: u64,
    /// How many kills are to count.
    pub kills: u64,
    /// What the random moments, runs and faults follow from.
    pub seed: u64,
}

/// How the kills went.
#[derive(Debug, Default)]
struct Kills {
    done: u64,
    counted: u64,
    starts: Vec<Duration>,
}

/// Runs the test and prints its table.
///
/// # Errors
/// A process does not do what it must for the test to go on.
pub async fn run(options: Options) -> Result<Verdict> {
    let Options { runs, kills, seed } = options;
    println!("crash-test --runs {runs} --kills {kills} --seed {seed}");
    println!("limits off: {}", LIMITS_OFF.map(|(name, value)| format!("{name}={value}")).join(" "));
    let begun = Instant::now();
    let folder = process::folder("crash-test")?;
    let outcome = test(options, folder.path()).await;
    let (verdict, last) = match outcome {
        Ok((table, verdict)) => (Ok(verdict), Some(table)),
        Err(error) => (Err(error), None),
    };
    if !matches!(verdict, Ok(Verdict::Holds)) {
        println!("the data directories and logs are kept in {}", folder.keep().display());
    }
    if let Some((rows, last)) = last {
        rows.iter().for_each(|(name, value)| println!("{name:<18} {value}"));
        println!("{:<18} {}", "seconds", begun.elapsed().as_secs());
        println!("{:<18} {seed}", "seed");
        println!("{last}");
    }
    verdict
}

/// The table's rows and the last line.
type Table = (Vec<(String, String)>, String);

async fn test(options: Options, folder: &Path) -> Result<(Table, Verdict)> {
    let Options { runs, kills, seed } = options;
    let sandbox = Arc::new(Sandbox::start(folder).await?);
    sandbox.control("fixtures", &case::fixtures(runs)).await?;
    let setup = Setup { folder, stripe: sandbox.address, settings: &LIMITS_OFF };
    let mut server = Server::start(setup).await?;
    let workflows = Workflows::activate(&server).await?;
    let weather = sandbox.control("storm", &storm(seed, &[])).await?;
    println!("storm: of a thousand calls {}", weather["storm"]["rates"]);

    let feed = Arc::new(Feed::new(options, IN_FLIGHT));
    let slots = (0..IN_FLIGHT)
        .map(|_| feed::slot(Arc::clone(&feed), workflows.clone(), server.client(), Arc::clone(&sandbox)));
    let mut slots: JoinSet<Result<Vec<Followed>>> = slots.collect();
    let killed = kill(options, &mut server, &sandbox, &feed).await;
    // Whatever stopped the killing, the runs that were accepted are followed to their end.
    feed.no_more_kills();
    let met = sandbox.read("storm").await?["met"].take();
    // What a 429 teaches lasts a minute, and no kill makes the server forget it any more.
    sandbox.control("storm", &storm(seed, &["rate_limit", "lock_timeout"])).await?;
    let mut followed = Vec::new();
    while let Some(slot) = slots.join_next().await {
        followed.extend(slot??);
    }
    let killed = killed?;
    let ledger = Ledger::read(&sandbox).await?;
    let findings = ledger.compare(&followed);

    let shown = findings.lost.iter().chain(&findings.twice).take(SHOWN);
    for (run, what) in shown {
        println!("\n{run}: {what}");
        print_journal(&server, run).await;
    }
    let accepted = followed.len() as u64;
    let completed = followed.iter().filter(|followed| followed.status == "completed").count();
    let sum = |of: fn(&Followed) -> u64| followed.iter().map(of).sum::<u64>().to_string();
    let mut starts = killed.starts;
    starts.sort();
    let slowest = starts.last().copied().unwrap_or_default().as_millis();
    let median = starts.get(starts.len() / 2).copied().unwrap_or_default().as_millis();
    let (lost, twice) = (findings.lost.len(), findings.twice.len());
    let rows = [
        ("faults met", met.to_string()),
        ("starts", format!("ready after {median} ms (median), {slowest} ms (slowest)")),
        ("kills", killed.done.to_string()),
        ("kills counted", killed.counted.to_string()),
        ("runs accepted", accepted.to_string()),
        ("completed", completed.to_string()),
        ("unknown resolved", sum(|followed| followed.resolved)),
        ("retried", sum(|followed| followed.retried)),
        ("lost", lost.to_string()),
        ("twice", twice.to_string()),
    ];
    let last = format!("runs {accepted}, kills {}, lost {lost}, twice {twice}", killed.counted);
    let holds = lost == 0 && twice == 0 && killed.counted >= kills && accepted >= runs;
    let rows = rows.map(|(name, value)| (name.to_owned(), value)).to_vec();
    Ok(((rows, last), if holds { Verdict::Holds } else { Verdict::Fails }))
}

/// What goes wrong at Stripe all the while, but for these kinds of faults.
fn storm(seed: u64, without: &[&str]) -> Value {
    let mut storm = json!({
        "seed": seed,
        "delay": 50,
        "milliseconds": 400,
        "rates": {
            "cut_before_write": 15,
            "cut_after_write": 20,
            "error": 15,
            "error_saved": 6,
            "error_saved_after_write": 6,
            "conflict": 10,
            "busy": 10,
            "lock_timeout": 10,
            "rate_limit": 8,
            "delay": 10,
            "delay_after_write": 20,
        },
    });
    if let Some(rates) = storm["rates"].as_object_mut() {
        rates.retain(|kind, _| !without.contains(&kind.as_str()));
    }
    storm
}

/// Kills the server and starts it again at random moments, each with a write in flight, until all runs are fed and there
/// were as many kills as asked, those that did not count aside.
async fn kill(options: Options, server: &mut Server, sandbox: &Sandbox, feed: &Feed) -> Result<Kills> {
    let mut dice = Dice::new(options.seed);
    let mut kills = Kills::default();
    while kills.counted < options.kills || !feed.is_empty() {
        let limit = if kills.done % 10 == 5 { json!({ "total": BURST_LIMIT }) } else { json!({}) };
        sandbox.control("limits", &limit).await?;
        feed.fed(&mut dice, LONGEST_LIFE).await;
        tokio::time::sleep(Duration::from_millis(dice.below(60))).await;
        let open = some_writes(sandbox).await?;
        server.kill();
        kills.done += 1;
        let counts = sandbox.unanswered(&open).await?;
        kills.starts.push(server.restart().await?);
        if counts {
            kills.counted += 1;
            feed.killed();
        }
    }
    sandbox.control("limits", &json!({})).await?;
    Ok(kills)
}

/// The writes that the sandbox is working on, once there are any.
async fn some_writes(sandbox: &Sandbox) -> Result<Vec<u64>> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let open = sandbox.open_writes().await?;
        if !open.is_empty() {
            return Ok(open);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bail!("no write has been in flight for {} s", PATIENCE.as_secs())
}

async fn print_journal(server: &Server, run: &str) {
    let client = server.client();
    let lines = client.ask(Method::GET, &format!("/api/v1/runs/{run}/logs?limit=100"), None).await;
    match lines.as_ref().map_err(anyhow::Error::to_string).map(|answer| answer["data"].as_array()) {
        Ok(lines) => lines.into_iter().flatten().for_each(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default();
            println!("  {} {:<5} {:<16} {}", text("at"), text("level"), text("stepId"), text("message"));
        }),
        Err(error) => println!("  its journal cannot be read: {error}"),
    }
    let shown = client.ask(Method::GET, &format!("/api/v1/runs/{run}"), None).await;
    let shown = shown.context("reading it");
    println!(
        "  now: {}",
        shown.map_or_else(|error| format!("{error:#}"), |answer| answer["data"].to_string())
    );
}
