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
            place.workflow =
                place.store.create_workflow(place.company, "Other", "{}", &by(), NOW).await.unwrap().id;
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
        output: Value::from("the output").into(),
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
    let reason = Waiting {
        reason: WaitReason::OutcomeUnknown,
        step_id: None,
        until: None,
        then: None,
        error: Some(*error.clone()),
    };
    let summary =
        Summary { status: RunStatus::Waiting, waiting: Some(reason.clone()), completed_at: None, ..summary };
    append(store, waiting, vec![Event::StepSkipped { path: StepPath("a".to_owned()) }], summary).await;

    let page = store.runs(place.company, RunFilter::default(), newest(50)).await.unwrap();
    let find = |id| page.rows.iter().find(|run| run.row.id == id).unwrap();
    assert!(page.rows.iter().all(|run| run.input == Value::from("the input")));
    let run = find(completed);
    assert_eq!((&run.output, &run.error), (&Some(Value::from("the output").into()), &None));
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
    assert_eq!(
        plan(
            "SELECT id, name FROM workflows WHERE company = x'00' AND status = 'draft' AND instr(search, 'a') > 0
              AND (created_at, id) > (1, x'00') ORDER BY created_at ASC, id ASC LIMIT 50"
        ),
        "SEARCH workflows USING INDEX workflows_by_status (company=? AND status=? AND (created_at,id)>(?,?))"
    );
    assert_eq!(
        plan(
            "SELECT version, change_summary FROM workflow_versions WHERE workflow = x'00' AND company = x'00' AND version < 9
              ORDER BY version DESC LIMIT 50"
        ),
        "SEARCH workflow_versions USING INDEX sqlite_autoindex_workflow_versions_1 (workflow=? AND version<?)"
    );
    assert_eq!(
        plan("SELECT id, name FROM keys WHERE company = x'00' AND revoked_at IS NULL AND (created_at, id) < (1, x'00')
              ORDER BY created_at DESC, id DESC LIMIT 50"),
        "SEARCH keys USING INDEX keys_by_time (company=? AND (created_at,id)<(?,?))"
    );
    assert_eq!(
        plan(
            "SELECT seq, body FROM events WHERE run = x'00' AND seq > 1 AND company = x'00' ORDER BY seq ASC LIMIT 50"
        ),
        "SEARCH events USING INDEX sqlite_autoindex_events_1 (run=? AND seq>?)"
    );
    let condition = "=? AND status=? AND (created_at,id)<(?,?))";
    check("company", &format!("SEARCH runs USING INDEX runs_by_status (company{condition}"));
    check("workflow", &format!("SEARCH runs USING INDEX runs_by_workflow (workflow{condition}"));
}

#[tokio::test]
async fn two_hundred_thousand_rows_are_paged_through_once_each() {
    const ROWS: i64 = 200_000;
    let place = Place::new().await;
    // Straight into the table: the journal of each would take minutes. Seven of them share each instant.
    place
        .outside()
        .execute(
            "INSERT INTO runs (id, company, workflow, version, status, trigger, created_at, length)
             WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?3 - 1)
             SELECT unhex(printf('%032x', n * 7919 % ?3)), ?1, ?2, 1,
                    CASE n % 3 WHEN 0 THEN 'completed' WHEN 1 THEN 'failed' ELSE 'waiting' END, 'api', n / 7, 1
             FROM numbers",
            rusqlite::params![place.company.0.as_bytes(), place.workflow.0.as_bytes(), ROWS],
        )
        .unwrap();
    let ids = walk(&place, RunFilter::default(), Order::Descending, 100).await;
    assert_eq!(ids.len(), usize::try_from(ROWS).unwrap());
    let different: std::collections::HashSet<RunId> = ids.into_iter().collect();
    assert_eq!(different.len(), usize::try_from(ROWS).unwrap());
}
