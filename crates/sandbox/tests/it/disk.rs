//! What is kept in a data folder: over a stop, over a kill at any moment.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use loopfour_sandbox::{Config, Error, Sandbox};
use serde_json::json;

use crate::stripe::{Stripe, id};

fn in_folder(folder: &std::path::Path) -> Config {
    Config { data: Some(folder.to_owned()), ..Config::default() }
}

#[tokio::test]
async fn everything_is_there_again_after_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let stripe = Stripe::with(in_folder(&folder.path().join("new/folder"))).await;
    let customer = stripe.customer("ada@example.com").await;
    let params = [("customer", &*customer), ("collection_method", "send_invoice"), ("days_until_due", "30")];
    let invoice = id(&stripe.post_with_key("/v1/invoices", &params, "k").await.ok());
    stripe
        .post("/v1/invoiceitems", &[("customer", &customer), ("invoice", &invoice), ("amount", "5")])
        .await
        .ok();
    stripe.control("POST", "clock", json!({"advance": 5000})).await.ok();
    let saved = stripe.post_with_key("/v1/invoices", &params, "k").await.body;
    let before = stripe.control("GET", "objects", json!(null)).await.ok();
    stripe.stop().await;

    let stripe = Stripe::with(in_folder(&folder.path().join("new/folder"))).await;
    assert_eq!(stripe.control("GET", "objects", json!(null)).await.ok(), before);
    assert_eq!(stripe.control("GET", "clock", json!(null)).await.ok()["ahead"], 5000);
    let replay = stripe.post_with_key("/v1/invoices", &params, "k").await;
    assert_eq!((replay.header("idempotent-replayed"), &replay.body), (Some("true"), &saved));
    let found = stripe.get("/v1/customers?email=ada%40example.com").await.ok();
    assert_eq!(id(&found["data"][0]), customer);
    let sent = stripe.post(&format!("/v1/invoices/{invoice}/send"), &[]).await.ok();
    assert_eq!(sent["due_date"], sent["status_transitions"]["finalized_at"].as_i64().unwrap() + 30 * 86_400);
    stripe.control("POST", "reset", json!(null)).await.ok();
    stripe.stop().await;

    let stripe = Stripe::with(in_folder(&folder.path().join("new/folder"))).await;
    assert_eq!(stripe.control("GET", "objects", json!(null)).await.ok()["objects"], json!([]));
}

#[tokio::test]
async fn what_is_due_is_done_after_a_stop_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../catalog/stripe/fixtures.json");
    let config = Config { fixtures: Some(file.into()), ..in_folder(folder.path()) };
    Stripe::with(config.clone()).await.stop().await;
    let stripe = Stripe::with(config).await;
    stripe.control("POST", "clock", json!({"advance": 32 * 86_400})).await.ok();
    let subscription = stripe.get("/v1/subscriptions/sub_xxx?expand[]=latest_invoice").await.ok();
    assert_eq!(subscription["latest_invoice"]["status"], "paid");
    let lapsed = stripe.get("/v1/payment_intents/pi_requires_capture").await.ok();
    assert_eq!(lapsed["status"], "canceled");
}

#[tokio::test]
async fn a_folder_has_one_sandbox_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let stripe = Stripe::with(in_folder(folder.path())).await;
    let refused = Sandbox::open(in_folder(folder.path())).err().unwrap();
    assert!(refused.to_string().contains("is another sandbox using it?"), "{refused}");
    stripe.stop().await;
    Stripe::with(in_folder(folder.path())).await.stop().await;
}

#[tokio::test]
async fn files_it_cannot_use_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(Sandbox::open(in_folder(&file)), Err(Error::Folder { .. })));
    std::fs::write(folder.path().join("sandbox.db"), "this is no database".repeat(100)).unwrap();
    assert!(matches!(Sandbox::open(in_folder(folder.path())), Err(Error::File(_))));
    let newer = tempfile::tempdir().unwrap();
    Stripe::with(in_folder(newer.path())).await.stop().await;
    let db = rusqlite::Connection::open(newer.path().join("sandbox.db")).unwrap();
    db.pragma_update(None, "user_version", 9).unwrap();
    drop(db);
    assert!(matches!(Sandbox::open(in_folder(newer.path())), Err(Error::Newer { found: 9, known: 1 })));
}

