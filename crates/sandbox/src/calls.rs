//! The log of received calls, for tests and for the curious. It is bounded, and in memory only.

use std::collections::{BTreeSet, VecDeque};

use serde::Serialize;

use crate::form::Pair;

/// How many calls are remembered.
const REMEMBERED: usize = 10_000;

/// One received call.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Call {
    /// Counts the calls from 1.
    pub(crate) number: u64,
    /// When it came by the sandbox's clock, in milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) method: String,
    pub(crate) path: String,
    /// The account that it acted for; null where its key was refused.
    pub(crate) account: Option<String>,
    pub(crate) params: Vec<Pair>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) request_id: String,
    /// Null while it is being worked on, and where the connection was cut or the client went away.
    pub(crate) status: Option<u16>,
    pub(crate) replayed: bool,
    pub(crate) cut: bool,
    /// The client went away before it was answered.
    pub(crate) abandoned: bool,
}

impl Call {
    /// Whether it changes nothing.
    fn reads(&self) -> bool {
        self.method == "GET"
    }
}

/// How many calls are being worked on.
#[derive(Debug, Serialize)]
pub(crate) struct Open<'a> {
    reads: usize,
    /// Their numbers.
    writes: &'a BTreeSet<u64>,
}

/// The last calls, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    calls: VecDeque<Call>,
    received: u64,
    open_reads: usize,
    open_writes: BTreeSet<u64>,
}

impl Calls {
    /// Notes a call, and answers its number.
    pub(crate) fn begin(&mut self, mut call: Call) -> u64 {
        self.received += 1;
        call.number = self.received;
        if call.reads() {
            self.open_reads += 1;
        } else {
            self.open_writes.insert(call.number);
        }
        if self.calls.len() == REMEMBERED {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
        self.received
    }

    /// Notes how a call ended, if it is still remembered.
    pub(crate) fn end(&mut self, number: u64, change: impl FnOnce(&mut Call)) {
        if !self.open_writes.remove(&number) {
            self.open_reads = self.open_reads.saturating_sub(1);
        }
        if let Ok(at) = self.calls.binary_search_by_key(&number, |call| call.number)
            && let Some(call) = self.calls.get_mut(at)
        {
            change(call);
        }
    }

    /// Those after the one with that number.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = &Call> {
        let first = self.calls.partition_point(|call| call.number <= number);
        self.calls.range(first..)
    }

    /// Those that are being worked on.
    pub(crate) fn open(&self) -> Open<'_> {
        Open { reads: self.open_reads, writes: &self.open_writes }
    }

    /// Forgets the calls; the count goes on.
    pub(crate) fn clear(&mut self) {
        self.calls.clear();
    }
}
