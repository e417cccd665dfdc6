use loopfour_engine::Actor;
use loopfour_store::{Role, Scope};

use crate::server::Server;

#[tokio::test]
async fn a_person_is_invited_with_a_link_that_is_shown_once() {
    let server =
        Server::with(|settings| settings.public_url = "https://flow.example.com/app".to_owned()).await;
    let invite = |body: &'static str| server.post("/members", body);
    let made = invite(r#"{"email":"Ada@Example.com","role":"builder"}"#).await;
    let link = made.text("/data/link");
    let token = link.strip_prefix("https://flow.example.com/app/login#token=").unwrap();
    assert_eq!((token.len(), made.status), (32, 201));
    let id = made.text("/data/id");
    server.get("/members").await.check(concat!(
        r#"200 {"success":true,"data":[{"id":"mem_*","email":"Ada@Example.com","role":"builder","active":true,"#,
        r#""lastSeenAt":null,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z"}],"#,
        r#""meta":{"hasMore":false}}"#
    ));
    // The same again is a new link for the same member, in whatever case the address is.
    let again = invite(r#"{"email":"ada@example.com","role":"builder"}"#).await;
    assert_eq!((again.status, again.text("/data/id")), (201, id.clone()));
    assert_ne!(again.text("/data/link"), link);
    let other = invite(r#"{"email":"ada@example.com","role":"viewer"}"#).await;
    other.check_error(409, "CONFLICT", &[]);
    assert!(other.text("/error/message").contains("with the role `builder`"), "{}", other.body);
    let patch = |body: &'static str| server.request(&format!("PATCH /api/v1/members/{id}")).body(body).send();
    assert_eq!(patch(r#"{"active":false}"#).await.status, 200);
    let gone = invite(r#"{"email":"ada@example.com","role":"builder"}"#).await;
    gone.check_error(409, "CONFLICT", &[]);
    assert!(gone.text("/error/message").contains("not active"), "{}", gone.body);
    assert_eq!(server.get("/members").await.json()["data"][0]["active"], false);
    let log = server.get("/audit").await;
    assert!(!log.body.contains(token), "no token is in the log");
}

#[tokio::test]
async fn everything_wrong_with_a_member_is_said_at_once() {
    let server = Server::start().await;
    let rows: [(&str, &[&str]); 4] = [
        ("{}", &["email: `email` is missing", "role: `role` is missing"]),
        (
            r#"{"email":"ada","role":"owner","x":1}"#,
            &["email: `ada` is not an e-mail address", "role: unknown role `owner`", "x: unknown key `x`"],
        ),
        (
            r#"{"email":"","role":7}"#,
            &[
                "email: `email` must have 1 to 254 characters, it has 0",
                "role: `role` must be text, not a number",
            ],
        ),
        (
            r#"{"email":"Ada <ada@example.com>","role":"viewer"}"#,
            &["email: `Ada <ada@example.com>` is not an e-mail address"],
        ),
    ];
    for (body, details) in rows {
        server.post("/members", body).await.check_error(400, "VALIDATION_ERROR", details);
    }
    let id = server.post("/members", r#"{"email":"a@b.example","role":"viewer"}"#).await.text("/data/id");
    let patch = server.request(&format!("PATCH /api/v1/members/{id}"));
    let patched = patch.body(r#"{"role":"Admin","active":"no","email":"x@y.example"}"#).send().await;
    let details = [
        "role: unknown role `Admin`",
        "active: `active` must be true or false, not text",
        "email: unknown key `email`",
    ];
    patched.check_error(400, "VALIDATION_ERROR", &details);
}

#[tokio::test]
async fn nobody_makes_others_more_than_they_are() {
    let server = Server::start().await;
    let company = server.store.default_company();
    let key = server
        .key(company, &[Scope::Admin, Scope::WorkflowsRead, Scope::RunsRead, Scope::ConnectionsRead])
        .await;
    let ask = |line: &str, body: &str| server.request(line).key(&key).body(body).send();
    assert_eq!(ask("POST /api/v1/members", r#"{"email":"v@x.example","role":"viewer"}"#).await.status, 201);
    for role in ["operator", "builder", "admin"] {
        let body = format!(r#"{{"email":"w@x.example","role":"{role}"}}"#);
        ask("POST /api/v1/members", &body).await.check_error(403, "FORBIDDEN", &[]);
    }
    let wide = server.post("/members", r#"{"email":"a@x.example","role":"admin"}"#).await.text("/data/id");
    let narrow = server.get("/members").await.json()["data"][1]["id"].as_str().unwrap().to_owned();
    // Nor is a link to a wider role given away.
    ask("POST /api/v1/members", r#"{"email":"a@x.example","role":"admin"}"#).await.check_error(
        403,
        "FORBIDDEN",
        &[],
    );
    let (wide, narrow) = (format!("PATCH /api/v1/members/{wide}"), format!("PATCH /api/v1/members/{narrow}"));
    ask(&narrow, r#"{"role":"operator"}"#).await.check_error(403, "FORBIDDEN", &[]);
    // To take rights away is no more than `admin`; to give them back is.
    assert_eq!(ask(&wide, r#"{"active":false}"#).await.status, 200);
    ask(&wide, r#"{"active":true}"#).await.check_error(403, "FORBIDDEN", &[]);
    assert_eq!(ask(&wide, r#"{"active":true,"role":"viewer"}"#).await.status, 200);
    let without = server.key(company, &[Scope::RunsRead]).await;
    for line in ["GET /api/v1/members", "POST /api/v1/members", &wide] {
        let refused = server.request(line).key(&without).body("{}").send().await;
        refused.check_error(403, "FORBIDDEN", &[]);
    }
}

#[tokio::test]
async fn admins_do_not_lock_themselves_out() {
    let server = Server::start().await;
    let token = server.member(server.store.default_company(), "ada@example.com", Role::Admin).await;
    let id = server.get("/members").await.text("/data/0/id");
    let patch = |body: &'static str| {
        server.request(&format!("PATCH /api/v1/members/{id}")).session(&token).body(body).send()
    };
    patch(r#"{"active":false}"#).await.check_error(409, "INVALID_STATE", &[]);
    patch(r#"{"role":"viewer"}"#).await.check_error(409, "INVALID_STATE", &[]);
    assert_eq!(patch("{}").await.status, 200);
    // Nor with a key of their own.
    let made =
        server.request("POST /api/v1/keys").session(&token).body(r#"{"name":"own","scopes":["admin"]}"#);
    let own = made.send().await.text("/data/key");
    let with_own =
        server.request(&format!("PATCH /api/v1/members/{id}")).key(&own).body(r#"{"active":false}"#);
    with_own.send().await.check_error(409, "INVALID_STATE", &[]);
    let by_key = server.request(&format!("PATCH /api/v1/members/{id}")).body(r#"{"active":false}"#);
    assert_eq!(by_key.send().await.status, 200);
}

#[tokio::test]
async fn another_companys_members_do_not_exist() {
    let server = Server::start().await;
    let by = Actor::system("test");
    let (other, key) = server.store.create_company("other", &by, server.clock_now()).await.unwrap();
    server.member(other, "eve@other.example", Role::Admin).await;
    let list = server.request("GET /api/v1/members").key(key.reveal()).send().await;
    let id = list.text("/data/0/id");
    for id in
        [&*id, "x", "mem_00000000-0000-7000-8000-000000000000", "key_00000000-0000-7000-8000-000000000000"]
    {
        let patch = server.request(&format!("PATCH /api/v1/members/{id}")).body(r#"{"active":false}"#);
        patch.send().await.check_error(404, "NOT_FOUND", &[]);
    }
    // The same address in two companies is two members.
    let made = server.post("/members", r#"{"email":"eve@other.example","role":"viewer"}"#).await;
    assert_eq!(made.status, 201);
    assert_ne!(made.text("/data/id"), id);
    assert_eq!(server.get("/members").await.json()["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_long_list_goes_on_at_its_cursor() {
    let server = Server::start().await;
    for number in 0..5 {
        server.clock.advance(1);
        server.post("/members", &format!(r#"{{"email":"m{number}@x.example","role":"viewer"}}"#)).await;
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/members?limit=2&order=asc{cursor}")).await.json();
        found.extend(
            page["data"].as_array().unwrap().iter().map(|row| row["email"].as_str().unwrap().to_owned()),
        );
        match page["meta"]["cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, ["m0@x.example", "m1@x.example", "m2@x.example", "m3@x.example", "m4@x.example"]);
}
