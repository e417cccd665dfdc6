//! Sends what companies want to be told, from the outbox: one task that wakes up when something is put in or due, and
//! never looks around; each message is sent in a task of its own. Who does not answer holds up nobody else, is tried again
//! later, and is told no more after days without success.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use loopfour_engine::notices::{Outbox, Teller, Telling, Untold};
use loopfour_engine::ports::{Clock, JournalError};
use loopfour_engine::{MessageId, NoticeId, Timestamp};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{debug, error, warn};

/// A message that did not arrive is sent again after so many milliseconds, and then no more.
const PAUSES: [i64; 5] = [5_000, 60_000, 600_000, 3_600_000, 21_600_000];

/// Where nothing arrives for so long, nothing is sent any more, milliseconds: 3 days.
const PATIENCE: i64 = 3 * 24 * 60 * 60 * 1_000;

/// Before the storage is asked again that did not answer, milliseconds.
const STORAGE_PAUSE: i64 = 1_000;

/// So many messages are under way to one notice; to one where nothing arrives, a single one.
const TO_ONE: usize = 4;

/// So many are under way in all, and half as many at most to notices where nothing arrives.
const AT_ONCE: usize = 128;

/// Sends messages. Clones are handles of the same.
pub struct Notices<O, C> {
    shared: Arc<Shared<O, C>>,
}

impl<O, C> Clone for Notices<O, C> {
    fn clone(&self) -> Self {
        Notices { shared: Arc::clone(&self.shared) }
    }
}

