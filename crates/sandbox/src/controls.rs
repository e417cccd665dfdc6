//! The sandbox's own controls under `/_sandbox/`: faults, storms of them, the log of calls, all objects, the
//! clock, fixtures, rate limits, keys, customers who authenticate, reset.
//! They need no key, so the sandbox listens on the loopback interface only.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::call::{Answer, Request, Shared};
use crate::deliveries::{self, Wanted};
use crate::errors::Failure;
use crate::faults::Fault;
use crate::form::{self, Node};
use crate::keys::DEFAULT_ACCOUNT;
use crate::limits::Rates;
use crate::resources;
use crate::sender::Settings;
use crate::state::State;
use crate::storm::{Storm, Weather};
use crate::trigger;

/// A refusal: the status and what is wrong.
type Refusal = (u16, String);

const KNOWN: &str = "GET calls?after=…; GET in_flight; GET objects?type=…; GET, POST, DELETE faults; \
                     GET, POST, DELETE storm; GET, POST clock; POST fixtures; GET, POST, DELETE limits; \
                     GET, POST, DELETE keys; GET, POST deliveries; POST events/…/resend; \
                     POST authenticate; GET, POST trigger; POST reset";

/// Answers a call of a control.
pub(crate) async fn answer(shared: &Shared, request: &Request) -> Answer {
    let (status, body) = match control(shared, request).await {
        Ok(body) => (200, body),
        Err((status, message)) => (status, json!({"error": {"message": message}})),
    };
    Answer { status, headers: Vec::new(), body: Bytes::from(format!("{body}\n")) }
}

async fn control(shared: &Shared, request: &Request) -> Result<Value, Refusal> {
    let name = request.path.strip_prefix("/_sandbox/").unwrap_or_default();
    match (request.method.as_str(), name) {
        ("GET", "calls") => {
            let after = parameter(request, "after")?.map(|text| text.parse());
            let after =
                after.transpose().map_err(|_| refuse("`after` is the number of a call".to_owned()))?;
            let calls = shared.calls();
            Ok(json!({"calls": calls.after(after.unwrap_or(0)).collect::<Vec<_>>()}))
        }
        ("GET", "in_flight") => Ok(json!(shared.calls().open())),
        ("GET", "objects") => objects(shared, request).await,
        ("GET", "faults") => Ok(json!({"faults": shared.faults().all()})),
        ("POST", "faults") => {
            let fault: Fault = parse(request)?;
            shared.faults().add(fault).map_err(refuse)?;
            Ok(json!({"faults": shared.faults().all()}))
        }
        ("DELETE", "faults") => {
            shared.faults().clear();
            Ok(json!({"faults": []}))
        }
        ("GET", "storm") => Ok(json!(*shared.weather())),
        ("POST", "storm") => {
            let storm: Storm = parse(request)?;
            shared.weather().set(storm).map_err(refuse)?;
            Ok(json!(*shared.weather()))
        }
        ("DELETE", "storm") => {
            *shared.weather() = Weather::default();
            Ok(json!(*shared.weather()))
        }
        ("GET", "clock") => Ok(clock(shared)),
        ("POST", "clock") => advance(shared, request).await,
        ("POST", "fixtures") => load(shared, request).await,
        ("GET", "limits") => Ok(limits(shared)),
        ("POST", "limits") => {
            let rates: Rates = parse(request)?;
            shared.limits().set(rates);
            Ok(limits(shared))
        }
        ("DELETE", "limits") => {
            shared.limits().set(Rates::default());
            Ok(limits(shared))
        }
        ("GET", "keys") => Ok(json!({"keys": shared.keys.all_told()})),
        ("POST", "keys") => {
            shared.keys.tell(parse(request)?).map_err(refuse)?;
            Ok(json!({"keys": shared.keys.all_told()}))
        }
        ("DELETE", "keys") => {
            shared.keys.clear();
            Ok(json!({"keys": []}))
        }
        ("GET", "deliveries") => list_deliveries(shared, request).await,
        ("POST", "deliveries") => {
            shared.post.set(parse(request)?);
            Ok(json!(shared.post.settings()))
        }
        ("POST", "authenticate") => authenticate(shared, request).await,
        ("GET", "trigger") => Ok(json!({"events": trigger::known()})),
        ("POST", "trigger") => cause(shared, request).await,
        ("POST", "reset") => reset(shared).await,
        ("POST", name) if resent(name).is_some() => {
            resend(shared, request, resent(name).unwrap_or_default()).await
        }
        (method, _) => {
            let message = format!("there is no control {method} {}; there are {KNOWN}", request.path);
            Err((404, message))
        }
    }
}

