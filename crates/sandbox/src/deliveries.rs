//! Deliveries: which event is to reach which endpoint, how often that was tried, and when it is tried again.
//! Each is a record beside its event and is gone with it; how one is sent is said in `sender`.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::keys::DEFAULT_ACCOUNT;
use crate::resources;
use crate::sender::{Attempt, Outgoing, Settings};
use crate::state::{Record, State, Transaction};

/// How many seconds lie between the attempts: all within three days.
const PAUSES: [i64; 9] = [5, 60, 600, 3600, 10_800, 21_600, 43_200, 86_400, 86_400];
/// How many deliveries are under way to one endpoint at a time.
const AT_ONCE: usize = 8;

/// Has an event delivered to each endpoint that wants it.
pub(crate) fn plan(tx: &mut Transaction<'_>, event: &Record) {
    for (owner, endpoint) in wanting(tx, event.text("type")) {
        ask(tx, event, &owner, &endpoint);
    }
}

/// The endpoints that want a type of event of an account, with the accounts they belong to: its own, and those
/// of the platform that are for connected accounts.
fn wanting(tx: &Transaction<'_>, kind: &str) -> Vec<(String, String)> {
    let connected = tx.account != DEFAULT_ACCOUNT;
    let own = tx.endpoints(tx.account).map(|endpoint| (tx.account, false, endpoint));
    let platform = connected.then(|| tx.endpoints(DEFAULT_ACCOUNT)).into_iter().flatten();
    let platform = platform.map(|endpoint| (DEFAULT_ACCOUNT, true, endpoint));
    let wants = |endpoint: &Record| {
        let kinds = endpoint.value.get("enabled_events").and_then(Value::as_array).into_iter().flatten();
        kinds.into_iter().any(|wanted| wanted == "*" || wanted == kind)
    };
    own.chain(platform)
        .filter(|(_, connect, endpoint)| {
            endpoint.hidden.get("connect") == Some(&json!(connect))
                && endpoint.text("status") == "enabled"
                && wants(endpoint)
        })
        .map(|(owner, _, endpoint)| (owner.to_owned(), endpoint.id.clone()))
        .collect()
}

/// Has an event delivered to an endpoint now, again if it was before.
fn ask(tx: &mut Transaction<'_>, event: &Record, owner: &str, endpoint: &str) -> Record {
    let (id, now) = (format!("{}:{endpoint}", event.id), tx.now);
    if let Some(mut delivery) = tx.find(&id).cloned() {
        delivery.set("status", "pending");
        delivery.set("next", now);
        tx.put(delivery.clone());
        return delivery;
    }
    let value = json!({
        "object": "delivery",
        "event": event.id,
        "type": event.text("type"),
        "account": tx.account,
        "endpoint": endpoint,
        "owner": owner,
        "created": now,
        "status": "pending",
        "attempts": 0,
        "next": now,
    });
    tx.create(&id, now, value.as_object().cloned().unwrap_or_default())
}

/// How many endpoints an event has still to reach.
pub(crate) fn pending(tx: &Transaction<'_>, event: &str) -> usize {
    tx.all("delivery", ("event", event)).filter(|delivery| delivery.text("status") == "pending").count()
}

/// Whether an event has reached all the endpoints that it was to reach.
pub(crate) fn succeeded(tx: &Transaction<'_>, event: &str) -> bool {
    let missed = |delivery: &Record| matches!(delivery.text("status"), "pending" | "failed");
    !tx.all("delivery", ("event", event)).any(missed)
}

/// Forgets the deliveries of an event.
pub(crate) fn forget(tx: &mut Transaction<'_>, event: &str) {
    let all: Vec<String> = tx.all("delivery", ("event", event)).map(|delivery| delivery.id.clone()).collect();
    for id in all {
        tx.remove(&id);
    }
}

/// Sends an event again: to the endpoint named, or else to all that want it. `Err` says why not.
pub(crate) fn resend(
    tx: &mut Transaction<'_>,
    event: &str,
    endpoint: Option<&str>,
) -> Result<Vec<Value>, String> {
    let event = tx
        .get("event", event)
        .cloned()
        .ok_or_else(|| format!("there is no event `{event}` in the account"))?;
    let mut wanting = wanting(tx, event.text("type"));
    if let Some(named) = endpoint {
        wanting.retain(|(_, endpoint)| endpoint == named);
    }
    if wanting.is_empty() {
        let kind = event.text("type");
        return Err(match endpoint {
            None => format!("no endpoint that is enabled wants `{kind}`"),
            Some(id) => format!("the endpoint `{id}` is not there, not enabled, or does not want `{kind}`"),
        });
    }
    Ok(wanting
        .iter()
        .map(|(owner, endpoint)| Value::Object(ask(tx, &event, owner, endpoint).value))
        .collect())
}

