//! A scenario: a workflow, its input, what the provider answers, and two ways to run it with and without crashes.

use std::collections::VecDeque;
use std::sync::Arc;

use loopfour_engine::ports::{Act, Append, Deed};
use loopfour_engine::{
    Command, CompanyId, Context, Entry, Event, Policy, Run, RunId, RunStatus, StepStatus, Timestamp,
    TriggerKind, Wake, WorkflowId,
};
use loopfour_lang::{Catalog, Options, Value, Workflow, check, json};
use loopfour_testkit::{Answer, MemoryJournal, Provider};
use uuid::Uuid;

use crate::life::person;

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
    /// What a person does, one after the other, each when nothing more happens by itself.
    pub acts: Vec<Deed>,
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
        Scenario { definition: Arc::new(definition), input, script, acts: Vec::new() }
    }

    pub fn then(mut self, act: Deed) -> Scenario {
        self.acts.push(act);
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
            restarted_from: None,
            by: None,
            cause: None,
            queue: None,
        };
        Entry { seq: 1, at: Timestamp(1_000), event }
    }

    /// Runs over an event journal. Returns the run and how often there was something to crash at.
    pub fn run(&self, provider: &Provider, journal: &MemoryJournal, crash: Option<Crash>) -> (Run, Points) {
        let (points, acts) = (Points::default(), self.acts.iter().cloned().collect());
        let mut host = EventHost { scenario: self, provider, journal, crash, points, now: 1_000, acts };
        loop {
            match host.live() {
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
    /// What people still want.
    acts: VecDeque<Deed>,
}

impl EventHost<'_> {
    /// One life of the process, from its start to a crash or to the end of the work.
    fn live(&mut self) -> Result<Run, Crashed> {
        let mut run = self.recover()?;
        loop {
            if let Some(command) = run.due() {
                let now = self.tick();
                let before = run.before_sending(&command, &context(self.provider, now));
                self.append(&run, before.into_iter().collect())?;
                let Some(command) = run.due() else { continue };
                let outcome = self.provider.answer(command.sending());
                self.points.answers += 1;
                if matches!(self.crash, Some(Crash::AfterAnswer(at)) if at == self.points.answers) {
                    return Err(Crashed);
                }
                let Command::Perform { path, .. } = &command;
                let now = self.tick();
                let entries = vec![run.settle(path, outcome, &context(self.provider, now))];
                self.commit(&mut run, entries, now)?;
            } else if let Some(due) = run.due_at() {
                self.now = self.now.max(due.0);
                let now = self.tick();
                let entries = run.wake(Wake::Timer, &context(self.provider, now));
                self.commit(&mut run, entries, now)?;
            } else if let Some(act) = self.acts.front().cloned() {
                let now = self.tick();
                let act = Act { by: person(), what: act };
                // Who did not hear that it is done tries again, and hears that it is too late.
                let entries = run.act(act, &context(self.provider, now)).unwrap_or_default();
                self.commit(&mut run, entries, now)?;
                self.acts.pop_front();
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
            entries.extend(run.wake(Wake::Start, &context(self.provider, now)));
        }
        self.commit(&mut run, entries, now)?;
        Ok(run)
    }

    fn commit(&mut self, run: &mut Run, mut entries: Vec<Entry>, now: Timestamp) -> Result<(), Crashed> {
        entries.extend(run.advance(&context(self.provider, now)));
        self.append(run, entries)
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

fn context(prepare: &Provider, now: Timestamp) -> Context<'_> {
    static POLICY: std::sync::LazyLock<Policy> = std::sync::LazyLock::new(Policy::default);
    Context { prepare, policy: &POLICY, now }
}

/// The result of a future that never has to wait.
pub fn futures_now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the future waits"),
    }
}
