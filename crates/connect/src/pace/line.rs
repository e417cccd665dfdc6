//! Who waits, in which order, and for which limits.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::config::usual;
use super::gate::Gate;
use super::{Heard, Kind, Lane, PaceConfig, Place, Scope};

/// So many endpoints are kept without asking whether they are still of use.
const ENDPOINTS: usize = 256;

/// The limits of an account, and who waits for them.
#[derive(Debug)]
pub(super) struct Line {
    account: Limits,
    usual: u32,
    endpoints: HashMap<Arc<str>, Endpoint>,
    joined: u64,
    waiting: usize,
    /// While there is an usher: when it looks again.
    pub(super) usher_sleeps_until: Option<Instant>,
}

#[derive(Debug)]
struct Limits {
    read: Gate,
    write: Gate,
    total: Gate,
}

/// Calls to one endpoint: whatever limit holds the first of them holds them all.
#[derive(Debug)]
struct Endpoint {
    kind: Kind,
    gate: Gate,
    waiting: BTreeMap<Order, Waiter>,
}

type Order = (Place, u64);

#[derive(Debug)]
struct Waiter {
    since: Instant,
    granted: oneshot::Sender<()>,
}

/// A place in the line.
#[derive(Debug)]
pub(super) struct Seat {
    endpoint: Arc<str>,
    order: Order,
}

impl Line {
    pub(super) fn new(config: &PaceConfig, mode: &str) -> Line {
        let usual = usual(mode);
        let gate = |figure: super::Figure| Gate::new(figure.in_mode(mode), usual);
        let account =
            Limits { read: gate(config.read), write: gate(config.write), total: gate(config.total) };
        let (endpoints, usher_sleeps_until) = (HashMap::new(), None);
        Line { account, usual, endpoints, joined: 0, waiting: 0, usher_sleeps_until }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes a turn that is free, where nobody waits.
    pub(super) fn pass(&mut self, lane: Lane<'_>, now: Instant) -> bool {
        if self.waiting > 0 {
            return false;
        }
        let name = self.endpoint(lane, now);
        let endpoint = self.endpoints.get_mut(&name).expect("it was just made");
        let free = due(&self.account, endpoint, now) <= now;
        if free {
            take(&mut self.account, endpoint, now, now);
        }
        free
    }

    /// Takes a place.
    pub(super) fn join(
        &mut self,
        lane: Lane<'_>,
        place: Place,
        since: Instant,
        granted: oneshot::Sender<()>,
    ) -> Seat {
        let endpoint = self.endpoint(lane, since);
        let order = (place, self.joined);
        self.joined += 1;
        self.waiting += 1;
        let waiter = Waiter { since, granted };
        self.endpoints.get_mut(&endpoint).expect("it was just made").waiting.insert(order, waiter);
        Seat { endpoint, order }
    }

    /// Gives a place up; nothing happens if its turn came.
    pub(super) fn leave(&mut self, seat: &Seat) {
        let waiting = self.endpoints.get_mut(&seat.endpoint).map(|endpoint| &mut endpoint.waiting);
        if waiting.is_some_and(|waiting| waiting.remove(&seat.order).is_some()) {
            self.waiting -= 1;
        }
    }

    /// Grants every turn that is due, the oldest first, and says when the next one is.
    pub(super) fn grant(&mut self, now: Instant) -> Option<Instant> {
        loop {
            let mut next: Option<Instant> = None;
            let mut first: Option<(Order, &Arc<str>)> = None;
            for (name, endpoint) in &self.endpoints {
                let Some((order, waiter)) = endpoint.waiting.first_key_value() else { continue };
                let due = due(&self.account, endpoint, waiter.since);
                if due > now {
                    next = Some(next.map_or(due, |next| next.min(due)));
                } else if first.is_none_or(|(before, ..)| *order < before) {
                    first = Some((*order, name));
                }
            }
            let Some((_, name)) = first else { return next };
            let name = Arc::clone(name);
            let endpoint = self.endpoints.get_mut(&name).expect("it was just found");
            let (_, waiter) = endpoint.waiting.pop_first().expect("somebody waits there");
            self.waiting -= 1;
            if waiter.granted.send(()).is_ok() {
                take(&mut self.account, endpoint, waiter.since, now);
            }
        }
    }

    /// Slows down what an answer names.
    pub(super) fn slow_down(&mut self, lane: Lane<'_>, scope: Scope, heard: Heard) {
        match scope {
            Scope::Account => self.account.total.slow_down(heard),
            Scope::Endpoint => {
                let name = self.endpoint(lane, heard.now);
                self.endpoints.get_mut(&name).expect("it was just made").gate.slow_down(heard);
            }
        }
    }

    /// The name of an endpoint that is there from now on.
    fn endpoint(&mut self, lane: Lane<'_>, now: Instant) -> Arc<str> {
        if let Some((name, _)) = self.endpoints.get_key_value(lane.endpoint) {
            return Arc::clone(name);
        }
        if self.endpoints.len() >= ENDPOINTS {
            self.endpoints.retain(|_, endpoint| !endpoint.waiting.is_empty() || !endpoint.gate.is_idle(now));
        }
        let name: Arc<str> = lane.endpoint.into();
        let gate = Gate::new(None, self.usual);
        let endpoint = Endpoint { kind: lane.kind, gate, waiting: BTreeMap::new() };
        self.endpoints.insert(Arc::clone(&name), endpoint);
        name
    }
}

/// When every limit has room for who came `since`.
fn due(account: &Limits, endpoint: &Endpoint, since: Instant) -> Instant {
    let of_kind = match endpoint.kind {
        Kind::Read => &account.read,
        Kind::Write => &account.write,
    };
    let gates = [&account.total, of_kind, &endpoint.gate];
    gates.into_iter().filter_map(Gate::free).fold(since, Instant::max)
}

fn take(account: &mut Limits, endpoint: &mut Endpoint, since: Instant, now: Instant) {
    let of_kind = match endpoint.kind {
        Kind::Read => &mut account.read,
        Kind::Write => &mut account.write,
    };
    for gate in [&mut account.total, of_kind, &mut endpoint.gate] {
        gate.take(since, now);
    }
}
