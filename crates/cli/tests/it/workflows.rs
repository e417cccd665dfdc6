//! `loopfour workflows`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};

use crate::EXAMPLE;
use crate::process::{Ended, KEY, Place, Server, ended, fed};

const NAME: &str = "Create and Send Invoice";

struct Scene {
    place: Place,
    server: Server,
}

/// An empty server beside a directory with the example.
fn scene() -> Scene {
    let place = Place::new().with("invoice.json", EXAMPLE);
    let server = Server::serve(&place, &["--sandbox"]);
    Scene { place, server }
}

impl Scene {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(&[&["workflows"], arguments].concat());
        command.env("LOOPFOUR_API_KEY", KEY);
        command.env("LOOPFOUR_SERVER", format!("http://{}", self.server.address));
        command
    }

    fn ask(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments))
    }

    /// What a command prints that goes well and has nothing to add.
    #[track_caller]
    fn said(&self, arguments: &[&str]) -> String {
        let ended = self.ask(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}: {}", ended.stdout);
        ended.stdout
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.said(arguments)).unwrap()
    }

    /// A command that is refused: its exit code, and one line on stderr that contains this.
    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32, expected: &str) {
        let ended = self.ask(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{arguments:?}: {}", ended.stderr);
    }

    fn id(&self) -> String {
        self.json(&["show", NAME, "--json"])["id"].as_str().unwrap().to_owned()
    }

    /// Applies the example with this change.
    #[track_caller]
    fn apply_changed(&self, change: impl FnOnce(&mut Value), arguments: &[&str]) -> String {
        let mut workflow: Value = serde_json::from_str(EXAMPLE).unwrap();
        change(&mut workflow);
        let command = self.command(&[&["apply", "-"], arguments].concat());
        let ended = fed(command, &workflow.to_string());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
        ended.stdout
    }
}

#[test]
fn a_file_is_applied_once_and_then_only_what_is_different() {
    let scene = scene();
    let said = scene.said(&["apply", "invoice.json", "--dry-run"]);
    assert_eq!(said, format!("would create {NAME}\n"));
    assert_eq!(scene.said(&["list"]), "", "a dry run does nothing");

    let said = scene.said(&["apply", "invoice.json"]);
    let id = scene.id();
    assert_eq!(said, format!("created {id}  draft  version 1  {NAME}\n"));
    let said = scene.said(&["apply", "invoice.json", "--activate"]);
    assert_eq!(said, format!("unchanged {id}  active  version 1  {NAME}\n"));

    let change = |workflow: &mut Value| {
        workflow["description"] = "Bills".into();
        workflow["steps"].as_array_mut().unwrap().remove(6);
        workflow["steps"][1]["config"]["conditions"]["right"] = 1.into();
    };
    let said = scene.apply_changed(change, &["--dry-run"]);
    assert!(said.starts_with(&format!("would update {id}  active  version 1  {NAME}\n")), "{said}");
    let said = scene.apply_changed(change, &["--summary", "less"]);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], format!("updated {id}  active  version 2  {NAME} (was version 1)"));
    assert!(lines[1..].contains(&"  + description: \"Bills\""), "{said}");
    assert!(lines[1..].iter().any(|line| line.ends_with(".conditions.right: 0 → 1")), "{said}");
    assert!(lines[1..].iter().any(|line| line.starts_with("  - steps.send")), "{said}");
    assert_eq!(lines.len(), 4, "{said}");
    let versions = scene.said(&["versions", NAME]);
    assert!(versions.starts_with("2  ") && versions.contains("  less\n1  "), "{versions}");
}

/// An update of the API keeps what it does not name; a file that does not name it any more means that it is gone.
#[test]
fn what_a_file_no_longer_says_is_gone() {
    let scene = scene();
    scene.apply_changed(|workflow| workflow["variables"] = json!({"days": 30}), &[]);
    let said = scene.said(&["apply", "invoice.json", "--json"]);
    let applied: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&applied["result"], &applied["dryRun"]), (&json!("updated"), &json!(false)));
    let removed = json!([{"change": "removed", "path": "variables", "before": {"days": 30}}]);
    assert_eq!((&applied["changes"], &applied["workflow"]["version"]), (&removed, &json!(2)));
    assert!(applied["workflow"].get("variables").is_none());
    let again = scene.json(&["apply", "invoice.json", "--json"]);
    assert_eq!((&again["result"], &again["workflow"]["version"]), (&json!("unchanged"), &json!(2)));
}

#[test]
fn a_name_of_two_workflows_names_none() {
    let scene = scene();
    let (first, second) = (&scene.server.call("POST", "/api/v1/workflows", EXAMPLE).1, EXAMPLE);
    scene.server.call("POST", "/api/v1/workflows", second);
    let first = first["data"]["id"].as_str().unwrap();
    scene.refused(&["apply", "invoice.json"], 2, "say which one with --id");
    scene.refused(&["pause", NAME], 1, &format!("2 workflows are called `{NAME}`"));
    let said = scene.apply_changed(|workflow| workflow["name"] = "Another".into(), &["--id", first]);
    assert!(said.contains("  ~ name: "), "{said}");
    assert!(scene.said(&["apply", "invoice.json"]).starts_with("unchanged "));
    scene.refused(&["show", "create and send invoice"], 1, "there is no workflow");
}

