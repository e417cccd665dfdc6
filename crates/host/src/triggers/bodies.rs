//! Events on their way from their arrival to their hand-over, so that they are neither read back nor parsed again. Bounded:
//! what finds no room is read from where it is kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loopfour_engine::EventId;
use loopfour_engine::provider_events::ProviderEvent;
use loopfour_lang::Document;

/// So many events are held at most,
const MOST_EVENTS: usize = 4096;

/// and so many bytes of their texts.
const MOST_BYTES: usize = 32 << 20;

/// Events with their bodies.
#[derive(Default)]
pub(super) struct Bodies(Mutex<Held>);

#[derive(Default)]
struct Held {
    events: HashMap<EventId, Body>,
    bytes: usize,
}

struct Body {
    event: ProviderEvent,
    body: Document,
    /// So many workflows are still to get it.
    workflows: usize,
}

impl Bodies {
    /// Holds an event until so many workflows have it. With no room for it nothing happens: those that came before are
    /// handed over sooner.
    pub(super) fn hold(&self, event: &ProviderEvent, body: &Document, workflows: usize) {
        let (mut held, bytes) = (self.lock(), body.text().len());
        if workflows > 0 && held.events.len() < MOST_EVENTS && held.bytes + bytes <= MOST_BYTES {
            held.bytes += bytes;
            held.events.insert(event.id, Body { event: event.clone(), body: body.clone(), workflows });
        }
    }

    /// The event, if it is held.
    pub(super) fn get(&self, event: EventId) -> Option<(ProviderEvent, Document)> {
        let held = self.lock();
        held.events.get(&event).map(|held| (held.event.clone(), held.body.clone()))
    }

    /// One workflow less is to get it.
    pub(super) fn settle(&self, event: EventId) {
        let mut held = self.lock();
        if let Some(body) = held.events.get_mut(&event) {
            body.workflows -= 1;
            if body.workflows == 0 {
                held.remove(event);
            }
        }
    }

    /// Nobody is to get it.
    pub(super) fn drop(&self, event: EventId) {
        self.lock().remove(event);
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn remove(&mut self, event: EventId) {
        if let Some(body) = self.events.remove(&event) {
            self.bytes -= body.body.text().len();
        }
    }
}
