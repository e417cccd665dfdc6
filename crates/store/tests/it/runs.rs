use loopfour_engine::ports::Journal as _;
use loopfour_engine::{Receipt, StepError, WaitReason, Waiting};
use loopfour_store::RunFilter;

use super::*;

/// Walks all pages of that size and gives the ids in the order in which they came.
async fn walk(place: &Place, filter: RunFilter, order: Order, limit: u32) -> Vec<RunId> {
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let page = place.store.runs(place.company, filter, Span { order, after, limit }).await.unwrap();
        assert!(page.rows.len() <= limit as usize);
        assert!(page.next.is_none() || page.rows.len() == limit as usize);
        ids.extend(page.rows.iter().map(|run| run.row.id));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn pages_hold_every_run_once_in_both_orders_over_equal_times() {
    let mut place = Place::new().await;
    let statuses = [RunStatus::Completed, RunStatus::Running, RunStatus::Failed];
    let mut all = Vec::new();
    for number in 0..24_usize {
        if number == 12 {
            place.workflow = place.store.create_workflow(place.company, "Other", "{}", NOW).await.unwrap().id;
        }
        // Eight runs share each instant.
        let at = Timestamp(NOW.0 + i64::try_from(number / 8).unwrap());
        let status = statuses[number % 3];
        all.push((at, place.run(at, status).await, status, place.workflow));
    }
    all.sort_by_key(|(at, run, ..)| (*at, *run));
    let filters = [None, Some(RunStatus::Running), Some(RunStatus::Cancelled)]
        .into_iter()
        .flat_map(|status| [None, Some(place.workflow)].map(|workflow| RunFilter { workflow, status }));
    for filter in filters {
        let fits = |row: &&(Timestamp, RunId, RunStatus, WorkflowId)| {
            filter.status.is_none_or(|status| status == row.2)
                && filter.workflow.is_none_or(|workflow| workflow == row.3)
        };
        let ascending: Vec<RunId> = all.iter().filter(fits).map(|row| row.1).collect();
        let descending: Vec<RunId> = ascending.iter().rev().copied().collect();
        for limit in [1, 4, 8, 100] {
            assert_eq!(
                walk(&place, filter, Order::Ascending, limit).await,
                ascending,
                "{filter:?} by {limit}"
            );
            assert_eq!(
                walk(&place, filter, Order::Descending, limit).await,
                descending,
                "{filter:?} by {limit}"
            );
        }
    }
}

#[tokio::test]
async fn rows_that_come_between_two_pages_shift_nothing() {
    let place = Place::new().await;
    let old = [place.run(NOW, RunStatus::Running).await, place.run(NOW, RunStatus::Running).await];
    let first = place.store.runs(place.company, RunFilter::default(), newest(1)).await.unwrap();
    place.run(Timestamp(NOW.0 + 1), RunStatus::Running).await;
    let span = Span { after: first.next, ..newest(1) };
    let second = place.store.runs(place.company, RunFilter::default(), span).await.unwrap();
    assert_eq!((first.rows[0].row.id, second.rows[0].row.id), (old[1], old[0]));
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn a_list_shows_input_output_and_error_from_the_journal() {
    let place = Place::new().await;
    let store = &place.store;
    let completed = place.run(NOW, RunStatus::Running).await;
    let output = Event::StepSucceeded {
        path: StepPath("pay".to_owned()),
        epoch: 1,
        output: Value::from("the output"),
        receipt: Receipt::default(),
    };
    let entries = [output, Event::RunCompleted { output: None }];
    let end = Timestamp(NOW.0 + 5);
    let summary = Summary { completed_at: Some(end), output_at: Some(2), ..summary(RunStatus::Completed) };
    append(store, completed, entries.into(), summary.clone()).await;

    let failed = place.run(NOW, RunStatus::Running).await;
    let error = Box::new(StepError::new("card_declined", "your card was declined", "use another"));
    let summary = Summary { output_at: None, status: RunStatus::Failed, ..summary };
    append(store, failed, vec![Event::RunFailed { error: error.clone() }], summary.clone()).await;

    let waiting = place.run(NOW, RunStatus::Running).await;
    let reason = Waiting { reason: WaitReason::OutcomeUnknown, step_id: None, error: Some(*error.clone()) };
    let summary =
        Summary { status: RunStatus::Waiting, waiting: Some(reason.clone()), completed_at: None, ..summary };
    append(store, waiting, vec![Event::StepSkipped { path: StepPath("a".to_owned()) }], summary).await;

    let page = store.runs(place.company, RunFilter::default(), newest(50)).await.unwrap();
    let find = |id| page.rows.iter().find(|run| run.row.id == id).unwrap();
    assert!(page.rows.iter().all(|run| run.input == Value::from("the input")));
    let run = find(completed);
    assert_eq!((&run.output, &run.error), (&Some(Value::from("the output")), &None));
    assert_eq!((run.row.completed_at, run.row.length, run.row.output_at), (Some(end), 3, Some(2)));
    let run = find(failed);
    assert_eq!((&run.output, &run.error), (&None, &Some(*error)));
    let run = find(waiting);
    assert_eq!((&run.row.waiting, &run.output, &run.error), (&Some(reason), &None, &None));
    assert_eq!(store.run(place.company, waiting).await.unwrap().as_ref(), Some(&run.row));
}

async fn append(store: &Store, run: RunId, events: Vec<Event>, summary: Summary) {
    let entries = (2..).zip(events).map(|(seq, event)| Entry { seq, at: NOW, event }).collect();
    store.append(Append { run, expected: 1, entries, summary }).await.unwrap();
}

#[tokio::test]
async fn lists_are_index_look_ups() {
    let place = Place::new().await;
    let db = place.outside();
    let plan = |sql: &str| -> String {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    let check = |owner: &str, expected: &str| {
        let sql = format!(
            "SELECT * FROM runs WHERE {owner} = x'00' AND status = 'running' AND (created_at, id) < (1, x'00')
             ORDER BY created_at DESC, id DESC LIMIT 50"
        );
        assert_eq!(plan(&sql), expected);
    };
    let condition = "=? AND status=? AND (created_at,id)<(?,?))";
    check("company", &format!("SEARCH runs USING INDEX runs_by_status (company{condition}"));
    check("workflow", &format!("SEARCH runs USING INDEX runs_by_workflow (workflow{condition}"));
}
