//! The part of the journal in memory that starts runs: events and what of them is to be handed over, workflows with
//! their versions and how they stand, and how far schedules are. Keeps the guarantees of its ports, as a real store does.

use std::collections::BTreeMap;

use loopfour_engine::cause::Cause;
use loopfour_engine::event::{Actor, Event, TriggerKind};
use loopfour_engine::ports::JournalError;
use loopfour_engine::provider_events::{self, Active, EventStatus, HandOver, Kept, NewEvent, ProviderEvent};
use loopfour_engine::schedules::{Scheduled, Schedules};
use loopfour_engine::{CompanyId, ConnectionId, EventId, RunId, Timestamp, WorkflowId};
use loopfour_lang::Document;
use tokio::sync::watch;

use crate::MemoryJournal;

#[derive(Debug, Default)]
pub(crate) struct Inbox {
    events: BTreeMap<EventId, (ProviderEvent, Option<Document>)>,
    /// In the order in which they were put in, with the time of the next try.
    hand_overs: Vec<(HandOver, Timestamp)>,
    /// Those that are not tried any more, and why.
    dead: BTreeMap<(EventId, WorkflowId), String>,
    causes: BTreeMap<(WorkflowId, String), RunId>,
    workflows: BTreeMap<WorkflowId, Row>,
    made_at: BTreeMap<(WorkflowId, u32), Timestamp>,
    schedules: BTreeMap<WorkflowId, Scheduled>,
    put_in: watch::Sender<u64>,
    changed: watch::Sender<u64>,
    audit: Vec<String>,
    events_read: usize,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    company: CompanyId,
    trigger: TriggerKind,
    version: u32,
    is_active: bool,
}

impl Inbox {
    /// A run begins, if there is none for its cause.
    pub(crate) fn begun(&mut self, event: &Event) -> Result<(), JournalError> {
        let Event::RunStarted { run, workflow, cause: Some(cause), .. } = event else { return Ok(()) };
        let key = (*workflow, cause.to_string());
        if let Some(run) = self.causes.get(&key) {
            return Err(JournalError::Exists { run: *run });
        }
        self.causes.insert(key, *run);
        let attempts = self.remove(*workflow, *cause);
        match cause {
            Cause::Event { event, .. } => self.settle(*event, attempts.map_or(0, |attempts| attempts + 1)),
            Cause::Firing { at } => {
                if let Some(row) = self.schedules.get_mut(workflow) {
                    row.after = *at;
                }
            }
            Cause::Failure { .. } => {}
        }
        Ok(())
    }

    /// A run that began so failed when its journal had that length.
    pub(crate) fn failed(&mut self, first: &Event, length: u64, at: Timestamp) {
        let Event::RunStarted { run, company, workflow, .. } = first else { return };
        if self.workflows.get(workflow).is_some_and(|row| row.trigger == TriggerKind::Failure) {
            return;
        }
        let cause = Cause::Failure { run: *run, length };
        for active in self.active(*company, TriggerKind::Failure) {
            self.put_in(HandOver { company: *company, workflow: active.workflow, cause, attempts: 0 }, at);
        }
    }

    fn active(&self, company: CompanyId, trigger: TriggerKind) -> Vec<Active> {
        let rows = self.workflows.iter();
        let active =
            rows.filter(|(_, row)| row.is_active && row.company == company && row.trigger == trigger);
        active.map(|(workflow, row)| Active { workflow: *workflow, version: row.version }).collect()
    }

    fn put_in(&mut self, hand_over: HandOver, at: Timestamp) {
        match self.hand_overs.iter_mut().find(|(here, _)| is_same(here, &hand_over)) {
            Some(here) => *here = (hand_over, at),
            None => self.hand_overs.push((hand_over, at)),
        }
        self.put_in.send_modify(|times| *times += 1);
    }

    /// Removes one, and gives the number of its tries.
    fn remove(&mut self, workflow: WorkflowId, cause: Cause) -> Option<u32> {
        let is_it = |here: &HandOver| here.workflow == workflow && here.cause == cause;
        let place = self.hand_overs.iter().position(|(here, _)| is_it(here))?;
        Some(self.hand_overs.remove(place).0.attempts)
    }

