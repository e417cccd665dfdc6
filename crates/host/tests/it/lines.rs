//! Runs that take turns, whatever happens: stops after each write, writes that fail, people, time. At no moment are there
//! more under way than the limit says, none overtakes another, and all come to their end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loopfour_engine::definitions::Definitions;
use loopfour_engine::event::Actor;
use loopfour_engine::ports::{
    Act, Actions, Append, Call, Candidates, Deed, FindError, Journal, JournalError, Prepare, Resolution,
    Runs as _, Start, Unfinished, Unprepared,
};
use loopfour_engine::{
    CompanyId, Entry, Event, Finding, Outcome, Policy, Request, RunId, RunStatus, Sending, StepPath,
    TriggerKind, WaitReason, WorkflowId,
};
use loopfour_host::{Host, Settings};
use loopfour_lang::Document;
use loopfour_testkit::{Answer, ManualClock, MemoryJournal, Provider};
use proptest::prelude::*;
use uuid::Uuid;

const KEYS: [&str; 3] = ["a", "b", "c"];
const COMPANY: CompanyId = CompanyId(Uuid::from_u128(2));

fn source(limit: u32) -> String {
    format!(
        r#"{{"name":"turns","trigger":{{"type":"api"}},
            "settings":{{"timeoutMs":7200000,"concurrency":{{"key":"{{{{input.key}}}}","limit":{limit}}}}},"steps":[
            {{"id":"first","action":"stripe.createCustomer","config":{{"description":"{{{{input.key}}}}"}}}},
            {{"id":"second","action":"stripe.createInvoice","config":{{"description":"{{{{input.key}}}}"}}}}]}}"#
    )
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// There is no room: nothing is stored.
    Full,
    /// It fails, and nothing is stored.
    Lost,
    /// It is said to fail, and is stored.
    Unheard,
    /// The process ends before it is stored.
    Before,
    /// The process ends after it is stored.
    After,
}

/// A journal that looks at every write.
#[derive(Clone, Default)]
struct Ledger {
    journal: MemoryJournal,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    appends: usize,
    /// What becomes of the write after so many.
    fate: Option<(usize, Fate)>,
    /// Runs in the order of their starts.
    started: Vec<RunId>,
    begun: BTreeSet<RunId>,
    keys: BTreeMap<RunId, String>,
    calls: BTreeMap<String, u32>,
    limit: u32,
    /// What must not be.
    wrong: Vec<String>,
}

impl Ledger {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self, run: RunId) -> RunStatus {
        self.journal.summary(run).unwrap().status
    }

    /// Notes a write that was stored, and looks at what it led to.
    fn note(&self, run: RunId, entries: &[Entry]) {
        let mut seen = self.seen();
        if let Event::RunStarted { input, queue, .. } = &entries[0].event {
            let key = input.get("key").unwrap().to_text();
            assert_eq!(queue.as_ref().map(|queue| (&queue.key, queue.limit)), Some((&key, seen.limit)));
            seen.keys.insert(run, key);
            seen.started.push(run);
        }
        let key = seen.keys[&run].clone();
        let same: Vec<RunId> = seen.started.iter().filter(|run| seen.keys[run] == key).copied().collect();
        let under_way = |run: &&RunId| matches!(self.status(**run), RunStatus::Running | RunStatus::Waiting);
        let now = same.iter().filter(under_way).count();
        let limit = seen.limit as usize;
        if now > limit {
            seen.wrong.push(format!("{now} runs of {key} are under way"));
        }
        if matches!(self.status(run), RunStatus::Pending | RunStatus::Cancelled) || !seen.begun.insert(run) {
            return;
        }
        // Whoever was started before either began, or has its turn beside it and is about to.
        let older = same.iter().take_while(|older| **older != run);
        let not_begun = older
            .filter(|older| !seen.begun.contains(older) && self.status(**older) == RunStatus::Pending)
            .count();
        let others = now - usize::from(under_way(&&run));
        if not_begun + others >= limit {
            seen.wrong.push(format!("a run of {key} began before {not_begun} others, beside {others}"));
        }
    }
}

