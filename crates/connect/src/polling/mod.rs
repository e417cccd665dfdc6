//! Asks Stripe for the events of connections with `events: poll`, where no address of ours can be reached: every few seconds,
//! from where it left off, oldest first. What became of an event is decided by whoever takes it in; one that comes twice is
//! told apart there.

mod window;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use loopfour_engine::call::Account;
use loopfour_engine::connections::{Connection, EventSource, KeepError};
use loopfour_engine::ports::JournalError;
use loopfour_engine::provider_events::{Entrance, Incoming, Intake, Signer};
use loopfour_engine::{Actor, CompanyId, ConnectionId, Failure, Timestamp};
use loopfour_lang::{Document, Value};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{JoinHandle, JoinSet};

use self::window::{Head, Window};
use crate::Connect;
use crate::live::Live;
use crate::registry::{Amendment, Registry};
use crate::senders::candidates;
use crate::stripe::Stripe;

/// How often events are asked for, milliseconds.
const EVERY: i64 = 5_000;
/// The longest wait after something went wrong, milliseconds.
const LONGEST_WAIT: i64 = 300_000;
/// The most events that are held at once; the oldest come first, and the others right after them.
const MOST: usize = 1_000;
/// After so many failures in a row people are told.
const FAILURES_TOLD: u32 = 3;
/// How the connection's error begins then.
const TOLD: &str = "its events cannot be asked for";

/// Asking for events, until it is dropped.
#[derive(Debug)]
#[must_use = "dropped, it stops"]
pub struct Polling(JoinHandle<()>);

impl Drop for Polling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connect {
    /// From here on asks for the events of every connection with `events: poll`, of all types, and hands them to `intake`.
    /// A connection begins with what comes after the newest event that there is. Needs a runtime.
    pub fn poll_into(&self, intake: Arc<dyn Intake>) -> Polling {
        let changes = self.changes();
        Polling(tokio::spawn(watch(Arc::downgrade(&self.stripe), changes, intake)))
    }
}

/// Sees to it that each connection whose events are to be asked for has a task that does.
async fn watch(stripe: Weak<Stripe>, mut changes: UnboundedReceiver<CompanyId>, intake: Arc<dyn Intake>) {
    let mut tasks = JoinSet::new();
    let mut polled = HashSet::new();
    loop {
        let Some(here) = stripe.upgrade() else { return };
        for live in here.registry.all() {
            let id = live.row.id;
            if wanted(&here.registry, id).is_some() && polled.insert(id) {
                tasks.spawn(poll(Weak::clone(&stripe), id, Arc::clone(&intake)));
            }
        }
        drop(here);
        tokio::select! {
            change = changes.recv() => {
                if change.is_none() {
                    return;
                }
                while changes.try_recv().is_ok() {}
            }
            // One that panicked is not begun again: it would do nothing else.
            Some(Ok(id)) = tasks.join_next() => {
                polled.remove(&id);
            }
        }
    }
}

/// The connection, if its events are to be asked for now.
fn wanted(registry: &Registry, id: ConnectionId) -> Option<Arc<Live>> {
    let live = registry.by_id(id)?;
    let is_polled = live.row.settings.events == EventSource::Poll && live.is_active();
    let is_used = || candidates(registry, live.row.company).iter().any(|other| other.row.id == id);
    (is_polled && is_used()).then_some(live)
}

/// Asks for a connection's events as long as that is wanted.
async fn poll(stripe: Weak<Stripe>, id: ConnectionId, intake: Arc<dyn Intake>) -> ConnectionId {
    let mut window = None;
    let mut failures: u32 = 0;
    while let Some(stripe) = stripe.upgrade() {
        let Some(live) = wanted(&stripe.registry, id) else { break };
        let round = Round { stripe: &stripe, live: &live, intake: &*intake };
        let wait = match round.run(&mut window).await {
            Ok(progress) => {
                failures = 0;
                note(&stripe.registry, id, None).await;
                match progress {
                    Progress::More => 0,
                    Progress::All => EVERY,
                }
            }
            Err(trouble) => {
                failures = failures.saturating_add(1);
                if failures >= FAILURES_TOLD
                    && let Trouble::Stripe(failure) = &trouble
                {
                    note(&stripe.registry, id, Some(&failure.error.message)).await;
                }
                (EVERY << failures.min(6)).min(LONGEST_WAIT)
            }
        };
        let clock = Arc::clone(&stripe.registry.clock);
        drop((live, stripe));
        clock.until(Timestamp(clock.now().0.saturating_add(wait))).await;
    }
    id
}

