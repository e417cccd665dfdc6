//! The audit log: every change has a row, and what is done to rows is found.

use loopfour_engine::Resolved;
use loopfour_store::{
    AuditBreak, AuditFilter, AuditHash, AuditRow, AuditVerified, Deed, Edit, MemberChange, NewKey, ReadOnly,
    Role, Scope, SessionOf, StatusChange, WorkflowStatus,
};
use serde_json::json;

use super::*;

async fn rows(place: &Place) -> Vec<AuditRow> {
    let oldest = Span { order: Order::Ascending, ..newest(100) };
    place.store.audit(place.company, AuditFilter::default(), oldest).await.unwrap().rows
}

fn verify(directory: &std::path::Path, head: Option<AuditHash>) -> AuditVerified {
    ReadOnly::open(directory).unwrap().audit_verify(head).unwrap()
}

/// A place whose log has five rows.
async fn place_of_five() -> Place {
    let place = Place::new().await;
    for name in ["a", "b", "c"] {
        let deed = Deed::new("audit.export", "audit", name).after(json!({ "name": name }));
        place.store.record(place.company, &by(), deed, NOW).await.unwrap();
    }
    place
}

#[tokio::test]
async fn every_change_has_a_row_that_says_who() {
    let place = Place::new().await;
    let (store, company) = (&place.store, place.company);
    let edit = |rolled_back_to| Edit {
        name: "New".to_owned(),
        source: "{}".to_owned(),
        change_summary: None,
        expected_version: None,
        from: WorkflowStatus::LIVING.to_vec(),
        rolled_back_to,
    };
    store.update_workflow(company, place.workflow, edit(None), &by(), NOW).await.unwrap();
    store.update_workflow(company, place.workflow, edit(Some(1)), &by(), NOW).await.unwrap();
    for to in
        [WorkflowStatus::Active, WorkflowStatus::Paused, WorkflowStatus::Active, WorkflowStatus::Archived]
    {
        let change = StatusChange { from: WorkflowStatus::LIVING.to_vec(), to, expected_version: None };
        store.set_status(company, place.workflow, change, &by(), NOW).await.unwrap();
    }
    let ada = store.create_member(company, "ada@example.com", Role::Admin, &by(), NOW).await.unwrap();
    store.invite(company, ada.id, &by(), NOW).await.unwrap();
    let session = store.open_session(company, SessionOf::Member(ada.id), &by(), NOW).await.unwrap();
    store.end_session(session.token.reveal(), &by(), NOW).await.unwrap();
    let key = NewKey { name: "ci".to_owned(), scopes: vec![Scope::RunsRead], expires_at: None, member: None };
    let (key, _) = store.create_key(company, key, &by(), NOW).await.unwrap();
    store.revoke_key(company, key, &by(), NOW).await.unwrap();
    let change = MemberChange { role: Some(Role::Viewer), active: None };
    store.update_member(company, ada.id, change, &by(), NOW).await.unwrap();
    store.update_member(company, ada.id, change, &by(), NOW).await.unwrap();

    let rows = rows(&place).await;
    let actions: Vec<&str> = rows.iter().map(|row| row.action.as_str()).collect();
    let expected = [
        "company.create",
        "workflow.create",
        "workflow.update",
        "workflow.rollback",
        "workflow.activate",
        "workflow.pause",
        "workflow.resume",
        "workflow.archive",
        "member.create",
        "member.invite",
        "session.open",
        "session.end",
        "key.create",
        "key.revoke",
        "member.update",
    ];
    assert_eq!(actions, expected, "what changes nothing has no row");
    assert_eq!(rows[0].actor, Actor::system("first start"));
    assert!(rows[1..].iter().all(|row| row.actor == by() && row.at == NOW), "{rows:?}");
    let last = rows.last().unwrap();
    assert_eq!((&*last.object_type, &last.object_id), ("member", &ada.id.to_string()));
    assert_eq!(last.before, Some(json!({"role": "admin", "active": true})));
    assert_eq!(last.after, Some(json!({"role": "viewer", "active": true})));
    let head = store.audit_head(company).await.unwrap();
    assert_eq!((head.count, head.hash), (15, last.hash));
    assert_eq!(verify(place.directory.path(), Some(head.hash)).broken, None);

    let filter = AuditFilter { object: Some(ada.id.to_string()), ..AuditFilter::default() };
    let found = store.audit(company, filter, newest(3)).await.unwrap();
    assert_eq!(found.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [15, 12, 11]);
    let filter = AuditFilter { object: Some(ada.id.to_string()), ..AuditFilter::default() };
    let found = store.audit(company, filter, Span { after: found.next, ..newest(3) }).await.unwrap();
    assert_eq!(found.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [10, 9]);
    let filter =
        AuditFilter { action: Some("key.create".to_owned()), actor: Some(by().id), ..AuditFilter::default() };
    assert_eq!(store.audit(company, filter, newest(9)).await.unwrap().rows.len(), 1);
    let filter = AuditFilter { actor: Some("key_other".to_owned()), ..AuditFilter::default() };
    assert_eq!(store.audit(company, filter, newest(9)).await.unwrap().rows, []);
    let part = store.audit_part(company, 3, 6, 100).await.unwrap();
    assert_eq!(part.iter().map(|row| row.seq).collect::<Vec<_>>(), [4, 5, 6]);
    assert_eq!(store.audit_part(company, 3, 15, 2).await.unwrap().len(), 2);
}