    /// How the event stands by what is left of it; it was tried so often at least.
    fn settle(&mut self, id: EventId, attempts: u32) {
        let is_its = |cause: Cause| matches!(cause, Cause::Event { event, .. } if event == id);
        let is_left = self.hand_overs.iter().any(|(here, _)| is_its(here.cause));
        let is_dead = self.dead.keys().any(|(event, _)| *event == id);
        let has_run = self.causes.keys().any(|(_, cause)| cause.starts_with(&id.to_string()));
        if let Some((event, _)) = self.events.get_mut(&id) {
            event.attempts = event.attempts.max(attempts);
            event.status = match (is_dead, is_left, has_run) {
                (true, _, _) => EventStatus::Dead,
                (false, false, true) => EventStatus::Dispatched,
                (false, true, _) | (false, false, false) => EventStatus::Stored,
            };
        }
    }

    /// The event as people see it: a dead one with the reason of a workflow that did not get it.
    fn shown(&self, id: EventId) -> Option<(ProviderEvent, Option<Document>)> {
        let (mut event, body) = self.events.get(&id)?.clone();
        let dead = self.dead.iter().find(|((of, _), _)| *of == id);
        event.reason = dead.map(|(_, reason)| reason.clone()).or(event.reason);
        Some((event, body))
    }

    /// What the change of a workflow means for its schedule.
    fn keep_schedule(&mut self, workflow: WorkflowId, now: Timestamp) {
        let Row { company, trigger, version, is_active } = self.workflows[&workflow];
        let fires = is_active && trigger == TriggerKind::Schedule;
        let had = self.schedules.contains_key(&workflow);
        if fires {
            let row = Scheduled { workflow, company, version, current: version, anchor: now, after: now };
            self.schedules.entry(workflow).or_insert(row).current = version;
        } else {
            self.schedules.remove(&workflow);
        }
        if fires || had {
            self.changed.send_modify(|times| *times += 1);
        }
    }
}

fn is_same(one: &HandOver, other: &HandOver) -> bool {
    one.company == other.company && one.workflow == other.workflow && one.cause == other.cause
}

impl MemoryJournal {
    /// Makes a version of a workflow, the first or the next one, which is its current one from here on. Says which.
    pub fn edit(&self, company: CompanyId, workflow: WorkflowId, source: &str, now: Timestamp) -> u32 {
        let mut state = self.state();
        let trigger = serde_json::from_str::<serde_json::Value>(source).expect("a definition is JSON");
        let trigger =
            serde_json::from_value(trigger["trigger"]["type"].clone()).expect("a trigger has a type");
        let before = state.inbox.workflows.get(&workflow).copied();
        let version = before.map_or(1, |row| row.version + 1);
        let is_active = before.is_some_and(|row| row.is_active);
        state.definitions.insert((workflow, version), source.to_owned());
        state.inbox.made_at.insert((workflow, version), now);
        state.inbox.workflows.insert(workflow, Row { company, trigger, version, is_active });
        state.inbox.keep_schedule(workflow, now);
        version
    }

    /// Makes a workflow active, or pauses it.
    pub fn set_active(&self, workflow: WorkflowId, is_active: bool, now: Timestamp) {
        let inbox = &mut self.state().inbox;
        inbox.workflows.get_mut(&workflow).expect("the workflow is there").is_active = is_active;
        inbox.keep_schedule(workflow, now);
    }

    /// All events, in the order of their ids.
    pub fn events(&self) -> Vec<ProviderEvent> {
        let inbox = &self.state().inbox;
        inbox.events.keys().filter_map(|id| inbox.shown(*id)).map(|(event, _)| event).collect()
    }

    /// How often an event was asked for with its body.
    pub fn events_read(&self) -> usize {
        self.state().inbox.events_read
    }

