//! What is kept is handed over in order, once, and tried again where that fails.

use loopfour_engine::cause::Cause;
use loopfour_engine::event::Actor;
use loopfour_engine::ports::{JournalError, StartError};
use loopfour_engine::provider_events::{Entrance, EventStatus, HandOver, Inbox as _, Replay};

use super::{COMPANY, HOUR, Outside, PAID, Process, Refusal, rest, workflow};

fn missing() -> Refusal {
    Refusal::With(StartError::Journal(JournalError::Missing("the company".to_owned())))
}

async fn take_in_many(process: &Process, events: std::ops::Range<u32>) {
    for number in events {
        process.stripe(&format!("evt_{number}"), "invoice.paid").await.unwrap();
    }
}

#[tokio::test]
async fn a_hand_over_that_always_fails_is_tried_six_times_and_can_be_replayed() {
    let outside = Outside::new();
    outside.active(1, PAID);
    let process = outside.started().await;
    for (id, refusal) in [("evt_1", missing()), ("evt_2", Refusal::Panic)] {
        let before = process.door.tries(1);
        process.door.refuse(1, Some(refusal));
        let taken = process.stripe(id, "invoice.paid").await.unwrap();
        for (tries, pause) in [5_000, 30_000, 120_000, 600_000, 3_600_000].into_iter().enumerate() {
            assert_eq!(process.door.tries(1) - before, tries + 1);
            let event = outside.event(taken.event);
            assert_eq!((event.status, event.attempts as usize), (EventStatus::Stored, tries + 1));
            outside.advance(pause - 1).await;
            assert_eq!(process.door.tries(1) - before, tries + 1, "not before its time");
            outside.advance(1).await;
        }
        let event = outside.event(taken.event);
        assert_eq!((event.status, event.attempts), (EventStatus::Dead, 6));
        assert!(event.reason.is_some());
        outside.advance(100 * HOUR).await;
        assert_eq!(process.door.tries(1) - before, 6);
        process.door.refuse(1, None);
        assert_eq!(process.replay(taken.event, Replay::default()).await, Ok(1));
        assert_eq!(outside.status(taken.event), EventStatus::Dispatched);
        assert_eq!(outside.event(taken.event).reason, None);
    }
    assert_eq!(outside.caused().len(), 2);
}

#[tokio::test]
async fn one_that_fails_keeps_no_other() {
    let outside = Outside::new();
    for number in 1..=3 {
        outside.active(number, PAID);
    }
    let process = outside.started().await;
    process.door.refuse(2, Some(Refusal::Panic));
    let taken = process.stripe("evt_1", "invoice.paid").await.unwrap();
    assert_eq!(taken.workflows, 3);
    let started: Vec<_> = outside.caused().into_iter().map(|(workflow, _)| workflow).collect();
    assert_eq!(started, [workflow(1), workflow(3)]);
    process.door.refuse(2, None);
    outside.advance(5_000).await;
    assert_eq!((outside.caused().len(), outside.status(taken.event)), (3, EventStatus::Dispatched));
    assert_eq!(outside.event(taken.event).attempts, 2);
}

#[tokio::test]
async fn who_is_refused_for_now_waits_and_nobody_overtakes() {
    let full = || Refusal::With(StartError::Journal(JournalError::Full("no room".to_owned())));
    for refusal in [Refusal::With(StartError::Busy), full()] {
        let outside = Outside::new();
        outside.active(1, PAID);
        let process = outside.started().await;
        process.door.refuse(1, Some(refusal));
        take_in_many(&process, 0..5).await;
        for _ in 0..100 {
            outside.advance(1_000).await;
        }
        assert_eq!(outside.caused(), []);
        assert!(process.door.tries(1) >= 100);
        assert!(outside.journal().events().iter().all(|event| event.status == EventStatus::Stored));
        assert!(outside.journal().events().iter().all(|event| event.attempts == 0), "it does not count");
        process.door.refuse(1, None);
        outside.advance(1_000).await;
        let got: Vec<_> = outside.caused().into_iter().map(|(_, cause)| cause).collect();
        let came: Vec<_> = outside
            .journal()
            .events()
            .iter()
            .map(|event| Cause::Event { event: event.id, again: None })
            .collect();
        assert_eq!(got, came);
    }
}