/// Notes in the connection's row why its events do not come, or that they come again.
async fn note(registry: &Registry, id: ConnectionId, why: Option<&str>) {
    let is_told = |row: &Connection| row.last_error.as_ref().is_some_and(|error| error.starts_with(TOLD));
    let Some(live) = registry.by_id(id) else { return };
    if why.is_none() && !is_told(&live.row) {
        return;
    }
    let by = Actor::system("polling");
    let action = if why.is_some() { "connection.error" } else { "connection.activate" };
    let noted = registry.amend(id, Amendment::of_row(&by, action), |_, row| {
        // What else is wrong with it is said first.
        let may_be_told = row.last_error.is_none() || is_told(row);
        let told = why.map(|why| format!("{TOLD}: {why}"));
        if !may_be_told || row.last_error == told {
            return Ok(false);
        }
        row.last_error = told;
        Ok(true)
    });
    // Where the storage does not take it, the next round notes it.
    let _ = noted.await;
}

/// How far a round came.
enum Progress {
    /// There is more to be had at once.
    More,
    /// It is all for now.
    All,
}

/// Why a round came to nothing; what it took in before stays taken in.
enum Trouble {
    /// Stripe refused, or did not answer.
    Stripe(Box<Failure>),
    /// Something was not stored, and comes again.
    Storage,
}

impl From<Box<Failure>> for Trouble {
    fn from(failure: Box<Failure>) -> Trouble {
        Trouble::Stripe(failure)
    }
}

impl From<JournalError> for Trouble {
    fn from(_: JournalError) -> Trouble {
        Trouble::Storage
    }
}

impl From<KeepError> for Trouble {
    fn from(_: KeepError) -> Trouble {
        Trouble::Storage
    }
}

/// Asking once for a connection's events.
struct Round<'a> {
    stripe: &'a Arc<Stripe>,
    live: &'a Arc<Live>,
    intake: &'a dyn Intake,
}

impl Round<'_> {
    async fn run(&self, window: &mut Option<Window>) -> Result<Progress, Trouble> {
        let live = &self.stripe.known(self.live).await?;
        let account = Account { id: live.account_id().map(str::to_owned), ..live.account.clone() };
        let stored = || Window::stored(&self.stripe.cursors.of(live.row.id)?);
        let known = window.take().or_else(stored);
        let Some(known) = known.and_then(|known| known.of(&account, &live.row.same_accounts)) else {
            let newest = self.stripe.events(live, None, None).await?;
            let begun = Window::after(&account, &newest.events);
            self.keep(&begun).await?;
            *window = Some(begun);
            return Ok(Progress::All);
        };
        let window = window.insert(known);
        let (events, is_all) = self.ask(live, window).await?;
        for event in &events {
            let Some(head) = Head::of(event) else { continue };
            self.intake.take_in(self.incoming(&head, event)).await?;
            window.took(&head);
        }
        window.tidy();
        self.keep(window).await?;
        Ok(if is_all { Progress::All } else { Progress::More })
    }

    /// What is new, oldest first, and whether that is all.
    async fn ask(&self, live: &Arc<Live>, window: &Window) -> Result<(VecDeque<Value>, bool), Trouble> {
        let (mut events, mut is_all) = (VecDeque::new(), true);
        let mut before: Option<String> = None;
        loop {
            let page = self.stripe.events(live, Some(window.from()), before.as_deref()).await?;
            before = page.events.last().and_then(Head::of).map(|head| head.id.to_owned());
            for event in page.events {
                if Head::of(&event).is_some_and(|head| window.is_new(&head)) {
                    events.push_front(event);
                }
            }
            if events.len() > MOST {
                events.truncate(MOST);
                is_all = false;
            }
            if !page.has_more || before.is_none() {
                return Ok((events, is_all));
            }
        }
    }

    fn incoming(&self, head: &Head<'_>, event: &Value) -> Incoming {
        Incoming {
            company: self.live.row.company,
            entrance: Entrance::Stripe,
            signer: Signer::Connection(self.live.row.id),
            provider_event_id: Some(head.id.to_owned()),
            kind: head.kind.to_owned(),
            body: Document::from(event.clone()),
        }
    }

    async fn keep(&self, window: &Window) -> Result<(), KeepError> {
        let row = &self.live.row;
        let text = window.text();
        if self.stripe.cursors.of(row.id).as_deref() == Some(&text) {
            return Ok(());
        }
        if let Some(store) = self.stripe.registry.store() {
            store.keep_cursor(row.company, row.id, &text).await?;
        }
        self.stripe.cursors.put(row.id, text);
        Ok(())
    }
}

/// How far the events of connections were asked for, as it is stored.
#[derive(Default)]
pub(crate) struct Cursors(Mutex<HashMap<ConnectionId, String>>);

impl Cursors {
    /// Takes in what is stored.
    pub(crate) fn take_in(&self, stored: Vec<(ConnectionId, String)>) {
        self.lock().extend(stored);
    }

    fn of(&self, id: ConnectionId) -> Option<String> {
        self.lock().get(&id).cloned()
    }

    fn put(&self, id: ConnectionId, cursor: String) {
        self.lock().insert(id, cursor);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
