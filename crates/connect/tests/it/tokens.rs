//! Tokens of Nango's where things cross: one that is given again while Stripe refuses it, a Nango slower than a call may
//! take, and connections that nobody asked for.

use std::pin::pin;

use loopfour_engine::connections::{ConnectionStatus, Connections};

use crate::desk::{NOW, Start, ok, stripe_error};
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
