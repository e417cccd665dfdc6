//! What the tests run hosts in: a journal, a clock that is moved by hand, and a provider whose answers and turns can be
//! held back.

use std::sync::Arc;

use loopfour_engine::definitions::Definitions;
use loopfour_engine::event::Actor;
use loopfour_engine::ports::{
    Act, ActError, Actions, Call, Candidates, Deed, FindError, Prepare, Resolution, Runs as _, Start,
    Unprepared,
};
use loopfour_engine::{
    CompanyId, Outcome, Request, Run, RunId, RunStatus, Sending, StepError, StepPath, Timestamp, TriggerKind,
    WaitReason, WorkflowId,
};
use loopfour_host::{Host, Settings};
use loopfour_lang::Document;
use loopfour_testkit::{Answer, ManualClock, MemoryJournal, Provider};
use tokio::sync::watch;
use uuid::Uuid;

pub const WORKFLOW: &str = r#"{"name":"two writes","trigger":{"type":"api"},"settings":{"timeoutMs":3600000},"steps":[
    {"id":"first","action":"stripe.createCustomer","config":{"email":"{{input.email}}"}},
    {"id":"second","action":"stripe.createInvoice","config":{"customerId":"{{steps.first.output.id}}"}}]}"#;
pub const CUSTOMER: Answer = Answer::Done(r#"{"id":"cus_1"}"#);
pub const INVOICE: Answer = Answer::Done(r#"{"id":"in_1"}"#);

pub type TestHost = Host<MemoryJournal, Gate, ManualClock>;

/// A provider behind two gates. Clones are the same.
#[derive(Clone)]
pub struct Gate {
    pub provider: Provider,
    /// Whether answers come.
    answers: watch::Sender<bool>,
    /// Whether turns come.
    turns: watch::Sender<bool>,
    /// Whether there is a connection.
    connected: watch::Sender<bool>,
    /// How many calls left.
    left: watch::Sender<usize>,
}

impl Gate {
    pub fn hold_answers(&self, hold: bool) {
        self.answers.send_replace(!hold);
    }

    pub fn hold_turns(&self, hold: bool) {
        self.turns.send_replace(!hold);
    }

    pub fn connect(&self, connected: bool) {
        self.connected.send_replace(connected);
    }

    /// Waits until so many calls left, answered or not.
    pub async fn left(&self, calls: usize) {
        self.left.subscribe().wait_for(|left| *left >= calls).await.unwrap();
    }

    async fn pass(gate: &watch::Sender<bool>) {
        gate.subscribe().wait_for(|open| *open).await.unwrap();
    }
}

impl Prepare for Gate {
    fn prepare(&self, call: &Call<'_>) -> Result<Request, Unprepared> {
        if !*self.connected.borrow() {
            let error = StepError::new("authentication_error", "no connection", "connect");
            return Err(Unprepared::NotReady { error, account: None });
        }
        self.provider.prepare(call)
    }
}

impl Actions for Gate {
    async fn turn(&self, _request: &Request) {
        Gate::pass(&self.turns).await;
    }

    async fn perform(&self, sending: Sending<'_>) -> Outcome {
        self.left.send_modify(|left| *left += 1);
        Gate::pass(&self.answers).await;
        self.provider.perform(sending).await
    }

    async fn find(&self, request: &Request, id: &str) -> Result<Document, FindError> {
        self.provider.find(request, id).await
    }

    async fn candidates(
        &self,
        request: &Request,
        run: RunId,
        path: &StepPath,
        since: Timestamp,
    ) -> Result<Candidates, FindError> {
        self.provider.candidates(request, run, path, since).await
    }
}

/// What is there beside the process, and outlives it.
pub struct World {
    pub journal: MemoryJournal,
    pub gate: Gate,
    pub clock: ManualClock,
    pub settings: Settings,
}

pub fn provider(first: &[Answer], second: &[Answer]) -> Provider {
    Provider::new(&[("stripe.createCustomer", first), ("stripe.createInvoice", second)])
}

impl World {
    pub fn new(first: &[Answer], second: &[Answer]) -> World {
        World::over(provider(first, second))
    }

    pub fn over(provider: Provider) -> World {
        let open = || watch::Sender::new(true);
        let (answers, turns, connected, left) = (open(), open(), open(), watch::Sender::new(0));
        let gate = Gate { provider, answers, turns, connected, left };
        let (journal, clock) = (MemoryJournal::default(), ManualClock::at(1_000));
        World { journal, gate, clock, settings: Settings::default() }
    }

    pub fn with_most_runs(mut self, most_runs: usize) -> World {
        self.settings.most_runs = most_runs;
        self
    }

    /// A process.
    pub fn host(&self) -> (TestHost, Start) {
        let definitions = Arc::new(Definitions::default());
        let workflow = WorkflowId(Uuid::from_u128(1));
        self.journal.define(workflow, 1, WORKFLOW);
        let definition = definitions.insert(workflow, 1, WORKFLOW).expect("the workflow is right");
        let start = Start {
            run: None,
            company: CompanyId(Uuid::from_u128(2)),
            workflow,
            version: 1,
            definition,
            trigger: TriggerKind::Api,
            input: loopfour_lang::json::parse(br#"{"email":"a@example.com"}"#).expect("JSON"),
            connection: None,
            idempotency_key: None,
            restarted_from: None,
            by: None,
            cause: None,
            queue: None,
            kept: Vec::new(),
        };
        let (journal, gate, clock) = (self.journal.clone(), self.gate.clone(), self.clock.clone());
        (Host::new(journal, gate, clock, definitions, self.settings), start)
    }

    /// A process with one run that was just started.
    pub async fn with_run(&self) -> (TestHost, RunId) {
        let (host, start) = self.host();
        let run = host.start(start).await.unwrap().run;
        (host, run)
    }

    pub fn status(&self, run: RunId) -> (RunStatus, Option<WaitReason>) {
        let summary = self.journal.summary(run).expect("the run is there");
        (summary.status, summary.waiting.map(|waiting| waiting.reason))
    }

    /// Waits until there are so many runs, all of them ended.
    #[track_caller]
    pub fn until_all_ended(&self, runs: usize) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            for _ in 0..10_000 {
                let all = self.journal.summaries();
                if all.len() == runs && all.iter().all(|run| run.status.has_ended()) {
                    return;
                }
                tokio::task::yield_now().await;
            }
            panic!("{place}: they stand as {:?}", self.journal.summaries());
        }
    }

    /// Waits until the run stands so in the journal.
    #[track_caller]
    pub fn until(
        &self,
        run: RunId,
        status: RunStatus,
        reason: Option<WaitReason>,
    ) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            for _ in 0..10_000 {
                if self.status(run) == (status, reason) {
                    return;
                }
                tokio::task::yield_now().await;
            }
            panic!("{place}: it stands as {:?}, after {:?}", self.status(run), self.journal.outline(run));
        }
    }
}

pub async fn act(host: &TestHost, run: RunId, what: Deed) -> Result<Box<Run>, ActError> {
    let by = Actor { id: "key_1".to_owned(), name: "Ada".to_owned(), address: None };
    host.act(run, Act { by, what }).await
}

pub async fn resolve(host: &TestHost, run: RunId, resolution: Resolution) -> Result<Box<Run>, ActError> {
    let path = StepPath("first".to_owned());
    act(host, run, Deed::Resolve { path, reason: "looked".to_owned(), resolution }).await
}
