use crate::server::{Reply, Server, WELCOME};

async fn put(server: &Server, id: &str, body: &str) -> Reply {
    server.request(&format!("PUT /api/v1/workflows/{id}")).body(body).send().await
}

#[tokio::test]
async fn every_version_is_kept_as_it_was_sent() {
    let server = Server::start().await;
    let id = server.draft(WELCOME).await;
    server.clock.advance(1_000);
    put(&server, &id, r#"{"name":"Hello","changeSummary":"friendlier"}"#).await;
    let read = server.get(&format!("/workflows/{id}")).await;
    assert!(read.text("/data/source").contains(r#""name": "Hello""#), "{}", read.body);
    server.get(&format!("/workflows/{id}/versions")).await.check(concat!(
        r#"200 {"success":true,"data":["#,
        r#"{"workflowId":"wf_*","version":2,"changeSummary":"friendlier","createdAt":"2026-01-02T03:04:06.678Z"},"#,
        r#"{"workflowId":"wf_*","version":1,"changeSummary":null,"createdAt":"2026-01-02T03:04:05.678Z"}],"#,
        r#""meta":{"hasMore":false}}"#
    ));
    let first = server.get(&format!("/workflows/{id}/versions/1")).await;
    assert_eq!(first.headers["etag"], "\"1\"");
    let data = &first.json()["data"];
    assert_eq!((&data["source"], &data["name"]), (&WELCOME.into(), &"Welcome".into()));
    assert_eq!((&data["workflowId"], &data["version"]), (&(*id).into(), &1.into()));
    assert_eq!(data["steps"][0]["action"], "stripe.listCustomers");
}

#[tokio::test]
async fn versions_are_paged_by_number() {
    let server = Server::start().await;
    let id = server.draft(WELCOME).await;
    for name in ["b", "c", "d", "e"] {
        put(&server, &id, &format!(r#"{{"name":"{name}"}}"#)).await;
        // A clock that is set back changes no order.
        server.clock.advance(-1_000);
    }
    for (order, expected) in [("desc", [5, 4, 3, 2, 1]), ("asc", [1, 2, 3, 4, 5])] {
        let mut path = format!("/workflows/{id}/versions?limit=2&order={order}");
        let mut seen = Vec::new();
        loop {
            let page = server.get(&path).await.json();
            let rows = page["data"].as_array().unwrap();
            seen.extend(rows.iter().map(|row| row["version"].as_i64().unwrap()));
            let Some(cursor) = page["meta"]["cursor"].as_str() else { break };
            path = format!("/workflows/{id}/versions?limit=2&order={order}&cursor={cursor}");
        }
        assert_eq!(seen, expected, "{order}");
    }
}

#[tokio::test]
async fn a_rollback_is_a_new_version_with_the_old_text() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    put(&server, &id, r#"{"name":"Hello"}"#).await;
    let path = format!("/workflows/{id}/rollback");
    let back = server.post(&path, r#"{"version":1}"#).await;
    assert_eq!((back.status, &*back.headers["etag"]), (200, "\"3\""), "{}", back.body);
    assert_eq!((back.text("/data/source"), back.text("/data/name")), (WELCOME.to_owned(), "Welcome".into()));
    assert_eq!(back.text("/data/status"), "active");
    let list = server.get(&format!("/workflows/{id}/versions")).await;
    assert_eq!(list.text("/data/0/changeSummary"), "rollback to version 1");
    assert_eq!(server.get("/workflows?search=welcome").await.json()["data"][0]["version"], 3);
}

#[tokio::test]
async fn what_is_no_version_is_refused() {
    let server = Server::start().await;
    let id = server.draft(WELCOME).await;
    for version in ["0", "2", "01", "+1", "x", "4294967296"] {
        let reply = server.get(&format!("/workflows/{id}/versions/{version}")).await;
        reply.check_error(404, "NOT_FOUND", &[]);
    }
    let path = format!("/workflows/{id}/rollback");
    for version in ["2", "99999999999"] {
        server.post(&path, &format!(r#"{{"version":{version}}}"#)).await.check_error(404, "NOT_FOUND", &[]);
    }
    let unknown = server.post(&path, r#"{"version":2}"#).await;
    assert_eq!(unknown.text("/error/message"), format!("workflow `{id}` has no version 2"));
    for (body, problem) in [
        ("{}", "version: `version` is missing"),
        (r#"{"version":0}"#, "version: `version` must be a whole number from 1, not 0"),
        (r#"{"version":1.5}"#, "version: `version` must be a whole number, not 1.5"),
        (r#"{"version":"1"}"#, "version: `version` must be a whole number, not text"),
    ] {
        server.post(&path, body).await.check_error(400, "VALIDATION_ERROR", &[problem]);
    }
    server.post(&path, "").await.check_error(415, "UNSUPPORTED_MEDIA_TYPE", &[]);
    assert_eq!(server.get(&format!("/workflows/{id}")).await.json()["data"]["version"], 1);
    let unknown = "/workflows/wf_00000000-0000-7000-8000-000000000000";
    server.get(&format!("{unknown}/versions")).await.check_error(404, "NOT_FOUND", &[]);
    server.get(&format!("{unknown}/versions/1")).await.check_error(404, "NOT_FOUND", &[]);
}

#[tokio::test]
async fn only_a_draft_goes_back_to_what_cannot_work() {
    let server = Server::start().await;
    let broken = WELCOME.replace("stripe.listCustomers", "stripe.listCustomer");
    let made = server.post("/workflows?incomplete=true", &broken).await;
    let id = made.text("/data/id");
    let fixed = serde_json::from_str::<serde_json::Value>(WELCOME).unwrap();
    put(&server, &id, &serde_json::json!({"steps": fixed["steps"]}).to_string()).await;
    let path = format!("/workflows/{id}/rollback");
    let refused = server.post(&path, r#"{"version":1}"#).await;
    assert_eq!((refused.status, &*refused.text("/error/details/0/code")), (400, "LF0301"));
    let kept = server.post(&format!("{path}?incomplete=true"), r#"{"version":1}"#).await;
    assert_eq!((kept.status, &*kept.text("/meta/diagnostics/0/code")), (200, "LF0301"), "{}", kept.body);
    server.post(&path, r#"{"version":2}"#).await;
    assert_eq!(server.post(&format!("/workflows/{id}/activate"), "").await.status, 200);
    let refused = server.post(&format!("{path}?incomplete=true"), r#"{"version":1}"#).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
}

#[tokio::test]
async fn of_two_writers_with_one_tag_one_wins() {
    let server = Server::start().await;
    let id = server.draft(WELCOME).await;
    let write = |name: &str| {
        let request = server.request(&format!("PUT /api/v1/workflows/{id}")).header("if-match: \"1\"");
        request.body(format!(r#"{{"name":"{name}"}}"#)).send()
    };
    let replies = tokio::join!(write("a"), write("b"));
    let mut statuses = [replies.0.status, replies.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    assert_eq!(server.get(&format!("/workflows/{id}")).await.json()["data"]["version"], 2);
}
