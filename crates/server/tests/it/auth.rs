use loopfour_engine::Actor;
use loopfour_store::{NewKey, Scope};

use crate::server::{Server, WELCOME};

#[tokio::test]
async fn a_missing_unknown_or_doubled_key_is_401() {
    let server = Server::start().await;
    let me = || server.request("GET /api/v1/me");
    me().without_key().send().await.check(
        r#"401 {"success":false,"error":{"code":"UNAUTHORIZED","message":"the header `x-api-key` is missing"}}"#,
    );
    for key in ["", "x", "wfk_", "wfk_00000000000000000000000000000000", "wfk_é"] {
        let reply = me().key(key).send().await;
        reply.check_error(401, "UNAUTHORIZED", &[]);
    }
    me().header(&format!("x-api-key: {}", server.key)).send().await.check_error(401, "UNAUTHORIZED", &[]);
}

#[tokio::test]
async fn a_key_ends_at_its_time() {
    let server = Server::start().await;
    let made = server
        .post("/keys", r#"{"name":"a","scopes":["runs:read"],"expiresAt":"2026-01-02T03:04:06Z"}"#)
        .await;
    let key = made.text("/data/key");
    assert_eq!(server.request("GET /api/v1/me").key(&key).send().await.status, 200);
    server.clock.advance(1_000);
    server.request("GET /api/v1/me").key(&key).send().await.check_error(401, "UNAUTHORIZED", &[]);
}

#[tokio::test]
async fn each_call_needs_its_scope_and_names_it() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    let started = server.post(&format!("/workflows/{id}/run"), r#"{"input":{"email":"a@b.example"}}"#).await;
    let run = started.text("/data/runId");
    for (line, body, scope) in [
        ("GET /workflows".to_owned(), None, Scope::WorkflowsRead),
        (format!("GET /workflows/{id}"), None, Scope::WorkflowsRead),
        ("POST /workflows/validate".to_owned(), Some(WELCOME), Scope::WorkflowsRead),
        ("POST /workflows".to_owned(), Some(WELCOME), Scope::WorkflowsWrite),
        (format!("PUT /workflows/{id}"), Some(r#"{"description":"x"}"#), Scope::WorkflowsWrite),
        (format!("POST /workflows/{id}/activate"), None, Scope::WorkflowsWrite),
        (format!("POST /workflows/{id}/pause"), None, Scope::WorkflowsWrite),
        (format!("POST /workflows/{id}/resume"), None, Scope::WorkflowsWrite),
        (format!("DELETE /workflows/{id}"), None, Scope::WorkflowsWrite),
        (format!("POST /workflows/{id}/rollback"), Some(r#"{"version":1}"#), Scope::WorkflowsWrite),
        (format!("GET /workflows/{id}/versions"), None, Scope::WorkflowsRead),
        (format!("GET /workflows/{id}/versions/1"), None, Scope::WorkflowsRead),
        (format!("POST /workflows/{id}/run"), None, Scope::WorkflowsExecute),
        ("GET /runs".to_owned(), None, Scope::RunsRead),
        (format!("GET /runs/{run}"), None, Scope::RunsRead),
        (format!("GET /runs/{run}/events"), None, Scope::RunsRead),
        (format!("GET /runs/{run}/logs"), None, Scope::RunsRead),
        (format!("POST /runs/{run}/cancel"), None, Scope::WorkflowsExecute),
        (format!("POST /runs/{run}/retry"), None, Scope::WorkflowsExecute),
        (format!("POST /runs/{run}/restart"), None, Scope::WorkflowsExecute),
        (format!("POST /runs/{run}/steps/find/resolve"), Some("{}"), Scope::WorkflowsExecute),
        (format!("POST /runs/{run}/steps/find/candidates"), None, Scope::WorkflowsExecute),
        ("GET /keys".to_owned(), None, Scope::Admin),
        ("DELETE /keys/key_00000000-0000-7000-8000-000000000000".to_owned(), None, Scope::Admin),
        ("POST /keys".to_owned(), Some(r#"{"name":"a","scopes":["admin"]}"#), Scope::Admin),
    ] {
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
        let key = server.key(server.store.default_company(), &others).await;
        let request = server.request(&line.replacen(' ', " /api/v1", 1)).key(&key);
        let reply = match body {
            Some(body) => request.body(body).send().await,
            None => request.send().await,
        };
        let message = format!("the key has not the scope `{scope}`");
        reply.check_error(403, "FORBIDDEN", &[]);
        assert_eq!(reply.text("/error/message"), message, "{line}");
    }
}

#[tokio::test]
async fn another_companys_things_do_not_exist() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    let started = server.post(&format!("/workflows/{id}/run"), r#"{"input":{"email":"a@b.example"}}"#).await;
    let run = started.text("/data/runId");
    let other =
        server.store.create_company("other", &Actor::system("test"), server.clock_now()).await.unwrap().0;
    let key =
        NewKey { name: "other".to_owned(), scopes: Scope::ALL.to_vec(), expires_at: None, member: None };
    let key = server
        .store
        .create_key(other, key, &Actor::system("test"), server.clock_now())
        .await
        .unwrap()
        .1
        .reveal()
        .to_owned();
    for line in [
        format!("GET /workflows/{id}"),
        format!("PUT /workflows/{id}"),
        format!("POST /workflows/{id}/activate"),
        format!("POST /workflows/{id}/pause"),
        format!("POST /workflows/{id}/resume"),
        format!("POST /workflows/{id}/rollback"),
        format!("DELETE /workflows/{id}"),
        format!("GET /workflows/{id}/versions"),
        format!("GET /workflows/{id}/versions/1"),
        format!("POST /workflows/{id}/run"),
        format!("GET /runs/{run}"),
        format!("GET /runs/{run}/events"),
        format!("GET /runs/{run}/logs"),
        format!("POST /runs/{run}/cancel"),
        format!("POST /runs/{run}/retry"),
        format!("POST /runs/{run}/restart"),
        format!("POST /runs/{run}/steps/find/resolve"),
        format!("POST /runs/{run}/steps/find/candidates"),
    ] {
        let request = server.request(&line.replacen(' ', " /api/v1", 1)).key(&key);
        let request = match &*line {
            line if line.starts_with("PUT") => request.body("{}"),
            line if line.ends_with("resolve") => request.body(r#"{"reason":"a","outcome":"fail"}"#),
            line if line.ends_with("rollback") => request.body(r#"{"version":1}"#),
            _ => request,
        };
        request.send().await.check_error(404, "NOT_FOUND", &[]);
    }
    for (path, expected) in [
        ("/workflows".to_owned(), r#"200 {"success":true,"data":[],"meta":{"hasMore":false}}"#),
        ("/runs".to_owned(), r#"200 {"success":true,"data":[],"meta":{"hasMore":false}}"#),
        (format!("/runs?workflowId={id}"), r#"200 {"success":true,"data":[],"meta":{"hasMore":false}}"#),
    ] {
        server.request(&format!("GET /api/v1{path}")).key(&key).send().await.check(expected);
    }
}
