//! Tokens of Nango's where things cross: one that is given again while Stripe refuses it, a Nango slower than a call may
//! take, and connections that nobody asked for.

use std::pin::pin;

use loopfour_engine::connections::{ConnectionStatus, Connections};

use crate::desk::{NOW, Start, ok, reply, stripe_error};
use crate::nango::{MINUTE, TOKEN, authorize, connected, found, seconds_pass, token, world};
use crate::support::COMPANY;

#[tokio::test]
async fn a_token_that_nango_gives_again_is_renewed_by_force_all_the_same() {
    let (world, _) = connected().await;
    let bound = world.call(None, None).await.account();
    // It ends soon and is asked for early, but Nango does not renew it yet; and Stripe refuses it.
    world.clock.advance(50 * MINUTE);
    seconds_pass(31).await;
    world.nango.on(TOKEN, &[token("sk_acct_one", "acct_1", Some(NOW + 60 * MINUTE))]);
    let forced = format!("{TOKEN}?provider_config_key=our-stripe-app&force_refresh=true");
    world.nango.on(&forced, &[token("sk_acct_two", "acct_1", Some(NOW + 120 * MINUTE))]);
    world.stripe.on("GET /v1/things", &[stripe_error("401 Unauthorized"), ok("{}")]).seen();
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
    let sent = world.stripe.seen();
    assert!(sent[1].contains("Bearer sk_acct_two\r\n"), "{sent:?}");
    assert_eq!(world.nango.lines().last(), Some(&forced));
    assert_eq!(world.row("main").status, ConnectionStatus::Active);
}

#[tokio::test]
async fn what_nango_gives_after_a_calls_time_is_there_for_the_next() {
    let (world, _) = connected().await;
    let bound = world.call(None, None).await.account();
    let world = world.again(Start::default()).await;
    {
        let mut late = pin!(world.call(None, Some(&bound)));
        tokio::select! {
            biased;
            () = world.nango.arrives() => {}
            came = &mut late => panic!("{came:?}"),
        }
    }
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
    assert_eq!(world.nango.lines().len(), 1);
}

#[tokio::test]
async fn a_connection_of_another_try_is_not_taken() {
    let world = world(Start::default()).await;
    let other = authorize(&world).await.unwrap();
    let begun = authorize(&world).await.unwrap();
    world.nango.on("GET /connections", &[found(&other, &["nango-1"])]);
    world.nango.on(TOKEN, &[token("sk_acct_one", "acct_1", None)]);
    let row = world.connect.look(COMPANY, begun.connection).await.unwrap();
    assert_eq!(row.status, ConnectionStatus::Pending);
}

#[tokio::test]
async fn runs_that_wait_for_nango_are_told_when_it_is_back() {
    let (world, _) = connected().await;
    let bound = world.call(None, None).await.account();
    let away = reply("503 Oops", "", "");
    let back = token("sk_acct_two", "acct_1", Some(NOW + 60 * MINUTE));
    world.nango.on(TOKEN, &[away.clone(), away, back]);
    let world = world.again(Start::default()).await;
    let mut changes = world.connect.changes();
    for _ in 0..3 {
        world.call(None, Some(&bound)).await.no_connection("status 503");
    }
    assert_eq!(world.nango.lines().len(), 1);
    // Nobody calls: it is asked once a minute all the same, by one for all.
    seconds_pass(61).await;
    world.nango.arrives().await;
    // Its answer may be on its way still: whoever calls now waits for it.
    world.call(None, Some(&bound)).await.no_connection("status 503");
    assert!(changes.try_recv().is_err());
    assert_eq!(world.nango.lines().len(), 1);
    seconds_pass(61).await;
    assert_eq!(changes.recv().await, Some(COMPANY));
    assert_eq!(world.nango.lines().len(), 1);
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
    assert!(world.nango.lines().is_empty());
    assert!(changes.try_recv().is_err(), "once is enough");
}
