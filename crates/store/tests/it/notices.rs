//! What is told of, and to whom: messages are put in by the commit of what they tell of, and leave by the port.

use loopfour_engine::connections::{Connection, ConnectionStatus, SecretChange};
use loopfour_engine::notices::{Notice, NoticeKind, Outbox as _, Telling};
use loopfour_engine::provider_events::HandOver;
use loopfour_engine::{Cause, NoticeId, StepError, WaitReason, Waiting};
use loopfour_store::{AuditFilter, MOST_NOTICES, NewNotice, NoticeError};
use secrecy::ExposeSecret as _;
use serde_json::{Value as Json, json};

use super::connections::{connection, keep, set};
use super::events;
use super::*;

const LATER: Timestamp = Timestamp(NOW.0 + 1_000);

async fn notice(store: &Store, company: CompanyId, events: &[&str]) -> Notice {
    let events: Vec<String> = events.iter().map(|event| (*event).to_owned()).collect();
    let url = format!("https://example.com/{}", events.join("+"));
    store.create_notice(company, NewNotice { url, events }, &by(), NOW).await.unwrap().0
}

/// What is to be sent, by notice.
async fn due(store: &Store) -> Vec<Telling> {
    store.due(LATER, 100).await.unwrap()
}

/// The types of what is to be sent to a notice.
async fn types(store: &Store, notice: &Notice) -> Vec<String> {
    let mine = due(store).await.into_iter().filter(|telling| telling.notice == notice.id);
    mine.map(|telling| body(&telling)["type"].as_str().unwrap().to_owned()).collect()
}

fn body(telling: &Telling) -> Json {
    serde_json::from_str(&telling.body).unwrap()
}

async fn list(store: &Store, company: CompanyId) -> Vec<Notice> {
    store.notices(company, newest(50)).await.unwrap().rows
}

/// The next entry of a run, after which it stands so.
fn next(run: RunId, expected: u64, event: Event, summary: Summary) -> Append {
    Append { run, expected, entries: [Entry { seq: expected + 1, at: LATER, event }].into(), summary }
}

fn failed(run: RunId, expected: u64) -> Append {
    let error =
        StepError { step: "pay".to_owned(), ..StepError::new("card_declined", "the card was declined", "") };
    next(run, expected, Event::RunFailed { error: Box::new(error) }, summary(RunStatus::Failed))
}

fn waits(run: RunId, expected: u64, reason: WaitReason) -> Append {
    let waiting = Waiting {
        reason,
        step_id: Some(StepPath("pay".to_owned())),
        until: Some(LATER),
        then: None,
        error: Some(StepError::new("api_error", "no answer", "")),
    };
    let summary = Summary { waiting: Some(waiting), ..summary(RunStatus::Waiting) };
    next(run, expected, Event::StepSkipped { path: StepPath("x".to_owned()) }, summary)
}

#[tokio::test]
async fn a_run_is_told_of_in_the_commit_that_changes_it() {
    let place = Place::new().await;
    let (other, _) = place.store.create_company("other", &by(), NOW).await.unwrap();
    let all = notice(&place.store, place.company, &["*"]).await;
    let ends = notice(&place.store, place.company, &["run.failed", "run.completed"]).await;
    let foreign = notice(&place.store, other, &["*"]).await;
    let run = place.run(NOW, RunStatus::Running).await;
    place.store.append(skips(run, 1, 1)).await.unwrap();
    place.store.append(failed(run, 2)).await.unwrap();
    // Refused: nothing of it is told.
    let refused = place.store.append(failed(run, 2)).await;
    assert_eq!(refused, Err(JournalError::Conflict { run }));

    assert_eq!(types(&place.store, &all).await, ["run.started", "run.failed"]);
    assert_eq!(types(&place.store, &ends).await, ["run.failed"]);
    assert_eq!(types(&place.store, &foreign).await, [""; 0]);
    let sent = due(&place.store).await.into_iter().find(|telling| telling.notice == ends.id).unwrap();
    let expected = json!({
        "type": "run.failed",
        "timestamp": LATER.to_string(),
        "data": {
            "runId": run,
            "workflowId": place.workflow,
            "workflowName": "Dunning",
            "version": 1,
            "trigger": "api",
            "status": "failed",
            "error": { "code": "card_declined", "message": "the card was declined", "stepId": "pay" },
        },
    });
    assert_eq!(body(&sent), expected);
    assert_eq!((sent.company, &*sent.url, sent.attempts), (place.company, &*ends.url, 0));
    assert!(!sent.is_failing && sent.secret.expose_secret().starts_with("whsec_"));
}

