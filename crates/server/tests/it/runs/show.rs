use loopfour_engine::Finding;
use loopfour_testkit::{Answer, Provider};

use crate::server::{Server, WELCOME};

#[tokio::test]
async fn a_run_is_shown_with_every_step_of_its_definition() {
    let server = Server::start().await;
    let workflow = server.active(WELCOME).await;
    let started =
        server.post(&format!("/workflows/{workflow}/run"), r#"{"input":{"email":"a@b.example"}}"#).await;
    let path = format!("/runs/{}", started.text("/data/runId"));
    let id = server.runs.started().await;
    server.get(&path).await.check(concat!(
        r#"200 {"success":true,"data":{"id":"run_*","workflowId":"wf_*","workflowVersion":1,"status":"running","#,
        r#""triggerType":"api","input":{"email":"a@b.example"},"output":null,"error":null,"#,
        r#""startedAt":"2026-01-02T03:04:05.678Z","completedAt":null,"durationMs":null,"#,
        r#""createdAt":"2026-01-02T03:04:05.678Z","steps":["#,
        r#"{"stepId":"find","status":"running","startedAt":"2026-01-02T03:04:05.678Z","completedAt":null,"#,
        r#""durationMs":null,"input":{"email":"a@b.example"},"output":null,"error":null,"attempt":1},"#,
        r#"{"stepId":"check","status":"pending","startedAt":null,"completedAt":null,"durationMs":null,"#,
        r#""input":null,"output":null,"error":null,"attempt":0},"#,
        r#"{"stepId":"create","status":"pending","startedAt":null,"completedAt":null,"durationMs":null,"#,
        r#""input":null,"output":null,"error":null,"attempt":0}]}}"#
    ));
    server.runs.finish(id).await;
    let json = server.get(&path).await.json();
    let data = &json["data"];
    assert_eq!((&data["status"], &data["durationMs"]), (&"completed".into(), &2_000.into()));
    assert_eq!(data["completedAt"], "2026-01-02T03:04:07.678Z");
    assert_eq!(data["output"], serde_json::json!({"id": "cus_1"}));
    assert_eq!(data["steps"][1]["output"], serde_json::json!({"result": true, "branch": "then"}));
    assert_eq!(data["steps"][2]["output"], data["output"]);
}

#[tokio::test]
async fn a_failed_run_and_one_that_waits_say_why() {
    let server = Server::start().await;
    let workflow = server.active(WELCOME).await;
    for (answer, status, code, retryable) in [
        (Answer::Refused("resource_missing"), "failed", "resource_missing", false),
        (Answer::Fails(Finding::NoConnection), "waiting", "authentication_error", true),
    ] {
        *server.runs.provider.lock().unwrap() = Provider::new(&[("stripe.listCustomers", &[answer])]);
        let started = server.post(&format!("/workflows/{workflow}/run"), "").await;
        server.runs.finish(server.runs.started().await).await;
        let json = server.get(&format!("/runs/{}", started.text("/data/runId"))).await.json();
        let data = &json["data"];
        let error = serde_json::json!({
            "code": code, "message": "scripted", "step": "find", "attempt": 1, "retryable": retryable,
            "hint": "none",
        });
        assert_eq!(data["status"], status);
        assert_eq!(data["steps"][0]["error"], error);
        let listed = server.get(&format!("/runs?status={status}")).await.json();
        if status == "failed" {
            assert_eq!(data["error"], error);
            assert_eq!(data["steps"][0]["status"], "error");
            assert!(data.get("waiting").is_none());
        } else {
            let until = data["waiting"]["until"].as_str().unwrap();
            let waiting = serde_json::json!({
                "reason": "connection", "stepId": "find", "until": until, "error": error,
            });
            assert_eq!(data["waiting"], waiting);
            assert_eq!(data["error"], serde_json::Value::Null);
            assert_eq!(data["steps"][0]["status"], "waiting");
        }
        for key in ["error", "waiting", "status", "startedAt", "completedAt", "durationMs", "output"] {
            assert_eq!(listed["data"][0].get(key), data.get(key), "{key}");
        }
    }
}

#[tokio::test]
async fn large_values_come_back_whole() {
    let server = Server::start().await;
    let workflow = server.active(WELCOME).await;
    let input = serde_json::json!({"email": "a@b.example", "rows": vec!["x".repeat(1_000); 900]});
    let body = serde_json::json!({"input": input}).to_string();
    let started = server.post(&format!("/workflows/{workflow}/run"), &body).await;
    let run = server.get(&format!("/runs/{}", started.text("/data/runId"))).await.json();
    assert_eq!(run["data"]["input"], input);
    assert_eq!(server.get("/runs").await.json()["data"][0]["input"], input);
}

#[tokio::test]
async fn an_id_that_is_none_is_404() {
    let server = Server::start().await;
    for id in ["x", "wf_00000000-0000-7000-8000-000000000000", "run_00000000-0000-7000-8000-000000000000"] {
        server.get(&format!("/runs/{id}")).await.check_error(404, "NOT_FOUND", &[]);
        server.get(&format!("/runs/{id}/events")).await.check_error(404, "NOT_FOUND", &[]);
    }
}
