//! The process ends after each write in turn, and whether the last one is there is heard of or not: then it is started
//! anew, and nothing is lost and nothing is there twice.

use loopfour_engine::RunStatus;
use loopfour_engine::cause::Cause;
use loopfour_engine::provider_events::{EventStatus, Replay};
use loopfour_testkit::{Answer, LastWrite};

use super::{COMPANY, MINUTE, Outside, PAID, Process, SECOND, rest, with_trigger, workflow};
use crate::world::{CUSTOMER, World, provider};

const EVENTS: [&str; 3] = ["evt_1", "evt_2", "evt_3"];
const SCHEDULE: &str = r#"{"type":"schedule","cron":"*/5 * * * *","overlap":"skip"}"#;

/// One workflow whose runs succeed, one whose runs fail, one that answers that, and a schedule.
fn outside() -> Outside {
    let provider = provider(&[CUSTOMER], &[Answer::Refused("card_declined")]);
    let outside = Outside { world: World::over(provider), ..Outside::new() };
    outside.active(1, PAID);
    let failing = with_trigger(PAID, "").replace("stripe.createCustomer", "stripe.createInvoice");
    let failing = failing.replace("email", "customerId").replace("a@example.com", "cus_1");
    outside.journal().edit(COMPANY, workflow(2), &failing, outside.now());
    outside.journal().set_active(workflow(2), true, outside.now());
    outside.active(3, r#"{"type":"failure"}"#);
    outside.active(4, SCHEDULE);
    outside
}

/// Goes on until the process is said to have ended.
async fn until_crash(outside: &Outside) {
    let process = outside.started().await;
    let steps = async {
        for event in EVENTS {
            if process.stripe(event, "invoice.paid").await.is_err() {
                return;
            }
        }
        for _ in 0..6 {
            if outside.journal().has_crashed() {
                return;
            }
            outside.advance(MINUTE).await;
        }
    };
    steps.await;
    process.stop().await;
}

/// The sender repeats everything, whatever was answered, and a minute passes.
async fn repeat(outside: &Outside, process: &Process) {
    for event in EVENTS {
        process.stripe(event, "invoice.paid").await.unwrap();
    }
    let left = 8 * MINUTE - outside.now().0;
    for _ in 0..left / MINUTE {
        outside.advance(MINUTE).await;
    }
    rest().await;
}

#[track_caller]
fn is_whole(outside: &Outside, what: &str) {
    let events = outside.journal().events();
    assert_eq!(events.len(), EVENTS.len(), "{what}");
    for event in &events {
        assert_eq!(event.status, EventStatus::Dispatched, "{what}");
        for number in [1, 2] {
            let cause = Cause::Event { event: event.id, again: None };
            let runs = outside.caused().iter().filter(|one| **one == (workflow(number), cause)).count();
            assert_eq!(runs, 1, "{what}: workflow {number}");
        }
    }
    let all = outside.journal().caused();
    let failures = all.iter().filter(|(of, _, _)| *of == workflow(2)).map(|(_, _, run)| *run);
    for failed in failures {
        assert_eq!(outside.run_status(failed), RunStatus::Failed, "{what}");
        let answers = all.iter().filter(|(of, cause, _)| {
            *of == workflow(3) && matches!(cause, Cause::Failure { run, .. } if *run == failed)
        });
        assert_eq!(answers.count(), 1, "{what}");
    }
    assert_eq!(outside.firings(4), [5 * MINUTE], "{what}");
    assert_eq!(all.len(), 10, "{what}: nothing else");
    assert!(outside.journal().summaries().iter().all(|run| run.status.has_ended()), "{what}");
    assert_eq!(outside.journal().hand_overs(), [], "{what}");
    // Each write at the provider once.
    let done = outside.world.gate.provider.done().len();
    assert_eq!(done, 7, "{what}");
}

#[tokio::test]
async fn after_every_write() {
    let mut whole = 0;
    for last in [LastWrite::Heard, LastWrite::Unheard] {
        for writes in 0.. {
            let what = format!("crash after {writes} writes, the last {last:?}");
            let outside = outside();
            outside.journal().crash_after(Some((writes, last)));
            until_crash(&outside).await;
            let crashed = outside.journal().has_crashed();
            outside.journal().crash_after(None);
            let process = outside.started().await;
            repeat(&outside, &process).await;
            is_whole(&outside, &what);
            process.stop().await;
            if !crashed {
                whole += writes;
                break;
            }
        }
    }
    assert!(whole > 40, "the loop looked at {whole} writes");
}

#[tokio::test]
async fn an_edit_of_a_schedule_is_taken_over_once_whenever_it_ends() {
    for last in [LastWrite::Heard, LastWrite::Unheard] {
        for writes in 0.. {
            let what = format!("crash after {writes} writes, the last {last:?}");
            let outside = Outside::new();
            outside.active(1, SCHEDULE);
            let process = outside.started().await;
            outside.advance(7 * MINUTE).await;
            // Three are missed: two firings of the first version, one of the next.
            process.stop().await;
            outside.advance(9 * MINUTE).await;
            outside.edit(1, r#"{"type":"schedule","cron":"*/4 * * * *"}"#);
            outside.advance(9 * MINUTE).await;
            outside.journal().crash_after(Some((writes, last)));
            let crashing = outside.started().await;
            crashing.stop().await;
            let crashed = outside.journal().has_crashed();
            outside.journal().crash_after(None);
            let process = outside.started().await;
            for _ in 0..4 {
                outside.advance(MINUTE).await;
            }
            assert_eq!(outside.firings(1), [5, 15, 24, 28].map(|minute| minute * MINUTE), "{what}");
            process.stop().await;
            if !crashed {
                assert!(writes > 4, "{what}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_replay_whose_answer_is_lost_starts_nothing_twice() {
    for last in [LastWrite::Heard, LastWrite::Unheard] {
        for writes in 0..2 {
            let outside = Outside::new();
            let process = outside.started().await;
            let taken = process.stripe("evt_1", "invoice.paid").await.unwrap();
            outside.active(1, PAID);
            outside.journal().crash_after(Some((writes, last)));
            let _ = process.replay(taken.event, Replay::default()).await;
            process.stop().await;
            outside.journal().crash_after(None);
            let next = outside.started().await;
            outside.advance(SECOND).await;
            next.replay(taken.event, Replay::default()).await.unwrap();
            outside.advance(SECOND).await;
            assert_eq!(outside.caused().len(), 1, "{writes} {last:?}");
        }
    }
}
