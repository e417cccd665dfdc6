//! Events: which changes are told by which, what they say, how they are listed.

mod rows;

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::stripe::{Stripe, id};
use rows::{CUSTOMER, DRAFT, FINALIZE, ITEM, PRICE, PRODUCT, ROWS, SUBSCRIBE};

const DAY: i64 = 86_400;

/// Runs calls like `POST customers email=a@b.ch`; `name: ` before one keeps its answer's id, which
/// `{name}` stands for in later ones, and `clock 60` moves the clock.
pub struct Script<'a> {
    pub stripe: &'a Stripe,
    pub ids: HashMap<String, String>,
}

impl<'a> Script<'a> {
    pub fn new(stripe: &'a Stripe) -> Script<'a> {
        Script { stripe, ids: HashMap::new() }
    }

    pub async fn run(&mut self, call: &str) -> Value {
        if let Some(seconds) = call.strip_prefix("clock ") {
            let seconds: i64 = seconds.parse().unwrap();
            return self.stripe.control("POST", "clock", json!({"advance": seconds})).await.ok();
        }
        let (name, call) = call.split_once(": ").unwrap_or(("", call));
        let mut call = call.to_owned();
        for (name, id) in &self.ids {
            call = call.replace(&format!("{{{name}}}"), id);
        }
        if let Some(intent) = call.strip_prefix("authenticate ") {
            let body = json!({"payment_intent": intent, "passes": true});
            return self.stripe.control("POST", "authenticate", body).await.ok();
        }
        let mut parts = call.split(' ');
        let method = parts.next().unwrap().parse().unwrap();
        let path = format!("/v1/{}", parts.next().unwrap());
        let params: Vec<(&str, &str)> = parts.map(|part| part.split_once('=').unwrap()).collect();
        let body = crate::stripe::encode(&params);
        let reply = self.stripe.send(method, &path, &body, &[]).await.unwrap();
        assert!(reply.status == 200 || reply.status == 402, "{call}: {}", reply.body);
        if !name.is_empty() {
            self.ids.insert(name.to_owned(), id(&reply.body));
        }
        reply.body
    }
}

/// All events after one, oldest first; each is checked.
pub async fn after(stripe: &Stripe, last: Option<&str>) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let cursor = all.last().map(|event| format!("&starting_after={}", id(event))).unwrap_or_default();
        let page = stripe.get(&format!("/v1/events?limit=100{cursor}")).await.ok();
        let data = page["data"].as_array().unwrap();
        let new = data.iter().take_while(|event| last.is_none_or(|last| id(event) != last)).cloned();
        let before = all.len();
        all.extend(new);
        if page["has_more"] == false || all.len() < before + data.len() {
            all.iter().for_each(check_event);
            all.reverse();
            return all;
        }
    }
}

/// An event fits the table, its type is one of the version's, and so does what it tells of.
#[track_caller]
pub fn check_event(event: &Value) {
    use loopfour_sandbox::shape::problems;
    assert_eq!(problems(event), [""; 0], "{event:#}");
    let kind = event["type"].as_str().unwrap();
    let object = &event["data"]["object"];
    assert_eq!(problems(object), [""; 0], "{event:#}");
    let updated = kind.ends_with(".updated");
    let previous = event["data"].get("previous_attributes");
    assert_eq!(
        previous.is_some(),
        updated && kind != "payment_intent.amount_capturable_updated",
        "{event:#}"
    );
    for (name, was) in previous.and_then(Value::as_object).into_iter().flatten() {
        assert_ne!(object.get(name), Some(was), "{name}: {event:#}");
    }
    let listed = include_str!("../../../../catalog/stripe/2026-08-26.dahlia/events.json");
    assert!(listed.contains(&format!("\"{kind}\"")), "{kind}");
}

pub fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_change_is_told_by_its_events() {
    let stripe = Stripe::start().await;
    for (before, call, expect) in ROWS {
        stripe.control("POST", "reset", json!(null)).await.ok();
        let mut script = Script::new(&stripe);
        for call in *before {
            let answer = script.run(call).await;
            if let Some(item) = answer["items"]["data"][0]["id"].as_str() {
                script.ids.insert("subscription_item".to_owned(), item.to_owned());
            }
        }
        let last = after(&stripe, None).await.last().map(id);
        script.run(call).await;
        let events = after(&stripe, last.as_deref()).await;
        let mut told = kinds(&events);
        let mut wanted = expect.to_vec();
        told.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(told, wanted, "{call} after {before:?}");
    }
}

#[tokio::test]
async fn an_event_tells_who_asked_and_what_was_before() {
    let stripe = Stripe::start().await;
    let reply = stripe.post_with_key("/v1/customers", &[("name", "Ada"), ("metadata[a]", "1")], "k").await;
    let customer = id(&reply.body);
    let created = &after(&stripe, None).await[0];
    assert_eq!(created["request"], json!({"id": reply.header("request-id"), "idempotency_key": "k"}));
    assert_eq!((&created["data"]["object"], &created["pending_webhooks"]), (&reply.body, &json!(0)));
    assert_eq!((&created["api_version"], created.get("account")), (&json!("2026-08-26.dahlia"), None));
    assert_eq!(created["created"], reply.body["created"]);

    stripe.post_with_key("/v1/customers", &[("name", "Ada"), ("metadata[a]", "1")], "k").await;
    let params = [("name", "Eve"), ("metadata[b]", "2"), ("address[city]", "Bern")];
    stripe.post(&format!("/v1/customers/{customer}"), &params).await.ok();
    let told = after(&stripe, Some(&id(created))).await;
    assert_eq!(kinds(&told), ["customer.updated"], "a replay changes nothing");
    let expect = json!({"address": null, "metadata": {"b": null}, "name": "Ada"});
    assert_eq!(told[0]["data"]["previous_attributes"], expect);
    assert_eq!(told[0]["data"]["object"]["name"], "Eve");
    assert_eq!(told[0]["request"]["idempotency_key"], json!(null));
}

