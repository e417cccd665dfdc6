//! People: members, the links that sign them in, sessions, and what ends with whom.

use loopfour_engine::{KeyId, MemberId};
use loopfour_store::{
    Holder, KeyError, MemberChange, MemberError, MemberRow, NewKey, Principal, Role, Scope, SessionOf,
};

use super::*;

const HOUR: i64 = 60 * 60 * 1000;

async fn member(place: &Place, email: &str, role: Role) -> MemberRow {
    place.store.create_member(place.company, email, role, &by(), NOW).await.unwrap()
}

/// A session of the member, and whom it stands for.
async fn session(place: &Place, member: MemberId) -> (String, Arc<Principal>) {
    let opened =
        place.store.open_session(place.company, SessionOf::Member(member), &by(), NOW).await.unwrap();
    let token = opened.token.reveal().to_owned();
    let principal = place.store.authenticate_session(&token, NOW).await.unwrap().unwrap();
    (token, principal)
}

/// A key of the member with these scopes.
async fn key(place: &Place, member: MemberId, scopes: &[Scope]) -> (KeyId, String) {
    let key =
        NewKey { name: "mine".to_owned(), scopes: scopes.to_vec(), expires_at: None, member: Some(member) };
    let (id, secret) = place.store.create_key(place.company, key, &by(), NOW).await.unwrap();
    (id, secret.reveal().to_owned())
}

const DEACTIVATED: MemberChange = MemberChange { role: None, active: Some(false) };

#[test]
fn roles_are_the_documented_sets() {
    let read = [Scope::WorkflowsRead, Scope::RunsRead, Scope::ConnectionsRead];
    let check = |role: Role, more: &[Scope]| {
        let mut expected = [&read[..], more].concat();
        expected.sort();
        let mut scopes = role.scopes().to_vec();
        scopes.sort();
        assert_eq!(scopes, expected, "{role}");
        assert_eq!(role.name().parse(), Ok(role));
        assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
    };
    let write = [Scope::WorkflowsWrite, Scope::ConnectionsWrite];
    check(Role::Viewer, &[]);
    check(Role::Operator, &[Scope::WorkflowsExecute]);
    check(Role::Builder, &[&[Scope::WorkflowsExecute][..], &write].concat());
    check(Role::Admin, &[&[Scope::WorkflowsExecute, Scope::Admin][..], &write].concat());
    assert!("owner".parse::<Role>().is_err());
}

