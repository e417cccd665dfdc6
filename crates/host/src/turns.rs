//! Runs of a workflow that take turns (`settings.concurrency`): who is under way, who waits, and who comes next.
//!
//! A run that waits for its turn is a place in a line and its journal, which holds its start: it has no task, no slot and
//! no timer. First come, first served, in the order in which starts were asked for; whoever ends gives the turn on. A run
//! that waits for a person, a time or a connection keeps its turn: what comes after it is not to overtake it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use loopfour_engine::ports::{Actions, Clock, Journal, JournalError, Turn, Unfinished};
use loopfour_engine::{Context, Entry, Queue, Run, RunId, RunStatus, Wake, WorkflowId};

use crate::Host;
use crate::drive::Active;

/// Which runs take turns with each other: those of one workflow that have the same key.
type Key = (WorkflowId, String);

/// Every line, and where each run stands.
#[derive(Default)]
pub(crate) struct Turns {
    lines: HashMap<Arc<Key>, Line>,
    places: HashMap<RunId, Place>,
}

#[derive(Default)]
struct Line {
    /// How many runs have their turn.
    under_way: usize,
    /// The others in their order, each with the limit that its version of the workflow sets.
    queued: VecDeque<(RunId, u32)>,
}

struct Place {
    line: Arc<Key>,
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It waits for its turn.
    Queued,
    /// Its turn came, and it is about to begin.
    Called,
    /// It began, and has not ended.
    UnderWay,
}

impl Turns {
    /// Gives a run that just starts a place at the end of its line. Says whether its turn came at once, as for a run that
    /// takes none; nothing where it has a place already.
    pub(crate) fn enter(&mut self, run: &Run) -> Option<bool> {
        match &run.queue {
            _ if self.places.contains_key(&run.id) => None,
            Some(queue) => Some(self.line_up(run.id, run.workflow, queue, false)),
            None => Some(true),
        }
    }

    /// The runs that go on after a start, of those that had not ended: where one began, it is its turn; the others wait
    /// for theirs in this order, and have it if there is room.
    pub(crate) fn take_over(&mut self, mut unfinished: Vec<Unfinished>) -> Vec<Unfinished> {
        for Unfinished { run, turn, .. } in &unfinished {
            if let Some(Turn { workflow, queue, begun: true }) = turn {
                let key = Arc::new((*workflow, queue.key.clone()));
                self.lines.entry(Arc::clone(&key)).or_default().under_way += 1;
                self.places.insert(*run, Place { line: key, standing: Standing::UnderWay });
            }
        }
        unfinished.retain(|unfinished| match &unfinished.turn {
            Some(Turn { workflow, queue, begun: false }) => {
                self.line_up(unfinished.run, *workflow, queue, false)
            }
            Some(Turn { begun: true, .. }) | None => true,
        });
        unfinished
    }

    /// Whether the run stands in a line.
    fn has_place(&self, run: RunId) -> bool {
        self.places.contains_key(&run)
    }

    fn stands(&self, run: RunId, standing: Standing) -> bool {
        self.places.get(&run).is_some_and(|place| place.standing == standing)
    }

    /// Whether the run's turn came, and it is yet to begin.
    pub(crate) fn is_called(&self, run: RunId) -> bool {
        self.stands(run, Standing::Called)
    }

    /// The run, whose turn it is, began.
    pub(crate) fn begin(&mut self, run: RunId) {
        if let Some(place) = self.places.get_mut(&run).filter(|place| place.standing == Standing::Called) {
            place.standing = Standing::UnderWay;
        }
    }

    /// The run gives up its place, as at its end. Returns whose turn it is now.
    pub(crate) fn leave(&mut self, run: RunId) -> Vec<RunId> {
        let Some(Place { line, standing }) = self.places.remove(&run) else { return Vec::new() };
        let left = self.lines.get_mut(&line).expect("a place is in a line");
        match standing {
            Standing::Queued => left.queued.retain(|(queued, _)| *queued != run),
            Standing::Called | Standing::UnderWay => left.under_way -= 1,
        }
        let called = self.call(&line);
        if self.lines.get(&line).is_some_and(|line| line.under_way == 0 && line.queued.is_empty()) {
            self.lines.remove(&line);
        }
        called
    }

    /// Makes a place at the end of the line, or before those that were started after it. Says whether its turn came.
    fn line_up(&mut self, run: RunId, workflow: WorkflowId, queue: &Queue, again: bool) -> bool {
        let key = Arc::new((workflow, queue.key.clone()));
        let line = self.lines.entry(Arc::clone(&key)).or_default();
        let end = line.queued.len();
        // Ids are drawn in the order of time.
        let at = if again { line.queued.partition_point(|(queued, _)| *queued < run) } else { end };
        line.queued.insert(at, (run, queue.limit));
        self.places.insert(run, Place { line: Arc::clone(&key), standing: Standing::Queued });
        self.call(&key).contains(&run)
    }

    /// Calls from the front of the line whose turn it is.
    fn call(&mut self, line: &Key) -> Vec<RunId> {
        let mut called = Vec::new();
        let Some(line) = self.lines.get_mut(line) else { return called };
        while let Some(&(next, limit)) = line.queued.front()
            && line.under_way < limit as usize
        {
            line.queued.pop_front();
            line.under_way += 1;
            called.push(next);
        }
        for run in &called {
            let place = self.places.get_mut(run).expect("who is queued has a place");
            place.standing = Standing::Called;
        }
        called
    }
}

impl<J: Journal, A: Actions, C: Clock> Host<J, A, C> {
    /// Lets the run go on as far as it comes without the outside world, unless it has to wait for its turn.
    pub(crate) fn advance(&self, run: &mut Run, context: &Context<'_>) -> Vec<Entry> {
        if run.status == RunStatus::Pending && !run.is_to_end() {
            let turns = &mut self.state().turns;
            if let Some(queue) = run.queue.as_ref().filter(|_| !turns.has_place(run.id)) {
                // A person let it go on after its end, when its turn had gone to others.
                turns.line_up(run.id, run.workflow, queue, true);
            }
            if turns.stands(run.id, Standing::Queued) {
                return Vec::new();
            }
        }
        run.advance(context)
    }

    /// What leads to the run's place may not be in the journal: then it gives that up. Where nobody knows, it is looked for
    /// when its turn comes.
    pub(crate) fn unplace(&self, run: RunId, cause: &JournalError) {
        let next = {
            let turns = &mut self.state().turns;
            match cause {
                JournalError::Storage(_) if turns.is_called(run) => vec![run],
                JournalError::Storage(_) => Vec::new(),
                JournalError::Full(_)
                | JournalError::Conflict { .. }
                | JournalError::Exists { .. }
                | JournalError::Missing(_) => turns.leave(run),
            }
        };
        self.call(next);
    }

    /// A run whose turn came cannot be read: it never began, so the turn is given on. One that began keeps it, as nobody
    /// knows what it did.
    pub(crate) fn pass_over(&self, run: RunId) {
        if self.state().turns.is_called(run) {
            self.give_turn_on(run);
        }
    }

    /// The run gives up its place.
    pub(crate) fn give_turn_on(&self, run: RunId) {
        let next = self.state().turns.leave(run);
        self.call(next);
    }

    /// Lets runs go on whose turn came, each as soon as there is a slot for it.
    pub(crate) fn call(&self, runs: Vec<RunId>) {
        for run in runs {
            // Not idle meanwhile.
            let active = Active::enter(&self.shared.active);
            let host = self.clone();
            tokio::spawn(async move {
                host.go_on(run, Wake::Timer).await;
                drop(active);
            });
        }
    }
}
