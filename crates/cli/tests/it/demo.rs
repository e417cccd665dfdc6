//! `loopfour demo --once`.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::process::{Place, call, ended};

#[test]
fn the_demo_bills_a_new_and_a_known_customer() {
    let place = Place::new();
    let mut command = place.command(&["demo", "--once", "--listen", "127.0.0.1:0"]);
    command.arg0("loopfour").env("TMPDIR", "/tmp");
    let ended = ended(command);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    let all = &ended.stdout;
    assert!(all.contains("✓ create-customer") && all.contains("– create-customer"), "{all}");
    assert!(all.contains("open, sent to ada@example.com, 99.00 USD"), "{all}");
    assert!(all.contains("open, sent to ada@example.com, 125.00 USD"), "{all}");
    assert!(all.contains("export LOOPFOUR_API_KEY=wfk_"), "{all}");
    let long: Vec<&str> = all.lines().filter(|line| line.chars().count() > 80).collect();
    assert_eq!(long, Vec::<&str>::new(), "it fits a terminal");
    assert!(!all.contains('\x1b'), "no colour where there is no terminal");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "it leaves nothing behind");
}

#[test]
fn the_demo_works_again_on_data_that_it_left() {
    let place = Place::new();
    for _ in 0..2 {
        let ended = place.run(&["demo", "--once", "--listen", "127.0.0.1:0", "--data", "kept"]);
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains("✓ create-customer") && ended.stdout.contains("– create-customer"));
    }
    assert!(place.path().join("kept").is_dir());
}

#[test]
fn the_demo_stays_up_until_it_is_asked_to_stop() {
    let place = Place::new();
    let mut command = place.command(&["demo", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let mut lines = stdout.lines().map(|line| line.unwrap());
    let server =
        lines.find_map(|line| Some(line.trim().strip_prefix("export LOOPFOUR_SERVER=http://")?.to_owned()));
    let server = server.unwrap().parse().unwrap();
    lines.find(|line| line == "The server stays up until you press Ctrl-C.").unwrap();
    assert_eq!(call(server, "GET", "/readyz", "").0, 200);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
