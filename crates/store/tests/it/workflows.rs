use loopfour_store::{Edit, StatusChange, WorkflowError, WorkflowFilter, WorkflowRow, WorkflowStatus};

use super::*;

fn edit(name: &str, source: &str) -> Edit {
    Edit {
        name: name.to_owned(),
        source: source.to_owned(),
        change_summary: None,
        expected_version: None,
        from: WorkflowStatus::LIVING.to_vec(),
        rolled_back_to: None,
    }
}

fn change(from: &[WorkflowStatus], to: WorkflowStatus) -> StatusChange {
    StatusChange { from: from.to_vec(), to, expected_version: None }
}

#[tokio::test]
async fn each_edit_makes_a_version_and_keeps_the_old_ones() {
    let place = Place::new().await;
    let (store, company, id) = (&place.store, place.company, place.workflow);
    let created = store.workflow(company, id).await.unwrap().unwrap();
    assert_eq!(
        (created.version, created.status, created.name.as_str()),
        (1, WorkflowStatus::Draft, "Dunning")
    );

    let later = Timestamp(NOW.0 + 9);
    let second = Edit {
        change_summary: Some("shorter".to_owned()),
        expected_version: Some(1),
        ..edit("Reminders", "{ \"two\": 2.50 }")
    };
    let row = store.update_workflow(company, id, second, &by(), later).await.unwrap();
    let expected = WorkflowRow { version: 2, name: "Reminders".to_owned(), updated_at: later, ..created };
    assert_eq!(row, expected);
    assert_eq!(store.workflow(company, id).await.unwrap(), Some(expected));

    let version = store.workflow_version(company, id, 2).await.unwrap().unwrap();
    assert_eq!((version.version, version.created_at), (2, later));
    assert_eq!(
        (version.source.as_str(), version.change_summary.as_deref()),
        ("{ \"two\": 2.50 }", Some("shorter"))
    );
    assert_eq!(store.workflow_version(company, id, 1).await.unwrap().unwrap().source, "{}");
    assert_eq!(store.workflow_version(company, id, 3).await.unwrap(), None);
}

#[tokio::test]
async fn changes_are_refused_by_version_and_status() {
    let place = Place::new().await;
    let (store, company, id) = (&place.store, place.company, place.workflow);
    let conflict = WorkflowError::VersionConflict { workflow: id, current: 1 };
    let stale = Edit { expected_version: Some(2), ..edit("a", "1") };
    assert_eq!(store.update_workflow(company, id, stale, &by(), NOW).await, Err(conflict.clone()));
    let stale = StatusChange {
        expected_version: Some(2),
        ..change(&[WorkflowStatus::Draft], WorkflowStatus::Active)
    };
    assert_eq!(store.set_status(company, id, stale, &by(), NOW).await, Err(conflict));

    let state = |status| Err(WorkflowError::InvalidState { workflow: id, status });
    let pause = change(&[WorkflowStatus::Active], WorkflowStatus::Paused);
    assert_eq!(store.set_status(company, id, pause.clone(), &by(), NOW).await, state(WorkflowStatus::Draft));
    let only_drafts = Edit { from: vec![WorkflowStatus::Draft], ..edit("a", "1") };
    let activated = store
        .set_status(company, id, change(&[WorkflowStatus::Draft], WorkflowStatus::Active), &by(), NOW)
        .await;
    assert_eq!(activated.unwrap().status, WorkflowStatus::Active);
    assert_eq!(
        store.update_workflow(company, id, only_drafts, &by(), NOW).await,
        state(WorkflowStatus::Active)
    );
    assert_eq!(
        store.set_status(company, id, pause, &by(), NOW).await.unwrap().status,
        WorkflowStatus::Paused
    );
    let archive = change(&WorkflowStatus::LIVING, WorkflowStatus::Archived);
    store.set_status(company, id, archive.clone(), &by(), NOW).await.unwrap();
    assert_eq!(store.set_status(company, id, archive, &by(), NOW).await, state(WorkflowStatus::Archived));
    let stale = Edit { expected_version: Some(7), ..edit("a", "1") };
    assert_eq!(store.update_workflow(company, id, stale, &by(), NOW).await, state(WorkflowStatus::Archived));
    assert_eq!(store.workflow(company, id).await.unwrap().unwrap().version, 1);

    let unknown = WorkflowId(Uuid::now_v7());
    let missing = Err(WorkflowError::Missing(unknown));
    assert_eq!(store.update_workflow(company, unknown, edit("a", "1"), &by(), NOW).await, missing);
}

#[tokio::test]
async fn of_two_edits_of_one_version_one_wins() {
    let place = Place::new().await;
    let update = async |name| {
        let edit = Edit { expected_version: Some(1), ..edit(name, "1") };
        place.store.update_workflow(place.company, place.workflow, edit, &by(), NOW).await
    };
    let (one, two) = tokio::join!(update("one"), update("two"));
    assert_eq!(one.unwrap().version, 2);
    assert_eq!(two, Err(WorkflowError::VersionConflict { workflow: place.workflow, current: 2 }));
}

#[tokio::test]
async fn the_head_in_memory_follows_every_change() {
    let place = Place::new().await;
    let Place { directory, store, company, workflow } = place;
    drop(store);
    // A store that has just been opened knows no head yet.
    let store = Store::open(directory.path(), NOW).unwrap();
    assert_eq!(store.workflow(company, workflow).await.unwrap().unwrap().version, 1);
    for version in 2..10 {
        store.update_workflow(company, workflow, edit("x", "1"), &by(), NOW).await.unwrap();
        assert_eq!(store.workflow(company, workflow).await.unwrap().unwrap().version, version);
    }
}

#[tokio::test]
async fn lists_are_paged_searched_and_leave_out_archived_ones() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let mut ids = vec![place.workflow];
    for name in ["Ärger 100%", "dunning_weekly", "Zahlung"] {
        ids.push(store.create_workflow(company, name, "{}", &by(), NOW).await.unwrap().id);
    }
    let archive = change(&WorkflowStatus::LIVING, WorkflowStatus::Archived);
    store.set_status(company, ids[3], archive, &by(), NOW).await.unwrap();
    store
        .set_status(company, ids[1], change(&[WorkflowStatus::Draft], WorkflowStatus::Active), &by(), NOW)
        .await
        .unwrap();

    let list = async |search: Option<&str>, status| {
        let filter = WorkflowFilter { status, search: search.map(str::to_owned) };
        let page = store.workflows(company, filter, newest(50)).await.unwrap();
        page.rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None).await, [ids[2], ids[1], ids[0]]);
    assert_eq!(list(None, Some(WorkflowStatus::Archived)).await, [ids[3]]);
    assert_eq!(list(None, Some(WorkflowStatus::Active)).await, [ids[1]]);
    assert_eq!(list(Some("DUNNING"), None).await, [ids[2], ids[0]]);
    assert_eq!(list(Some("är"), None).await, [ids[1]]);
    assert_eq!(list(Some("%"), None).await, [ids[1]]);
    assert_eq!(list(Some("g_w"), None).await, [ids[2]]);
    assert_eq!(list(Some("zahlung"), None).await, []);

    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let span = Span { order: Order::Ascending, after, limit: 1 };
        let page = store.workflows(company, WorkflowFilter::default(), span).await.unwrap();
        seen.extend(page.rows.iter().map(|row| row.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids[..3]);
}