impl Journal for Ledger {
    async fn append(&self, batch: Append) -> Result<(), JournalError> {
        let fate = {
            let mut seen = self.seen();
            seen.appends += 1;
            let at = seen.appends;
            seen.fate.filter(|(after, fate)| at == *after || at > *after && fate.ends()).map(
                |(after, fate)| {
                    // Once the process has ended, nothing is stored any more.
                    if at > after { Fate::Before } else { fate }
                },
            )
        };
        let (run, entries) = (batch.run, Arc::clone(&batch.entries));
        match fate {
            Some(Fate::Full) => return Err(JournalError::Full("told to".to_owned())),
            Some(Fate::Lost) => return Err(JournalError::Storage("told to".to_owned())),
            Some(Fate::Before) => std::future::pending().await,
            None | Some(Fate::Unheard | Fate::After) => {}
        }
        self.journal.append(batch).await?;
        self.note(run, &entries);
        // Others hear of it before whoever wrote.
        tokio::task::yield_now().await;
        match fate {
            Some(Fate::Unheard) => Err(JournalError::Storage("told to".to_owned())),
            Some(Fate::After) => std::future::pending().await,
            None | Some(Fate::Full | Fate::Lost | Fate::Before) => Ok(()),
        }
    }

    async fn load(&self, run: RunId) -> Result<Vec<Entry>, JournalError> {
        tokio::task::yield_now().await;
        self.journal.load(run).await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, JournalError> {
        self.journal.unfinished().await
    }

    async fn waiting_for_connection(&self, company: CompanyId) -> Result<Vec<RunId>, JournalError> {
        self.journal.waiting_for_connection(company).await
    }

    async fn definition(&self, workflow: WorkflowId, version: u32) -> Result<String, JournalError> {
        self.journal.definition(workflow, version).await
    }
}

impl Fate {
    fn ends(self) -> bool {
        matches!(self, Fate::Before | Fate::After)
    }
}

/// A provider that counts the calls under way of each key.
#[derive(Clone)]
struct Counting {
    provider: Provider,
    ledger: Ledger,
}

/// A call under way, however it ends.
struct UnderWay(Ledger, String);

impl UnderWay {
    fn new(ledger: &Ledger, key: String) -> UnderWay {
        let mut seen = ledger.seen();
        let calls = seen.calls.entry(key.clone()).or_default();
        *calls += 1;
        let calls = *calls;
        if calls > seen.limit {
            seen.wrong.push(format!("{calls} calls of {key} at once"));
        }
        UnderWay(ledger.clone(), key)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.0.seen().calls.get_mut(&self.1).unwrap() -= 1;
    }
}

impl Prepare for Counting {
    fn prepare(&self, call: &Call<'_>) -> Result<Request, Unprepared> {
        self.provider.prepare(call)
    }
}

impl Actions for Counting {
    async fn turn(&self, _request: &Request) {}

    async fn perform(&self, sending: Sending<'_>) -> Outcome {
        let form = loopfour_lang::json::parse(sending.request.form.as_bytes()).unwrap();
        let _under_way = UnderWay::new(&self.ledger, form.get("description").unwrap().to_text());
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
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
        since: loopfour_engine::Timestamp,
    ) -> Result<Candidates, FindError> {
        self.provider.candidates(request, run, path, since).await
    }
}

type LineHost = Host<Ledger, Counting, ManualClock>;

/// What outlives a process.
struct Lines {
    ledger: Ledger,
    actions: Counting,
    clock: ManualClock,
    limit: u32,
    most_runs: usize,
}

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A run of this key is started.
    Start(usize),
    /// A person cancels this one of those that were started.
    Cancel(usize),
    /// A person retries it.
    Retry(usize),
    /// Other tasks go on for a while.
    Yield(usize),
    /// Time passes, minutes.
    Pass(i64),
    /// The host is stopped, and another one begins.
    Restart,
    /// What becomes of the write after so many more.
    Write(usize, Fate),
}

