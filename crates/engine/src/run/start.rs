//! The start: a run's first entries, and among which runs of its workflow it takes turns.

use uuid::Uuid;

use super::Run;
use super::scope::RunScope;
use crate::cause::Queue;
use crate::event::{Entry, Event};
use crate::id::RunId;
use crate::ports::Start;
use crate::time::Timestamp;

/// Characters of a key of `settings.concurrency`; a longer one is stored as its digest.
const LONGEST_KEY: usize = 1024;

/// The name space of the digests of long keys. Never changes: runs that wait for each other are told by it.
const LONG_KEYS: Uuid = Uuid::from_u128(0x2f8e_6b14_93d7_4c0a_8b65_d1f0_7a3c_5e92);

impl Run {
    /// A run that starts so, and the entries that say it. They are folded already, and must become durable in one batch,
    /// with what [`Run::advance`] adds where it is the run's turn at once.
    pub fn start(start: Start, id: RunId, now: Timestamp) -> (Run, Vec<Entry>) {
        let event = Event::RunStarted {
            run: id,
            company: start.company,
            workflow: start.workflow,
            version: start.version,
            trigger: start.trigger,
            input: start.input,
            connection: start.connection,
            idempotency_key: start.idempotency_key,
            restarted_from: start.restarted_from,
            by: start.by,
            cause: start.cause,
            queue: None,
        };
        let mut first = Entry { seq: 1, at: now, event };
        let mut run =
            Run::begin(start.definition, &first).expect("a journal that begins with the run's start");
        run.queue = start.queue.or_else(|| run.own_queue());
        if let Event::RunStarted { queue, .. } = &mut first.event {
            queue.clone_from(&run.queue);
        }
        let mut entries = vec![first];
        entries.extend(start.kept.into_iter().map(|kept| run.record(kept, now)));
        (run, entries)
    }

    /// Whose turn `settings.concurrency` lets it wait for. A key that cannot be evaluated is as one that is missing: those
    /// runs take turns among each other, so that there are never more at a time than the workflow allows.
    fn own_queue(&self) -> Option<Queue> {
        let concurrency = self.definition.settings.concurrency.as_ref()?;
        let key = concurrency.key_of(&RunScope { run: self, now: self.created_at }).unwrap_or_default();
        let key = match key.chars().nth(LONGEST_KEY) {
            Some(_) => Uuid::new_v5(&LONG_KEYS, key.as_bytes()).to_string(),
            None => key,
        };
        Some(Queue { key, limit: concurrency.limit })
    }

    /// Whether it is to end, whatever its steps would do.
    pub fn is_to_end(&self) -> bool {
        self.ending.is_some()
    }
}