/// All or nothing, also as another program sees it: the row of the message stands there with the entry, or neither does.
#[tokio::test]
async fn there_is_no_end_without_its_message() {
    let place = Place::new().await;
    notice(&place.store, place.company, &["run.*"]).await;
    let run = place.run(NOW, RunStatus::Running).await;
    place
        .outside()
        .execute_batch("CREATE TRIGGER no BEFORE INSERT ON outbox BEGIN SELECT raise(ABORT, 'no'); END")
        .unwrap();
    assert!(matches!(place.store.append(failed(run, 1)).await, Err(JournalError::Storage(_))));
    let stands = || {
        place.outside().query_row("SELECT length, status FROM runs", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })
    };
    assert_eq!(stands().unwrap(), (1, "running".to_owned()));
    place.outside().execute_batch("DROP TRIGGER no").unwrap();
    place.store.append(failed(run, 1)).await.unwrap();
    let messages = place.outside().query_row("SELECT count(*) FROM outbox", [], |row| row.get::<_, i64>(0));
    assert_eq!((stands().unwrap(), messages.unwrap()), ((2, "failed".to_owned()), 2));
}

#[tokio::test]
async fn each_change_of_a_run_has_its_type() {
    let place = Place::new().await;
    let all = notice(&place.store, place.company, &["run.*"]).await;
    let pending = Summary { started_at: None, ..summary(RunStatus::Pending) };
    let start = Append { summary: pending, ..place.start(NOW, None) };
    let run = start.run;
    place.store.append(start).await.unwrap();
    assert_eq!(types(&place.store, &all).await, [""; 0], "it waits for its turn");
    let steps = [
        skips(run, 1, 1),
        waits(run, 2, WaitReason::Retry),
        waits(run, 3, WaitReason::Retry),
        waits(run, 4, WaitReason::OutcomeUnknown),
        waits(run, 5, WaitReason::OutcomeUnknown),
        skips(run, 6, 1),
        next(run, 7, Event::RunCancelled, summary(RunStatus::Cancelled)),
    ];
    for step in steps {
        place.store.append(step).await.unwrap();
    }
    let told = ["run.started", "run.waiting", "run.waiting", "run.outcome_unknown", "run.cancelled"];
    let mut found = types(&place.store, &all).await;
    // Beginning is told with its own time, which is not that of the entry here.
    found.sort_by_key(|name| told.iter().position(|told| told == name));
    assert_eq!(found, told);
    let waits = due(&place.store)
        .await
        .into_iter()
        .map(|telling| body(&telling))
        .rfind(|body| body["type"] == "run.waiting");
    let waiting = &waits.unwrap()["data"]["waiting"];
    let expected = json!({
        "reason": "outcome_unknown",
        "stepId": "pay",
        "until": LATER.to_string(),
        "error": { "code": "api_error", "message": "no answer", "stepId": "" },
    });
    assert_eq!(*waiting, expected);
}

/// A run that failed and goes on is told of again when it ends, also where all of that is one batch.
#[tokio::test]
async fn a_second_end_is_told_too() {
    let place = Place::new().await;
    let failures = notice(&place.store, place.company, &["run.failed"]).await;
    let run = place.run(NOW, RunStatus::Running).await;
    place.store.append(failed(run, 1)).await.unwrap();
    let Append { entries, .. } = failed(run, 3);
    let retry = Event::RetryRequested { by: by(), not_done: false };
    let entries = [Entry { seq: 3, at: LATER, event: retry }, entries[0].clone()];
    let again = Append { run, expected: 2, entries: entries.into(), summary: summary(RunStatus::Failed) };
    place.store.append(again).await.unwrap();
    assert_eq!(types(&place.store, &failures).await, ["run.failed", "run.failed"]);
}

