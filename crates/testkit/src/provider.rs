use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loopfour_engine::call::Account;
use loopfour_engine::ports::{Actions, Call, Prepare};
use loopfour_engine::{Effect, Outcome, Receipt, Request, Sending, StepError, WaitReason};
use loopfour_lang::catalog::Method;
use uuid::Uuid;

/// What the provider does with one sending.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Does it and answers this JSON.
    Done(&'static str),
    /// Refuses, with this code. The flag says whether that settles an earlier sending.
    Refused(&'static str, bool),
    /// Does it, then the connection breaks; asked again under the key it answers this JSON.
    LostAfter(&'static str),
    /// The connection breaks before anything was done.
    LostBefore,
    /// Cannot be reached.
    Unreachable,
    /// No usable credentials.
    NoConnection,
    /// The key was used for another request, it says.
    Defect,
    /// The process panics.
    Panic,
}

/// One sending as the provider saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The action.
    pub action: String,
    /// The config that came out, as JSON.
    pub input: String,
    /// The idempotency key.
    pub key: Uuid,
}

/// A provider that answers from a script: for each action the answers to its sendings in turn, the last one for ever.
/// It keeps what it did by key, as Stripe does. Clones are the same provider.
#[derive(Clone, Debug, Default)]
pub struct Provider(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    script: BTreeMap<String, Vec<Answer>>,
    sent: Vec<Sent>,
    done: HashMap<Uuid, (String, &'static str)>,
    done_in_order: Vec<(String, Uuid)>,
    misused: Vec<Uuid>,
    unlooked: Vec<Uuid>,
}

impl Provider {
    /// A provider with this script.
    pub fn new(script: &[(&str, &[Answer])]) -> Provider {
        let script = script.iter().map(|(action, answers)| ((*action).to_owned(), answers.to_vec()));
        Provider(Arc::new(Mutex::new(State { script: script.collect(), ..State::default() })))
    }

    /// Every sending so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.state().sent.clone()
    }

    /// Every write that was done, with the key that it was done under.
    pub fn done(&self) -> Vec<(String, Uuid)> {
        self.state().done_in_order.clone()
    }

    /// Keys that came with two different requests: there must never be any.
    pub fn misused(&self) -> Vec<Uuid> {
        self.state().misused.clone()
    }

    /// Deletes that were sent a second time as if they were the first: there must never be any.
    pub fn unlooked(&self) -> Vec<Uuid> {
        self.state().unlooked.clone()
    }

    /// What it answers to a sending. A delete that was done is found by who looks for it, as by its key.
    pub fn answer(&self, sending: Sending<'_>) -> Outcome {
        let mut state = self.state();
        let request = sending.request;
        let sent = Sent { action: request.action.clone(), input: request.form.clone(), key: sending.key };
        let fingerprint = format!("{} {} {}", request.method, request.path, request.form);
        let writes = request.effect != Effect::Read;
        if state
            .sent
            .iter()
            .any(|old| old.key == sent.key && (&old.action, &old.input) != (&sent.action, &sent.input))
        {
            state.misused.push(sending.key);
        }
        state.sent.push(sent);
        if writes && let Some((_, answer)) = state.done.get(&sending.key) {
            let answer = *answer;
            if request.effect == Effect::Delete && !sending.again {
                state.unlooked.push(sending.key);
            }
            return done(answer);
        }
        let answer = state.next(&request.action);
        if let (true, Answer::Done(json) | Answer::LostAfter(json)) = (writes, &answer) {
            state.done.insert(sending.key, (fingerprint, *json));
            state.done_in_order.push((request.action.clone(), sending.key));
        }
        drop(state);
        let error = |code: &str| StepError::new(code, "scripted", "none");
        match answer {
            Answer::Done(json) => done(json),
            Answer::Refused(code, settles) => Outcome::Refused { error: error(code), settles },
            Answer::LostAfter(_) | Answer::LostBefore => Outcome::Unknown { error: error("api_error") },
            Answer::Unreachable => Outcome::NotSent { error: error("api_error"), reason: WaitReason::Retry },
            Answer::NoConnection => {
                Outcome::NotSent { error: error("authentication_error"), reason: WaitReason::Connection }
            }
            Answer::Defect => Outcome::Defect { error: error("api_error") },
            Answer::Panic => panic!("told to panic"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self, action: &str) -> Answer {
        let answers = self.script.get_mut(action).unwrap_or_else(|| panic!("no script for {action}"));
        if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
    }
}

impl Prepare for Provider {
    fn prepare(&self, call: &Call<'_>) -> Result<Request, StepError> {
        let (effect, method) = match call.action.method {
            Method::Get => (Effect::Read, "GET"),
            Method::Post => (Effect::Write, "POST"),
            Method::Delete => (Effect::Delete, "DELETE"),
        };
        Ok(Request {
            provider: call.action.provider.clone(),
            action: call.action.name.clone(),
            effect,
            method: method.to_owned(),
            path: call.action.path.clone(),
            query: String::new(),
            form: call.input.to_string(),
            version: "test".to_owned(),
            account: Account { connection: "test".to_owned(), mode: "test".to_owned(), id: None },
        })
    }
}

impl Actions for Provider {
    async fn perform(&self, sending: Sending<'_>) -> Outcome {
        self.answer(sending)
    }
}

fn done(json: &str) -> Outcome {
    let output = loopfour_lang::Document::parse(json.as_bytes()).expect("the script holds JSON");
    Outcome::Done { output, receipt: Receipt { status: 200, ..Receipt::default() } }
}
