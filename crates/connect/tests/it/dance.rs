//! The whole way through a Nango that keeps to its contract: link, back, token, renewed, revoked, connected again.

use std::sync::Arc;

use loopfour_engine::connections::{Authorize, Connection, ConnectionStatus, Connections, Source};
use loopfour_engine::{Finding, Timestamp, ports::Clock};
use loopfour_testkit::ManualClock;
use loopfour_testkit::nango::{Config, Nango};
use serde_json::json;
use uuid::Uuid;

use crate::desk::{Came, Start, World, account, actor, ok, stripe_error};
use crate::support::COMPANY;

const HOUR: i64 = 60 * 60 * 1000;

/// A Nango by the world's clock, and a server that uses it.
async fn world(provider: &str) -> (Nango, World) {
    let world = World::new(Start::default()).await;
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::new(world.clock.clone());
    let integrations = vec![provider.to_owned()];
    let nango = Nango::start(Config { clock: Some(clock), integrations, ..Config::default() }).await.unwrap();
    let world = world.again(Start { nango: Some((nango.url(), nango.key())), ..Start::default() }).await;
    world.stripe.on("GET /v1/things", &[ok("{}")]).on("GET /v1/account", &[account("acct_key")]);
    (nango, world)
}

async fn begin(world: &World) -> (Uuid, String) {
    let wish = Authorize { provider: "stripe".to_owned(), name: "main".to_owned(), redirect_url: None };
    let begun = world.connect.authorize(COMPANY, wish, &actor()).await.unwrap();
    (begun.attempt, begun.auth_url)
}

async fn back(world: &World, attempt: Uuid) -> Connection {
    world.connect.look_at_attempt(attempt, None).await.unwrap()
}

fn at_nango(row: &Connection) -> String {
    match &row.source {
        Source::Nango { connection: Some(connection), .. } => connection.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn by_oauth() {
    let (nango, world) = world("stripe-app").await;
    let (attempt, link) = begin(&world).await;
    assert_eq!(nango.allow(&link, "acct_1").await.unwrap().status, 200);
    let row = back(&world, attempt).await;
    assert_eq!((row.status, row.external_account_id.as_deref()), (ConnectionStatus::Active, Some("acct_1")));
    let bound = world.call(None, None).await.account();
    let first = bearer(&world);
    // It is renewed after its end.
    world.clock.advance(HOUR + 1);
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
    assert_ne!(bearer(&world), first);
    // The account's owner takes it back.
    nango.set("revoke", json!({"connection_id": at_nango(&row)})).await;
    world.stripe.on("GET /v1/things", &[stripe_error("401 Unauthorized")]);
    assert!(matches!(world.call(None, Some(&bound)).await, Came::Failed(Finding::Unauthorized, _)));
    let broken = world.row("main");
    assert_eq!(broken.status, ConnectionStatus::Error);
    assert!(broken.last_error.unwrap().contains("auth-url?connectionName=main"));
    world.call(None, Some(&bound)).await.waits("");
    // The same account comes back, under the same ids here and there.
    world.stripe.on("GET /v1/things", &[ok("{}")]);
    let (attempt, link) = begin(&world).await;
    assert_eq!(nango.allow(&link, "acct_1").await.unwrap().status, 200);
    let again = back(&world, attempt).await;
    assert_eq!((again.id, at_nango(&again)), (row.id, at_nango(&row)));
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
    assert_eq!(again.last_synced_at, Some(Timestamp(world.clock.now().0)));
}

fn bearer(world: &World) -> String {
    let seen = world.stripe.seen();
    let last = seen.last().unwrap();
    last.lines().find(|line| line.starts_with("authorization: ")).unwrap().to_owned()
}

#[tokio::test]
async fn denied() {
    let (nango, world) = world("stripe-app").await;
    let (attempt, link) = begin(&world).await;
    assert_eq!(nango.deny(&link).await.unwrap().status, 400);
    assert_eq!(back(&world, attempt).await.status, ConnectionStatus::Pending);
}

#[tokio::test]
async fn by_a_key_that_nango_keeps() {
    let (nango, world) = world("stripe-api-key").await;
    let (attempt, link) = begin(&world).await;
    assert_eq!(nango.give_key(&link, "rk_test_restricted").await.unwrap().status, 200);
    let row = back(&world, attempt).await;
    assert_eq!(
        (row.status, row.external_account_id.as_deref()),
        (ConnectionStatus::Active, Some("acct_key"))
    );
    world.call(None, None).await.account();
    assert_eq!(bearer(&world), "authorization: Bearer rk_test_restricted");
    let ended = world.connect.disconnect(COMPANY, row.id, &actor()).await.unwrap();
    assert_eq!((ended.status, ended.last_error), (ConnectionStatus::Disconnected, None));
    assert_eq!(nango.show("connections").await["connections"], json!([]));
}
