use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loopfour_engine::call::Account;
use loopfour_engine::ports::{Actions, Call, Candidate, Candidates, FindError, Prepare, Unprepared};
use loopfour_engine::{
    Attempt, Effect, Failure, Finding, Outcome, Receipt, Request, RunId, Sending, StepError, StepPath,
    Timestamp,
};
use loopfour_lang::Document;
use loopfour_lang::catalog::Method;
use uuid::Uuid;

/// What the provider does with one sending.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Does it and answers this JSON.
    Done(&'static str),
    /// Refuses for good, with this code.
    Refused(&'static str),
    /// Does nothing and answers with this finding, which it says may be otherwise next time.
    Fails(Finding),
    /// The same, and asks to wait so long, milliseconds.
    Later(Finding, u64),
    /// Does it, then answers with a failure that it keeps under the key, so many times; then with this JSON.
    SavedError(u32, &'static str),
    /// Does it, then the connection breaks; asked again under the key it answers this JSON.
    LostAfter(&'static str),
    /// The connection breaks before anything was done.
    LostBefore,
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
    /// What may have happened before.
    pub attempt: Attempt,
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
    /// How often a key is still answered with the failure that is kept under it.
    saved: HashMap<Uuid, u32>,
    /// Refusals that are kept under their keys.
    refused: HashMap<Uuid, &'static str>,
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
        let sent = Sent {
            action: request.action.clone(),
            input: request.form.clone(),
            key: sending.key,
            attempt: sending.attempt,
        };
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
        if let Some(left) = state.saved.get_mut(&sending.key).filter(|left| **left > 0) {
            *left -= 1;
            return fails(Finding::ReplayedError, "api_error", None);
        }
        if let Some(code) = state.refused.get(&sending.key) {
            return refused(code);
        }
        if writes && let Some((_, answer)) = state.done.get(&sending.key) {
            let answer = *answer;
            if request.effect == Effect::Delete && sending.attempt == Attempt::First {
                state.unlooked.push(sending.key);
            }
            return done(answer);
        }
        if sending.attempt == Attempt::Look {
            return fails(Finding::NotFoundDone, "api_error", None);
        }
        let answer = state.next(&request.action);
        if let (true, Answer::Done(json) | Answer::LostAfter(json) | Answer::SavedError(_, json)) =
            (writes, &answer)
        {
            state.done.insert(sending.key, (fingerprint, *json));
            state.done_in_order.push((request.action.clone(), sending.key));
        }
        if let Answer::SavedError(times, _) = answer {
            state.saved.insert(sending.key, times);
        }
        if let (true, Answer::Refused(code)) = (writes, &answer) {
            state.refused.insert(sending.key, *code);
        }
        drop(state);
        match answer {
            Answer::Done(json) => done(json),
            Answer::Refused(code) => refused(code),
            Answer::Fails(finding) => fails(finding, code_of(finding), None),
            Answer::Later(finding, pause) => fails(finding, code_of(finding), Some(pause)),
            Answer::LostAfter(_) | Answer::LostBefore | Answer::SavedError(..) => {
                fails(Finding::Unknown, "api_error", None)
            }
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
    fn prepare(&self, call: &Call<'_>) -> Result<Request, Unprepared> {
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
    async fn turn(&self, _request: &Request) {}

    async fn perform(&self, sending: Sending<'_>) -> Outcome {
        self.answer(sending)
    }

    async fn find(&self, _request: &Request, id: &str) -> Result<Document, FindError> {
        match id {
            "missing" => Err(FindError::Unfit("`missing` does not exist".to_owned())),
            "away" => Err(FindError::Unavailable("the provider cannot be reached".to_owned())),
            id => Ok(Document::parse(format!(r#"{{"id":"{id}"}}"#).as_bytes()).expect("JSON")),
        }
    }

    async fn candidates(
        &self,
        _request: &Request,
        _run: RunId,
        path: &StepPath,
        _since: Timestamp,
    ) -> Result<Candidates, FindError> {
        let found = vec![Candidate { id: format!("for_{path}"), ..Candidate::default() }];
        Ok(Candidates { found, searched: 1, complete: true, changes: false })
    }
}

fn code_of(finding: Finding) -> &'static str {
    match finding {
        Finding::Unauthorized | Finding::NoConnection => "authentication_error",
        Finding::Throttled => "rate_limit_error",
        Finding::Refused | Finding::Forbidden | Finding::KeyInUse | Finding::Busy | Finding::Conflict => {
            "invalid_request_error"
        }
        Finding::Unknown
        | Finding::ReplayedError
        | Finding::Unreachable
        | Finding::NotFoundDone
        | Finding::Defect => "api_error",
    }
}

fn fails(finding: Finding, code: &str, retry_after: Option<u64>) -> Outcome {
    let error = StepError { retryable: true, ..StepError::new(code, "scripted", "none") };
    Outcome::Failed(Box::new(Failure { finding, error, retry_after, date: None }))
}

fn refused(code: &str) -> Outcome {
    Outcome::failed(Finding::Refused, StepError::new(code, "scripted", "none"))
}

fn done(json: &str) -> Outcome {
    let output = Document::parse(json.as_bytes()).expect("the script holds JSON");
    Outcome::Done { output, receipt: Receipt { status: 200, ..Receipt::default() } }
}
