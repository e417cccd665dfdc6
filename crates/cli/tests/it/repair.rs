//! The commands that repair a run, against a server and the offline Stripe.

use serde_json::{Value, json};

use crate::process::{Ended, Place, Server, within};

struct Scene {
    place: Place,
    sandbox: Server,
    server: Server,
}

impl Scene {
    /// A server that asks a person about every write without an answer.
    fn new() -> Scene {
        let place = Place::new().with("loopfour.toml", "[stripe]\nsafety_margin = '0s'");
        let sandbox = Server::start(place.command(&["sandbox", "--listen", "127.0.0.1:0"]));
        let server = Server::beside(&place, &sandbox);
        Scene { place, sandbox, server }
    }

    fn fault(&self, fault: &Value) {
        assert_eq!(self.sandbox.call("POST", "/_sandbox/faults", &fault.to_string()).0, 200);
    }

    fn ask(&self, arguments: &[&str]) -> Ended {
        self.place.ask(&self.server, arguments)
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        self.place.done(&self.server, arguments)
    }

    /// The line on stderr of a command that is refused.
    #[track_caller]
    fn refused(&self, arguments: &[&str], said: &str) {
        let ended = self.ask(arguments);
        assert_eq!((ended.code, ended.stderr.lines().count()), (Some(1), 1), "{ended:?}");
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }

    fn run(&self, id: &str) -> Value {
        self.server.call("GET", &format!("/api/v1/runs/{id}"), "").1["data"].clone()
    }

    /// The run once it stands so: a status, or a reason to wait.
    fn at(&self, id: &str, standing: &str) -> Value {
        within(|| {
            let run = self.run(id);
            (run["status"] == standing || run["waiting"]["reason"] == standing).then_some(run)
        })
    }

    fn count(&self, kind: &str) -> usize {
        let found = self.sandbox.call("GET", &format!("/_sandbox/objects?type={kind}"), "").1;
        found["objects"].as_array().unwrap().len()
    }
}

/// A run whose invoice was made, and nobody knows.
fn unknown(scene: &Scene, kind: &str) -> String {
    scene.fault(&json!({"kind": kind, "match": {"path": "/v1/invoices", "method": "POST"}}));
    let run = scene.server.start_example("ada@example.com");
    scene.at(&run, "outcome_unknown");
    run
}

