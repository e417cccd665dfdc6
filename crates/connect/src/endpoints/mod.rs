//! Tells Stripe where to send a company's events: which endpoint each connection needs (`plan`), bringing it about
//! (`register`), and what a person is told (`words`). What could not be done is tried again until it works, or is not
//! wanted any more. Asking for events instead is `polling`'s.

mod plan;
mod register;
mod words;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use loopfour_engine::call::Account;
use loopfour_engine::connections::KeepError;
use loopfour_engine::ports::BoxFuture;
use loopfour_engine::provider_events::{Endpoint, Endpoints};
use loopfour_engine::{Actor, CompanyId, ConnectionId, Timestamp};

use self::register::Outcome;
use crate::Connect;
use crate::live::Live;
use crate::stripe::Stripe;

/// So long whoever asks waits for Stripe; the work goes on after that.
const PATIENCE: Duration = Duration::from_secs(20);
/// So long a connection that ends waits for Stripe.
const FAREWELL: Duration = Duration::from_secs(5);
/// What did not work is tried again after so many minutes, the last one for ever.
const AGAIN_AFTER: [i64; 4] = [1, 5, 15, 60];

/// Where Stripe, or the sandbox, may send events.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    /// Where others reach this server.
    pub(crate) public: Option<String>,
    /// Where it listens.
    pub(crate) own: Option<String>,
}

/// What is wanted of Stripe, and what was looked at.
#[derive(Default)]
pub(crate) struct Registrar {
    addresses: Addresses,
    companies: Mutex<HashMap<CompanyId, Arc<Company>>>,
}

#[derive(Default)]
struct Company {
    /// The newest wish.
    wish: Mutex<Wish>,
    /// How often it was settled.
    rounds: AtomicU64,
    /// Held by whoever settles it: the accounts at which connections' endpoints were seen as they should be, since the
    /// start.
    seen: tokio::sync::Mutex<HashMap<ConnectionId, Account>>,
}

#[derive(Clone)]
struct Wish {
    /// Types, sorted, or `*` alone.
    events: Vec<String>,
    by: Actor,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish { events: Vec::new(), by: Actor::system("start") }
    }
}

impl Registrar {
    pub(crate) fn at(addresses: Addresses) -> Registrar {
        Registrar { addresses, ..Registrar::default() }
    }

    fn company(&self, id: CompanyId) -> Arc<Company> {
        Arc::clone(lock(&self.companies).entry(id).or_default())
    }
}

impl Endpoints for Connect {
    fn settle<'a>(
        &'a self,
        company: CompanyId,
        events: Vec<String>,
        by: &'a Actor,
    ) -> BoxFuture<'a, Vec<Endpoint>> {
        let stripe = Arc::clone(&self.stripe);
        let wish = Wish { events: plan::types(events), by: by.clone() };
        *lock(&stripe.registrar.company(company).wish) = wish.clone();
        Box::pin(async move {
            // In a task of its own: what has begun ends, whether somebody waits or not.
            let work = tokio::spawn(work(Arc::clone(&stripe), company, 0));
            match tokio::time::timeout(PATIENCE, work).await {
                Ok(Ok(endpoints)) => endpoints,
                Ok(Err(_)) | Err(_) => plan::of(&stripe, company, &wish.events)
                    .into_iter()
                    .filter_map(|planned| words::no_answer(&stripe.registrar.addresses, &planned))
                    .collect(),
            }
        })
    }
}

/// Deletes the endpoint of a connection that is about to end, and forgets what signs its events. Where Stripe does not
/// answer in time the endpoint stays; what it sends is refused then, until Stripe gives up.
///
/// # Errors
/// The storage failed.
pub(crate) async fn leave(stripe: &Arc<Stripe>, live: &Arc<Live>, by: &Actor) -> Result<(), KeepError> {
    let (registry, whose) = (&stripe.registry, (live.row.company, live.row.id));
    let Some(told) = registry.secrets.registration(whose.0, whose.1) else { return Ok(()) };
    if live.is_active() {
        let _ = tokio::time::timeout(FAREWELL, stripe.delete_endpoint(live, &told.endpoint)).await;
    }
    registry.secrets.forget_registration(registry.store(), whose, (by, registry.now())).await
}

/// Settles a company after the newest wish; one at a time.
fn work(stripe: Arc<Stripe>, company: CompanyId, tries: usize) -> BoxFuture<'static, Vec<Endpoint>> {
    Box::pin(async move {
        let state = stripe.registrar.company(company);
        let mut seen = state.seen.lock().await;
        let round = state.rounds.fetch_add(1, Ordering::Relaxed) + 1;
        let Wish { events, by } = lock(&state.wish).clone();
        let planned = plan::of(&stripe, company, &events);
        let nobody = !events.is_empty() && !planned.iter().any(plan::Planned::is_shown);
        // At once: each waits for its own account's answers.
        let works: Vec<_> = planned
            .into_iter()
            .map(|planned| {
                let seen = seen.get(&planned.live.row.id).cloned();
                tokio::spawn(register::register(Arc::clone(&stripe), planned, seen, by.clone()))
            })
            .collect();
        let mut outcomes = Vec::with_capacity(works.len());
        for work in works {
            // One that panicked is as good as none, and a defect.
            outcomes.extend(work.await);
        }
        *seen = outcomes.iter().filter_map(Outcome::seen).collect();
        drop(seen);
        if outcomes.iter().any(|outcome| outcome.again) {
            tokio::spawn(again(Arc::downgrade(&stripe), company, round, tries));
        }
        if nobody {
            return vec![words::no_connection(&stripe.registrar.addresses, company, &events)];
        }
        outcomes.into_iter().filter_map(|outcome| outcome.endpoint).collect()
    })
}

/// Settles a company once more after a while, unless somebody did meanwhile.
async fn again(stripe: Weak<Stripe>, company: CompanyId, round: u64, tries: usize) {
    let Some(clock) = stripe.upgrade().map(|stripe| Arc::clone(&stripe.registry.clock)) else { return };
    let minutes = AGAIN_AFTER[tries.min(AGAIN_AFTER.len() - 1)];
    clock.until(Timestamp(clock.now().0.saturating_add(minutes * 60_000))).await;
    let Some(stripe) = stripe.upgrade() else { return };
    if stripe.registrar.company(company).rounds.load(Ordering::Relaxed) == round {
        work(stripe, company, tries.saturating_add(1)).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
