use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use loopfour_engine::ports::{Append, Due, Journal, JournalError, Turn, Unfinished};
use loopfour_engine::{CompanyId, Entry, Event, RunId, RunStatus, Summary, WaitReason, WorkflowId};

use crate::inbox::Inbox;

/// A journal in memory, and what else a store keeps to start runs by itself: events, hand-overs, schedules. Entries are
/// kept as the text that a real one stores. Clones are the same journal.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(crate) struct State {
    runs: BTreeMap<RunId, (Vec<String>, Summary)>,
    pub(crate) definitions: BTreeMap<(WorkflowId, u32), String>,
    pub(crate) inbox: Inbox,
    appends_left: Option<usize>,
    writes_left: Option<(usize, LastWrite)>,
    late: bool,
    slow: BTreeSet<RunId>,
}

/// What becomes of the last write before a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastWrite {
    /// It is stored, and whoever wrote heard so.
    Heard,
    /// It is stored, and nobody heard so.
    Unheard,
}

impl MemoryJournal {
    /// Stores the text of a workflow's version.
    pub fn define(&self, workflow: WorkflowId, version: u32, source: &str) {
        self.state().definitions.insert((workflow, version), source.to_owned());
    }

    /// From now on so many appends succeed, and every later one fails without storing anything; `None`: all succeed.
    pub fn fail_after(&self, appends: Option<usize>) {
        self.state().appends_left = appends;
    }

    /// From now on so many writes of any kind are stored, and every later one fails, as where the process is killed; `None`:
    /// all are stored.
    pub fn crash_after(&self, writes: Option<(usize, LastWrite)>) {
        self.state().writes_left = writes;
    }

    /// Whether a write failed by [`MemoryJournal::crash_after`], or is the next to.
    pub fn has_crashed(&self) -> bool {
        matches!(self.state().writes_left, Some((0, _)))
    }

    /// From now on whoever appends hears of it only later than it is stored, as from a disk, and what starts runs is read
    /// as slowly.
    pub fn acknowledge_late(&self) {
        self.state().late = true;
    }

    /// From now on reading this run takes longer than reading others.
    pub fn read_slowly(&self, run: RunId) {
        self.state().slow.insert(run);
    }

    /// All entries of a run.
    pub fn entries(&self, run: RunId) -> Vec<Entry> {
        let state = self.state();
        let lines = state.runs.get(&run).map(|(lines, _)| lines.as_slice()).unwrap_or_default();
        lines.iter().map(|line| serde_json::from_str(line).expect("an entry reads back")).collect()
    }

    /// How a run stands.
    pub fn summary(&self, run: RunId) -> Option<Summary> {
        self.state().runs.get(&run).map(|(_, summary)| summary.clone())
    }

    /// How each run stands.
    pub fn summaries(&self) -> Vec<Summary> {
        self.state().runs.values().map(|(_, summary)| summary.clone()).collect()
    }

    /// Reads as slowly as a disk does, if it is to: others do something meanwhile.
    pub(crate) async fn read_late(&self) {
        let late = self.state().late;
        pause(if late { 200 } else { 0 }).await;
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes, unless a write is to fail.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&mut State) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let failed = || Err(JournalError::Storage("told to fail".to_owned()));
        let mut state = self.state();
        match &mut state.writes_left {
            Some((0, _)) => return failed(),
            Some((left, _)) => *left -= 1,
            None => {}
        }
        let done = work(&mut state);
        if state.writes_left == Some((0, LastWrite::Unheard)) { failed() } else { done }
    }
}

