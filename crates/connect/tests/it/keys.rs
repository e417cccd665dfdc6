//! Connections by key: what is taken, which one a call goes out under, and what follows when a key is refused.

use std::time::Duration;

use loopfour_engine::connections::{
    Authorize, Connection, ConnectionChange, ConnectionError, ConnectionStatus, Connections,
    NewKeyConnection, SettingsChange,
};
use loopfour_engine::ports::Unprepared;
use loopfour_engine::{Finding, Request};

use crate::desk::{Came, OTHER_COMPANY, Start, World, account, actor, ok, prepare, reply, stripe_error};
use crate::support::COMPANY;

const KEY: &str = "rk_test_4eC39HqLyjWDarjtT1zdp7dc";

fn new_key(name: &str, key: &str) -> NewKeyConnection {
    NewKeyConnection { provider: "stripe".to_owned(), name: name.to_owned(), api_key: key.into() }
}

async fn add(world: &World, name: &str, key: &str) -> Result<Connection, ConnectionError> {
    world.connect.add_key(COMPANY, new_key(name, key), &actor()).await
}

async fn world() -> World {
    let world = World::new(Start::default()).await;
    world.stripe.on("GET /v1/account", &[account("acct_1")]).on("GET /v1/things", &[ok("{}")]);
    world
}

fn settings(change: impl FnOnce(&mut SettingsChange)) -> ConnectionChange {
    let mut settings = SettingsChange::default();
    change(&mut settings);
    ConnectionChange { settings, ..ConnectionChange::default() }
}

#[tokio::test]
async fn a_key_is_stored_after_stripe_took_it() {
    let world = world().await;
    let row = add(&world, "main", &format!(" {KEY}\n")).await.unwrap();
    assert_eq!((row.status, row.mode.as_deref()), (ConnectionStatus::Active, Some("test")));
    assert_eq!(row.external_account_id.as_deref(), Some("acct_1"));
    assert_eq!(world.shelf.secrets(), [KEY]);
    assert_eq!(world.shelf.actions(), ["connection.create main by person"]);
    let request = &world.stripe.seen()[0];
    assert!(request.contains(&format!("authorization: Bearer {KEY}\r\n")), "{request}");
    let came = world.call(None, None).await.account();
    assert_eq!((came.connection, came.id), (row.id.to_string(), Some("acct_1".to_owned())));
    // It is there after a start as well.
    let world = world.again(Start::default()).await;
    assert_eq!(world.call(None, None).await.account().connection, row.id.to_string());
    assert_eq!(world.stripe.lines(), ["GET /v1/things", "GET /v1/things"]);
}

#[tokio::test]
async fn a_key_that_is_none_is_not_stored() {
    let check = async |key: &str, answers: [String; 2], expected: &str| {
        let world = world().await;
        world.stripe.on("GET /v1/account", &answers[..1]).on("GET /v1/balance", &answers[1..]);
        let error = add(&world, "main", key).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.to_string().contains("4eC39Hq"), "{error}");
        assert!(world.shelf.rows().is_empty());
        let is_invalid =
            matches!(&error, ConnectionError::Invalid { field, .. } if field == "credentials.apiKey");
        assert_eq!(is_invalid, !expected.contains("cannot be told"), "{error:?}");
    };
    let good = || [account("acct_1"), ok("{}")];
    check("", good(), "is none that calls can be made with").await;
    check("pk_test_4eC39HqLyjWDarjtT1zdp7dc", good(), "starts with `sk_live_`").await;
    check("rk_test_4eC39Hq\nLyjWDarjtT1zdp7dc", good(), "holds characters that no key has").await;
    check(KEY, [stripe_error("401 Unauthorized"), ok("{}")], "Stripe refuses the key: Stripe says no").await;
    let forbidden = || stripe_error("403 Forbidden");
    check(KEY, [forbidden(), stripe_error("401 Unauthorized")], "Stripe refuses the key").await;
    check(KEY, [forbidden(), reply("503 Oops", "", "")], "cannot be told").await;
    check(KEY, [reply("502 Bad", "", "<html>"), ok("{}")], "cannot be told").await;
    check(KEY, [reply("403 Forbidden", "", "<html>"), ok("{}")], "cannot be told").await;
}