#[test]
fn an_unknown_write_is_looked_for_and_resolved() {
    let scene = Scene::new();
    let run = unknown(&scene, "cut_after_write");
    let show = scene.done(&["runs", "show", &run]);
    for said in [
        "waits for a person (outcome_unknown)",
        &format!("loopfour runs candidates {run} create-invoice"),
        &format!("loopfour runs resolve {run} create-invoice --outcome done --id ID --reason TEXT"),
    ] {
        assert!(show.contains(said), "{said}: {show}");
    }
    let tail = scene.ask(&["runs", "tail", &run]);
    assert_eq!(tail.code, Some(3), "{tail:?}");

    let candidates = scene.ask(&["runs", "candidates", &run, "create-invoice"]);
    assert_eq!((candidates.code, candidates.stdout.lines().count()), (Some(0), 1), "{candidates:?}");
    assert!(candidates.stderr.starts_with("looked at 1, all there are: "), "{}", candidates.stderr);
    let invoice = candidates.stdout.split_whitespace().next().unwrap().to_owned();
    assert!(invoice.starts_with("in_"), "{invoice}");
    let json = scene.done(&["runs", "candidates", &run, "create-invoice", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["candidates"][0]["id"], invoice.as_str());

    let resolve = |more: &[&'static str]| {
        [&["runs", "resolve", &run, "create-invoice", "--reason", "seen"], more].concat()
    };
    scene.refused(&resolve(&["--outcome", "retry"]), "`notDone: true`");
    scene.refused(&resolve(&["--outcome", "done", "--id", "in_none"]), "(VALIDATION_ERROR); id: ");
    scene.refused(&["runs", "resolve", &run, "nothing", "--outcome", "fail", "--reason", "x"], "(NOT_FOUND)");
    let resolve = [
        "runs",
        "resolve",
        &run,
        "create-invoice",
        "--reason",
        "seen",
        "--outcome",
        "done",
        "--id",
        &invoice,
    ];
    let resolved = scene.done(&resolve);
    assert!(resolved.contains("✓ create-invoice"), "{resolved}");
    let done = scene.at(&run, "completed");
    assert_eq!((&done["output"]["id"], scene.count("invoice")), (&json!(invoice), 1));
    scene.refused(&resolve, "(INVALID_STATE)");
    let logs = scene.done(&["runs", "logs", &run, "--all"]);
    assert!(logs.contains("`first` resolved step `create-invoice` as done: seen"), "{logs}");
}

#[test]
fn a_write_that_was_not_done_is_tried_anew() {
    let scene = Scene::new();
    let run = unknown(&scene, "cut_before_write");
    let none = scene.ask(&["runs", "candidates", &run, "create-invoice"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{none:?}");
    assert!(none.stderr.contains("does not prove"), "{}", none.stderr);
    let resolve = ["runs", "resolve", &run, "create-invoice", "--reason", "none there", "--outcome", "retry"];
    scene.done(&[&resolve[..], &["--not-done"]].concat());
    scene.at(&run, "completed");
    assert_eq!(scene.count("invoice"), 1);
}

#[test]
fn what_came_of_a_call_can_be_told_whole_or_given_up() {
    let scene = Scene::new();
    let run = unknown(&scene, "cut_before_write");
    std::fs::write(scene.place.path().join("output.json"), r#"{"id": "in_none"}"#).unwrap();
    let resolve = ["runs", "resolve", &run, "create-invoice", "--reason", "told"];
    scene.done(&[&resolve[..], &["--outcome", "done", "--output", "output.json"]].concat());
    let failed = scene.at(&run, "failed");
    assert_eq!(failed["steps"][3]["output"], json!({"id": "in_none"}), "{failed}");

    let run = unknown(&scene, "cut_before_write");
    let given_up =
        scene.done(&["runs", "resolve", &run, "create-invoice", "--outcome", "fail", "--reason", "paid"]);
    assert!(given_up.contains("OUTCOME_UNKNOWN") && given_up.contains("failed"), "{given_up}");
    scene.refused(&["runs", "retry", &run], "`notDone: true`");
    scene.refused(&["runs", "restart", &run], "`force: true`");
    scene.done(&["runs", "retry", &run, "--not-done"]);
    scene.at(&run, "completed");
}

#[test]
fn a_run_is_cancelled_and_started_anew() {
    let scene = Scene::new();
    let run = unknown(&scene, "cut_before_write");
    let cancelled = scene.done(&["runs", "cancel", &run]);
    assert!(cancelled.contains("then the run ends as cancelled"), "{cancelled}");
    scene.refused(&["runs", "restart", &run], "(INVALID_STATE)");
    scene.done(&["runs", "resolve", &run, "create-invoice", "--outcome", "fail", "--reason", "not wanted"]);
    assert_eq!(scene.run(&run)["status"], "cancelled");
    scene.refused(&["runs", "cancel", &run], "(INVALID_STATE)");

    scene.refused(&["runs", "restart", &run, "--force", "--from-step", "nothing"], "no step `nothing`");
    let anew = scene.done(&["runs", "restart", &run, "--force", "--from-step", "create-invoice"]);
    let anew = anew.trim_end();
    let done = scene.at(anew, "completed");
    assert_eq!((&done["restartedFrom"], scene.count("customer")), (&json!(run), 1));
    let show = scene.done(&["runs", "show", anew]);
    assert!(show.contains(&format!("anew from {run}")), "{show}");
    let json = scene.done(&["runs", "restart", anew, "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["status"], "pending");
}
