use loopfour_engine::KeyId;
use loopfour_store::{Holder, KeyError, NewKey, Scope, Secret};

use super::*;

fn key(name: &str) -> NewKey {
    NewKey {
        name: name.to_owned(),
        scopes: vec![Scope::RunsRead, Scope::Admin],
        expires_at: None,
        member: None,
    }
}

#[tokio::test]
async fn a_key_stands_for_its_company_until_it_is_revoked() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    assert!(!store.has_keys().await.unwrap());
    let (id, secret) = store.create_key(company, key("ci"), &by(), NOW).await.unwrap();
    assert!(store.has_keys().await.unwrap());
    let holder = Holder::Key { id, name: "ci".to_owned(), member: None };
    let mut revocations = store.revocations();
    // Once from the database, once from memory.
    for _ in 0..2 {
        let found = store.authenticate(secret.reveal(), NOW).await.unwrap().unwrap();
        assert_eq!((found.company, &*found.company_name, &found.holder), (company, "default", &holder));
        assert_eq!((&*found.scopes, found.expires_at), (&[Scope::RunsRead, Scope::Admin][..], None));
    }
    let principal = store.authenticate(secret.reveal(), NOW).await.unwrap().unwrap();
    assert_eq!(principal.id(), id.0);
    let actor = Actor { id: id.to_string(), name: "ci".to_owned(), address: None };
    assert_eq!(principal.actor(None), actor);
    assert!(!store.is_revoked(&principal).await.unwrap());
    let revoked = store.revoke_key(company, id, &by(), NOW).await.unwrap().unwrap();
    assert_eq!((revoked.id, &*revoked.name), (id, "ci"));
    assert!(revocations.has_changed().unwrap());
    revocations.mark_unchanged();
    assert!(store.is_revoked(&principal).await.unwrap());
    assert_eq!(store.authenticate(secret.reveal(), NOW).await.unwrap(), None);
    assert_eq!(store.revoke_key(company, id, &by(), NOW).await.unwrap(), None);
    assert_eq!(store.revoke_key(company, KeyId(Uuid::now_v7()), &by(), NOW).await.unwrap(), None);
    assert!(store.has_keys().await.unwrap());
}

#[tokio::test]
async fn what_is_no_valid_key_stands_for_nobody() {
    let place = Place::new().await;
    let end = Timestamp(NOW.0 + 1000);
    let expiring = NewKey { expires_at: Some(end), ..key("short") };
    let (_, secret) = place.store.create_key(place.company, expiring, &by(), NOW).await.unwrap();
    let secret = secret.reveal();
    let check = async |text: &str, at, expected| {
        assert_eq!(place.store.authenticate(text, at).await.unwrap().is_some(), expected, "{text} at {at}");
    };
    check(secret, NOW, true).await;
    check(secret, Timestamp(end.0 - 1), true).await;
    check(secret, end, false).await;
    check(&format!("{secret} "), NOW, false).await;
    check(&secret.to_uppercase(), NOW, false).await;
    check(&secret[..35], NOW, false).await;
    check(&format!("wfk_{}", "A".repeat(32)), NOW, false).await;
    check(&format!("wfk_{}", "é".repeat(16)), NOW, false).await;
    check("", NOW, false).await;
}

#[tokio::test]
async fn a_given_key_is_taken_once() {
    let place = Place::new().await;
    let secret: Secret = "wfk_0123456789abcdefghijABCDEFGHIJ01".parse().unwrap();
    let other = place.store.create_company("other", &by(), NOW).await.unwrap().0;
    // Asked for before it exists: a key that is unknown now may be known later.
    assert_eq!(place.store.authenticate(secret.reveal(), NOW).await.unwrap(), None);
    let id = place.store.insert_key(place.company, key("first"), &secret, &by(), NOW).await.unwrap();
    assert_eq!(place.store.insert_key(other, key("again"), &secret, &by(), NOW).await, Err(KeyError::Exists));
    assert_eq!(place.store.authenticate(secret.reveal(), NOW).await.unwrap().unwrap().id(), id.0);
}

#[tokio::test]
async fn new_keys_have_the_documented_form_and_hide_in_debug_output() {
    let (one, two) = (Secret::random().unwrap(), Secret::random().unwrap());
    assert_ne!(one, two);
    assert_eq!(one.reveal().parse::<Secret>().as_ref(), Ok(&one));
    assert_eq!(format!("{one:?}"), "Secret(…)");
}

#[tokio::test]
async fn only_hashes_are_stored() {
    let Place { directory, store, company, .. } = Place::new().await;
    let (_, secret) = store.create_key(company, key("ci"), &by(), NOW).await.unwrap();
    drop(store);
    let bytes = std::fs::read(directory.path().join("loopfour.db")).unwrap();
    let random = &secret.reveal().as_bytes()["wfk_".len()..];
    assert!(bytes.windows(8).any(|part| part == &secret.reveal().as_bytes()[..8]), "the prefix is there");
    assert!(!random.windows(8).any(|part| bytes.windows(8).any(|stored| stored == part)));
}

#[tokio::test]
async fn lists_show_keys_that_are_not_revoked_with_their_last_use() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let (first, secret) = store.create_key(company, key("first"), &by(), NOW).await.unwrap();
    let (second, _) = store.create_key(company, key("second"), &by(), NOW).await.unwrap();
    let (third, _) = store.create_key(company, key("third"), &by(), NOW).await.unwrap();
    store.revoke_key(company, third, &by(), NOW).await.unwrap();
    let page = store.keys(company, newest(1)).await.unwrap();
    assert_eq!((page.rows[0].id, page.rows[0].name.as_str()), (second, "second"));
    let page = store.keys(company, Span { after: page.next, ..newest(1) }).await.unwrap();
    assert_eq!((page.rows[0].id, page.next), (first, None));
    assert_eq!((page.rows[0].prefix.as_str(), page.rows[0].last_used_at), (&secret.reveal()[..8], None));

    let last_use = async |at| {
        store.authenticate(secret.reveal(), at).await.unwrap().unwrap();
        // Requests are written in order: once this one is, the use is.
        store.ready().await.unwrap();
        let page = store.keys(company, Span { order: Order::Ascending, ..newest(1) }).await.unwrap();
        page.rows[0].last_used_at
    };
    assert_eq!(last_use(NOW).await, Some(NOW));
    assert_eq!(last_use(Timestamp(NOW.0 + 59_999)).await, Some(NOW));
    assert_eq!(last_use(Timestamp(NOW.0 + 60_000)).await, Some(Timestamp(NOW.0 + 60_000)));
}

#[test]
fn scopes_have_the_names_of_the_api() {
    for scope in Scope::ALL {
        assert_eq!(scope.name().parse(), Ok(scope));
        assert_eq!(serde_json::to_string(&scope).unwrap(), format!("\"{scope}\""));
    }
    assert_eq!("workflows:*".parse::<Scope>().unwrap_err().to_string(), "`workflows:*` is not a scope");
}