#[tokio::test]
async fn what_was_refused_once_is_not_overtaken() {
    for refused in 0..5 {
        let outside = Outside::new();
        outside.active(1, PAID);
        let process = outside.process();
        process.door.be_busy_at(refused);
        take_in_many(&process, 0..5).await;
        process.triggers.start();
        rest().await;
        assert_eq!(outside.caused().len(), refused);
        outside.advance(1_000).await;
        let got: Vec<_> = outside.caused().into_iter().map(|(_, cause)| cause).collect();
        let came = outside.journal().events();
        let came: Vec<_> = came.iter().map(|event| Cause::Event { event: event.id, again: None }).collect();
        assert_eq!(got, came, "start {refused} was refused");
    }
}

#[tokio::test]
async fn what_comes_in_is_not_read_back() {
    let outside = Outside::new();
    for number in 1..=3 {
        outside.active(number, PAID);
    }
    let process = outside.started().await;
    let taken = process.stripe("evt_1", "invoice.paid").await.unwrap();
    assert_eq!((outside.caused().len(), outside.journal().events_read()), (3, 0));
    // What fails is read when it is tried again: it may be long until then.
    process.door.refuse(1, Some(missing()));
    process.stripe("evt_2", "invoice.paid").await.unwrap();
    process.door.refuse(1, None);
    outside.advance(5_000).await;
    assert_eq!((outside.caused().len(), outside.journal().events_read()), (6, 1));
    assert_eq!(outside.status(taken.event), EventStatus::Dispatched);
}

#[tokio::test]
async fn a_busy_host_gets_what_it_can_carry() {
    let mut outside = Outside::new();
    outside.world = outside.world.with_most_runs(2);
    outside.active(1, PAID);
    let process = outside.started().await;
    outside.world.gate.hold_answers(true);
    take_in_many(&process, 0..6).await;
    assert_eq!(outside.caused().len(), 2);
    outside.world.gate.hold_answers(false);
    for _ in 0..10 {
        outside.advance(1_000).await;
    }
    assert_eq!(outside.caused().len(), 6);
    outside.world.until_all_ended(6).await;
    assert!(outside.journal().events().iter().all(|event| event.status == EventStatus::Dispatched));
}

#[tokio::test]
async fn runs_begin_in_the_order_of_their_events() {
    let outside = Outside::new();
    outside.active(1, PAID);
    outside.active(2, PAID);
    outside.journal().acknowledge_late();
    // Some wait for the start of the process, and most come later.
    let process = outside.process();
    take_in_many(&process, 0..700).await;
    assert_eq!(outside.caused(), []);
    process.triggers.start();
    rest().await;
    take_in_many(&process, 700..720).await;
    outside.world.until_all_ended(1440).await;
    let came = outside.journal().events();
    for number in [1, 2] {
        let got = outside.journal().caused().into_iter().filter(|(of, _, _)| *of == workflow(number));
        let got: Vec<_> = got.map(|(_, cause, _)| cause).collect();
        let came: Vec<_> = came.iter().map(|event| Cause::Event { event: event.id, again: None }).collect();
        assert_eq!(got, came, "runs sort as they were started");
    }
}

