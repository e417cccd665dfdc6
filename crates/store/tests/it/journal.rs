use loopfour_engine::ports::{Due, Journal as _, Unfinished};
use loopfour_engine::{WaitReason, Waiting};
use tokio::task::JoinSet;

use super::*;

#[track_caller]
fn check_append(result: Result<(), JournalError>, expected: Result<(), JournalError>) {
    assert_eq!(result, expected);
}

#[tokio::test]
async fn entries_are_read_back_in_order() {
    let place = Place::new().await;
    let start = place.start(NOW, None);
    let more = skips(start.run, 1, 3);
    place.store.append(start.clone()).await.unwrap();
    place.store.append(more.clone()).await.unwrap();
    let expected: Vec<Entry> = start.entries.iter().chain(more.entries.iter()).cloned().collect();
    assert_eq!(place.store.load(start.run).await.unwrap(), expected);
    assert_eq!(place.store.entries(place.company, start.run, 2).await.unwrap(), expected[2..]);
    assert_eq!(place.store.entries(place.company, start.run, 4).await.unwrap(), []);
    assert_eq!(place.store.load(RunId(Uuid::now_v7())).await.unwrap(), []);
    let row = place.store.run(place.company, start.run).await.unwrap().unwrap();
    assert_eq!((row.length, row.version, row.workflow, row.created_at), (4, 1, place.workflow, NOW));
}

#[tokio::test]
async fn a_batch_that_does_not_fit_leaves_no_trace() {
    let place = Place::new().await;
    let store = &place.store;
    let start = place.start(NOW, None);
    let run = start.run;
    store.append(start.clone()).await.unwrap();
    store.append(skips(run, 1, 1)).await.unwrap();
    let before = (store.load(run).await.unwrap(), store.run(place.company, run).await.unwrap());
    let conflict = Err(JournalError::Conflict { run });

    check_append(store.append(skips(run, 1, 2)).await, conflict.clone());
    check_append(store.append(skips(run, 3, 1)).await, conflict.clone());
    check_append(store.append(start).await, conflict.clone());
    let mut gap = skips(run, 2, 2).entries.to_vec();
    gap[1].seq = 5;
    check_append(store.append(Append { entries: gap.into(), ..skips(run, 2, 2) }).await, conflict);

    let unknown = RunId(Uuid::now_v7());
    check_append(store.append(skips(unknown, 1, 1)).await, Err(JournalError::Missing(unknown.to_string())));
    let headless = Err(JournalError::Missing(format!("the start of {unknown}")));
    check_append(store.append(skips(unknown, 0, 1)).await, headless.clone());
    check_append(store.append(skips(unknown, 0, 0)).await, headless.clone());
    let other = Append { run: unknown, ..place.start(NOW, None) };
    check_append(store.append(other).await, headless);

    assert_eq!((store.load(run).await.unwrap(), store.run(place.company, run).await.unwrap()), before);
    assert_eq!(store.load(unknown).await.unwrap(), []);
}

#[tokio::test]
async fn a_run_of_a_version_that_does_not_exist_is_refused() {
    let place = Place::new().await;
    let mut start = place.start(NOW, None);
    let Event::RunStarted { version, .. } = &mut Arc::get_mut(&mut start.entries).unwrap()[0].event else {
        panic!()
    };
    *version = 2;
    let expected = JournalError::Missing(format!("version 2 of {}", place.workflow));
    let run = start.run;
    check_append(place.store.append(start).await, Err(expected));
    assert_eq!(place.store.run(place.company, run).await.unwrap(), None);
}

