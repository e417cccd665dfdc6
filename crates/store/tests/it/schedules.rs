//! How far schedules are: kept with the workflows' status and moved on with the runs that they start.

use loopfour_engine::Cause;
use loopfour_engine::provider_events::{Active, Inbox as _};
use loopfour_engine::schedules::{Scheduled, Schedules as _};
use loopfour_store::WorkflowStatus;

use super::events::{active, edit, set, source, start_for};
use super::open::{back_to, change};
use super::*;

fn later(milliseconds: i64) -> Timestamp {
    Timestamp(NOW.0 + milliseconds)
}

fn since(place: &Place, workflow: WorkflowId, version: u32, at: Timestamp) -> Scheduled {
    Scheduled { workflow, company: place.company, version, current: version, anchor: at, after: at }
}

#[tokio::test]
async fn a_workflow_with_a_schedule_stands_there_while_it_is_active() {
    let place = Place::new().await;
    let store = &place.store;
    active(&place, place.company, "webhook").await;
    assert_eq!(store.scheduled().await.unwrap(), []);
    let workflow = active(&place, place.company, "schedule").await;
    let first = since(&place, workflow, 1, NOW);
    assert_eq!(store.scheduled().await.unwrap(), [first]);
    assert_eq!(store.changed(0).await, 1);

    edit(&place, workflow, source("schedule"), later(10)).await;
    let edited = Scheduled { current: 2, ..first };
    assert_eq!(store.scheduled().await.unwrap(), [edited], "what the first version owes is not lost");
    assert_eq!(store.version_made_at(workflow, 2).await, Ok(later(10)));
    let missing = JournalError::Missing(format!("version 3 of {workflow}"));
    assert_eq!(store.version_made_at(workflow, 3).await, Err(missing));

    set(&place, place.company, workflow, WorkflowStatus::Paused, later(20)).await;
    assert_eq!(store.scheduled().await.unwrap(), []);
    edit(&place, workflow, source("schedule"), later(30)).await;
    assert_eq!(store.scheduled().await.unwrap(), []);
    assert_eq!(store.changed(1).await, 3, "the edit of a paused one is no change");
    set(&place, place.company, workflow, WorkflowStatus::Active, later(40)).await;
    assert_eq!(store.scheduled().await.unwrap(), [since(&place, workflow, 3, later(40))]);

    edit(&place, workflow, source("api"), later(50)).await;
    assert_eq!(store.scheduled().await.unwrap(), []);
    edit(&place, workflow, source("schedule"), later(60)).await;
    assert_eq!(store.scheduled().await.unwrap(), [since(&place, workflow, 5, later(60))]);
    set(&place, place.company, workflow, WorkflowStatus::Archived, later(70)).await;
    assert_eq!(store.scheduled().await.unwrap(), []);
    assert_eq!(store.changed(6).await, 7);
}

#[tokio::test]
async fn a_schedule_moves_on_if_it_stands_as_was_thought() {
    let place = Place::new().await;
    let workflow = active(&place, place.company, "schedule").await;
    let first = since(&place, workflow, 1, NOW);
    let second = Scheduled { after: later(10), ..first };
    let third = Scheduled { version: 2, anchor: later(20), after: later(20), ..first };
    place.store.move_on(first, second).await.unwrap();
    assert_eq!(place.store.scheduled().await.unwrap(), [second]);
    for (from, to) in [(first, third), (Scheduled { version: 2, ..second }, third)] {
        place.store.move_on(from, to).await.unwrap();
        assert_eq!(place.store.scheduled().await.unwrap(), [second]);
    }
    let other = place.store.create_company("other", &by(), NOW).await.unwrap().0;
    place.store.move_on(Scheduled { company: other, ..second }, third).await.unwrap();
    assert_eq!(place.store.scheduled().await.unwrap(), [second]);
    edit(&place, workflow, source("schedule"), later(20)).await;
    place.store.move_on(second, third).await.unwrap();
    assert_eq!(place.store.scheduled().await.unwrap(), [Scheduled { current: 2, ..third }]);
}

#[tokio::test]
async fn the_run_of_a_firing_moves_the_schedule_in_the_same_commit() {
    let place = Place::new().await;
    let workflow = active(&place, place.company, "schedule").await;
    let firing = |at| start_for(&place, workflow, Cause::Firing { at });
    let first = firing(later(10));
    place.store.append(first.clone()).await.unwrap();
    let moved = Scheduled { after: later(10), ..since(&place, workflow, 1, NOW) };
    assert_eq!(place.store.scheduled().await.unwrap(), [moved]);
    let again = place.store.append(firing(later(10))).await;
    assert_eq!(again, Err(JournalError::Exists { run: first.run }));
    place.store.append(firing(later(5))).await.unwrap();
    assert_eq!(place.store.scheduled().await.unwrap(), [moved], "never back");
}

#[tokio::test]
async fn only_runs_that_the_schedule_started_are_under_way_for_it() {
    let place = Place::new().await;
    let store = &place.store;
    place.run(NOW, RunStatus::Running).await;
    assert_eq!(store.is_under_way(place.workflow).await, Ok(false));
    let mut start = start_for(&place, place.workflow, Cause::Firing { at: NOW });
    let Event::RunStarted { trigger, .. } = &mut Arc::get_mut(&mut start.entries).unwrap()[0].event else {
        panic!()
    };
    *trigger = TriggerKind::Schedule;
    let run = start.run;
    store.append(Append { summary: summary(RunStatus::Pending), ..start }).await.unwrap();
    assert_eq!(store.is_under_way(place.workflow).await, Ok(true));
    store.append(skips(run, 1, 1)).await.unwrap();
    assert_eq!(store.is_under_way(place.workflow).await, Ok(true));
    store.append(Append { summary: summary(RunStatus::Waiting), ..skips(run, 2, 1) }).await.unwrap();
    assert_eq!(store.is_under_way(place.workflow).await, Ok(true));
    store.append(Append { summary: summary(RunStatus::Completed), ..skips(run, 3, 1) }).await.unwrap();
    assert_eq!(store.is_under_way(place.workflow).await, Ok(false));
}

/// A database of the third version whose schedules never fired: they begin when it is brought to this one.
#[tokio::test]
async fn a_database_from_before_schedules_begins_to_follow_them() {
    let place = Place::new().await;
    let workflow = active(&place, place.company, "schedule").await;
    edit(&place, workflow, source("schedule"), NOW).await;
    let hook = active(&place, place.company, "webhook").await;
    let paused = active(&place, place.company, "schedule").await;
    set(&place, place.company, paused, WorkflowStatus::Paused, NOW).await;
    let broken = place.store.create_workflow(place.company, "w", "no JSON", &by(), NOW).await.unwrap().id;
    set(&place, place.company, broken, WorkflowStatus::Active, NOW).await;
    let run = place.run(NOW, RunStatus::Running).await;
    let Place { directory, store, company, .. } = place;
    drop(store);
    change(&directory, &back_to(3));

    let before = std::time::SystemTime::now();
    let store = Store::open(directory.path(), NOW).unwrap();
    let [found] = store.scheduled().await.unwrap()[..] else { panic!("one is active") };
    assert_eq!((found.workflow, found.company, found.version, found.current), (workflow, company, 2, 2));
    assert_eq!(found.anchor, found.after);
    let before = before.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64 * 1000;
    assert!((before..before + 60_000).contains(&found.after.0), "at the time of the change");
    assert_eq!(store.active(company, TriggerKind::Webhook), [Active { workflow: hook, version: 1 }]);
    assert_eq!(store.run(company, run).await.unwrap().unwrap().cause, None);
}
