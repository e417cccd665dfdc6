use crate::server::Server;

#[tokio::test]
async fn a_key_learns_whom_it_stands_for() {
    let server = Server::start().await;
    server.get("/me").await.check(concat!(
        r#"200 {"success":true,"data":{"company":{"id":"*","name":"default"},"#,
        r#""scopes":["workflows:read","workflows:write","workflows:execute","runs:read","connections:read","#,
        r#""connections:write","admin"],"holder":{"type":"key","id":"key_*","name":"test"}}}"#
    ));
}
