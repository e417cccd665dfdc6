//! The commands on a data directory: `backup` and `verify`, beside a server and without one.

use crate::process::{Ended, Place, Server};

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
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
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
    assert!(!place.path().join("nowhere").exists());
}

#[test]
fn verifying_counts_and_names_what_differs() {
    let place = worked();
    let ended = place.run(&["verify"]);
    let said = ended.stdout.trim_end();
    assert!(said.starts_with("1 runs, ") && said.ends_with(" entries, 0 differ"), "{ended:?}");
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
