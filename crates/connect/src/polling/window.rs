//! How far the events of an account were taken in. The list of events is not strictly in order, so each time a little of
//! what was seen is asked for again, and passed over by the ids that were seen.

use std::collections::HashMap;

use loopfour_engine::call::Account;
use loopfour_lang::Value;
use serde::{Deserialize, Serialize};

/// So many seconds before the newest event are asked for again.
const OVERLAP: i64 = 60;
/// The most ids that are remembered: an event that is forgotten is told apart by whoever keeps events.
const MOST_SEEN: usize = 50_000;
/// The most events of the first second that are left out by their ids.
const MOST_BEFORE: usize = 20;

/// How far events were taken in, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cursor {
    /// Whose events.
    mode: String,
    account: Option<String>,
    /// When the newest that was taken in was made, Unix seconds.
    last: i64,
    /// When they began to be asked for: what was made before is history.
    floor: i64,
    /// Those made in that very second that are history too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<String>,
}

/// The cursor and the ids that were seen since the start.
pub(super) struct Window {
    pub(super) cursor: Cursor,
    seen: HashMap<String, i64>,
}

/// What an event says of itself.
pub(super) struct Head<'a> {
    pub(super) id: &'a str,
    pub(super) kind: &'a str,
    pub(super) created: i64,
}

impl<'a> Head<'a> {
    /// None where it is no event.
    pub(super) fn of(event: &'a Value) -> Option<Head<'a>> {
        let text = |name| event.get(name).and_then(Value::as_text).filter(|text| !text.is_empty());
        match event.get("created") {
            Some(Value::Integer(created)) => {
                Some(Head { id: text("id")?, kind: text("type")?, created: *created })
            }
            Some(_) | None => None,
        }
    }
}

impl Window {
    /// Begins with what comes after the newest events of an account; none of them is taken in.
    pub(super) fn after(account: &Account, newest: &[Value]) -> Window {
        let heads: Vec<Head<'_>> = newest.iter().filter_map(Head::of).collect();
        // Without any event there is no history either.
        let last = heads.iter().map(|head| head.created).max().unwrap_or(0);
        let of_last = heads.iter().filter(|head| head.created == last);
        let mut before: Vec<String> = of_last.map(|head| head.id.to_owned()).collect();
        let mut floor = last;
        if before.len() > MOST_BEFORE {
            before.clear();
            floor += 1;
        }
        let (mode, account) = (account.mode.clone(), account.id.clone());
        let cursor = Cursor { mode, account, last, floor, before };
        Window { cursor, seen: HashMap::new() }
    }

    /// Goes on where it was stored; none where that cannot be read.
    pub(super) fn stored(text: &str) -> Option<Window> {
        let cursor = serde_json::from_str(text).ok()?;
        Some(Window { cursor, seen: HashMap::new() })
    }

    /// The window, if it is of this account, or of one of which a person said that it is the same.
    pub(super) fn of(mut self, account: &Account, same: &[String]) -> Option<Window> {
        let before = std::mem::replace(&mut self.cursor.account, account.id.clone());
        let is_same = before == account.id || before.is_some_and(|before| same.contains(&before));
        (is_same && self.cursor.mode == account.mode).then_some(self)
    }

    /// As it is stored.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(&self.cursor).expect("texts and numbers are JSON")
    }

    /// From when on events are asked for.
    pub(super) fn from(&self) -> i64 {
        self.cursor.last.saturating_sub(OVERLAP).max(self.cursor.floor)
    }

    /// Whether an event is still to be taken in.
    pub(super) fn is_new(&self, head: &Head<'_>) -> bool {
        let is_history = self.cursor.before.iter().any(|id| id == head.id);
        head.created >= self.from() && !is_history && !self.seen.contains_key(head.id)
    }

    /// An event was taken in.
    pub(super) fn took(&mut self, head: &Head<'_>) {
        self.cursor.last = self.cursor.last.max(head.created);
        if self.seen.len() >= MOST_SEEN {
            self.seen.clear();
        }
        self.seen.insert(head.id.to_owned(), head.created);
    }

    /// Forgets what is not asked for again.
    pub(super) fn tidy(&mut self) {
        let from = self.from();
        self.seen.retain(|_, created| *created >= from);
        if self.cursor.floor < from {
            self.cursor.before.clear();
        }
    }
}
