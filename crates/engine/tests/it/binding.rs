//! Which connection a step uses, and what a run is bound to from its first call on.

use loopfour_engine::ports::Call;
use loopfour_engine::{
    Account, Bound, CompanyId, ConnectionId, Entry, Event, Policy, RunId, RunStatus, StepPath, WaitReason,
    Wake,
};
use loopfour_lang::template::Tree;
use loopfour_lang::{Catalog, Value};
use uuid::Uuid;

use crate::life::{Asked, Life, of_steps};

const ONE: ConnectionId = ConnectionId(Uuid::from_u128(1));
const OTHER: ConnectionId = ConnectionId(Uuid::from_u128(2));

fn account(connection: &str, id: Option<&str>) -> Account {
    Account { connection: connection.to_owned(), mode: "live".to_owned(), id: id.map(str::to_owned) }
}

fn bound(connection: &str, id: Option<&str>, version: Option<&str>) -> Bound {
    Bound { account: account(connection, id), version: version.map(str::to_owned) }
}

/// A read that asks for this connection, or for none.
fn step(id: &str, connection: &str) -> String {
    let connection = match connection {
        "" => String::new(),
        connection => format!(r#","connectionId":"{connection}""#),
    };
    format!(r#"{{"id":"{id}","action":"stripe.listCustomers","config":{{"limit":1}}{connection}}}"#)
}

/// A run of steps that ask for these connections; nothing is ready yet.
fn held(connections: &[&str]) -> Life {
    let steps: Vec<String> =
        connections.iter().enumerate().map(|(at, connection)| step(&format!("s{at}"), connection)).collect();
    let mut life = Life::started(&of_steps("", &steps.join(",")), Policy::default(), Vec::new(), false);
    life.preparer.accounts = [
        (None, account("environment", Some("acct_0"))),
        (Some(ONE), account(&ONE.to_string(), Some("acct_1"))),
        (Some(OTHER), account(&OTHER.to_string(), Some("acct_2"))),
    ]
    .into();
    life
}

fn ready(connections: &[&str]) -> Life {
    let mut life = held(connections);
    life.preparer.ready = true;
    life.wake(Wake::Connection);
    life
}

#[test]
fn a_step_without_its_own_binds_the_run() {
    let mut life = ready(&["", "", ""]);
    assert_eq!(life.asked(), Asked::default());
    life.succeeds();
    let first = bound("environment", Some("acct_0"), Some("test"));
    let expected = Asked { connection: None, bound: Some(first.clone()), used: vec![first] };
    assert_eq!(life.asked(), expected);
    // Whatever else there is then: the run keeps to what it began with.
    life.preparer.accounts.insert(None, account("environment", Some("acct_9")));
    life.succeeds();
    assert_eq!(life.asked(), expected);
    life.succeeds().is(RunStatus::Completed);
}

#[test]
fn a_step_with_its_own_binds_that_connection_alone() {
    let (one, other) = (ONE.to_string(), OTHER.to_string());
    let mut life = ready(&[&one, "", &one, &other]);
    assert_eq!(life.asked(), Asked { connection: Some(ONE), ..Asked::default() });
    life.succeeds();
    let own = bound(&one, Some("acct_1"), Some("test"));
    assert_eq!(life.asked(), Asked { connection: None, bound: None, used: vec![own.clone()] });
    life.succeeds();
    let usual = bound("environment", Some("acct_0"), Some("test"));
    let used = vec![own.clone(), usual];
    assert_eq!(life.asked(), Asked { connection: Some(ONE), bound: Some(own), used: used.clone() });
    life.succeeds();
    assert_eq!(life.asked(), Asked { connection: Some(OTHER), bound: None, used });
    life.succeeds().is(RunStatus::Completed);
}

#[test]
fn a_step_that_names_the_usual_one_keeps_to_it() {
    let one = ONE.to_string();
    let mut life = held(&["", &one]);
    life.preparer.accounts.insert(None, account(&one, Some("acct_1")));
    life.preparer.ready = true;
    life.wake(Wake::Connection).succeeds();
    let usual = bound(&one, Some("acct_1"), Some("test"));
    assert_eq!(life.asked(), Asked { connection: Some(ONE), bound: Some(usual.clone()), used: vec![usual] });
}

#[test]
fn what_a_run_waits_for_binds_it_too() {
    let mut life = held(&["", ""]);
    // It was held before there was any connection to be bound to.
    assert_eq!(life.asked(), Asked::default());
    life.preparer.accounts.insert(None, account("environment", None));
    life.wait().waits(WaitReason::Connection).wait();
    let open = bound("environment", None, None);
    assert_eq!(life.asked().bound, Some(open));
    // The first call completes it; nothing changes it any more.
    life.preparer.accounts.insert(None, account("environment", Some("acct_0")));
    life.preparer.ready = true;
    life.wait().succeeds();
    assert_eq!(life.asked().bound, Some(bound("environment", Some("acct_0"), Some("test"))));
}

#[test]
fn the_connection_changes_and_the_run_goes_on_at_once() {
    let mut life = held(&[""]);
    life.wake(Wake::Timer);
    assert_eq!(life.log().len(), 2, "its time has not come");
    life.wake(Wake::Connection).waits(WaitReason::Connection);
    assert_eq!(life.log().len(), 3, "it looked, and waits again");
    life.preparer.ready = true;
    life.wake(Wake::Connection);
    life.meets(loopfour_engine::Finding::Unauthorized).waits(WaitReason::Connection);
    life.wake(Wake::Timer);
    assert_eq!(life.run.due(), None);
    life.wake(Wake::Connection).succeeds().is(RunStatus::Completed);
    // Other waits are none of its business.
    let mut life = ready(&[""]);
    life.meets(loopfour_engine::Finding::Throttled).wake(Wake::Connection).waits(WaitReason::Pace);
}

/// The first step asks for what `{{variables.connection}}` is; says how that comes out.
#[track_caller]
fn check(connection: &str, expect: Result<Option<ConnectionId>, &str>) {
    let definition = crate::life::workflow(&format!(
        r#"{{"name":"w","trigger":{{"type":"api"}},"variables":{{"connection":{connection}}},"steps":[{}]}}"#,
        step("s", "{{variables.connection}}")
    ));
    let life = Life::begin(&definition);
    match expect {
        Ok(connection) => {
            assert_eq!(life.asked().connection, connection);
            let intended = life.entries.iter().find_map(|entry| match &entry.event {
                Event::CallIntended { connection, .. } => Some(*connection),
                _ => None,
            });
            assert_eq!(intended, Some(connection));
        }
        Err(message) => {
            let error = life.run.error.as_ref().unwrap_or_else(|| panic!("{:?}", life.log()));
            assert_eq!((error.code.as_str(), error.message.as_str()), ("INVALID_PARAMETER", message));
        }
    }
}

#[test]
fn a_steps_connection_comes_out_of_its_template() {
    check(&format!(r#""{ONE}""#), Ok(Some(ONE)));
    check("null", Ok(None));
    check(r#""""#, Ok(None));
    let none = "which is no connection's id";
    check(r#""environment""#, Err(&format!("`connectionId` came out as `environment`, {none}")));
    check("7", Err(&format!("`connectionId` came out as `7`, {none}")));
    check("false", Err(&format!("`connectionId` came out as `false`, {none}")));
    check(&format!(r#"["{ONE}"]"#), Err(&format!("`connectionId` came out as `[\"{ONE}\"]`, {none}")));
    check(r#"" ""#, Err(&format!("`connectionId` came out as ` `, {none}")));
}

#[test]
fn an_entry_without_a_connection_reads_as_before() {
    let old = r#"{"seq":2,"at":1000,"event":{"stepHeld":{"path":"s","reason":"connection",
        "error":{"code":"c","message":"m"},"until":61000}}}"#;
    let entry: Entry = serde_json::from_str(old).unwrap();
    let Event::StepHeld { account, connection, .. } = &entry.event else { panic!("{entry:?}") };
    assert_eq!((account, connection), (&None, &None));
    assert!(!serde_json::to_string(&entry).unwrap().contains("connection\":null"));
}

#[test]
fn a_call_finds_what_was_used_on_the_connection_that_is_chosen() {
    let used = [bound("environment", Some("acct_0"), None), bound("conn", Some("acct_1"), None)];
    let action = Catalog::builtin().action("stripe.listCustomers").unwrap();
    let mut call = Call {
        company: CompanyId(Uuid::nil()),
        action,
        config: &Tree::Object(Vec::new()),
        input: &Value::Null,
        connection: None,
        run: RunId(Uuid::nil()),
        path: &StepPath("s".to_owned()),
        stamp: false,
        bound: None,
        used: &used,
    };
    assert_eq!(call.bound_on("conn"), Some(&used[1]));
    assert_eq!(call.bound_on("elsewhere"), None);
    call.bound = Some(&used[0]);
    assert_eq!(call.bound_on("conn"), Some(&used[0]), "the run is bound, to another connection");
}
