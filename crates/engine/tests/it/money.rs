//! Whatever happens, in whatever order, to a run of four calls: no write is done twice, no key comes with two requests,
//! the epoch rises only by a person, nothing is sent by itself when its key may be forgotten or the run is to end.

use std::collections::HashMap;
use std::sync::Arc;

use loopfour_engine::ports::{Deed, Resolution};
use loopfour_engine::{
    Attempt, Command, Effect, Event, Finding, Outcome, Request, Resolved, StepPath, WaitReason, Wake,
};
use loopfour_lang::Workflow;
use proptest::prelude::*;
use uuid::Uuid;

use crate::life::{DELETE, HOUR, Life, READ, WRITE, document, done, fails, key, of_steps};

/// What the provider does with a sending.
#[derive(Clone, Copy, Debug)]
enum Reply {
    Done,
    LostAfter,
    LostBefore,
    Fails(Finding, bool),
}

/// What happens while a call is under way.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Nothing,
    Cancel,
    Expire,
    /// The process ends after the provider did its part.
    Crash,
}

#[derive(Clone, Debug)]
enum Op {
    Send(Reply, Meanwhile),
    Wait,
    Pass(i64),
    Queue,
    Crash,
    Cancel,
    Retry(bool),
    ResolveDone,
    ResolveRetry(bool),
    ResolveFail,
}

/// The provider, as far as money is concerned. It forgets keys after 24 hours.
#[derive(Default)]
struct Till {
    requests: HashMap<Uuid, Request>,
    done_at: HashMap<Uuid, i64>,
    effects: HashMap<StepPath, u32>,
    /// Since when nobody knows of a key.
    open_since: HashMap<Uuid, i64>,
}

impl Till {
    fn is_done(&self, path: &StepPath) -> bool {
        self.effects.contains_key(path)
    }

    fn take(&mut self, command: &Command, reply: Reply, now: i64) -> Outcome {
        let Command::Perform { path, request, attempt, .. } = command;
        let key = key(command);
        if request.effect == Effect::Read {
            return match reply {
                Reply::Done | Reply::LostAfter => done(),
                Reply::LostBefore => fails(Finding::Unknown, true, None, None),
                Reply::Fails(finding, retryable) => fails(finding, retryable, None, None),
            };
        }
        let first = self.requests.entry(key).or_insert_with(|| (**request).clone());
        assert_eq!(*first, **request, "a key with two requests");
        let arrives = !matches!(reply, Reply::LostBefore | Reply::Fails(..));
        let known = match request.effect {
            Effect::Delete if *attempt == Attempt::First => false,
            Effect::Delete => self.is_done(path),
            Effect::Read | Effect::Write => self.done_at.get(&key).is_some_and(|at| now - at < 24 * HOUR),
        };
        if *attempt == Attempt::Look && !known {
            return fails(Finding::NotFoundDone, false, None, None);
        }
        if arrives && !known {
            self.done_at.insert(key, now);
            *self.effects.entry(path.clone()).or_default() += 1;
        }
        let outcome = match reply {
            Reply::Done => done(),
            Reply::LostAfter | Reply::LostBefore => fails(Finding::Unknown, true, None, None),
            // What is done is not refused.
            Reply::Fails(Finding::Refused, _) if known => done(),
            Reply::Fails(finding, retryable) => fails(finding, retryable, None, None),
        };
        self.note(key, &outcome, now);
        outcome
    }

    fn note(&mut self, key: Uuid, outcome: &Outcome, now: i64) {
        let opens = match outcome {
            Outcome::Done { .. } => false,
            Outcome::Failed(failure) => {
                matches!(failure.finding, Finding::Unknown | Finding::ReplayedError | Finding::KeyInUse)
            }
        };
        if opens {
            self.open_since.entry(key).or_insert(now);
        }
    }
}

struct World {
    life: Life,
    till: Till,
    ordered: bool,
}

impl World {
    fn ending(&self) -> bool {
        self.life.entries.iter().fold(false, |ending, entry| match entry.event {
            Event::CancelRequested { .. } | Event::TimeLimitPassed => true,
            Event::RetryRequested { .. } => false,
            _ => ending,
        })
    }

