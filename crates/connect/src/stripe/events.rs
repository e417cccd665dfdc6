//! Stripe's list of events, newest first. When it is asked for, and what becomes of them, is decided elsewhere.

use std::sync::Arc;

use loopfour_engine::Failure;
use loopfour_engine::error::code;
use loopfour_lang::Value;

use super::own::Own;
use super::{Stripe, form};
use crate::live::Live;
use crate::pace::Place;

/// Events of one answer, unless they are too large together.
const MOST: usize = 100;

/// A part of the list.
pub(crate) struct EventPage {
    pub(crate) events: Vec<Value>,
    pub(crate) has_more: bool,
}

impl Stripe {
    /// The newest events of a connection's account: those made at `from` or after it (Unix seconds), and older than the
    /// event `before`, where these are given.
    ///
    /// # Errors
    /// Stripe refused it, or gave no answer.
    pub(crate) async fn events(
        self: &Arc<Stripe>,
        live: &Arc<Live>,
        from: Option<i64>,
        before: Option<&str>,
    ) -> Result<EventPage, Box<Failure>> {
        let mut limit = MOST;
        loop {
            let mut query = format!("limit={limit}");
            if let Some(from) = from {
                query.push_str(&format!("&created[gte]={from}"));
            }
            if let Some(before) = before {
                query.push_str("&starting_after=");
                query.extend(form::encode(before));
            }
            let own = Own { place: Place::Last, ..Own::get("/v1/events", query) };
            let list = match self.own(live, own).await {
                Err(failure) if failure.error.code == code::OUTPUT_TOO_LARGE && limit > 1 => {
                    limit = (limit / 5).max(1);
                    continue;
                }
                other => other?,
            };
            let events = match list.value().get("data") {
                Some(Value::Array(events)) => events.to_vec(),
                Some(_) | None => Vec::new(),
            };
            let has_more = list.value().get("has_more") == Some(&Value::Boolean(true)) && !events.is_empty();
            return Ok(EventPage { events, has_more });
        }
    }
}
