//! What provider events are signed with: sealed, read back for all companies at once, and erased where it is taken away.

use loopfour_engine::ConnectionId;
use loopfour_engine::connections::{ConnectionStore as _, Registration, Signing};
use loopfour_engine::provider_events::Entrance;
use loopfour_store::AuditFilter;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::connections::{connection, keep, set};
use super::*;

fn texts(secrets: &[SecretString]) -> Vec<&str> {
    secrets.iter().map(|secret| secret.expose_secret()).collect()
}

async fn loaded(store: &Store) -> Signing {
    store.load_signing().await.unwrap()
}

/// The secrets of entrances as they are loaded.
async fn entrances(store: &Store) -> Vec<(CompanyId, Entrance, Vec<String>)> {
    let of = |secrets: &[SecretString]| texts(secrets).into_iter().map(str::to_owned).collect();
    let all = loaded(store).await.entrances;
    all.iter().map(|(company, entrance, secrets)| (*company, entrance.clone(), of(secrets))).collect()
}

async fn give(store: &Store, company: CompanyId, entrance: &Entrance, secrets: &[&str]) {
    let secrets = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
    store.keep_entrance_secrets(company, entrance, secrets, &by(), NOW).await.unwrap();
}

fn registration(company: CompanyId, secret: &str) -> Registration {
    Registration {
        company,
        connection: ConnectionId(Uuid::from_u128(7)),
        endpoint: "we_1".to_owned(),
        secret: SecretString::from(secret),
        url: "https://hooks.example/webhooks/stripe/x".to_owned(),
        api_version: "2026-10-28.endive".to_owned(),
        events: vec!["invoice.paid".to_owned(), "invoice.voided".to_owned()],
    }
}

#[tokio::test]
async fn secrets_of_entrances_take_the_place_of_those_before() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let other = store.create_company("other", &by(), NOW).await.unwrap().0;
    let custom = Entrance::Custom { path: "orders".to_owned() };
    give(store, company, &Entrance::Stripe, &["whsec_old"]).await;
    give(store, company, &Entrance::Stripe, &["whsec_one", "whsec_two"]).await;
    give(store, company, &custom, &["whsec_three"]).await;
    give(store, other, &Entrance::Stripe, &["whsec_four"]).await;
    let of = |secrets: &[&str]| secrets.iter().map(|secret| (*secret).to_owned()).collect::<Vec<_>>();
    let mut expected = vec![
        (company, custom.clone(), of(&["whsec_three"])),
        (company, Entrance::Stripe, of(&["whsec_one", "whsec_two"])),
        (other, Entrance::Stripe, of(&["whsec_four"])),
    ];
    assert_eq!(entrances(store).await, expected);
    give(store, company, &custom, &[]).await;
    expected.remove(0);
    assert_eq!(entrances(store).await, expected);

    let filter = AuditFilter { action: Some("webhook_secrets.set".to_owned()), ..AuditFilter::default() };
    let rows = store.audit(company, filter, newest(10)).await.unwrap().rows;
    let told: Vec<_> = rows.iter().map(|row| (row.object_id.as_str(), row.after.clone().unwrap())).collect();
    let count = |count: usize| json!({ "count": count });
    let expected = [
        ("custom/orders", count(0)),
        ("custom/orders", count(1)),
        ("stripe", count(2)),
        ("stripe", count(1)),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn registrations_and_cursors_are_kept_by_company_and_connection() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let other = store.create_company("other", &by(), NOW).await.unwrap().0;
    let first = registration(company, "whsec_first");
    store.keep_registration(&first, &by(), NOW).await.unwrap();
    store.keep_registration(&registration(other, "whsec_other"), &by(), NOW).await.unwrap();
    let second =
        Registration { events: vec![], endpoint: "we_2".to_owned(), ..registration(company, "whsec_second") };
    store.keep_registration(&second, &by(), NOW).await.unwrap();
    let found = loaded(store).await.registrations;
    assert_eq!(format!("{:?}", found[0]), format!("{second:?}"), "all but the secret, which debugging hides");
    let secrets: Vec<_> = found.iter().map(|found| (found.company, found.secret.expose_secret())).collect();
    assert_eq!(secrets, [(company, "whsec_second"), (other, "whsec_other")]);

    for _ in 0..2 {
        store.forget_registration(company, first.connection, &by(), NOW).await.unwrap();
    }
    let left = loaded(store).await.registrations;
    assert_eq!(left.iter().map(|found| found.company).collect::<Vec<_>>(), [other]);
    let actions: Vec<_> = store
        .audit(company, AuditFilter::default(), newest(3))
        .await
        .unwrap()
        .rows
        .into_iter()
        .map(|row| row.action)
        .collect();
    let (kept, gone) = ("connection.register_webhook", "connection.forget_webhook");
    assert_eq!(actions, [gone, kept, kept], "what is not there is not forgotten again");

    let count = store.audit_head(company).await.unwrap().count;
    for cursor in ["evt_1", "evt_2"] {
        store.keep_cursor(company, first.connection, cursor).await.unwrap();
    }
    assert_eq!(loaded(store).await.cursors, [(first.connection, "evt_2".to_owned())]);
    assert_eq!(store.audit_head(company).await.unwrap().count, count, "a cursor is nothing that anybody did");
}

#[tokio::test]
async fn all_of_it_is_sealed_and_sealed_anew_with_a_new_key() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let kept = connection(company, "one");
    keep(store, &kept, set("rk_live_secret")).await.unwrap();
    store.keep_webhook_secrets(company, kept.id, vec![SecretString::from("whsec_a")], &by()).await.unwrap();
    give(store, company, &Entrance::Stripe, &["whsec_b", "whsec_c"]).await;
    store.keep_registration(&registration(company, "whsec_d"), &by(), NOW).await.unwrap();
    assert_eq!(store.rotate_secrets(false, &by(), NOW).await.unwrap().secrets, 4);
    let check = async |store: &Store| {
        let found = loaded(store).await;
        let [(connection, secrets)] = &found.connections[..] else { panic!("one connection has secrets") };
        assert_eq!((*connection, texts(secrets)), (kept.id, vec!["whsec_a"]));
        assert_eq!(texts(&found.entrances[0].2), ["whsec_b", "whsec_c"]);
        assert_eq!(found.registrations[0].secret.expose_secret(), "whsec_d");
    };
    check(store).await;
    let Place { directory, store, .. } = place;
    drop(store);
    let bytes = std::fs::read(directory.path().join("loopfour.db")).unwrap();
    assert!(!bytes.windows(6).any(|part| part == b"whsec_"), "nothing is stored as it is");
    let store = Store::open(directory.path(), NOW).unwrap();
    check(&store).await;
    let swap = "UPDATE registrations SET secret = (SELECT secrets FROM webhook_secrets)";
    rusqlite::Connection::open(directory.path().join("loopfour.db")).unwrap().execute_batch(swap).unwrap();
    let error = store.load_signing().await.unwrap_err().to_string();
    assert!(error.contains("was changed, or belongs to another row"), "{error}");
}
