//! Connections as they are kept: rows without secrets for everybody, secrets sealed and only by the port.

use loopfour_engine::ConnectionId;
use loopfour_engine::connections::{
    Attempt, AttemptState, Connection, ConnectionSettings, ConnectionStatus, ConnectionStore, EventSource,
    KeepError, SecretChange, Source,
};
use loopfour_store::{AuditFilter, ConnectionFilter, WorkflowStatus};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::*;

/// A new active connection of the company.
pub fn connection(company: CompanyId, name: &str) -> Connection {
    Connection {
        id: ConnectionId(Uuid::now_v7()),
        company,
        name: name.to_owned(),
        provider: "stripe".to_owned(),
        status: ConnectionStatus::Active,
        source: Source::ApiKey,
        mode: Some("test".to_owned()),
        external_account_id: Some("acct_1".to_owned()),
        former_account: Some("acct_0".to_owned()),
        same_accounts: vec!["key:abc".to_owned()],
        settings: ConnectionSettings {
            stripe_account: Some("acct_2".to_owned()),
            api_version: None,
            pace: Some("off".to_owned()),
            events: EventSource::Poll,
        },
        last_error: Some("nothing".to_owned()),
        last_synced_at: Some(NOW),
        attempt: None,
        created_at: NOW,
        updated_at: NOW,
    }
}

/// A pending one whose try ends then.
fn pending(company: CompanyId, name: &str, end: Timestamp) -> Connection {
    let attempt = Attempt {
        id: Uuid::now_v7(),
        expires_at: end,
        redirect_url: Some("https://app.example/x".to_owned()),
        state: AttemptState::Open,
    };
    Connection {
        status: ConnectionStatus::Pending,
        source: Source::Nango { integration: "stripe".to_owned(), connection: None },
        attempt: Some(attempt),
        ..connection(company, name)
    }
}

pub fn set(secret: &str) -> SecretChange {
    SecretChange::Set(SecretString::from(secret))
}

pub async fn keep(store: &Store, connection: &Connection, secret: SecretChange) -> Result<(), KeepError> {
    store.keep(connection, secret, &by(), "connection.create").await
}

/// Every connection with its secret. The store has another `load`, the journal's.
pub async fn loaded(store: &Store) -> Result<Vec<(Connection, Option<SecretString>)>, KeepError> {
    ConnectionStore::load(store).await
}

/// Every connection with its secret, by name.
pub async fn secrets(store: &Store) -> Vec<(String, Option<String>)> {
    let loaded = loaded(store).await.unwrap().into_iter();
    let shown = |secret: SecretString| secret.expose_secret().to_owned();
    let mut secrets: Vec<_> = loaded.map(|(row, secret)| (row.name, secret.map(shown))).collect();
    secrets.sort();
    secrets
}

#[tokio::test]
async fn a_connection_comes_back_as_it_was_kept() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let one = connection(company, "main");
    let two = pending(company, "new", Timestamp(NOW.0 + 1));
    keep(store, &one, set("rk_test_1")).await.unwrap();
    keep(store, &two, SecretChange::Keep).await.unwrap();
    assert_eq!(store.connection(company, one.id, NOW).await.unwrap(), Some(one.clone()));
    assert_eq!(store.connection(company, two.id, NOW).await.unwrap(), Some(two.clone()));
    let named = |name: &str, secret: Option<&str>| (name.to_owned(), secret.map(str::to_owned));
    assert_eq!(secrets(store).await, [named("main", Some("rk_test_1")), named("new", None)]);

    for status in ConnectionStatus::ALL {
        let changed = Connection {
            status,
            name: format!("is {status}"),
            attempt: two.attempt.clone(),
            updated_at: Timestamp(NOW.0 + 5),
            ..one.clone()
        };
        store.keep(&changed, SecretChange::Keep, &by(), "connection.change").await.unwrap();
        assert_eq!(store.connection(company, one.id, NOW).await.unwrap(), Some(changed));
    }
    assert_eq!(secrets(store).await[0].1.as_deref(), Some("rk_test_1"), "it stays");
    keep(store, &one, set("rk_test_2")).await.unwrap();
    assert_eq!(secrets(store).await[0].1.as_deref(), Some("rk_test_2"));
    keep(store, &one, SecretChange::Erase).await.unwrap();
    assert_eq!(secrets(store).await[0].1, None);

    let row = store.audit(company, AuditFilter::default(), newest(1)).await.unwrap().rows.remove(0);
    assert_eq!((&*row.action, row.object_id), ("connection.create", one.id.to_string()));
    let (before, after) = (row.before.unwrap(), row.after.unwrap());
    assert_eq!((&before["name"], &after["name"]), (&json!("main"), &json!("main")));
    assert_eq!(after["settings"]["stripeAccount"], json!("acct_2"));
    let attempt = two.attempt.unwrap().id.to_string();
    let all = store.audit(company, AuditFilter::default(), newest(100)).await.unwrap().rows;
    assert!(!format!("{all:?}").contains(&attempt), "its page is nobody else's");
}

#[tokio::test]
async fn a_name_is_taken_once_for_each_provider() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let one = connection(company, "main");
    keep(store, &one, SecretChange::Keep).await.unwrap();
    let same = connection(company, "main");
    assert_eq!(keep(store, &same, set("rk_test_x")).await, Err(KeepError::NameTaken));
    assert_eq!(loaded(store).await.unwrap().len(), 1, "nothing is left of it");
    let other = Connection { provider: "other".to_owned(), ..same.clone() };
    assert_eq!(keep(store, &other, SecretChange::Keep).await, Ok(()));
    let third = connection(company, "third");
    keep(store, &third, SecretChange::Keep).await.unwrap();
    let renamed = Connection { name: "main".to_owned(), ..third };
    assert_eq!(keep(store, &renamed, SecretChange::Keep).await, Err(KeepError::NameTaken));
}

