//! What Stripe is told of where to send events, and when.

use loopfour_connect::stripe::API_VERSION;
use loopfour_engine::connections::{
    ConnectionChange, ConnectionStatus, Connections as _, EventSource, SettingsChange,
};
use loopfour_engine::provider_events::{Endpoint, Endpoints as _, Signer};

use crate::desk::{OTHER_COMPANY, Start, World, account, actor, json, ok, reply, stripe_error};
use crate::senders::{id, row, with, with_rows};
use crate::support::COMPANY;

const PATH: &str = "/v1/webhook_endpoints";
const URL: &str = "https://flows.example.com";

fn url() -> String {
    format!("{URL}/webhooks/stripe/{COMPANY}")
}

fn public() -> Start<'static> {
    Start { public_url: Some(URL), ..Start::default() }
}

fn made(id: &str) -> String {
    ok(&format!(r#"{{"id": "{id}", "object": "webhook_endpoint", "secret": "whsec_{id}"}}"#))
}

fn shown(id: &str, status: &str, events: &str, url: &str, company: &str) -> String {
    format!(
        r#"{{"id": "{id}", "url": "{url}", "status": "{status}", "enabled_events": {events}, "metadata": {{"loopfour_company": "{company}"}}}}"#
    )
}

fn none() -> String {
    ok(r#"{"data": []}"#)
}

fn absent() -> String {
    json(
        "404 Not Found",
        r#"{"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such"}}"#,
    )
}

/// One connection, and a Stripe that takes everything.
async fn world() -> World {
    let world = with_rows(public(), vec![row(1, "one", Some("acct_a"), "test")]).await;
    world.stripe.on(&format!("GET {PATH}"), &[none()]).on(&format!("POST {PATH}"), &[made("we_1")]);
    world
}

impl World {
    async fn settle(&self, events: &[&str]) -> Vec<Endpoint> {
        let events = events.iter().map(|event| (*event).to_owned()).collect();
        self.connect.settle(COMPANY, events, &actor()).await
    }

    /// Settles, with one connection.
    async fn settles(&self, events: &[&str]) -> Endpoint {
        let mut endpoints = self.settle(events).await;
        assert_eq!(endpoints.len(), 1, "{endpoints:?}");
        endpoints.remove(0)
    }

    /// What is registered: id, events, version.
    fn registered(&self) -> Vec<(String, Vec<String>)> {
        let signing = self.shelf.signing.lock().unwrap();
        signing.registrations.iter().map(|kept| (kept.endpoint.clone(), kept.events.clone())).collect()
    }

    async fn set_events(&self, number: u128, events: EventSource) {
        let settings = SettingsChange { events: Some(events), ..SettingsChange::default() };
        let change = ConnectionChange { settings, ..ConnectionChange::default() };
        self.connect.change(COMPANY, id(number), change, &actor()).await.unwrap();
    }
}

fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn an_endpoint_is_made_changed_disabled_and_enabled_again() {
    let world = world().await;
    let told = world.settles(&["invoice.paid", "charge.failed", "invoice.paid"]).await;
    assert!(told.settled && told.note.contains("`one`"), "{told:?}");
    assert_eq!((told.connection, &told.url), (Some(id(1)), &url()));
    assert_eq!(told.events, ["charge.failed", "invoice.paid"]);
    let requests = world.stripe.seen();
    assert!(requests[0].starts_with(&format!("GET {PATH}?limit=100 ")), "{}", requests[0]);
    assert_eq!(requests.len(), 2);
    assert!(requests[1].contains("idempotency-key: "), "{}", requests[1]);
    assert_eq!(
        body(&requests[1]),
        format!(
            "url=https%3A%2F%2Fflows.example.com%2Fwebhooks%2Fstripe%2F{COMPANY}&enabled_events[0]=charge.failed\
             &enabled_events[1]=invoice.paid&api_version={API_VERSION}&description=LoopFour\
             &metadata[loopfour_company]={COMPANY}"
        )
    );
    assert_eq!(world.signs(COMPANY, "whsec_we_1"), Some(Signer::Connection(id(1))));
    assert_eq!(world.signs(OTHER_COMPANY, "whsec_we_1"), None);
    // Nothing changed: nothing is asked.
    assert!(world.settles(&["invoice.paid", "charge.failed"]).await.settled);
    assert_eq!(world.stripe.lines().len(), 0);
    world.stripe.on(&format!("POST {PATH}/we_1"), &[ok("{}")]);
    assert!(world.settles(&["invoice.*"]).await.events.contains(&"invoice.voided".to_owned()));
    let request = world.stripe.seen().remove(0);
    assert!(request.starts_with(&format!("POST {PATH}/we_1 ")), "{request}");
    assert!(body(&request).ends_with("&disabled=false") && body(&request).contains("=invoice.paid"));
    assert_eq!(world.settles(&["*", "invoice.paid"]).await.events, ["*"]);
    assert!(body(&world.stripe.seen()[0]).contains("&enabled_events[0]=%2A&disabled=false"));
    let told = world.settles(&[]).await;
    assert!(told.settled && told.note.contains("no active workflow listens"), "{told:?}");
    assert_eq!(body(&world.stripe.seen()[0]), "disabled=true");
    assert_eq!(world.registered(), [("we_1".to_owned(), vec![])]);
    assert!(world.settles(&[]).await.settled);
    assert_eq!(world.stripe.lines().len(), 0);
    assert!(world.settles(&["invoice.paid"]).await.settled);
    assert!(body(&world.stripe.seen()[0]).ends_with("&disabled=false"));
    assert_eq!(world.signs(COMPANY, "whsec_we_1"), Some(Signer::Connection(id(1))));
}

#[tokio::test]
async fn after_a_start_it_is_looked_at_once() {
    let world = world().await;
    world.settles(&["invoice.paid"]).await;
    let world = world.again(public()).await;
    assert_eq!(world.signs(COMPANY, "whsec_we_1"), Some(Signer::Connection(id(1))));
    let at = |status: &str| ok(&shown("we_1", status, r#"["invoice.paid"]"#, &url(), &COMPANY.to_string()));
    world.stripe.seen();
    let look = format!("GET {PATH}/we_1");
    world.stripe.on(&look, &[at("enabled")]).on(&format!("POST {PATH}/we_1"), &[ok("{}")]);
    for _ in 0..2 {
        assert!(world.settles(&["invoice.paid"]).await.settled);
    }
    assert_eq!(world.stripe.lines(), std::slice::from_ref(&look));
    // Stripe disabled it meanwhile.
    let world = world.again(public()).await;
    world.stripe.on(&look, &[at("disabled")]);
    assert!(world.settles(&["invoice.paid"]).await.settled);
    assert_eq!(world.stripe.lines(), [look.clone(), format!("POST {PATH}/we_1")]);
    // Somebody deleted it.
    let world = world.again(public()).await;
    world.stripe.on(&look, &[absent()]).on(&format!("POST {PATH}"), &[made("we_2")]);
    assert!(world.settles(&["invoice.paid"]).await.settled);
    assert_eq!(world.stripe.lines(), [look, format!("GET {PATH}?limit=100"), format!("POST {PATH}")]);
    assert_eq!(world.registered(), [("we_2".to_owned(), vec!["invoice.paid".to_owned()])]);
    assert_eq!(world.signs(COMPANY, "whsec_we_1"), None);
    // The address is another one.
    let moved = Start { public_url: Some("https://new.example.com"), ..Start::default() };
    let world = world.again(moved).await;
    world.stripe.on(&format!("POST {PATH}/we_2"), &[ok("{}")]);
    assert!(world.settles(&["invoice.paid"]).await.url.starts_with("https://new.example.com/"));
    assert!(body(&world.stripe.seen()[0]).starts_with("url=https%3A%2F%2Fnew.example.com"));
}

#[tokio::test]
async fn an_endpoint_of_ours_that_is_not_known_is_replaced() {
    let world = world().await;
    let ours = COMPANY.to_string();
    let all = r#"["*"]"#;
    let list = [
        shown("we_ours", "enabled", all, &url(), &ours),
        shown("we_elsewhere", "enabled", all, "https://other.example.com", &ours),
        shown("we_theirs", "enabled", all, &url(), &OTHER_COMPANY.to_string()),
    ];
    world
        .stripe
        .on(&format!("GET {PATH}"), &[ok(&format!(r#"{{"data": [{}]}}"#, list.join(",")))])
        .on(&format!("DELETE {PATH}/we_ours"), &[ok("{}")]);
    assert!(world.settles(&["invoice.paid"]).await.settled);
    assert_eq!(
        world.stripe.lines(),
        [format!("GET {PATH}?limit=100"), format!("DELETE {PATH}/we_ours"), format!("POST {PATH}")]
    );
}

#[tokio::test]
async fn what_stripe_cannot_be_told_a_person_is() {
    let check = async |start: Start<'_>, mode: &str, pieces: &[&str]| {
        let world = with_rows(start, vec![row(1, "one", Some("acct_a"), mode)]).await;
        let told = world.settles(&["invoice.paid"]).await;
        assert!(!told.settled, "{told:?}");
        for piece in ["invoice.paid", "webhook-secrets set stripe", "--events poll"].iter().chain(pieces) {
            assert!(told.note.contains(piece), "{piece}: {told:?}");
        }
        assert!(told.url.ends_with(&format!("/webhooks/stripe/{COMPANY}")), "{told:?}");
        assert_eq!(world.stripe.lines().len(), 0);
        // A person did it.
        let secrets = Some(vec!["whsec_x".into()]);
        let change = ConnectionChange { webhook_secrets: secrets, ..ConnectionChange::default() };
        world.connect.change(COMPANY, id(1), change, &actor()).await.unwrap();
        let told = world.settles(&["invoice.paid"]).await;
        assert!(told.note.contains("its secret is stored already"), "{told:?}");
    };
    let at = |url: &'static str| Start { public_url: Some(url), ..Start::default() };
    check(Start::default(), "test", &["no public address", "http://127.0.0.1:3000/"]).await;
    check(at("http://localhost:3000"), "test", &["this machine or"]).await;
    check(at("https://127.0.0.1"), "live", &["this machine or"]).await;
    check(at("http://10.0.0.5:3000"), "test", &["a private network"]).await;
    check(at("https://loopfour.internal"), "live", &["a private network"]).await;
    check(at("http://flows.example.com"), "live", &["not https"]).await;
}

#[tokio::test]
async fn the_sandbox_finds_this_server_where_it_listens() {
    let world = World::new(Start { sandbox: true, ..Start::default() }).await;
    world
        .stripe
        .on("GET /v1/account", &[account("acct_s")])
        .on(&format!("GET {PATH}"), &[none()])
        .on(&format!("POST {PATH}"), &[made("we_1"), made("we_2")]);
    let told = world.settles(&["invoice.paid"]).await;
    assert!(told.settled, "{told:?}");
    assert_eq!(told.url, format!("http://127.0.0.1:3000/webhooks/stripe/{COMPANY}"));
    // Each company has an endpoint of its own there.
    let events = vec!["invoice.paid".to_owned()];
    let told = world.connect.settle(OTHER_COMPANY, events, &actor()).await.remove(0);
    assert!(told.settled && told.url.ends_with(&OTHER_COMPANY.to_string()), "{told:?}");
    let sandbox = Some(Signer::Connection(world.row("sandbox").id));
    assert_eq!(world.signs(COMPANY, "whsec_we_1"), sandbox);
    assert_eq!(world.signs(OTHER_COMPANY, "whsec_we_2"), sandbox);
    assert_eq!(world.signs(COMPANY, "whsec_we_2"), None);
}

#[tokio::test]
async fn connections_of_one_account_share_an_endpoint() {
    let rows = vec![
        row(1, "one", Some("acct_a"), "test"),
        row(2, "again", Some("acct_a"), "test"),
        row(3, "live", Some("acct_a"), "live"),
        with(ConnectionStatus::Error, row(4, "broken", Some("acct_b"), "test")),
    ];
    let world = with_rows(public(), rows).await;
    world
        .stripe
        .on(&format!("GET {PATH}"), &[none()])
        .on(&format!("POST {PATH}"), &[made("we_1"), made("we_2")]);
    let told = world.settle(&["invoice.paid"]).await;
    let connections: Vec<_> = told.iter().map(|endpoint| endpoint.connection).collect();
    assert_eq!(connections, [Some(id(1)), Some(id(2)), Some(id(3))]);
    assert!(told.iter().all(|endpoint| endpoint.settled), "{told:?}");
    assert!(told[1].note.contains("the account of `one`"), "{told:?}");
    assert_eq!(world.registered().len(), 2);
    // What remains takes over, once the endpoint of what was ended is gone.
    world.stripe.seen();
    world.stripe.on(&format!("POST {PATH}"), &[made("we_3")]);
    // Both were made at once, so either may be its own.
    for own in ["we_1", "we_2"] {
        world.stripe.on(&format!("DELETE {PATH}/{own}"), &[ok(r#"{"deleted": true}"#)]);
    }
    world.connect.disconnect(COMPANY, id(1), &actor()).await.unwrap();
    let lines = world.stripe.lines();
    assert!(matches!(&lines[..], [only] if only.starts_with(&format!("DELETE {PATH}/we_"))), "{lines:?}");
    let told = world.settle(&["invoice.paid"]).await;
    assert_eq!(told.len(), 2);
    assert_eq!(world.stripe.lines(), [format!("GET {PATH}?limit=100"), format!("POST {PATH}")]);
    assert!(world.signs(COMPANY, "whsec_we_3").is_some());
}

#[tokio::test]
async fn where_events_are_asked_for_there_is_no_endpoint() {
    let world = world().await;
    world.settles(&["invoice.paid"]).await;
    world.stripe.seen();
    world.set_events(1, EventSource::Poll).await;
    world.stripe.on(&format!("POST {PATH}/we_1"), &[ok("{}")]);
    let told = world.settles(&["invoice.paid"]).await;
    assert!(told.settled && told.note.contains("asked for"), "{told:?}");
    assert_eq!(body(&world.stripe.seen()[0]), "disabled=true");
    world.set_events(1, EventSource::Webhook).await;
    assert!(world.settles(&["invoice.paid"]).await.note.contains("sends"));
    assert!(body(&world.stripe.seen()[0]).ends_with("disabled=false"));
}

#[tokio::test]
async fn what_did_not_work_is_tried_again() {
    let world = world().await;
    let list = format!("GET {PATH}?limit=100");
    world.stripe.on(
        &format!("POST {PATH}"),
        &[stripe_error("403 Forbidden"), reply("502 Bad", "", ""), made("we_1")],
    );
    let told = world.settles(&["invoice.paid"]).await;
    assert!(!told.settled && told.note.contains("that permission"), "{told:?}");
    assert!(told.note.contains("webhook-secrets set stripe"), "{told:?}");
    assert_eq!(world.stripe.lines(), [list.clone(), format!("POST {PATH}")]);
    world.clock.advance(59_999);
    tokio::task::yield_now().await;
    assert_eq!(world.stripe.lines().len(), 0);
    world.clock.advance(1);
    world.stripe.arrives_at(&format!("POST {PATH}")).await;
    // After five minutes now; a person is not kept waiting.
    let told = world.settles(&["invoice.paid", "invoice.voided"]).await;
    assert!(told.settled, "{told:?}");
    world.stripe.seen();
    world.clock.advance(60 * 60_000);
    assert!(world.settles(&["invoice.paid", "invoice.voided"]).await.settled);
    assert_eq!(world.stripe.lines().len(), 0);
}

#[tokio::test]
async fn what_could_not_be_stored_is_made_again() {
    let world = world().await;
    *world.shelf.full.lock().unwrap() = true;
    let told = world.settles(&["invoice.paid"]).await;
    assert!(!told.settled && told.note.contains("could not be stored"), "{told:?}");
    assert_eq!(world.signs(COMPANY, "whsec_we_1"), None);
    *world.shelf.full.lock().unwrap() = false;
    let lost = shown("we_1", "enabled", "[]", &url(), &COMPANY.to_string());
    world
        .stripe
        .on(&format!("GET {PATH}"), &[ok(&format!(r#"{{"data": [{lost}]}}"#))])
        .on(&format!("DELETE {PATH}/we_1"), &[ok("{}")])
        .on(&format!("POST {PATH}"), &[made("we_2")]);
    assert!(world.settles(&["invoice.paid"]).await.settled);
    assert!(world.stripe.lines().contains(&format!("DELETE {PATH}/we_1")));
    assert!(world.signs(COMPANY, "whsec_we_2").is_some());
}

#[tokio::test]
async fn without_a_connection_that_is_said() {
    let ended = with(ConnectionStatus::Disconnected, row(1, "one", Some("acct_a"), "test"));
    let world = with_rows(public(), vec![ended]).await;
    let told = world.settles(&["invoice.paid"]).await;
    assert!(!told.settled && told.connection.is_none(), "{told:?}");
    assert!(told.note.contains("there is no Stripe connection"), "{told:?}");
    assert_eq!(world.settle(&[]).await, []);
}

#[tokio::test]
async fn a_connection_that_ends_leaves_no_endpoint() {
    let world = world().await;
    world.settles(&["invoice.paid"]).await;
    world.stripe.seen();
    world.stripe.on(&format!("DELETE {PATH}/we_1"), &[ok(r#"{"id": "we_1", "deleted": true}"#)]);
    world.connect.disconnect(COMPANY, id(1), &actor()).await.unwrap();
    assert_eq!(world.stripe.lines(), [format!("DELETE {PATH}/we_1")]);
    assert_eq!((world.registered(), world.signs(COMPANY, "whsec_we_1")), (vec![], None));
}
