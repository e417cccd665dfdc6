//! One call of the API from its bytes to its answer: key, version, operation, faults, idempotency,
//! parameters, and then the operation itself, on the store's thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

use crate::calls::{Call, Calls};
use crate::clock::Clock;
use crate::errors::{Effect, Failure, Keep};
use crate::faults::{Fault, Faults, Kind};
use crate::form::{self, Pair};
use crate::idempotency::{self, InFlight};
use crate::ids;
use crate::keys::{Keys, Use};
use crate::limits::{Counted, Limits};
use crate::objects;
use crate::params::Params;
use crate::resources::{self, Action, Context};
use crate::sender::Post;
use crate::state::{Origin, Saved, State};
use crate::store::Store;
use crate::storm::{Met, Weather};
use crate::table::{Operation, Route, TABLE, VERSION};

/// What all calls share.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) clock: Arc<Clock>,
    pub(crate) keys: Keys,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) weather: Mutex<Weather>,
    pub(crate) limits: Mutex<Limits>,
    pub(crate) calls: Mutex<Calls>,
    pub(crate) in_flight: InFlight,
    pub(crate) post: Post,
}

impl Shared {
    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A received request.
pub(crate) struct Request {
    pub(crate) method: String,
    /// As it was sent, still percent-encoded.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What is sent back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

/// The connection is to be cut, without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut, as a fault asked for")]
pub(crate) struct Cut;

/// Answers a call of the API, and notes it in the log.
pub(crate) async fn answer(shared: &Shared, request: &Request) -> Result<Answer, Cut> {
    let request_id = ids::fresh("req_", 14);
    let pairs = pairs(request);
    let key = if request.method == "POST" { idempotency::key(&request.headers) } else { Ok(None) };
    let call = Use { method: &request.method, path: &request.path, now: shared.clock.seconds() };
    let account = shared.keys.account(&request.headers, &call);
    let number = shared.calls().begin(Call {
        number: 0,
        at: shared.clock.milliseconds(),
        method: request.method.clone(),
        path: request.path.clone(),
        account: account.as_ref().ok().cloned(),
        params: pairs.clone().unwrap_or_default(),
        idempotency_key: key.clone().unwrap_or_default(),
        request_id: request_id.clone(),
        status: None,
        replayed: false,
        cut: false,
        abandoned: false,
    });
    let open = Open { shared, number };
    let prepared =
        account.and_then(|account| prepare(shared, request, Asked { account, pairs, key }, &request_id));
    let outcome = match prepared {
        Ok(prepared) => work(shared, prepared).await,
        Err(failure) => Ok(Outcome::failed(&failure)),
    };
    let mut outcome = match outcome {
        Ok(outcome) => outcome,
        Err(cut) => {
            open.end(|call| call.cut = true);
            return Err(cut);
        }
    };
    open.end(|call| {
        call.status = Some(outcome.status);
        call.replayed = outcome.original.is_some();
    });
    outcome.headers.extend(headers(&request_id));
    if let Some(key) = outcome.key {
        outcome.headers.push(("Idempotency-Key", key));
        if outcome.original.is_some() {
            outcome.headers.push(("Idempotent-Replayed", "true".to_owned()));
        }
        outcome.headers.push(("Original-Request", outcome.original.unwrap_or(request_id)));
    }
    Ok(Answer { status: outcome.status, headers: outcome.headers, body: outcome.body })
}

/// A call that is being worked on; dropped before its end, its client went away.
struct Open<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Open<'_> {
    fn end(self, change: impl FnOnce(&mut Call)) {
        self.shared.calls().end(self.number, change);
        std::mem::forget(self);
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.shared.calls().end(self.number, |call| call.abandoned = true);
    }
}

/// The headers of every answer.
pub(crate) fn headers(request_id: &str) -> Vec<(&'static str, String)> {
    vec![("Request-Id", request_id.to_owned()), ("Stripe-Version", VERSION.to_owned())]
}

/// The parameters of a call: those of the query, then those of the body.
fn pairs(request: &Request) -> Result<Vec<Pair>, Failure> {
    let wrong = |error: form::Error| Failure::invalid(error.to_string());
    let mut pairs = form::pairs(request.query.as_bytes()).map_err(wrong)?;
    if !request.body.is_empty() {
        let given = request.headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
        let given = given.unwrap_or("application/x-www-form-urlencoded");
        let kind = given.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            let message =
                format!("the body is `{kind}`; the v1 API takes only `application/x-www-form-urlencoded`");
            return Err(Failure::invalid(message));
        }
        pairs.extend(form::pairs(&request.body).map_err(wrong)?);
    }
    Ok(pairs)
}

