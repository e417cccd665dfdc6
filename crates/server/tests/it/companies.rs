use loopfour_store::{Role, Scope};

use crate::server::Server;

#[tokio::test]
async fn who_runs_the_server_makes_companies() {
    let server = Server::start().await;
    let made = server.post("/companies", r#"{"name":"Example GmbH"}"#).await;
    let key = made.text("/data/key");
    assert_eq!(
        made.show().replace(&key, "KEY"),
        r#"201 {"success":true,"data":{"id":"*","name":"Example GmbH","key":"KEY"}}"#
    );
    let me = server.request("GET /api/v1/me").key(&key).send().await;
    assert_eq!(me.json()["data"]["company"]["id"], made.json()["data"]["id"]);
    assert_eq!(me.json()["data"]["scopes"].as_array().map(Vec::len), Some(Scope::ALL.len()));
    let list = server.get("/companies").await.json();
    let names: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2, "{list}");
    assert!(names.contains(&"default") && names.contains(&"Example GmbH"), "{names:?}");
    server.post("/companies", r#"{"name":"Example GmbH"}"#).await.check_error(409, "CONFLICT", &[]);
    server.post("/companies", r#"{"name":"default"}"#).await.check_error(409, "CONFLICT", &[]);
    let details = ["name: `name` must have 1 to 255 characters, it has 0", "x: unknown key `x`"];
    server.post("/companies", r#"{"name":"","x":1}"#).await.check_error(400, "VALIDATION_ERROR", &details);
}

#[tokio::test]
async fn nobody_else_sees_or_makes_any() {
    let server = Server::start().await;
    let foreign = server.post("/companies", r#"{"name":"other"}"#).await.text("/data/key");
    let others: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin).collect();
    let narrow = server.key(server.store.default_company(), &others).await;
    for key in [&foreign, &narrow] {
        let list = server.request("GET /api/v1/companies").key(key).send().await;
        list.check_error(403, "FORBIDDEN", &[]);
        let made = server.request("POST /api/v1/companies").key(key).body(r#"{"name":"third"}"#).send().await;
        made.check_error(403, "FORBIDDEN", &[]);
    }
    let builder = server.member(server.store.default_company(), "b@x.example", Role::Builder).await;
    server.request("GET /api/v1/companies").session(&builder).send().await.check_error(403, "FORBIDDEN", &[]);
    let admin = server.member(server.store.default_company(), "a@x.example", Role::Admin).await;
    assert_eq!(server.request("GET /api/v1/companies").session(&admin).send().await.status, 200);
    assert_eq!(server.get("/companies").await.json()["data"].as_array().map(Vec::len), Some(2));
}
