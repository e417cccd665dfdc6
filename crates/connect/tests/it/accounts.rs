//! A run keeps to its account over all that becomes of its connection: keys that may not read their account, of which a
//! person says whose they are, other keys at a start, and changes that cross each other.

use std::time::Duration;

use loopfour_engine::call::Account;
use loopfour_engine::connections::{
    ConnectionChange, ConnectionError, ConnectionStatus, Connections, NewKeyConnection, SettingsChange,
};

use crate::desk::{Start, World, account, actor, ok, stripe_error};
use crate::support::COMPANY;

fn key(key: &str) -> NewKeyConnection {
    NewKeyConnection { provider: "stripe".to_owned(), name: "main".to_owned(), api_key: key.into() }
}

/// Stripe names this account to whoever asks, or lets nobody read it.
fn owner(world: &World, id: Option<&str>) {
    let answer = id.map_or_else(|| stripe_error("403 Forbidden"), account);
    world.stripe.on("GET /v1/account", &[answer]).on("GET /v1/balance", &[ok("{}")]);
}

async fn world(start: Start<'_>) -> World {
    let world = World::new(start).await;
    world.stripe.on("GET /v1/things", &[ok("{}")]);
    world
}

fn environment(key: &str) -> Start<'_> {
    Start { key: Some(key), ..Start::default() }
}

async fn restarted(world: World, key: &str, id: &str) -> World {
    owner(&world, Some(id));
    let world = world.again(environment(key)).await;
    world.connect.identify(Duration::from_secs(5)).await.unwrap();
    world
}

#[tokio::test]
async fn what_a_person_said_of_a_key_does_not_outlive_its_disproof() {
    let world = world(Start::default()).await;
    owner(&world, Some("acct_1"));
    let row = world.connect.add_key(COMPANY, key("rk_test_a"), &actor()).await.unwrap();
    let bound = world.call(None, None).await.account();
    world.connect.disconnect(COMPANY, row.id, &actor()).await.unwrap();
    owner(&world, None);
    world.connect.add_key(COMPANY, key("rk_test_b"), &actor()).await.unwrap();
    let same = ConnectionChange { same_account: true, ..ConnectionChange::default() };
    world.connect.change(COMPANY, row.id, same, &actor()).await.unwrap();
    let unread = world.call(None, None).await.account();
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
    // Now the key may read its account, and it is not the one that the person took it for.
    owner(&world, Some("acct_9"));
    let row = world.connect.test(COMPANY, row.id, &actor()).await.unwrap();
    assert_eq!(row.external_account_id.as_deref(), Some("acct_9"));
    world.call(None, Some(&bound)).await.waits("acct_9");
    assert_eq!(world.call(None, Some(&unread)).await.account(), unread);
}

/// A run of the environment's key while that might not read its account, which turned out to be `acct_1`.
async fn of_an_unread_key() -> (World, Account) {
    let world = world(environment("rk_test_a")).await;
    owner(&world, None);
    world.connect.identify(Duration::from_secs(5)).await.unwrap();
    let bound = world.call(None, None).await.account();
    owner(&world, Some("acct_1"));
    let row = world.row("environment");
    let row = world.connect.test(COMPANY, row.id, &actor()).await.unwrap();
    assert_eq!(Some(row.same_accounts), bound.id.clone().map(|id| vec![id]));
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
    (world, bound)
}

#[tokio::test]
async fn what_was_the_same_account_is_forgotten_with_the_mode() {
    let (world, bound) = of_an_unread_key().await;
    let world = restarted(world, "sk_live_b", "acct_1").await;
    world.call(None, Some(&bound)).await.waits("live");
    let world = restarted(world, "sk_test_c", "acct_2").await;
    world.call(None, Some(&bound)).await.waits("acct_2");
}

#[tokio::test]
async fn what_was_the_same_account_is_not_said_of_another_that_could_not_be_noted() {
    let (world, bound) = of_an_unread_key().await;
    owner(&world, Some("acct_2"));
    let world = world.again(environment("sk_test_c")).await;
    *world.shelf.full.lock().unwrap() = true;
    world.connect.identify(Duration::from_secs(5)).await.unwrap();
    assert_eq!(world.row("environment").external_account_id.as_deref(), Some("acct_1"));
    world.call(None, Some(&bound)).await.waits("acct_2");
}

#[tokio::test]
async fn a_change_that_asks_the_provider_does_not_undo_what_was_done_meanwhile() {
    let world = world(Start::default()).await;
    owner(&world, Some("acct_1"));
    let row = world.connect.add_key(COMPANY, key("rk_test_a"), &actor()).await.unwrap();
    let bound = world.call(None, None).await.account();
    let stripe_account = Some(Some("acct_9".to_owned()));
    let settings = SettingsChange { stripe_account, ..SettingsChange::default() };
    let acts_for = ConnectionChange { settings, ..ConnectionChange::default() };
    for change in [Some(acts_for), None] {
        // The first asks Stripe before it changes anything, and the second is through meanwhile.
        let by = actor();
        let asks = async {
            match change {
                Some(change) => world.connect.change(COMPANY, row.id, change, &by).await,
                None => world.connect.test(COMPANY, row.id, &by).await,
            }
        };
        let (changed, ended) = tokio::join!(asks, world.connect.disconnect(COMPANY, row.id, &by));
        assert_eq!(ended.unwrap().status, ConnectionStatus::Disconnected);
        assert!(
            matches!(&changed, Err(ConnectionError::State(message)) if message.contains("meanwhile")),
            "{changed:?}"
        );
        world.stripe.seen();
        world.call(Some(row.id), Some(&bound)).await.waits("disconnected");
        assert!(world.stripe.lines().is_empty(), "its key is used no more");
        world.connect.add_key(COMPANY, key("rk_test_a"), &actor()).await.unwrap();
    }
}
