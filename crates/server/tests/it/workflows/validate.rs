use crate::server::{Server, WELCOME};

#[tokio::test]
async fn a_text_is_checked_and_not_stored() {
    let server = Server::start().await;
    let good = server.post("/workflows/validate", WELCOME).await;
    good.check(r#"200 {"success":true,"data":{"valid":true,"diagnostics":[]}}"#);
    let bad =
        server.post("/workflows/validate", &WELCOME.replace(r#""name": "Welcome""#, r#""name": 1"#)).await;
    let json = bad.json();
    assert_eq!((bad.status, &json["data"]["valid"]), (200, &false.into()));
    assert_eq!(json["data"]["diagnostics"][0]["field"], "name");
    // Valid JSON that is no workflow at all is judged as well.
    assert_eq!(server.post("/workflows/validate", "[1]").await.json()["data"]["valid"], false);
    assert_eq!(server.workflows().await, 0);
}

#[tokio::test]
async fn only_what_is_no_json_is_refused() {
    let server = Server::start().await;
    let reply = server.post("/workflows/validate", "{\n  \"name\": }").await;
    assert_eq!((reply.status, reply.json()["error"]["details"][0]["line"].as_u64()), (400, Some(2)));
}
