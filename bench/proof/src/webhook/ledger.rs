//! What the server has in the end: its events, and its runs by workflow and event.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::Value;

use super::event::{id, is_large};
use crate::client::Client;

/// How long the last runs may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often it is looked whether they are through.
const PAUSE: Duration = Duration::from_millis(200);

/// What is there.
pub struct Ledger {
    /// The provider's ids of the events, each as often as it is listed.
    events: HashMap<String, u64>,
    /// For each of the two workflows, how many runs there are for each of those ids.
    runs: [HashMap<String, u64>; 2],
}

/// What it comes to.
pub struct Counted {
    /// Distinct events that are kept.
    pub accepted: u64,
    /// Runs that are missing, and events.
    pub lost: u64,
    /// Runs that are there once too often, and events.
    pub twice: u64,
}

impl Ledger {
    /// Reads everything once no event is left to be handed over and every run has ended.
    ///
    /// # Errors
    /// That does not come to pass in time, or the server refuses.
    pub async fn read(client: &Client, workflows: [&str; 2]) -> Result<Ledger> {
        let begun = Instant::now();
        while !is_through(client).await? {
            if begun.elapsed() > PATIENCE {
                bail!("events or runs are left after {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(PAUSE).await;
        }
        let mut events = HashMap::new();
        for event in all(client, "/api/v1/events?").await? {
            let id = event["providerEventId"].as_str().context("each event has the provider's id")?;
            *events.entry(id.to_owned()).or_default() += 1;
        }
        let mut runs = [HashMap::new(), HashMap::new()];
        for (workflow, runs) in workflows.iter().zip(&mut runs) {
            for run in all(client, &format!("/api/v1/runs?workflowId={workflow}&")).await? {
                if run["status"] != "completed" {
                    bail!("a run did not complete: {run}");
                }
                let id = run["input"]["id"].as_str().context("each run has an event as its input")?;
                *runs.entry(id.to_owned()).or_default() += 1;
            }
        }
        Ok(Ledger { events, runs })
    }

    /// What is there, against what is to be there: each event once, and once in each workflow that listens to it.
    pub fn judge(&self, events: u64) -> Counted {
        let wanted: [HashSet<String>; 2] =
            [(0..events).map(id).collect(), (0..events).filter(|number| is_large(*number)).map(id).collect()];
        let kept = [(&wanted[0], &self.events), (&wanted[0], &self.runs[0]), (&wanted[1], &self.runs[1])];
        let (mut lost, mut twice) = (0, 0);
        for (wanted, found) in kept {
            lost += wanted.iter().filter(|id| !found.contains_key(*id)).count() as u64;
            twice += found
                .iter()
                .map(|(id, count)| if wanted.contains(id) { count - 1 } else { *count })
                .sum::<u64>();
        }
        Counted { accepted: self.events.len() as u64, lost, twice }
    }
}

/// Whether every event is handed over and every run has ended.
async fn is_through(client: &Client) -> Result<bool> {
    let lists = [
        "/api/v1/events?status=stored&limit=1",
        "/api/v1/runs?status=pending&limit=1",
        "/api/v1/runs?status=running&limit=1",
        "/api/v1/runs?status=waiting&limit=1",
    ];
    for list in lists {
        let page = client.ask(Method::GET, list, None).await?;
        if page["data"].as_array().is_none_or(|rows| !rows.is_empty()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// All of a list.
async fn all(client: &Client, path: &str) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut page = client.ask(Method::GET, &format!("{path}limit=100{cursor}"), None).await?;
        let Value::Array(rows) = page["data"].take() else { bail!("{path} answers no list") };
        found.extend(rows);
        match page["meta"]["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is missing and what is there too often is seen, among events and among runs of either workflow.
    #[test]
    fn what_is_wrong_is_counted() {
        // Numbers 4998 to 5001: the last two are large.
        let ids: Vec<String> = (0..5002).map(id).collect();
        let whole = || Ledger {
            events: ids.iter().map(|id| (id.clone(), 1)).collect(),
            runs: [
                ids.iter().map(|id| (id.clone(), 1)).collect(),
                ids[5000..].iter().map(|id| (id.clone(), 1)).collect(),
            ],
        };
        let check = |ledger: Ledger, expected: (u64, u64, u64)| {
            let Counted { accepted, lost, twice } = ledger.judge(5002);
            assert_eq!((accepted, lost, twice), expected);
        };
        check(whole(), (5002, 0, 0));
        let mut ledger = whole();
        ledger.events.remove(&ids[7]);
        ledger.runs[0].remove(&ids[7]);
        check(ledger, (5001, 2, 0));
        let mut ledger = whole();
        ledger.runs[1].insert(ids[5000].clone(), 3);
        check(ledger, (5002, 0, 2));
        let mut ledger = whole();
        ledger.runs[1].insert(ids[0].clone(), 1);
        check(ledger, (5002, 0, 1));
    }
}
