//! The commands for companies, members and the audit log, against a server.

use serde_json::{Value, json};

use crate::process::{Ended, KEY, Place, Server, ended};

struct Scene {
    place: Place,
    server: Server,
}

impl Scene {
    fn new() -> Scene {
        let place = Place::new();
        Scene { server: Server::serve(&place, &["--sandbox"]), place }
    }

    fn ask(&self, arguments: &[&str]) -> Ended {
        self.ask_with(KEY, arguments)
    }

    fn ask_with(&self, key: &str, arguments: &[&str]) -> Ended {
        let mut command = self.place.command(arguments);
        command
            .env("LOOPFOUR_API_KEY", key)
            .env("LOOPFOUR_SERVER", format!("http://{}", self.server.address));
        ended(command)
    }

    /// Done, with this on stdout.
    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let ended = self.ask(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.stdout
    }

    /// Refused in one line that holds this.
    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32, said: &str) {
        let ended = self.ask(arguments);
        assert_eq!(
            (ended.code, ended.stdout.as_str(), ended.stderr.lines().count()),
            (Some(code), "", 1),
            "{arguments:?}: {ended:?}"
        );
        assert!(ended.stderr.contains(said), "{arguments:?}: {}", ended.stderr);
    }
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

#[test]
fn a_company_is_made_with_its_first_key() {
    let scene = Scene::new();
    let made = object(&scene.done(&["companies", "create", "Example GmbH"]));
    let key = made["key"].as_str().unwrap().to_owned();
    assert_eq!(
        (&made["name"], made["id"].as_str().unwrap().len(), key.len()),
        (&json!("Example GmbH"), 36, 36)
    );
    let listed = scene.done(&["companies", "list"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(listed.contains("default") && listed.contains("Example GmbH"), "{listed}");
    scene.refused(&["companies", "create", "Example GmbH"], 1, "CONFLICT");

    let theirs = scene.ask_with(&key, &["keys", "list"]);
    assert_eq!((theirs.code, theirs.stdout.lines().count()), (Some(0), 1), "{theirs:?}");
    let not_theirs = scene.ask_with(&key, &["companies", "create", "Another"]);
    assert_eq!((not_theirs.code, not_theirs.stdout.as_str()), (Some(1), ""), "{not_theirs:?}");
}

#[test]
fn a_member_is_invited_by_a_link_and_changed() {
    let scene = Scene::new();
    let invited = scene.ask(&["members", "invite", "ada@example.com", "--role", "operator"]);
    let link = format!("http://{}/login#token=", scene.server.address);
    assert!(invited.stdout.starts_with(&link) && invited.stdout.lines().count() == 1, "{invited:?}");
    assert!(invited.stderr.contains("alone"), "{invited:?}");
    let invited =
        object(&scene.done(&["members", "invite", "bob@example.com", "--role", "viewer", "--json"]));
    let id = invited["id"].as_str().unwrap();

    let listed = scene.done(&["members", "list"]);
    assert_eq!(listed.lines().next().unwrap(), format!("{id}  viewer    yes  bob@example.com"), "{listed}");
    let changed = scene.done(&["members", "update", "Ada@Example.com", "--role", "builder"]);
    assert!(changed.ends_with("  builder  active  ada@example.com\n"), "{changed}");
    let changed = object(&scene.done(&["members", "update", id, "--active", "false", "--json"]));
    assert_eq!((&changed["active"], &changed["role"]), (&json!(false), &json!("viewer")));

    let near = "there is no member `adda@example.com` (hint: did you mean `ada@example.com`?)";
    scene.refused(&["members", "update", "adda@example.com", "--active", "false"], 1, near);
    scene.refused(&["members", "update", "ada@example.com"], 2, "required arguments were not provided");
    scene.refused(&["members", "invite", "x@example.com", "--role", "owner"], 2, "[possible values: viewer");
    scene.refused(&["members", "invite", "nobody", "--role", "viewer"], 1, "VALIDATION_ERROR");
}

#[test]
fn the_audit_log_is_listed_and_exported() {
    let scene = Scene::new();
    scene.done(&["members", "invite", "ada@example.com", "--role", "viewer"]);
    let listed = scene.done(&["audit", "list"]);
    let newest = listed.lines().next().unwrap();
    assert!(newest.contains("  member.invite  ") && newest.ends_with("key first"), "{listed}");
    let only = scene.done(&["audit", "list", "--action", "member.create", "--json"]);
    assert_eq!(object(&only)["actor"]["name"], "first", "{only}");

    let export = scene.done(&["audit", "export"]);
    let lines: Vec<Value> = export.lines().map(object).collect();
    let (last, rows) = lines.split_last().unwrap();
    assert_eq!(last["count"], rows.len());
    assert_eq!(last["head"], rows.last().unwrap()["hash"]);
    let numbers: Vec<u64> = rows.iter().map(|row| row["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=rows.len() as u64).collect::<Vec<_>>());
    assert!(!export.contains("token="), "a link is no matter of the log");
}

#[test]
fn who_lost_every_key_makes_one_on_the_disk() {
    let scene = Scene::new();
    scene.done(&["companies", "create", "Example GmbH"]);
    let again = ["keys", "create", "again", "--data", "loopfour-data"];
    // Not beside a server, nor where there is nothing, and nothing is made of a wrong command.
    let with = |more: &[&str]| scene.place.run(&[&again[..], more].concat());
    for (ended, said) in [
        (with(&[]), "another process uses this data directory; stop it, or talk to it with `--server`"),
        (with(&["--scopes", "root"]), "there is no scope `root`; there are: workflows:read"),
        (with(&["--expires-at", "2020-01-01T00:00:00Z"]), "must be a time in the future"),
        (with(&["--server", "http://127.0.0.1:9"]), "cannot be used with"),
        (scene.place.run(&["keys", "create", "again", "--data", "nowhere"]), "nowhere/loopfour.db"),
        (scene.place.run(&["keys", "create", "again"]), "--scopes"),
    ] {
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
    }
    let Scene { place, server } = scene;
    assert!(!place.path().join("nowhere").exists());
    drop(server);
    let made = place.run(&again);
    let key = made.stdout.trim();
    assert_eq!(
        (made.code, key.len(), made.stderr.as_str()),
        (Some(0), 36, "keep it now: it is not shown again\n")
    );
    let few = ["--company", "Example GmbH", "--scopes", "runs:read,admin,runs:read", "--json"];
    let few = place.run(&[&again[..], &few].concat());
    let few = object(&few.stdout);
    assert_eq!(few["scopes"], json!(["runs:read", "admin"]));
    let none = place.run(&[&again[..], &["--company", "Nobody"]].concat());
    assert_eq!(none.code, Some(2));
    assert!(none.stderr.contains("no company `Nobody`; there are: `default`, `Example GmbH`"), "{none:?}");

    let scene = Scene { server: Server::serve(&place, &["--sandbox"]), place };
    let log = scene.ask_with(key, &["audit", "list", "--action", "key.create", "--json"]);
    let row = object(log.stdout.lines().next().unwrap_or_default());
    assert_eq!(
        (&row["actor"]["type"], &row["actor"]["name"]),
        (&json!("system"), &json!("command line")),
        "{row}"
    );
    let listed = scene.ask_with(key, &["keys", "list", "--json"]);
    let scopes = object(listed.stdout.lines().next().unwrap_or_default())["scopes"].as_array().unwrap().len();
    assert_eq!(scopes, 7, "{listed:?}");
    let theirs = scene.ask_with(few["key"].as_str().unwrap(), &["keys", "list"]);
    assert_eq!((theirs.code, theirs.stdout.lines().count()), (Some(0), 2), "{theirs:?}");
}