#[tokio::test]
async fn a_restricted_key_stands_for_the_account_that_it_may_not_read() {
    for balance in [ok("{}"), stripe_error("403 Forbidden")] {
        let world = world().await;
        world
            .stripe
            .on("GET /v1/account", &[stripe_error("403 Forbidden")])
            .on("GET /v1/balance", &[balance]);
        let row = add(&world, "main", KEY).await.unwrap();
        assert!(row.external_account_id.as_ref().unwrap().starts_with("key:"), "{row:?}");
        let first = world.call(None, None).await.account();
        assert_eq!(first.id, row.external_account_id);
        // The same key, now that it may read its account: runs that began before go on.
        world.stripe.on("GET /v1/account", &[account("acct_1")]);
        let row = world.connect.test(COMPANY, row.id, &actor()).await.unwrap();
        assert_eq!(row.external_account_id.as_deref(), Some("acct_1"));
        assert_eq!(
            (row.last_error.clone(), row.same_accounts.clone()),
            (None, vec![first.id.clone().unwrap()])
        );
        assert_eq!(world.call(None, Some(&first)).await.account(), first);
        assert_eq!(world.call(None, None).await.account().id.as_deref(), Some("acct_1"));
    }
}

#[tokio::test]
async fn the_only_active_connection_is_taken_or_the_one_asked_for() {
    let world = world().await;
    let Came::Refused(message) = world.call(None, None).await else { panic!() };
    assert_eq!(message, "there is no connection to Stripe");
    let first = add(&world, "first", KEY).await.unwrap();
    world.stripe.on("GET /v1/account", &[account("acct_2")]);
    let second = add(&world, "second", "sk_live_2").await.unwrap();
    let Came::Refused(message) = world.call(None, None).await else { panic!() };
    assert!(message.contains(&format!("`first` ({}, active), `second` ({}, active)", first.id, second.id)));
    let came = world.call(Some(second.id), None).await.account();
    assert_eq!((came.mode.as_str(), came.id.as_deref()), ("live", Some("acct_2")));
    // What the run is bound to comes first.
    assert_eq!(world.call(Some(first.id), Some(&came)).await.account(), came);
    // Nobody else's.
    let theirs = prepare(&world.connect, OTHER_COMPANY, Some(first.id), None);
    assert!(matches!(theirs, Err(Unprepared::Refused(error)) if error.message.contains("does not exist")));
    assert!(matches!(
        prepare(&world.connect, OTHER_COMPANY, None, Some(&came)),
        Err(Unprepared::NotReady { account: None, .. })
    ));
    assert!(!world.connect.exists(OTHER_COMPANY, first.id) && world.connect.exists(COMPANY, first.id));
    let error = world.connect.look(OTHER_COMPANY, first.id).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Missing(_)), "{error:?}");
    // One that was ended is waited for if it is asked for, and is no choice otherwise.
    world.connect.disconnect(COMPANY, first.id, &actor()).await.unwrap();
    assert_eq!(world.shelf.secrets(), ["sk_live_2"]);
    world.call(Some(first.id), None).await.waits("is disconnected");
    assert_eq!(world.call(None, None).await.account().id.as_deref(), Some("acct_2"));
    world.connect.disconnect(COMPANY, second.id, &actor()).await.unwrap();
    let Came::Refused(message) = world.call(None, None).await else { panic!() };
    assert!(message.contains("no Stripe connection is active: `first`"), "{message}");
}

#[tokio::test]
async fn the_environments_key_is_a_connection_of_its_own() {
    let start = || Start { key: Some("sk_test_env"), ..Start::default() };
    let world = World::new(start()).await;
    world.stripe.on("GET /v1/account", &[account("acct_1")]).on("GET /v1/things", &[ok("{}")]);
    world.connect.identify(Duration::from_secs(5)).await.unwrap();
    let row = world.row("environment");
    assert_eq!((row.status, row.mode.as_deref()), (ConnectionStatus::Active, Some("test")));
    assert_eq!(row.external_account_id.as_deref(), Some("acct_1"));
    assert_eq!(world.call(None, None).await.account().connection, "environment");
    assert_eq!(world.call(Some(row.id), None).await.account().connection, "environment");
    // It is the default company's alone, and makes way for any other that is active.
    let theirs = prepare(&world.connect, OTHER_COMPANY, None, None);
    assert!(matches!(theirs, Err(Unprepared::Refused(_))), "{theirs:?}");
    let other = add(&world, "other", KEY).await.unwrap();
    assert_eq!(world.call(None, None).await.account().connection, other.id.to_string());
    assert!(matches!(
        world.connect.disconnect(COMPANY, row.id, &actor()).await,
        Err(ConnectionError::State(message)) if message.contains("STRIPE_API_KEY")
    ));
    // Nothing is new about it at the next start; without the key it cannot be used.
    world.shelf.actions();
    let world = world.again(start()).await;
    world.connect.identify(Duration::from_secs(5)).await.unwrap();
    assert!(world.shelf.actions().is_empty());
    let world = world.again(Start::default()).await;
    assert_eq!(
        (world.row("environment").id, world.row("environment").status),
        (row.id, ConnectionStatus::Disconnected)
    );
    let world = world.again(start()).await;
    assert_eq!(
        (world.row("environment").id, world.row("environment").status),
        (row.id, ConnectionStatus::Active)
    );
}