impl Lines {
    fn new(limit: u32, most_runs: usize, first: &[Answer]) -> Lines {
        let ledger = Ledger::default();
        ledger.seen().limit = limit;
        ledger.journal.define(WorkflowId(Uuid::from_u128(1)), 1, &source(limit));
        let second = [Answer::Done(r#"{"id":"in_1"}"#)];
        let provider = Provider::new(&[("stripe.createCustomer", first), ("stripe.createInvoice", &second)]);
        let actions = Counting { provider, ledger: ledger.clone() };
        Lines { ledger, actions, clock: ManualClock::at(1_000), limit, most_runs }
    }

    fn host(&self) -> (LineHost, Start) {
        let definitions = Arc::new(Definitions::default());
        let workflow = WorkflowId(Uuid::from_u128(1));
        let definition = definitions.insert(workflow, 1, &source(self.limit)).expect("it is right");
        let start = Start {
            run: None,
            company: COMPANY,
            workflow,
            version: 1,
            definition,
            trigger: TriggerKind::Api,
            input: loopfour_lang::Value::Null,
            connection: None,
            idempotency_key: None,
            restarted_from: None,
            by: None,
            cause: None,
            queue: None,
            kept: Vec::new(),
        };
        let settings = Settings { policy: Policy::default(), most_runs: self.most_runs };
        let host =
            Host::new(self.ledger.clone(), self.actions.clone(), self.clock.clone(), definitions, settings);
        (host, start)
    }

    /// Lets these steps happen, through as many processes as it takes; then everything comes to its end.
    fn live(&self, steps: &[Step]) {
        let mut left = steps.iter().copied();
        let mut over = false;
        while !over {
            // All that a process does ends with its runtime.
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            over = runtime.block_on(self.process(&mut left));
            drop(runtime);
            let mut seen = self.ledger.seen();
            seen.fate = seen.fate.filter(|(_, fate)| !fate.ends());
        }
        let seen = self.ledger.seen();
        assert_eq!(seen.wrong, Vec::<String>::new(), "{steps:?}");
        assert!(self.actions.provider.misused().is_empty());
    }

    /// Whether everything is over; else the process ended.
    async fn process(&self, steps: &mut impl Iterator<Item = Step>) -> bool {
        let (host, start) = self.host();
        let recovery = host.recover().await.unwrap();
        tokio::spawn(recovery);
        loop {
            if self.has_ended() {
                return false;
            }
            match steps.next() {
                Some(Step::Restart) => {
                    let stopping = host.stop(std::time::Duration::ZERO);
                    stopping.await;
                    return false;
                }
                Some(step) => self.take(&host, &start, step).await,
                None => break,
            }
        }
        self.finish(&host).await
    }

    fn has_ended(&self) -> bool {
        let seen = self.ledger.seen();
        seen.fate.is_some_and(|(after, fate)| fate.ends() && seen.appends >= after)
    }

    async fn take(&self, host: &LineHost, start: &Start, step: Step) {
        let chosen = |which: usize| {
            let started = &self.ledger.seen().started;
            (!started.is_empty()).then(|| started[which % started.len()])
        };
        match step {
            Step::Start(key) => {
                let input = format!(r#"{{"key":"{}"}}"#, KEYS[key]);
                let input = loopfour_lang::json::parse(input.as_bytes()).unwrap();
                // As the server does: whether anybody hears of it or not, it goes on.
                tokio::spawn(drop_result(host.clone(), Start { input, ..start.clone() }));
                tokio::task::yield_now().await;
            }
            Step::Cancel(which) | Step::Retry(which) => {
                let Some(run) = chosen(which) else { return };
                let what = match step {
                    Step::Cancel(_) => Deed::Cancel,
                    _ => Deed::Retry { not_done: true },
                };
                self.act(host, run, what).await;
            }
            Step::Yield(times) => {
                for _ in 0..times {
                    tokio::task::yield_now().await;
                }
            }
            Step::Pass(minutes) => self.clock.advance(minutes * 60_000),
            Step::Restart => {}
            Step::Write(later, fate) => {
                let mut seen = self.ledger.seen();
                seen.fate = Some((seen.appends + 1 + later, fate));
            }
        }
    }

    /// A person does this. Where the process ends meanwhile, nobody is answered.
    async fn act(&self, host: &LineHost, run: RunId, what: Deed) {
        let host = host.clone();
        let act = Act { by: Actor::system("test"), what };
        tokio::spawn(async move { drop(host.act(run, act).await) });
        tokio::task::yield_now().await;
    }

    /// Lets time pass until all runs have ended; people say what became of what nobody knows.
    async fn finish(&self, host: &LineHost) -> bool {
        for _ in 0..400 {
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            if self.has_ended() {
                return false;
            }
            let started = self.ledger.seen().started.clone();
            let mut open = started.iter().filter(|run| !self.ledger.status(**run).has_ended()).peekable();
            if open.peek().is_none() {
                return true;
            }
            let unknown = open.find_map(|run| {
                let waiting = self.ledger.journal.summary(*run).unwrap().waiting;
                let unknown = waiting.filter(|waiting| waiting.reason == WaitReason::OutcomeUnknown)?;
                Some((run, unknown.step_id.unwrap()))
            });
            if let Some((run, path)) = unknown {
                let what = Deed::Resolve { path, reason: "looked".to_owned(), resolution: Resolution::Fail };
                self.act(host, *run, what).await;
            }
            self.clock.advance(60_000);
            // The storage is tried again by the runtime's clock.
            tokio::time::advance(std::time::Duration::from_millis(100)).await;
        }
        let started = self.ledger.seen().started.clone();
        let stuck: Vec<_> =
            started.iter().map(|run| (self.ledger.status(*run), self.ledger.journal.outline(*run))).collect();
        panic!("they never end: {stuck:#?}");
    }
}

async fn drop_result(host: LineHost, start: Start) {
    drop(host.start(start).await);
}

/// Two keys; one run fails and is tried again, one is cancelled while it waits.
const STORY: [Step; 15] = [
    Step::Start(0),
    Step::Start(0),
    Step::Start(1),
    Step::Start(0),
    Step::Start(0),
    Step::Yield(20),
    Step::Cancel(4),
    Step::Start(1),
    Step::Start(0),
    Step::Yield(40),
    Step::Retry(0),
    Step::Yield(5),
    Step::Retry(1),
    Step::Start(0),
    Step::Start(1),
];

#[test]
fn stopped_after_each_write() {
    let answers = [Answer::Refused("card_declined"), Answer::LostBefore, Answer::Done(r#"{"id":"cus_1"}"#)];
    for limit in [1, 2] {
        let whole = Lines::new(limit, 100, &answers);
        whole.live(&STORY);
        let appends = whole.ledger.seen().appends;
        assert!(appends > 30, "{appends}");
        for at in 0..appends {
            for fate in [Fate::Before, Fate::After] {
                let lines = Lines::new(limit, 100, &answers);
                let steps: Vec<Step> = [Step::Write(at, fate)].into_iter().chain(STORY).collect();
                lines.live(&steps);
                let started = lines.ledger.seen().started.len();
                assert!(
                    started + 1 >= 9,
                    "at most the start that was under way is lost: {started}, {at} {fate:?}"
                );
            }
        }
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Full),
        Just(Fate::Lost),
        Just(Fate::Unheard),
        Just(Fate::Before),
        Just(Fate::After)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..KEYS.len()).prop_map(Step::Start),
        2 => (0..30_usize).prop_map(Step::Cancel),
        3 => (0..30_usize).prop_map(Step::Retry),
        4 => (1..40_usize).prop_map(Step::Yield),
        1 => (1..150_i64).prop_map(Step::Pass),
        1 => Just(Step::Restart),
        2 => (0..6_usize, fate()).prop_map(|(later, fate)| Step::Write(later, fate)),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => Just(Answer::Done(r#"{"id":"cus_1"}"#)),
        2 => Just(Answer::Refused("card_declined")),
        1 => Just(Answer::LostBefore),
        1 => Just(Answer::LostAfter(r#"{"id":"cus_1"}"#)),
        1 => Just(Answer::Later(Finding::Throttled, 600_000)),
        1 => Just(Answer::Fails(Finding::Unauthorized)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_over_the_limit_never_stuck_and_in_order(
        limit in 1..4_u32,
        most_runs in prop_oneof![Just(1_usize), Just(3), Just(100)],
        mut answers in proptest::collection::vec(answer(), 0..12),
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        answers.push(Answer::Done(r#"{"id":"cus_1"}"#));
        Lines::new(limit, most_runs, &answers).live(&steps);
    }
}
