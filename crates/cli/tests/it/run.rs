//! `loopfour run`, in this process and on a server.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::EXAMPLE;
use crate::process::{Ended, KEY, Place, Server, ended, fed, within};

const INPUT: &str =
    r#"{"email": "ada@example.com", "name": "Ada", "amount": 9900, "description": "Consulting"}"#;

fn example() -> Place {
    Place::new().with("example.json", EXAMPLE)
}

/// The steps as stderr tells them: sign and id.
fn steps(ended: &Ended) -> Vec<String> {
    let step = |line: &str| {
        let mut words = line.split_whitespace();
        let sign = words.next().filter(|sign| ["✓", "–", "✗", "…"].contains(sign))?;
        Some(format!("{sign} {}", words.next()?))
    };
    ended.stderr.lines().filter_map(step).collect()
}

/// Runs the example for a customer who is new and then for one who is known.
#[track_caller]
fn check_both_branches(run: impl Fn() -> Ended) {
    let first = run();
    assert_eq!(first.code, Some(0), "{first:?}");
    let all = |create: &str| {
        let create = format!("{create} create-customer");
        [
            "✓ get-or-create-customer",
            "✓ check-customer",
            &create,
            "✓ create-invoice",
            "✓ add-line-item",
            "✓ finalize",
            "✓ send",
        ]
        .map(str::to_owned)
    };
    assert_eq!(steps(&first), all("✓"));
    let invoice: Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!((&invoice["status"], &invoice["amount_due"]), (&json!("open"), &json!(9900)));

    let second = run();
    assert_eq!((second.code, steps(&second)), (Some(0), all("–").to_vec()), "{second:?}");
    let again: Value = serde_json::from_str(&second.stdout).unwrap();
    assert_ne!(invoice["id"], again["id"]);
    assert_eq!(invoice["customer"], again["customer"]);
}

#[test]
fn the_example_runs_in_both_branches_in_this_process() {
    let place = example();
    check_both_branches(|| place.run(&["run", "example.json", "--sandbox", "--input", INPUT]));
    assert!(place.path().join("loopfour-data/sandbox").is_dir(), "the offline Stripe's objects are kept");
}

#[test]
fn the_example_runs_in_both_branches_on_a_server() {
    let (place, elsewhere) = (example(), Place::new());
    let server = Server::serve(&elsewhere, &["--sandbox"]);
    let address = format!("http://{}", server.address);
    check_both_branches(|| {
        let mut command = place.command(&["run", "example.json", "--server", &address, "--input", INPUT]);
        command.env("LOOPFOUR_API_KEY", KEY);
        ended(command)
    });
    assert!(!place.path().join("loopfour-data").exists(), "nothing happens here");
}

#[test]
fn the_environment_can_name_the_server_and_flags_of_this_process_beat_it() {
    let (place, elsewhere) = (example(), Place::new());
    let server = Server::serve(&elsewhere, &["--sandbox"]);
    let run = |arguments: &[&str]| {
        let mut command = place.command(&[&["run", "example.json", "--input", INPUT], arguments].concat());
        command.env("LOOPFOUR_API_KEY", KEY).env("LOOPFOUR_SERVER", format!("http://{}", server.address));
        ended(command)
    };
    assert_eq!(run(&[]).code, Some(0));
    assert!(!place.path().join("loopfour-data").exists());
    assert_eq!(run(&["--sandbox"]).code, Some(0));
    assert!(place.path().join("loopfour-data").exists());
}

#[test]
fn input_comes_from_the_line_a_file_or_stdin() {
    let place = example().with("input.json", INPUT);
    let run = ["run", "example.json", "--sandbox"];
    assert_eq!(place.run(&[&run[..], &["--input-file", "input.json"]].concat()).code, Some(0));
    let command = place.command(&[&run[..], &["--input-file", "-"]].concat());
    assert_eq!(fed(command, INPUT).code, Some(0));
    let command = place.command(&["run", "-", "--sandbox", "--input", INPUT]);
    assert_eq!(fed(command, EXAMPLE).code, Some(0));
}