/// Only entries that carry somebody become rows, in the journal's own commit.
#[tokio::test]
async fn what_people_do_to_runs_is_derived_from_the_journal() {
    let place = Place::new().await;
    let start = |by: Option<Actor>, from: Option<RunId>| {
        let mut batch = place.start(NOW, None);
        let mut first = batch.entries[0].clone();
        let Event::RunStarted { by: who, restarted_from, .. } = &mut first.event else { panic!() };
        (*who, *restarted_from) = (by, from);
        batch.entries = [first].into();
        batch
    };
    let silent = start(None, None);
    place.store.append(silent).await.unwrap();
    let batch = start(Some(by()), None);
    let run = batch.run;
    place.store.append(batch).await.unwrap();
    place.store.append(skips(run, 1, 3)).await.unwrap();
    let path = StepPath("charge".to_owned());
    let events = [
        Event::CancelRequested { by: by() },
        Event::RetryRequested { by: by(), not_done: true },
        Event::OutcomeResolved {
            path,
            epoch: 1,
            by: by(),
            reason: "seen there".to_owned(),
            resolution: Resolved::Done,
        },
    ];
    let entries = (5..).zip(events).map(|(seq, event)| Entry { seq, at: NOW, event }).collect();
    let batch = Append { run, expected: 4, entries, summary: summary(RunStatus::Running) };
    place.store.append(batch).await.unwrap();
    let refused = Append { expected: 4, ..skips(run, 4, 1) };
    assert!(place.store.append(refused).await.is_err());
    let again = start(Some(by()), Some(run));
    place.store.append(again).await.unwrap();

    let rows = rows(&place).await;
    let told: Vec<(&str, bool)> =
        rows.iter().skip(2).map(|row| (&*row.action, row.object_id == run.to_string())).collect();
    let expected = [
        ("run.start", true),
        ("run.cancel", true),
        ("run.retry", true),
        ("run.resolve", true),
        ("run.restart", false),
    ];
    assert_eq!(told, expected);
    let after = json!({"step": "charge", "resolution": "done", "reason": "seen there"});
    assert_eq!(rows[5].after, Some(after));
    assert_eq!(rows[6].after.as_ref().unwrap()["restartedFrom"], json!(run));
    assert_eq!(verify(place.directory.path(), None).broken, None);
}

/// Whatever comes in between, each company's log goes on from its own last row.
#[tokio::test]
async fn chains_of_companies_are_apart() {
    let place = place_of_five().await;
    let (other, _) = place.store.create_company("other", &by(), NOW).await.unwrap();
    for company in [other, place.company, other] {
        place.store.record(company, &by(), Deed::new("audit.export", "audit", ""), NOW).await.unwrap();
    }
    let verified = verify(place.directory.path(), None);
    let counts: Vec<(&str, u64)> =
        verified.companies.iter().map(|chain| (&*chain.name, chain.head.count)).collect();
    assert_eq!((counts, verified.broken), (vec![("default", 6), ("other", 4)], None));
}

#[tokio::test]
async fn rows_are_never_changed_or_removed() {
    let place = place_of_five().await;
    let check = |sql: &str, expected: &str| {
        let error = place.outside().execute(sql, []).unwrap_err().to_string();
        assert_eq!(error, expected, "{sql}");
    };
    check("UPDATE audit SET action = 'x'", "rows of the audit log are never changed");
    check("DELETE FROM audit WHERE seq = 5", "rows of the audit log are never removed");
}

/// Who has the file can do anything to it.
const UNLOCK: &str = "DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_cut;";

/// Changes a copy of the database and checks what verifying says then.
#[track_caller]
fn check(place: &Place, sql: &str, head: Option<AuditHash>, expected: &str) {
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("loopfour.db");
    ReadOnly::open(place.directory.path()).unwrap().backup(&file, NOW).unwrap();
    rusqlite::Connection::open(&file).unwrap().execute_batch(&format!("{UNLOCK}{sql}")).unwrap();
    let broken = verify(copy.path(), head).broken;
    assert_eq!(broken.map(|broken| broken.to_string()).unwrap_or_default(), expected, "{sql}");
}