/// A call that has passed the door.
struct Prepared {
    account: String,
    request_id: String,
    key: Option<String>,
    fingerprint: String,
    path: Vec<String>,
    action: &'static Action,
    /// A wrong parameter is told only after the key has been looked up.
    params: Result<Params, Failure>,
    met: Met,
}

/// What is known of a call before it is looked at closely.
struct Asked {
    account: String,
    pairs: Result<Vec<Pair>, Failure>,
    key: Result<Option<String>, Failure>,
}

fn prepare(shared: &Shared, request: &Request, asked: Asked, request_id: &str) -> Result<Prepared, Failure> {
    let Request { method, path, headers, .. } = request;
    let Asked { account, pairs, key } = asked;
    let route = TABLE.route(method, path);
    let endpoint = route.as_ref().map(|route| route.operation.id.as_str());
    shared.limits().pass(&account, Counted { at: Instant::now(), reads: method == "GET", endpoint })?;
    if let Some(version) = headers.get("stripe-version").map(|value| value.to_str().unwrap_or_default())
        && version != VERSION
    {
        let message = format!("Invalid Stripe API version: {version}; the sandbox speaks {VERSION}");
        return Err(Failure::invalid(message));
    }
    let Route { operation, path: values } = route.ok_or_else(|| Failure::unknown_url(method, path))?;
    let action = resources::action(&operation.id);
    let action =
        action.ok_or_else(|| Failure::unsupported(format_args!("the operation {}", operation.id)))?;
    let (pairs, key) = (pairs?, key?);
    let mut met = shared.weather().meet(method);
    met.fault = shared.faults().meet(method, path).or(met.fault);
    Ok(Prepared {
        account,
        request_id: request_id.to_owned(),
        key,
        fingerprint: idempotency::fingerprint(method, path, &pairs),
        path: values,
        action,
        params: check_params(operation, action, &pairs),
        met,
    })
}

/// The parameters of a call, checked against the table and against what the sandbox knows.
pub(crate) fn check_params(
    operation: &Operation,
    action: &Action,
    pairs: &[Pair],
) -> Result<Params, Failure> {
    let form = form::tree(pairs).map_err(|error| Failure::invalid(error.to_string()))?;
    let params = Params::check(&operation.parameters, action.clears, &form)?;
    let unsupported = params.names().find(|name| *name != "expand" && !action.takes.contains(name));
    if let Some(name) = unsupported {
        let what = format_args!("the parameter `{name}` of {}", operation.id).to_string();
        return Err(Failure::unsupported(what).param(name));
    }
    objects::check_expand(operation, &params.expand())?;
    Ok(params)
}

/// Does the call, with its fault around it, while holding its key.
async fn work(shared: &Shared, prepared: Prepared) -> Result<Outcome, Cut> {
    let Met { fault, before: pause_before, after: pause_after } = prepared.met.clone();
    let key = prepared.key.clone();
    let failed = |failure: Failure| Ok(Outcome { key: key.clone(), ..Outcome::failed(&failure) });
    let guard = prepared.key.as_ref().map(|key| shared.in_flight.take(&prepared.account, key)).transpose();
    let _guard = match guard {
        Ok(guard) => guard,
        Err(failure) => return failed(failure),
    };
    pause(pause_before).await;
    if let Some(fault) = &fault
        && let Some(failure) = before(fault).await?
    {
        return failed(failure);
    }
    let clock = Arc::clone(&shared.clock);
    let outcome = shared.store.run(move |state| execute(state, clock.seconds(), &prepared)).await;
    pause(pause_after).await;
    if let Some(fault) = &fault {
        after(fault).await?;
    }
    match outcome {
        Some(outcome) => Ok(Outcome { key, ..outcome }),
        None => failed(Failure::internal("the sandbox could not write; nothing has happened", Keep::Unsaved)),
    }
}

/// The part of a fault that comes before anything is written.
async fn before(fault: &Fault) -> Result<Option<Failure>, Cut> {
    match fault.kind {
        Kind::CutBeforeWrite => Err(Cut),
        Kind::Delay => {
            pause(length(fault)).await;
            Ok(None)
        }
        Kind::RateLimit | Kind::LockTimeout | Kind::Error | Kind::Conflict | Kind::Busy => {
            Ok(fault.refusal())
        }
        Kind::ErrorSaved | Kind::ErrorSavedAfterWrite | Kind::CutAfterWrite | Kind::DelayAfterWrite => {
            Ok(None)
        }
    }
}

