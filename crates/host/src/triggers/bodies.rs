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

/// An event that is held while it is being kept. Whoever gives up keeping it, or hears that it is not kept, drops this.
pub(super) struct Holding<'a> {
    bodies: &'a Bodies,
    event: EventId,
    is_kept: bool,
}

impl Holding<'_> {
    /// It is kept, and will be handed over.
    pub(super) fn kept(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.bodies.lock().remove(self.event);
        }
    }
}

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
    /// Holds an event until so many workflows have it, if it is kept. With no room for it nothing happens: those that came
    /// before are handed over sooner.
    pub(super) fn hold(&self, event: &ProviderEvent, body: &Document, workflows: usize) -> Holding<'_> {
        let (mut held, bytes) = (self.lock(), body.text().len());
        if workflows > 0 && held.events.len() < MOST_EVENTS && held.bytes + bytes <= MOST_BYTES {
            held.bytes += bytes;
            held.events.insert(event.id, Body { event: event.clone(), body: body.clone(), workflows });
        }
        Holding { bodies: self, event: event.id, is_kept: false }
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

#[cfg(test)]
mod tests {
    use loopfour_engine::provider_events::{Entrance, EventStatus};
    use loopfour_engine::{CompanyId, Timestamp};
    use uuid::Uuid;

    use super::*;

    fn event(number: u128) -> ProviderEvent {
        ProviderEvent {
            id: EventId(Uuid::from_u128(number)),
            company: CompanyId(Uuid::nil()),
            entrance: Entrance::Stripe,
            provider_event_id: None,
            kind: String::new(),
            connection: None,
            status: EventStatus::Stored,
            reason: None,
            attempts: 0,
            created_at: Timestamp(0),
        }
    }

    fn body(bytes: usize) -> Document {
        loopfour_lang::Value::from("x".repeat(bytes - 2)).into()
    }

    #[test]
    fn an_event_is_held_until_the_last_workflow_has_it() {
        let (bodies, event) = (Bodies::default(), event(1));
        bodies.hold(&event, &body(10), 2).kept();
        for is_held in [true, false, false] {
            bodies.settle(event.id);
            assert_eq!(bodies.get(event.id).is_some(), is_held);
        }
        assert_eq!(bodies.lock().bytes, 0);
    }

    #[test]
    fn one_that_is_not_kept_is_not_held() {
        let (bodies, event) = (Bodies::default(), event(1));
        drop(bodies.hold(&event, &body(10), 1));
        bodies.hold(&event, &body(10), 0).kept();
        assert!(bodies.get(event.id).is_none());
        assert_eq!(bodies.lock().bytes, 0);
    }

    #[test]
    fn no_more_is_held_than_there_is_room_for() {
        let bodies = Bodies::default();
        let half = body(MOST_BYTES / 2);
        for number in 0..3 {
            bodies.hold(&event(number), &half, 1).kept();
        }
        assert_eq!(bodies.lock().events.len(), 2);
        let bodies = Bodies::default();
        for number in 0..=MOST_EVENTS as u128 {
            bodies.hold(&event(number), &body(2), 1).kept();
        }
        assert!(bodies.get(event(0).id).is_some() && bodies.get(event(MOST_EVENTS as u128).id).is_none());
    }
}