#[tokio::test]
async fn what_the_clock_does_is_told_at_its_own_time() {
    let stripe = Stripe::start().await;
    let mut script = Script::new(&stripe);
    for call in [CUSTOMER, PRODUCT, PRICE] {
        script.run(call).await;
    }
    let call =
        "subscription: POST subscriptions customer={customer} items[0][price]={price} trial_period_days=14";
    let subscription = script.run(call).await;
    let last = after(&stripe, None).await.last().map(id);
    script.run("clock 1296000").await;
    let told = after(&stripe, last.as_deref()).await;
    let trial_end = subscription["trial_end"].as_i64().unwrap();
    let of = |kind: &str| told.iter().find(|event| event["type"] == kind).unwrap();
    let warned = of("customer.subscription.trial_will_end");
    assert_eq!(warned["created"], trial_end - 3 * DAY);
    assert_eq!(warned["request"], json!({"id": null, "idempotency_key": null}));
    assert_eq!(warned["data"]["object"]["status"], "trialing");
    let updated = of("customer.subscription.updated");
    assert_eq!(updated["created"], trial_end);
    let previous = &updated["data"]["previous_attributes"];
    assert_eq!((&previous["status"], previous.get("id")), (&json!("trialing"), None));
    let was = &previous["items"]["data"][0]["current_period_end"];
    assert_eq!((was, previous["items"].get("url")), (&json!(trial_end), None));
    assert_eq!(of("invoice.paid")["created"], trial_end + 3600);
}

#[tokio::test]
async fn an_update_of_an_item_tells_its_quantity_from_before() {
    let stripe = Stripe::start().await;
    let mut script = Script::new(&stripe);
    for call in [CUSTOMER, PRODUCT, PRICE] {
        script.run(call).await;
    }
    let subscription = script.run(SUBSCRIBE).await;
    let item = id(&subscription["items"]["data"][0]);
    let call = format!(
        "POST subscriptions/{{subscription}} items[0][id]={item} items[0][quantity]=3 proration_behavior=none"
    );
    script.run(&call).await;
    let event = stripe.get("/v1/events?limit=1").await.ok()["data"][0].clone();
    assert_eq!(event["type"], "customer.subscription.updated");
    assert_eq!(event["data"]["object"]["items"]["data"][0]["quantity"], 3);
    assert_eq!(event["data"]["previous_attributes"]["items"]["data"][0]["quantity"], 1);
}

#[tokio::test]
async fn events_are_an_accounts_own_and_last_thirty_days() {
    let stripe = Stripe::start().await;
    let told = json!({"key": "sk_test_other", "account": "acct_other"});
    stripe.control("POST", "keys", told).await.ok();
    stripe.customer("ada@example.com").await;
    let event = id(&after(&stripe, None).await[0]);
    let other = [("authorization", "Bearer sk_test_other")];
    let path = format!("/v1/events/{event}");
    let refused = stripe.send(reqwest::Method::GET, &path, "", &other).await.unwrap();
    assert_eq!(refused.error(), "404 invalid_request_error resource_missing id");
    stripe.control("POST", "clock", json!({"advance": 30 * DAY - 60})).await.ok();
    stripe.get(&path).await.ok();
    stripe.control("POST", "clock", json!({"advance": 120})).await.ok();
    assert_eq!(stripe.get(&path).await.status, 404);
    assert_eq!(after(&stripe, None).await, Vec::<Value>::new());
}

#[tokio::test]
async fn lists_of_events_can_be_narrowed() {
    let stripe = Stripe::start().await;
    let mut script = Script::new(&stripe);
    for call in [CUSTOMER, DRAFT, ITEM, FINALIZE] {
        script.run(call).await;
    }
    stripe.control("POST", "clock", json!({"advance": 100})).await.ok();
    script.run("POST customers name=Late").await;
    let late = stripe.get("/v1/events?limit=1").await.ok()["data"][0]["created"].as_i64().unwrap();
    for (query, expect) in [
        ("type=invoice.created", vec!["invoice.created"]),
        (
            "type=invoice.*",
            vec!["invoice.finalized", "invoice.updated", "invoice.updated", "invoice.created"],
        ),
        (
            "types[]=invoiceitem.created&types[]=invoice.created",
            vec!["invoiceitem.created", "invoice.created"],
        ),
        (&format!("created[gte]={late}"), vec!["customer.created"]),
        (&format!("type=customer.created&created[lt]={late}"), vec!["customer.created"]),
        (&format!("created={late}"), vec!["customer.created"]),
        ("type=payout.paid", vec![]),
    ] {
        let list = stripe.get(&format!("/v1/events?limit=100&{query}")).await.ok();
        assert_eq!(kinds(list["data"].as_array().unwrap()), expect, "{query}");
    }
    let refused = stripe.get("/v1/events?type=a&types[]=b").await;
    assert_eq!((refused.status, refused.error().starts_with("400 invalid_request_error")), (400, true));
    let many: Vec<String> = (0..21).map(|number| format!("types[]=t{number}")).collect();
    assert_eq!(stripe.get(&format!("/v1/events?{}", many.join("&"))).await.status, 400);
    assert_eq!(stripe.get("/v1/events?starting_after=evt_none").await.status, 400);
}
