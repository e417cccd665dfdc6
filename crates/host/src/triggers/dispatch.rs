//! The dispatcher: one task that hands over what is due, in the order in which it came in. Several runs are being started
//! at a time, but their starts begin one after the other, so that who came first is first in every queue.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use futures_util::stream::{self, StreamExt as _};
use loopfour_engine::cause::Cause;
use loopfour_engine::ports::{Clock, Journal, JournalError, Start, StartError};
use loopfour_engine::provider_events::{HandOver, Inbox};
use loopfour_engine::schedules::Schedules;
use tracing::{debug, error, warn};

use super::hand_over::{Ready, shortened};
use super::{Triggers, defect, next_try};

/// So many hand-overs are read at a time,
const BATCH: usize = 256;

/// so many are made ready ahead, and so many runs are being started at once.
const AT_ONCE: usize = 64;

/// Shut as soon as there is no room for runs, or the storage takes nothing: what is left of the batch waits, so that
/// nothing overtakes what was refused.
#[derive(Clone, Default)]
struct Gate(Arc<AtomicBool>);

impl Gate {
    fn is_shut(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn shut(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// What became of a start; `Err`: it panicked.
type Begun = std::thread::Result<Result<(), StartError>>;

impl<S: Inbox + Schedules + Journal, C: Clock> Triggers<S, C> {
    /// Hands over what is due, until it is stopped.
    pub(super) async fn dispatch(&self) {
        let mut seen = 0;
        while !self.is_stopping() {
            match self.shared.store.due(self.now(), BATCH).await {
                Ok(due) if due.is_empty() => seen = self.more_due(seen).await,
                Ok(due) => {
                    if !self.hand_over_all(due).await {
                        self.pause().await;
                    }
                }
                Err(error) => {
                    error!(%error, "what is to be handed over cannot be read; it is tried again");
                    self.pause().await;
                }
            }
        }
    }

    /// Waits until something is due, or was put in. Says how often something was put in.
    async fn more_due(&self, seen: u64) -> u64 {
        let next = async {
            match self.shared.store.next_due().await {
                Ok(Some(at)) => self.shared.clock.until(at).await,
                Ok(None) => std::future::pending().await,
                Err(_) => self.pause().await,
            }
        };
        tokio::select! {
            put_in = self.shared.store.put_in(seen) => put_in,
            () = next => seen,
            () = self.stopped() => seen,
        }
    }

    /// Hands over in this order. False if something of it is still due: there was no room for it.
    async fn hand_over_all(&self, due: Vec<HandOver>) -> bool {
        let gate = Gate::default();
        let open = gate.clone();
        let due = stream::iter(due).take_while(|_| ready(!open.is_shut()));
        let made_ready = due.map(|hand_over| {
            let triggers = self.clone();
            async move {
                let ready = AssertUnwindSafe(triggers.ready(hand_over)).catch_unwind().await;
                (hand_over, ready.unwrap_or_else(|_| Ready::Failed(defect())))
            }
        });
        let handed = made_ready
            .buffered(AT_ONCE)
            .map(|(hand_over, ready)| self.hand_over(hand_over, ready, gate.clone()))
            .buffered(AT_ONCE);
        handed.for_each(|()| async {}).await;
        !gate.is_shut()
    }

    /// Begins the start of its run now, and gives what sees it through.
    fn hand_over(&self, hand_over: HandOver, ready: Ready, gate: Gate) -> BoxFuture<'static, ()> {
        let ready = match ready {
            _ if gate.is_shut() || self.is_stopping() => return Box::pin(async {}),
            // It may have been paused or changed since it was made ready.
            Ready::Start(start) if !self.is_current(&start) => return self.not_now(&gate),
            ready => ready,
        };
        let triggers = self.clone();
        match ready {
            Ready::Start(start) => {
                let mut begun = self.begin(*start);
                let at_once = begun.as_mut().now_or_never();
                if let Some(Ok(Err(StartError::Busy | StartError::Stopping))) = at_once {
                    return self.not_now(&gate);
                }
                Box::pin(async move {
                    let begun = match at_once {
                        Some(begun) => begun,
                        None => begun.await,
                    };
                    triggers.settle(hand_over, begun, &gate).await;
                })
            }
            Ready::Withdrawn(why) => {
                debug!(cause = %hand_over.cause, workflow = %hand_over.workflow, why, "a hand-over is withdrawn");
                Box::pin(async move { triggers.withdraw(hand_over, &gate).await })
            }
            Ready::Failed(reason) => Box::pin(async move { triggers.failed(hand_over, reason, &gate).await }),
            Ready::Dead(reason) => Box::pin(async move { triggers.dead(hand_over, reason, &gate).await }),
            Ready::NotNow(error) => {
                error!(%error, cause = %hand_over.cause, "what is to be handed over cannot be read; it is tried again");
                self.not_now(&gate)
            }
        }
    }

    fn not_now(&self, gate: &Gate) -> BoxFuture<'static, ()> {
        gate.shut();
        Box::pin(async {})
    }

    fn is_current(&self, start: &Start) -> bool {
        self.current_version(start.company, start.workflow, start.trigger) == Some(start.version)
    }

    /// A start that is not begun yet.
    pub(super) fn begin(&self, start: Start) -> BoxFuture<'static, Begun> {
        let runs = Arc::clone(&self.shared.runs);
        Box::pin(AssertUnwindSafe(async move { runs.start(start).await.map(|_| ()) }).catch_unwind())
    }

