//! `bench recovery`: many runs that each wait for the answer to a write, a kill -9, and how long the next process takes from
//! its start until the last of them has sent its call again or stands queued with a reason, by the server's own log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use tokio::task::JoinSet;

use crate::Verdict;
use crate::process;
use crate::sandbox::Sandbox;
use crate::server::{Server, Setup, start_run};

const SETTINGS: [(&str, &str); 2] = [("LOOPFOUR_RATE_LIMITS", "off"), ("LOOPFOUR_STRIPE_PACE", "off")];
/// What the server says once no unfinished run is left behind.
const SAYS: &str = "recovered unfinished runs";
/// What is aimed at.
const AIM: Duration = Duration::from_secs(2);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);
const STARTERS: usize = 16;

/// Makes the runs, kills, starts, and prints how long it took.
///
/// # Errors
/// A process does not do what it must for the measurement.
pub async fn run(runs: u64) -> Result<Verdict> {
    println!("bench recovery --runs {runs}");
    println!("limits off: {}", SETTINGS.map(|(name, value)| format!("{name}={value}")).join(" "));
    let folder = process::folder("recovery")?;
    let sandbox = Sandbox::start(folder.path()).await?;
    // Every write is held until long after the measurement, most of them before anything is written.
    sandbox.control("storm", &json!({"methods": ["POST"], "delay": 600_000})).await?;
    let setup = Setup { folder: folder.path(), stripe: sandbox.address, settings: &SETTINGS };
    let mut server = Server::start(setup).await?;
    let config = json!({"name": "{{input.name}}", "email": "{{input.email}}"});
    let step = json!({"id": "create", "type": "action", "action": "stripe.createCustomer", "config": config});
    let definition = json!({"name": "Recovery", "trigger": {"type": "api"}, "steps": [step]});
    let path = format!("/api/v1/workflows/{}/run", server.activate(&definition).await?);
    start_all(&server, &path, runs).await?;
    await_writes(&sandbox, runs).await?;
    server.kill();
    println!("{runs} writes in flight; killed");

    let said = server.log()?.matches(SAYS).count();
    let begun = Instant::now();
    server.spawn()?;
    let (took, line) = loop {
        if let Some(line) = server.log()?.lines().filter(|line| line.contains(SAYS)).nth(said) {
            break (begun.elapsed(), line.to_owned());
        }
        if begun.elapsed() > PATIENCE {
            bail!("the server did not say `{SAYS}` within {} s\n{}", PATIENCE.as_secs(), server.log()?);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    println!("the server says: {line}");
    await_writes(&sandbox, runs).await?;
    println!("{runs} writes in flight again after {} ms", begun.elapsed().as_millis());
    println!(
        "recovery of {runs} runs: {} ms after the start of the process (aim {} ms)",
        took.as_millis(),
        AIM.as_millis()
    );
    Ok(if took <= AIM { Verdict::Holds } else { Verdict::Fails })
}

async fn start_all(server: &Server, path: &str, runs: u64) -> Result<()> {
    let next = Arc::new(AtomicU64::new(0));
    let mut starters: JoinSet<Result<()>> = JoinSet::new();
    for _ in 0..STARTERS {
        let (client, path, next) = (server.client(), path.to_owned(), Arc::clone(&next));
        starters.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= runs {
                    return Ok(());
                }
                let email = format!("recovery-{number}@proof.example");
                start_run(&client, &path, &json!({"input": {"name": "Ada", "email": email}})).await?;
            }
        });
    }
    while let Some(starter) = starters.join_next().await {
        starter??;
    }
    Ok(())
}

/// Waits until that many writes are in flight.
async fn await_writes(sandbox: &Sandbox, wanted: u64) -> Result<()> {
    let begun = Instant::now();
    loop {
        let open = sandbox.open_writes().await?.len() as u64;
        if open >= wanted {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!("{open} writes are in flight after {} s, not {wanted}", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