    /// The text of a workflow's version cannot be read from here on.
    pub fn lose_definition(&self, workflow: WorkflowId, version: u32) {
        self.state().definitions.remove(&(workflow, version)).expect("the version is there");
    }

    /// The body of an event is not kept any more.
    pub fn drop_body(&self, event: EventId) {
        self.state().inbox.events.get_mut(&event).expect("the event is there").1 = None;
    }

    /// What is to be handed over, in order, with the time of its next try.
    pub fn hand_overs(&self) -> Vec<(HandOver, Timestamp)> {
        self.state().inbox.hand_overs.clone()
    }

    /// The runs that were started for a cause, in the order of their ids.
    pub fn caused(&self) -> Vec<(WorkflowId, Cause, RunId)> {
        let firsts = self.state().firsts().map(|(run, first, _)| (run, first.event)).collect::<Vec<_>>();
        let caused = firsts.into_iter().filter_map(|(run, event)| match event {
            Event::RunStarted { workflow, cause: Some(cause), .. } => Some((workflow, cause, run)),
            _ => None,
        });
        caused.collect()
    }

    /// What was noted for the audit log.
    pub fn audit(&self) -> Vec<String> {
        self.state().inbox.audit.clone()
    }
}

impl provider_events::Inbox for MemoryJournal {
    fn active(&self, company: CompanyId, trigger: TriggerKind) -> Vec<Active> {
        self.state().inbox.active(company, trigger)
    }

    async fn has_workflow(&self, company: CompanyId, workflow: WorkflowId) -> Result<bool, JournalError> {
        Ok(self.state().inbox.workflows.get(&workflow).is_some_and(|row| row.company == company))
    }

    async fn keep(&self, new: NewEvent) -> Result<Kept, JournalError> {
        self.write(|state| {
            let (inbox, NewEvent { event, body, workflows }) = (&mut state.inbox, new);
            let same = |other: &ProviderEvent| {
                let source = |event: &ProviderEvent| (event.company, event.entrance.clone());
                event.provider_event_id.is_some()
                    && other.provider_event_id == event.provider_event_id
                    && source(other) == source(&event)
            };
            if let Some((first, _)) = inbox.events.values().find(|(other, _)| same(other)) {
                return Ok(Kept::Duplicate(first.id));
            }
            let (id, company, at) = (event.id, event.company, event.created_at);
            inbox.events.insert(id, (event, Some(body)));
            for workflow in workflows {
                let cause = Cause::Event { event: id, again: None };
                inbox.put_in(HandOver { company, workflow, cause, attempts: 0 }, at);
            }
            Ok(Kept::New)
        })
    }