#[tokio::test]
async fn what_a_start_leaves_out_is_said_of_its_connection() {
    let start = || Start { key: Some("sk_test_x"), ..Start::default() };
    let world = World::new(start()).await;
    let world = world.again(Start::default()).await;
    let why = "the server runs without STRIPE_API_KEY";
    assert_eq!(world.row("environment").last_error.as_deref(), Some(why));
    let world = world.again(Start { sandbox: true, ..start() }).await;
    assert_eq!(world.row("environment").last_error.as_deref(), Some("the server runs with --sandbox"));
}

#[tokio::test]
async fn with_the_sandbox_on_it_is_the_only_one() {
    let world = world().await;
    let stored = add(&world, "main", KEY).await.unwrap();
    let bound = world.call(None, None).await.account();
    let world = world.again(Start { sandbox: true, key: Some("sk_live_x"), ..Start::default() }).await;
    world.connect.identify(Duration::from_secs(5)).await.unwrap();
    let sandbox = world.row("sandbox");
    let came = world.call(None, None).await.account();
    assert_eq!((came.connection.as_str(), came.mode.as_str()), ("sandbox", "sandbox"));
    assert_eq!(world.call(Some(sandbox.id), None).await.account(), came);
    assert!(prepare(&world.connect, OTHER_COMPANY, None, None).is_ok());
    world.call(Some(stored.id), None).await.waits("is not used while the sandbox is on");
    world.call(None, Some(&bound)).await.waits("this server has `sandbox`");
    let request = Request { account: bound, ..prepare(&world.connect, COMPANY, None, None).unwrap() };
    assert!(matches!(world.send(request).await, Came::Failed(Finding::NoConnection, _)));
    assert!(matches!(add(&world, "more", KEY).await, Err(ConnectionError::State(_))));
    assert!(world.stripe.seen().iter().all(|request| !request.contains("sk_live_x")));
}

#[tokio::test]
async fn a_refused_key_is_an_error_once_and_a_new_one_keeps_the_id() {
    let world = world().await;
    let row = add(&world, "main", KEY).await.unwrap();
    let mut changes = world.connect.changes();
    let bound = world.call(None, None).await.account();
    let sendings: Vec<Request> =
        (0..3).map(|_| prepare(&world.connect, COMPANY, None, Some(&bound)).unwrap()).collect();
    world.shelf.actions();
    world.stripe.seen();
    world.stripe.on("GET /v1/things", &[stripe_error("401 Unauthorized")]);
    for request in sendings.clone() {
        assert_eq!(
            world.send(request).await,
            Came::Failed(Finding::Unauthorized, "Stripe says no".to_owned())
        );
    }
    assert_eq!(world.stripe.lines().len(), 1);
    assert_eq!(world.shelf.actions(), ["connection.error main by connections"]);
    let broken = world.row("main");
    assert_eq!(broken.status, ConnectionStatus::Error);
    let last_error = broken.last_error.unwrap();
    assert!(
        last_error.contains("Stripe says no") && last_error.contains("POST /api/v1/connections"),
        "{last_error}"
    );
    // Runs that began wait; one that begins waits too, and is bound to nothing.
    world.call(None, Some(&bound)).await.waits("Stripe says no");
    assert_eq!(world.call(None, None).await.waits("in error"), None);
    assert_eq!(
        world.call(Some(row.id), None).await.waits("Stripe says no").unwrap().connection,
        row.id.to_string()
    );
    assert!(world.stripe.lines().is_empty());
    // After a start the same, but for one try.
    let world = world.again(Start::default()).await;
    assert_eq!(world.row("main").status, ConnectionStatus::Error);
    // Another key of another account keeps the id, and says so.
    world.stripe.on("GET /v1/account", &[account("acct_2")]).on("GET /v1/things", &[ok("{}")]);
    let renewed = add(&world, "main", "rk_test_other").await.unwrap();
    assert_eq!((renewed.id, renewed.status), (row.id, ConnectionStatus::Active));
    assert!(renewed.last_error.unwrap().contains("acct_2 in place of acct_1"));
    world.call(None, Some(&bound)).await.waits("acct_2");
    assert!(matches!(world.send(sendings[0].clone()).await, Came::Failed(Finding::NoConnection, _)));
    let same = ConnectionChange { same_account: true, ..ConnectionChange::default() };
    let refused = world.connect.change(COMPANY, row.id, same, &actor()).await;
    assert!(matches!(refused, Err(ConnectionError::State(message)) if message.contains("they are two")));
    assert!(matches!(add(&world, "main", KEY).await, Err(ConnectionError::Conflict(_))));
    assert!(changes.try_recv().is_err(), "they were told by the first process");
}