#[tokio::test]
async fn an_address_is_one_member_in_whatever_case() {
    let place = Place::new().await;
    let ada = member(&place, "Ada@Example.com", Role::Viewer).await;
    let again = place.store.create_member(place.company, "ada@EXAMPLE.com", Role::Admin, &by(), NOW).await;
    assert_eq!(again, Err(MemberError::Exists("ada@EXAMPLE.com".to_owned())));
    assert_eq!(place.store.members_by_email("ADA@example.COM").await.unwrap(), [ada]);
    let (other, _) = place.store.create_company("other", &by(), NOW).await.unwrap();
    place.store.create_member(other, "ada@example.com", Role::Admin, &by(), NOW).await.unwrap();
    assert_eq!(place.store.members_by_email("ada@example.com").await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_session_stands_for_its_member_until_it_ends() {
    let place = Place::new().await;
    let ada = member(&place, "ada@example.com", Role::Operator).await;
    let (token, principal) = session(&place, ada.id).await;
    let holder = Holder::Member { id: ada.id, email: "ada@example.com".to_owned() };
    assert_eq!((&principal.holder, principal.scopes.as_slice()), (&holder, Role::Operator.scopes()));
    assert_eq!(principal.expires_at, Some(Timestamp(NOW.0 + 12 * HOUR)));
    assert_eq!((principal.id(), principal.actor(None)), (ada.id.0, ada.actor(None)));
    assert_eq!(place.store.authenticate(&token, NOW).await.unwrap(), None, "it is no key");

    let late = Timestamp(NOW.0 + 12 * HOUR);
    assert!(place.store.authenticate_session(&token, Timestamp(late.0 - 1)).await.unwrap().is_some());
    assert_eq!(place.store.authenticate_session(&token, late).await.unwrap(), None);
    place.store.ready().await.unwrap();
    let seen = place.store.member(place.company, ada.id).await.unwrap().unwrap().last_seen_at;
    assert_eq!(seen, Some(Timestamp(late.0 - 1)));

    let mut revocations = place.store.revocations();
    revocations.mark_unchanged();
    assert!(!place.store.is_revoked(&principal).await.unwrap());
    assert!(place.store.end_session(&token, &by(), NOW).await.unwrap());
    assert!(revocations.has_changed().unwrap());
    assert!(place.store.is_revoked(&principal).await.unwrap());
    assert_eq!(place.store.authenticate_session(&token, NOW).await.unwrap(), None);
    assert!(!place.store.end_session(&token, &by(), NOW).await.unwrap());
    for text in ["", "x", "A".repeat(32).as_str(), "é".repeat(16).as_str()] {
        assert_eq!(place.store.authenticate_session(text, NOW).await.unwrap(), None, "{text}");
        assert!(!place.store.end_session(text, &by(), NOW).await.unwrap(), "{text}");
    }
}

#[tokio::test]
async fn a_deactivated_member_has_nothing_at_once() {
    let place = Place::new().await;
    let store = &place.store;
    let ada = member(&place, "ada@example.com", Role::Admin).await;
    let (token, principal) = session(&place, ada.id).await;
    let (_, secret) = key(&place, ada.id, &Scope::ALL).await;
    let by_key = store.authenticate(&secret, NOW).await.unwrap().unwrap();
    let of_key = store.open_session(place.company, SessionOf::Key(KeyId(by_key.id())), &by(), NOW).await;
    let of_key = of_key.unwrap().token.reveal().to_owned();
    assert!(store.authenticate_session(&of_key, NOW).await.unwrap().is_some());
    let link = store.invite(place.company, ada.id, &by(), NOW).await.unwrap().token;

    let row = store.update_member(place.company, ada.id, DEACTIVATED, &by(), NOW).await.unwrap();
    assert!(!row.active);
    assert_eq!(store.authenticate_session(&token, NOW).await.unwrap(), None);
    assert_eq!(store.authenticate_session(&of_key, NOW).await.unwrap(), None);
    assert_eq!(store.authenticate(&secret, NOW).await.unwrap(), None);
    assert_eq!(store.redeem(link.reveal(), NOW).await.unwrap(), None);
    assert!(store.is_revoked(&principal).await.unwrap() && store.is_revoked(&by_key).await.unwrap());
    assert_eq!(store.keys(place.company, newest(9)).await.unwrap().rows, []);
    let inactive = MemberError::Inactive(ada.id.to_string());
    let opened = store.open_session(place.company, SessionOf::Member(ada.id), &by(), NOW).await;
    assert_eq!(opened, Err(inactive.clone()));
    assert_eq!(store.invite(place.company, ada.id, &by(), NOW).await, Err(inactive));
    let new = NewKey { name: "x".to_owned(), scopes: vec![], expires_at: None, member: Some(ada.id) };
    let made = store.create_key(place.company, new, &by(), NOW).await.map(drop);
    assert_eq!(made, Err(KeyError::Member(ada.id)));

    let back = MemberChange { role: None, active: Some(true) };
    store.update_member(place.company, ada.id, back, &by(), NOW).await.unwrap();
    assert_eq!(store.authenticate_session(&token, NOW).await.unwrap(), None, "what ended stays so");
    assert_eq!(store.authenticate(&secret, NOW).await.unwrap(), None);
    assert!(store.open_session(place.company, SessionOf::Member(ada.id), &by(), NOW).await.is_ok());
}

#[tokio::test]
async fn a_members_key_has_what_the_member_has_now() {
    let place = Place::new().await;
    let ada = member(&place, "ada@example.com", Role::Builder).await;
    let (id, secret) = key(&place, ada.id, &[Scope::RunsRead, Scope::WorkflowsWrite, Scope::Admin]).await;
    let scopes = async || place.store.authenticate(&secret, NOW).await.unwrap().unwrap().scopes.clone();
    assert_eq!(scopes().await, [Scope::RunsRead, Scope::WorkflowsWrite]);
    let before = place.store.authenticate(&secret, NOW).await.unwrap().unwrap();
    let holder = Holder::Key { id, name: "mine".to_owned(), member: Some(ada.id) };
    assert_eq!(before.holder, holder);
    let role = async |role| {
        let change = MemberChange { role: Some(role), active: None };
        place.store.update_member(place.company, ada.id, change, &by(), NOW).await.unwrap();
    };
    role(Role::Viewer).await;
    assert_eq!(scopes().await, [Scope::RunsRead]);
    assert!(place.store.is_revoked(&before).await.unwrap(), "it lost a scope");
    role(Role::Admin).await;
    assert_eq!(scopes().await.len(), 3);
    assert!(!place.store.is_revoked(&before).await.unwrap());
}

#[tokio::test]
async fn a_keys_session_is_worth_what_the_key_is() {
    let place = Place::new().await;
    let store = &place.store;
    let end = Timestamp(NOW.0 + HOUR);
    let key =
        NewKey { name: "ci".to_owned(), scopes: vec![Scope::RunsRead], expires_at: Some(end), member: None };
    let (id, _) = store.create_key(place.company, key, &by(), NOW).await.unwrap();
    let opened = store.open_session(place.company, SessionOf::Key(id), &by(), NOW).await.unwrap();
    let token = opened.token.reveal();
    let principal = store.authenticate_session(token, NOW).await.unwrap().unwrap();
    assert_eq!((principal.id(), principal.expires_at), (id.0, Some(end)));
    assert_eq!(principal.scopes, [Scope::RunsRead]);
    assert_eq!(store.authenticate_session(token, end).await.unwrap(), None);
    store.revoke_key(place.company, id, &by(), NOW).await.unwrap();
    assert_eq!(store.authenticate_session(token, NOW).await.unwrap(), None);
    assert!(store.is_revoked(&principal).await.unwrap());
    let again = store.open_session(place.company, SessionOf::Key(id), &by(), NOW).await;
    assert_eq!(again, Err(MemberError::Inactive(id.to_string())));
}

#[tokio::test]
async fn a_link_signs_in_once_and_in_time() {
    let place = Place::new().await;
    let store = &place.store;
    let ada = member(&place, "ada@example.com", Role::Viewer).await;
    let invite = async || store.invite(place.company, ada.id, &by(), NOW).await.unwrap();
    let first = invite().await;
    assert_eq!(first.expires_at, Timestamp(NOW.0 + 72 * HOUR));
    assert_eq!(format!("{:?}", first.token), "Token(…)");
    let second = invite().await;
    assert_eq!(store.redeem(first.token.reveal(), NOW).await.unwrap(), None, "a newer one took its place");
    assert_eq!(store.redeem(second.token.reveal(), NOW).await.unwrap(), Some(ada.clone()));
    assert_eq!(store.redeem(second.token.reveal(), NOW).await.unwrap(), None);
    let third = invite().await;
    assert_eq!(store.redeem(third.token.reveal(), third.expires_at).await.unwrap(), None);
    for text in ["", "wfk_", "A".repeat(32).as_str()] {
        assert_eq!(store.redeem(text, NOW).await.unwrap(), None, "{text}");
    }
    // Two browsers at the same moment.
    let fourth = invite().await;
    let text = fourth.token.reveal();
    let (one, two) = tokio::join!(store.redeem(text, NOW), store.redeem(text, NOW));
    assert_eq!(one.unwrap().is_some() as u8 + two.unwrap().is_some() as u8, 1);
}

#[tokio::test]
async fn a_person_of_a_provider_is_one_member() {
    let place = Place::new().await;
    let store = &place.store;
    let (ada, bob) = (
        member(&place, "ada@example.com", Role::Viewer).await,
        member(&place, "bob@example.com", Role::Viewer).await,
    );
    let bind = async |member: &MemberRow, issuer, subject| {
        store.bind_identity(member, issuer, subject, &by(), NOW).await
    };
    assert_eq!(bind(&ada, "https://id", "1").await, Ok(()));
    assert_eq!(bind(&ada, "https://id", "1").await, Ok(()));
    let found = async |subject: &str| {
        store.member_by_identity("https://id", subject).await.unwrap().map(|member| member.id)
    };
    assert_eq!((found("1").await, found("2").await), (Some(ada.id), None));
    assert_eq!(bind(&ada, "https://id", "2").await, Err(MemberError::OtherPerson(ada.id)));
    assert_eq!(bind(&bob, "https://id", "1").await, Err(MemberError::OtherPerson(bob.id)));
    assert_eq!(bind(&ada, "https://new", "9").await, Ok(()), "another provider took the place of the old");
    assert_eq!(found("1").await, None);
    store.update_member(place.company, ada.id, DEACTIVATED, &by(), NOW).await.unwrap();
    assert_eq!(store.member_by_identity("https://new", "9").await.unwrap(), None);
    assert_eq!(bind(&ada, "https://new", "8").await, Err(MemberError::Inactive(ada.id.to_string())));
}

#[tokio::test]
async fn what_is_over_goes_at_a_start() {
    let place = Place::new().await;
    let ada = member(&place, "ada@example.com", Role::Viewer).await;
    let _ = session(&place, ada.id).await;
    place.store.invite(place.company, ada.id, &by(), NOW).await.unwrap();
    let Place { directory, store, .. } = place;
    drop(store);
    let count = |sql: &str| {
        let db = rusqlite::Connection::open(directory.path().join("loopfour.db")).unwrap();
        db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let both = "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM login_links)";
    assert_eq!(count(both), 2);
    drop(Store::open(directory.path(), Timestamp(NOW.0 + 12 * HOUR)).unwrap());
    assert_eq!(count(both), 1);
    drop(Store::open(directory.path(), Timestamp(NOW.0 + 72 * HOUR)).unwrap());
    assert_eq!(count(both), 0);
}
