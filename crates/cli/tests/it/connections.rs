//! `loopfour connections`, against a server beside a sandbox and a fake Nango.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use loopfour_testkit::nango::{self, Nango};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::process::{Ended, KEY, Place, Server, call, ended, fed};

struct Scene {
    place: Place,
    stripe: Server,
    server: Server,
}

impl Scene {
    /// A server that knows no account yet.
    fn new(variables: &[(&str, &str)]) -> Scene {
        let place = Place::new();
        let stripe = Server::start(place.command(&["sandbox", "--listen", "127.0.0.1:0"]));
        Scene::beside(place, stripe, variables)
    }

    fn beside(place: Place, stripe: Server, variables: &[(&str, &str)]) -> Scene {
        let mut command = Server::command(&place, &[]);
        command
            .env("LOOPFOUR_STRIPE_API_BASE", format!("http://{}", stripe.address))
            .envs(variables.iter().copied());
        Scene { server: Server::start(command), place, stripe }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(&["connections"]);
        command
            .args(arguments)
            .env("LOOPFOUR_API_KEY", KEY)
            .env("LOOPFOUR_SERVER", format!("http://{}", self.server.address))
            .env("STRIPE_KEY", "rk_test_books");
        command
    }

    fn ask(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments))
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let ended = self.ask(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}: {ended:?}");
        ended.stdout
    }

    /// Refused in one line that holds this.
    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32, said: &str) {
        let ended = self.ask(arguments);
        let lines = ended.stderr.lines().count();
        assert_eq!((ended.code, ended.stdout.as_str(), lines), (Some(code), "", 1), "{ended:?}");
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }

    /// What the sandbox does to a key from now on.
    fn key(&self, body: &Value) {
        let (status, answer) = call(self.stripe.address, "POST", "/_sandbox/keys", &body.to_string());
        assert_eq!(status, 200, "{answer}");
    }
}

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

#[test]
fn a_key_is_read_from_a_variable_or_from_stdin_and_never_told() {
    let scene = Scene::new(&[]);
    let added = scene.done(&["add-key", "books", "--key-env", "STRIPE_KEY"]);
    assert!(
        added.starts_with("conn_") && added.contains("  active  stripe  books\naccount acct_"),
        "{added}"
    );
    let added = fed(scene.command(&["add-key", "more", "--json"]), " rk_test_more \n");
    assert_eq!((added.code, &object(&added.stdout)["name"]), (Some(0), &json!("more")), "{added:?}");

    let listed = scene.done(&["list"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let shown = scene.done(&["show", "books"]) + &scene.done(&["show", "books", "--json"]);
    assert!(!shown.contains("rk_test_books") && !listed.contains("rk_test"), "{shown}");

    scene.refused(&["add-key", "x", "--key-env", "NO_KEY"], 2, "error: NO_KEY: is not set");
    scene.refused(&["add-key", "x"], 2, "error: stdin: holds no API key");
    scene.refused(&["add-key", "x", "rk_test_argument"], 2, "unexpected argument");
    scene.key(&json!({"key": "rk_test_revoked", "revoked": true}));
    let refused = fed(scene.command(&["add-key", "x"]), "rk_test_revoked");
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert!(
        refused.stderr.contains("credentials.apiKey") && !refused.stderr.contains("rk_test_revoked"),
        "{refused:?}"
    );
    scene.refused(&["show", "bools"], 1, "there is no connection `bools` (hint: did you mean `books`?)");
    scene.refused(&["add-key", "books", "--key-env", "STRIPE_KEY"], 1, "CONFLICT");
}

#[test]
fn a_connection_is_changed_tested_and_ended() {
    let scene = Scene::new(&[]);
    scene.done(&["add-key", "books", "--key-env", "STRIPE_KEY"]);
    let changed = scene.done(&["set", "books", "--name", "main", "--pace", "read=5,write=off"]);
    assert!(
        changed.contains("  main\n") && changed.contains(r#"pace {"read":5,"write":"off"}"#),
        "{changed}"
    );
    let changed = object(&scene.done(&["set", "main", "--pace", "", "--events", "poll", "--json"]));
    assert_eq!(
        (&changed["settings"]["pace"], &changed["settings"]["events"]),
        (&Value::Null, &json!("poll"))
    );
    let secrets = fed(scene.command(&["set", "main", "--webhook-secrets"]), "whsec_a\nwhsec_b\n");
    assert!(secrets.code == Some(0) && !secrets.stdout.contains("whsec"), "{secrets:?}");
    scene.refused(&["set", "main"], 2, "required arguments were not provided");
    scene.refused(&["set", "main", "--pace", "fast"], 1, "VALIDATION_ERROR");

    assert!(scene.done(&["test", "main"]).contains("  active  "));
    scene.key(&json!({"key": "rk_test_books", "revoked": true}));
    let broken = scene.ask(&["test", "main"]);
    assert!(broken.code == Some(1) && broken.stdout.contains("  error  stripe  main\n"), "{broken:?}");
    assert!(broken.stdout.lines().last().unwrap().starts_with("error "), "{broken:?}");
    let ended = scene.done(&["delete", "main"]);
    assert!(ended.starts_with("disconnected conn_") && ended.ends_with("  main\n"), "{ended}");
    assert!(scene.done(&["list", "--status", "disconnected"]).contains("  main\n"));
}

#[test]
fn without_nango_a_link_is_refused_with_what_is_missing() {
    let scene = Scene::new(&[]);
    scene.refused(&["auth-url", "stripe"], 1, "NANGO_SECRET_KEY");
    scene.refused(&["auth-url", "stripes"], 1, "did you mean `stripe`?");
}

#[test]
fn a_link_is_printed_and_waited_for_until_the_person_is_through() {
    let place = Place::new();
    let stripe = Server::start(place.command(&["sandbox", "--listen", "127.0.0.1:0"]));
    let runtime = Runtime::new().unwrap();
    let config = nango::Config {
        stripe: Some(format!("http://{}", stripe.address)),
        integrations: vec!["stripe-api-key".to_owned()],
        ..nango::Config::default()
    };
    let nango = runtime.block_on(Nango::start(config)).unwrap();
    let variables = [("NANGO_SERVER_URL", nango.url()), ("NANGO_SECRET_KEY", nango.key())];
    let scene = Scene::beside(place, stripe, &variables);
    let begun = object(&scene.done(&["auth-url", "stripe", "--no-wait", "--json"]));
    assert_eq!(scene.done(&["list", "--status", "pending"]).lines().count(), 1);

    let mut waiting = scene.command(&["auth-url"]);
    let mut waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(waiting.stdout.take().unwrap());
    let mut link = String::new();
    stdout.read_line(&mut link).unwrap();
    let page = runtime.block_on(nango.give_key(link.trim(), "rk_test_typed")).unwrap();
    assert_eq!(page.status, 200, "{page:?}");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(waiting.wait().unwrap().code(), Some(0), "{rest}");
    let id = begun["connectionId"].as_str().unwrap();
    assert!(
        rest.starts_with(&format!("{id}  active  stripe  stripe\n")),
        "the pending one was renewed: {rest}"
    );
    scene.refused(&["auth-url", "stripe"], 1, "stripe");
}
