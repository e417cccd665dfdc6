//! Everything the sandbox knows, in memory: objects, the order they are listed in, saved answers.
//! One thread owns it; what has changed is noted, so that `disk` can write just that.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::events;
use crate::record::{ListKey, Try};
pub(crate) use crate::record::{Place, Record};
use crate::resources;

/// How long a saved answer is replayed, in seconds.
const ANSWERS_LAST: i64 = 86_400;

/// An answer kept under its idempotency key.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    pub(crate) fingerprint: String,
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) request_id: String,
    /// Seconds since 1970.
    pub(crate) at: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Account {
    records: HashMap<String, Record>,
    lists: HashMap<ListKey, BTreeMap<Place, String>>,
    due: BTreeSet<(i64, String)>,
    answers: HashMap<String, Saved>,
    expiry: BTreeSet<(i64, String)>,
}

/// What has changed since it was last written.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) everything: bool,
    pub(crate) clock: bool,
    /// Something is to be delivered; there is nothing to write for that.
    pub(crate) deliveries: bool,
    pub(crate) records: BTreeSet<(String, String)>,
    pub(crate) answers: BTreeSet<(String, String)>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        !self.everything && !self.clock && self.records.is_empty() && self.answers.is_empty()
    }
}

/// Everything the sandbox knows.
#[derive(Debug, Default)]
pub(crate) struct State {
    accounts: HashMap<String, Account>,
    sequence: i64,
    /// What is to be delivered and is not under way, by endpoint.
    tries: HashMap<String, BTreeSet<Try>>,
    pub(crate) changes: Changes,
}

impl State {
    /// Puts a record where it belongs, without noting a change.
    pub(crate) fn place(&mut self, account: &str, record: Record) -> Option<Record> {
        self.sequence = self.sequence.max(record.place.1 + 1);
        let before = self.take(account, &record.id);
        let entry = self.accounts.entry(account.to_owned()).or_default();
        for key in record.lists() {
            entry.lists.entry(key).or_default().insert(record.place, record.id.clone());
        }
        entry.due.extend(record.due().map(|at| (at, record.id.clone())));
        if let Some((endpoint, attempt)) = record.attempt(account) {
            self.tries.entry(endpoint.to_owned()).or_default().insert(attempt);
            self.changes.deliveries = true;
        }
        entry.records.insert(record.id.clone(), record);
        before
    }

    fn take(&mut self, account: &str, id: &str) -> Option<Record> {
        let entry = self.accounts.get_mut(account)?;
        let record = entry.records.remove(id)?;
        for key in record.lists() {
            if let Some(list) = entry.lists.get_mut(&key) {
                list.remove(&record.place);
                if list.is_empty() {
                    entry.lists.remove(&key);
                }
            }
        }
        if let Some(at) = record.due() {
            entry.due.remove(&(at, record.id.clone()));
        }
        if let Some((endpoint, attempt)) = record.attempt(account)
            && let Some(tries) = self.tries.get_mut(endpoint)
        {
            tries.remove(&attempt);
            if tries.is_empty() {
                self.tries.remove(endpoint);
            }
        }
        Some(record)
    }

    pub(crate) fn record(&self, account: &str, id: &str) -> Option<&Record> {
        self.accounts.get(account)?.records.get(id)
    }

    /// Every object of every account, or of one kind, oldest first, with its account.
    pub(crate) fn records(&self, object: Option<&str>) -> Vec<(&str, &Record)> {
        let pairs = self.accounts.iter();
        let mut all: Vec<(&str, &Record)> = pairs
            .flat_map(|(account, entry)| entry.records.values().map(move |record| (account.as_str(), record)))
            .filter(|(_, record)| object.is_none_or(|object| record.object() == object))
            .collect();
        all.sort_by_key(|(_, record)| record.place);
        all
    }

    /// An object that should have done something by itself by now, its account and when.
    pub(crate) fn overdue(&self, now: i64) -> Option<(String, String, i64)> {
        self.accounts.iter().find_map(|(account, entry)| {
            let (at, id) = entry.due.first().filter(|(at, _)| *at <= now)?;
            Some((account.clone(), id.clone(), *at))
        })
    }

