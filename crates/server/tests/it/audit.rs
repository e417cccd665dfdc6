use loopfour_engine::Actor;
use loopfour_store::{Deed, Role, Scope};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::contract::{API, validator};
use crate::server::Server;

/// Rows that changed nothing, as many as that.
async fn fill(server: &Server, rows: usize) {
    let (company, by) = (server.store.default_company(), Actor::system("test"));
    for _ in 0..rows {
        let deed = Deed::new("session.refuse", "person", "x");
        server.store.record(company, &by, deed, server.clock_now()).await.unwrap();
    }
}

fn actions(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn who_did_what_is_listed_and_found() {
    let server = Server::start().await;
    let token = server.member(server.store.default_company(), "ada@example.com", Role::Admin).await;
    let member = server.get("/members").await.text("/data/0/id");
    let new = r#"{"name":"robot","scopes":["runs:read"]}"#;
    let key = server.request("POST /api/v1/keys").session(&token).body(new).send().await.text("/data/id");
    let revoke = server.request(&format!("DELETE /api/v1/keys/{key}")).send().await;
    assert_eq!(revoke.status, 200);
    let list = server.get("/audit").await.json();
    assert_eq!(
        actions(&list),
        ["key.revoke", "key.create", "session.open", "member.create", "key.create", "company.create"]
    );
    let row = &list["data"][1];
    assert_eq!((&row["actor"]["type"], &row["actor"]["id"]), (&"member".into(), &(*member).into()));
    assert_eq!((&row["actor"]["name"], &row["address"]), (&"ada@example.com".into(), &"127.0.0.1".into()));
    assert_eq!((&row["object"]["type"], &row["object"]["id"]), (&"key".into(), &(*key).into()));
    assert_eq!((&row["before"], &row["after"]["name"]), (&Value::Null, &"robot".into()));
    assert_eq!(list["data"][0]["actor"]["type"], "key");
    assert_eq!(list["data"][5]["actor"]["type"], "system");
    for (query, found) in [
        ("action=key.create".to_owned(), 2),
        (format!("actor={member}"), 1),
        (format!("object={key}"), 2),
        (format!("object={key}&action=key.revoke"), 1),
        (format!("actor={member}&action=key.revoke"), 0),
        ("action=none".to_owned(), 0),
    ] {
        assert_eq!(actions(&server.get(&format!("/audit?{query}")).await.json()).len(), found, "{query}");
    }
    let (mut seqs, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/audit?limit=4&order=asc{cursor}")).await.json();
        seqs.extend(page["data"].as_array().unwrap().iter().map(|row| row["seq"].as_u64().unwrap()));
        match page["meta"]["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seqs, [1, 2, 3, 4, 5, 6]);
    server.key(server.store.default_company(), &[Scope::RunsRead]).await;
    let keys = server.get("/keys?limit=1").await.text("/meta/cursor");
    let details = ["cursor: `cursor` comes from another list"];
    server.get(&format!("/audit?cursor={keys}")).await.check_error(400, "VALIDATION_ERROR", &details);
}

#[tokio::test]
async fn an_export_is_the_whole_chain_and_its_head() {
    let server = Server::start().await;
    // More than two parts.
    fill(&server, 1_200).await;
    // Whoever asks for the head alone exports nothing, and no row says so.
    let before = server.store.audit_head(server.store.default_company()).await.unwrap().count;
    let asked = server.request("HEAD /api/v1/audit?format=jsonl").send().await;
    assert_eq!((asked.status, &*asked.headers["content-type"], &*asked.body), (200, "application/jsonl", ""));
    assert!(!asked.headers.contains_key("content-length"), "{:?}", asked.headers);
    let after = server.store.audit_head(server.store.default_company()).await.unwrap().count;
    assert_eq!(after, before);
    let export = server.get("/audit?format=jsonl").await;
    assert_eq!((export.status, &*export.headers["content-type"]), (200, "application/jsonl"));
    let lines: Vec<Value> = export.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, rows) = lines.split_last().unwrap();
    let row_schema = validator(&API["components"]["schemas"]["AuditRow"]);
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row["seq"], index + 1);
        assert!(row_schema.is_valid(row), "{row}");
    }
    let newest = rows.last().unwrap();
    assert_eq!((&newest["action"], &newest["object"]["type"]), (&"audit.export".into(), &"company".into()));
    assert_eq!((&last["head"], &last["count"]), (&newest["hash"], &rows.len().into()));
    assert_eq!(last.as_object().map(serde_json::Map::len), Some(2));
    let head = server.store.audit_head(server.store.default_company()).await.unwrap();
    assert_eq!(
        (last["head"].as_str(), last["count"].as_u64()),
        (Some(&*head.hash.to_string()), Some(head.count))
    );
    // The list shows the same rows.
    let list = server.get("/audit?limit=1").await.json();
    assert_eq!(&list["data"][0], newest);
}

#[tokio::test]
async fn an_export_is_all_or_nothing() {
    let server = Server::start().await;
    for (query, name) in
        [("limit=5", "limit"), ("order=asc", "order"), ("action=key.create", "action"), ("actor=x", "actor")]
    {
        let details = [format!("{name}: unknown parameter `{name}`")];
        let details: Vec<&str> = details.iter().map(|text| &**text).collect();
        server.get(&format!("/audit?format=jsonl&{query}")).await.check_error(
            400,
            "VALIDATION_ERROR",
            &details,
        );
    }
    let details = ["format: `format` must be one of json, jsonl, not `csv`"];
    server.get("/audit?format=csv").await.check_error(400, "VALIDATION_ERROR", &details);
    assert_eq!(server.get("/audit?format=json").await.json()["data"].as_array().map(Vec::len), Some(2));
    let key = server.key(server.store.default_company(), &[Scope::RunsRead]).await;
    for path in ["/audit", "/audit?format=jsonl"] {
        let refused = server.request(&format!("GET /api/v1{path}")).key(&key).send().await;
        refused.check_error(403, "FORBIDDEN", &[]);
    }
    let log = server.get("/audit?action=audit.export").await.json();
    assert!(log["data"].as_array().unwrap().is_empty(), "what was refused was no export");
}

/// Who loses the right while it comes sees no more of it, and no last line.
#[tokio::test]
async fn an_export_ends_with_its_key() {
    let server = Server::start().await;
    // More than what a connection holds while nobody reads.
    let (company, by) = (server.store.default_company(), Actor::system("test"));
    for _ in 0..3_000 {
        let deed = Deed::new("session.refuse", "person", "x".repeat(4_000));
        server.store.record(company, &by, deed, server.clock_now()).await.unwrap();
    }
    let made = server.post("/keys", r#"{"name":"a","scopes":["admin"]}"#).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let request = server.request("GET /api/v1/audit?format=jsonl").key(&made.text("/data/key"));
    lines.get_mut().write_all(&request.bytes()).await.unwrap();
    while !lines.next_line().await.unwrap().unwrap().starts_with('{') {}
    let revoked = server.request(&format!("DELETE /api/v1/keys/{}", made.text("/data/id"))).send().await;
    assert_eq!(revoked.status, 200);
    let mut last = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        last = line;
    }
    assert!(!last.contains("\"head\""), "{last}");
    let whole = server.get("/audit?format=jsonl").await;
    assert!(whole.body.lines().last().unwrap().contains("\"head\""), "who may goes on to the end");
}
