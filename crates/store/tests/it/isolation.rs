use loopfour_engine::connections::{
    Connection, ConnectionStatus, ConnectionStore as _, KeepError, SecretChange,
};
use loopfour_engine::ports::Journal as _;
use loopfour_store::{
    AuditFilter, CompanyError, ConnectionFilter, Edit, KeyError, MemberChange, MemberError, MemberRow,
    NewKey, Role, RunFilter, Scope, SessionOf, StatusChange, WorkflowError, WorkflowFilter, WorkflowStatus,
};

use secrecy::SecretString;

use super::connections::{connection, keep, secrets, set};
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

/// The same of people, connections and the audit log.
#[tokio::test]
async fn people_and_connections_of_another_company_do_not_exist() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let (other, _) = store.create_company("other", &by(), NOW).await.unwrap();
    let ada = store.create_member(company, "ada@example.com", Role::Viewer, &by(), NOW).await.unwrap();
    let key = |member| NewKey { name: "ci".to_owned(), scopes: vec![Scope::Admin], expires_at: None, member };
    let (id, _) = store.create_key(company, key(Some(ada.id)), &by(), NOW).await.unwrap();

    assert_eq!(store.members(other, newest(50)).await.unwrap().rows, []);
    assert_eq!(store.member(other, ada.id).await.unwrap(), None);
    let missing = MemberError::Missing(ada.id);
    let change = MemberChange { role: Some(Role::Admin), active: Some(false) };
    assert_eq!(store.update_member(other, ada.id, change, &by(), NOW).await, Err(missing.clone()));
    assert_eq!(store.invite(other, ada.id, &by(), NOW).await, Err(missing.clone()));
    let foreign = MemberRow { company: other, ..ada.clone() };
    assert_eq!(store.bind_identity(&foreign, "https://id", "1", &by(), NOW).await, Err(missing.clone()));
    assert_eq!(store.open_session(other, SessionOf::Member(ada.id), &by(), NOW).await, Err(missing));
    let inactive = MemberError::Inactive(id.to_string());
    assert_eq!(store.open_session(other, SessionOf::Key(id), &by(), NOW).await, Err(inactive));
    let made = store.create_key(other, key(Some(ada.id)), &by(), NOW).await.map(drop);
    assert_eq!(made, Err(KeyError::Member(ada.id)));
    assert_eq!(store.member(company, ada.id).await.unwrap(), Some(ada));

    let row = connection(company, "main");
    keep(store, &row, set("rk_test_1")).await.unwrap();
    let webhooks = || vec![SecretString::from("whsec_1")];
    store.keep_webhook_secrets(company, row.id, webhooks(), &by()).await.unwrap();
    let uses = format!(r#"{{"connectionId": "{}"}}"#, row.id);
    store.create_workflow(company, "uses it", &uses, &by(), NOW).await.unwrap();
    let listed = async |company| {
        store.connections(company, ConnectionFilter::default(), newest(50), NOW).await.unwrap().rows.len()
    };
    assert_eq!((listed(other).await, listed(company).await), (0, 1));
    assert_eq!(store.connection(other, row.id, NOW).await.unwrap(), None);
    assert!(store.webhook_secrets(other, row.id).await.unwrap().is_empty());
    assert!(store.keep_webhook_secrets(other, row.id, vec![], &by()).await.is_err());
    assert_eq!(store.workflows_using(other, row.id).await.unwrap(), []);
    let stolen = Connection { company: other, status: ConnectionStatus::Pending, ..row.clone() };
    assert!(matches!(keep(store, &stolen, set("rk_test_2")).await, Err(KeepError::Storage(_))));
    store.forget(other, row.id).await.unwrap();
    assert_eq!(store.connection(company, row.id, NOW).await.unwrap(), Some(row.clone()));
    assert_eq!(store.webhook_secrets(company, row.id).await.unwrap().len(), 1);
    assert_eq!(secrets(store).await, [("main".to_owned(), Some("rk_test_1".to_owned()))]);
    // A name is the company's own.
    assert_eq!(keep(store, &connection(other, "main"), SecretChange::Keep).await, Ok(()));

    let (mine, others) = (store.audit_head(company).await.unwrap(), store.audit_head(other).await.unwrap());
    assert_eq!(others.count, 3, "its making, its key, its connection");
    let log = store.audit(other, AuditFilter::default(), newest(50)).await.unwrap().rows;
    assert_eq!(log.len(), 3);
    assert_eq!(store.audit_part(other, 0, mine.count, 50).await.unwrap().len(), 3);
    let about = AuditFilter { object: Some(row.id.to_string()), ..AuditFilter::default() };
    assert_eq!(store.audit(other, about, newest(50)).await.unwrap().rows, []);
}

/// A session and a link cannot lead from one company to another, whoever writes the row.
#[tokio::test]
async fn the_schema_ties_people_to_their_company() {
    let place = Place::new().await;
    let (other, _) = place.store.create_company("other", &by(), NOW).await.unwrap();
    let ada =
        place.store.create_member(place.company, "a@b.example", Role::Viewer, &by(), NOW).await.unwrap();
    let db = place.outside();
    db.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    for sql in [
        "INSERT INTO sessions (hash, company, member, created_at, expires_at) VALUES (x'01', ?1, ?2, 0, 0)",
        "INSERT INTO login_links (hash, company, member, created_at, expires_at) VALUES (x'01', ?1, ?2, 0, 0)",
    ] {
        let insert = |company: CompanyId| {
            db.execute(sql, rusqlite::params![company.0.as_bytes(), ada.id.0.as_bytes()])
        };
        assert_eq!(insert(other).unwrap_err().to_string(), "FOREIGN KEY constraint failed", "{sql}");
        assert_eq!(insert(place.company), Ok(1));
    }
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