    async fn due(&self, now: Timestamp, most: usize) -> Result<Vec<HandOver>, JournalError> {
        let state = self.state();
        let due = state.inbox.hand_overs.iter().filter(|(_, at)| *at <= now);
        Ok(due.map(|(hand_over, _)| *hand_over).take(most).collect())
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, JournalError> {
        Ok(self.state().inbox.hand_overs.iter().map(|(_, at)| *at).min())
    }

    async fn put_in(&self, seen: u64) -> u64 {
        let mut times = self.state().inbox.put_in.subscribe();
        more_than(seen, &mut times).await
    }

    async fn event(
        &self,
        company: CompanyId,
        event: EventId,
    ) -> Result<Option<(ProviderEvent, Option<Document>)>, JournalError> {
        self.read_late().await;
        let inbox = &mut self.state().inbox;
        inbox.events_read += 1;
        Ok(inbox.shown(event).filter(|(event, _)| event.company == company))
    }

    async fn failed(
        &self,
        hand_over: HandOver,
        reason: String,
        next: Option<Timestamp>,
        _now: Timestamp,
    ) -> Result<(), JournalError> {
        self.write(|state| {
            let inbox = &mut state.inbox;
            let Some(here) = inbox.hand_overs.iter_mut().find(|(here, _)| is_same(here, &hand_over)) else {
                return Ok(());
            };
            here.0.attempts = hand_over.attempts + 1;
            match next {
                Some(next) => here.1 = next,
                None => drop(inbox.remove(hand_over.workflow, hand_over.cause)),
            }
            if let Cause::Event { event, .. } = hand_over.cause {
                if next.is_none() {
                    inbox.dead.insert((event, hand_over.workflow), reason);
                }
                inbox.settle(event, hand_over.attempts + 1);
            }
            Ok(())
        })
    }

    async fn withdraw(&self, hand_over: HandOver) -> Result<(), JournalError> {
        self.write(|state| {
            let attempts = state.inbox.remove(hand_over.workflow, hand_over.cause);
            if let (Some(attempts), Cause::Event { event, .. }) = (attempts, hand_over.cause) {
                state.inbox.settle(event, attempts);
            }
            Ok(())
        })
    }

    async fn put_in_again(
        &self,
        company: CompanyId,
        id: EventId,
        connection: Option<ConnectionId>,
        hand_overs: Vec<HandOver>,
        by: &Actor,
        now: Timestamp,
    ) -> Result<(), JournalError> {
        self.write(|state| {
            let inbox = &mut state.inbox;
            let found = inbox.events.get_mut(&id).filter(|(event, _)| event.company == company);
            let (event, _) = found.ok_or_else(|| JournalError::Missing(id.to_string()))?;
            let routed = connection.filter(|_| event.status == EventStatus::Unrouted);
            if let Some(connection) = routed {
                (event.connection, event.reason) = (Some(connection), None);
            }
            inbox.audit.push(format!("{} replays {id} for {}", by.name, hand_overs.len()));
            if routed.is_some() || !hand_overs.is_empty() {
                event.attempts = 0;
                for hand_over in hand_overs {
                    inbox.dead.remove(&(id, hand_over.workflow));
                    inbox.put_in(hand_over, now);
                }
                inbox.settle(id, 0);
            }
            Ok(())
        })
    }

    async fn runs_of(
        &self,
        _company: CompanyId,
        event: EventId,
    ) -> Result<Vec<(WorkflowId, RunId)>, JournalError> {
        let caused = self.caused().into_iter();
        let its =
            caused.filter(|(_, cause, _)| matches!(cause, Cause::Event { event: of, .. } if *of == event));
        Ok(its.map(|(workflow, _, run)| (workflow, run)).collect())
    }
}

impl Schedules for MemoryJournal {
    async fn scheduled(&self) -> Result<Vec<Scheduled>, JournalError> {
        Ok(self.state().inbox.schedules.values().copied().collect())
    }

    async fn changed(&self, seen: u64) -> u64 {
        let mut times = self.state().inbox.changed.subscribe();
        more_than(seen, &mut times).await
    }

    async fn version_made_at(&self, workflow: WorkflowId, version: u32) -> Result<Timestamp, JournalError> {
        let made = self.state().inbox.made_at.get(&(workflow, version)).copied();
        made.ok_or_else(|| JournalError::Missing(format!("version {version} of {workflow}")))
    }

    async fn move_on(&self, from: Scheduled, to: Scheduled) -> Result<(), JournalError> {
        self.write(|state| {
            let row = state.inbox.schedules.get_mut(&from.workflow);
            if let Some(row) = row.filter(|row| Scheduled { current: from.current, ..**row } == from) {
                *row = Scheduled { current: row.current, ..to };
            }
            Ok(())
        })
    }

    async fn is_under_way(&self, workflow: WorkflowId) -> Result<bool, JournalError> {
        self.read_late().await;
        let state = self.state();
        let under_way = state.firsts().any(|(_, first, summary)| {
            let fired = matches!(
                first.event,
                Event::RunStarted { workflow: of, cause: Some(Cause::Firing { .. }), .. } if of == workflow
            );
            fired && !summary.status.has_ended()
        });
        Ok(under_way)
    }
}

async fn more_than(seen: u64, times: &mut watch::Receiver<u64>) -> u64 {
    let reached = times.wait_for(|times| *times > seen).await.map(|times| *times);
    match reached {
        Ok(times) => times,
        // The journal is gone, and nothing changes any more.
        Err(_) => std::future::pending().await,
    }
}
