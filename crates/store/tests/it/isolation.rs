use loopfour_engine::ports::Journal as _;
use loopfour_store::{
    CompanyError, Edit, NewKey, RunFilter, Scope, StatusChange, WorkflowError, WorkflowFilter, WorkflowStatus,
};

use super::*;

/// Every query that takes a company, asked by another one.
#[tokio::test]
async fn rows_of_another_company_do_not_exist() {
    let place = Place::new().await;
    let (store, company, workflow) = (&place.store, place.company, place.workflow);
    let run = place.run(NOW, RunStatus::Running).await;
    let key = || NewKey { name: "ci".to_owned(), scopes: vec![Scope::Admin], expires_at: None, member: None };
    let (id, secret) = store.create_key(company, key(), &by(), NOW).await.unwrap();
    let other = store.create_company("other", &by(), NOW).await.unwrap().0;

    // With the head in memory and without.
    assert!(store.workflow(company, workflow).await.unwrap().is_some());
    assert_eq!(store.workflow(other, workflow).await.unwrap(), None);
    assert_eq!(store.workflow_version(other, workflow, 1).await.unwrap(), None);
    let edit = Edit {
        name: "mine now".to_owned(),
        source: "{}".to_owned(),
        change_summary: None,
        expected_version: None,
        from: WorkflowStatus::LIVING.to_vec(),
        rolled_back_to: None,
    };
    let missing = Err(WorkflowError::Missing(workflow));
    assert_eq!(store.update_workflow(other, workflow, edit, &by(), NOW).await, missing);
    let change = StatusChange {
        from: vec![WorkflowStatus::Draft],
        to: WorkflowStatus::Archived,
        expected_version: None,
    };
    assert_eq!(store.set_status(other, workflow, change, &by(), NOW).await, missing);
    assert_eq!(store.workflows(other, WorkflowFilter::default(), newest(50)).await.unwrap().rows, []);

    assert_eq!(store.run(other, run).await.unwrap(), None);
    assert_eq!(store.entries(other, run, 0).await.unwrap(), []);
    for filter in
        [RunFilter::default(), RunFilter { workflow: Some(workflow), status: Some(RunStatus::Running) }]
    {
        assert_eq!(store.runs(other, filter, newest(50)).await.unwrap().rows, []);
        assert_eq!(store.runs(company, filter, newest(50)).await.unwrap().rows.len(), 1);
    }

    let keys = store.keys(other, newest(50)).await.unwrap().rows;
    assert!(keys.len() == 1 && keys[0].name == "first", "its own only: {keys:?}");
    assert_eq!(store.revoke_key(other, id, &by(), NOW).await.unwrap(), None);
    assert_eq!(store.authenticate(secret.reveal(), NOW).await.unwrap().unwrap().company, company);
    let (_, secret) = store.create_key(other, key(), &by(), NOW).await.unwrap();
    assert_eq!(store.authenticate(secret.reveal(), NOW).await.unwrap().unwrap().company, other);
    assert_eq!(store.workflow(company, workflow).await.unwrap().unwrap().version, 1);
}

#[tokio::test]
async fn a_head_in_memory_belongs_to_its_company() {
    let Place { directory, store, company, workflow } = Place::new().await;
    let other = store.create_company("other", &by(), NOW).await.unwrap().0;
    drop(store);
    let store = Store::open(directory.path(), NOW).unwrap();
    assert_eq!(store.workflow(other, workflow).await.unwrap(), None);
    assert!(store.workflow(company, workflow).await.unwrap().is_some());
}

#[tokio::test]
async fn a_run_cannot_take_another_companys_workflow() {
    let mut place = Place::new().await;
    place.company = place.store.create_company("other", &by(), NOW).await.unwrap().0;
    let expected = JournalError::Missing(format!("version 1 of {}", place.workflow));
    assert_eq!(place.store.append(place.start(NOW, None)).await, Err(expected));
}

#[tokio::test]
async fn companies_have_names_of_their_own() {
    let place = Place::new().await;
    assert_ne!(place.store.create_company("other", &by(), NOW).await.unwrap().0, place.company);
    let taken = |name: &str| Err(CompanyError::Exists(name.to_owned()));
    assert_eq!(place.store.create_company("other", &by(), NOW).await, taken("other"));
    assert_eq!(place.store.create_company("default", &by(), NOW).await, taken("default"));
}

/// What spec 2 asks of the schema.
#[tokio::test]
async fn every_table_carries_the_company() {
    let place = Place::new().await;
    let sql =
        "SELECT name FROM sqlite_schema s WHERE type = 'table' AND name NOT IN ('companies', 'migrations', 'meta')
               AND NOT EXISTS (SELECT 1 FROM pragma_table_info(s.name) WHERE name = 'company')";
    let db = place.outside();
    let mut statement = db.prepare(sql).unwrap();
    let without: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(without.is_empty(), "{without:?}");
}