#[tokio::test]
async fn fixtures_of_the_start_leave_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fixtures.json");
    std::fs::write(&file, r#"{"objects": [{"object": "customer", "id": "cus_xxx", "email": "a@b.ch"}]}"#)
        .unwrap();
    let config = Config { fixtures: Some(file.clone()), ..in_folder(folder.path()) };
    let stripe = Stripe::with(config.clone()).await;
    assert_eq!(stripe.get("/v1/customers/cus_xxx").await.ok()["email"], "a@b.ch");
    stripe.post("/v1/invoices", &[("customer", "cus_xxx")]).await.ok();
    stripe.stop().await;
    let stripe = Stripe::with(config.clone()).await;
    assert_eq!(stripe.get("/v1/customers/cus_xxx").await.ok()["currency"], "usd");
    stripe.stop().await;
    std::fs::write(&file, r#"{"objects": [{"object": "price", "id": "price_x"}]}"#).unwrap();
    let refused = Sandbox::open(config).err().unwrap().to_string();
    assert!(refused.contains("fixtures.json") && refused.contains("price_x"), "{refused}");
}

/// Runs itself again as a sandbox in another process, and kills that one in mid-work, repeatedly.
/// Afterwards every write that was answered is there, and each key has happened at most once.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_leaves_it_whole() {
    const FOLDER: &str = "LOOPFOUR_TEST_SANDBOX_FOLDER";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let stripe = Stripe::with(in_folder(folder.as_ref())).await;
        println!("serving {}", stripe.base);
        return std::future::pending().await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut answered = Vec::new();
    for round in 0..4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "disk::a_kill_at_any_moment_leaves_it_whole", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base =
            lines.find_map(|line| line.unwrap().split_once("serving ").map(|(_, base)| base.to_owned()));
        let base = base.unwrap();
        let writers: Vec<_> = (0..4).map(|writer| tokio::spawn(write(base.clone(), round, writer))).collect();
        while held(&base).await < 40 * (round + 1) {
            tokio::task::yield_now().await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for writer in writers {
            answered.extend(writer.await.unwrap());
        }
    }
    let stripe = Stripe::with(in_folder(folder.path())).await;
    assert!(answered.len() >= 100, "{}", answered.len());
    for (key, customer) in &answered {
        let replay = stripe.post_with_key("/v1/customers", &[("name", key)], key).await;
        assert_eq!((replay.header("idempotent-replayed"), &id(&replay.body)), (Some("true"), customer));
    }
    let all = stripe.control("GET", "objects?type=customer", json!(null)).await.ok();
    let mut names: Vec<&str> =
        all["objects"].as_array().unwrap().iter().map(|object| object["name"].as_str().unwrap()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "no key has happened twice");
    assert!(count >= answered.len());
}

/// How many customers a sandbox holds.
async fn held(base: &str) -> usize {
    let stripe = Stripe::at(base.to_owned());
    let all = stripe.control("GET", "objects?type=customer", json!(null)).await.ok();
    all["objects"].as_array().unwrap().len()
}

/// Creates customers until the sandbox is gone; gives the keys of those that were answered.
async fn write(base: String, round: usize, writer: usize) -> Vec<(String, String)> {
    let stripe = Stripe::at(base);
    let mut answered = Vec::new();
    for index in 0.. {
        let key = format!("{round}-{writer}-{index}");
        match stripe.try_post("/v1/customers", &[("name", &key)], &key).await {
            Ok(reply) => answered.push((key, id(&reply.ok()))),
            Err(_) => break,
        }
    }
    answered
}
