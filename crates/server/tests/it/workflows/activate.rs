use crate::server::{Server, WELCOME};

#[tokio::test]
async fn a_draft_is_activated_once() {
    let server = Server::start().await;
    let id = server.draft(WELCOME).await;
    server.clock.advance(1_000);
    let path = format!("/workflows/{id}/activate");
    let active = server.post(&path, "").await;
    let json = active.json();
    assert_eq!((active.status, &json["data"]["status"]), (200, &"active".into()), "{}", active.body);
    assert_eq!(json["data"]["version"], 1);
    assert_eq!(json["data"]["updatedAt"], "2026-01-02T03:04:06.678Z");
    assert_eq!(json["meta"]["diagnostics"].as_array().map(Vec::len), Some(0));
    let again = server.post(&path, "").await;
    again.check(concat!(
        r#"409 {"success":false,"error":{"code":"INVALID_STATE","message":"#,
        r#""workflow `wf_*` is active; it can be activated while it is draft"}}"#
    ));
}

#[tokio::test]
async fn it_takes_an_empty_object_and_nothing_else() {
    let server = Server::start().await;
    let id = server.draft(WELCOME).await;
    let path = format!("/workflows/{id}/activate");
    let unknown = server.post(&path, r#"{"now":true}"#).await;
    unknown.check_error(400, "VALIDATION_ERROR", &["now: unknown key `now`"]);
    let without_body = server.request(&format!("POST /api/v1{path}?force=1")).send().await;
    without_body.check_error(400, "VALIDATION_ERROR", &["force: unknown parameter `force`"]);
    assert_eq!(server.post(&path, "{}").await.status, 200);
}
