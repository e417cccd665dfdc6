//! What people hand over once more.

use loopfour_engine::ConnectionId;
use loopfour_engine::provider_events::{
    Entrance, EventStatus, Incoming, Intake as _, Replay, ReplayError, Signer,
};
use loopfour_lang::Document;
use uuid::Uuid;

use super::senders::UNKNOWN;
use super::{COMPANY, CONNECTION, EventId, Outside, PAID, Process, rest, workflow};

const OTHER: ConnectionId = ConnectionId(Uuid::from_u128(4));

fn to(number: u128) -> Replay {
    Replay { workflow: Some(workflow(number)), ..Replay::default() }
}

fn again(number: u128) -> Replay {
    Replay { again: true, ..to(number) }
}

fn of(connection: ConnectionId) -> Replay {
    Replay { connection: Some(connection), ..Replay::default() }
}

/// An event that workflow 1 got.
async fn got() -> (Outside, Process, EventId) {
    let outside = Outside::new();
    outside.active(1, PAID);
    let process = outside.started().await;
    let taken = process.stripe("evt_1", "invoice.paid").await.unwrap();
    assert_eq!(outside.status(taken.event), EventStatus::Dispatched);
    (outside, process, taken.event)
}

fn runs_of(outside: &Outside, number: u128) -> usize {
    outside.caused().iter().filter(|(of, _)| *of == workflow(number)).count()
}

#[track_caller]
fn missing(replayed: Result<usize, ReplayError>) {
    assert!(matches!(replayed, Err(ReplayError::Missing(_))), "{replayed:?}");
}

#[track_caller]
fn state(replayed: Result<usize, ReplayError>) {
    assert!(matches!(replayed, Err(ReplayError::State(_))), "{replayed:?}");
}

#[track_caller]
fn unfit(replayed: Result<usize, ReplayError>) {
    assert!(matches!(replayed, Err(ReplayError::Unfit(_))), "{replayed:?}");
}

