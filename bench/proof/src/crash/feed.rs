//! Feeds runs to the server and follows each to its end, whatever happens to the server meanwhile: a start that got no
//! answer is sent again under its key, and a run that needs a person gets one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::Options;
use super::case::{Case, Workflows};
use super::person;
use crate::client::Client;
use crate::dice::Dice;
use crate::sandbox::Sandbox;
use crate::server::start_run;

/// How long a run may take before it counts as lost; its longest pause between sendings is half a minute.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often a run is looked at.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a person retries a failed run.
const RETRIES: u64 = 10;

/// A run that was accepted, and what became of it.
#[derive(Debug)]
pub struct Followed {
    pub run: String,
    pub case: Case,
    /// The last that was seen.
    pub status: String,
    /// How often a person said what came of a call.
    pub resolved: u64,
    /// How often a person had it tried anew.
    pub retried: u64,
}

/// Which run is next, and whether it is time for it.
#[derive(Debug)]
pub struct Feed {
    options: Options,
    in_flight: u64,
    started: AtomicU64,
    open: AtomicU64,
    kills: AtomicU64,
    no_more_kills: AtomicBool,
}

impl Feed {
    /// Nothing has been fed.
    pub fn new(options: Options, in_flight: u64) -> Feed {
        let count = || AtomicU64::new(0);
        let no_more_kills = AtomicBool::new(false);
        Feed { options, in_flight, started: count(), open: count(), kills: count(), no_more_kills }
    }

    /// How many runs may have been started before the kill of that number has been done.
    fn share(&self, kill: u64) -> u64 {
        let Options { runs, kills, .. } = self.options;
        let paced = runs.saturating_sub(self.in_flight);
        (runs - paced) + (paced * (kill + 1)).div_ceil(kills.max(1))
    }

    /// The number of the next run, once it is time for it; nothing when enough have been fed.
    async fn next(&self) -> Option<u64> {
        loop {
            let (started, kills) = (self.started.load(Ordering::Acquire), self.kills.load(Ordering::Acquire));
            let done = kills >= self.options.kills || self.no_more_kills.load(Ordering::Acquire);
            if done && started >= self.options.runs {
                return None;
            }
            // The last kills must meet work, even where more runs than asked have to be fed for it.
            let due = done || started < self.share(kills) || self.open.load(Ordering::Acquire) == 0;
            let taken = due
                && self
                    .started
                    .compare_exchange(started, started + 1, Ordering::AcqRel, Ordering::Acquire)
                    .is_ok();
            if taken {
                self.open.fetch_add(1, Ordering::AcqRel);
                return Some(started);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns once a random part of the runs is started that may be before the next kill, or enough time has passed.
    pub async fn fed(&self, dice: &mut Dice, longest: Duration) {
        let kill = self.kills.load(Ordering::Acquire);
        let before = kill.checked_sub(1).map_or(0, |before| self.share(before));
        let wanted = before + dice.below(self.share(kill).saturating_sub(before).max(1)) + 1;
        let start = Instant::now();
        while self.started.load(Ordering::Acquire) < wanted && start.elapsed() < longest {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Whether as many runs as asked have been started.
    pub fn is_empty(&self) -> bool {
        self.started.load(Ordering::Acquire) >= self.options.runs
    }

    /// One more kill counts.
    pub fn killed(&self) {
        self.kills.fetch_add(1, Ordering::AcqRel);
    }

    /// The rest is fed at once.
    pub fn no_more_kills(&self) {
        self.no_more_kills.store(true, Ordering::Release);
    }
}

/// Starts runs one after the other and follows each to its end.
///
/// # Errors
/// The server answers what it never should.
pub async fn slot(
    feed: Arc<Feed>,
    workflows: Workflows,
    server: Client,
    sandbox: Arc<Sandbox>,
) -> Result<Vec<Followed>> {
    let mut followed = Vec::new();
    while let Some(number) = feed.next().await {
        let case = Case::of(number);
        let key = format!("crash-{}-{number}", feed.options.seed);
        let (path, body) = workflows.start(&case, &key);
        let run = start_run(&server, &path, &body).await?;
        followed.push(follow(&server, &sandbox, run, case).await?);
        feed.open.fetch_sub(1, Ordering::AcqRel);
    }
    Ok(followed)
}

async fn follow(server: &Client, sandbox: &Sandbox, run: String, case: Case) -> Result<Followed> {
    let mut followed = Followed { run, case, status: "accepted".to_owned(), resolved: 0, retried: 0 };
    let path = format!("/api/v1/runs/{}", followed.run);
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Ok(answer) = server.call(Method::GET, &path, None).await
            && answer.status == 200
        {
            let run = &answer.body["data"];
            followed.status = run["status"].as_str().unwrap_or_default().to_owned();
            match followed.status.as_str() {
                "completed" | "cancelled" | "timeout" => return Ok(followed),
                "failed" if followed.retried < RETRIES => {
                    followed.retried += u64::from(retry(server, &path).await?);
                }
                "failed" => return Ok(followed),
                _ if run["waiting"]["reason"] == "outcome_unknown" => {
                    followed.resolved += u64::from(person::resolve(server, sandbox, &followed, run).await?);
                }
                _ => {}
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(followed)
}

/// Has a failed run go on; whether the server took it.
async fn retry(server: &Client, path: &str) -> Result<bool> {
    let Ok(answer) = server.call(Method::POST, &format!("{path}/retry"), Some(&json!({}))).await else {
        return Ok(false);
    };
    match answer.status {
        202 => Ok(true),
        // Killed in between, it may have been taken before.
        409 | 503 => Ok(false),
        status => bail!("{path}/retry answered {status}: {}", answer.body),
    }
}

/// The objects whose metadata name that run and step.
pub fn stamped<'a>(objects: &'a [Value], run: &'a str, step: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| {
        object["metadata"]["loopfour_run"] == *run && object["metadata"]["loopfour_step"] == *step
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_spread_over_the_feeding() {
        let share = |runs, kills, kill| Feed::new(Options { runs, kills, seed: 1 }, 32).share(kill);
        assert_eq!((share(2000, 200, 0), share(2000, 200, 198)), (42, 1991));
        assert_eq!(share(2000, 200, 199), 2000);
        assert_eq!((share(10, 2, 0), share(10, 2, 1)), (10, 10));
    }
}
