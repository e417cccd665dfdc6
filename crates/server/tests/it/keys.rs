use loopfour_engine::Actor;
use loopfour_store::Scope;

use crate::server::Server;

#[tokio::test]
async fn a_new_key_is_shown_once_and_works() {
    let server = Server::start().await;
    let body = r#"{"name":"robot","scopes":["runs:read","workflows:read","runs:read"],"expiresAt":"2027-01-01T01:00:00+01:00"}"#;
    let made = server.post("/keys", body).await;
    let key = made.text("/data/key");
    assert_eq!(
        made.show().replace(&key, "KEY"),
        concat!(
            r#"201 {"success":true,"data":{"id":"key_*","key":"KEY","name":"robot","scopes":["runs:read","workflows:read"],"#,
            r#""expiresAt":"2027-01-01T00:00:00.000Z","createdAt":"2026-01-02T03:04:05.678Z"}}"#
        )
    );
    let me = server.request("GET /api/v1/me").key(&key).send().await;
    assert_eq!(me.text("/data/holder/name"), "robot");
    assert_eq!(me.json()["data"]["holder"]["id"], made.json()["data"]["id"]);
}

#[tokio::test]
async fn everything_wrong_with_a_key_is_said_at_once() {
    let server = Server::start().await;
    let rows: [(&str, &[&str]); 4] = [
        (
            r#"{"nmae":"x","scopes":["runs:red",1],"expiresAt":"tomorrow"}"#,
            &[
                "name: `name` is missing",
                "scopes[0]: unknown scope `runs:red`",
                "scopes[1]: a scope must be text, not a number",
                "expiresAt: `expiresAt` must be a time such as `2027-01-31T00:00:00.000Z`, in the year 9999 at most, not `tomorrow`",
                "nmae: unknown key `nmae`",
            ],
        ),
        (
            r#"{"name":"","scopes":[]}"#,
            &[
                "name: `name` must have 1 to 255 characters, it has 0",
                "scopes: `scopes` must name at least one scope",
            ],
        ),
        (
            r#"{"name":"a","scopes":"admin","expiresAt":"2026-01-02T03:04:05.678Z"}"#,
            &[
                "scopes: `scopes` must be an array, not text",
                "expiresAt: `expiresAt` must be in the future, not `2026-01-02T03:04:05.678Z`",
            ],
        ),
        ("[]", &[": the body must be a JSON object, not an array"]),
    ];
    for (body, details) in rows {
        server.post("/keys", body).await.check_error(400, "VALIDATION_ERROR", details);
    }
}

#[tokio::test]
async fn no_key_makes_a_wider_one() {
    let server = Server::start().await;
    let key = server.key(server.store.default_company(), &[Scope::Admin, Scope::RunsRead]).await;
    let make = |scopes: &str| {
        server.request("POST /api/v1/keys").key(&key).body(format!(r#"{{"name":"a","scopes":{scopes}}}"#))
    };
    let reply = make(r#"["runs:read","workflows:read"]"#).send().await;
    reply.check_error(403, "FORBIDDEN", &[]);
    assert_eq!(reply.text("/error/message"), "the key has not the scope `workflows:read`");
    assert_eq!(make(r#"["runs:read"]"#).send().await.status, 201);
}

#[tokio::test]
async fn keys_are_listed_without_themselves_and_revoked() {
    let server = Server::start().await;
    server.clock.advance(1_000);
    let made = server.post("/keys", r#"{"name":"robot","scopes":["runs:read"]}"#).await;
    let (id, key) = (made.text("/data/id"), made.text("/data/key"));
    let use_it = || server.request("GET /api/v1/runs").key(&key).send();
    assert_eq!(use_it().await.status, 200);
    // A write that comes after the note of the use.
    server.store.ready().await.unwrap();
    let list = server.get("/keys?limit=1").await;
    let cursor = list.text("/meta/cursor");
    assert_eq!(
        crate::server::without_uuids(&list.body.replace(&cursor, "CURSOR")).replace(&key[..8], "PREFIX"),
        concat!(
            r#"{"success":true,"data":[{"id":"key_*","name":"robot","prefix":"PREFIX","scopes":["runs:read"],"#,
            r#""expiresAt":null,"lastUsedAt":"2026-01-02T03:04:06.678Z","createdAt":"2026-01-02T03:04:06.678Z","member":null}],"#,
            r#""meta":{"cursor":"CURSOR","hasMore":true}}"#
        )
    );
    assert!(!list.body.contains(&key));
    let revoke = || server.request(&format!("DELETE /api/v1/keys/{id}")).send();
    let revoked = revoke().await;
    assert_eq!((revoked.status, revoked.json()["data"].clone()), (200, list.json()["data"][0].clone()));
    use_it().await.check_error(401, "UNAUTHORIZED", &[]);
    revoke().await.check_error(404, "NOT_FOUND", &[]);
    let names = server.get("/keys").await.json();
    assert_eq!(names["data"].as_array().map(Vec::len), Some(1), "the test's own is left");
}

#[tokio::test]
async fn another_companys_keys_and_what_is_no_key_are_404() {
    let server = Server::start().await;
    let other =
        server.store.create_company("other", &Actor::system("test"), server.clock_now()).await.unwrap().0;
    let foreign = server.key(other, &Scope::ALL).await;
    let list = server.request("GET /api/v1/keys").key(&foreign).send().await;
    let id = list.text("/data/0/id");
    for id in [&*id, "x", "wf_00000000-0000-7000-8000-000000000000"] {
        let reply = server.request(&format!("DELETE /api/v1/keys/{id}")).send().await;
        reply.check_error(404, "NOT_FOUND", &[]);
    }
    assert_eq!(server.request("GET /api/v1/me").key(&foreign).send().await.status, 200);
}