#[tokio::test]
async fn what_a_schema_refuses_is_dead_at_once() {
    let outside = Outside::new();
    let schema = r#""inputSchema":{"type":"object","required":["data","email"],"properties":{"n":{"type":"integer"}}},"#;
    outside.active_with(1, PAID, schema);
    outside.active(2, PAID);
    let process = outside.started().await;
    let body = r#"{"id":"evt_1","type":"invoice.paid","n":"many"}"#;
    let taken = process.take_in(Entrance::Stripe, Some("evt_1"), body).await.unwrap();
    let event = outside.event(taken.event);
    assert_eq!((taken.workflows, event.status, event.attempts), (2, EventStatus::Dead, 1));
    let reason = event.reason.unwrap();
    for misfit in ["input.data", "input.email", "input.n"] {
        assert!(reason.contains(misfit), "{reason}");
    }
    assert_eq!((process.door.tries(1), process.door.tries(2)), (0, 1));
    // A long one is judged apart, and told in short.
    let long = format!(r#"{{"type":"invoice.paid","n":"{}"}}"#, "x".repeat(200_000));
    let taken = process.take_in(Entrance::Stripe, None, &long).await.unwrap();
    while outside.status(taken.event) != EventStatus::Dead {
        // It is judged on such a thread.
        tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
    }
    let reason = outside.event(taken.event).reason.unwrap();
    assert!(reason.chars().count() <= 1001, "{}", reason.len());
}

#[tokio::test]
async fn the_current_version_gets_it_and_a_paused_workflow_does_not() {
    let outside = Outside::new();
    for number in 1..=4 {
        outside.active(number, PAID);
    }
    let process = outside.process();
    let taken = process.stripe("evt_1", "invoice.paid").await.unwrap();
    outside.edit(1, PAID);
    outside.pause(2);
    outside.edit(3, r#"{"type":"api"}"#);
    outside.edit(4, r#"{"type":"webhook","provider":"custom","path":"orders"}"#);
    process.triggers.start();
    rest().await;
    assert_eq!(outside.caused(), [(workflow(1), Cause::Event { event: taken.event, again: None })]);
    assert_eq!(outside.start_of(outside.first_run()).version, 2);
    assert_eq!(outside.status(taken.event), EventStatus::Dispatched);
    assert_eq!(outside.journal().hand_overs(), []);
}

#[tokio::test]
async fn who_pauses_a_workflow_hears_no_more_of_events() {
    let mut started = 0;
    for moments in 0..10 {
        let outside = Outside::new();
        outside.active(1, PAID);
        outside.process().stripe("evt_1", "invoice.paid").await.unwrap();
        outside.journal().acknowledge_late();
        let process = outside.process();
        process.triggers.start();
        for _ in 0..moments {
            tokio::task::yield_now().await;
        }
        outside.pause(1);
        let tries = process.door.tries(1);
        rest().await;
        outside.advance(1_000).await;
        assert_eq!(process.door.tries(1), tries, "paused after {moments} moments");
        assert_eq!(outside.journal().hand_overs(), [], "paused after {moments} moments");
        started += tries;
    }
    assert!((1..10).contains(&started), "{started} of 10 were started before the pause");
}

#[tokio::test]
async fn what_was_started_before_is_withdrawn() {
    let outside = Outside::new();
    outside.active(1, PAID);
    let process = outside.started().await;
    let event = process.stripe("evt_1", "invoice.paid").await.unwrap().event;
    // As where two people replay at the same instant.
    let cause = Cause::Event { event, again: None };
    let hand_over = HandOver { company: COMPANY, workflow: workflow(1), cause, attempts: 0 };
    let (journal, by) = (outside.journal(), Actor::system("Ada"));
    journal.put_in_again(COMPANY, event, None, vec![hand_over], &by, outside.now()).await.unwrap();
    assert_eq!(outside.status(event), EventStatus::Stored);
    rest().await;
    assert_eq!((outside.caused().len(), outside.status(event)), (1, EventStatus::Dispatched));
    assert_eq!(outside.journal().hand_overs(), []);
}

#[tokio::test]
async fn an_event_without_its_body_is_dead() {
    let outside = Outside::new();
    outside.active(1, PAID);
    let before = outside.process();
    let taken = before.stripe("evt_1", "invoice.paid").await.unwrap();
    outside.journal().drop_body(taken.event);
    before.stop().await;
    let _process = outside.started().await;
    assert_eq!(outside.status(taken.event), EventStatus::Dead);
}

#[tokio::test]
async fn a_stopped_one_starts_nothing_and_the_next_goes_on() {
    let outside = Outside::new();
    outside.active(1, PAID);
    let process = outside.started().await;
    process.door.refuse(1, Some(missing()));
    take_in_many(&process, 0..3).await;
    process.triggers.stop().await;
    process.door.refuse(1, None);
    outside.advance(5_000).await;
    assert_eq!(outside.caused(), []);
    // It still takes in: whoever sends need not come again.
    process.stripe("evt_3", "invoice.paid").await.unwrap();
    process.stop().await;
    let _next = outside.started().await;
    assert_eq!(outside.caused().len(), 4);
    assert_eq!(outside.journal().hand_overs(), []);
}