#[tokio::test]
async fn a_batch_that_breaks_in_the_middle_is_taken_back_whole() {
    let place = Place::new().await;
    let broken = place.run(NOW, RunStatus::Running).await;
    let sound = place.run(NOW, RunStatus::Running).await;
    // Takes the place of the run's third entry, so that the insert fails after the row and the second are written.
    let stray = "INSERT INTO events (run, seq, company, at, body) VALUES (?1, 3, ?2, 0, '')";
    place.outside().execute(stray, [broken.0.as_bytes(), place.company.0.as_bytes()]).unwrap();

    let (one, other) =
        tokio::join!(place.store.append(skips(broken, 1, 2)), place.store.append(skips(sound, 1, 2)));
    assert!(matches!(one, Err(JournalError::Storage(_))), "{one:?}");
    check_append(other, Ok(()));
    assert_eq!(place.store.run(place.company, broken).await.unwrap().unwrap().length, 1);
    assert_eq!(place.store.run(place.company, sound).await.unwrap().unwrap().length, 3);
    let second = "SELECT count(*) FROM events WHERE run = ?1 AND seq = 2";
    let left: i64 = place.outside().query_row(second, [broken.0.as_bytes()], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_appends_at_once_those_that_do_not_fit_fail_alone() {
    let place = Place::new().await;
    let mut tasks = JoinSet::new();
    let mut runs = Vec::new();
    for number in 0..200_u64 {
        let start = place.start(NOW, None);
        let (run, store) = (start.run, place.store.clone());
        runs.push(run);
        tasks.spawn(async move {
            store.append(start).await.unwrap();
            // Every tenth is wrong about the journal.
            let expected = if number.is_multiple_of(10) { 2 } else { 1 };
            let result = store.append(skips(run, expected, 2)).await;
            assert_eq!(result.is_err(), expected == 2, "{result:?}");
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    for (number, run) in runs.into_iter().enumerate() {
        let length = if number.is_multiple_of(10) { 1 } else { 3 };
        assert_eq!(place.store.load(run).await.unwrap().len(), length);
    }
}

#[tokio::test]
async fn of_writers_of_one_journal_one_wins() {
    let place = Place::new().await;
    let run = place.run(NOW, RunStatus::Running).await;
    let append = || place.store.append(skips(run, 1, 1));
    let results: [_; 3] = tokio::join!(append(), append(), append()).into();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert_eq!(place.store.load(run).await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_same_idempotency_key_starts_one_run_in_24_hours() {
    let place = Place::new().await;
    let store = &place.store;
    let day = 24 * 60 * 60 * 1000;
    let first = place.start(NOW, Some("order-7"));
    let run = first.run;
    store.append(first.clone()).await.unwrap();
    let exists = Err(JournalError::Exists { run });

    let repeated = place.start(NOW, Some("order-7"));
    check_append(store.append(repeated.clone()).await, exists.clone());
    assert_eq!(store.load(repeated.run).await.unwrap(), []);
    check_append(
        store.append(place.start(Timestamp(NOW.0 + day - 1), Some("order-7"))).await,
        exists.clone(),
    );
    check_append(store.append(first).await, exists);
    check_append(store.append(place.start(NOW, Some("Order-7"))).await, Ok(()));
    check_append(store.append(place.start(NOW, None)).await, Ok(()));

    let later = place.start(Timestamp(NOW.0 + day), Some("order-7"));
    let second = later.run;
    check_append(store.append(later).await, Ok(()));
    let third = place.start(Timestamp(NOW.0 + day + 1), Some("order-7"));
    check_append(store.append(third).await, Err(JournalError::Exists { run: second }));
}

#[tokio::test]
async fn of_many_starts_at_once_with_one_key_one_wins() {
    let place = Place::new().await;
    let starts = || place.start(NOW, Some("order-7"));
    let (one, two) = (starts(), starts());
    let winner = one.run;
    let results = tokio::join!(place.store.append(one), place.store.append(two));
    assert_eq!(results, (Ok(()), Err(JournalError::Exists { run: winner })));
}

#[tokio::test]
async fn the_same_idempotency_key_of_another_workflow_is_another_key() {
    let mut place = Place::new().await;
    place.store.append(place.start(NOW, Some("order-7"))).await.unwrap();
    place.workflow = place.store.create_workflow(place.company, "Other", "{}", &by(), NOW).await.unwrap().id;
    check_append(place.store.append(place.start(NOW, Some("order-7"))).await, Ok(()));
}

#[tokio::test]
async fn unfinished_runs_are_listed_oldest_first() {
    let mut place = Place::new().await;
    let newest = place.run(Timestamp(NOW.0 + 2), RunStatus::Waiting).await;
    for status in [RunStatus::Completed, RunStatus::Failed, RunStatus::Cancelled, RunStatus::Timeout] {
        place.run(NOW, status).await;
    }
    let oldest = place.run(NOW, RunStatus::Pending).await;
    place.company = place.store.create_company("other", &by(), NOW).await.unwrap().0;
    place.workflow = place.store.create_workflow(place.company, "Other", "{}", &by(), NOW).await.unwrap().id;
    let middle = place.run(Timestamp(NOW.0 + 1), RunStatus::Running).await;
    let unfinished = async || place.store.unfinished().await.unwrap();
    assert_eq!(unfinished().await.iter().map(|run| run.run).collect::<Vec<_>>(), [oldest, middle, newest]);

    let end = Append { summary: summary(RunStatus::Failed), ..skips(middle, 1, 1) };
    place.store.append(end).await.unwrap();
    assert_eq!(unfinished().await.iter().map(|run| run.run).collect::<Vec<_>>(), [oldest, newest]);
}

#[tokio::test]
async fn unfinished_runs_say_when_they_go_on() {
    let place = Place::new().await;
    let waits = |reason, due_at| {
        let waiting = Waiting { reason, step_id: None, until: None, then: None, error: None };
        Summary { waiting: Some(waiting), due_at, ..summary(RunStatus::Waiting) }
    };
    let later = Timestamp(NOW.0 + 5);
    let rows = [
        (summary(RunStatus::Pending), Due::Now),
        (Summary { due_at: Some(later), ..summary(RunStatus::Running) }, Due::Now),
        (waits(WaitReason::Connection, Some(later)), Due::Now),
        (waits(WaitReason::Storage, None), Due::Now),
        (waits(WaitReason::Timer, Some(later)), Due::At(later)),
        (waits(WaitReason::OutcomeUnknown, Some(later)), Due::At(later)),
        (waits(WaitReason::OutcomeUnknown, None), Due::Never),
    ];
    for (summary, due) in rows {
        let batch = Append { summary: summary.clone(), ..place.start(NOW, None) };
        let run = batch.run;
        place.store.append(batch).await.unwrap();
        let unfinished = place.store.unfinished().await.unwrap();
        let found = unfinished.into_iter().find(|found| found.run == run);
        assert_eq!(found, Some(Unfinished { run, due, turn: None }), "{summary:?}");
    }
}

#[tokio::test]
async fn when_a_run_goes_on_is_kept_with_every_batch() {
    let place = Place::new().await;
    let run = place.run(NOW, RunStatus::Running).await;
    let due = async || place.store.run(place.company, run).await.unwrap().unwrap().due_at;
    assert_eq!(due().await, None);
    for (expected, status) in [(1, RunStatus::Running), (2, RunStatus::Waiting)] {
        let due_at = Some(Timestamp(NOW.0 + 7));
        let batch = Append { summary: Summary { due_at, ..summary(status) }, ..skips(run, expected, 1) };
        place.store.append(batch).await.unwrap();
        assert_eq!(due().await, due_at);
    }
}

#[tokio::test]
async fn a_definition_is_the_text_as_it_was_stored() {
    let place = Place::new().await;
    let odd = " {\"b\":1.10,\r\n\t\"a\":\"\u{0} é 😀\"} ";
    let workflow = place.store.create_workflow(place.company, "Odd", odd, &by(), NOW).await.unwrap().id;
    assert_eq!(place.store.definition(workflow, 1).await.as_deref(), Ok(odd));
    let missing = JournalError::Missing(format!("version 2 of {workflow}"));
    assert_eq!(place.store.definition(workflow, 2).await, Err(missing));
}

#[tokio::test]
async fn everything_is_there_after_the_last_handle_is_dropped() {
    let place = Place::new().await;
    let run = place.run(NOW, RunStatus::Running).await;
    tokio::select! {
        biased;
        _ = place.store.append(skips(run, 1, 4)) => {}
        // Asked for and then given up: closing finishes it all the same.
        () = std::future::ready(()) => {}
    }
    let Place { directory, store, company, .. } = place;
    drop(store);
    assert!(!directory.path().join("loopfour.db-wal").exists(), "closing moves the log into the database");
    let store = Store::open(directory.path(), NOW).unwrap();
    assert_eq!(store.default_company(), company);
    assert_eq!(store.load(run).await.unwrap().len(), 5);
}
