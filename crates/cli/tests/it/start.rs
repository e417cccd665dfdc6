//! `loopfour serve`: what a start prints, what refuses one, how it stops.

use std::os::unix::fs::PermissionsExt as _;

use crate::process::{Ended, KEY, Place, Server, call, ended};

/// A start that is refused: exit code 2, nothing on stdout, exactly this line on stderr.
#[track_caller]
fn refused(place: &Place, arguments: &[&str], variables: &[(&str, &str)], expected: &str) {
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.args(arguments).envs(variables.iter().copied()).env("RUST_LOG", "error");
    let Ended { code, stdout, stderr } = ended(command);
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (Some(2), "", format!("error: {expected}\n").as_str())
    );
}

#[test]
fn a_setting_that_cannot_be_used_refuses_the_start() {
    let place = Place::new().with("loopfour.toml", "listn = '127.0.0.1:1'\n");
    refused(
        &place,
        &[],
        &[],
        "loopfour.toml:1: unknown key `listn`, expected one of `listen`, `data`, `public_url`, `sandbox`, `stripe`, \
         `rate_limits`, `connection_wait`, `redirect_origins`, `outbound_allow`, `keep_events`, `nango`, `oidc`",
    );
    let place = Place::new().with("mine.toml", "data = 3\n");
    let wrong = "mine.toml:1: invalid type: integer `3`, expected path string";
    refused(&place, &["--config", "mine.toml"], &[], wrong);
    let missing = "none.toml: cannot be read: No such file or directory (os error 2)";
    refused(&place, &["--config", "none.toml"], &[], missing);
    let variables = [("LOOPFOUR_STRIPE_PACE", "reads=100")];
    let no_pace = "LOOPFOUR_STRIPE_PACE: \"reads\" has no pace: write `off`, or parts as in \
                   `read=100,write=100,total=100`";
    refused(&place, &[], &variables, no_pace);
    let wrong_key = "LOOPFOUR_API_KEY: an API key is `wfk_` and 32 letters or digits";
    refused(&place, &[], &[("LOOPFOUR_API_KEY", "wfk_secret")], wrong_key);
    let unknown = "unexpected argument '--sandbx' found; tip: a similar argument exists: '--sandbox' (hint: `loopfour \
                   help` shows what there is)";
    refused(&place, &["--sandbx"], &[], unknown);
    assert!(!place.path().join("loopfour-data").exists(), "a refused start leaves nothing behind");
}

#[test]
fn an_address_that_cannot_be_listened_on_refuses_the_start() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let check = |address: &str, expected: &str| {
        let ended = place.run(&["serve", "--listen", address]);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
        assert_eq!(ended.stderr, format!("error: {expected}\n"));
    };
    check(&address, &format!("listen: cannot listen on {address}: Address already in use (os error 98)"));
    check("nowhere", "--listen: `nowhere` is not an address such as 127.0.0.1:3000");
    check("127.0.0.1:70000", "--listen: `127.0.0.1:70000` is not an address such as 127.0.0.1:3000");
}

#[test]
fn a_stripe_key_that_is_none_refuses_the_start_and_is_not_repeated() {
    let place = Place::new();
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("STRIPE_API_KEY", "whsec_confidential");
    let ended = ended(command);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (Some(2), "", 1));
    assert!(
        ended.stderr.contains("Stripe key") && !ended.stderr.contains("confidential"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_data_directory_has_one_process() {
    let place = Place::new().with("flow.json", crate::EXAMPLE);
    let _server = Server::serve(&place, &["--sandbox"]);
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["run", "flow.json", "--sandbox"]] {
        let ended = place.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        let lines: Vec<&str> = ended.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("loopfour-data") && lines[0].contains("--server"), "{lines:?}");
    }
}

#[test]
fn a_data_directory_that_cannot_be_used_refuses_the_start() {
    let place = Place::new().with("loopfour-data", "a file");
    let ended = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (Some(2), "", 1));
    assert!(ended.stderr.contains("loopfour-data"), "{}", ended.stderr);
}

