//! A run that is led by hand: each thing that can happen to it is a method. After each, what is in the journal is read
//! back and folded, and must give the state that the run is in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use loopfour_engine::event::Actor;
use loopfour_engine::ports::{Act, ActError, Call, Deed, Prepare, Resolution, Unprepared};
use loopfour_engine::{
    Account, Attempt, Bound, Command, CompanyId, ConnectionId, Context, Entry, Event, Failure, Finding,
    Outcome, Policy, Receipt, Request, Run, RunId, RunStatus, StepError, StepPath, Timestamp, TriggerKind,
    WaitReason, Wake, WorkflowId,
};
use loopfour_lang::{Catalog, Document, Options, Value, Workflow, check, json};
use loopfour_testkit::{Provider, outline};
use uuid::Uuid;

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
const BEGAN: i64 = 1_700_000_000_000;

/// Makes requests, unless it is told that there is no connection for now.
#[derive(Default)]
pub struct Preparer {
    pub ready: bool,
    /// Whose account calls are made under, or waited for, by the connection that they ask for; else anybody's.
    pub accounts: HashMap<Option<ConnectionId>, Account>,
    /// What it was asked last.
    pub asked: Mutex<Option<Asked>>,
}

/// What a call says of its connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    pub connection: Option<ConnectionId>,
    pub bound: Option<Bound>,
    pub used: Vec<Bound>,
}

impl Prepare for Preparer {
    fn prepare(&self, call: &Call<'_>) -> Result<Request, Unprepared> {
        let asked =
            Asked { connection: call.connection, bound: call.bound.cloned(), used: call.used.to_vec() };
        *self.asked.lock().unwrap() = Some(asked);
        let account = self.accounts.get(&call.connection);
        if !self.ready {
            return Err(Unprepared::NotReady {
                error: StepError::new("authentication_error", "no connection", "connect"),
                account: account.cloned(),
            });
        }
        let request = Provider::default().prepare(call)?;
        Ok(Request { account: account.cloned().unwrap_or(request.account), ..request })
    }
}

pub struct Life {
    pub run: Run,
    pub now: i64,
    pub policy: Policy,
    pub preparer: Preparer,
    pub entries: Vec<Entry>,
    definition: Arc<Workflow>,
}

#[track_caller]
pub fn workflow(source: &str) -> Arc<Workflow> {
    let checked = check(source, Options { catalog: Catalog::builtin(), environment: &[] });
    Arc::new(checked.workflow.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics)))
}

/// A workflow of these steps, with these settings.
#[track_caller]
pub fn of_steps(settings: &str, steps: &str) -> Arc<Workflow> {
    workflow(&format!(
        r#"{{"name":"w","trigger":{{"type":"api"}},"settings":{{{settings}}},"steps":[{steps}]}}"#
    ))
}

pub const READ: &str = r#"{"id":"read","action":"stripe.listCustomers","config":{"limit":1}}"#;
pub const WRITE: &str =
    r#"{"id":"write","action":"stripe.createCustomer","config":{"description":"{{now}}"}}"#;
pub const DELETE: &str = r#"{"id":"delete","action":"stripe.cancelSubscription","config":{"subscriptionId":"sub_1","prorate":true}}"#;

pub fn person() -> Actor {
    Actor { id: "key_1".to_owned(), name: "Ada".to_owned(), address: None }
}

impl Life {
    pub fn begin(definition: &Arc<Workflow>) -> Life {
        Life::started(definition, Policy::default(), Vec::new(), true)
    }

    pub fn with(definition: &Arc<Workflow>, policy: Policy) -> Life {
        Life::started(definition, policy, Vec::new(), true)
    }

    pub fn started(definition: &Arc<Workflow>, policy: Policy, kept: Vec<Event>, ready: bool) -> Life {
        let event = Event::RunStarted {
            run: RunId(Uuid::from_u128(1 + kept.len() as u128)),
            company: CompanyId(Uuid::from_u128(2)),
            workflow: WorkflowId(Uuid::from_u128(3)),
            version: 1,
            trigger: TriggerKind::Api,
            input: Value::Null,
            connection: None,
            idempotency_key: None,
            restarted_from: None,
            by: None,
            cause: None,
            queue: None,
        };
        let first = Entry { seq: 1, at: Timestamp(BEGAN), event };
        let mut run = Run::begin(Arc::clone(definition), &first).unwrap();
        let mut entries = vec![first];
        for event in kept {
            let entry = Entry { seq: run.length + 1, at: Timestamp(BEGAN), event };
            run.apply(&entry).unwrap();
            entries.push(entry);
        }
        let (definition, preparer) = (Arc::clone(definition), Preparer { ready, ..Preparer::default() });
        let mut life = Life { run, now: BEGAN, policy, preparer, entries, definition };
        life.step(|_, _| Vec::new());
        life
    }

