//! The commands that talk to a server.

use serde_json::{Value, json};

use crate::process::{Ended, KEY, Place, Server, ended};

struct Scene {
    place: Place,
    server: Server,
    run: String,
}

/// A server on which the example ran once.
fn scene() -> Scene {
    let place = Place::new();
    let server = Server::serve(&place, &["--sandbox"]);
    let run = server.start_example("ada@example.com");
    server.await_end();
    Scene { place, server, run }
}

impl Scene {
    fn ask(&self, arguments: &[&str]) -> Ended {
        let mut command = self.place.command(arguments);
        command
            .env("LOOPFOUR_API_KEY", KEY)
            .env("LOOPFOUR_SERVER", format!("http://{}", self.server.address));
        ended(command)
    }
}

#[test]
fn a_run_is_listed_shown_and_followed() {
    let scene = scene();
    let list = scene.ask(&["runs", "list"]);
    assert_eq!((list.code, list.stdout.lines().count()), (Some(0), 1), "{list:?}");
    assert!(list.stdout.starts_with(&scene.run) && list.stdout.contains("completed"), "{}", list.stdout);
    let list = scene.ask(&["runs", "list", "--status", "failed"]);
    assert_eq!((list.code, list.stdout.as_str()), (Some(0), ""));
    let list = scene.ask(&["runs", "list", "--json", "--status", "completed"]);
    assert_eq!(serde_json::from_str::<Value>(&list.stdout).unwrap()["id"], scene.run.as_str());

    let show = scene.ask(&["runs", "show", &scene.run]);
    assert_eq!((show.code, show.stderr.as_str()), (Some(0), ""));
    assert!(show.stdout.contains("✓ create-customer"), "{}", show.stdout);
    let show = scene.ask(&["runs", "show", "--json", &scene.run]);
    let run: Value = serde_json::from_str(&show.stdout).unwrap();
    assert_eq!((&run["status"], run["steps"].as_array().unwrap().len()), (&json!("completed"), 7));

    let tail = scene.ask(&["runs", "tail", &scene.run]);
    assert_eq!((tail.code, tail.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = tail.stdout.lines().collect();
    assert_eq!(lines.len(), 8, "{lines:?}");
    assert!(lines[6].starts_with("  ✓ send") && lines[7].starts_with("completed in "), "{lines:?}");
}

#[test]
fn a_run_is_followed_while_it_goes_on() {
    let place = Place::new();
    let sandbox_place = Place::new();
    let sandbox = Server::start(sandbox_place.command(&["sandbox", "--listen", "127.0.0.1:0"]));
    let fault =
        json!({"kind": "delay", "milliseconds": 500, "match": {"path": "/v1/invoices", "method": "POST"}});
    sandbox.call("POST", "/_sandbox/faults", &fault.to_string());
    let server = Server::beside(&place, &sandbox);
    let run = server.start_example("ada@example.com");
    let scene = Scene { place, server, run };
    let tail = scene.ask(&["runs", "tail", &scene.run]);
    assert_eq!(tail.code, Some(0), "{tail:?}");
    assert!(tail.stdout.lines().last().unwrap().starts_with("completed in "), "{}", tail.stdout);
}

#[test]
fn an_error_answer_is_one_line_with_its_code() {
    let scene = scene();
    let unknown = "run_00000000-0000-7000-8000-000000000000";
    for arguments in [["runs", "show", unknown], ["runs", "tail", unknown]] {
        let ended = scene.ask(&arguments);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (Some(1), "", 1),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("(NOT_FOUND)"), "{}", ended.stderr);
    }
    let ended = scene.ask(&["runs", "show", "wf_1"]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1));
    assert!(ended.stderr.contains("`wf_1` is not a run's id"), "{}", ended.stderr);
}

