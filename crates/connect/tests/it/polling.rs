//! Events that are asked for: from when on, in what order, and that none is missed.

use std::sync::{Arc, Mutex};

use loopfour_connect::Polling;
use loopfour_engine::connections::{
    Connection, ConnectionChange, ConnectionSettings, ConnectionStatus, Connections as _, EventSource,
    SettingsChange,
};
use loopfour_engine::ports::{BoxFuture, JournalError};
use loopfour_engine::provider_events::{Entrance, Incoming, Intake, Replay, ReplayError, Signer, TakenIn};
use loopfour_engine::{Actor, CompanyId, EventId};
use uuid::Uuid;

use crate::desk::{Start, World, actor, ok, reply, stripe_error};
use crate::senders::{id, row, with_rows};
use crate::support::COMPANY;

/// Takes events in, unless it is full.
#[derive(Default)]
struct Events {
    taken: Mutex<Vec<Incoming>>,
    full: Mutex<bool>,
}

impl Intake for Events {
    fn take_in(&self, event: Incoming) -> BoxFuture<'_, Result<TakenIn, JournalError>> {
        Box::pin(async move {
            if *self.full.lock().unwrap() {
                return Err(JournalError::Full("full".to_owned()));
            }
            self.taken.lock().unwrap().push(event);
            Ok(TakenIn { event: EventId(Uuid::nil()), workflows: 0 })
        })
    }

    fn asks_for_signature(&self, _: CompanyId, _: &str) -> BoxFuture<'_, Option<bool>> {
        Box::pin(async { None })
    }

    fn replay<'a>(
        &'a self,
        _: CompanyId,
        _: EventId,
        _: Replay,
        _: &'a Actor,
    ) -> BoxFuture<'a, Result<usize, ReplayError>> {
        Box::pin(async { Ok(0) })
    }
}

impl Events {
    fn ids(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        taken.iter().map(|event| event.provider_event_id.clone().unwrap()).collect()
    }

    async fn takes(&self, expect: &[&str]) {
        while self.ids().len() < expect.len() {
            tokio::task::yield_now().await;
        }
        assert!(self.ids() == expect, "{:.1000}", format!("{:?}", self.ids()));
    }
}