#[tokio::test]
async fn a_broken_connection_is_told_of_once() {
    let place = Place::new().await;
    let broken = notice(&place.store, place.company, &["connection.error"]).await;
    let row = connection(place.company, "main");
    keep(&place.store, &row, set("rk_test_1")).await.unwrap();
    let refused = Connection {
        status: ConnectionStatus::Error,
        last_error: Some("invalid key".to_owned()),
        ..row.clone()
    };
    let expired = Connection { status: ConnectionStatus::Expired, ..refused.clone() };
    for state in [&refused, &refused, &row, &expired] {
        keep(&place.store, state, SecretChange::Keep).await.unwrap();
    }
    let bodies: Vec<Json> = due(&place.store).await.iter().map(body).collect();
    assert_eq!(bodies.len(), 2);
    let data = json!({
        "connectionId": row.id,
        "name": "main",
        "provider": "stripe",
        "status": "error",
        "mode": "test",
        "error": "invalid key",
    });
    assert_eq!((&bodies[0]["data"], &bodies[1]["data"]["status"]), (&data, &json!("expired")));
    assert_eq!(types(&place.store, &broken).await, ["connection.error"; 2]);
}

#[tokio::test]
async fn messages_leave_by_the_port() {
    let place = Place::new().await;
    let all = notice(&place.store, place.company, &["run.started"]).await;
    assert_eq!(place.store.next_due(Timestamp(0)).await, Ok(None));
    for _ in 0..3 {
        place.run(NOW, RunStatus::Running).await;
    }
    assert_eq!(place.store.put_in(2).await, 3);
    assert_eq!(place.store.due(Timestamp(NOW.0 - 1), 9).await.unwrap().len(), 0);
    assert_eq!(place.store.next_due(Timestamp(NOW.0 - 1)).await, Ok(Some(NOW)));
    assert_eq!(place.store.next_due(NOW).await, Ok(None));
    let first = place.store.due(NOW, 2).await.unwrap();
    assert_eq!(first.len(), 2);

    let until = Timestamp(NOW.0 + 5_000);
    assert_eq!(place.store.failed(&first[0], "no answer", Some(until), LATER).await, Ok(Some(LATER)));
    assert_eq!(place.store.next_due(NOW).await, Ok(Some(until)));
    let row = &list(&place.store, place.company).await[0];
    assert_eq!(
        (row.failing_since, row.last_error.as_deref(), row.failures),
        (Some(LATER), Some("no answer"), 0)
    );
    let again = place.store.due(until, 9).await.unwrap();
    assert_eq!(again.iter().map(|telling| telling.attempts).collect::<Vec<_>>(), [0, 0, 1]);
    assert!(again[0].is_failing);

    // Given up, and since when nothing arrived stays.
    assert_eq!(place.store.failed(&again[2], "500", None, until).await, Ok(Some(LATER)));
    assert_eq!(place.store.failed(&again[2], "500", None, until).await, Ok(None), "it is gone");
    place.store.delivered(&again[0], until).await.unwrap();
    let row = list(&place.store, place.company).await[0].clone();
    let well = Notice { last_delivered_at: Some(until), failures: 1, ..all.clone() };
    assert_eq!(row, well);
    assert_eq!(due(&place.store).await.len(), 1);

    place.store.disable(&again[1], "nobody is there", until).await.unwrap();
    place.run(NOW, RunStatus::Running).await;
    assert_eq!(due(&place.store).await.len(), 0);
    assert_eq!(place.store.put_in(2).await, 3, "nothing more was put in");
    let row = list(&place.store, place.company).await[0].clone();
    assert_eq!(
        row.disabled.map(|disabled| (disabled.at, disabled.reason)),
        Some((until, "nobody is there".to_owned()))
    );
    assert_eq!(row.failures, 2, "what was on its way is given up");
}

/// One with many messages does not hide the others.
#[tokio::test]
async fn the_first_messages_of_each_notice_are_due() {
    let place = Place::new().await;
    let busy = notice(&place.store, place.company, &["run.started"]).await;
    for _ in 0..20 {
        place.run(NOW, RunStatus::Running).await;
    }
    let second = notice(&place.store, place.company, &["run.*"]).await;
    place.run(LATER, RunStatus::Running).await;
    let found = place.store.due(LATER, 4).await.unwrap();
    let count = |notice: &Notice| found.iter().filter(|telling| telling.notice == notice.id).count();
    assert_eq!((count(&busy), count(&second)), (4, 1));
    let ids: Vec<_> =
        found.iter().filter(|telling| telling.notice == busy.id).map(|telling| telling.id).collect();
    assert!(ids.is_sorted(), "in the order in which they were put in");
}

