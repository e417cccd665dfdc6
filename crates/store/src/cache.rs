//! Rows in memory for the paths that every request takes. The writer tells of every change after its commit, before
//! anybody hears of it, so a row in memory is never older than an acknowledged change.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many rows are kept; then all are dropped, since reading one again costs less than counting their uses.
const CAPACITY: usize = 16_384;

/// Rows by key.
pub(crate) struct Cache<K, V>(Mutex<Rows<K, V>>);

struct Rows<K, V> {
    known: HashMap<K, V>,
    /// How many changes there were: a row read before a change must not come in after it.
    changes: u64,
}

/// The state of a cache before a row was read.
#[derive(Clone, Copy)]
pub(crate) struct Mark(u64);

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn new() -> Cache<K, V> {
        Cache(Mutex::new(Rows { known: HashMap::new(), changes: 0 }))
    }

    /// The row, or the mark to take before reading it.
    pub(crate) fn get(&self, key: &K) -> Result<V, Mark> {
        let rows = self.lock();
        rows.known.get(key).cloned().ok_or(Mark(rows.changes))
    }

    /// Keeps a row that was read after `mark`, unless anything changed since.
    pub(crate) fn fill(&self, mark: Mark, key: K, row: V) {
        let mut rows = self.lock();
        if rows.changes == mark.0 {
            rows.insert(key, row);
        }
    }

    /// Takes the new state of a row from the writer.
    pub(crate) fn changed(&self, key: K, row: V) {
        let mut rows = self.lock();
        rows.changes += 1;
        rows.insert(key, row);
    }

    /// Drops every row.
    pub(crate) fn clear(&self) {
        let mut rows = self.lock();
        rows.changes += 1;
        rows.known.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Rows<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> Rows<K, V> {
    fn insert(&mut self, key: K, row: V) {
        if self.known.len() >= CAPACITY {
            self.known.clear();
        }
        self.known.insert(key, row);
    }
}
