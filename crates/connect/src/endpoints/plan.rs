//! Which endpoint each of a company's connections is to have, from memory: one for an account and mode, of the connection
//! that has one already, else the oldest; none where events are asked for, and none where a connection is not used.

use std::sync::Arc;

use loopfour_engine::connections::EventSource;
use loopfour_engine::{CompanyId, ConnectionId};
use loopfour_lang::Catalog;

use crate::credentials::Credentials;
use crate::live::Live;
use crate::senders::{account_of, candidates};
use crate::stripe::Stripe;

/// What a connection is to have.
pub(super) struct Planned {
    pub(super) company: CompanyId,
    pub(super) live: Arc<Live>,
    /// The types that are wanted; none: nobody listens.
    pub(super) events: Vec<String>,
    pub(super) part: Part,
}

/// How a connection's events come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// By an endpoint of its own.
    Own,
    /// They are asked for.
    Polled,
    /// By another connection of the account, of this name.
    Shared(String),
    /// It is not used; nobody is told of it.
    Unused,
}

impl Planned {
    /// Whether Stripe is to send events by an endpoint of this connection.
    pub(super) fn is_sent(&self) -> bool {
        self.part == Part::Own && !self.events.is_empty()
    }

    /// Whether anybody is told of it.
    pub(super) fn is_shown(&self) -> bool {
        self.part != Part::Unused
    }
}

/// The types that Stripe is told: families are spelled out, for Stripe knows none.
pub(super) fn types(wanted: Vec<String>) -> Vec<String> {
    if wanted.iter().any(|kind| kind == "*") {
        return vec!["*".to_owned()];
    }
    let known = &Catalog::builtin().events;
    let mut types = Vec::new();
    for kind in wanted {
        match kind.strip_suffix('*') {
            Some(family) => types.extend(known.iter().filter(|known| known.starts_with(family)).cloned()),
            None => types.push(kind),
        }
    }
    types.sort();
    types.dedup();
    types
}

/// What each of the company's connections is to have.
pub(super) fn of(stripe: &Stripe, company: CompanyId, events: &[String]) -> Vec<Planned> {
    let registry = &stripe.registry;
    let registered = |live: &Live| registry.secrets.registration(company, live.row.id);
    let mut lives: Vec<Arc<Live>> =
        candidates(registry, company).into_iter().filter(|live| live.is_active()).collect();
    lives.sort_by_key(|live| (registered(live).is_none(), live.row.id));
    let mut planned: Vec<Planned> = Vec::new();
    for live in &lives {
        let is_same = |other: &&Planned| {
            other.part == Part::Own
                && account_of(live).is_some()
                && (account_of(&other.live), &other.live.row.mode) == (account_of(live), &live.row.mode)
        };
        let part = match live.row.settings.events {
            EventSource::Poll => Part::Polled,
            EventSource::Webhook => match planned.iter().find(is_same) {
                Some(other) => Part::Shared(other.live.row.name.clone()),
                None => Part::Own,
            },
        };
        planned.push(Planned { company, live: Arc::clone(live), events: events.to_vec(), part });
    }
    let unused = unused(stripe, company, &lives);
    planned.extend(unused.map(|live| Planned { company, live, events: Vec::new(), part: Part::Unused }));
    planned
}

/// Connections that have an endpoint and are not used, though they could be called.
fn unused<'a>(
    stripe: &'a Stripe,
    company: CompanyId,
    used: &'a [Arc<Live>],
) -> impl Iterator<Item = Arc<Live>> + 'a {
    let is_used = |id: ConnectionId| used.iter().any(|live| live.row.id == id);
    let registered = stripe.registry.secrets.registered(company).into_iter();
    let unused = registered.filter(move |id| !is_used(*id));
    let lives = unused.filter_map(move |id| stripe.registry.of_company(company, id));
    lives.filter(|live| live.is_active() && !matches!(live.credentials, Credentials::None))
}
