//! The commands on a data directory: `backup`, `restore` and `verify`, beside a server and without one.

use serde_json::Value;

use crate::crash::{await_write, hold};
use crate::process::{Ended, KEY, Place, Server, call, ended};

/// Ends so, with exactly this on stdout, and on stderr.
#[track_caller]
fn check(place: &Place, arguments: &[&str], code: i32, stdout: &str, stderr: &str) {
    let ended = place.run(arguments);
    let expected = Ended { code: Some(code), stdout: stdout.to_owned(), stderr: stderr.to_owned() };
    assert_eq!(ended, expected, "{arguments:?}");
}

/// A place with one completed run in its data directory.
fn worked() -> Place {
    let place = Place::new().with("flow.json", crate::EXAMPLE);
    let input = r#"{"email": "ada@example.com", "amount": 9900}"#;
    assert_eq!(place.run(&["run", "flow.json", "--sandbox", "--input", input]).code, Some(0));
    place
}

#[test]
fn a_backup_is_made_beside_a_server_and_without_one() {
    let place = worked();
    let made = |file: &str| {
        let ended = place.run(&["backup", file]);
        let key = "it is dead without the key file loopfour-data/secrets.key, which is not in it: keep a copy of that, apart \
                   from backups\n";
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), key));
        let bytes = place.path().join(file).metadata().unwrap().len();
        assert_eq!(ended.stdout, format!("backed up loopfour-data to {file}, {bytes} bytes\n"));
    };
    made("before.db");
    let server = Server::serve(&place, &["--sandbox"]);
    made("beside.db");
    assert_eq!(place.run(&["verify"]).code, Some(0));
    drop(server);
    made("after.db");
    let exists = "error: `after.db` exists already; a backup overwrites nothing (hint: name a new file)\n";
    check(&place, &["backup", "after.db"], 2, "", exists);
}

#[test]
fn what_is_no_data_directory_is_refused() {
    let place = Place::new().with("flow.json", crate::EXAMPLE);
    let none = "error: `nowhere/loopfour.db` cannot be used: No such file or directory (os error 2)\n";
    check(&place, &["backup", "x.db", "--data", "nowhere"], 2, "", none);
    check(&place, &["verify", "--data", "nowhere"], 2, "", none);
    check(&place, &["audit", "verify", "--data", "nowhere"], 2, "", none);
    check(&place, &["secrets", "rotate", "--data", "nowhere"], 2, "", none);
    assert!(!place.path().join("nowhere").exists());
}

#[test]
fn verifying_counts_and_names_what_differs() {
    let place = worked();
    let ended = place.run(&["verify"]);
    let said = ended.stdout.trim_end();
    assert!(said.starts_with("1 run, ") && said.ends_with(" entries, 0 differ"), "{ended:?}");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));

    // The run's row and its indexes, and no name of a column.
    let path = place.path().join("loopfour-data/loopfour.db");
    let mut bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() - 10 {
        if bytes[at..].starts_with(b"completed") && bytes[at + 9] != b'_' {
            bytes[at..at + 9].copy_from_slice(b"cancelled");
        }
    }
    std::fs::write(&path, bytes).unwrap();
    let ended = place.run(&["verify"]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!((ended.code, lines.len()), (Some(1), 2), "{ended:?}");
    assert!(lines[0].starts_with("run_") && lines[0].contains("status is Cancelled"), "{ended:?}");
    assert_eq!(lines[1], said.replace("0 differ", "1 differ"));
}

#[test]
fn a_backup_is_restored_where_there_is_no_database() {
    let place = worked();
    assert_eq!(place.run(&["backup", "kept.db"]).code, Some(0));
    let ended = place.run(&["restore", "kept.db", "--data", "new"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stderr.starts_with("restored kept.db into new: 1 run, "), "{ended:?}");
    assert!(ended.stderr.contains("\nruns that were started after that are not in it"), "{ended:?}");
    assert!(ended.stderr.ends_with("\nno run was under way\n"), "{ended:?}");
    assert_eq!(place.run(&["verify", "--data", "new"]), place.run(&["verify"]));

    let exists = "error: `new/loopfour.db` exists already; a backup is restored into a data directory without a database \
                  (hint: move the old data directory away, or name another with `--data`)\n";
    check(&place, &["restore", "kept.db", "--data", "new"], 2, "", exists);
    let foreign = "error: `flow.json` is not a LoopFour database: file is not a database\n";
    check(&place, &["restore", "flow.json", "--data", "newer"], 2, "", foreign);
    assert!(!place.path().join("newer").exists());
}

/// The backup is made while a write is under way, and the write arrives.
#[test]
fn what_may_have_been_sent_after_a_backup_is_listed_and_not_sent_again() {
    let (place, elsewhere) = (Place::new(), Place::new());
    let sandbox = Server::start(elsewhere.command(&["sandbox", "--listen", "127.0.0.1:0"]));
    let write = ("POST", "/v1/customers");
    hold(sandbox.address, "delay_after_write", write);
    let server = Server::beside(&place, &sandbox);
    let run = server.start_example("ada@example.com");
    await_write(sandbox.address, write);
    assert_eq!(place.run(&["backup", "kept.db"]).code, Some(0));
    server.kill();

    let ended = place.run(&["restore", "kept.db", "--data", "programs", "--json"]);
    let record: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        (&record["runs"], &record["failed"], &record["held"][0]["run"]),
        (&1.into(), &0.into(), &Value::from(&*run))
    );

    std::fs::rename(place.path().join("loopfour-data"), place.path().join("old")).unwrap();
    let ended = place.run(&["restore", "kept.db"]);
    assert!(ended.stderr.contains("put your copy of it to loopfour-data/secrets.key"), "{ended:?}");
    let key = |directory: &str| place.path().join(directory).join("secrets.key");
    std::fs::copy(key("old"), key("loopfour-data")).unwrap();
    let line = ended.stdout.trim_end();
    assert!(
        line.starts_with(&format!("{run}  Create and Send Invoice  create-customer  running  ")),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("loopfour runs resolve RUN STEP"), "{ended:?}");

    let server = Server::beside(&place, &sandbox);
    let waits = server.call("GET", &format!("/api/v1/runs/{run}"), "").1;
    let waiting = &waits["data"]["waiting"];
    assert_eq!(
        (&waiting["reason"], &waiting["stepId"]),
        (&"outcome_unknown".into(), &"create-customer".into())
    );
    let customers = call(sandbox.address, "GET", "/_sandbox/objects?type=customer", "").1;
    assert_eq!(customers["objects"].as_array().unwrap().len(), 1, "{customers}");
    drop(server);
    assert_eq!(place.run(&["verify"]).code, Some(0));
}