    async fn settle(&self, hand_over: HandOver, begun: Begun, gate: &Gate) {
        match begun {
            Ok(Ok(())) => self.release(hand_over),
            // It was started before, and that was not heard of here.
            Ok(Err(StartError::Journal(JournalError::Exists { .. }))) => {
                self.withdraw(hand_over, gate).await;
            }
            Ok(Err(StartError::Busy | StartError::Stopping)) => gate.shut(),
            Ok(Err(StartError::Journal(error @ (JournalError::Full(_) | JournalError::Storage(_))))) => {
                error!(%error, cause = %hand_over.cause, "a run could not be recorded; it is tried again");
                gate.shut();
            }
            Ok(Err(StartError::Journal(
                error @ (JournalError::Conflict { .. } | JournalError::Missing(_)),
            ))) => {
                self.failed(hand_over, error.to_string(), gate).await;
            }
            Err(_) => self.failed(hand_over, defect(), gate).await,
        }
    }

    async fn failed(&self, hand_over: HandOver, reason: String, gate: &Gate) {
        match next_try(hand_over.attempts, self.now()) {
            Some(next) => {
                warn!(cause = %hand_over.cause, workflow = %hand_over.workflow, reason, "a hand-over failed");
                let failed =
                    self.shared.store.failed(hand_over, shortened(reason), Some(next), self.now()).await;
                self.stored(hand_over, failed, gate);
            }
            None => self.dead(hand_over, reason, gate).await,
        }
    }

    async fn dead(&self, hand_over: HandOver, reason: String, gate: &Gate) {
        error!(
            cause = %hand_over.cause,
            workflow = %hand_over.workflow,
            reason,
            "a hand-over failed for good; replay the event once its reason is gone"
        );
        let failed = self.shared.store.failed(hand_over, shortened(reason), None, self.now()).await;
        self.stored(hand_over, failed, gate);
    }

    async fn withdraw(&self, hand_over: HandOver, gate: &Gate) {
        let withdrawn = self.shared.store.withdraw(hand_over).await;
        self.stored(hand_over, withdrawn, gate);
    }

    /// What became of a hand-over is stored, or it is due still.
    fn stored(&self, hand_over: HandOver, stored: Result<(), JournalError>, gate: &Gate) {
        match stored {
            Ok(()) => self.release(hand_over),
            Err(error) => {
                error!(%error, cause = %hand_over.cause, "what became of a hand-over cannot be stored; it is tried again");
                gate.shut();
            }
        }
    }

    /// For now the event is not needed for it any more.
    fn release(&self, hand_over: HandOver) {
        if let Cause::Event { event, .. } = hand_over.cause {
            self.shared.bodies.settle(event);
        }
    }
}