#[tokio::test]
async fn a_person_may_say_that_the_account_is_the_same() {
    let world = world().await;
    let row = add(&world, "main", KEY).await.unwrap();
    let bound = world.call(None, None).await.account();
    let mut changes = world.connect.changes();
    world.connect.disconnect(COMPANY, row.id, &actor()).await.unwrap();
    world.stripe.on("GET /v1/account", &[stripe_error("403 Forbidden")]).on("GET /v1/balance", &[ok("{}")]);
    let renewed = add(&world, "main", "rk_test_other").await.unwrap();
    assert_eq!(renewed.former_account.as_deref(), Some("acct_1"));
    world.call(None, Some(&bound)).await.waits("acct_1");
    assert_eq!(changes.recv().await, Some(COMPANY));
    let same = || ConnectionChange { same_account: true, ..ConnectionChange::default() };
    let row = world.connect.change(COMPANY, row.id, same(), &actor()).await.unwrap();
    assert_eq!(changes.recv().await, Some(COMPANY));
    assert_eq!((row.same_accounts, row.last_error), (vec!["acct_1".to_owned()], None));
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
    let again = world.connect.change(COMPANY, row.id, same(), &actor()).await;
    assert!(matches!(again, Err(ConnectionError::State(message)) if message.contains("nothing to confirm")));
    // But not for a key of another account.
    world.connect.disconnect(COMPANY, row.id, &actor()).await.unwrap();
    world.stripe.on("GET /v1/account", &[account("acct_9")]);
    let other = add(&world, "main", "rk_test_third").await.unwrap();
    assert!(other.same_accounts.is_empty());
    world.call(None, Some(&bound)).await.waits("acct_9");
}

#[tokio::test]
async fn a_refused_key_is_tried_again_each_minute_and_heals() {
    let world = world().await;
    let row = add(&world, "main", KEY).await.unwrap();
    let bound = world.call(None, None).await.account();
    world.stripe.on("GET /v1/things", &[stripe_error("401 Unauthorized")]);
    world.call(None, Some(&bound)).await;
    world.stripe.on("GET /v1/things", &[ok("{}")]).seen();
    let mut changes = world.connect.changes();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(59)).await;
    tokio::time::resume();
    world.call(None, Some(&bound)).await.waits("Stripe says no");
    assert!(world.stripe.lines().is_empty());
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    world.call(None, Some(&bound)).await.waits("Stripe says no");
    assert_eq!(changes.recv().await, Some(COMPANY), "somebody tried it meanwhile");
    assert_eq!(world.connect.look(COMPANY, row.id).await.unwrap().status, ConnectionStatus::Active);
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
    assert_eq!(world.stripe.lines(), ["GET /v1/account", "GET /v1/things"]);
}