#[tokio::test]
async fn a_pending_one_is_gone_when_its_time_is_over() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let end = Timestamp(NOW.0 + 1000);
    let one = pending(company, "main", end);
    keep(store, &one, SecretChange::Keep).await.unwrap();
    let listed = async |now| {
        let page = store.connections(company, ConnectionFilter::default(), newest(9), now).await.unwrap();
        (page.rows.len(), store.connection(company, one.id, now).await.unwrap().is_some())
    };
    assert_eq!(listed(Timestamp(end.0 - 1)).await, (1, true));
    assert_eq!(listed(end).await, (0, false));
    let early = Connection { updated_at: Timestamp(end.0 - 1), ..connection(company, "main") };
    assert_eq!(keep(store, &early, SecretChange::Keep).await, Err(KeepError::NameTaken));
    let late = Connection { updated_at: end, ..early };
    assert_eq!(keep(store, &late, SecretChange::Keep).await, Ok(()));
    assert_eq!(loaded(store).await.unwrap().len(), 1);

    let two = pending(company, "other", end);
    keep(store, &two, SecretChange::Keep).await.unwrap();
    store.forget(company, late.id).await.unwrap();
    assert!(store.connection(company, late.id, NOW).await.unwrap().is_some(), "it is not pending");
    let Place { directory, store, .. } = place;
    drop(store);
    let store = Store::open(directory.path(), end).unwrap();
    assert_eq!(loaded(&store).await.unwrap().len(), 1, "a start removes it");
    keep(&store, &two, SecretChange::Keep).await.unwrap();
    store.forget(company, two.id).await.unwrap();
    assert_eq!(loaded(&store).await.unwrap().len(), 1);
}

#[tokio::test]
async fn lists_are_by_provider_and_status() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    for (name, provider, status) in [
        ("a", "stripe", ConnectionStatus::Active),
        ("b", "stripe", ConnectionStatus::Error),
        ("c", "other", ConnectionStatus::Active),
    ] {
        let row = Connection { provider: provider.to_owned(), status, ..connection(company, name) };
        keep(store, &row, SecretChange::Keep).await.unwrap();
    }
    let check = async |provider: Option<&str>, status, expected: &[&str]| {
        let filter = ConnectionFilter { provider: provider.map(str::to_owned), status };
        let page = store.connections(company, filter, newest(9), NOW).await.unwrap();
        let names: Vec<&str> = page.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, expected, "{provider:?} {status:?}");
    };
    check(None, None, &["c", "b", "a"]).await;
    check(Some("stripe"), None, &["b", "a"]).await;
    check(Some("stripe"), Some(ConnectionStatus::Active), &["a"]).await;
    check(Some("none"), None, &[]).await;
    check(None, Some(ConnectionStatus::Expired), &[]).await;
    let first = store.connections(company, ConnectionFilter::default(), newest(2), NOW).await.unwrap();
    let rest = Span { after: first.next, ..newest(2) };
    let rest = store.connections(company, ConnectionFilter::default(), rest, NOW).await.unwrap();
    assert_eq!((first.rows.len(), rest.rows[0].name.as_str(), rest.next), (2, "a", None));
}

#[tokio::test]
async fn webhook_secrets_are_kept_in_their_order() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let one = connection(company, "main");
    keep(store, &one, SecretChange::Keep).await.unwrap();
    let read = async || {
        let secrets = store.webhook_secrets(company, one.id).await.unwrap();
        secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect::<Vec<_>>()
    };
    assert!(read().await.is_empty());
    for wanted in [vec!["whsec_1", "whsec_2"], vec!["whsec_3"], vec![]] {
        let secrets = wanted.iter().map(|secret| SecretString::from(*secret)).collect();
        store.keep_webhook_secrets(company, one.id, secrets, &by()).await.unwrap();
        assert_eq!(read().await, wanted);
    }
    let unknown = ConnectionId(Uuid::now_v7());
    assert!(store.keep_webhook_secrets(company, unknown, vec![], &by()).await.is_err());
    assert!(store.webhook_secrets(company, unknown).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_workflows_that_name_a_connection_are_told() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let id = ConnectionId(Uuid::now_v7());
    let source = format!(r#"{{"connectionId": "{id}"}}"#);
    let one = store.create_workflow(company, "uses it", &source, &by(), NOW).await.unwrap();
    let two = store.create_workflow(company, "archived", &source, &by(), NOW).await.unwrap();
    let three = store.create_workflow(company, "used it", &source, &by(), NOW).await.unwrap();
    let archive = loopfour_store::StatusChange {
        from: WorkflowStatus::LIVING.to_vec(),
        to: WorkflowStatus::Archived,
        expected_version: None,
    };
    store.set_status(company, two.id, archive, &by(), NOW).await.unwrap();
    let edit = loopfour_store::Edit {
        name: "used it".to_owned(),
        source: "{}".to_owned(),
        change_summary: None,
        expected_version: None,
        from: WorkflowStatus::LIVING.to_vec(),
        rolled_back_to: None,
    };
    store.update_workflow(company, three.id, edit, &by(), NOW).await.unwrap();
    assert_eq!(store.workflows_using(company, id).await.unwrap(), [(one.id, "uses it".to_owned())]);
}
