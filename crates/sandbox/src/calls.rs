//! The log of received calls, for tests and for the curious. It is bounded, and in memory only.

use std::collections::VecDeque;

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
    pub(crate) params: Vec<Pair>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) request_id: String,
    /// Null while it is being worked on, and where the connection was cut.
    pub(crate) status: Option<u16>,
    pub(crate) replayed: bool,
    pub(crate) cut: bool,
}

/// The last calls, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    calls: VecDeque<Call>,
    received: u64,
}

impl Calls {
    /// Notes a call, and answers its number.
    pub(crate) fn begin(&mut self, mut call: Call) -> u64 {
        self.received += 1;
        call.number = self.received;
        if self.calls.len() == REMEMBERED {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
        self.received
    }

    /// Changes what is noted of a call that is still remembered.
    pub(crate) fn end(&mut self, number: u64, change: impl FnOnce(&mut Call)) {
        if let Ok(at) = self.calls.binary_search_by_key(&number, |call| call.number)
            && let Some(call) = self.calls.get_mut(at)
        {
            change(call);
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter()
    }

    /// Forgets the calls; the count goes on.
    pub(crate) fn clear(&mut self) {
        self.calls.clear();
    }
}