    /// When an object does something by itself next.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.accounts.values().filter_map(|account| Some(account.due.first()?.0)).min()
    }

    /// When a delivery to one of some endpoints is to be tried next.
    pub(crate) fn next_try(&self, to: impl Fn(&str) -> bool) -> Option<i64> {
        let tries = self.tries.iter().filter(|(endpoint, _)| to(endpoint));
        tries.filter_map(|(_, tries)| Some(tries.first()?.0)).min()
    }

    /// Takes what is to be delivered by now, as much for each endpoint as there is room for: its account and id.
    /// It is not given again before it is stored anew.
    pub(crate) fn lease(
        &mut self,
        now: i64,
        room: impl Fn(&str) -> usize,
        newest_first: bool,
    ) -> Vec<(String, String)> {
        let mut taken = Vec::new();
        for (endpoint, tries) in &mut self.tries {
            for _ in 0..room(endpoint) {
                let mut due = tries.range(..(now + 1, i64::MIN, String::new(), String::new()));
                let next = if newest_first { due.next_back() } else { due.next() };
                let Some(attempt) = next.cloned() else { break };
                tries.remove(&attempt);
                taken.push(attempt);
            }
        }
        self.tries.retain(|_, tries| !tries.is_empty());
        taken.sort_by_key(|(_, order, ..)| if newest_first { -order } else { *order });
        taken.into_iter().map(|(_, _, account, id)| (account, id)).collect()
    }

    /// The answer saved under a key, unless it has expired.
    pub(crate) fn saved(&self, account: &str, key: &str, now: i64) -> Option<&Saved> {
        let saved = self.accounts.get(account)?.answers.get(key)?;
        (saved.at + ANSWERS_LAST > now).then_some(saved)
    }

    /// An answer for `disk`, expired or not.
    pub(crate) fn answer(&self, account: &str, key: &str) -> Option<&Saved> {
        self.accounts.get(account)?.answers.get(key)
    }

    /// Puts an answer under its key, without noting a change.
    pub(crate) fn place_answer(&mut self, account: &str, key: &str, saved: Saved) {
        let entry = self.accounts.entry(account.to_owned()).or_default();
        entry.expiry.insert((saved.at, key.to_owned()));
        if let Some(before) = entry.answers.insert(key.to_owned(), saved) {
            let at = entry.answers.get(key).map(|saved| saved.at);
            if at != Some(before.at) {
                entry.expiry.remove(&(before.at, key.to_owned()));
            }
        }
    }

    /// Saves an answer under its key, and drops those of the account that have expired.
    pub(crate) fn save_answer(&mut self, account: &str, key: &str, saved: Saved) {
        let now = saved.at;
        self.place_answer(account, key, saved);
        self.changes.answers.insert((account.to_owned(), key.to_owned()));
        let Some(entry) = self.accounts.get_mut(account) else { return };
        while let Some((at, _)) = entry.expiry.first()
            && at + ANSWERS_LAST <= now
            && let Some((_, old)) = entry.expiry.pop_first()
        {
            entry.answers.remove(&old);
            self.changes.answers.insert((account.to_owned(), old));
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = State::default();
        self.changes.everything = true;
    }

    /// Begins a change to one account's objects that happens as a whole or not at all.
    pub(crate) fn begin<'a>(&'a mut self, account: &'a str, now: i64) -> Transaction<'a> {
        let (undo, touched, origin) = (Vec::new(), IndexMap::new(), Origin::default());
        Transaction { state: self, account, now, origin, undo, touched }
    }
}

/// The call that a change comes from; empty for what happens by itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    pub(crate) request_id: Option<String>,
    pub(crate) key: Option<String>,
}

/// An object at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) record: Record,
    /// What was answered for it then.
    pub(crate) answer: Value,
}

impl Snapshot {
    pub(crate) fn of(tx: &Transaction<'_>, record: &Record) -> Snapshot {
        Snapshot { record: record.clone(), answer: resources::answer(tx, record) }
    }
}