    /// What the last call said of its connection.
    pub fn asked(&self) -> Asked {
        self.preparer.asked.lock().unwrap().clone().unwrap_or_default()
    }

    /// A run with this journal, read as after a stop of the process.
    pub fn of(definition: &Arc<Workflow>, policy: Policy, entries: Vec<Entry>) -> Life {
        let run = Run::fold(Arc::clone(definition), &entries).unwrap();
        let now = entries.last().unwrap().at.0;
        let (definition, preparer) =
            (Arc::clone(definition), Preparer { ready: true, ..Preparer::default() });
        Life { run, now, policy, preparer, entries, definition }
    }

    /// One transaction: what `change` records and all that follows from it.
    fn step(&mut self, change: impl FnOnce(&mut Run, &Context<'_>) -> Vec<Entry>) {
        let context = Context { prepare: &self.preparer, policy: &self.policy, now: Timestamp(self.now) };
        self.entries.extend(change(&mut self.run, &context));
        self.entries.extend(self.run.advance(&context));
        // Folding all of a long journal after each entry would take for ever.
        if self.entries.len() > 200 {
            return;
        }
        assert_eq!(
            shape(&self.fold()),
            shape(&self.run),
            "the journal folds to the state, after {:?}",
            self.log()
        );
    }

    pub fn fold(&self) -> Run {
        let text: Vec<String> =
            self.entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
        let entries: Vec<Entry> = text.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(entries, self.entries, "the journal reads back");
        Run::fold(Arc::clone(&self.definition), &entries).unwrap()
    }

    pub fn pass(&mut self, milliseconds: i64) -> &mut Life {
        self.now += milliseconds;
        self
    }

    /// Lets the due call leave; none if nothing is due or it may not.
    pub fn leave(&mut self) -> Option<Command> {
        let command = self.run.due()?;
        self.step(|run, context| run.before_sending(&command, context).into_iter().collect());
        self.run.due()
    }

    #[track_caller]
    pub fn send(&mut self) -> Command {
        self.leave().unwrap_or_else(|| panic!("nothing is due: {:?} {:?}", self.run.waiting, self.log()))
    }

    /// What came of the call under way.
    pub fn hear(&mut self, outcome: Outcome) -> &mut Life {
        let path = self.in_hand();
        self.step(|run, context| vec![run.settle(&path, outcome, context)]);
        self
    }

    pub fn hear_that(&mut self, finding: Finding) -> &mut Life {
        self.hear(fails(finding, true, None, None))
    }

    /// Sends what is due, and that comes of it.
    #[track_caller]
    pub fn meets(&mut self, finding: Finding) -> &mut Life {
        self.send();
        self.hear_that(finding)
    }

    /// Sends what is due, and it is done.
    #[track_caller]
    pub fn succeeds(&mut self) -> &mut Life {
        self.send();
        self.hear(done())
    }

    fn in_hand(&self) -> StepPath {
        let Some(Command::Perform { path, .. }) = self.run.due() else { panic!("no call is under way") };
        path
    }

    /// Moves the clock to when the run goes on by itself.
    #[track_caller]
    pub fn wait(&mut self) -> &mut Life {
        let due =
            self.run.due_at().unwrap_or_else(|| panic!("it does not go on by itself: {:?}", self.log()));
        self.now = self.now.max(due.0);
        self.wake(Wake::Timer)
    }

    pub fn wake(&mut self, wake: Wake) -> &mut Life {
        self.step(|run, context| run.wake(wake, context));
        self
    }

    /// The run's time may be over while a call is under way.
    pub fn expire(&mut self) -> &mut Life {
        self.step(|run, context| run.expire(context.now).into_iter().collect());
        self
    }

    /// The process ends here and begins anew.
    pub fn restart(&mut self) -> &mut Life {
        self.run = self.fold();
        self.wake(Wake::Start)
    }

    /// The call waits for its turn.
    pub fn queue(&mut self) -> &mut Life {
        let path = self.in_hand();
        self.step(|run, context| vec![run.await_turn(&path, context.now)]);
        self
    }

    pub fn restore(&mut self, backup_at: Timestamp) -> &mut Life {
        let event = Event::RunRestored { backup_at };
        self.step(|run, context| {
            let entry = Entry { seq: run.length + 1, at: context.now, event };
            run.apply(&entry).unwrap();
            vec![entry]
        });
        self
    }

    pub fn act(&mut self, what: Deed) -> Result<(), ActError> {
        let act = Act { by: person(), what };
        let mut refused = None;
        self.step(|run, context| match run.act(act, context) {
            Ok(entries) => entries,
            Err(error) => {
                refused = Some(error);
                Vec::new()
            }
        });
        refused.map_or(Ok(()), Err)
    }

    #[track_caller]
    pub fn cancel(&mut self) -> &mut Life {
        self.act(Deed::Cancel).unwrap();
        self
    }

    pub fn retry(&mut self, not_done: bool) -> Result<(), ActError> {
        self.act(Deed::Retry { not_done })
    }

    pub fn resolve(&mut self, resolution: Resolution) -> Result<(), ActError> {
        let path = self.run.waiting.as_ref().and_then(|waiting| waiting.step_id.clone());
        let path = path.unwrap_or_else(|| StepPath(self.run.definition().steps[0].id.clone()));
        self.act(Deed::Resolve { path, reason: "looked".to_owned(), resolution })
    }

    pub fn log(&self) -> Vec<String> {
        self.entries.iter().map(|entry| outline(&entry.event)).collect()
    }

    pub fn waits_for(&self) -> Option<WaitReason> {
        self.run.waiting.as_ref().map(|waiting| waiting.reason)
    }

    #[track_caller]
    pub fn is(&mut self, status: RunStatus) -> &mut Life {
        assert_eq!(self.run.status, status, "{:?}", self.log());
        self
    }

    #[track_caller]
    pub fn waits(&mut self, reason: WaitReason) -> &mut Life {
        self.is(RunStatus::Waiting);
        assert_eq!(self.waits_for(), Some(reason), "{:?}", self.log());
        self
    }

    /// Nothing more is sent by itself, however long one waits and however often the process starts.
    #[track_caller]
    pub fn rests(&mut self) -> &mut Life {
        for _ in 0..3 {
            self.pass(50 * HOUR).wake(Wake::Timer).restart();
            assert_eq!(self.run.due(), None, "{:?}", self.log());
        }
        self
    }

    pub fn error_code(&self) -> Option<&str> {
        self.run.error.as_ref().map(|error| error.code.as_str())
    }
}

/// Everything that the fold gives; that a pause is over is for the process alone.
fn shape(run: &Run) -> String {
    let mut run = run.clone();
    // The definition is the same, and long.
    run.input = Value::Null;
    let text = format!("{run:?}");
    let state = text.split(", definition: ").next().unwrap_or_default().to_owned();
    let rest = text.rsplit(", output_at: ").next().unwrap_or_default();
    state + &rest.replace("over: true", "over: false")
}

pub fn fails(finding: Finding, retryable: bool, retry_after: Option<u64>, date: Option<i64>) -> Outcome {
    let error = StepError { retryable, ..StepError::new(&format!("{finding:?}"), "scripted", "none") };
    Outcome::Failed(Box::new(Failure { finding, error, retry_after, date }))
}

pub fn done() -> Outcome {
    let output = Document::parse(br#"{"id":"x_1"}"#).unwrap();
    Outcome::Done { output, receipt: Receipt { status: 200, ..Receipt::default() } }
}

/// Done, and the provider's clock shows this, Unix seconds.
pub fn done_at(date: i64) -> Outcome {
    let Outcome::Done { output, receipt } = done() else { unreachable!() };
    Outcome::Done { output, receipt: Receipt { date: Some(date), ..receipt } }
}

pub fn document(text: &str) -> Document {
    json::parse(text.as_bytes()).unwrap().into()
}

pub fn key(command: &Command) -> Uuid {
    let Command::Perform { key, .. } = command;
    *key
}

pub fn attempt(command: &Command) -> Attempt {
    let Command::Perform { attempt, .. } = command;
    *attempt
}

/// What is sent, in full.
pub fn request(command: &Command) -> Request {
    let Command::Perform { request, .. } = command;
    (**request).clone()
}
