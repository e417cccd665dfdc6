//! Runs that nobody asks for by name: events, failures and schedules, over a journal in memory and a clock that is moved.

mod crashes;
mod dispatch;
mod edits;
mod failures;
mod replay;
mod schedules;
mod senders;
mod take_in;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loopfour_engine::cause::Cause;
use loopfour_engine::definitions::Definitions;
use loopfour_engine::event::{Actor, Event};
use loopfour_engine::ports::{
    Act, ActError, BoxFuture, Candidates, Clock as _, JournalError, Runs, Start, StartError, Started,
};
use loopfour_engine::provider_events::{
    Entrance, EventStatus, Incoming, Intake as _, ProviderEvent, Replay, ReplayError, Signer, TakenIn,
};
use loopfour_engine::{
    CompanyId, ConnectionId, EventId, Run, RunId, RunStatus, StepPath, Timestamp, WorkflowId,
};
use loopfour_host::Host;
use loopfour_host::triggers::Triggers;
use loopfour_lang::Document;
use loopfour_testkit::{Answer, ManualClock, MemoryJournal};
use uuid::Uuid;

use crate::world::{CUSTOMER, TestHost, World, provider};
use senders::FakeSenders;

const COMPANY: CompanyId = CompanyId(Uuid::from_u128(2));
const CONNECTION: ConnectionId = ConnectionId(Uuid::from_u128(3));
const PAID: &str = r#"{"type":"webhook","provider":"stripe","events":["invoice.paid"]}"#;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;

fn workflow(number: u128) -> WorkflowId {
    WorkflowId(Uuid::from_u128(100 + number))
}

/// A workflow of one step with this trigger, and more members if there are to be any.
fn with_trigger(trigger: &str, more: &str) -> String {
    format!(
        r#"{{"name":"started","trigger":{trigger},{more}"steps":[
            {{"id":"first","action":"stripe.createCustomer","config":{{"email":"a@example.com"}}}}]}}"#
    )
}

/// What there is beside the process, and outlives it.
struct Outside {
    world: World,
    senders: Arc<FakeSenders>,
}

/// A process that starts runs by itself.
struct Process {
    host: TestHost,
    triggers: Triggers<MemoryJournal, ManualClock>,
    door: Arc<Door>,
}

impl Outside {
    fn new() -> Outside {
        Outside::answering(&[CUSTOMER])
    }

    fn answering(answers: &[Answer]) -> Outside {
        Outside { world: World::over(provider(answers, &[])), senders: Arc::default() }
    }

    fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    fn journal(&self) -> &MemoryJournal {
        &self.world.journal
    }

    /// Moves the clock, and lets whatever that wakes come to rest.
    async fn advance(&self, milliseconds: i64) {
        self.world.clock.advance(milliseconds);
        rest().await;
    }

    /// Makes a version of a workflow with this trigger.
    fn edit(&self, number: u128, trigger: &str) {
        self.journal().edit(COMPANY, workflow(number), &with_trigger(trigger, ""), self.now());
    }

    /// Makes an active workflow with this trigger.
    fn active(&self, number: u128, trigger: &str) {
        self.edit(number, trigger);
        self.journal().set_active(workflow(number), true, self.now());
    }

    fn active_with(&self, number: u128, trigger: &str, more: &str) {
        self.journal().edit(COMPANY, workflow(number), &with_trigger(trigger, more), self.now());
        self.journal().set_active(workflow(number), true, self.now());
    }

    fn pause(&self, number: u128) {
        self.journal().set_active(workflow(number), false, self.now());
    }

    /// A process that starts nothing yet.
    fn process(&self) -> Process {
        let (journal, gate, clock) =
            (self.journal().clone(), self.world.gate.clone(), self.world.clock.clone());
        let definitions = Arc::new(Definitions::default());
        let host =
            Host::new(journal.clone(), gate, clock.clone(), Arc::clone(&definitions), self.world.settings);
        let door = Arc::new(Door {
            host: host.clone(),
            refusals: Mutex::default(),
            busy_at: Mutex::default(),
            begun: Mutex::default(),
        });
        let (senders, runs) = (Arc::clone(&self.senders), Arc::clone(&door));
        let triggers = Triggers::new(journal, senders, runs, definitions, clock);
        Process { host, triggers, door }
    }

    /// A process as it is after a start.
    async fn started(&self) -> Process {
        let process = self.process();
        process.host.recover().await.unwrap().await;
        process.triggers.start();
        rest().await;
        process
    }

    /// The runs that began, by workflow and cause, in their order.
    fn caused(&self) -> Vec<(WorkflowId, Cause)> {
        self.journal().caused().into_iter().map(|(workflow, cause, _)| (workflow, cause)).collect()
    }

