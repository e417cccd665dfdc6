use crate::server::{Server, WELCOME};

const SMALL: &str = r#"{"steps":[{"config":{"email":"a@b.example"},"action":"stripe.createCustomer","type":"action","id":"a"}],"trigger":{"type":"api"},"name":"Small"}"#;

#[tokio::test]
async fn a_workflow_is_created_as_a_draft_with_its_members_as_they_were_sent() {
    let server = Server::start().await;
    let created = server.post("/workflows", SMALL).await;
    let shown = created.show();
    let source = serde_json::to_string(SMALL).unwrap();
    let expected = concat!(
        r#"201 {"success":true,"data":{"id":"wf_*","status":"draft","version":1,"#,
        r#""steps":[{"config":{"email":"a@b.example"},"action":"stripe.createCustomer","type":"action","id":"a"}],"#,
        r#""trigger":{"type":"api"},"name":"Small","source":SOURCE,"#,
        r#""createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z"},"meta":{"diagnostics":[]}}"#
    );
    assert_eq!(shown, expected.replace("SOURCE", &source));
    let id = created.text("/data/id");
    assert_eq!(created.headers["etag"], "\"1\"");
    assert_eq!(created.headers["location"], format!("/api/v1/workflows/{id}"));
    let read = server.get(&format!("/workflows/{id}")).await;
    assert_eq!(read.json()["data"], created.json()["data"]);
    assert_eq!(read.headers["etag"], "\"1\"");
}

#[tokio::test]
async fn warnings_and_infos_stand_beside_the_workflow() {
    let server = Server::start().await;
    let example = include_str!("../../../../../docs/examples/create-and-send-invoice.json");
    let created = server.post("/workflows", example).await;
    let json = created.json();
    let diagnostics = json["meta"]["diagnostics"].as_array().unwrap();
    assert_eq!(created.status, 201);
    assert_eq!(diagnostics.len(), 1, "{}", created.body);
    assert_eq!(diagnostics[0]["severity"], "info");
    for key in ["code", "severity", "field", "line", "column", "message"] {
        assert!(diagnostics[0].get(key).is_some(), "{key}: {}", created.body);
    }
}

#[tokio::test]
async fn everything_wrong_is_said_at_once_and_nothing_is_stored() {
    let server = Server::start().await;
    let reply = server
        .post(
            "/workflows",
            r#"{
  "name": "",
  "triger": {"type": "api"},
  "steps": [
    {"id": "a", "type": "action", "action": "stripe.createInvoce", "config": {}},
    {"id": "a", "type": "action", "action": "stripe.createCustomer", "config": {"emial": "{{steps.b.output.id}}"}}
  ]
}"#,
        )
        .await;
    let json = reply.json();
    assert_eq!((reply.status, &json["error"]["code"]), (400, &"VALIDATION_ERROR".into()), "{}", reply.body);
    let details = json["error"]["details"].as_array().unwrap();
    let fields: Vec<&str> = details.iter().filter_map(|one| one["field"].as_str()).collect();
    for field in ["name", "triger", "steps[0].action", "steps[1].id", "steps[1].config.emial"] {
        assert!(fields.contains(&field), "{field} is not in {fields:?}");
    }
    assert!(details.iter().all(|one| one["severity"] == "error" && one["line"].is_u64()), "{}", reply.body);
    let action = details.iter().find(|one| one["field"] == "steps[0].action").unwrap();
    assert_eq!(action["hint"], "did you mean `stripe.createInvoice`?");
    assert_eq!(json["error"]["message"], format!("the workflow has {} errors", details.len()));
    assert_eq!(server.workflows().await, 0);
}

#[tokio::test]
async fn an_incomplete_draft_is_kept_if_asked_for_and_never_activated() {
    let server = Server::start().await;
    let incomplete = WELCOME.replace("stripe.createCustomer", "stripe.createCustmer");
    assert_eq!(server.post("/workflows?incomplete=false", &incomplete).await.status, 400);
    let kept = server.post("/workflows?incomplete=true", &incomplete).await;
    assert_eq!(kept.status, 201);
    assert_eq!(kept.json()["meta"]["diagnostics"][0]["severity"], "error");
    let id = kept.text("/data/id");
    assert_eq!(server.post(&format!("/workflows/{id}/activate"), "").await.status, 400);
    assert_eq!(server.get(&format!("/workflows/{id}")).await.text("/data/status"), "draft");
    for shapeless in
        ["{", "[]", r#"{"name":"x","trigger":{"type":"api"}}"#, r#"{"name":1,"trigger":{},"steps":[]}"#]
    {
        let reply = server.post("/workflows?incomplete=true", shapeless).await;
        assert_eq!(reply.status, 400, "{shapeless}: {}", reply.body);
    }
    let wrong = server.post("/workflows?incomplete=yes", &incomplete).await;
    wrong.check_error(
        400,
        "VALIDATION_ERROR",
        &["incomplete: `incomplete` must be one of true, false, not `yes`"],
    );
}

#[tokio::test]
async fn no_definition_speaks_for_the_server() {
    let server = Server::start().await;
    let forged = WELCOME.replacen('{', r#"{"id": "mine", "status": "active", "version": 9,"#, 1);
    let refused = server.post("/workflows", &forged).await;
    assert_eq!(refused.json()["error"]["details"].as_array().map(Vec::len), Some(3), "{}", refused.body);
    let kept = server.post("/workflows?incomplete=true", &forged).await;
    assert!(kept.body.contains(r#""status":"draft","version":1,"#), "{}", kept.body);
    assert_ne!(kept.json()["data"]["id"], "mine");
    assert_eq!(
        kept.body.matches("\"status\":").count(),
        1,
        "the text apart, where it is escaped: {}",
        kept.body
    );
}

#[tokio::test]
async fn an_id_that_is_none_is_404() {
    let server = Server::start().await;
    for id in [
        "x",
        "wf_1",
        "run_00000000-0000-7000-8000-000000000000",
        "wf_00000000-0000-7000-8000-000000000000",
        "%ff",
    ] {
        server.get(&format!("/workflows/{id}")).await.check_error(404, "NOT_FOUND", &[]);
    }
}
