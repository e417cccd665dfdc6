//! What comes in is kept with those who listen, once, and starts nothing by itself.

use loopfour_engine::cause::Cause;
use loopfour_engine::ports::JournalError;
use loopfour_engine::provider_events::{Entrance, EventStatus, Intake as _, Signer};
use loopfour_testkit::LastWrite;

use super::senders::{Asked, VERSION};
use super::{COMPANY, CONNECTION, Outside, PAID, rest, workflow};

fn custom(path: &str) -> Entrance {
    Entrance::Custom { path: path.to_owned() }
}

/// The workflows of these triggers that get an event, by number from 0.
#[track_caller]
fn check(
    triggers: &'static [&'static str],
    entrance: Entrance,
    body: &'static str,
    expected: &'static [u128],
) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let outside = Outside::new();
        for (number, trigger) in triggers.iter().enumerate() {
            outside.active(number as u128, trigger);
        }
        let process = outside.started().await;
        let taken = process.take_in(entrance, None, body).await.unwrap();
        assert_eq!(taken.workflows, expected.len(), "{place}");
        let started: Vec<_> = outside.caused().into_iter().map(|(workflow, _)| workflow).collect();
        let expected: Vec<_> = expected.iter().map(|number| workflow(*number)).collect();
        assert_eq!(started, expected, "{place}");
    }
}