fn refuse(message: String) -> Refusal {
    (400, message)
}

fn unwritten() -> Refusal {
    (500, "the sandbox could not write; nothing has happened".to_owned())
}

fn parse<T: serde::de::DeserializeOwned>(request: &Request) -> Result<T, Refusal> {
    serde_json::from_slice(&request.body)
        .map_err(|error| refuse(format!("the body is not as it should be: {error}")))
}

/// A parameter of the query.
fn parameter(request: &Request, name: &str) -> Result<Option<String>, Refusal> {
    let query = form::decode(request.query.as_bytes()).map_err(|error| refuse(error.to_string()))?;
    Ok(match query.get(name) {
        Some(Node::Text(text)) => Some(text.clone()),
        Some(Node::List(_) | Node::Table(_)) | None => None,
    })
}

async fn objects(shared: &Shared, request: &Request) -> Result<Value, Refusal> {
    let wanted = parameter(request, "type")?;
    let now = shared.clock.seconds();
    let listed = shared.store.run(move |state| list_objects(state, wanted.as_deref(), now)).await;
    listed.ok_or_else(unwritten)
}

fn list_objects(state: &mut State, wanted: Option<&str>, now: i64) -> Value {
    let all = state.records(wanted).into_iter();
    let besides = ["delivery", "event"];
    let chosen: Vec<(String, String)> = all
        .filter(|(_, record)| wanted.is_some() || !besides.contains(&record.object()))
        .map(|(account, record)| (account.to_owned(), record.id.clone()))
        .collect();
    let (mut objects, mut hidden) = (Vec::new(), Map::new());
    for (account, id) in chosen {
        let tx = state.begin(&account, now);
        if let Some(record) = tx.find(&id) {
            objects.push(resources::answer(&tx, record));
            if !record.hidden.is_empty() {
                hidden.insert(id, Value::Object(record.hidden.clone()));
            }
        }
    }
    json!({"objects": objects, "hidden": hidden})
}

fn clock(shared: &Shared) -> Value {
    json!({"now": shared.clock.seconds(), "ahead": shared.clock.offset().div_euclid(1000)})
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: i64,
}

async fn advance(shared: &Shared, request: &Request) -> Result<Value, Refusal> {
    let Advance { advance } = parse(request)?;
    if advance < 0 {
        return Err(refuse("the clock only moves ahead; `reset` sets it back".to_owned()));
    }
    let clock_now = Arc::clone(&shared.clock);
    let moved = move |state: &mut State| {
        let ahead = advance.checked_mul(1000)?.checked_add(clock_now.offset())?;
        clock_now.set_offset(ahead)?;
        state.changes.clock = true;
        resources::settle(state, clock_now.seconds());
        Some(())
    };
    let moved = shared.store.run(moved).await.ok_or_else(unwritten)?;
    moved.ok_or_else(|| refuse("the clock goes no further than a hundred years ahead".to_owned()))?;
    Ok(clock(shared))
}

async fn list_deliveries(shared: &Shared, request: &Request) -> Result<Value, Refusal> {
    let wanted = Wanted {
        event: parameter(request, "event")?,
        endpoint: parameter(request, "endpoint")?,
        status: parameter(request, "status")?,
    };
    let listed = shared.store.run(move |state| deliveries::list(state, &wanted)).await;
    let listed = listed.ok_or_else(unwritten)?;
    Ok(json!({"settings": shared.post.settings(), "deliveries": listed}))
}

/// The event that the name of a control says is to be sent again.
fn resent(name: &str) -> Option<&str> {
    name.strip_prefix("events/")?.strip_suffix("/resend")
}

/// Which event of which account is sent again, and to which endpoint only.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Resend {
    account: Option<String>,
    endpoint: Option<String>,
}