struct Shared<O, C> {
    outbox: O,
    teller: Arc<dyn Teller>,
    clock: C,
    stopping: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl<O: Outbox, C: Clock> Notices<O, C> {
    /// Over these ports. Sends nothing until it is told to start.
    pub fn new(outbox: O, teller: Arc<dyn Teller>, clock: C) -> Notices<O, C> {
        let (stopping, task) = (watch::Sender::new(false), Mutex::default());
        Notices { shared: Arc::new(Shared { outbox, teller, clock, stopping, task }) }
    }

    /// Begins to send what is due. To be called once.
    pub fn start(&self) {
        let notices = self.clone();
        let task = tokio::spawn(async move { notices.work().await });
        *self.shared.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Begins no further sending; those under way may take `grace` to be answered. What is left is sent after the next
    /// start: perhaps a second time, under the same id.
    pub async fn stop(&self, grace: Duration) {
        self.shared.stopping.send_replace(true);
        let task = self.shared.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut task) = task
            && tokio::time::timeout(grace, &mut task).await.is_err()
        {
            // The sendings end with it.
            task.abort();
            let _ = task.await;
        }
    }

    async fn work(&self) {
        let (mut sendings, mut under_way, mut seen) = (JoinSet::new(), UnderWay::default(), 0);
        while !self.is_stopping() {
            let now = self.now();
            let next = match self.begin(&mut sendings, &mut under_way, now).await {
                Ok(next) => next,
                Err(cause) => {
                    error!(%cause, "what is to be told cannot be read; it is tried again");
                    Some(later(now, STORAGE_PAUSE))
                }
            };
            // Where there is no room, only an end makes some.
            let has_room = under_way.messages.len() < AT_ONCE;
            tokio::select! {
                ended = sendings.join_next(), if !sendings.is_empty() => {
                    under_way.end(ended);
                    while let Some(ended) = sendings.try_join_next() {
                        under_way.end(Some(ended));
                    }
                }
                put_in = self.shared.outbox.put_in(seen), if has_room => seen = put_in,
                () = self.reach(next), if has_room => {}
                () = self.stopped() => {}
            }
        }
        while sendings.join_next().await.is_some() {}
    }

    /// Begins to send what is due and has room, and says when something else is.
    async fn begin(
        &self,
        sendings: &mut JoinSet<Telling>,
        under_way: &mut UnderWay,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, JournalError> {
        for telling in under_way.choose(self.shared.outbox.due(now, TO_ONE).await?) {
            under_way.begin(&telling);
            let notices = self.clone();
            sendings.spawn(async move {
                notices.send(&telling).await;
                telling
            });
        }
        // What is due by now and was not begun waits for one that is under way.
        self.shared.outbox.next_due(now).await
    }

    /// Sends once, and stores what came of it.
    async fn send(&self, telling: &Telling) {
        let telling_it = AssertUnwindSafe(self.shared.teller.tell(telling, self.now())).catch_unwind();
        let told = telling_it.await.unwrap_or_else(|_| {
            Err(Untold::Failed("the server met a defect of its own; see its log, and report it".to_owned()))
        });
        loop {
            let stored = match &told {
                Ok(_) => self.shared.outbox.delivered(telling, self.now()).await,
                Err(untold) => self.failed(telling, untold).await,
            };
            let Err(cause) = stored else { return };
            error!(%cause, message = %telling.id, "what came of a message could not be stored; it is tried again");
            self.reach(Some(later(self.now(), STORAGE_PAUSE))).await;
            if self.is_stopping() {
                return;
            }
        }
    }

    async fn failed(&self, telling: &Telling, untold: &Untold) -> Result<(), JournalError> {
        let (outbox, now, reason) = (&self.shared.outbox, self.now(), untold.to_string());
        debug!(notice = %telling.notice, message = %telling.id, reason, "a message did not arrive");
        let why = match untold {
            Untold::Gone => reason,
            Untold::Status(_) | Untold::Failed(_) => {
                let next = next_try(telling.attempts, now);
                let since = outbox.failed(telling, &reason, next, now).await?;
                if since.is_none_or(|since| now.0.saturating_sub(since.0) < PATIENCE) {
                    return Ok(());
                }
                format!("nothing arrived for 3 days; the last try: {reason}")
            }
        };
        warn!(notice = %telling.notice, company = %telling.company, why, "a notice is disabled");
        outbox.disable(telling, &why, now).await
    }

    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Waits until then, or for ever, but not beyond the stop.
    async fn reach(&self, at: Option<Timestamp>) {
        let then = async {
            match at {
                Some(at) => self.shared.clock.until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = then => {}
            () = self.stopped() => {}
        }
    }

    fn is_stopping(&self) -> bool {
        *self.shared.stopping.borrow()
    }

    async fn stopped(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.shared.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }
}

/// When a message is sent again that did not arrive so often before; `None`: never.
fn next_try(attempts: u32, now: Timestamp) -> Option<Timestamp> {
    let pause = PAUSES.get(usize::try_from(attempts).ok()?)?;
    Some(later(now, *pause))
}

fn later(now: Timestamp, milliseconds: i64) -> Timestamp {
    Timestamp(now.0.saturating_add(milliseconds))
}

/// The messages that are being sent.
#[derive(Default)]
struct UnderWay {
    messages: HashSet<MessageId>,
    to: HashMap<NoticeId, usize>,
    /// Of them those to notices where nothing arrives.
    failing: HashSet<MessageId>,
}

impl UnderWay {
    /// Which of these are sent now: first where messages arrive and fewest are under way, then the oldest.
    fn choose(&self, due: Vec<Telling>) -> Vec<Telling> {
        let mut to: HashMap<NoticeId, usize> = self.to.clone();
        let mut ranked = Vec::new();
        for telling in due.into_iter().filter(|telling| !self.messages.contains(&telling.id)) {
            let others = to.entry(telling.notice).or_default();
            let most = if telling.is_failing { 1 } else { TO_ONE };
            if *others < most {
                ranked.push(((telling.is_failing, *others, telling.id), telling));
                *others += 1;
            }
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        let room = AT_ONCE.saturating_sub(self.messages.len());
        let mut room_for_failing = (AT_ONCE / 2).saturating_sub(self.failing.len());
        let mut chosen = Vec::new();
        for (_, telling) in ranked {
            if chosen.len() == room || (telling.is_failing && room_for_failing == 0) {
                break;
            }
            room_for_failing -= usize::from(telling.is_failing);
            chosen.push(telling);
        }
        chosen
    }

    fn begin(&mut self, telling: &Telling) {
        self.messages.insert(telling.id);
        *self.to.entry(telling.notice).or_default() += 1;
        if telling.is_failing {
            self.failing.insert(telling.id);
        }
    }

    /// One ended; what it gave is its message.
    fn end(&mut self, ended: Option<Result<Telling, tokio::task::JoinError>>) {
        let Some(ended) = ended else { return };
        let telling = match ended {
            Ok(telling) => telling,
            // Nothing in it panics that is not caught, and nobody aborts it but the end of the process.
            Err(cause) => {
                error!(%cause, "sending a message met a defect; it is sent again after the next start");
                return;
            }
        };
        self.messages.remove(&telling.id);
        self.failing.remove(&telling.id);
        if let Some(others) = self.to.get_mut(&telling.notice) {
            *others -= 1;
            if *others == 0 {
                self.to.remove(&telling.notice);
            }
        }
    }
}
