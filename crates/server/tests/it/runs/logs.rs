use crate::server::{Server, WELCOME};

#[tokio::test]
async fn a_run_tells_what_it_did_step_by_step() {
    let server = Server::start().await;
    let workflow = server.active(WELCOME).await;
    let started =
        server.post(&format!("/workflows/{workflow}/run"), r#"{"input":{"email":"a@b.example"}}"#).await;
    server.runs.finish(server.runs.started().await).await;
    let path = format!("/runs/{}/logs", started.text("/data/runId"));
    let logs = server.get(&path).await;
    let lines = logs.json()["data"].as_array().unwrap().clone();
    let text = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap_or("-").to_owned();
    let told: Vec<String> = lines
        .iter()
        .map(|line| format!("{} {}: {}", text(line, "level"), text(line, "stepId"), text(line, "message")))
        .collect();
    assert_eq!(
        told,
        [
            "info -: the run of version 1 was started by api",
            "info find: step `find` calls stripe.listCustomers",
            "info find: step `find` succeeded",
            "info check: condition `check` chose `then`",
            "info create: step `create` calls stripe.createCustomer",
            "info create: step `create` succeeded",
            "info -: the run completed",
        ]
    );
    assert_eq!(
        lines[3],
        serde_json::json!({
            "seq": 4, "at": "2026-01-02T03:04:06.678Z", "level": "info", "type": "condition.decided",
            "stepId": "check", "message": "condition `check` chose `then`",
        })
    );
    assert_eq!(logs.json()["meta"], serde_json::json!({"hasMore": false}));
    assert!(!logs.body.contains("a@b.example"), "values stand in the run alone: {}", logs.body);
}

#[tokio::test]
async fn lines_are_paged_from_either_end() {
    let server = Server::start().await;
    let workflow = server.active(WELCOME).await;
    let started = server.post(&format!("/workflows/{workflow}/run"), "").await;
    server.runs.finish(server.runs.started().await).await;
    let path = format!("/runs/{}/logs?limit=3", started.text("/data/runId"));
    for (order, expected) in [("", [1, 2, 3, 4, 5]), ("&order=desc", [7, 6, 5, 4, 3])] {
        let first = server.get(&format!("{path}{order}")).await;
        let cursor = first.text("/meta/cursor");
        let second = server.get(&format!("{path}{order}&cursor={cursor}")).await;
        let numbers: Vec<i64> = [first, second]
            .iter()
            .flat_map(|page| page.json()["data"].as_array().unwrap().clone())
            .map(|line| line["seq"].as_i64().unwrap())
            .collect();
        assert_eq!(numbers[..5], expected, "{order}");
    }
    let unknown = server.get("/runs/run_00000000-0000-7000-8000-000000000000/logs").await;
    unknown.check_error(404, "NOT_FOUND", &[]);
    server.get(&format!("{path}&step=find")).await.check_error(
        400,
        "VALIDATION_ERROR",
        &["step: unknown parameter `step`"],
    );
}