#[tokio::test]
async fn what_was_done_to_the_log_is_found() {
    let place = place_of_five().await;
    let head = place.store.audit_head(place.company).await.unwrap();
    let (none, some) = (None, Some(head.hash));
    let changed =
        |seq| format!("company `default`: row {seq} was changed: its hash is not that of what it says");
    let missing = |seq| format!("company `default`: row {seq} is missing");
    check(&place, "", none, "");
    check(&place, "", some, "");
    for (column, value) in [
        ("at", "at + 1"),
        ("actor_id", "'key_other'"),
        ("actor_name", "'other'"),
        ("address", "NULL"),
        ("address", "''"),
        ("action", "'key.create'"),
        ("object_type", "'run'"),
        ("object_id", "'z'"),
        ("before", "'null'"),
        ("after", "'{}'"),
        ("after", "NULL"),
        ("hash", "zeroblob(32)"),
    ] {
        check(&place, &format!("UPDATE audit SET {column} = {value} WHERE seq = 3"), none, &changed(3));
    }
    check(&place, "DELETE FROM audit WHERE seq = 1", none, &missing(1));
    check(&place, "DELETE FROM audit WHERE seq = 4", none, &missing(4));
    let closed_up = "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4;
                     UPDATE audit SET seq = 4 WHERE seq = 5";
    check(&place, closed_up, none, &changed(3));
    let cut =
        format!("no row has the hash {}: the end of a log was cut off, or the log was made anew", head.hash);
    check(&place, "DELETE FROM audit WHERE seq >= 4", none, "");
    check(&place, "DELETE FROM audit WHERE seq >= 4", some, &cut);
    check(&place, "DELETE FROM audit", some, &cut);
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("loopfour.db");
    ReadOnly::open(place.directory.path()).unwrap().backup(&file, NOW).unwrap();
    let db = rusqlite::Connection::open(&file).unwrap();
    db.execute_batch(&format!("{UNLOCK} UPDATE audit SET hash = x'00' WHERE seq = 2")).unwrap();
    let found = verify(copy.path(), None);
    assert!(matches!(&found.broken, Some(AuditBreak::Unreadable { .. })), "{found:?}");
    assert!(!found.broken.unwrap().to_string().contains('\n'));
}

/// Rows that no chain leads to would still be shown, and a chain that is not there at all has no bad row.
#[tokio::test]
async fn what_stands_beside_the_chains_is_found() {
    let place = place_of_five().await;
    place.store.create_company("other", &by(), NOW).await.unwrap();
    let stray = "a row is in no company's log: its company is not there any more, or its number is below 1";
    let add = |company: &str, seq: i64| {
        format!(
            "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;
             INSERT INTO audit SELECT {company}, {seq}, at, actor_id, actor_name, address, action, object_type, object_id,
                                      before, after, hash FROM audit WHERE action = 'company.create' LIMIT 1"
        )
    };
    for (company, seq) in [("company", 0), ("company", -5), ("x'00112233445566778899aabbccddeeff'", 1)] {
        check(&place, &add(company, seq), None, stray);
    }
    let gone = "PRAGMA foreign_keys = OFF; DELETE FROM companies WHERE name = 'other'";
    check(&place, gone, None, stray);
    let emptied = "DELETE FROM audit WHERE company = (SELECT id FROM companies WHERE name = 'other')";
    check(&place, emptied, None, "company `other`: row 1 is missing");
}

/// The log grows after the head was taken, and more than a part of it is read.
#[tokio::test]
async fn a_log_is_verified_while_it_grows_and_after_a_restore() {
    let place = place_of_five().await;
    let head = place.store.audit_head(place.company).await.unwrap().hash;
    for number in 0..1100 {
        let deed = Deed::new("audit.export", "audit", number);
        place.store.record(place.company, &by(), deed, NOW).await.unwrap();
    }
    let verified = verify(place.directory.path(), Some(head));
    assert_eq!((verified.companies[0].head.count, verified.broken), (1105, None));
    let elsewhere = tempfile::tempdir().unwrap();
    let (file, new) = (elsewhere.path().join("kept"), elsewhere.path().join("new"));
    ReadOnly::open(place.directory.path()).unwrap().backup(&file, NOW).unwrap();
    Store::restore(&file, &new, NOW).unwrap();
    assert_eq!(verify(&new, Some(head)).broken, None);
}

#[test]
fn a_hash_is_64_hexadecimal_digits() {
    let text = format!("{}{}", "0f".repeat(31), "a9");
    assert_eq!(text.parse::<AuditHash>().unwrap().to_string(), text);
    assert_eq!(text.to_uppercase().parse::<AuditHash>().unwrap().to_string(), text);
    for bad in ["", "0f", &"g".repeat(64), &"é".repeat(32), &format!("{text}0"), &format!("+{}", &text[1..])]
    {
        assert!(bad.parse::<AuditHash>().is_err(), "{bad}");
    }
}