#[test]
fn a_key_is_made_with_the_scopes_asked_for_and_printed_alone() {
    let scene = scene();
    let made = scene.ask(&["keys", "create", "watcher", "--scopes", "runs:read,workflows:read"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let key = made.stdout.trim().to_owned();
    assert!(key.starts_with("wfk_") && key.len() == 36, "{key}");
    let with_it = |arguments: &[&str]| {
        let mut command = scene.place.command(arguments);
        command
            .env("LOOPFOUR_API_KEY", &key)
            .env("LOOPFOUR_SERVER", format!("http://{}", scene.server.address));
        ended(command)
    };
    assert_eq!(with_it(&["runs", "list"]).code, Some(0));
    let refused = with_it(&["keys", "create", "more", "--scopes", "admin"]);
    assert_eq!((refused.code, refused.stderr.lines().count()), (Some(1), 1), "{refused:?}");
    assert!(refused.stderr.contains("(FORBIDDEN)"), "{}", refused.stderr);
    let wrong = scene.ask(&["keys", "create", "wrong", "--scopes", "runs:write"]);
    assert!(wrong.code == Some(1) && wrong.stderr.contains("runs:write"), "{wrong:?}");
}

#[test]
fn without_a_key_nothing_is_asked() {
    let ended = Place::new().run(&["runs", "list"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        ended.stderr,
        "error: LOOPFOUR_API_KEY is not set (hint: the first `loopfour serve` printed a key)\n"
    );
}

#[test]
fn a_run_is_told_line_by_line_and_passed_on_event_by_event() {
    let scene = scene();
    let logs = scene.ask(&["runs", "logs", &scene.run]);
    assert_eq!((logs.code, logs.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = logs.stdout.lines().collect();
    assert!(lines[0].contains("  info  the run of version 1 was started by api"), "{}", logs.stdout);
    assert!(lines.last().unwrap().ends_with("the run completed"), "{}", logs.stdout);
    let logs = scene.ask(&["runs", "logs", &scene.run, "--limit", "1", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&logs.stdout).unwrap()["type"], "run.started");
    assert!(logs.stderr.contains("more follow"), "{}", logs.stderr);

    let tail = scene.ask(&["runs", "tail", &scene.run, "--json"]);
    assert_eq!((tail.code, tail.stderr.as_str()), (Some(0), ""));
    let events: Vec<Value> = tail.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), lines.len());
    assert_eq!((&events[0]["type"], &events[0]["seq"]), (&json!("run.started"), &json!(1)));
    assert_eq!(events.last().unwrap()["type"], "run.completed");
}

#[test]
fn runs_of_a_workflow_are_found_by_its_name() {
    let scene = scene();
    let list = scene.ask(&["runs", "list", "--workflow", "Create and Send Invoice"]);
    assert!(list.code == Some(0) && list.stdout.starts_with(&scene.run), "{list:?}");
    let list = scene.ask(&["runs", "list", "--workflow", "wf_00000000-0000-7000-8000-000000000000"]);
    assert_eq!((list.code, list.stdout.as_str()), (Some(0), ""), "{list:?}");
    let list = scene.ask(&["runs", "list", "--workflow", "Another"]);
    assert!(list.code == Some(1) && list.stderr.contains("there is no workflow `Another`"), "{list:?}");
    let list = scene.ask(&["runs", "list", "--status", "done"]);
    assert!(list.code == Some(2) && list.stderr.contains("completed"), "{list:?}");
}

#[test]
fn keys_are_listed_without_themselves_and_revoked() {
    let scene = scene();
    let made = scene.ask(&["keys", "create", "shop", "--scopes", "runs:read", "--json"]);
    let made: Value = serde_json::from_str(&made.stdout).unwrap();
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let list = scene.ask(&["keys", "list"]);
    assert_eq!((list.code, list.stdout.lines().count()), (Some(0), 2), "{list:?}");
    assert!(list.stdout.starts_with(id) && list.stdout.contains("  shop  "), "{}", list.stdout);
    assert!(!list.stdout.contains(key) && !list.stdout.contains(KEY), "{}", list.stdout);
    let revoked = scene.ask(&["keys", "revoke", id]);
    assert_eq!((revoked.code, revoked.stdout), (Some(0), format!("revoked {id}  shop\n")));
    let list = scene.ask(&["keys", "list", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&list.stdout).unwrap()["name"], "first");
    let again = scene.ask(&["keys", "revoke", id]);
    assert!(again.code == Some(1) && again.stderr.contains("(NOT_FOUND)"), "{again:?}");
    let mut command = scene.place.command(&["runs", "list"]);
    command.env("LOOPFOUR_API_KEY", key).env("LOOPFOUR_SERVER", format!("http://{}", scene.server.address));
    let refused = ended(command);
    assert!(refused.code == Some(1) && refused.stderr.contains("(UNAUTHORIZED)"), "{refused:?}");
}