    /// The firings that have a run, in the order of the runs.
    fn firings(&self, number: u128) -> Vec<i64> {
        let caused = self.caused().into_iter().filter(|(of, _)| *of == workflow(number));
        caused
            .filter_map(|(_, cause)| match cause {
                Cause::Firing { at } => Some(at.0),
                Cause::Event { .. } | Cause::Failure { .. } => None,
            })
            .collect()
    }

    fn event(&self, id: EventId) -> ProviderEvent {
        self.journal().events().into_iter().find(|event| event.id == id).expect("the event is there")
    }

    fn status(&self, id: EventId) -> EventStatus {
        self.event(id).status
    }

    /// The start of a run.
    fn start_of(&self, run: RunId) -> Begun {
        match self.journal().entries(run).remove(0).event {
            Event::RunStarted { version, input, connection, queue, .. } => Begun {
                version,
                input: input.to_string(),
                connection,
                queue: queue.map(|queue| (queue.key, queue.limit)),
            },
            _ => panic!("a journal begins with the run's start"),
        }
    }

    fn first_run(&self) -> RunId {
        self.journal().caused()[0].2
    }

    fn run_status(&self, run: RunId) -> RunStatus {
        self.journal().summary(run).expect("the run is there").status
    }
}

/// How a run began.
#[derive(Debug, PartialEq)]
struct Begun {
    version: u32,
    input: String,
    connection: Option<ConnectionId>,
    queue: Option<(String, u32)>,
}

impl Process {
    async fn stop(self) {
        self.triggers.stop().await;
        assert!(self.host.stop(Duration::from_secs(5)).await);
    }

    /// Takes in Stripe's event of this id and type.
    async fn stripe(&self, id: &str, kind: &str) -> Result<TakenIn, JournalError> {
        self.take_in(Entrance::Stripe, Some(id), &format!(r#"{{"id":"{id}","type":"{kind}"}}"#)).await
    }

    async fn take_in(
        &self,
        entrance: Entrance,
        id: Option<&str>,
        body: &str,
    ) -> Result<TakenIn, JournalError> {
        let body = Document::parse(body.as_bytes()).expect("an event is JSON");
        let kind = body.value().get("type").and_then(|kind| kind.as_text()).unwrap_or_default().to_owned();
        let provider_event_id = id.map(str::to_owned);
        let signer = Signer::Company;
        let incoming = Incoming { company: COMPANY, entrance, signer, provider_event_id, kind, body };
        let taken = self.triggers.take_in(incoming).await;
        rest().await;
        taken
    }

    async fn replay(&self, event: EventId, wish: Replay) -> Result<usize, ReplayError> {
        let by = Actor::system("Ada");
        let replayed = self.triggers.replay(COMPANY, event, wish, &by).await;
        rest().await;
        replayed
    }
}

/// Lets all that can go on go on.
async fn rest() {
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
}

/// Where runs are started, which can be shut.
struct Door {
    host: TestHost,
    refusals: Mutex<HashMap<WorkflowId, Refusal>>,
    busy_at: Mutex<Option<usize>>,
    /// Whose starts began, refused or not.
    begun: Mutex<Vec<WorkflowId>>,
}

#[derive(Clone)]
enum Refusal {
    With(StartError),
    Panic,
}

impl Door {
    /// From now on a workflow's runs are not started, or are again.
    fn refuse(&self, number: u128, refusal: Option<Refusal>) {
        let mut refusals = self.refusals.lock().unwrap();
        match refusal {
            Some(refusal) => drop(refusals.insert(workflow(number), refusal)),
            None => drop(refusals.remove(&workflow(number))),
        }
    }

    /// The start of this number, from 0, is refused for now.
    fn be_busy_at(&self, start: usize) {
        *self.busy_at.lock().unwrap() = Some(start);
    }

    /// How often a start of the workflow's began.
    fn tries(&self, number: u128) -> usize {
        self.begun.lock().unwrap().iter().filter(|of| **of == workflow(number)).count()
    }
}

impl Runs for Door {
    fn start(&self, start: Start) -> BoxFuture<'_, Result<Started, StartError>> {
        Box::pin(async move {
            let number = {
                let mut begun = self.begun.lock().unwrap();
                begun.push(start.workflow);
                begun.len() - 1
            };
            if *self.busy_at.lock().unwrap() == Some(number) {
                return Err(StartError::Busy);
            }
            let refusal = self.refusals.lock().unwrap().get(&start.workflow).cloned();
            match refusal {
                Some(Refusal::With(error)) => Err(error),
                Some(Refusal::Panic) => panic!("told to"),
                None => self.host.start(start).await,
            }
        })
    }

    fn act(&self, run: RunId, act: Act) -> BoxFuture<'_, Result<Box<Run>, ActError>> {
        self.host.act(run, act)
    }

    fn candidates(&self, run: RunId, path: StepPath) -> BoxFuture<'_, Result<Candidates, ActError>> {
        self.host.candidates(run, path)
    }

    fn is_stalled(&self, run: RunId) -> bool {
        self.host.is_stalled(run)
    }
}