#[tokio::test]
async fn settings_are_checked_and_used() {
    let world = world().await;
    let row = add(&world, "main", KEY).await.unwrap();
    let change =
        async |change: ConnectionChange| world.connect.change(COMPANY, row.id, change, &actor()).await;
    let check = async |wish: ConnectionChange, field: &str, piece: &str| match change(wish).await {
        Err(ConnectionError::Invalid { field: found, message }) => {
            assert_eq!(found, field);
            assert!(message.contains(piece), "{message}");
        }
        other => panic!("{other:?}"),
    };
    let account_of = |id: &str| settings(|settings| settings.stripe_account = Some(Some(id.to_owned())));
    let version = |text: &str| settings(|settings| settings.api_version = Some(Some(text.to_owned())));
    let named = |name: &str| ConnectionChange { name: Some(name.to_owned()), ..ConnectionChange::default() };
    check(account_of("1"), "settings.stripeAccount", "`acct_…`").await;
    check(account_of("acct_1\r\nx: y"), "settings.stripeAccount", "`acct_…`").await;
    check(version("2020-08-27"), "settings.apiVersion", "2026-08-26.dahlia").await;
    check(settings(|settings| settings.pace = Some(Some("fast".to_owned()))), "settings.pace", "no pace")
        .await;
    check(named(" "), "name", "is empty").await;
    check(named("sandbox"), "name", "the server's own").await;
    check(named(&"é".repeat(256)), "name", "256").await;
    assert_eq!(change(named(&"é".repeat(255))).await.unwrap().name.chars().count(), 255);
    world.stripe.on("GET /v1/account", &[stripe_error("401 Unauthorized")]);
    check(account_of("acct_7"), "settings.stripeAccount", "Stripe refuses it").await;
    world.stripe.on("GET /v1/account", &[account("acct_7")]).seen();
    let bound = world.call(None, None).await.account();
    let changed = change(account_of("acct_7")).await.unwrap();
    assert_eq!(changed.external_account_id.as_deref(), Some("acct_7"));
    assert_eq!(world.call(None, None).await.account().id.as_deref(), Some("acct_7"));
    let seen = world.stripe.seen();
    let header = "stripe-account: acct_7\r\n";
    assert_eq!(seen.iter().map(|request| request.contains(header)).collect::<Vec<_>>(), [false, true, true]);
    world.call(None, Some(&bound)).await.waits("acct_7");
    // Without the setting it is the key's own account again.
    world.stripe.on("GET /v1/account", &[account("acct_1")]);
    change(settings(|settings| settings.stripe_account = Some(None))).await.unwrap();
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
    let other = add(&world, "other", KEY).await.unwrap();
    assert!(matches!(change(named("other")).await, Err(ConnectionError::Conflict(_))), "{other:?}");
    let secrets = Some(vec!["whsec_1".into()]);
    change(ConnectionChange { webhook_secrets: secrets, ..named("new") }).await.unwrap();
    assert_eq!(world.row("new").id, row.id);
    assert_eq!(*world.shelf.webhook_secrets.lock().unwrap(), ["whsec_1"]);
}

#[tokio::test]
async fn changes_at_once_do_not_undo_each_other() {
    let world = world().await;
    let row = add(&world, "main", KEY).await.unwrap();
    let by = actor();
    let change = async |wish: ConnectionChange| world.connect.change(COMPANY, row.id, wish, &by).await;
    let pace = || settings(|settings| settings.pace = Some(Some("off".to_owned())));
    let acts_for =
        |id: Option<&str>| settings(|settings| settings.stripe_account = Some(id.map(str::to_owned)));
    // The first asks Stripe before anything is changed, and the second is through meanwhile.
    let (one, two) = tokio::join!(change(acts_for(Some("acct_7"))), change(pace()));
    assert_eq!(two.unwrap().settings.pace.as_deref(), Some("off"));
    assert_eq!(one.unwrap().settings, world.row("main").settings);
    let kept = world.row("main").settings;
    assert_eq!((kept.stripe_account.as_deref(), kept.pace.as_deref()), (Some("acct_7"), Some("off")));
    // Of two that are about the account, one is told.
    let (one, two) = tokio::join!(change(acts_for(None)), change(acts_for(Some("acct_8"))));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let told = one.and(two).unwrap_err().to_string();
    assert!(told.contains("meanwhile"), "{told}");
    // One that leaves the account as it was says so all the same where it is another by now.
    change(acts_for(Some("acct_7"))).await.unwrap();
    let (one, two) = tokio::join!(change(acts_for(None)), change(acts_for(Some("acct_7"))));
    assert_eq!((one.is_ok(), two.is_ok()), (true, true));
    assert_eq!(world.row("main").settings.stripe_account, None, "it was done after the other");
    // What changes nothing is no change.
    world.shelf.actions();
    change(ConnectionChange::default()).await.unwrap();
    change(pace()).await.unwrap();
    assert!(world.shelf.actions().is_empty());
}

