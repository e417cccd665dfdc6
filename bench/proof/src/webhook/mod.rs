//! `webhook-test`: signed events by the thousand from many connections, some of them twice, while the server is killed and
//! started again. The sender repeats what was not answered 200, as Stripe does. In the end every event must be there, and
//! must have run each workflow that listens exactly once, by the server's own list of runs.
//!
//! What the store costs is told beside it: the same requests, rightly signed, with an event of the thin form, which goes
//! the same way up to the store and is refused there.

mod event;
mod ledger;
mod sender;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::{Value, json};

use crate::Verdict;
use crate::dice::Dice;
use crate::process;
use crate::sandbox::Sandbox;
use crate::server::{Server, Setup};

use event::{Event, SECRET};
use ledger::Ledger;
use sender::{Delivered, Sender};

/// How many connections deliver.
const CONNECTIONS: usize = 64;
/// How often the server is killed.
const KILLS: usize = 2;
/// How many requests show what all but the store costs.
const BARE: usize = 5000;

/// What is delivered.
pub struct Options {
    /// Distinct events.
    pub events: u64,
    /// Deliveries in all, so that some events come twice.
    pub deliveries: u64,
    /// Where the random order begins.
    pub seed: u64,
}

/// Delivers, kills, and counts.
///
/// # Errors
/// A process does not do what it must for the test.
pub async fn run(options: Options) -> Result<Verdict> {
    let Options { events, deliveries, seed } = options;
    println!("webhook-test --events {events} --deliveries {deliveries} --seed {seed}");
    let settings =
        [("LOOPFOUR_RATE_LIMITS", "off"), ("LOOPFOUR_STRIPE_PACE", "off"), ("STRIPE_WEBHOOK_SECRET", SECRET)];
    println!("limits off: LOOPFOUR_RATE_LIMITS=off LOOPFOUR_STRIPE_PACE=off");
    let folder = process::folder("webhook")?;
    let sandbox = Sandbox::start(folder.path()).await?;
    let setup = Setup { folder: folder.path(), stripe: sandbox.address, settings: &settings };
    let mut server = Server::start(setup).await?;
    let all = server.activate(&listener("All paid", &json!({}))).await?;
    let large = server
        .activate(&listener("Large ones", &json!({"data.object.amount_paid": {"$gte": event::LARGE}})))
        .await?;
    let company = server.client().ask(Method::GET, "/api/v1/me", None).await?;
    let company = company["data"]["company"]["id"].as_str().context("the key has a company")?;
    let path = format!("/webhooks/stripe/{company}");

    let bare = Sender::new(&server.client(), &path, vec![Event::thin(); BARE]);
    let begun = Instant::now();
    let without = bare.deliver(CONNECTIONS, 400).await?;
    report("without the store", &without, begun.elapsed());

    let order = shuffled(events, deliveries, &mut Dice::new(seed));
    let sender = Sender::new(&server.client(), &path, order.into_iter().map(Event::paid).collect());
    let delivery = tokio::spawn(sender.clone().deliver(CONNECTIONS, 200));
    let mut up = Duration::ZERO;
    let mut since = Instant::now();
    for kill in 1..=KILLS {
        sender.answered(deliveries * kill as u64 / (KILLS as u64 + 1)).await;
        up += since.elapsed();
        server.kill();
        println!("killed after {} answers", sender.count());
        let took = server.restart().await?;
        println!("ready again after {} ms", took.as_millis());
        since = Instant::now();
    }
    let with = delivery.await??;
    up += since.elapsed();
    report("with the store", &with, up);
    println!("{} deliveries had to be repeated", with.repeated);

    let ledger = Ledger::read(&server.client(), [&all, &large]).await?;
    let counted = ledger.judge(events);
    println!("accepted {}, lost {}, twice {}", counted.accepted, counted.lost, counted.twice);
    let holds = counted.accepted == events && counted.lost == 0 && counted.twice == 0;
    Ok(if holds { Verdict::Holds } else { Verdict::Fails })
}

/// A workflow that listens and calls nobody.
fn listener(name: &str, filter: &Value) -> Value {
    let mut trigger = json!({"type": "webhook", "provider": "stripe", "events": ["invoice.*"]});
    if filter != &json!({}) {
        trigger["filter"] = filter.clone();
    }
    let never = json!({"left": "{{input.type}}", "operator": "eq", "right": "never"});
    json!({"name": name, "trigger": trigger, "steps": [
        {"id": "check", "type": "condition", "config": {"conditions": never, "then": ["read"]}},
        {"id": "read", "type": "action", "action": "stripe.getBalance", "config": {}},
    ]})
}

/// The numbers of the events as they are delivered: each once, the rest again, in a random order.
fn shuffled(events: u64, deliveries: u64, dice: &mut Dice) -> Vec<u64> {
    let again = deliveries.saturating_sub(events);
    let mut order: Vec<u64> = (0..events).chain((0..again).map(|_| dice.below(events))).collect();
    for at in (1..order.len()).rev() {
        let other = usize::try_from(dice.below(at as u64 + 1)).unwrap_or_default();
        order.swap(at, other);
    }
    order
}

fn report(what: &str, delivered: &Delivered, took: Duration) {
    let rate = delivered.latencies.len() as f64 / took.as_secs_f64();
    let at = |share: usize| {
        let last = delivered.latencies.len().saturating_sub(1);
        delivered.latencies.get(last * share / 100).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    };
    println!("{what}: {rate:.0} events/s, accepted in p50 {:.1} ms, p99 {:.1} ms", at(50), at(99));
}