    fn send(&mut self, reply: Reply, meanwhile: Meanwhile) {
        let Some(command) = self.life.leave() else { return };
        let Command::Perform { request, attempt, .. } = &command;
        let (key, now) = (key(&command), self.life.now);
        let changes = request.effect != Effect::Read && *attempt != Attempt::Look;
        if changes && let Some(since) = self.till.open_since.get(&key) {
            assert!(now - since < 20 * HOUR, "sent though its key may be forgotten: {:?}", self.life.log());
        }
        if changes && self.ending() {
            assert!(self.ordered, "sent after the wish to end: {:?}", self.life.log());
        }
        let outcome = self.till.take(&command, reply, now);
        match meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::Cancel => {
                self.life.cancel();
            }
            Meanwhile::Expire => {
                self.life.pass(HOUR).expire();
            }
            Meanwhile::Crash => {
                if changes {
                    self.till.open_since.entry(key).or_insert(now);
                }
                self.life.restart();
                return;
            }
        }
        self.life.hear(outcome);
        self.ordered = false;
    }

    /// A call that is due but did not leave waits in the queue while people do things.
    fn before_people(&mut self) {
        if self.life.run.due().is_some() && self.life.run.waiting.is_none() {
            self.life.queue();
        }
    }

    fn happens(&mut self, op: &Op) {
        let waiting = self.life.run.waiting.as_ref().and_then(|waiting| waiting.step_id.clone());
        let is_done = waiting.as_ref().is_some_and(|path| self.till.is_done(path));
        match *op {
            Op::Send(reply, meanwhile) => {
                if self.life.run.due().is_none() && self.life.run.due_at().is_some() {
                    self.life.wait();
                }
                self.send(reply, meanwhile);
            }
            Op::Wait => {
                if self.life.run.due().is_none() && self.life.run.due_at().is_some() {
                    self.life.wait();
                }
            }
            Op::Pass(time) => {
                self.life.pass(time);
                if self.life.run.due().is_none() {
                    self.life.wake(Wake::Timer);
                }
            }
            Op::Queue => self.before_people(),
            Op::Crash => {
                // What was due may have left, for all that the journal says.
                self.life.restart();
            }
            Op::Cancel => {
                self.before_people();
                // Who comes after the end is told so.
                let _ = self.life.act(Deed::Cancel);
            }
            Op::Retry(not_done) => {
                let failed = self.life.run.error.as_ref().map(|error| StepPath(error.step.clone()));
                if !(not_done && failed.is_some_and(|path| self.till.is_done(&path))) {
                    self.before_people();
                    let _ = self.life.retry(not_done);
                }
            }
            Op::ResolveDone if is_done => {
                let _ = self.life.resolve(Resolution::Done { output: document(r#"{"id":"x_1"}"#) });
            }
            Op::ResolveDone => {}
            // Whoever says that it was not done has looked.
            Op::ResolveRetry(true) if is_done => {}
            Op::ResolveRetry(not_done) => {
                self.ordered |= self.life.resolve(Resolution::Retry { not_done }).is_ok();
            }
            Op::ResolveFail => {
                let _ = self.life.resolve(Resolution::Fail);
            }
        }
        self.check();
    }

    fn check(&self) {
        for (path, times) in &self.till.effects {
            assert_eq!(*times, 1, "{path} was done {times} times: {:?}", self.life.log());
        }
        let people = self.life.entries.iter().filter(|entry| match entry.event {
            Event::RetryRequested { .. } => true,
            Event::OutcomeResolved { resolution, .. } => resolution == Resolved::Anew,
            _ => false,
        });
        let risen: usize = self.life.run.steps.iter().map(|step| step.epoch.saturating_sub(1) as usize).sum();
        assert!(risen <= people.count(), "an epoch rose by itself: {:?}", self.life.log());
        let parked = self.life.waits_for() == Some(WaitReason::Parked);
        assert!(!parked || self.life.run.due_at() == self.life.run.deadline(), "it would be woken for ever");
    }

    /// Nothing goes wrong any more, and a person who looks tells the truth: then every run ends.
    fn comes_to_an_end(&mut self) {
        for _ in 0..100 {
            if self.life.run.status.has_ended() {
                return;
            }
            self.happens(&Op::Send(Reply::Done, Meanwhile::Nothing));
            self.happens(&Op::Wait);
            if let Some(WaitReason::OutcomeUnknown | WaitReason::Parked) = self.life.waits_for() {
                self.happens(&Op::ResolveDone);
                self.happens(&Op::ResolveRetry(true));
            }
        }
        panic!("it never ends: {:?} {:?}", self.life.run.waiting, self.life.log());
    }
}

fn definition(limit: bool, continues: bool) -> Arc<Workflow> {
    let second = WRITE.replace("\"write\"", "\"second\"");
    let second = if continues {
        second.replace("}}\"}}", "}}\"},\"errorHandling\":{\"strategy\":\"continue\",\"fallback\":1}}")
    } else {
        second
    };
    let settings = if limit { r#""timeoutMs":7200000"# } else { "" };
    of_steps(settings, &[WRITE, READ, &second, DELETE].join(","))
}

fn reply() -> impl Strategy<Value = Reply> {
    let finding = prop::sample::select(Finding::ALL.to_vec())
        .prop_filter("only a look finds that", |finding| *finding != Finding::NotFoundDone);
    prop_oneof![
        3 => Just(Reply::Done),
        2 => Just(Reply::LostAfter),
        2 => Just(Reply::LostBefore),
        6 => (finding, any::<bool>()).prop_map(|(finding, retryable)| Reply::Fails(finding, retryable)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let meanwhile = prop_oneof![
        12 => Just(Meanwhile::Nothing),
        1 => Just(Meanwhile::Cancel),
        1 => Just(Meanwhile::Expire),
        3 => Just(Meanwhile::Crash),
    ];
    prop_oneof![
        20 => (reply(), meanwhile).prop_map(|(reply, meanwhile)| Op::Send(reply, meanwhile)),
        4 => Just(Op::Wait),
        4 => (0..30 * HOUR).prop_map(Op::Pass),
        4 => (0..120_000_i64).prop_map(Op::Pass),
        2 => Just(Op::Queue),
        4 => Just(Op::Crash),
        1 => Just(Op::Cancel),
        3 => any::<bool>().prop_map(Op::Retry),
        2 => Just(Op::ResolveDone),
        4 => any::<bool>().prop_map(Op::ResolveRetry),
        1 => Just(Op::ResolveFail),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn money_is_safe(limit in any::<bool>(), continues in any::<bool>(), ops in prop::collection::vec(op(), 1..60)) {
        let life = Life::begin(&definition(limit, continues));
        let mut world = World { life, till: Till::default(), ordered: false };
        for op in &ops {
            world.happens(op);
        }
        world.comes_to_an_end();
    }
}