/// Which deliveries are asked for; each that is given narrows.
pub(crate) struct Wanted {
    pub(crate) event: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) status: Option<String>,
}

/// All deliveries that are asked for, oldest first.
pub(crate) fn list(state: &State, wanted: &Wanted) -> Vec<Value> {
    let is = |record: &Record, name: &str, wanted: &Option<String>| {
        wanted.as_ref().is_none_or(|wanted| record.text(name) == wanted)
    };
    let all = state.records(Some("delivery")).into_iter().map(|(_, record)| record).filter(|record| {
        is(record, "event", &wanted.event)
            && is(record, "endpoint", &wanted.endpoint)
            && is(record, "status", &wanted.status)
    });
    let told = |record: &Record| {
        let mut value = record.value.clone();
        value.shift_remove("object");
        value.shift_remove("owner");
        for name in ["next", "answer"] {
            value.entry(name).or_insert(Value::Null);
        }
        Value::Object(value)
    };
    all.map(told).collect()
}

/// One turn of the sender: it hands in what came of its attempts, and gets what is to be sent now.
pub(crate) struct Turn {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) settings: Settings,
    /// How many deliveries are under way, by endpoint.
    pub(crate) under_way: HashMap<String, usize>,
}

impl Turn {
    /// Also tells when something is to be done next, in seconds since 1970, unless an attempt ends before.
    pub(crate) fn take(self, state: &mut State, now: i64) -> (Vec<Outgoing>, Option<i64>) {
        for attempt in self.attempts {
            note(state, now, attempt);
        }
        if self.settings.paused {
            return (Vec::new(), state.next_due());
        }
        let room =
            |endpoint: &str| AT_ONCE.saturating_sub(self.under_way.get(endpoint).copied().unwrap_or(0));
        let mut taken: HashMap<String, usize> = HashMap::new();
        let due = state.lease(now, room, self.settings.newest_first);
        let mut outgoing = Vec::new();
        for (account, id) in due {
            if let Some(one) = prepare(state, now, &account, &id) {
                *taken.entry(one.endpoint.clone()).or_default() += 1;
                outgoing.push(one);
            }
        }
        let left = |endpoint: &str| room(endpoint) > taken.get(endpoint).copied().unwrap_or(0);
        let next = [state.next_try(left), state.next_due()].into_iter().flatten().min();
        (outgoing, next)
    }
}

/// Notes what came of an attempt.
fn note(state: &mut State, now: i64, attempt: Attempt) {
    let mut tx = state.begin(&attempt.account, now);
    let Some(mut delivery) = tx.get("delivery", &attempt.id).cloned() else { return };
    let attempts = delivery.integer("attempts") + 1;
    delivery.set("attempts", attempts);
    delivery.set("answer", attempt.answer);
    delivery.set("next", Value::Null);
    let pause = usize::try_from(attempts - 1).ok().and_then(|tried| PAUSES.get(tried));
    match (attempt.taken, pause) {
        (true, _) => delivery.set("status", "delivered"),
        (false, None) => delivery.set("status", "failed"),
        (false, Some(pause)) => delivery.set("next", now + pause),
    }
    tx.put(delivery);
    tx.keep();
}

/// What is to be sent for a delivery. One whose endpoint is gone or disabled is given up.
fn prepare(state: &mut State, now: i64, account: &str, id: &str) -> Option<Outgoing> {
    let mut tx = state.begin(account, now);
    let mut delivery = tx.get("delivery", id).cloned()?;
    let endpoint =
        tx.endpoints(delivery.text("owner")).find(|endpoint| endpoint.id == delivery.text("endpoint"));
    let Some(endpoint) = endpoint.filter(|endpoint| endpoint.text("status") == "enabled") else {
        delivery.set("status", "canceled");
        delivery.set("next", Value::Null);
        tx.put(delivery);
        tx.keep();
        return None;
    };
    let mut event = resources::answer(&tx, tx.get("event", delivery.text("event"))?);
    if let Some(version) = endpoint.value.get("api_version") {
        event["api_version"] = version.clone();
    }
    if endpoint.hidden.get("connect") == Some(&json!(true)) {
        let fields = event.as_object_mut().map(std::mem::take).unwrap_or_default();
        let account = Map::from_iter([("account".to_owned(), json!(account))]);
        event = Value::Object(fields.into_iter().chain(account).collect());
    }
    Some(Outgoing {
        account: account.to_owned(),
        id: id.to_owned(),
        endpoint: endpoint.id.clone(),
        url: endpoint.text("url").to_owned(),
        secret: endpoint.hidden_text("secret").to_owned(),
        body: serde_json::to_vec_pretty(&event).expect("a JSON value is JSON"),
    })
}
