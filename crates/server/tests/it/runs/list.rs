use crate::server::{Server, WELCOME};

#[tokio::test]
async fn runs_are_listed_by_workflow_and_status() {
    let server = Server::start().await;
    let (first, second) = (server.active(WELCOME).await, server.active(WELCOME).await);
    for workflow in [&first, &first, &second] {
        server.post(&format!("/workflows/{workflow}/run"), r#"{"input":{"email":"a@b.example"}}"#).await;
        server.clock.advance(1);
    }
    let done = server.runs.started().await;
    server.runs.finish(done).await;
    server.get("/runs?status=completed").await.check(concat!(
        r#"200 {"success":true,"data":[{"id":"run_*","workflowId":"wf_*","workflowVersion":1,"status":"completed","#,
        r#""triggerType":"api","input":{"email":"a@b.example"},"output":{"id":"cus_1"},"error":null,"#,
        r#""startedAt":"2026-01-02T03:04:05.678Z","completedAt":"2026-01-02T03:04:07.681Z","durationMs":2003,"#,
        r#""createdAt":"2026-01-02T03:04:05.678Z"}],"meta":{"hasMore":false}}"#
    ));
    for (query, count) in [
        (format!("workflowId={first}"), 2),
        (format!("workflowId={second}"), 1),
        (format!("workflowId={first}&status=running"), 1),
        ("status=waiting".to_owned(), 0),
        ("limit=2".to_owned(), 2),
    ] {
        let list = server.get(&format!("/runs?{query}")).await.json();
        assert_eq!(list["data"].as_array().map(Vec::len), Some(count), "{query}");
    }
    let page = server.get("/runs?limit=2&order=asc").await;
    let rest =
        server.get(&format!("/runs?limit=2&order=asc&cursor={}", page.text("/meta/cursor"))).await.json();
    assert_eq!(rest["data"][0]["workflowId"], *second);
    assert_eq!(rest["meta"]["hasMore"], false);
}

#[tokio::test]
async fn a_run_is_called_by_its_title() {
    let server = Server::start().await;
    let titled = WELCOME.replacen('{', r#"{"settings":{"title":"Welcome {{input.email}}"},"#, 1);
    let (titled, plain) = (server.active(&titled).await, server.active(WELCOME).await);
    for (workflow, input, title) in [
        (&titled, r#"{"input":{"email":"a@b.example"}}"#, Some("Welcome a@b.example")),
        (&titled, "{}", Some("Welcome ")),
        (&plain, "{}", None),
    ] {
        let started = server.post(&format!("/workflows/{workflow}/run"), input).await;
        let run = server.get(&format!("/runs/{}", started.text("/data/runId"))).await.json();
        assert_eq!(run["data"].get("title").and_then(|title| title.as_str()), title);
        let list = server.get("/runs?limit=1").await.json();
        assert_eq!(list["data"][0].get("title").and_then(|title| title.as_str()), title);
        server.clock.advance(1);
    }
}

#[tokio::test]
async fn everything_wrong_with_a_query_is_said_at_once() {
    let server = Server::start().await;
    server.get("/runs?workflowId=1&status=done&search=x").await.check_error(400, "VALIDATION_ERROR", &[
        "workflowId: `1` is not a workflow's id",
        "status: `status` must be one of pending, running, waiting, completed, failed, cancelled, timeout, not `done`",
        "search: unknown parameter `search`",
    ]);
}
