//! Who delivers: many connections, each with the next delivery until it is answered as it should be.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::event::Event;
use crate::client::Client;

/// How long a delivery waits before it is repeated.
const PAUSE: Duration = Duration::from_millis(20);
/// How long one is repeated.
const PATIENCE: Duration = Duration::from_secs(120);

/// Deliveries that are to be made.
#[derive(Clone)]
pub struct Sender {
    client: Client,
    path: String,
    left: Arc<Mutex<VecDeque<Event>>>,
    /// How many were answered.
    count: watch::Sender<u64>,
}

/// Deliveries that were made.
#[derive(Default)]
pub struct Delivered {
    /// How long each took until its answer, the shortest first; a try without an answer does not count.
    pub latencies: Vec<Duration>,
    /// How many tries were not answered 200.
    pub repeated: u64,
}

impl Sender {
    pub fn new(client: &Client, path: &str, events: Vec<Event>) -> Sender {
        let left = Arc::new(Mutex::new(events.into()));
        Sender { client: client.clone(), path: path.to_owned(), left, count: watch::Sender::new(0) }
    }

    /// How many were answered so far.
    pub fn count(&self) -> u64 {
        *self.count.borrow()
    }

    /// Waits until so many were answered.
    pub async fn answered(&self, wanted: u64) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.count.subscribe().wait_for(|count| *count >= wanted).await;
    }

    /// Makes all of them; `status` is what answers one.
    ///
    /// # Errors
    /// One is not answered in time, or refused.
    pub async fn deliver(self, connections: usize, status: u16) -> Result<Delivered> {
        let mut tasks: JoinSet<Result<Delivered>> = JoinSet::new();
        for _ in 0..connections {
            let sender = self.clone();
            tasks.spawn(async move { sender.work(status).await });
        }
        let mut all = Delivered::default();
        while let Some(done) = tasks.join_next().await {
            let done = done??;
            all.latencies.extend(done.latencies);
            all.repeated += done.repeated;
        }
        all.latencies.sort_unstable();
        Ok(all)
    }

    async fn work(&self, status: u16) -> Result<Delivered> {
        let mut done = Delivered::default();
        loop {
            let next = self.left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(event) = next else { return Ok(done) };
            let first = Instant::now();
            loop {
                let (body, signature) = event.signed();
                let begun = Instant::now();
                match self.client.deliver(&self.path, &signature, body).await {
                    Ok(answered) if answered == status => {
                        done.latencies.push(begun.elapsed());
                        break;
                    }
                    Ok(refused @ 400..500) => bail!("a delivery was refused: {refused}"),
                    Ok(_) | Err(_) if first.elapsed() > PATIENCE => {
                        bail!("a delivery was not answered in time")
                    }
                    Ok(_) | Err(_) => {
                        done.repeated += 1;
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
            self.count.send_modify(|count| *count += 1);
        }
    }
}