#[tokio::test]
async fn workflows_get_what_they_listen_to() {
    const STRIPE: &[&str] = &[
        PAID,
        r#"{"type":"webhook","provider":"stripe"}"#,
        r#"{"type":"webhook","provider":"stripe","events":["invoice.*"]}"#,
        r#"{"type":"webhook","provider":"stripe","events":["invoice.paid"],"filter":{"data.object.amount":{"$gt":100}}}"#,
        r#"{"type":"webhook","provider":"custom","path":"stripe"}"#,
        r#"{"type":"api"}"#,
    ];
    let stripe = Entrance::Stripe;
    check(
        STRIPE,
        stripe.clone(),
        r#"{"type":"invoice.paid","data":{"object":{"amount":101}}}"#,
        &[0, 1, 2, 3],
    )
    .await;
    check(STRIPE, stripe.clone(), r#"{"type":"invoice.paid","data":{"object":{"amount":100}}}"#, &[0, 1, 2])
        .await;
    check(STRIPE, stripe.clone(), r#"{"type":"invoice.created"}"#, &[1, 2]).await;
    check(STRIPE, stripe.clone(), r#"{"type":"charge.refunded"}"#, &[1]).await;
    check(&STRIPE[4..], stripe, r#"{"type":"invoice.paid"}"#, &[]).await;
    const CUSTOM: &[&str] = &[
        r#"{"type":"webhook","provider":"custom","path":"orders"}"#,
        r#"{"type":"webhook","provider":"custom","path":"orders","events":["made"]}"#,
        r#"{"type":"webhook","provider":"custom","path":"other"}"#,
        r#"{"type":"webhook","provider":"stripe"}"#,
    ];
    check(CUSTOM, custom("orders"), r#"{"type":"made"}"#, &[0, 1]).await;
    check(CUSTOM, custom("orders"), r#"{"n":1}"#, &[0]).await;
    check(CUSTOM, custom("other"), "{}", &[2]).await;
    check(CUSTOM, custom("stripe"), "{}", &[]).await;
}

#[tokio::test]
async fn an_event_nobody_listens_to_is_kept() {
    let outside = Outside::new();
    outside.active(1, PAID);
    outside.pause(1);
    let process = outside.started().await;
    let taken = process.stripe("evt_1", "invoice.paid").await.unwrap();
    assert_eq!(taken.workflows, 0);
    let event = outside.event(taken.event);
    assert_eq!((event.status, event.reason, event.connection), (EventStatus::Stored, None, Some(CONNECTION)));
    assert_eq!((event.kind.as_str(), event.provider_event_id.as_deref()), ("invoice.paid", Some("evt_1")));
    assert_eq!(event.created_at, outside.now());
    assert_eq!(outside.caused(), []);
}

#[tokio::test]
async fn nothing_starts_before_the_event_is_stored() {
    let outside = Outside::new();
    outside.active(1, PAID);
    let process = outside.started().await;
    for last in [LastWrite::Heard, LastWrite::Unheard] {
        outside.journal().crash_after(Some((0, last)));
        let taken = process.stripe("evt_1", "invoice.paid").await;
        assert!(matches!(taken, Err(JournalError::Storage(_))), "{taken:?}");
        assert_eq!((outside.caused(), outside.journal().events()), (vec![], vec![]));
    }
    // It is stored, and the answer is lost: whoever sent it sends it again.
    outside.journal().crash_after(Some((1, LastWrite::Unheard)));
    assert!(process.stripe("evt_1", "invoice.paid").await.is_err());
    outside.journal().crash_after(None);
    let taken = process.stripe("evt_1", "invoice.paid").await.unwrap();
    assert_eq!(taken.workflows, 0);
    outside.advance(1000).await;
    assert_eq!(outside.caused(), [(workflow(1), Cause::Event { event: taken.event, again: None })]);
    assert_eq!(outside.status(taken.event), EventStatus::Dispatched);
}

#[tokio::test]
async fn the_same_event_starts_nothing_twice() {
    let outside = Outside::new();
    outside.active(1, PAID);
    let process = outside.started().await;
    let first = process.stripe("evt_1", "invoice.paid").await.unwrap();
    assert_eq!(first.workflows, 1);
    // At the same instant, too.
    let again = futures_util::future::join_all((0..8).map(|_| process.stripe("evt_1", "invoice.paid"))).await;
    for taken in again {
        let taken = taken.unwrap();
        assert_eq!((taken.event, taken.workflows), (first.event, 0));
    }
    let at_once =
        futures_util::future::join_all((0..8).map(|_| process.stripe("evt_2", "invoice.paid"))).await;
    let workflows: usize = at_once.iter().map(|taken| taken.as_ref().unwrap().workflows).sum();
    assert_eq!(workflows, 1);
    // After a restart, and for a workflow that came later, as well.
    process.stop().await;
    outside.active(2, PAID);
    let next = outside.started().await;
    assert_eq!(next.stripe("evt_1", "invoice.paid").await.unwrap().workflows, 0);
    assert_eq!((outside.caused().len(), outside.journal().events().len()), (2, 2));
    // The same id at another entrance is another event, and without an id each is.
    for (path, id) in [("a", Some("evt_1")), ("b", Some("evt_1")), ("a", None), ("a", None)] {
        next.take_in(custom(path), id, "{}").await.unwrap();
    }
    assert_eq!(outside.journal().events().len(), 6);
}

#[tokio::test]
async fn an_event_belongs_to_a_connection_or_starts_nothing() {
    let outside = Outside::new();
    outside.active(1, PAID);
    let process = outside.started().await;
    let body = r#"{"type":"invoice.paid","account":"acct_1","livemode":true}"#;
    process.take_in(Entrance::Stripe, None, body).await.unwrap();
    process.stripe("evt_1", "invoice.paid").await.unwrap();
    let signer = Signer::Company;
    assert_eq!(
        outside.senders.asked(),
        [
            Asked { signer, account: Some("acct_1".to_owned()), livemode: true },
            Asked { signer, account: None, livemode: false },
        ]
    );
    let begun = outside.start_of(outside.first_run());
    assert_eq!((begun.connection, begun.input.as_str()), (Some(CONNECTION), body));
    outside.senders.refuse(Some("no connection is of account `acct_9`"));
    let taken = process.stripe("evt_2", "invoice.paid").await.unwrap();
    assert_eq!(taken.workflows, 0);
    let event = outside.event(taken.event);
    assert_eq!((event.status, event.connection), (EventStatus::Unrouted, None));
    assert_eq!(event.reason.as_deref(), Some("no connection is of account `acct_9`"));
    assert_eq!(outside.caused().len(), 2);
    // A custom webhook has no connection, and is not asked for one.
    outside.active(2, r#"{"type":"webhook","provider":"custom","path":"orders"}"#);
    let taken = process.take_in(custom("orders"), None, "{}").await.unwrap();
    assert_eq!((taken.workflows, outside.event(taken.event).connection), (1, None));
    assert_eq!(outside.senders.asked().len(), 3);
}

#[tokio::test]
async fn an_event_of_another_version_runs_with_a_warning() {
    let outside = Outside::new();
    outside.active(1, PAID);
    let process = outside.started().await;
    let reason = |version: &str| {
        let body = format!(r#"{{"type":"invoice.paid","api_version":{version}}}"#);
        let (process, outside) = (&process, &outside);
        async move {
            let taken = process.take_in(Entrance::Stripe, None, &body).await.unwrap();
            assert_eq!((taken.workflows, outside.status(taken.event)), (1, EventStatus::Dispatched));
            outside.event(taken.event).reason
        }
    };
    assert_eq!(reason(&format!("\"{VERSION}\"")).await, None);
    assert_eq!(reason("null").await, None);
    let warning = reason("\"2020-08-27\"").await.unwrap();
    assert!(warning.contains("`2020-08-27`") && warning.contains(VERSION), "{warning}");
}

#[tokio::test]
async fn a_workflow_that_no_longer_passes_the_checks_hides_no_event() {
    let outside = Outside::new();
    let broken = r#"{"name":"","trigger":{"type":"webhook","provider":"stripe","events":["invoice.paid"]},"steps":[]}"#;
    outside.journal().edit(COMPANY, workflow(1), broken, outside.now());
    outside.journal().set_active(workflow(1), true, outside.now());
    let process = outside.started().await;
    assert_eq!(process.stripe("evt_1", "charge.refunded").await.unwrap().workflows, 0);
    let taken = process.stripe("evt_2", "invoice.paid").await.unwrap();
    assert_eq!(taken.workflows, 1);
    for pause in [5_000, 30_000, 120_000, 600_000, 3_600_000] {
        assert_eq!(outside.status(taken.event), EventStatus::Stored);
        outside.advance(pause).await;
    }
    let event = outside.event(taken.event);
    assert_eq!((event.status, event.attempts), (EventStatus::Dead, 6));
    assert!(event.reason.unwrap().contains("no longer passes the checks"));
}

#[tokio::test]
async fn who_listens_at_a_path_says_whether_it_is_signed() {
    let outside = Outside::new();
    let process = outside.started().await;
    let asks = |path: &'static str| process.triggers.asks_for_signature(COMPANY, path);
    assert_eq!(asks("orders").await, None);
    outside.active(1, r#"{"type":"webhook","provider":"custom","path":"orders","verifySignature":false}"#);
    outside.active(2, r#"{"type":"webhook","provider":"custom","path":"other"}"#);
    outside.active(3, PAID);
    assert_eq!(
        (asks("orders").await, asks("other").await, asks("stripe").await),
        (Some(false), Some(true), None)
    );
    // Two at one path that do not agree, as an earlier release let them: whoever sends there has to sign.
    outside.active(4, r#"{"type":"webhook","provider":"custom","path":"orders"}"#);
    assert_eq!(asks("orders").await, Some(true));
    outside.pause(4);
    outside.pause(1);
    assert_eq!(asks("orders").await, None);
    rest().await;
}

#[tokio::test]
async fn where_it_cannot_be_read_who_listens_a_signature_is_asked_for() {
    let outside = Outside::new();
    outside.active(1, r#"{"type":"webhook","provider":"custom","path":"orders","verifySignature":false}"#);
    outside.journal().lose_definition(workflow(1), 1);
    let process = outside.process();
    for path in ["orders", "other"] {
        assert_eq!(process.triggers.asks_for_signature(COMPANY, path).await, Some(true), "{path}");
    }
}