#[tokio::test]
async fn who_is_away_for_long_does_not_fill_the_disk() {
    let place = Place::new().await;
    notice(&place.store, place.company, &["*"]).await;
    place.outside().execute("UPDATE notices SET waiting = 9999", []).unwrap();
    for _ in 0..3 {
        place.run(NOW, RunStatus::Running).await;
    }
    let row = &list(&place.store, place.company).await[0];
    assert_eq!((due(&place.store).await.len(), row.failures), (1, 2));
    assert_eq!(row.last_error.as_deref(), Some("10000 messages wait already; newer ones are not kept"));
}

#[tokio::test]
async fn who_listens_is_known_after_a_restart() {
    let Place { directory, store, company, workflow } = Place::new().await;
    let all = notice(&store, company, &["*"]).await;
    drop(store);
    let store = Store::open(directory.path(), NOW).unwrap();
    let place = Place { directory, store, company, workflow };
    place.run(NOW, RunStatus::Running).await;
    assert_eq!(types(&place.store, &all).await, ["run.started"]);
}

#[tokio::test]
async fn notices_are_made_listed_and_taken_away() {
    let place = Place::new().await;
    let first = notice(&place.store, place.company, &["run.failed"]).await;
    for _ in 1..MOST_NOTICES {
        notice(&place.store, place.company, &["*"]).await;
    }
    let new = || NewNotice { url: "https://a.example".to_owned(), events: vec!["*".to_owned()] };
    let more = place.store.create_notice(place.company, new(), &by(), NOW).await;
    assert!(matches!(more, Err(NoticeError::TooMany)));
    let (other, _) = place.store.create_company("other", &by(), NOW).await.unwrap();
    let (foreign, secret) = place.store.create_notice(other, new(), &by(), NOW).await.unwrap();
    assert_eq!(list(&place.store, other).await, std::slice::from_ref(&foreign));
    assert_eq!(secret.expose_secret().len(), "whsec_".len() + 44);

    // Another company's do not exist.
    assert_eq!(place.store.delete_notice(place.company, foreign.id, &by(), NOW).await.unwrap(), None);
    assert!(place.store.test_telling(place.company, foreign.id, NOW).await.unwrap().is_none());
    assert_eq!(place.store.notice_is_well(place.company, foreign.id, &by(), NOW).await.unwrap(), None);

    place.run(NOW, RunStatus::Running).await;
    for row in list(&place.store, place.company).await {
        let deleted = place.store.delete_notice(place.company, row.id, &by(), NOW).await.unwrap();
        assert_eq!(deleted, Some(row));
    }
    assert_eq!((due(&place.store).await.len(), list(&place.store, place.company).await.len()), (0, 0));
    assert_eq!(place.store.delete_notice(place.company, first.id, &by(), NOW).await.unwrap(), None);
    place.run(NOW, RunStatus::Running).await;
    assert_eq!(place.store.put_in(0).await, 1, "nobody listens any more");

    let about = AuditFilter { object: Some(first.id.to_string()), ..AuditFilter::default() };
    let log = place.store.audit(place.company, about, newest(50)).await.unwrap().rows;
    assert_eq!(log.iter().map(|row| &*row.action).collect::<Vec<_>>(), ["notice.delete", "notice.create"]);
    let told = json!({ "url": "https://example.com/run.failed", "events": ["run.failed"], "disabled": null });
    assert_eq!((log[0].before.as_ref(), log[1].after.as_ref()), (Some(&told), Some(&told)));
}