/// The part of a fault that comes after everything is written.
async fn after(fault: &Fault) -> Result<(), Cut> {
    match fault.kind {
        Kind::CutAfterWrite => Err(Cut),
        Kind::DelayAfterWrite => {
            pause(length(fault)).await;
            Ok(())
        }
        Kind::CutBeforeWrite | Kind::Delay | Kind::RateLimit | Kind::LockTimeout | Kind::Error => Ok(()),
        Kind::Conflict | Kind::Busy | Kind::ErrorSaved | Kind::ErrorSavedAfterWrite => Ok(()),
    }
}

async fn pause(length: Duration) {
    if !length.is_zero() {
        tokio::time::sleep(length).await;
    }
}

fn length(fault: &Fault) -> Duration {
    Duration::from_millis(fault.milliseconds.unwrap_or(0).into())
}

/// What is answered, before the headers that every answer has.
struct Outcome {
    status: u16,
    body: Bytes,
    headers: Vec<(&'static str, String)>,
    /// The key to name in the answer.
    key: Option<String>,
    /// Where a saved answer is replayed: the id of the request that it was for.
    original: Option<String>,
}

impl Outcome {
    fn new(status: u16, body: &Value) -> Outcome {
        let mut text = serde_json::to_vec_pretty(body).expect("a JSON value is JSON");
        text.push(b'\n');
        Outcome { status, body: Bytes::from(text), headers: Vec::new(), key: None, original: None }
    }

    fn failed(failure: &Failure) -> Outcome {
        Outcome { headers: failure.headers.clone(), ..Outcome::new(failure.status, &failure.body()) }
    }
}

/// Runs on the store's thread: what it changes, saved answer included, is committed as one.
fn execute(state: &mut State, now: i64, call: &Prepared) -> Outcome {
    if let Some(key) = &call.key
        && let Some(saved) = state.saved(&call.account, key, now)
    {
        if saved.fingerprint != call.fingerprint {
            let message = "this idempotency key was first used for another endpoint or with other \
                           parameters; use a new key for a new call";
            return Outcome::failed(&Failure::key_reused(message));
        }
        let original = Some(saved.request_id.clone());
        let body = saved.body.clone();
        return Outcome { status: saved.status, body, headers: Vec::new(), key: None, original };
    }
    let result = operate(state, now, call);
    let (outcome, keep) = match &result {
        Ok(value) => (Outcome::new(200, value), Keep::Saved),
        Err(failure) => (Outcome::failed(failure), failure.keep),
    };
    if let Some(key) = call.key.as_ref().filter(|_| keep == Keep::Saved) {
        let saved = Saved {
            fingerprint: call.fingerprint.clone(),
            status: outcome.status,
            body: outcome.body.clone(),
            request_id: call.request_id.clone(),
            at: now,
        };
        state.save_answer(&call.account, key, saved);
    }
    outcome
}

fn operate(state: &mut State, now: i64, call: &Prepared) -> Result<Value, Failure> {
    let params = call.params.as_ref().map_err(Clone::clone)?;
    let saved_error = || Failure::internal("an error, as a fault asked for", Keep::Saved);
    let kind = call.met.fault.as_ref().map(|fault| fault.kind);
    if kind == Some(Kind::ErrorSaved) {
        return Err(saved_error());
    }
    let mut ctx = Context { tx: state.begin(&call.account, now), path: &call.path, params };
    ctx.tx.origin = Origin { request_id: Some(call.request_id.clone()), key: call.key.clone() };
    let value = perform(ctx, call.action)?;
    if kind == Some(Kind::ErrorSavedAfterWrite) { Err(saved_error()) } else { Ok(value) }
}

/// Runs an operation. What it changes stands, unless it is refused without a trace.
pub(crate) fn perform(mut ctx: Context<'_>, action: &Action) -> Result<Value, Failure> {
    let mut value = match (action.run)(&mut ctx) {
        Ok(value) => value,
        Err(failure) => {
            match failure.effect {
                Effect::Stands => ctx.tx.keep(),
                Effect::Undone => {}
            }
            return Err(failure);
        }
    };
    for path in ctx.params.expand() {
        objects::expand(&ctx.tx, &mut value, path);
    }
    ctx.tx.keep();
    Ok(value)
}