/// A change to one account's objects; dropped without [`Transaction::keep`], it has not happened.
pub(crate) struct Transaction<'a> {
    state: &'a mut State,
    pub(crate) account: &'a str,
    /// Seconds since 1970.
    pub(crate) now: i64,
    pub(crate) origin: Origin,
    undo: Vec<(String, Option<Record>)>,
    /// The objects whose changes are told, as they were before the first of them.
    touched: IndexMap<String, Option<Snapshot>>,
}

impl Transaction<'_> {
    /// An object by its kind and id.
    pub(crate) fn get(&self, object: &str, id: &str) -> Option<&Record> {
        self.find(id).filter(|record| record.object() == object)
    }

    /// An object by its id alone.
    pub(crate) fn find(&self, id: &str) -> Option<&Record> {
        self.state.record(self.account, id)
    }

    /// The ids of a kind of objects by their places; `by` narrows to those with a value in a field.
    pub(crate) fn list(
        &self,
        object: &str,
        by: Option<(&'static str, &str)>,
    ) -> Option<&BTreeMap<Place, String>> {
        let (field, value) = by.unwrap_or_default();
        let key = (object.to_owned(), field, value.to_owned());
        self.state.accounts.get(self.account)?.lists.get(&key)
    }

    /// The webhook endpoints of an account, any account, oldest first.
    pub(crate) fn endpoints(&self, account: &str) -> impl Iterator<Item = &Record> {
        let key = ("webhook_endpoint".to_owned(), "", String::new());
        let entry = self.state.accounts.get(account);
        let ids = entry.and_then(|entry| entry.lists.get(&key)).into_iter().flat_map(BTreeMap::values);
        ids.filter_map(move |id| entry?.records.get(id))
    }

    /// The objects of such a list, oldest first.
    pub(crate) fn all(&self, object: &str, by: (&'static str, &str)) -> impl Iterator<Item = &Record> {
        self.list(object, Some(by)).into_iter().flat_map(BTreeMap::values).filter_map(|id| self.find(id))
    }

    /// Stores a new object as made at a time; answers its record.
    pub(crate) fn create(&mut self, id: &str, created: i64, value: Map<String, Value>) -> Record {
        let record = self.draw_up(id, created, value);
        self.put(record.clone());
        record
    }

    /// A new object as made at a time, not stored yet.
    pub(crate) fn draw_up(&self, id: &str, created: i64, value: Map<String, Value>) -> Record {
        let place = (created, self.state.sequence);
        Record { id: id.to_owned(), place, value, hidden: Map::new() }
    }

    /// Stores a changed object.
    pub(crate) fn put(&mut self, record: Record) {
        self.touch(&record);
        let id = record.id.clone();
        let before = self.state.place(self.account, record);
        self.undo.push((id, before));
    }

    /// Takes an object away, as if it had never been.
    pub(crate) fn remove(&mut self, id: &str) {
        if let Some(record) = self.find(id).cloned() {
            self.touch(&record);
        }
        let before = self.state.take(self.account, id);
        self.undo.push((id.to_owned(), before));
    }

    /// Notes an object as it is before it changes, or the one that a line or an item is shown in.
    fn touch(&mut self, record: &Record) {
        let id = match record.object() {
            "line_item" => record.text("invoice"),
            "subscription_item" => record.text("subscription"),
            object if events::are_told_of(object) => &record.id,
            _ => return,
        };
        if !self.touched.contains_key(id) {
            let before = self.find(id).map(|before| Snapshot::of(self, before));
            self.touched.insert(id.to_owned(), before);
        }
    }

    /// Makes the change stand, with the events that it means.
    pub(crate) fn keep(mut self) {
        for (id, before) in std::mem::take(&mut self.touched) {
            events::tell(&mut self, &id, before.as_ref());
        }
        self.keep_untold();
    }

    /// Makes the change stand as something that has been so all along: no event tells it.
    pub(crate) fn keep_untold(mut self) {
        for (id, _) in std::mem::take(&mut self.undo) {
            self.state.changes.records.insert((self.account.to_owned(), id));
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        while let Some((id, before)) = self.undo.pop() {
            match before {
                Some(record) => drop(self.state.place(self.account, record)),
                None => drop(self.state.take(self.account, &id)),
            }
        }
    }
}
