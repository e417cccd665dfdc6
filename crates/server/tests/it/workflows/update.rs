use crate::server::{Server, WELCOME};

#[tokio::test]
async fn an_update_is_partial_and_makes_a_new_version() {
    let server = Server::start().await;
    let id = server.draft(WELCOME).await;
    server.clock.advance(1_000);
    let path = format!("/workflows/{id}");
    let put = |body: &'static str| server.request(&format!("PUT /api/v1{path}")).body(body).send();
    let updated = put(r#"{"description":"greets","changeSummary":"say what it is for"}"#).await;
    let json = updated.json();
    assert_eq!((updated.status, &json["data"]["version"]), (200, &2.into()), "{}", updated.body);
    assert_eq!(updated.headers["etag"], "\"2\"");
    assert_eq!((&json["data"]["name"], &json["data"]["description"]), (&"Welcome".into(), &"greets".into()));
    assert!(json["data"].get("changeSummary").is_none());
    assert_eq!(json["data"]["createdAt"], "2026-01-02T03:04:05.678Z");
    assert_eq!(json["data"]["updatedAt"], "2026-01-02T03:04:06.678Z");
    assert_eq!(server.get(&path).await.json()["data"], json["data"]);

    let cleared = put(r#"{"description":null,"name":"Hello"}"#).await.json();
    assert_eq!((&cleared["data"]["version"], &cleared["data"]["name"]), (&3.into(), &"Hello".into()));
    assert!(cleared["data"].get("description").is_none());
}

#[tokio::test]
async fn what_is_wrong_changes_nothing() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    let put = |body: &'static str| server.request(&format!("PUT /api/v1/workflows/{id}")).body(body).send();
    for (body, field) in [
        (r#"{"nme":"x"}"#, "nme"),
        (r#"{"steps":[]}"#, "steps"),
        (r#"{"name":null}"#, "name"),
        (r#"{"changeSummary":1}"#, "changeSummary"),
        (r#"{"changeSummary":""}"#, "changeSummary"),
        (r#"{"name":"a","name":"b"}"#, ""),
        ("[]", ""),
        ("{", ""),
        ("", ""),
    ] {
        let reply = put(body).await;
        if body.is_empty() {
            reply.check_error(415, "UNSUPPORTED_MEDIA_TYPE", &[]);
            continue;
        }
        assert_eq!(reply.status, 400, "{body}: {}", reply.body);
        assert_eq!(reply.text("/error/details/0/field"), field, "{body}: {}", reply.body);
    }
    let read = server.get(&format!("/workflows/{id}")).await.json();
    assert_eq!((&read["data"]["version"], &read["data"]["name"]), (&1.into(), &"Welcome".into()));
}

#[tokio::test]
async fn if_match_must_name_the_current_version() {
    let server = Server::start().await;
    let id = server.draft(WELCOME).await;
    let put = |tag: &str| {
        let request = server.request(&format!("PUT /api/v1/workflows/{id}")).body(r#"{"description":"x"}"#);
        request.header(&format!("if-match: {tag}")).send()
    };
    for tag in ["\"2\"", "1", "W/\"1\"", "\"0\", \"3\""] {
        put(tag).await.check_error(412, "VERSION_CONFLICT", &[]);
    }
    for (tag, version) in [("\"1\"", 2), ("*", 3), ("\"9\", \"3\"", 4)] {
        assert_eq!(put(tag).await.json()["data"]["version"], version, "{tag}");
    }
}

#[tokio::test]
async fn edits_at_the_same_time_are_all_kept() {
    let server = Server::start().await;
    let id = server.draft(WELCOME).await;
    let put = |body: &'static str| server.request(&format!("PUT /api/v1/workflows/{id}")).body(body).send();
    let replies = tokio::join!(
        put(r#"{"description":"d"}"#),
        put(r#"{"variables":{"v":1}}"#),
        put(r#"{"settings":{"timeoutMs":60000}}"#)
    );
    assert_eq!((replies.0.status, replies.1.status, replies.2.status), (200, 200, 200));
    let data = &server.get(&format!("/workflows/{id}")).await.json()["data"];
    assert_eq!(data["version"], 4);
    assert!(["description", "variables", "settings"].iter().all(|key| data.get(key).is_some()), "{data}");
}