/// The log's head as an export tells it.
fn head(place: &Place, server: &Server) -> String {
    let mut command = place.command(&["audit", "export"]);
    command.env("LOOPFOUR_API_KEY", KEY).env("LOOPFOUR_SERVER", format!("http://{}", server.address));
    let export = ended(command).stdout;
    let last: Value = serde_json::from_str(export.lines().last().unwrap()).unwrap();
    last["head"].as_str().unwrap().to_owned()
}

#[test]
fn the_audit_log_is_whole_until_somebody_changes_it() {
    let place = Place::new();
    let server = Server::serve(&place, &["--sandbox"]);
    let invite = |email: &str| {
        let body = serde_json::json!({"email": email, "role": "viewer"}).to_string();
        assert_eq!(server.call("POST", "/api/v1/members", &body).0, 201);
    };
    invite("ada@example.com");
    assert_eq!(place.run(&["backup", "kept.db"]).code, Some(0));
    invite("bob@example.com");
    let head = head(&place, &server);
    let beside = place.run(&["audit", "verify", "--head", &head]);
    assert_eq!((beside.code, beside.stderr.as_str()), (Some(0), ""), "{beside:?}");
    assert_eq!(server.terminate().0, Some(0), "all of it is in one file now");
    let whole = place.run(&["audit", "verify"]);
    assert!(
        whole.stdout.starts_with("company `default`: ") && whole.stdout.lines().count() == 1,
        "{whole:?}"
    );

    // An older state is whole in itself; what was cut off is told by the head alone.
    assert_eq!(place.run(&["restore", "kept.db", "--data", "older"]).code, Some(0));
    assert_eq!(place.run(&["audit", "verify", "--data", "older"]).code, Some(0));
    let cut = place.run(&["audit", "verify", "--data", "older", "--head", &head]);
    assert_eq!((cut.code, cut.stdout.lines().count()), (Some(1), 2), "{cut:?}");
    assert!(cut.stdout.contains(&format!("no row has the hash {head}")), "{cut:?}");

    let path = place.path().join("loopfour-data/loopfour.db");
    let mut bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() - 15 {
        if bytes[at..].starts_with(b"bob@example.com") {
            bytes[at..at + 3].copy_from_slice(b"eve");
        }
    }
    std::fs::write(&path, bytes).unwrap();
    let changed = place.run(&["audit", "verify"]);
    assert_eq!((changed.code, changed.stderr.as_str()), (Some(1), ""), "{changed:?}");
    assert!(changed.stdout.lines().last().unwrap().contains("was changed"), "{changed:?}");
    let no_hash = place.run(&["audit", "verify", "--head", "abc"]);
    assert_eq!((no_hash.code, no_hash.stderr.lines().count()), (Some(2), 1), "{no_hash:?}");
}

#[test]
fn a_database_is_opened_with_its_key_file_only() {
    let place = worked();
    assert_eq!(place.run(&["backup", "kept.db"]).code, Some(0));
    let file = place.path().join("loopfour-data/secrets.key");
    let first = std::fs::read_to_string(&file).unwrap();
    let rotated = place.run(&["secrets", "rotate"]);
    assert!(rotated.stdout.starts_with("sealed ") && rotated.code == Some(0), "{rotated:?}");
    assert!(rotated.stderr.contains("the old keys, which stay in the file"), "{rotated:?}");
    let both = std::fs::read_to_string(&file).unwrap();
    assert!(
        both.starts_with(first.trim_end()) && both.len() > first.len(),
        "the new key stands below the old one"
    );
    let rotated = place.run(&["secrets", "rotate", "--forget-old-keys", "--json"]);
    let record: Value = serde_json::from_str(&rotated.stdout).unwrap();
    assert_eq!((rotated.code, &record["oldKeysKept"]), (Some(0), &false.into()), "{rotated:?}");

    // The backup is of the time of the first key.
    let restored = place.run(&["restore", "kept.db", "--data", "new"]);
    assert!(restored.stderr.contains("put your copy of it to new/secrets.key before"), "{restored:?}");
    let refused = |why: &str| {
        let ended = place.run(&["secrets", "rotate", "--data", "new"]);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (Some(2), "", 1),
            "{ended:?}"
        );
        assert!(ended.stderr.contains(why), "{ended:?}");
    };
    refused("`new/secrets.key` is missing");
    std::fs::copy(&file, place.path().join("new/secrets.key")).unwrap();
    refused("`new/secrets.key` is another database's");
    std::fs::write(place.path().join("first.key"), first).unwrap();
    let mut command = place.command(&["secrets", "rotate", "--data", "new"]);
    command.env("LOOPFOUR_SECRETS_KEY_FILE", "first.key");
    let rotated = ended(command);
    assert!(rotated.code == Some(0) && rotated.stdout.ends_with(" of first.key\n"), "{rotated:?}");
}
