//! Provider events and what is to be handed over: once each, in order, and gone with the commit that begins the run.

use loopfour_engine::provider_events::{
    Active, Entrance, EventStatus, HandOver, Inbox as _, Kept, NewEvent, ProviderEvent,
};
use loopfour_engine::{Cause, ConnectionId, EventId};
use loopfour_lang::Document;
use loopfour_store::{AuditFilter, Edit, EventFilter, StatusChange, WorkflowStatus};
use tokio::task::JoinSet;

use super::*;

/// A definition with a trigger of that type; nothing else of it is looked at.
pub fn source(trigger: &str) -> String {
    format!(r#"{{"name": "w", "trigger": {{"type": "{trigger}"}}, "steps": []}}"#)
}

/// An active workflow with a trigger of that type.
pub async fn active(place: &Place, company: CompanyId, trigger: &str) -> WorkflowId {
    let made = place.store.create_workflow(company, "w", &source(trigger), &by(), NOW).await.unwrap();
    set(place, company, made.id, WorkflowStatus::Active, NOW).await;
    made.id
}

pub async fn set(
    place: &Place,
    company: CompanyId,
    workflow: WorkflowId,
    to: WorkflowStatus,
    now: Timestamp,
) {
    let change = StatusChange { from: WorkflowStatus::ALL.to_vec(), to, expected_version: None };
    place.store.set_status(company, workflow, change, &by(), now).await.unwrap();
}

pub async fn edit(place: &Place, workflow: WorkflowId, source: String, now: Timestamp) {
    let edit = Edit {
        name: "w".to_owned(),
        source,
        change_summary: None,
        expected_version: None,
        from: WorkflowStatus::LIVING.to_vec(),
        rolled_back_to: None,
    };
    place.store.update_workflow(place.company, workflow, edit, &by(), now).await.unwrap();
}

/// A new event of Stripe's for these workflows.
pub fn event(company: CompanyId, id: &str, workflows: &[WorkflowId]) -> NewEvent {
    NewEvent {
        event: ProviderEvent {
            id: EventId(Uuid::now_v7()),
            company,
            entrance: Entrance::Stripe,
            provider_event_id: Some(id.to_owned()),
            kind: "invoice.paid".to_owned(),
            connection: None,
            status: EventStatus::Stored,
            reason: None,
            attempts: 0,
            created_at: NOW,
        },
        body: Document::parse(br#"{"id":"evt_1","amount":2.50}"#).unwrap(),
        workflows: workflows.to_vec(),
    }
}

/// Keeps one and gives its id.
pub async fn keep(place: &Place, new: NewEvent) -> EventId {
    let id = new.event.id;
    assert_eq!(place.store.keep(new).await, Ok(Kept::New));
    id
}

/// A hand-over failed.
pub async fn fail(place: &Place, hand_over: HandOver, next: Option<Timestamp>) {
    place.store.failed(hand_over, "broken".to_owned(), next, NOW).await.unwrap();
}

/// The start of a run of a workflow for a cause.
pub fn start_for(place: &Place, workflow: WorkflowId, cause: Cause) -> Append {
    let mut batch = place.start(NOW, None);
    let Event::RunStarted { workflow: named, cause: why, .. } =
        &mut Arc::get_mut(&mut batch.entries).unwrap()[0].event
    else {
        panic!()
    };
    (*named, *why) = (workflow, Some(cause));
    batch
}

fn cause(event: EventId) -> Cause {
    Cause::Event { event, again: None }
}

fn hand_over(company: CompanyId, workflow: WorkflowId, cause: Cause) -> HandOver {
    HandOver { company, workflow, cause, attempts: 0 }
}

async fn due(place: &Place) -> Vec<HandOver> {
    place.store.due(NOW, 100).await.unwrap()
}

async fn found(place: &Place, event: EventId) -> ProviderEvent {
    place.store.event(place.company, event).await.unwrap().unwrap().0
}

#[track_caller]
fn check(event: &ProviderEvent, status: EventStatus, attempts: u32, reason: Option<&str>) {
    assert_eq!((event.status, event.attempts, event.reason.as_deref()), (status, attempts, reason));
}

#[tokio::test]
async fn an_event_is_read_back_as_it_was_kept() {
    let place = Place::new().await;
    let mut new = event(place.company, "evt_1", &[]);
    new.event.connection = Some(ConnectionId(Uuid::now_v7()));
    new.event.entrance = Entrance::Custom { path: "orders".to_owned() };
    new.event.reason = Some("of another version".to_owned());
    let id = keep(&place, new.clone()).await;
    let (event, body) = place.store.event(place.company, id).await.unwrap().unwrap();
    assert_eq!(event, new.event);
    assert_eq!(body.unwrap().text(), new.body.text());
    assert_eq!(place.store.event(place.company, EventId(Uuid::now_v7())).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_deliveries_at_once_one_is_new() {
    let place = Arc::new(Place::new().await);
    let workflow = active(&place, place.company, "webhook").await;
    let mut tasks = JoinSet::new();
    for number in 0..200 {
        let new = event(place.company, &format!("evt_{}", number % 4), &[workflow]);
        let (place, id) = (Arc::clone(&place), new.event.id);
        tasks.spawn(async move { (number % 4, id, place.store.keep(new).await.unwrap()) });
    }
    let answers = tasks.join_all().await;
    for number in 0..4 {
        let of = || answers.iter().filter(move |(of, ..)| *of == number);
        let new: Vec<EventId> = of().filter(|(.., kept)| *kept == Kept::New).map(|(_, id, _)| *id).collect();
        assert_eq!(new.len(), 1);
        assert!(of().all(|(_, id, kept)| *id == new[0] || *kept == Kept::Duplicate(new[0])));
    }
    assert_eq!(due(&place).await.len(), 4, "duplicates put nothing in");
}

#[tokio::test]
async fn what_is_the_same_event() {
    let place = Place::new().await;
    let other = place.store.create_company("other", &by(), NOW).await.unwrap().0;
    let custom = |path: &str| {
        let mut new = event(place.company, "evt_1", &[]);
        new.event.entrance = Entrance::Custom { path: path.to_owned() };
        new
    };
    let first = keep(&place, event(place.company, "evt_1", &[])).await;
    keep(&place, event(other, "evt_1", &[])).await;
    keep(&place, custom("orders")).await;
    keep(&place, custom("refunds")).await;
    for _ in 0..2 {
        let mut nameless = event(place.company, "", &[]);
        nameless.event.provider_event_id = None;
        keep(&place, nameless).await;
    }
    let again = place.store.keep(event(place.company, "evt_1", &[])).await;
    assert_eq!(again, Ok(Kept::Duplicate(first)));

    let Place { directory, store, company, .. } = place;
    drop(store);
    let store = Store::open(directory.path(), NOW).unwrap();
    assert_eq!(store.keep(event(company, "evt_1", &[])).await, Ok(Kept::Duplicate(first)), "after a restart");
}

#[tokio::test]
async fn a_hand_over_goes_with_the_commit_that_begins_its_run() {
    let place = Place::new().await;
    let (one, other) = (active(&place, place.company, "webhook").await, place.workflow);
    let id = keep(&place, event(place.company, "evt_1", &[one, other])).await;
    let wanted = [one, other].map(|workflow| hand_over(place.company, workflow, cause(id)));
    assert_eq!(due(&place).await, wanted);

    let first = start_for(&place, one, cause(id));
    place.store.append(first.clone()).await.unwrap();
    assert_eq!(due(&place).await, wanted[1..]);
    check(&found(&place, id).await, EventStatus::Stored, 1, None);

    let second = Err(JournalError::Exists { run: first.run });
    assert_eq!(place.store.append(start_for(&place, one, cause(id))).await, second);
    assert_eq!(due(&place).await, wanted[1..]);

    let last = start_for(&place, other, cause(id));
    place.store.append(last.clone()).await.unwrap();
    assert_eq!(due(&place).await, []);
    check(&found(&place, id).await, EventStatus::Dispatched, 1, None);
    let runs = vec![(one, first.run), (other, last.run)];
    assert_eq!(place.store.runs_of(place.company, id).await.unwrap(), runs);
}

/// Also where it began years ago, and whatever became of it.
#[tokio::test]
async fn a_cause_starts_one_run_of_a_workflow_for_ever() {
    let place = Place::new().await;
    let causes = [
        cause(EventId(Uuid::now_v7())),
        Cause::Firing { at: NOW },
        Cause::Failure { run: RunId(Uuid::now_v7()), length: 3 },
    ];
    for cause in causes {
        let first = start_for(&place, place.workflow, cause);
        place.store.append(first.clone()).await.unwrap();
        let mut later = start_for(&place, place.workflow, cause);
        Arc::get_mut(&mut later.entries).unwrap()[0].at = Timestamp(NOW.0 + 400 * 86_400_000);
        assert_eq!(place.store.append(later).await, Err(JournalError::Exists { run: first.run }));
    }
    let event = EventId(Uuid::now_v7());
    for again in [None, Some(Uuid::now_v7()), Some(Uuid::now_v7())] {
        let start = start_for(&place, place.workflow, Cause::Event { event, again });
        place.store.append(start).await.unwrap();
    }
    assert_eq!(place.store.runs_of(place.company, event).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_starts_at_once_one_is_made() {
    let place = Arc::new(Place::new().await);
    let id = keep(&place, event(place.company, "evt_1", &[place.workflow])).await;
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let place = Arc::clone(&place);
        let start = start_for(&place, place.workflow, cause(id));
        tasks.spawn(async move { (start.run, place.store.append(start).await) });
    }
    let answers = tasks.join_all().await;
    let made: Vec<RunId> = answers.iter().filter(|(_, made)| made.is_ok()).map(|(run, _)| *run).collect();
    assert_eq!(made.len(), 1);
    let exists = Err(JournalError::Exists { run: made[0] });
    assert!(answers.iter().all(|(_, result)| result.is_ok() || *result == exists), "{answers:?}");
    let runs = place.store.runs_of(place.company, id).await.unwrap();
    assert_eq!(runs, [(place.workflow, made[0])]);
}

#[tokio::test]
async fn tries_in_vain_are_put_off_and_counted_and_the_last_one_is_dead() {
    let place = Place::new().await;
    let other = active(&place, place.company, "webhook").await;
    let id = keep(&place, event(place.company, "evt_1", &[place.workflow, other])).await;
    let mut given = due(&place).await[0];
    let at = Timestamp(NOW.0 + 5_000);
    place.store.failed(given, "broken".to_owned(), Some(at), NOW).await.unwrap();
    check(&found(&place, id).await, EventStatus::Stored, 1, None);
    assert_eq!(due(&place).await, [hand_over(place.company, other, cause(id))]);
    assert_eq!(place.store.next_due().await, Ok(Some(NOW)));
    place.store.append(start_for(&place, other, cause(id))).await.unwrap();
    assert_eq!(place.store.next_due().await, Ok(Some(at)));

    given.attempts = 1;
    assert_eq!(place.store.due(at, 10).await.unwrap(), [given]);
    place.store.failed(given, "still broken".to_owned(), None, NOW).await.unwrap();
    check(&found(&place, id).await, EventStatus::Dead, 2, Some("still broken"));
    assert_eq!(place.store.next_due().await, Ok(None));

    // Somebody who comes late changes nothing.
    place.store.failed(given, "late".to_owned(), Some(NOW), NOW).await.unwrap();
    place.store.withdraw(given).await.unwrap();
    check(&found(&place, id).await, EventStatus::Dead, 2, Some("still broken"));
    assert_eq!(due(&place).await, []);
}

#[tokio::test]
async fn what_is_withdrawn_is_as_if_it_had_never_been_put_in() {
    let place = Place::new().await;
    let other = active(&place, place.company, "webhook").await;
    let id = keep(&place, event(place.company, "evt_1", &[place.workflow, other])).await;
    let [one, two] = due(&place).await[..] else { panic!() };
    place.store.withdraw(one).await.unwrap();
    check(&found(&place, id).await, EventStatus::Stored, 0, None);
    place.store.append(start_for(&place, other, cause(id))).await.unwrap();
    check(&found(&place, id).await, EventStatus::Dispatched, 1, None);

    let unheard = keep(&place, event(place.company, "evt_2", &[other])).await;
    place.store.withdraw(HandOver { cause: cause(unheard), ..two }).await.unwrap();
    check(&found(&place, unheard).await, EventStatus::Stored, 0, None);

    // The last one that was in its way.
    let id = keep(&place, event(place.company, "evt_3", &[place.workflow, other])).await;
    place.store.append(start_for(&place, other, cause(id))).await.unwrap();
    check(&found(&place, id).await, EventStatus::Stored, 1, None);
    place.store.withdraw(hand_over(place.company, place.workflow, cause(id))).await.unwrap();
    check(&found(&place, id).await, EventStatus::Dispatched, 1, None);
}

#[tokio::test]
async fn an_event_was_tried_as_often_as_the_workflow_that_was_tried_most() {
    let place = Place::new().await;
    let other = active(&place, place.company, "webhook").await;
    let id = keep(&place, event(place.company, "evt_1", &[place.workflow, other])).await;
    let [one, _] = due(&place).await[..] else { panic!() };
    fail(&place, HandOver { attempts: 2, ..one }, Some(Timestamp(NOW.0 + 1000))).await;
    place.store.append(start_for(&place, other, cause(id))).await.unwrap();
    check(&found(&place, id).await, EventStatus::Stored, 3, None);

    // Whoever replays it does not wait for the next try.
    assert_eq!(due(&place).await, []);
    place.store.put_in_again(place.company, id, None, vec![one], &by(), NOW).await.unwrap();
    assert_eq!(due(&place).await, [one]);
    check(&found(&place, id).await, EventStatus::Stored, 0, None);
}

#[tokio::test]
async fn hand_overs_come_in_the_order_in_which_they_were_put_in() {
    let place = Place::new().await;
    let other = active(&place, place.company, "webhook").await;
    let mut wanted = Vec::new();
    for number in 0..20 {
        let id = keep(&place, event(place.company, &format!("evt_{number}"), &[other, place.workflow])).await;
        wanted.extend([other, place.workflow].map(|workflow| hand_over(place.company, workflow, cause(id))));
    }
    assert_eq!(due(&place).await, wanted);
    assert_eq!(place.store.due(NOW, 3).await.unwrap(), wanted[..3]);
    assert_eq!(place.store.due(Timestamp(NOW.0 - 1), 3).await.unwrap(), []);
}

#[tokio::test]
async fn whoever_waits_for_hand_overs_is_told() {
    let place = Place::new().await;
    keep(&place, event(place.company, "evt_0", &[])).await;
    let waits = place.store.put_in(0);
    tokio::pin!(waits);
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(waits.as_mut().poll(cx).is_pending())).await);
    let id = keep(&place, event(place.company, "evt_1", &[place.workflow])).await;
    assert_eq!(waits.await, 1);
    let again = vec![hand_over(place.company, place.workflow, cause(id))];
    place.store.put_in_again(place.company, id, None, again, &by(), NOW).await.unwrap();
    assert_eq!(place.store.put_in(1).await, 2);
}

#[tokio::test]
async fn a_dead_event_is_put_in_again() {
    let place = Place::new().await;
    let other = active(&place, place.company, "webhook").await;
    let id = keep(&place, event(place.company, "evt_1", &[place.workflow, other])).await;
    for given in due(&place).await {
        place.store.failed(given, "broken".to_owned(), None, NOW).await.unwrap();
    }
    let again = Cause::Event { event: id, again: Some(Uuid::now_v7()) };
    let put_in = async |workflow, cause| {
        let hand_overs = vec![hand_over(place.company, workflow, cause)];
        place.store.put_in_again(place.company, id, None, hand_overs, &by(), NOW).await.unwrap();
    };
    put_in(other, again).await;
    check(&found(&place, id).await, EventStatus::Dead, 0, Some("broken"));
    place.store.append(start_for(&place, other, again)).await.unwrap();
    put_in(place.workflow, cause(id)).await;
    check(&found(&place, id).await, EventStatus::Stored, 0, None);
    place.store.append(start_for(&place, place.workflow, cause(id))).await.unwrap();
    check(&found(&place, id).await, EventStatus::Dispatched, 1, None);

    let filter = AuditFilter { action: Some("event.replay".to_owned()), ..AuditFilter::default() };
    let rows = place.store.audit(place.company, filter, newest(10)).await.unwrap().rows;
    let told: Vec<_> = rows.iter().map(|row| (row.object_id.as_str(), row.after.clone().unwrap())).collect();
    let id = id.to_string();
    let expected = [(place.workflow, false), (other, true)].map(|(workflow, again)| {
        (id.as_str(), serde_json::json!({ "workflows": [workflow], "again": again }))
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn an_unrouted_event_belongs_to_whom_it_is_sent_on_to() {
    let place = Place::new().await;
    let mut new = event(place.company, "evt_1", &[]);
    (new.event.status, new.event.reason) = (EventStatus::Unrouted, Some("no connection".to_owned()));
    let id = keep(&place, new).await;
    let connection = ConnectionId(Uuid::now_v7());
    let again = async |connection, hand_overs| {
        place.store.put_in_again(place.company, id, connection, hand_overs, &by(), NOW).await
    };
    again(None, vec![]).await.unwrap();
    check(&found(&place, id).await, EventStatus::Unrouted, 0, Some("no connection"));
    again(Some(connection), vec![]).await.unwrap();
    check(&found(&place, id).await, EventStatus::Stored, 0, None);
    again(Some(ConnectionId(Uuid::now_v7())), vec![hand_over(place.company, place.workflow, cause(id))])
        .await
        .unwrap();
    assert_eq!(found(&place, id).await.connection, Some(connection), "only what was unrouted is routed");
    assert_eq!(due(&place).await.len(), 1);

    let unknown = EventId(Uuid::now_v7());
    let missing = place.store.put_in_again(place.company, unknown, None, vec![], &by(), NOW).await;
    assert_eq!(missing, Err(JournalError::Missing(unknown.to_string())));
}

#[tokio::test]
async fn a_run_that_ends_badly_is_handed_over_to_those_who_wait_for_failures() {
    let place = Place::new().await;
    let listeners =
        [active(&place, place.company, "failure").await, active(&place, place.company, "failure").await];
    let paused = active(&place, place.company, "failure").await;
    set(&place, place.company, paused, WorkflowStatus::Paused, NOW).await;
    let other = place.store.create_company("other", &by(), NOW).await.unwrap().0;
    active(&place, other, "failure").await;

    let end = async |run, expected, event, status| {
        let entries = [Entry { seq: expected + 1, at: NOW, event }].into();
        place.store.append(Append { run, expected, entries, summary: summary(status) }).await.unwrap();
    };
    let failed = || Event::RunFailed { error: Box::default() };
    let timed_out = || Event::RunTimedOut { error: Box::default() };
    let mut wanted = Vec::new();
    for (event, status) in [(failed(), RunStatus::Failed), (timed_out(), RunStatus::Timeout)] {
        let run = place.run(NOW, RunStatus::Running).await;
        end(run, 1, event, status).await;
        wanted.extend(
            listeners.map(|workflow| hand_over(place.company, workflow, Cause::Failure { run, length: 2 })),
        );
        // What a restored backup adds is no failure more.
        end(run, 2, Event::RunRestored { backup_at: NOW }, status).await;
        assert_eq!(due(&place).await, wanted);
    }
    assert_eq!(place.store.put_in(1).await, 2);
    let completed = place.run(NOW, RunStatus::Running).await;
    end(completed, 1, Event::RunCompleted { output: None }, RunStatus::Completed).await;

    // The failure of a run of theirs starts none, also where it is not a failure that started it.
    let own = start_for(&place, listeners[0], wanted[0].cause);
    place.store.append(own.clone()).await.unwrap();
    end(own.run, 1, failed(), RunStatus::Failed).await;
    assert_eq!(due(&place).await, wanted[1..]);

    place.store.failed(wanted[1], "broken".to_owned(), None, NOW).await.unwrap();
    place.store.withdraw(wanted[2]).await.unwrap();
    assert_eq!(due(&place).await, wanted[3..]);

    // What was edited meanwhile does not matter: a run is of its own version.
    let own = start_for(&place, listeners[1], wanted[3].cause);
    place.store.append(own.clone()).await.unwrap();
    edit(&place, listeners[1], source("api"), NOW).await;
    end(own.run, 1, failed(), RunStatus::Failed).await;
    assert_eq!(due(&place).await, []);
    let run = place.run(NOW, RunStatus::Running).await;
    edit(&place, place.workflow, source("failure"), NOW).await;
    end(run, 1, failed(), RunStatus::Failed).await;
    assert_eq!(
        due(&place).await,
        [hand_over(place.company, listeners[0], Cause::Failure { run, length: 2 })]
    );
}

#[tokio::test]
async fn active_workflows_are_known_right_after_each_change() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let known = |trigger| store.active(company, trigger);
    let one = active(&place, company, "webhook").await;
    let two = active(&place, company, "webhook").await;
    let as_known = |workflow, version| Active { workflow, version };
    assert_eq!(known(TriggerKind::Webhook), [as_known(one, 1), as_known(two, 1)]);
    assert_eq!(known(TriggerKind::Schedule), []);

    edit(&place, one, source("webhook"), NOW).await;
    assert_eq!(known(TriggerKind::Webhook), [as_known(one, 2), as_known(two, 1)]);
    edit(&place, one, source("failure"), NOW).await;
    assert_eq!(known(TriggerKind::Webhook), [as_known(two, 1)]);
    assert_eq!(known(TriggerKind::Failure), [as_known(one, 3)]);
    set(&place, company, one, WorkflowStatus::Paused, NOW).await;
    assert_eq!(known(TriggerKind::Failure), []);
    edit(&place, one, "no JSON".to_owned(), NOW).await;
    edit(&place, one, source("api"), NOW).await;
    set(&place, company, one, WorkflowStatus::Active, NOW).await;
    assert_eq!(known(TriggerKind::Api), [as_known(one, 5)]);
    set(&place, company, two, WorkflowStatus::Archived, NOW).await;
    assert_eq!(known(TriggerKind::Webhook), []);

    let other = store.create_company("other", &by(), NOW).await.unwrap().0;
    assert_eq!(store.active(other, TriggerKind::Api), []);
    let Place { directory, store, .. } = place;
    drop(store);
    let store = Store::open(directory.path(), NOW).unwrap();
    assert_eq!(store.active(company, TriggerKind::Api), [as_known(one, 5)], "after a restart");
}

#[tokio::test]
async fn events_are_listed_by_what_they_are() {
    let place = Place::new().await;
    let (one, other) = (place.workflow, active(&place, place.company, "webhook").await);
    let connection = ConnectionId(Uuid::now_v7());
    let at = |new: NewEvent, late| {
        let created_at = Timestamp(NOW.0 + late);
        NewEvent { event: ProviderEvent { created_at, ..new.event }, ..new }
    };
    let stored = keep(&place, at(event(place.company, "evt_1", &[]), 1)).await;
    let dispatched = keep(&place, at(event(place.company, "evt_2", &[one]), 2)).await;
    let run = start_for(&place, one, cause(dispatched));
    place.store.append(run.clone()).await.unwrap();
    let mut new = event(place.company, "evt_3", &[one, other]);
    (new.event.kind, new.event.connection) = ("customer.created".to_owned(), Some(connection));
    let dead = keep(&place, at(new, 3)).await;
    for given in place.store.due(Timestamp(NOW.0 + 3), 10).await.unwrap() {
        place.store.failed(given, "broken".to_owned(), None, NOW).await.unwrap();
    }
    let mut new = event(place.company, "evt_4", &[]);
    (new.event.status, new.event.entrance) =
        (EventStatus::Unrouted, Entrance::Custom { path: "p".to_owned() });
    let unrouted = keep(&place, at(new, 4)).await;
    let waiting = keep(&place, at(event(place.company, "evt_5", &[other]), 5)).await;

    let list = async |filter: EventFilter, span| {
        let page = place.store.provider_events(place.company, filter, span).await.unwrap();
        (page.rows.iter().map(|row| row.event.id).collect::<Vec<_>>(), page.next)
    };
    let all = [waiting, unrouted, dead, dispatched, stored];
    assert_eq!(list(EventFilter::default(), newest(50)).await, (all.to_vec(), None));
    let (first, next) = list(EventFilter::default(), newest(2)).await;
    assert_eq!(first, all[..2]);
    let span = Span { after: next, ..newest(2) };
    assert_eq!(list(EventFilter::default(), span).await.0, all[2..4]);
    let oldest = Span { order: Order::Ascending, ..newest(1) };
    assert_eq!(list(EventFilter::default(), oldest).await.0, [stored]);

    let none = EventFilter::default;
    let rows = [
        (EventFilter { status: Some(EventStatus::Stored), ..none() }, vec![waiting, stored]),
        (EventFilter { status: Some(EventStatus::Dead), ..none() }, vec![dead]),
        (EventFilter { kind: Some("customer.created".to_owned()), ..none() }, vec![dead]),
        (EventFilter { provider: Some("custom".to_owned()), ..none() }, vec![unrouted]),
        (EventFilter { connection: Some(connection), ..none() }, vec![dead]),
        (EventFilter { workflow: Some(one), ..none() }, vec![dead, dispatched]),
        (EventFilter { workflow: Some(other), ..none() }, vec![waiting, dead]),
        (
            EventFilter { from: Some(Timestamp(NOW.0 + 2)), to: Some(Timestamp(NOW.0 + 4)), ..none() },
            vec![dead, dispatched],
        ),
    ];
    for (filter, mut expected) in rows {
        assert_eq!(list(filter.clone(), newest(50)).await.0, expected, "{filter:?}");
        let (first, next) = list(filter.clone(), newest(1)).await;
        assert_eq!((&first[..], next.is_some()), (&expected[..1], expected.len() > 1), "{filter:?}");
        if next.is_some() {
            assert_eq!(list(filter.clone(), Span { after: next, ..newest(50) }).await.0, expected[1..]);
        }
        expected.reverse();
        let oldest = Span { order: Order::Ascending, ..newest(50) };
        assert_eq!(list(filter.clone(), oldest).await.0, expected, "{filter:?}");
    }
    let page = place.store.provider_events(place.company, none(), newest(50)).await.unwrap();
    assert_eq!(page.rows[3].runs, [(one, run.run)]);
    assert_eq!(page.rows[2].event.reason.as_deref(), Some("broken"));
}

#[tokio::test]
async fn events_of_another_company_do_not_exist() {
    let place = Place::new().await;
    let other = place.store.create_company("other", &by(), NOW).await.unwrap().0;
    let id = keep(&place, event(place.company, "evt_1", &[place.workflow])).await;
    let given = due(&place).await[0];
    assert_eq!(place.store.event(other, id).await, Ok(None));
    place.store.failed(HandOver { company: other, ..given }, "x".to_owned(), None, NOW).await.unwrap();
    place.store.withdraw(HandOver { company: other, ..given }).await.unwrap();
    let missing = place.store.put_in_again(other, id, None, vec![], &by(), NOW).await;
    assert_eq!(missing, Err(JournalError::Missing(id.to_string())));
    let page = place.store.provider_events(other, EventFilter::default(), newest(50)).await.unwrap();
    assert_eq!(page.rows, []);
    assert_eq!(due(&place).await, [given]);
    place.store.append(start_for(&place, place.workflow, cause(id))).await.unwrap();
    assert_eq!(place.store.runs_of(other, id).await, Ok(vec![]));
}

/// How many bodies and events there are.
fn count(place: &Place) -> (i64, i64) {
    let count = |table| {
        place.outside().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    (count("provider_event_bodies"), count("provider_events"))
}

const DAY: i64 = 86_400_000;

#[tokio::test]
async fn old_bodies_go_and_later_their_events() {
    let place = Place::new().await;
    let other = place.store.create_company("other", &by(), NOW).await.unwrap().0;
    let heard = active(&place, place.company, "webhook").await;
    keep(&place, event(other, "evt_1", &[])).await;
    let dispatched = keep(&place, event(place.company, "evt_1", &[heard])).await;
    place.store.append(start_for(&place, heard, cause(dispatched))).await.unwrap();
    let dead = keep(&place, event(place.company, "evt_2", &[heard])).await;
    let given = due(&place).await[0];
    place.store.failed(given, "broken".to_owned(), None, NOW).await.unwrap();
    let pending = keep(&place, event(place.company, "evt_3", &[heard])).await;
    let mut young = event(place.company, "evt_4", &[]);
    young.event.created_at = Timestamp(NOW.0 + 100 * DAY);
    keep(&place, young).await;
    let sweep = async |days: i64, keep: i64| {
        assert_eq!(place.store.sweep_events(Timestamp(NOW.0 + days * DAY), keep * DAY).await, Ok(false));
        count(&place)
    };
    assert_eq!(sweep(7, 7).await, (5, 5), "not older than that");
    assert_eq!(sweep(8, 7).await, (2, 5));
    assert!(place.store.event(place.company, dispatched).await.unwrap().unwrap().1.is_none());
    assert_eq!(sweep(35, 7).await, (2, 5), "what came in is known for 35 days");
    let again = place.store.keep(event(place.company, "evt_2", &[])).await;
    assert_eq!(again, Ok(Kept::Duplicate(dead)));
    assert_eq!(sweep(50, 50).await, (2, 5), "and as long as bodies are kept");
    assert_eq!(sweep(36, 7).await, (2, 2));

    let (event, body) = place.store.event(place.company, pending).await.unwrap().unwrap();
    assert!(event.status == EventStatus::Stored && body.is_some(), "it is still to be handed over");
    let page = place.store.provider_events(place.company, EventFilter::default(), newest(9)).await.unwrap();
    assert_eq!(page.rows.len(), 2);
    assert_eq!(place.store.runs_of(place.company, dispatched).await.unwrap().len(), 1, "runs stay");
    let again = place.store.append(start_for(&place, heard, cause(dispatched))).await;
    assert!(matches!(again, Err(JournalError::Exists { .. })));
}

#[tokio::test]
async fn a_sweep_goes_in_parts() {
    let place = Arc::new(Place::new().await);
    let mut tasks = JoinSet::new();
    for number in 0..700 {
        let (place, new) = (Arc::clone(&place), event(place.company, &format!("evt_{number}"), &[]));
        tasks.spawn(async move { keep(&place, new).await });
    }
    tasks.join_all().await;
    let sweep = async |days: i64| place.store.sweep_events(Timestamp(NOW.0 + days * DAY), DAY).await;
    assert_eq!((sweep(2).await, count(&place)), (Ok(true), (200, 700)));
    assert_eq!((sweep(2).await, count(&place)), (Ok(false), (0, 700)));
    assert_eq!((sweep(40).await, count(&place)), (Ok(true), (0, 200)));
    assert_eq!((sweep(40).await, count(&place)), (Ok(false), (0, 0)));
}

#[tokio::test]
async fn refused_requests_leave_only_a_count() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let other = store.create_company("other", &by(), NOW).await.unwrap().0;
    let counts = |store: &Store, company| {
        let all = store.webhook_refusals(company).into_iter();
        all.map(|refused| (refused.provider, refused.count, refused.last_at)).collect::<Vec<_>>()
    };
    assert_eq!(counts(store, company), []);
    for _ in 0..1000 {
        store.refuse_webhook(company, "stripe", NOW);
    }
    store.refuse_webhook(company, "stripe", Timestamp(NOW.0 + 1));
    store.refuse_webhook(other, "custom", NOW);
    let unknown = CompanyId(Uuid::now_v7());
    store.refuse_webhook(unknown, "stripe", NOW);
    let of_company = vec![("stripe".to_owned(), 1001, Timestamp(NOW.0 + 1))];
    let of_other = vec![("custom".to_owned(), 1, NOW)];
    assert_eq!(counts(store, company), of_company);
    assert_eq!(counts(store, other), of_other);
    assert_eq!(counts(store, unknown), []);

    let Place { directory, store, .. } = place;
    drop(store);
    let store = Store::open(directory.path(), NOW).unwrap();
    assert_eq!((counts(&store, company), counts(&store, other)), (of_company, of_other), "after a restart");
    store.refuse_webhook(company, "stripe", NOW);
    assert_eq!(counts(&store, company)[0].1, 1002);
}

/// Whoever floods a door does not keep the disk busy.
#[tokio::test]
async fn counts_are_written_down_about_once_a_second() {
    let place = Place::new().await;
    let written = async || {
        // The writer is through with what it was asked for before.
        place.store.ready().await.unwrap();
        let sql = "SELECT coalesce(sum(count), 0) FROM webhook_refusals";
        place.outside().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let refuse = |late: i64| place.store.refuse_webhook(place.company, "stripe", Timestamp(NOW.0 + late));
    refuse(0);
    assert_eq!(written().await, 1);
    refuse(999);
    assert_eq!(written().await, 1);
    refuse(1000);
    assert_eq!(written().await, 3);
    refuse(0);
    assert_eq!(written().await, 4, "a clock that was set back holds nothing up");
}
