//! A scenario: a workflow, its input, what the provider answers, and two ways to run it with and without crashes.

use std::sync::Arc;

use loopfour_engine::ports::Append;
use loopfour_engine::{
    Command, CompanyId, Entry, Event, Run, RunId, RunStatus, StepStatus, Timestamp, TriggerKind, WorkflowId,
};
use loopfour_lang::{Catalog, Options, Value, Workflow, check, json};
use loopfour_testkit::{Answer, MemoryJournal, Provider};
use uuid::Uuid;

/// The source document's example.
pub const EXAMPLE: &str = include_str!("../../../../docs/examples/create-and-send-invoice.json");

pub const NO_CUSTOMER: Answer = Answer::Done(r#"{"object":"list","data":[],"has_more":false}"#);
pub const ONE_CUSTOMER: Answer =
    Answer::Done(r#"{"object":"list","data":[{"id":"cus_known"}],"has_more":false}"#);
pub const CUSTOMER: Answer = Answer::Done(r#"{"id":"cus_new"}"#);
pub const INVOICE: Answer = Answer::Done(r#"{"id":"in_1"}"#);

pub type Script = &'static [(&'static str, &'static [Answer])];

/// The provider's answers to the example when nothing goes wrong.
pub const EXAMPLE_NEW: Script = &[
    ("stripe.listCustomers", &[NO_CUSTOMER]),
    ("stripe.createCustomer", &[CUSTOMER]),
    ("stripe.createInvoice", &[INVOICE]),
    ("stripe.createInvoiceItem", &[Answer::Done(r#"{"id":"ii_1"}"#)]),
    ("stripe.finalizeInvoice", &[INVOICE]),
    ("stripe.sendInvoice", &[INVOICE]),
];

pub struct Scenario {
    pub definition: Arc<Workflow>,
    pub input: Value,
    pub script: Script,
    /// How often a run that waits is told to go on.
    pub resumes: usize,
}

/// How a run ended, in what must not depend on crashes.
#[derive(Debug, PartialEq)]
pub struct End {
    pub status: RunStatus,
    pub output: String,
    pub error: Option<String>,
    pub steps: Vec<(StepStatus, String, Option<String>)>,
}

impl Scenario {
    #[track_caller]
    pub fn new(source: &str, input: &str, script: Script) -> Scenario {
        let checked = check(source, Options { catalog: Catalog::builtin(), environment: &[] });
        let definition = checked.workflow.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
        let input = json::parse(input.as_bytes()).unwrap();
        Scenario { definition: Arc::new(definition), input, script, resumes: 0 }
    }

    pub fn resumes(mut self, resumes: usize) -> Scenario {
        self.resumes = resumes;
        self
    }

    pub fn provider(&self) -> Provider {
        Provider::new(self.script)
    }

    pub fn run_id() -> RunId {
        RunId(Uuid::from_u128(1))
    }

    pub fn first(&self) -> Entry {
        let event = Event::RunStarted {
            run: Scenario::run_id(),
            company: CompanyId(Uuid::from_u128(2)),
            workflow: WorkflowId(Uuid::from_u128(3)),
            version: 1,
            trigger: TriggerKind::Api,
            input: self.input.clone(),
            connection: None,
            idempotency_key: None,
        };
        Entry { seq: 1, at: Timestamp(1_000), event }
    }

    /// Runs over an event journal. Returns the run and how often there was something to crash at.
    pub fn run(&self, provider: &Provider, journal: &MemoryJournal, crash: Option<Crash>) -> (Run, Points) {
        let mut host =
            EventHost { scenario: self, provider, journal, crash, points: Points::default(), now: 1_000 };
        let mut resumes = self.resumes;
        loop {
            match host.live(&mut resumes) {
                Ok(run) => return (run, host.points),
                Err(Crashed) => host.crash = None,
            }
        }
    }
}

pub fn end(run: &Run) -> End {
    let code = |error: &Option<loopfour_engine::StepError>| error.as_ref().map(|error| error.code.clone());
    let steps = run.steps.iter().map(|step| (step.status, step.output.to_string(), code(&step.error)));
    End {
        status: run.status,
        output: run.output.to_string(),
        error: code(&run.error),
        steps: steps.collect(),
    }
}

/// Where the process crashes.
#[derive(Clone, Copy, Debug)]
pub enum Crash {
    /// After so many entries became durable; the rest of their batch is lost.
    AfterEntry(usize),
    /// After the so-manieth call was answered, before its outcome is recorded.
    AfterAnswer(usize),
    /// After the so-manieth batch became durable, before anybody heard of it.
    BeforeAcknowledgement(usize),
}

/// How often each kind of crash was possible.
#[derive(Clone, Copy, Debug, Default)]
pub struct Points {
    pub entries: usize,
    pub answers: usize,
    pub batches: usize,
}

struct Crashed;

struct EventHost<'a> {
    scenario: &'a Scenario,
    provider: &'a Provider,
    journal: &'a MemoryJournal,
    crash: Option<Crash>,
    points: Points,
    now: i64,
}

impl EventHost<'_> {
    /// One life of the process, from its start to a crash or to the end of the work.
    fn live(&mut self, resumes: &mut usize) -> Result<Run, Crashed> {
        let mut run = self.recover()?;
        loop {
            if let Some(command) = run.due().into_iter().next() {
                let outcome = self.provider.answer(command.sending());
                self.points.answers += 1;
                if matches!(self.crash, Some(Crash::AfterAnswer(at)) if at == self.points.answers) {
                    return Err(Crashed);
                }
                let Command::Perform { path, .. } = &command;
                let now = self.tick();
                let mut entries = vec![run.settle(path, outcome, now)];
                entries.extend(run.advance(self.provider, now));
                self.append(&run, entries)?;
            } else if run.status == RunStatus::Waiting && *resumes > 0 {
                *resumes -= 1;
                run = self.recover()?;
            } else {
                return Ok(run);
            }
        }
    }

    fn recover(&mut self) -> Result<Run, Crashed> {
        let stored = self.journal.entries(Scenario::run_id());
        let now = self.tick();
        let mut run;
        let mut entries = Vec::new();
        if stored.is_empty() {
            let first = self.scenario.first();
            run = Run::begin(Arc::clone(&self.scenario.definition), &first).unwrap();
            entries.push(first);
        } else {
            run = Run::fold(Arc::clone(&self.scenario.definition), &stored).unwrap();
            entries.extend(run.resume(now));
        }
        entries.extend(run.advance(self.provider, now));
        self.append(&run, entries)?;
        Ok(run)
    }

    fn append(&mut self, run: &Run, entries: Vec<Entry>) -> Result<(), Crashed> {
        let expected = run.length - entries.len() as u64;
        let mut durable = entries;
        let mut crashed = false;
        if let Some(Crash::AfterEntry(at)) = self.crash
            && at <= self.points.entries + durable.len()
        {
            durable.truncate(at - self.points.entries);
            crashed = true;
        }
        self.points.entries += durable.len();
        if !durable.is_empty() {
            let batch = Append { run: run.id, expected, entries: durable.into(), summary: run.summary() };
            futures_now(loopfour_engine::ports::Journal::append(self.journal, batch)).unwrap();
            self.points.batches += 1;
            crashed |=
                matches!(self.crash, Some(Crash::BeforeAcknowledgement(at)) if at == self.points.batches);
        }
        if crashed { Err(Crashed) } else { Ok(()) }
    }

    fn tick(&mut self) -> Timestamp {
        self.now += 1_000;
        Timestamp(self.now)
    }
}

/// The result of a future that never has to wait.
pub fn futures_now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the future waits"),
    }
}
