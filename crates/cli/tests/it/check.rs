//! `loopfour check`.

use crate::EXAMPLE;
use crate::process::{Ended, Place, ended, fed};

const GOOD: &str = r#"{
  "name": "Find",
  "trigger": { "type": "api" },
  "steps": [
    { "id": "find", "action": "stripe.listCustomers", "config": { "email": "{{input.email}}" } }
  ]
}
"#;

fn bad() -> String {
    GOOD.replace("listCustomers", "listCustomer")
}

#[test]
fn a_right_file_is_not_talked_about() {
    let ended = Place::new().with("good.json", GOOD).run(&["check", "good.json"]);
    assert_eq!(ended, Ended { code: Some(0), stdout: String::new(), stderr: String::new() });
}

#[test]
fn the_example_of_the_documentation_has_neither_errors_nor_warnings() {
    let ended = Place::new().with("example.json", EXAMPLE).run(&["check", "--json", "example.json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let findings: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<(&str, &str)> = findings
        .iter()
        .map(|finding| (finding["severity"].as_str().unwrap(), finding["pointer"].as_str().unwrap()))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "info");
    assert!(told[0].1.starts_with("/steps/3"), "{told:?}");
}

#[test]
fn a_wrong_file_is_drawn_on_stderr() {
    let ended = Place::new().with("bad.json", bad()).run(&["check", "bad.json"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(ended.stderr.starts_with("error[LF"), "{}", ended.stderr);
    assert!(ended.stderr.contains("--> bad.json:5:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("stripe.listCustomers"), "the nearest name: {}", ended.stderr);
    assert!(ended.stderr.ends_with("1 file checked: 1 error\n"), "{}", ended.stderr);
}

#[test]
fn for_programs_each_finding_is_one_json_object_on_stdout() {
    let ended = Place::new().with("bad.json", bad()).run(&["check", "--json", "bad.json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    let finding: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let keys: Vec<&String> = finding.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["file", "code", "severity", "pointer", "line", "column", "message", "hint"]);
    assert_eq!(finding["file"], "bad.json");
    assert_eq!(finding["severity"], "error");
    assert_eq!(finding["pointer"], "/steps/0/action");
    assert_eq!((&finding["line"], &finding["column"]), (&5.into(), &31.into()));
}

#[test]
fn what_cannot_be_read_does_not_stop_the_others() {
    let place = Place::new().with("bad.json", bad()).with("latin1.json", b"{\"name\": \"\xe9\"}");
    let place = place.with("huge.json", " ".repeat(1024 * 1024 + 1));
    let ended = place.run(&["check", "none.json", "latin1.json", "huge.json", ".", "bad.json", "--json"]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.stdout.lines().count(), 1, "bad.json is checked: {}", ended.stdout);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(
        lines,
        [
            "error: none.json: cannot be read: No such file or directory (os error 2)",
            "error: latin1.json: is not UTF-8 at byte 11",
            "error: huge.json: is larger than 1 MiB, the most that a file may have",
            "error: .: cannot be read: Is a directory (os error 21)",
        ]
    );
}

#[test]
fn stdin_is_a_file_too() {
    let ended = fed(Place::new().command(&["check", "-", "--json"]), &bad());
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.starts_with(r#"{"file":"-","#), "{}", ended.stdout);
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let place = Place::new().with("bad.json", bad());
    let mut command = place.command(&["check", "--json", "bad.json"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stdout(writer).stderr(std::process::Stdio::piped());
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(1), 0));
}

#[test]
fn a_wrong_command_line_is_one_line() {
    let place = Place::new();
    let check = |arguments: &[&str], expected: &str| {
        let ended = ended(place.command(arguments));
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(2), "", expected));
    };
    check(
        &["serve", "--dta", "x"],
        "error: unexpected argument '--dta' found; tip: a similar argument exists: '--data' (hint: `loopfour help` \
         shows what there is)\n",
    );
    check(
        &["chek"],
        "error: unrecognized subcommand 'chek'; tip: a similar subcommand exists: 'check' (hint: `loopfour help` \
         shows what there is)\n",
    );
    check(
        &["runs", "show", "run_x"],
        "error: invalid value 'run_x' for '<ID>': `run_x` is not a run's id (hint: `loopfour help` shows what there \
         is)\n",
    );
    check(
        &["check"],
        "error: the following required arguments were not provided: <FILE>... (hint: `loopfour help` shows what \
         there is)\n",
    );
}

#[test]
fn every_command_has_help_and_the_binary_a_version() {
    let place = Place::new();
    let version = place.run(&["--version"]);
    assert_eq!(version.stdout, format!("loopfour {}\n", env!("CARGO_PKG_VERSION")));
    for command in [
        &["serve"][..],
        &["check"],
        &["run"],
        &["runs"],
        &["runs", "list"],
        &["runs", "show"],
        &["runs", "tail"],
        &["keys"],
        &["keys", "create"],
        &["sandbox"],
        &["demo"],
    ] {
        let help = place.run(&[command, &["--help"]].concat());
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{command:?}");
        assert!(help.stdout.contains("Usage: loopfour"), "{command:?}: {}", help.stdout);
        assert!(help.stdout.lines().all(|line| line.chars().count() <= 100), "{command:?}: {}", help.stdout);
    }
    let without = place.run(&[]);
    assert_eq!((without.code, without.stdout.as_str()), (Some(2), ""));
    assert!(without.stderr.contains("Usage: loopfour"));
}