fn page(events: &[(&str, i64)], has_more: bool) -> String {
    let events: Vec<String> = events
        .iter()
        .map(|(id, created)| {
            format!(r#"{{"id": "{id}", "type": "invoice.paid", "created": {created}, "data": {{}}}}"#)
        })
        .collect();
    ok(&format!(r#"{{"object": "list", "data": [{}], "has_more": {has_more}}}"#, events.join(",")))
}

fn polled(row: Connection) -> Connection {
    let settings = ConnectionSettings { events: EventSource::Poll, ..row.settings.clone() };
    Connection { settings, ..row }
}

const EVENTS: &str = "GET /v1/events";

struct Stage {
    world: World,
    events: Arc<Events>,
    polling: Option<Polling>,
}

impl Stage {
    /// One connection whose events are asked for; the first answer is what there is already.
    async fn new(first: String) -> Stage {
        let row = polled(row(1, "one", Some("acct_a"), "test"));
        let world = with_rows(Start::default(), vec![row]).await;
        world.stripe.on(EVENTS, &[first]);
        let mut stage = Stage { world, events: Arc::default(), polling: None };
        stage.begin();
        stage
    }

    fn begin(&mut self) {
        let events: Arc<Events> = Arc::clone(&self.events);
        self.polling = Some(self.world.connect.poll_into(events));
    }

    /// The process begins again.
    async fn again(self) -> Stage {
        drop(self.polling);
        let world = self.world.again(Start::default()).await;
        let mut stage = Stage { world, events: self.events, polling: None };
        stage.begin();
        stage
    }

    /// Waits for the answer of the next time, by the clock.
    async fn asks(&self) -> String {
        loop {
            if let Some(line) = self.world.stripe.lines().pop() {
                return line;
            }
            self.world.clock.advance(1000);
            tokio::task::yield_now().await;
        }
    }

    fn cursor(&self) -> String {
        let signing = self.world.shelf.signing.lock().unwrap();
        signing.cursors.first().map(|(_, cursor)| cursor.clone()).unwrap_or_default()
    }

    /// Waits until it is stored how far events were taken in.
    async fn keeps(&self, piece: &str) {
        while !self.cursor().contains(piece) {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn what_was_before_is_history_and_the_rest_comes_oldest_first() {
    let stage = Stage::new(page(&[("evt_2", 1000), ("evt_1", 1000), ("evt_0", 900)], true)).await;
    assert_eq!(stage.asks().await, "GET /v1/events?limit=100");
    stage.keeps(r#""last":1000"#).await;
    let now = [("evt_4", 1003), ("evt_3", 1000), ("evt_2", 1000), ("evt_1", 1000)];
    stage.world.stripe.on(EVENTS, &[page(&now, false)]);
    assert_eq!(stage.asks().await, "GET /v1/events?limit=100&created[gte]=1000");
    stage.events.takes(&["evt_3", "evt_4"]).await;
    let event = stage.events.taken.lock().unwrap()[0].clone();
    assert_eq!((event.company, event.signer), (COMPANY, Signer::Connection(id(1))));
    assert_eq!((event.entrance, event.kind.as_str()), (Entrance::Stripe, "invoice.paid"));
    assert!(event.body.text().contains(r#""id":"evt_3""#), "{}", event.body);
    // What comes late is found, and what was seen comes no second time.
    let late = [("evt_6", 1100), ("evt_5", 1001), ("evt_4", 1003)];
    stage.world.stripe.on(EVENTS, &[page(&late, false)]);
    stage.events.takes(&["evt_3", "evt_4", "evt_5", "evt_6"]).await_by(&stage).await;
    stage.keeps(r#""last":1100"#).await;
    stage.world.stripe.lines();
    assert_eq!(stage.asks().await, "GET /v1/events?limit=100&created[gte]=1040");
    stage.asks().await;
    assert_eq!(stage.events.ids().len(), 4);
}

/// Moves the clock on until something is done.
trait AwaitBy {
    async fn await_by(self, stage: &Stage);
}

impl<F: Future<Output = ()>> AwaitBy for F {
    async fn await_by(self, stage: &Stage) {
        let mut done = std::pin::pin!(self);
        let move_on = async {
            loop {
                stage.world.clock.advance(1000);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = &mut done => {}
            () = move_on => {}
        }
    }
}

#[tokio::test]
async fn without_any_event_there_is_no_history() {
    let stage = Stage::new(page(&[], false)).await;
    stage.keeps(r#""last":0"#).await;
    stage.world.stripe.on(EVENTS, &[page(&[("evt_1", 1000)], false)]);
    stage.events.takes(&["evt_1"]).await_by(&stage).await;
}

#[tokio::test]
async fn a_backlog_comes_page_by_page() {
    let stage = Stage::new(page(&[("evt_0", 1000)], false)).await;
    stage.keeps("1000").await;
    stage.world.stripe.lines();
    let from = "GET /v1/events?limit=100&created[gte]=1000";
    stage
        .world
        .stripe
        .on(from, &[page(&[("evt_5", 1500), ("evt_4", 1400)], true)])
        .on(&format!("{from}&starting_after=evt_4"), &[page(&[("evt_3", 1300), ("evt_2", 1200)], true)])
        .on(&format!("{from}&starting_after=evt_2"), &[page(&[("evt_1", 1100), ("evt_0", 1000)], false)]);
    stage.events.takes(&["evt_1", "evt_2", "evt_3", "evt_4", "evt_5"]).await_by(&stage).await;
    stage.keeps("1500").await;
}

#[tokio::test]
async fn more_than_can_be_held_comes_in_order_all_the_same() {
    let stage = Stage::new(page(&[("evt_0", 1000)], false)).await;
    stage.keeps("1000").await;
    let ids: Vec<String> = (0..2500).map(|number| format!("evt_{number:05}")).collect();
    let newest_first: Vec<(&str, i64)> =
        ids.iter().map(String::as_str).zip(2000..).collect::<Vec<_>>().into_iter().rev().collect();
    // All in one answer: the list is as long as it is.
    stage.world.stripe.on(EVENTS, &[page(&newest_first, false)]);
    let expect: Vec<&str> = ids.iter().map(String::as_str).collect();
    stage.events.takes(&expect).await_by(&stage).await;
}

#[tokio::test]
async fn what_was_not_taken_in_comes_again_after_a_start_too() {
    let stage = Stage::new(page(&[("evt_0", 1000)], false)).await;
    stage.keeps("1000").await;
    *stage.events.full.lock().unwrap() = true;
    stage.world.stripe.on(EVENTS, &[page(&[("evt_2", 2000), ("evt_1", 1500)], false)]);
    stage.asks().await;
    stage.asks().await;
    assert!(stage.cursor().contains(r#""last":1000"#), "{}", stage.cursor());
    let stage = stage.again().await;
    *stage.events.full.lock().unwrap() = false;
    stage.events.takes(&["evt_1", "evt_2"]).await_by(&stage).await;
    stage.keeps("2000").await;
    // The next start asks for a little of it again; who takes it in knows it.
    let stage = stage.again().await;
    stage.world.stripe.lines();
    assert_eq!(stage.asks().await, "GET /v1/events?limit=100&created[gte]=1940");
}

#[tokio::test]
async fn another_accounts_events_begin_anew() {
    let stage = Stage::new(page(&[("evt_0", 1000)], false)).await;
    stage.keeps("acct_a").await;
    let stage = {
        let world = &stage.world;
        world.shelf.kept.lock().unwrap()[0].0.external_account_id = Some("acct_b".to_owned());
        world.stripe.on(EVENTS, &[page(&[("evt_9", 9000)], true)]);
        stage.again().await
    };
    stage.keeps("acct_b").await;
    stage.asks().await;
    assert_eq!(stage.events.ids(), Vec::<String>::new());
    // One that is said to be the same goes on.
    {
        let mut kept = stage.world.shelf.kept.lock().unwrap();
        kept[0].0.external_account_id = Some("acct_c".to_owned());
        kept[0].0.same_accounts = vec!["acct_b".to_owned()];
    }
    stage.world.stripe.on(EVENTS, &[page(&[("evt_10", 9500), ("evt_9", 9000)], false)]);
    let stage = stage.again().await;
    stage.events.takes(&["evt_10"]).await_by(&stage).await;
    stage.keeps("acct_c").await;
}

#[tokio::test]
async fn what_goes_wrong_is_told_and_tried_again() {
    let stage = Stage::new(stripe_error("403 Forbidden")).await;
    let told = |stage: &Stage| stage.world.row("one").last_error.unwrap_or_default();
    while !told(&stage).contains("its events cannot be asked for: ") {
        stage.world.clock.advance(1000);
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.world.row("one").status, ConnectionStatus::Active);
    stage.world.stripe.on(EVENTS, &[reply("502 Bad", "", ""), page(&[], false)]);
    stage.keeps("last").await_by(&stage).await;
    while !told(&stage).is_empty() {
        stage.world.clock.advance(1000);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_begins_and_ends_with_the_setting() {
    let stage = Stage::new(page(&[], false)).await;
    stage.asks().await;
    let set = async |events: EventSource| {
        let settings = SettingsChange { events: Some(events), ..SettingsChange::default() };
        let change = ConnectionChange { settings, ..ConnectionChange::default() };
        stage.world.connect.change(COMPANY, id(1), change, &actor()).await.unwrap();
    };
    stage.keeps("last").await;
    set(EventSource::Webhook).await;
    stage.world.stripe.lines();
    for _ in 0..100 {
        stage.world.clock.advance(5000);
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.world.stripe.lines().len(), 0);
    set(EventSource::Poll).await;
    stage.asks().await;
    stage.world.connect.disconnect(COMPANY, id(1), &actor()).await.unwrap();
    for _ in 0..100 {
        stage.world.clock.advance(5000);
        tokio::task::yield_now().await;
    }
    stage.world.stripe.lines();
    for _ in 0..100 {
        stage.world.clock.advance(5000);
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.world.stripe.lines().len(), 0);
}