#[test]
fn a_run_that_fails_says_why_and_what_to_do() {
    let place = example();
    let ended = place.run(&["run", "example.json", "--sandbox", "--input", "{}"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert_eq!(steps(&ended), ["✗ get-or-create-customer"]);
    assert!(ended.stderr.contains("EMPTY_PARAMETER") && ended.stderr.contains("hint: "), "{}", ended.stderr);
    let amount = INPUT.replace("9900", "99.5");
    let ended = place.run(&["run", "example.json", "--sandbox", "--input", &amount]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("INVALID_PARAMETER"), "{}", ended.stderr);
}

#[test]
fn what_cannot_be_started_is_refused() {
    let place = example().with("bad.json", EXAMPLE.replace("stripe.sendInvoice", "stripe.sendInvoce"));
    let check = |arguments: &[&str], last: &str| {
        let ended = place.run(&[&["run"], arguments].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert_eq!(ended.stderr.lines().last(), Some(last));
    };
    check(&["bad.json", "--sandbox"], "error: bad.json: 1 error");
    check(&["none.json"], "error: none.json: cannot be read: No such file or directory (os error 2)");
    check(
        &["example.json"],
        "error: there is no Stripe to call (hint: `--sandbox` calls the built-in offline one, a key in STRIPE_API_KEY \
         the real one)",
    );
    let ended = place.run(&["run", "example.json", "--sandbox", "--input", "{\"a\": 1, \"a\": 2}"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.starts_with("error: --input: "), "{}", ended.stderr);
    assert!(!place.path().join("loopfour-data").exists(), "a refused run leaves nothing behind");
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let place = example();
    let mut command = place.command(&["run", "example.json", "--server", "http://127.0.0.1:9"]);
    command.env("LOOPFOUR_API_KEY", KEY);
    let ended = ended(command);
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(2), 1));
    assert!(ended.stderr.starts_with("error: no answer from http://127.0.0.1:9: "), "{}", ended.stderr);
}

/// The example beside a sandbox that breaks the connection once after it made an invoice.
fn beside_a_cut(place: &Place) -> (Server, Command) {
    let sandbox = Server::start(place.command(&["sandbox", "--listen", "127.0.0.1:0"]));
    let fault = json!({"kind": "cut_after_write", "match": {"path": "/v1/invoices", "method": "POST"}});
    assert_eq!(sandbox.call("POST", "/_sandbox/faults", &fault.to_string()).0, 200);
    let mut command = place.command(&["run", "example.json", "--input", INPUT]);
    command.env("LOOPFOUR_STRIPE_API_BASE", format!("http://{}", sandbox.address));
    command.env("STRIPE_API_KEY", "sk_test_abc");
    (sandbox, command)
}

#[test]
fn a_write_without_an_answer_is_sent_again_and_done_once() {
    let place = example();
    let (sandbox, command) = beside_a_cut(&place);
    let ended = ended(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(steps(&ended)[3..5], ["… create-invoice", "✓ create-invoice"]);
    assert!(ended.stderr.contains("waits: retry, goes on at "), "{}", ended.stderr);
    let invoices = sandbox.call("GET", "/_sandbox/objects?type=invoice", "").1;
    assert_eq!(invoices["objects"].as_array().unwrap().len(), 1);
}

#[test]
fn a_run_that_only_a_person_can_help_ends_the_command() {
    let limited = EXAMPLE.trim_end().strip_suffix('}').unwrap().trim_end().to_owned();
    let limited = limited + ",\n\"settings\": {\"timeoutMs\": 600000}}";
    for text in [EXAMPLE, &limited] {
        let place =
            Place::new().with("example.json", text).with("loopfour.toml", "[stripe]\nsafety_margin = '0s'");
        let (_sandbox, command) = beside_a_cut(&place);
        let ended = ended(command);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{ended:?}");
        assert!(ended.stderr.contains("waits for a person (outcome_unknown)"), "{}", ended.stderr);
    }
}

#[test]
fn ctrl_c_leaves_a_run_that_the_next_start_goes_on_with() {
    let (place, elsewhere) = (example(), Place::new());
    let sandbox = Server::start(elsewhere.command(&["sandbox", "--listen", "127.0.0.1:0"]));
    let fault = json!({"kind": "delay_after_write", "milliseconds": 1000, "match": {"path": "/v1/customers", "method": "POST"}});
    assert_eq!(sandbox.call("POST", "/_sandbox/faults", &fault.to_string()).0, 200);
    let mut command = place.command(&["run", "example.json", "--input", INPUT]);
    command.env("LOOPFOUR_STRIPE_API_BASE", format!("http://{}", sandbox.address));
    command.env("STRIPE_API_KEY", "sk_test_abc").stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    within(|| {
        let customers = sandbox.call("GET", "/_sandbox/objects?type=customer", "").1;
        customers["objects"].get(0).map(|_| ())
    });
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(130), 0), "{stderr}");
    assert!(stderr.contains("✓ create-customer"), "the call under way was awaited: {stderr}");
    assert!(stderr.lines().last().unwrap().starts_with("stopped; the next `loopfour serve`"), "{stderr}");

    let server = Server::beside(&place, &sandbox);
    assert_eq!(server.await_end()["status"], "completed");
    let customers = sandbox.call("GET", "/_sandbox/objects?type=customer", "").1;
    assert_eq!(customers["objects"].as_array().unwrap().len(), 1);
}

#[test]
fn outputs_keep_every_digit() {
    let flow = json!({
        "name": "Digits",
        "trigger": {"type": "api"},
        "steps": [{"id": "is", "type": "condition", "config": {
            "conditions": {"left": 1, "operator": "eq", "right": 1}, "then": []
        }}],
        "settings": {"output": {"third": "{{ 10 / 3 }}", "given": "{{ input.big }}"}}
    });
    let (place, elsewhere) = (Place::new().with("flow.json", flow.to_string()), Place::new());
    let server = Server::serve(&elsewhere, &["--sandbox"]);
    let address = format!("http://{}", server.address);
    for arguments in [&["--data", "here"][..], &["--server", &address]] {
        let run = ["run", "flow.json", "--input", r#"{"big": 9007199254740993}"#];
        let mut command = place.command(&[&run[..], arguments].concat());
        command.env("LOOPFOUR_API_KEY", KEY);
        let ended = ended(command);
        let expected = "{\n  \"third\": 3.333333333333333333333333333,\n  \"given\": 9007199254740993\n}\n";
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), expected), "{}", ended.stderr);
    }
}

#[test]
fn the_whole_record_of_a_run_is_the_one_that_the_api_answers() {
    let (place, elsewhere) = (example(), Place::new());
    let server = Server::serve(&elsewhere, &["--sandbox"]);
    let address = format!("http://{}", server.address);
    let mut keys = Vec::new();
    for arguments in [&["--sandbox"][..], &["--server", &address]] {
        let run = ["run", "example.json", "--json", "--input", INPUT];
        let mut command = place.command(&[&run[..], arguments].concat());
        command.env("LOOPFOUR_API_KEY", KEY);
        let ended = ended(command);
        assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 1), "{}", ended.stderr);
        let run: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((&run["status"], run["steps"].as_array().unwrap().len()), (&json!("completed"), 7));
        keys.push(run.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
    }
    assert_eq!(keys[0], keys[1]);
}