/// A test that arrives makes a disabled notice one that is told again.
#[tokio::test]
async fn a_disabled_notice_comes_back() {
    let place = Place::new().await;
    let row = notice(&place.store, place.company, &["run.started"]).await;
    let test = place.store.test_telling(place.company, row.id, NOW).await.unwrap().unwrap();
    assert_eq!(
        body(&test),
        json!({"type": "notice.test", "timestamp": NOW.to_string(), "data": {"noticeId": row.id}})
    );
    place.store.disable(&test, "410", NOW).await.unwrap();
    place.store.disable(&test, "once more", LATER).await.unwrap();
    place.run(NOW, RunStatus::Running).await;
    let again = place.store.notice_is_well(place.company, row.id, &by(), LATER).await.unwrap();
    assert_eq!(again, Some(Notice { last_delivered_at: Some(LATER), ..row.clone() }));
    place.run(NOW, RunStatus::Running).await;
    assert_eq!(types(&place.store, &row).await, ["run.started"]);
    let about = AuditFilter { object: Some(row.id.to_string()), ..AuditFilter::default() };
    let log = place.store.audit(place.company, about, newest(50)).await.unwrap().rows;
    let told: Vec<_> = log.iter().map(|row| (&*row.action, &*row.actor.name)).collect();
    assert_eq!(told, [("notice.enable", "test"), ("notice.disable", "notices"), ("notice.create", "test")]);
}

#[tokio::test]
async fn secrets_of_notices_are_sealed_and_sealed_anew() {
    let place = Place::new().await;
    let new = NewNotice { url: "https://a.example".to_owned(), events: vec!["*".to_owned()] };
    let (row, secret) = place.store.create_notice(place.company, new, &by(), NOW).await.unwrap();
    place.run(NOW, RunStatus::Running).await;
    let read = async || due(&place.store).await[0].secret.expose_secret().to_owned();
    assert_eq!(read().await, secret.expose_secret());
    let rotated = place.store.rotate_secrets(false, &by(), NOW).await.unwrap();
    assert_eq!((rotated.secrets, rotated.old_keys_kept), (1, false));
    assert_eq!(read().await, secret.expose_secret());
    let test = place.store.test_telling(place.company, row.id, NOW).await.unwrap().unwrap();
    assert_eq!(test.secret.expose_secret(), secret.expose_secret());
    for file in ["loopfour.db", "loopfour.db-wal"] {
        let bytes = std::fs::read(place.directory.path().join(file)).unwrap_or_default();
        let bare = &secret.expose_secret()["whsec_".len()..];
        assert!(!bytes.windows(bare.len()).any(|part| part == bare.as_bytes()), "{file}");
    }
    // One that was moved to another row signs nothing, and holds up no other.
    place.outside().execute("UPDATE notices SET secret = x'0102'", []).unwrap();
    assert_eq!(read().await, "");
}

/// Whatever can be told has a name, and is asked for by it, by its family and by all.
#[test]
fn kinds_are_asked_for_by_name() {
    for kind in NoticeKind::ALL {
        let asking: Vec<_> = NoticeKind::known().filter(|known| kind.is_asked_for_by(known)).collect();
        let family = format!("{}.*", kind.name().split('.').next().unwrap());
        assert_eq!(asking, [kind.name(), "*", &family]);
    }
    assert!(!NoticeKind::RunFailed.is_asked_for_by("ru.*") && !NoticeKind::RunFailed.is_asked_for_by("run"));
    assert!(NoticeId(Uuid::nil()).to_string().starts_with("ntc_"));
}

#[tokio::test]
async fn a_dead_event_is_told_of() {
    let place = Place::new().await;
    let dead = notice(&place.store, place.company, &["event.dead"]).await;
    let id = events::keep(&place, events::event(place.company, "evt_1", &[place.workflow])).await;
    let hand_over = HandOver {
        company: place.company,
        workflow: place.workflow,
        cause: Cause::Event { event: id, again: None },
        attempts: 5,
    };
    events::fail(&place, hand_over, Some(LATER)).await;
    assert_eq!(types(&place.store, &dead).await, [""; 0], "it is tried again");
    events::fail(&place, hand_over, None).await;
    // It is not there any more.
    events::fail(&place, hand_over, None).await;
    let bodies: Vec<Json> = due(&place.store).await.iter().map(body).collect();
    let expected = json!({
        "type": "event.dead",
        "timestamp": NOW.to_string(),
        "data": {
            "eventId": id,
            "provider": "stripe",
            "providerEventId": "evt_1",
            "eventType": "invoice.paid",
            "connectionId": null,
            "workflowId": place.workflow,
            "workflowName": "Dunning",
            "reason": "broken",
        },
    });
    assert_eq!(bodies, [expected]);
}
