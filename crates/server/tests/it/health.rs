use crate::server::Server;

#[tokio::test]
async fn health_needs_no_key() {
    let server = Server::start().await;
    for (path, status) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let reply = server.request(&format!("GET {path}")).without_key().send().await;
        reply.check(&format!(r#"200 {{"success":true,"data":{{"status":"{status}"}}}}"#));
    }
    let reply = server.request("GET /healthz?x=1").without_key().send().await;
    reply.check_error(400, "VALIDATION_ERROR", &["x: unknown parameter `x`"]);
}
