use crate::server::{Server, WELCOME};

/// The workflow with these members beside its own.
fn with(members: &str) -> String {
    WELCOME.replacen('{', &format!("{{{members},"), 1)
}

#[tokio::test]
async fn an_input_that_does_not_fit_starts_nothing_and_all_of_it_is_told() {
    let server = Server::start().await;
    let schema = r#""inputSchema":{"type":"object","required":["email"],"additionalProperties":false,
        "properties":{"email":{"type":"string"},"lines":{"items":{"required":["amount"],"properties":{"amount":{"minimum":1}}}}}}"#;
    let id = server.active(&with(schema)).await;
    let path = format!("/workflows/{id}/run");
    let reply = server.post(&path, r#"{"input":{"lines":[{"amount":0},{}],"emial":"a@b.example"}}"#).await;
    reply.check_error(
        400,
        "VALIDATION_ERROR",
        &[
            "input.email: `email` is missing",
            "input.emial: unknown key `emial`",
            "input.lines[0].amount: the value is less than the minimum of 1",
            "input.lines[1].amount: `amount` is missing",
        ],
    );
    let none = server.post(&path, "").await;
    none.check_error(400, "VALIDATION_ERROR", &["input.email: `email` is missing"]);
    assert_eq!(server.get("/runs").await.json()["data"], serde_json::json!([]));
    assert_eq!(server.post(&path, r#"{"input":{"email":"a@b.example"}}"#).await.status, 202);
}

#[tokio::test]
async fn a_schema_that_cannot_be_used_is_a_diagnostic_with_its_place() {
    let server = Server::start().await;
    let broken =
        with(r##""inputSchema":{"type":"objct"},"outputSchema":{"$ref":"https://example.com/a.json"}"##);
    let refused = server.post("/workflows", &broken).await;
    refused.check_error(400, "VALIDATION_ERROR", &[
        "inputSchema.type: fits none of the alternatives",
        "outputSchema[\"$ref\"]: `https://example.com/a.json` lies outside the schema, and nothing is fetched; \
         put it under `$defs`",
    ]);
    assert_eq!(refused.text("/error/details/0/code"), "LF0205");
    let kept = server.post("/workflows?incomplete=true", &broken).await;
    assert_eq!(kept.json()["meta"]["diagnostics"].as_array().map(Vec::len), Some(2), "{}", kept.body);
    let id = kept.text("/data/id");
    let activated = server.post(&format!("/workflows/{id}/activate"), "").await;
    assert_eq!((activated.status, &*activated.text("/error/details/0/code")), (400, "LF0205"));
}

#[tokio::test]
async fn an_output_that_does_not_fit_is_told_in_the_log() {
    let server = Server::start().await;
    for (schema, level, message) in [
        (r#"{"required":["id"]}"#, "info", "the run completed"),
        (
            r#"{"required":["url"],"properties":{"id":{"type":"integer"}}}"#,
            "warn",
            "the run completed, but its output does not fit `outputSchema`: `output.id`: must be of type integer, not \
             string; `output.url`: `url` is missing",
        ),
    ] {
        let id = server.active(&with(&format!(r#""outputSchema":{schema}"#))).await;
        let run = server.post(&format!("/workflows/{id}/run"), r#"{"input":{"email":"a@b.example"}}"#).await;
        let run = run.text("/data/runId");
        server.runs.finish(server.runs.started().await).await;
        let shown = server.get(&format!("/runs/{run}")).await;
        assert_eq!(shown.text("/data/status"), "completed", "what was done is done");
        let last = server.get(&format!("/runs/{run}/logs?order=desc&limit=1")).await;
        assert_eq!((&*last.text("/data/0/level"), &*last.text("/data/0/message")), (level, message));
    }
}
