use crate::server::{Reply, Server, WELCOME};

async fn ask(server: &Server, line: &str) -> Reply {
    server.request(&line.replacen(' ', " /api/v1", 1)).send().await
}

#[track_caller]
fn check_state(reply: &Reply, status: &str) {
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.text("/data/status"), status);
    assert_eq!(reply.json()["data"]["version"], 1);
    assert_eq!(reply.headers["etag"], "\"1\"");
}

#[tokio::test]
async fn a_workflow_is_paused_resumed_and_archived() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    let run = format!("POST /workflows/{id}/run");
    server.clock.advance(1_000);
    let paused = ask(&server, &format!("POST /workflows/{id}/pause")).await;
    check_state(&paused, "paused");
    assert_eq!(paused.text("/data/updatedAt"), "2026-01-02T03:04:06.678Z");
    ask(&server, &run).await.check_error(409, "INVALID_STATE", &[]);
    check_state(&ask(&server, &format!("POST /workflows/{id}/resume")).await, "active");
    assert_eq!(ask(&server, &run).await.status, 202);
    check_state(&ask(&server, &format!("DELETE /workflows/{id}")).await, "archived");
    ask(&server, &run).await.check_error(409, "INVALID_STATE", &[]);
}

#[tokio::test]
async fn what_the_status_does_not_allow_is_409_and_a_repetition_too() {
    let server = Server::start().await;
    let draft = server.draft(WELCOME).await;
    let active = server.active(WELCOME).await;
    let paused = server.active(WELCOME).await;
    ask(&server, &format!("POST /workflows/{paused}/pause")).await;
    for (id, calls) in [
        (&draft, &["pause", "resume"][..]),
        (&active, &["activate", "resume"]),
        (&paused, &["pause", "activate"]),
    ] {
        for call in calls {
            let reply = ask(&server, &format!("POST /workflows/{id}/{call}")).await;
            reply.check_error(409, "INVALID_STATE", &[]);
        }
    }
    let reply = ask(&server, &format!("POST /workflows/{draft}/pause")).await;
    assert_eq!(
        crate::server::without_uuids(&reply.text("/error/message")),
        "workflow `wf_*` is draft; it can be paused while it is active"
    );
}

#[tokio::test]
async fn an_archived_workflow_can_only_be_read() {
    let server = Server::start().await;
    let (id, other) = (server.active(WELCOME).await, server.draft(WELCOME).await);
    ask(&server, &format!("DELETE /workflows/{id}")).await;
    for call in ["activate", "pause", "resume", "run"] {
        let reply = ask(&server, &format!("POST /workflows/{id}/{call}")).await;
        reply.check_error(409, "INVALID_STATE", &[]);
    }
    ask(&server, &format!("DELETE /workflows/{id}")).await.check_error(409, "INVALID_STATE", &[]);
    let rollback = server.post(&format!("/workflows/{id}/rollback"), r#"{"version":1}"#).await;
    rollback.check_error(409, "INVALID_STATE", &[]);
    let put = server.request(&format!("PUT /api/v1/workflows/{id}")).body(r#"{"name":"x"}"#).send().await;
    put.check_error(409, "INVALID_STATE", &[]);
    for path in ["", "/versions", "/versions/1"] {
        assert_eq!(server.get(&format!("/workflows/{id}{path}")).await.status, 200, "{path}");
    }
    let ids = async |query: &str| {
        let list = server.get(&format!("/workflows{query}")).await.json();
        list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let (all, archived): (Vec<String>, Vec<String>) = (ids("").await, ids("?status=archived").await);
    assert_eq!((all, archived), (vec![other], vec![id]));
}

#[tokio::test]
async fn if_match_guards_every_change() {
    let server = Server::start().await;
    let id = server.draft(WELCOME).await;
    let ask = |line: &str, tag: &str, body: &str| {
        let request = server.request(&line.replacen(' ', " /api/v1", 1)).header(&format!("if-match: {tag}"));
        if body.is_empty() { request } else { request.body(body) }.send()
    };
    for (line, body) in [
        (format!("POST /workflows/{id}/activate"), ""),
        (format!("POST /workflows/{id}/pause"), "{}"),
        (format!("POST /workflows/{id}/resume"), ""),
        (format!("POST /workflows/{id}/rollback"), r#"{"version":1}"#),
        (format!("DELETE /workflows/{id}"), ""),
    ] {
        ask(&line, "\"7\"", body).await.check_error(412, "VERSION_CONFLICT", &[]);
        let reply = ask(&line, "\"1\"", body).await;
        assert_eq!(reply.status, 200, "{line}: {}", reply.body);
        if line.ends_with("rollback") {
            break;
        }
    }
    assert_eq!(server.get(&format!("/workflows/{id}")).await.headers["etag"], "\"2\"");
    let delete = format!("DELETE /workflows/{id}");
    ask(&delete, "\"1\"", "").await.check_error(412, "VERSION_CONFLICT", &[]);
    assert_eq!(ask(&delete, "\"2\"", "").await.text("/data/status"), "archived");
}

#[tokio::test]
async fn bodies_and_parameters_that_nobody_asked_for_are_refused() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    let pause = format!("/workflows/{id}/pause");
    server.post(&pause, r#"{"force":true}"#).await.check_error(
        400,
        "VALIDATION_ERROR",
        &["force: unknown key `force`"],
    );
    server.post(&format!("{pause}?force=1"), "").await.check_error(
        400,
        "VALIDATION_ERROR",
        &["force: unknown parameter `force`"],
    );
    let delete = server.request(&format!("DELETE /api/v1/workflows/{id}?hard=true")).send().await;
    delete.check_error(400, "VALIDATION_ERROR", &["hard: unknown parameter `hard`"]);
    assert_eq!(server.get(&format!("/workflows/{id}")).await.text("/data/status"), "active");
}