#[test]
fn a_first_start_prints_its_key_once() {
    let place = Place::new();
    let start = || Server::start(place.command(&["serve", "--listen", "127.0.0.1:0"]));
    let server = start();
    let log = server.log();
    let key = log.lines().find_map(|line| line.strip_prefix("API key, shown only now: ")).unwrap().to_owned();
    assert!(key.starts_with("wfk_") && key.len() == 36, "{key}");
    assert_eq!(server.terminate(), (Some(0), String::new()));

    let server = start();
    assert!(!server.log().contains("wfk_"), "{}", server.log());
    let mut command = place.command(&["runs", "list", "--server", &format!("http://{}", server.address)]);
    command.env("LOOPFOUR_API_KEY", key);
    assert_eq!(ended(command).code, Some(0), "the key still opens the door");

    drop(server);
    let directory = std::fs::metadata(place.path().join("loopfour-data")).unwrap();
    assert_eq!(directory.permissions().mode() & 0o077, 0, "others see nothing of it");
}

#[test]
fn a_given_key_is_the_first_and_an_unknown_one_stops_a_later_start() {
    let place = Place::new();
    let server = Server::serve(&place, &[]);
    assert_eq!(server.call("GET", "/api/v1/me", "").0, 200);
    assert_eq!(server.terminate(), (Some(0), String::new()));
    let unknown = KEY.replace('v', "x");
    refused(
        &place,
        &[],
        &[("LOOPFOUR_API_KEY", &unknown)],
        "LOOPFOUR_API_KEY: is not a valid key of the data directory `loopfour-data` (hint: unset it, or set one that \
         was made there)",
    );
    let server = Server::serve(&place, &[]);
    assert_eq!(server.call("GET", "/api/v1/me", "").0, 200);
}

#[test]
fn a_server_is_ready_when_it_prints_its_address_and_ends_well() {
    let place = Place::new();
    let server = Server::serve(&place, &["--sandbox"]);
    assert_eq!(server.call("GET", "/readyz", "").0, 200);
    assert_eq!(server.call("GET", "/api/v1/runs", "").1["data"], serde_json::json!([]));
    assert_eq!(server.terminate(), (Some(0), String::new()), "the address is all of stdout");
}

#[test]
fn a_sandbox_of_its_own_is_for_this_machine_only() {
    let place = Place::new();
    let ended = place.run(&["sandbox", "--listen", "0.0.0.0:0"]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (Some(2), "", 1));
    assert!(ended.stderr.contains("0.0.0.0:0") && ended.stderr.contains("--anywhere"), "{}", ended.stderr);
    let server = Server::start(place.command(&["sandbox", "--listen", "127.0.0.1:0", "--data", "kept"]));
    assert_eq!(server.call("POST", "/v1/customers", "").0, 200);
    assert_eq!(server.terminate(), (Some(0), String::new()));
    let server = Server::start(place.command(&["sandbox", "--listen", "127.0.0.1:0", "--data", "kept"]));
    assert_eq!(server.call("GET", "/v1/customers", "").1["data"].as_array().unwrap().len(), 1);
}

#[test]
fn the_sandbox_begins_with_the_objects_of_a_file() {
    let fixtures = r#"{"objects": [{"id": "cus_given", "object": "customer", "email": "ada@example.com"}]}"#;
    let place = Place::new().with("objects.json", fixtures);
    let server = Server::serve(&place, &["--sandbox", "--fixtures", "objects.json"]);
    let (status, customer) = call(server.sandbox(), "GET", "/v1/customers/cus_given", "");
    assert_eq!((status, &customer["email"]), (200, &"ada@example.com".into()));
    drop(server);
    let none = [
        "--fixtures: there is no sandbox to load them into (hint: `--sandbox` sends actions to the built-in ",
        "offline Stripe)",
    ];
    refused(&place, &["--fixtures", "objects.json"], &[], &none.concat());
    let place = place.with("broken.json", "{");
    let ended = place.run(&["serve", "--listen", "127.0.0.1:0", "--sandbox", "--fixtures", "broken.json"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
        (Some(2), "", 1),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("broken.json"), "{}", ended.stderr);
}