#[test]
fn errors_in_a_file_are_drawn_and_nothing_is_sent() {
    let scene = scene();
    let command = scene.command(&["apply", "-"]);
    let ended = fed(command, &EXAMPLE.replace("stripe.sendInvoice", "stripe.sendInvoce"));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("stripe.sendInvoice") && ended.stderr.contains("error: -: 1 error"));
    assert_eq!(scene.said(&["list"]), "");
}

#[test]
fn a_workflow_is_paused_resumed_and_archived() {
    let scene = scene();
    scene.said(&["apply", "invoice.json", "--activate"]);
    let id = scene.id();
    assert_eq!(scene.said(&["pause", NAME]), format!("{id}  paused  version 1  {NAME}\n"));
    scene.refused(&["pause", &id], 1, "(INVALID_STATE)");
    scene.refused(&["apply", "invoice.json", "--activate"], 2, "loopfour workflows resume");
    assert_eq!(scene.json(&["resume", &id, "--json"])["status"], "active");
    assert_eq!(scene.said(&["archive", &id]), format!("{id}  archived  version 1  {NAME}\n"));
    scene.refused(&["resume", NAME], 1, "there is no workflow");
    assert_eq!(scene.said(&["list"]), "");
    assert!(scene.said(&["list", "--status", "archived"]).starts_with(&id));
    assert!(scene.said(&["apply", "invoice.json"]).starts_with("created "), "the name is free again");
    scene.refused(&["activate", "wf_1"], 1, "there is no workflow `wf_1`");
}

#[test]
fn an_old_version_is_shown_and_brought_back() {
    let scene = scene();
    scene.said(&["apply", "invoice.json"]);
    scene.apply_changed(|workflow| workflow["description"] = "Bills".into(), &[]);
    let shown = scene.said(&["show", NAME, "--version", "1", "--source"]);
    assert_eq!(shown.trim_end(), EXAMPLE.trim_end());
    assert_eq!(scene.json(&["show", NAME, "--json"])["description"], "Bills");
    let shown = scene.said(&["show", NAME]);
    assert!(shown.starts_with(&scene.id()) && shown.contains("\"Bills\""), "{shown}");
    scene.refused(&["rollback", NAME, "--to", "9"], 1, "(NOT_FOUND)");
    let said = scene.said(&["rollback", NAME, "--to", "1"]);
    assert!(
        said.contains("version 3") && said.contains("(was version 2)\n  - description: \"Bills\""),
        "{said}"
    );
    let versions = scene.said(&["versions", NAME, "--json"]);
    let newest: Value = serde_json::from_str(versions.lines().next().unwrap()).unwrap();
    assert_eq!((&newest["version"], &newest["changeSummary"]), (&json!(3), &json!("rollback to version 1")));
}

#[test]
fn a_list_says_that_more_follow_or_follows_them() {
    let place = Place::new();
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("LOOPFOUR_API_KEY", KEY).env("LOOPFOUR_RATE_LIMITS", "write=off");
    let scene = Scene { server: Server::start(command), place };
    for number in 0..103 {
        let workflow = EXAMPLE.replace(NAME, &format!("Flow {number}"));
        let (status, answer) = scene.server.call("POST", "/api/v1/workflows", &workflow);
        assert_eq!(status, 201, "{answer}");
    }
    let list = scene.ask(&["list", "--limit", "3"]);
    assert_eq!((list.code, list.stdout.lines().count()), (Some(0), 3));
    assert!(list.stdout.lines().next().unwrap().ends_with("  Flow 102"), "{}", list.stdout);
    assert_eq!(list.stderr, "more follow: --all shows all of them\n");
    let all = scene.said(&["list", "--all"]);
    assert_eq!(all.lines().count(), 103);
    let columns: Vec<usize> = all.lines().map(|line| line.find("Flow").unwrap()).collect();
    assert!(columns.iter().all(|column| *column == columns[0]), "{all}");
    let found = scene.said(&["list", "--search", "fLoW 10", "--json"]);
    assert_eq!(found.lines().count(), 4, "10, 100, 101 and 102: {found}");
}

#[test]
fn a_list_waits_where_the_server_asks_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers =
        ["HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n".to_owned(), {
            let body = r#"{"success": true, "data": [{"any": 1}], "meta": {"hasMore": false}}"#;
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        }];
    let serving = std::thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            let answer = answer.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    let place = Place::new();
    let mut command = place.command(&["workflows", "list", "--json"]);
    command.env("LOOPFOUR_API_KEY", KEY).env("LOOPFOUR_SERVER", format!("http://{address}"));
    let ended = ended(command);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "{\"any\": 1}\n"), "{}", ended.stderr);
    serving.join().unwrap();
}