#[tokio::test]
async fn only_those_who_did_not_get_it_get_it() {
    let (outside, process, event) = got().await;
    assert_eq!(process.replay(event, Replay::default()).await, Ok(0));
    assert_eq!(process.replay(event, to(1)).await, Ok(0));
    assert_eq!(outside.journal().audit(), [] as [&str; 0]);
    // One that came later, and one that listens to something else.
    outside.active(2, PAID);
    outside.active(3, r#"{"type":"webhook","provider":"stripe","events":["charge.refunded"]}"#);
    assert_eq!(process.replay(event, Replay::default()).await, Ok(1));
    assert_eq!((runs_of(&outside, 1), runs_of(&outside, 2), runs_of(&outside, 3)), (1, 1, 0));
    // Named, it gets it all the same.
    assert_eq!(process.replay(event, to(3)).await, Ok(1));
    assert_eq!(runs_of(&outside, 3), 1);
    assert_eq!(outside.journal().audit().len(), 2);
    assert_eq!(outside.status(event), EventStatus::Dispatched);
}

#[tokio::test]
async fn a_second_run_is_for_one_workflow_and_wanted_anew_each_time() {
    let (outside, process, event) = got().await;
    for runs in 2..=3 {
        assert_eq!(process.replay(event, again(1)).await, Ok(1));
        assert_eq!(runs_of(&outside, 1), runs);
    }
    // One that has none gets its first, and only one.
    outside.active(2, PAID);
    assert_eq!(process.replay(event, again(2)).await, Ok(1));
    assert_eq!(process.replay(event, Replay::default()).await, Ok(0));
    assert_eq!(runs_of(&outside, 2), 1);
    unfit(process.replay(event, Replay { again: true, ..Replay::default() }).await);
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let (outside, process, event) = got().await;
    missing(process.replay(EventId(Uuid::from_u128(9)), Replay::default()).await);
    missing(process.replay(event, to(9)).await);
    missing(process.replay(event, of(UNKNOWN)).await);
    outside.active(2, PAID);
    outside.pause(2);
    state(process.replay(event, to(2)).await);
    outside.active(3, r#"{"type":"api"}"#);
    outside.active(4, r#"{"type":"webhook","provider":"custom","path":"orders"}"#);
    unfit(process.replay(event, to(3)).await);
    unfit(process.replay(event, to(4)).await);
    unfit(process.replay(event, of(OTHER)).await);
    assert_eq!(process.replay(event, of(CONNECTION)).await, Ok(0));
    let entrance = Entrance::Custom { path: "orders".to_owned() };
    let custom = process.take_in(entrance, None, "{}").await.unwrap().event;
    unfit(process.replay(custom, of(CONNECTION)).await);
    missing(process.replay(custom, of(UNKNOWN)).await);
    outside.journal().drop_body(event);
    state(process.replay(event, again(1)).await);
    // Of another company nothing is to be seen.
    let by = loopfour_engine::Actor::system("Eve");
    let other = loopfour_engine::CompanyId(Uuid::from_u128(77));
    missing(process.triggers.replay(other, custom, Replay::default(), &by).await);
    assert_eq!(outside.journal().audit(), [] as [&str; 0]);
}

/// An event that nobody knows whose it is.
async fn unrouted(signer: Signer, body: &str) -> (Outside, Process, EventId) {
    let outside = Outside::new();
    outside.active(1, PAID);
    let process = outside.started().await;
    outside.senders.refuse(Some("nobody knows"));
    let incoming = Incoming {
        company: COMPANY,
        entrance: Entrance::Stripe,
        signer,
        provider_event_id: Some("evt_1".to_owned()),
        kind: "invoice.paid".to_owned(),
        body: Document::parse(body.as_bytes()).unwrap(),
    };
    let event = process.triggers.take_in(incoming).await.unwrap().event;
    rest().await;
    assert_eq!((outside.status(event), outside.caused()), (EventStatus::Unrouted, vec![]));
    (outside, process, event)
}

#[tokio::test]
async fn an_unrouted_event_goes_on_once_it_is_known_whose_it_is() {
    let (outside, process, event) =
        unrouted(Signer::Company, r#"{"livemode":true,"account":"acct_1"}"#).await;
    state(process.replay(event, Replay::default()).await);
    unfit(process.replay(event, of(OTHER)).await);
    missing(process.replay(event, of(UNKNOWN)).await);
    outside.senders.refuse(None);
    assert_eq!(process.replay(event, of(OTHER)).await, Ok(1));
    let kept = outside.event(event);
    assert_eq!((kept.status, kept.connection, kept.reason), (EventStatus::Dispatched, Some(OTHER), None));
    assert_eq!(outside.start_of(outside.first_run()).connection, Some(OTHER));
    let asked = outside.senders.asked();
    let last = asked.last().unwrap();
    // The mode must be right; of the account a person knows better.
    assert_eq!((last.signer, last.livemode, &last.account), (Signer::Connection(OTHER), true, &None));
    unfit(process.replay(event, of(CONNECTION)).await);
}

#[tokio::test]
async fn without_a_connection_it_is_routed_once_more_as_it_was_signed() {
    for (signer, connection) in [(Signer::Company, CONNECTION), (Signer::Connection(OTHER), OTHER)] {
        let (outside, process, event) = unrouted(signer, r#"{"type":"invoice.paid"}"#).await;
        outside.senders.refuse(None);
        assert_eq!(process.replay(event, Replay::default()).await, Ok(1));
        assert_eq!(outside.senders.asked().last().unwrap().signer, signer);
        assert_eq!(outside.start_of(outside.first_run()).connection, Some(connection));
    }
}

#[tokio::test]
async fn a_routed_one_that_nobody_wants_is_unrouted_no_more() {
    let (outside, process, event) = unrouted(Signer::Company, "{}").await;
    outside.senders.refuse(None);
    outside.pause(1);
    assert_eq!(process.replay(event, of(OTHER)).await, Ok(0));
    assert_eq!((outside.status(event), outside.event(event).connection), (EventStatus::Stored, Some(OTHER)));
}
