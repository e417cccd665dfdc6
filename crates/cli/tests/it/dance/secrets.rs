//! Nothing that the server leaves on the disk or in its log holds a secret, in whatever form.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use serde_json::json;

use super::stage::{Stage, send};
use crate::process::KEY;

/// A restricted key of a person's, with which a connection is made.
const RESTRICTED: &str = "rk_test_Zq8LeakNeverStoredInThisForm42";
/// What signs the events of a connection.
const SIGNING: &str = "whsec_Vt5LeakNeverStoredInThisForm77+/=";

/// The forms in which a secret could be written: as it is, in hex, in a URL, and in base64 wherever it begins.
fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let url: String = secret
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let mut forms = vec![
        ("as it is", secret.as_bytes().to_vec()),
        ("in hex", hex.clone().into_bytes()),
        ("in upper hex", hex.to_uppercase().into_bytes()),
        ("in a URL", url.clone().into_bytes()),
        ("in a lower URL", url.to_lowercase().into_bytes()),
    ];
    for offset in 0..3 {
        let shifted = [vec![b'x'; offset], secret.as_bytes().to_vec()].concat();
        // What depends on the neighbours is left out at both ends.
        let (skipped, kept) = ((offset * 8).div_ceil(6), secret.len() * 8 / 6 - 2);
        for encoded in [BASE64_STANDARD.encode(&shifted), BASE64_URL_SAFE.encode(&shifted)] {
            let encoded = encoded.trim_end_matches('=');
            let end = (skipped + kept).min(encoded.len());
            forms.push(("in base64", encoded.as_bytes()[skipped..end].to_vec()));
        }
    }
    forms
}

/// Where a secret stands in what the server left: the file and the form.
fn found(files: &[(PathBuf, Vec<u8>)], secret: &str) -> Vec<String> {
    let mut hits = Vec::new();
    for (path, bytes) in files {
        for (form, wanted) in forms(secret) {
            if bytes.windows(wanted.len()).any(|window| window == wanted) {
                hits.push(format!("{} {form}", path.display()));
            }
        }
    }
    hits
}

fn read(directory: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, files);
        } else {
            files.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
}

/// All that the server left: its data directory, and its log at the most talkative.
fn left(stage: &Stage) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = vec![(PathBuf::from("log"), stage.server.log().into_bytes())];
    read(&stage.data(), &mut files);
    assert!(files.iter().any(|(path, bytes)| path.ends_with("loopfour.db") && bytes.len() > 4096));
    assert!(files[0].1.len() > 1000, "the log says something");
    files
}

#[test]
fn stored_bytes_and_log_lines_hold_no_secret() {
    let stage = Stage::logging("stripe-app", "trace");
    let mut secrets = vec![
        ("the API key", KEY.to_owned()),
        ("Nango's key", stage.nango.key().to_owned()),
        ("Nango's signing key", stage.nango.signing_key().to_owned()),
        ("the restricted key", RESTRICTED.to_owned()),
        ("the events' secret", SIGNING.to_owned()),
    ];

    // OAuth, with a refresh by force.
    let link = stage.connect("books", "acct_books");
    secrets.push(("the link's token", link.url.split("session_token=").nth(1).unwrap().to_owned()));
    secrets.push(("the first token", stage.access().0));
    let workflow = stage.workflow("ada@example.com", 2);
    stage.completed(&stage.begin(&workflow, Some(&link.connection)));
    stage.tell_stripe(&json!({"key": stage.access().0, "account": "acct_books", "revoked": true}));
    stage.completed(&stage.begin(&workflow, Some(&link.connection)));
    secrets.push(("the second token", stage.access().0));

    // A key, good and then revoked.
    stage.tell_stripe(&json!({"key": RESTRICTED, "account": "acct_shop"}));
    let new = json!({"provider": "stripe", "name": "shop", "credentials": {"apiKey": RESTRICTED}});
    let shop = stage.ok("POST", "/connections", &new)["id"].as_str().unwrap().to_owned();
    stage.ok("PATCH", &format!("/connections/{shop}"), &json!({"webhookSecrets": [SIGNING]}));
    stage.completed(&stage.begin(&workflow, Some(&shop)));
    stage.tell_stripe(&json!({"key": RESTRICTED, "account": "acct_shop", "revoked": true}));
    stage.waits(&stage.begin(&workflow, Some(&shop)));

    // People: a link, a session, a key.
    let invited = stage.ok("POST", "/members", &json!({"email": "ada@example.com", "role": "admin"}));
    let token = invited["link"].as_str().unwrap().split("token=").nth(1).unwrap().to_owned();
    let headers = [("content-type", "application/json")];
    let body = json!({"token": token}).to_string();
    let signed_in = send(stage.server.address, "POST", "/api/v1/session", &headers, &body);
    assert_eq!(signed_in.status, 200, "{signed_in:?}");
    let made = stage.ok("POST", "/keys", &json!({"name": "robot", "scopes": ["runs:read"]}));
    secrets.push(("a made key", made["key"].as_str().unwrap().to_owned()));
    secrets.push(("the one-time link", token));
    secrets.push(("the session", signed_in.cookie.unwrap()));
    // What is refused must not be repeated either.
    let bad = json!({"provider": "stripe", "name": "bad", "credentials": {"apiKey": "sk_live_Nq7LeakRefusedKeyOfSomebody\n"}});
    assert_eq!(stage.call("POST", "/connections", &bad).0, 400);
    secrets.push(("a refused key", "sk_live_Nq7LeakRefusedKeyOfSomebody".to_owned()));

    let files = left(&stage);
    let hits: Vec<String> = secrets
        .iter()
        .flat_map(|(name, secret)| found(&files, secret).into_iter().map(move |hit| format!("{name}: {hit}")))
        .collect();
    println!("{} secrets searched for in {} files: {} hits", secrets.len(), files.len(), hits.len());
    assert_eq!(hits, Vec::<String>::new());

    // And what is there is found, in each form.
    let planted = "PlantedOnPurpose-7+Kx/9=Qw";
    let url = "PlantedOnPurpose-7%2BKx%2F9%3DQw".to_owned();
    let hex: String = planted.bytes().map(|byte| format!("{byte:02x}")).collect();
    let coded = ["", "x", "xy"].map(|before| BASE64_STANDARD.encode(format!("{before}{planted} and more")));
    for text in [planted.to_owned(), hex, url].into_iter().chain(coded) {
        let steps = json!([{"id": "one", "action": "stripe.getBalance", "config": {}}]);
        let workflow =
            json!({"name": "planted", "description": text, "trigger": {"type": "api"}, "steps": steps});
        let before = found(&left(&stage), planted).len();
        stage.ok("POST", "/workflows", &workflow);
        assert!(found(&left(&stage), planted).len() > before, "{text} was planted and not found");
    }
}
