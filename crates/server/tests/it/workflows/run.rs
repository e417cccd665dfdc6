use loopfour_engine::ports::{JournalError, StartError};

use crate::server::{Refusal, Server, WELCOME};

const INPUT: &str = r#"{"input":{"email":"a@b.example"}}"#;

#[tokio::test]
async fn a_run_is_accepted() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    let reply = server.post(&format!("/workflows/{id}/run"), INPUT).await;
    reply.check(
        r#"202 {"success":true,"data":{"runId":"run_*","status":"pending","workflowId":"wf_*","workflowVersion":1}}"#,
    );
    assert_eq!(server.runs.started().await.to_string(), reply.text("/data/runId"));
}

#[tokio::test]
async fn the_body_may_be_left_out() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    let path = format!("/workflows/{id}/run");
    let runs = [
        server.request(&format!("POST /api/v1{path}")).send().await,
        server.post(&path, "").await,
        server.post(&path, "{}").await,
    ];
    for reply in runs {
        assert_eq!(reply.status, 202, "{}", reply.body);
        let run = server.get(&format!("/runs/{}", reply.text("/data/runId"))).await.json();
        assert_eq!(run["data"]["input"], serde_json::json!({}));
    }
}

#[tokio::test]
async fn only_an_active_workflow_runs() {
    let server = Server::start().await;
    let id = server.draft(WELCOME).await;
    server.post(&format!("/workflows/{id}/run"), INPUT).await.check(concat!(
        r#"409 {"success":false,"error":{"code":"INVALID_STATE","message":"#,
        r#""workflow `wf_*` is draft; it can be run while it is active"}}"#
    ));
}

#[tokio::test]
async fn a_run_keeps_the_version_that_it_started_with() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    let path = format!("/workflows/{id}/run");
    let first = server.post(&path, INPUT).await;
    server.request(&format!("PUT /api/v1/workflows/{id}")).body(r#"{"name":"Hi"}"#).send().await;
    let second = server.post(&path, INPUT).await;
    for (reply, version) in [(first, 1), (second, 2)] {
        assert_eq!(reply.json()["data"]["workflowVersion"], version);
        let run = server.get(&format!("/runs/{}", reply.text("/data/runId"))).await.json();
        assert_eq!(run["data"]["workflowVersion"], version);
    }
}

#[tokio::test]
async fn everything_wrong_is_said_at_once_and_nothing_is_started() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    let path = format!("/workflows/{id}/run");
    let reply = server.post(&path, r#"{"inptu":{},"connectionId":1,"idempotencyKey":""}"#).await;
    reply.check_error(
        400,
        "VALIDATION_ERROR",
        &[
            "connectionId: `connectionId` must be text, not a number",
            "idempotencyKey: `idempotencyKey` must have 1 to 255 characters, it has 0",
            "inptu: unknown key `inptu`",
        ],
    );
    assert_eq!(reply.text("/error/details/2/hint"), "did you mean `input`?");
    for wait in ["0", "61", "x"] {
        let reply = server.post(&format!("{path}?wait={wait}"), INPUT).await;
        let message = format!("wait: `wait` must be a whole number from 1 to 60, not `{wait}`");
        reply.check_error(400, "VALIDATION_ERROR", &[&message]);
    }
    let connection = r#"{"connectionId":"conn_00000000-0000-7000-8000-000000000000"}"#;
    server.post(&path, connection).await.check_error(404, "NOT_FOUND", &[]);
    assert_eq!(server.get("/runs").await.json()["data"], serde_json::json!([]));
}

#[tokio::test]
async fn the_same_idempotency_key_starts_no_second_run() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    let path = format!("/workflows/{id}/run");
    let keyed = r#"{"input":{"email":"a@b.example","amount":1.50},"idempotencyKey":"k"}"#;
    let first = server.post(&path, keyed).await;
    let again =
        server.post(&path, r#"{"idempotencyKey":"k","input":{"amount":1.5,"email":"a@b.example"}}"#).await;
    assert_eq!((again.status, &again.body), (202, &first.body));
    let other = server.post(&path, r#"{"input":{"email":"c@d.example"},"idempotencyKey":"k"}"#).await;
    other.check(concat!(
        r#"409 {"success":false,"error":{"code":"CONFLICT","message":"#,
        r#""the `idempotencyKey` started run `run_*` with another input"}}"#
    ));
    server.runs.finish(server.runs.started().await).await;
    let waited = server.post(&format!("{path}?wait=1"), keyed).await;
    assert_eq!((waited.status, waited.text("/data/id")), (200, first.text("/data/runId")));
    // Neither a pause nor a stricter schema hides what was started.
    let schema = r#"{"inputSchema":{"required":["other"]}}"#;
    assert_eq!(server.request(&format!("PUT /api/v1/workflows/{id}")).body(schema).send().await.status, 200);
    assert_eq!(server.post(&path, keyed).await.text("/data/runId"), first.text("/data/runId"));
    server.post(&format!("/workflows/{id}/pause"), "").await;
    assert_eq!(server.post(&path, keyed).await.text("/data/runId"), first.text("/data/runId"));
    server.post(&format!("/workflows/{id}/resume"), "").await;
    let schema = r#"{"inputSchema":null}"#;
    server.request(&format!("PUT /api/v1/workflows/{id}")).body(schema).send().await;
    server.clock.advance(24 * 60 * 60 * 1_000 + 1);
    assert_ne!(server.post(&path, keyed).await.text("/data/runId"), first.text("/data/runId"));
}

#[tokio::test]
async fn wait_answers_with_the_run_once_it_has_ended() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    let path = format!("/workflows/{id}/run?wait=60");
    let (reply, ()) = tokio::join!(server.post(&path, INPUT), async {
        server.runs.finish(server.runs.started().await).await;
    });
    let json = reply.json();
    assert_eq!((reply.status, &json["data"]["status"]), (200, &"completed".into()));
    assert_eq!(json["data"]["output"], serde_json::json!({"id": "cus_1"}));
    let read = server.get(&format!("/runs/{}", reply.text("/data/id"))).await;
    assert_eq!(read.body, reply.body);
}

#[tokio::test]
async fn wait_answers_202_when_the_time_is_over_or_the_server_stops() {
    let mut server = Server::start().await;
    let id = server.active(WELCOME).await;
    let over = server.post(&format!("/workflows/{id}/run?wait=1"), INPUT).await;
    assert_eq!((over.status, over.text("/data/status")), (202, "pending".to_owned()));
    server.runs.started().await;
    let stop = server.stop.take().unwrap();
    let path = format!("/workflows/{id}/run?wait=60");
    let (reply, ()) = tokio::join!(server.post(&path, INPUT), async {
        server.runs.started().await;
        stop.send(()).unwrap();
    });
    assert_eq!(reply.status, 202);
    server.serving.take().unwrap().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_host_that_cannot_start_it_is_no_defect_of_the_request() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    let path = format!("/workflows/{id}/run");
    let storage = StartError::Journal(JournalError::Storage("disk: secret detail".to_owned()));
    let full = StartError::Journal(JournalError::Full("disk: secret detail".to_owned()));
    for error in [StartError::Stopping, storage, full] {
        *server.runs.refuse.lock().unwrap() = Some(Refusal::Error(error));
        let reply = server.post(&path, INPUT).await;
        reply.check_error(503, "UNAVAILABLE", &[]);
        assert_eq!(reply.text("/error/requestId"), reply.headers["x-request-id"]);
        assert!(!reply.body.contains("secret"), "{}", reply.body);
    }
}