#[tokio::test]
async fn a_refused_key_is_tried_again_whatever_is_changed_of_its_connection() {
    let world = world().await;
    let row = add(&world, "main", KEY).await.unwrap();
    let bound = world.call(None, None).await.account();
    world.stripe.on("GET /v1/account", &[stripe_error("401 Unauthorized")]);
    let error = world.connect.test(COMPANY, row.id, &actor()).await.unwrap();
    assert_eq!(error.status, ConnectionStatus::Error);
    let acts_for = settings(|settings| settings.stripe_account = Some(Some("acct_1".to_owned())));
    let changed = world.connect.change(COMPANY, row.id, acts_for, &actor()).await.unwrap();
    assert_eq!((changed.status, changed.last_error), (ConnectionStatus::Error, error.last_error));
    world.stripe.on("GET /v1/account", &[account("acct_1")]);
    let mut changes = world.connect.changes();
    world.call(None, Some(&bound)).await.waits("Stripe says no");
    assert_eq!(changes.recv().await, Some(COMPANY), "somebody tried it meanwhile");
    assert_eq!(world.row("main").status, ConnectionStatus::Active);
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
}

#[tokio::test]
async fn a_test_says_how_it_is() {
    let world = world().await;
    let row = add(&world, "main", KEY).await.unwrap();
    let test = async || world.connect.test(COMPANY, row.id, &actor()).await;
    world.stripe.on("GET /v1/account", &[stripe_error("401 Unauthorized")]);
    assert_eq!(test().await.unwrap().status, ConnectionStatus::Error);
    world.stripe.on("GET /v1/account", &[reply("500 Oops", "", "")]);
    assert!(matches!(test().await, Err(ConnectionError::Unavailable(_))));
    assert_eq!(world.row("main").status, ConnectionStatus::Error);
    // Runs that wait for it have it tried again all the same.
    world.stripe.seen();
    world.call(Some(row.id), None).await.waits("Stripe says no");
    world.stripe.arrives().await;
    world.stripe.on("GET /v1/account", &[account("acct_1")]);
    let row = test().await.unwrap();
    assert_eq!((row.status, row.last_error), (ConnectionStatus::Active, None));
    world.connect.disconnect(COMPANY, row.id, &actor()).await.unwrap();
    assert!(matches!(test().await, Err(ConnectionError::State(_))));
}

#[tokio::test]
async fn what_the_storage_does_not_take_is_not_used() {
    let world = world().await;
    *world.shelf.full.lock().unwrap() = true;
    assert!(matches!(add(&world, "main", KEY).await, Err(ConnectionError::Storage(_))));
    assert!(matches!(world.call(None, None).await, Came::Refused(_)));
    *world.shelf.full.lock().unwrap() = false;
    let row = add(&world, "main", KEY).await.unwrap();
    *world.shelf.full.lock().unwrap() = true;
    assert!(world.connect.disconnect(COMPANY, row.id, &actor()).await.is_err());
    world.call(None, None).await.account();
    // Refused all the same, and nothing is sent under it for a minute.
    world.stripe.on("GET /v1/things", &[stripe_error("401 Unauthorized")]).seen();
    for _ in 0..2 {
        assert!(matches!(world.call(None, None).await, Came::Failed(Finding::Unauthorized, _)));
    }
    assert_eq!(world.stripe.lines().len(), 1);
}

#[tokio::test]
async fn names_and_providers_are_checked() {
    let world = world().await;
    for name in ["", "environment", "sandbox", "a\u{7}"] {
        let refused = add(&world, name, KEY).await;
        assert!(matches!(refused, Err(ConnectionError::Invalid { field, .. }) if field == "name"), "{name}");
    }
    let new = NewKeyConnection { provider: "paypal".to_owned(), ..new_key("main", KEY) };
    let refused = world.connect.add_key(COMPANY, new, &actor()).await;
    assert!(matches!(refused, Err(ConnectionError::Missing(_))), "{refused:?}");
    let wish = Authorize { provider: "stripe".to_owned(), name: "sandbox".to_owned(), redirect_url: None };
    let refused = world.connect.authorize(COMPANY, wish, &actor()).await;
    assert!(
        matches!(&refused, Err(ConnectionError::Invalid { field, .. }) if field == "connectionName"),
        "{refused:?}"
    );
}