impl State {
    fn store(&mut self, batch: Append) -> Result<(), JournalError> {
        match &mut self.appends_left {
            Some(0) => return Err(JournalError::Storage("told to fail".to_owned())),
            Some(left) => *left -= 1,
            None => {}
        }
        let length = self.runs.get(&batch.run).map_or(0, |(lines, _)| lines.len());
        if length as u64 != batch.expected {
            return Err(JournalError::Conflict { run: batch.run });
        }
        if let Some(first) = batch.entries.first() {
            self.inbox.begun(&first.event)?;
        }
        let had_ended = self.runs.get(&batch.run).is_some_and(|(_, summary)| summary.status.has_ended());
        let (lines, summary) =
            self.runs.entry(batch.run).or_insert_with(|| (Vec::new(), batch.summary.clone()));
        let written =
            batch.entries.iter().map(|entry| serde_json::to_string(entry).expect("an entry is JSON"));
        lines.extend(written);
        *summary = batch.summary;
        let failed = matches!(summary.status, RunStatus::Failed | RunStatus::Timeout);
        if failed && !had_ended {
            let first: Entry = serde_json::from_str(&lines[0]).expect("an entry reads back");
            let (length, at) = (lines.len() as u64, batch.entries.last().map_or(first.at, |last| last.at));
            self.inbox.failed(&first.event, length, at);
        }
        Ok(())
    }

    /// The first entries of all runs, by their ids.
    pub(crate) fn firsts(&self) -> impl Iterator<Item = (RunId, Entry, &Summary)> {
        self.runs.iter().map(|(run, (lines, summary))| {
            (*run, serde_json::from_str(&lines[0]).expect("an entry reads back"), summary)
        })
    }
}

/// Lets others do something first, so many times.
async fn pause(mut times: u32) {
    std::future::poll_fn(|context| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Journal for MemoryJournal {
    async fn append(&self, batch: Append) -> Result<(), JournalError> {
        let stored = self.write(|state| state.store(batch));
        let late = self.state().late;
        pause(u32::from(late)).await;
        stored
    }

    async fn load(&self, run: RunId) -> Result<Vec<Entry>, JournalError> {
        let slow = self.state().slow.contains(&run);
        pause(if slow { 100 } else { 0 }).await;
        Ok(self.entries(run))
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, JournalError> {
        let state = self.state();
        let open = state.runs.iter().filter(|(_, (_, summary))| !summary.status.has_ended());
        Ok(open
            .map(|(run, (lines, summary))| Unfinished {
                run: *run,
                due: Due::of(summary),
                turn: turn(&lines[0], summary),
            })
            .collect())
    }

    async fn waiting_for_connection(&self, company: CompanyId) -> Result<Vec<RunId>, JournalError> {
        let waits = |summary: &Summary| {
            let reason = summary.waiting.as_ref().map(|waiting| waiting.reason);
            summary.status == RunStatus::Waiting && reason == Some(WaitReason::Connection)
        };
        let is_its = |run: RunId| {
            let first = self.entries(run).into_iter().next().map(|entry| entry.event);
            matches!(first, Some(Event::RunStarted { company: of, .. }) if of == company)
        };
        let waiting: Vec<RunId> = {
            let state = self.state();
            state.runs.iter().filter(|(_, (_, summary))| waits(summary)).map(|(run, _)| *run).collect()
        };
        Ok(waiting.into_iter().filter(|run| is_its(*run)).collect())
    }

    async fn definition(&self, workflow: WorkflowId, version: u32) -> Result<String, JournalError> {
        let found = self.state().definitions.get(&(workflow, version)).cloned();
        found.ok_or_else(|| JournalError::Missing(format!("version {version} of {workflow}")))
    }
}

/// Whose turn a run waits for or has, by its first line.
fn turn(first: &str, summary: &Summary) -> Option<Turn> {
    let first: Entry = serde_json::from_str(first).expect("an entry reads back");
    match first.event {
        Event::RunStarted { workflow, queue: Some(queue), .. } => {
            Some(Turn { workflow, queue, begun: summary.status != RunStatus::Pending })
        }
        _ => None,
    }
}

impl MemoryJournal {
    /// The run's entries, each as the name of its event and the step, such as `callIntended finalize`.
    pub fn outline(&self, run: RunId) -> Vec<String> {
        self.entries(run).iter().map(|entry| outline(&entry.event)).collect()
    }
}

/// The name of an event and its step, such as `callIntended finalize`.
pub fn outline(event: &Event) -> String {
    let json = serde_json::to_value(event).expect("an event is JSON");
    if let Some(name) = json.as_str() {
        return name.to_owned();
    }
    let (name, fields) =
        json.as_object().and_then(|members| members.iter().next()).expect("an event has a name");
    match fields["path"].as_str() {
        Some(path) => format!("{name} {path}"),
        None => name.clone(),
    }
}