async fn resend(shared: &Shared, request: &Request, event: &str) -> Result<Value, Refusal> {
    let asked: Resend = if request.body.is_empty() { Resend::default() } else { parse(request)? };
    let (event, now) = (event.to_owned(), shared.clock.seconds());
    let done = move |state: &mut State| {
        let mut tx = state.begin(asked.account.as_deref().unwrap_or(DEFAULT_ACCOUNT), now);
        let sent = deliveries::resend(&mut tx, &event, asked.endpoint.as_deref())?;
        tx.keep();
        Ok(sent)
    };
    let sent = shared.store.run(done).await.ok_or_else(unwritten)?.map_err(refuse)?;
    Ok(json!({"deliveries": sent}))
}

/// The event to be caused, and in which account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cause {
    event: String,
    account: Option<String>,
}

async fn cause(shared: &Shared, request: &Request) -> Result<Value, Refusal> {
    let Cause { event, account } = parse(request)?;
    let now = shared.clock.seconds();
    let done = move |state: &mut State| {
        trigger::trigger(state, now, account.as_deref().unwrap_or(DEFAULT_ACCOUNT), &event)
    };
    shared.store.run(done).await.ok_or_else(unwritten)?.map_err(refuse)
}

fn limits(shared: &Shared) -> Value {
    let limits = shared.limits();
    json!({"limits": limits.rates(), "counts": limits.counts()})
}

/// What the customer does where a payment intent waits for authentication.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authentication {
    payment_intent: String,
    passes: bool,
    /// Whose intent it is; without one, the default account's.
    account: Option<String>,
}

async fn authenticate(shared: &Shared, request: &Request) -> Result<Value, Refusal> {
    let asked: Authentication = parse(request)?;
    let now = shared.clock.seconds();
    let done = move |state: &mut State| {
        let account = asked.account.as_deref().unwrap_or(DEFAULT_ACCOUNT);
        let mut tx = state.begin(account, now);
        let intent = resources::authenticate(&mut tx, &asked.payment_intent, asked.passes)?;
        tx.keep();
        Ok(intent)
    };
    let done: Result<Value, Failure> = shared.store.run(done).await.ok_or_else(unwritten)?;
    done.map_err(|failure| (failure.status, failure.message))
}

/// Objects to be stored as they are given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fixtures {
    /// The account they are for; without one, the default.
    account: Option<String>,
    /// For people who read the file.
    #[serde(default, rename = "note")]
    _note: Option<String>,
    objects: Vec<Map<String, Value>>,
}

/// What to do with a fixture whose id is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Replace,
    Leave,
}

impl Fixtures {
    /// Stores the objects, all or none; `Err` says what is wrong with one.
    pub(crate) fn load(self, state: &mut State, now: i64, existing: Existing) -> Result<usize, String> {
        let account = self.account.as_deref().unwrap_or(DEFAULT_ACCOUNT);
        let mut tx = state.begin(account, now);
        let mut count = 0;
        for given in self.objects {
            let id = given.get("id").and_then(Value::as_str).unwrap_or_default();
            if existing == Existing::Leave && tx.find(id).is_some() {
                continue;
            }
            resources::load(&mut tx, given)?;
            count += 1;
        }
        tx.keep_untold();
        Ok(count)
    }
}

async fn load(shared: &Shared, request: &Request) -> Result<Value, Refusal> {
    let fixtures: Fixtures = parse(request)?;
    let now = shared.clock.seconds();
    let loaded = shared.store.run(move |state| fixtures.load(state, now, Existing::Replace)).await;
    let count = loaded.ok_or_else(unwritten)?.map_err(refuse)?;
    Ok(json!({"loaded": count}))
}

async fn reset(shared: &Shared) -> Result<Value, Refusal> {
    let clock_now = Arc::clone(&shared.clock);
    let cleared = move |state: &mut State| {
        state.clear();
        clock_now.set_offset(0)
    };
    shared.store.run(cleared).await.ok_or_else(unwritten)?;
    shared.faults().clear();
    *shared.weather() = Weather::default();
    shared.limits().set(Rates::default());
    shared.keys.clear();
    shared.calls().clear();
    shared.post.set(Settings::default());
    Ok(clock(shared))
}
