//! How people come in, stay in and leave.

use loopfour_server::rate::{Limit, RateLimits};
use loopfour_store::Role;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::server::{Reply, Server};

const MAIL: &str = "ada@example.com";

/// The cookie's value and what comes after it.
fn cookie(reply: &Reply) -> (String, String) {
    let header = reply.headers["set-cookie"].strip_prefix("loopfour_session=").unwrap();
    let (token, rest) = header.split_once("; ").unwrap();
    (token.to_owned(), rest.to_owned())
}

/// The token of a new link.
async fn link(server: &Server, email: &str, role: &str) -> String {
    let invited = server.post("/members", &format!(r#"{{"email":"{email}","role":"{role}"}}"#)).await;
    assert_eq!(invited.status, 201, "{}", invited.body);
    invited.text("/data/link").split("#token=").nth(1).unwrap().to_owned()
}

async fn with_token(server: &Server, token: &str) -> Reply {
    let body = serde_json::json!({ "token": token }).to_string();
    server.request("POST /api/v1/session").without_key().body(body).send().await
}

#[tokio::test]
async fn a_key_opens_a_session_that_ends_with_it() {
    let server = Server::start().await;
    let made = server
        .post(
            "/keys",
            r#"{"name":"mine","scopes":["runs:read","admin"],"expiresAt":"2026-01-02T04:04:05.678Z"}"#,
        )
        .await;
    let key = made.text("/data/key");
    let opened = server.request("POST /api/v1/session").key(&key).send().await;
    assert_eq!((opened.status, opened.text("/data/holder/name")), (200, "mine".to_owned()));
    let (token, rest) = cookie(&opened);
    assert_eq!(rest, "Path=/; Max-Age=3600; HttpOnly; SameSite=Lax");
    assert!(!opened.body.contains(&token), "the token is in the cookie alone");
    let me = server.request("GET /api/v1/me").session(&token).send().await;
    assert_eq!(me.json()["data"], opened.json()["data"]);
    let shown = server.request("GET /api/v1/session").session(&token).send().await;
    assert_eq!(shown.json()["data"], opened.json()["data"]);
    let revoked = format!("DELETE /api/v1/keys/{}", made.text("/data/id"));
    assert_eq!(server.request(&revoked).session(&token).send().await.status, 200);
    server.request("GET /api/v1/me").session(&token).send().await.check_error(401, "UNAUTHORIZED", &[]);
}

#[tokio::test]
async fn a_session_lasts_twelve_hours_and_its_cookie_no_longer() {
    let server = Server::start().await;
    let opened = server.request("POST /api/v1/session").body("{}").send().await;
    let (token, rest) = cookie(&opened);
    assert!(rest.starts_with("Path=/; Max-Age=43200;"), "{rest}");
    let ask = || server.request("GET /api/v1/session").session(&token).send();
    server.clock.advance(12 * 3_600_000 - 1);
    assert_eq!(ask().await.status, 200);
    server.clock.advance(1);
    ask().await.check_error(401, "UNAUTHORIZED", &[]);
}

#[tokio::test]
async fn under_https_the_cookie_is_for_tls_only_and_changes_come_from_there() {
    let server =
        Server::with(|settings| settings.public_url = "https://flow.example.com/app".to_owned()).await;
    let opened = server.request("POST /api/v1/session").send().await;
    let (token, rest) = cookie(&opened);
    assert!(rest.ends_with("; Secure"), "{rest}");
    // The host of the request counts no more: a page that came without TLS may be anybody's.
    for (origin, status) in [
        ("https://flow.example.com", 200),
        ("http://flow.example.com", 403),
        ("https://test", 403),
        ("http://test", 403),
    ] {
        let request = server.request("POST /api/v1/workflows/validate").without_key().body("{}");
        let request = request.header(&format!("cookie: loopfour_session={token}"));
        assert_eq!(request.header(&format!("origin: {origin}")).send().await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn a_link_signs_in_once() {
    let server = Server::start().await;
    let token = link(&server, MAIL, "operator").await;
    let opened = with_token(&server, &token).await;
    assert_eq!((opened.status, opened.text("/data/holder/type")), (200, "member".to_owned()));
    assert_eq!(opened.text("/data/holder/name"), MAIL);
    let scopes: Vec<&str> = Role::Operator.scopes().iter().map(|scope| scope.name()).collect();
    assert_eq!(opened.json()["data"]["scopes"], serde_json::json!(scopes));
    let used = with_token(&server, &token).await;
    used.check_error(401, "UNAUTHORIZED", &[]);
    // Whatever is wrong with it, the answer is the same.
    let late = link(&server, "late@example.com", "viewer").await;
    let renewed = link(&server, "renewed@example.com", "viewer").await;
    let newer = link(&server, "renewed@example.com", "viewer").await;
    let unknown = "A".repeat(32);
    let long = "A".repeat(5_000);
    for token in ["", "x", "é", &unknown, &long, &renewed, &token, &server.key] {
        assert_eq!(with_token(&server, token).await.body, used.body, "{token}");
    }
    assert_eq!(with_token(&server, &newer).await.status, 200);
    server.clock.advance(72 * 3_600_000);
    assert_eq!(with_token(&server, &late).await.body, used.body);
}

#[tokio::test]
async fn a_link_is_used_by_a_click_alone() {
    let server = Server::start().await;
    let page = server.request("GET /login").without_key().send().await.body;
    assert!(page.contains(r#"<button id="use" type="button" hidden>"#), "{page}");
    let script = server.request("GET /login/page.js").without_key().send().await.body;
    let (before, handler) = script.split_once(r#"part("use").addEventListener("click", () =>"#).unwrap();
    let (handler, after) = handler.split_once(";\n").unwrap();
    assert!(handler.contains("JSON.stringify({ token })"), "{script}");
    assert!(!before.contains("{ token }") && !after.contains("{ token }"), "{script}");
    assert!(after.contains("history.replaceState"), "it leaves the address bar at once all the same");
}

#[tokio::test]
async fn a_browser_that_signs_in_anew_leaves_no_session_behind() {
    let server = Server::start().await;
    let post = |body: String| server.request("POST /api/v1/session").body(body);
    let first = cookie(&post("{}".to_owned()).send().await).0;
    let token = link(&server, MAIL, "viewer").await;
    let link = post(serde_json::json!({ "token": token }).to_string()).session(&first).send().await;
    assert_eq!(link.status, 200, "{}", link.body);
    let second = cookie(&link).0;
    let third = post(String::new()).header(&format!("cookie: loopfour_session={second}")).send().await;
    let third = cookie(&third).0;
    for (token, status) in [(&first, 401), (&second, 401), (&third, 200)] {
        assert_eq!(server.request("GET /api/v1/me").session(token).send().await.status, status);
    }
    // Each is ended by whose it was.
    let log = server.get("/audit?action=session.end").await.json();
    let names: Vec<&str> =
        log["data"].as_array().unwrap().iter().map(|row| row["actor"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, [MAIL, "test"]);
    // A sign-in that is refused ends nothing.
    let refused = post(r#"{"token":"x"}"#.to_owned()).session(&third).send().await;
    refused.check_error(401, "UNAUTHORIZED", &[]);
    assert_eq!(server.request("GET /api/v1/me").session(&third).send().await.status, 200);
}

#[tokio::test]
async fn what_is_no_sign_in_is_said() {
    let server = Server::start().await;
    let rows: [(&str, &[&str]); 4] = [
        ("{}", &["token: `token` is missing"]),
        (r#"{"token":7}"#, &["token: `token` must be text, not a number"]),
        (r#"{"token":null,"x":1}"#, &["token: `token` must be text, not null", "x: unknown key `x`"]),
        ("[]", &[": the body must be a JSON object, not an array"]),
    ];
    for (body, details) in rows {
        let reply = server.request("POST /api/v1/session").without_key().body(body).send().await;
        reply.check_error(400, "VALIDATION_ERROR", details);
    }
    let both = server.request("POST /api/v1/session").body(r#"{"token":"x"}"#).send().await;
    both.check_error(400, "VALIDATION_ERROR", &["token: unknown key `token`"]);
    // A key that comes along counts, good or not.
    let token = link(&server, MAIL, "viewer").await;
    let bad = server.request("POST /api/v1/session").key("wfk_x").body(format!(r#"{{"token":"{token}"}}"#));
    bad.send().await.check_error(401, "UNAUTHORIZED", &[]);
    assert_eq!(with_token(&server, &token).await.status, 200);
}

#[tokio::test]
async fn failed_sign_ins_are_slowed_and_good_ones_never() {
    let server = Server::limited(RateLimits::default()).await;
    let good = link(&server, MAIL, "viewer").await;
    let member = server.member(server.store.default_company(), MAIL, Role::Viewer).await;
    for number in 0..20 {
        // Keys, links and sessions count together.
        let reply = match number % 3 {
            0 => with_token(&server, &format!("{number:032}")).await,
            1 => server.request("GET /api/v1/me").key(&format!("wfk_{number:032}")).send().await,
            _ => server.request("GET /api/v1/me").session(&format!("{number:032}")).send().await,
        };
        assert_eq!(reply.status, 401, "{number}");
    }
    let slowed = with_token(&server, &"0".repeat(32)).await;
    slowed.check_error(429, "RATE_LIMITED", &[]);
    assert!(slowed.headers.contains_key("retry-after"));
    server.request("GET /api/v1/me").session("x").send().await.check_error(429, "RATE_LIMITED", &[]);
    assert_eq!(server.request("GET /api/v1/session").session(&member).send().await.status, 200);
    assert_eq!(server.get("/me").await.status, 200);
    assert_eq!(with_token(&server, &good).await.status, 200);
    server.clock.advance(60_100);
    assert_eq!(with_token(&server, &"0".repeat(32)).await.status, 401);
}

#[tokio::test]
async fn what_changes_something_by_cookie_comes_from_our_own_pages() {
    let server = Server::start().await;
    let token = server.member(server.store.default_company(), MAIL, Role::Admin).await;
    let own = format!("http://{}", server.address);
    let ask = |line: &str, origins: &[&str]| {
        let request = server.request(line).without_key().header(&format!("cookie: loopfour_session={token}"));
        let request = if line.starts_with("GET") { request } else { request.body("{}") };
        origins.iter().fold(request, |request, origin| request.header(&format!("origin: {origin}"))).send()
    };
    let write = "POST /api/v1/workflows/validate";
    // `test` is the host that the test's requests are for.
    for good in [&*own, "http://test", "https://test"] {
        assert_eq!(ask(write, &[good]).await.status, 200, "{good}");
    }
    let port = format!("http://127.0.0.1:{}", server.address.port() ^ 1);
    let longer = format!("{own}0");
    let (slash, upper) = (format!("{own}/"), own.to_uppercase());
    for bad in [
        "null",
        "",
        "http://evil.example",
        "http://test.evil.example",
        "http://eviltest",
        "test",
        "//test",
        "ftp://test",
        "http://test:80",
        "http://test/",
        "http://test@evil.example",
        "http://evil.example/http://test",
        &port,
        &longer,
        &slash,
        &upper,
    ] {
        ask(write, &[bad]).await.check_error(403, "FORBIDDEN", &[]);
    }
    ask(write, &[]).await.check_error(403, "FORBIDDEN", &[]);
    ask(write, &[&own, &own]).await.check_error(403, "FORBIDDEN", &[]);
    ask(write, &["http://evil.example", &own]).await.check_error(403, "FORBIDDEN", &[]);
    for line in ["DELETE /api/v1/session", "POST /api/v1/keys", "PATCH /api/v1/members/mem_x"] {
        ask(line, &["http://evil.example"]).await.check_error(403, "FORBIDDEN", &[]);
    }
    // Reading is what links do, and another site cannot see what comes.
    assert_eq!(ask("GET /api/v1/me", &["http://evil.example"]).await.status, 200);
    // A key is no cookie: no browser sends it along by itself.
    let by_key = server.request(write).body("{}").header("origin: http://evil.example").send().await;
    assert_eq!(by_key.status, 200);
    // Nobody is signed in as somebody else by another site's page.
    let foreign = server.request("POST /api/v1/session").header("origin: http://evil.example").send().await;
    foreign.check_error(403, "FORBIDDEN", &[]);
    assert!(!foreign.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn cookies_are_read_strictly_and_a_key_counts_before_them() {
    let server = Server::start().await;
    let token = server.member(server.store.default_company(), MAIL, Role::Viewer).await;
    let ask = |cookies: &[String]| {
        let request = server.request("GET /api/v1/me").without_key();
        cookies.iter().fold(request, |request, cookie| request.header(&format!("cookie: {cookie}"))).send()
    };
    for good in [format!("loopfour_session={token}"), format!("a=b; loopfour_session={token};c=\u{e9}")] {
        assert_eq!(ask(&[good]).await.status, 200);
    }
    let other = "A".repeat(32);
    for bad in [
        vec![format!("loopfour_session={token}; loopfour_session={token}")],
        vec![format!("loopfour_session={other}; loopfour_session={token}")],
        vec![format!("loopfour_session={token}"), format!("loopfour_session={token}")],
        vec![format!("loopfour_session=\"{token}\"")],
        vec![format!("LOOPFOUR_SESSION={token}")],
        vec![format!("xloopfour_session={token}")],
        vec![format!("loopfour_session={token}x")],
        vec!["loopfour_session=".to_owned()],
        vec!["loopfour_session".to_owned()],
        vec![format!("loopfour_session={}", server.key)],
    ] {
        ask(&bad).await.check_error(401, "UNAUTHORIZED", &[]);
    }
    // A token is no key, and a key is no token.
    server.request("GET /api/v1/me").key(&token).send().await.check_error(401, "UNAUTHORIZED", &[]);
    let both = server.request("GET /api/v1/me").header(&format!("cookie: loopfour_session={token}"));
    assert_eq!(both.send().await.text("/data/holder/type"), "key");
    let bad =
        server.request("GET /api/v1/me").key("wfk_x").header(&format!("cookie: loopfour_session={token}"));
    bad.send().await.check_error(401, "UNAUTHORIZED", &[]);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_no_other() {
    let server = Server::start().await;
    let company = server.store.default_company();
    let (one, two) =
        (server.member(company, MAIL, Role::Viewer).await, server.member(company, MAIL, Role::Viewer).await);
    server.request("DELETE /api/v1/session").send().await.check_error(401, "UNAUTHORIZED", &[]);
    // The key that comes along ends nothing and names nobody.
    let request = server.request("DELETE /api/v1/session").header(&format!("cookie: loopfour_session={one}"));
    request.send().await.check_error(403, "FORBIDDEN", &[]);
    let ended = server.request("DELETE /api/v1/session").session(&one).send().await;
    assert_eq!((ended.status, ended.text("/data/holder/name")), (200, MAIL.to_owned()));
    assert_eq!(cookie(&ended), (String::new(), "Path=/; Max-Age=0; HttpOnly; SameSite=Lax".to_owned()));
    server.request("GET /api/v1/me").session(&one).send().await.check_error(401, "UNAUTHORIZED", &[]);
    server.request("DELETE /api/v1/session").session(&one).send().await.check_error(401, "UNAUTHORIZED", &[]);
    assert_eq!(server.request("GET /api/v1/me").session(&two).send().await.status, 200);
    let log = server.get("/audit?action=session.end").await.json();
    assert_eq!(log["data"][0]["actor"]["name"], MAIL);
    assert_eq!(log["data"][0]["address"], "127.0.0.1");
}

#[tokio::test]
async fn requests_are_counted_by_member_and_refused_ones_too() {
    let limits = RateLimits { write: Limit::PerMinute(2), ..RateLimits::OFF };
    let server = Server::limited(limits).await;
    let company = server.store.default_company();
    let (one, two) =
        (server.member(company, MAIL, Role::Admin).await, server.member(company, MAIL, Role::Admin).await);
    let foreign = server.request("POST /api/v1/workflows/validate").without_key();
    let foreign = foreign.header(&format!("cookie: loopfour_session={one}")).body("{}").send().await;
    assert_eq!((foreign.status, &*foreign.headers["x-ratelimit-remaining"]), (403, "1"));
    let write =
        |token: &str| server.request("POST /api/v1/workflows/validate").session(token).body("{}").send();
    assert_eq!(write(&two).await.status, 200);
    write(&one).await.check_error(429, "RATE_LIMITED", &[]);
    assert_eq!(server.post("/workflows/validate", "{}").await.status, 200, "the key has a window of its own");
}

/// Everything that a member acts by ends when the member is deactivated, while it is used too.
#[tokio::test]
async fn a_deactivated_member_has_nothing_left() {
    let server = Server::start().await;
    let company = server.store.default_company();
    let token = server.member(company, MAIL, Role::Admin).await;
    let link = link(&server, MAIL, "admin").await;
    let new = r#"{"name":"own","scopes":["runs:read","admin"]}"#;
    let own = server.request("POST /api/v1/keys").session(&token).body(new).send().await.text("/data/key");
    let second = server.request("POST /api/v1/keys").key(&own).body(new).send().await.text("/data/key");
    let keys_session = cookie(&server.request("POST /api/v1/session").key(&own).send().await).0;
    let members = server.get("/members").await;
    let id = members.text("/data/0/id");
    let list = server.get("/keys").await.json();
    let owners = |name: &str| {
        let keys = list["data"].as_array().unwrap().iter();
        keys.filter(|key| key["name"] == name).map(|key| key["member"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        owners("own"),
        [serde_json::json!(id), serde_json::json!(id)],
        "made in a session, and with its key"
    );
    assert_eq!(owners("test"), [serde_json::Value::Null], "a machine's");

    let stream = TcpStream::connect(server.address).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let request = server.request(&running(&server).await).session(&token);
    lines.get_mut().write_all(&request.bytes()).await.unwrap();
    while !lines.next_line().await.unwrap().unwrap().starts_with("data:") {}
    let patch = server.request(&format!("PATCH /api/v1/members/{id}")).body(r#"{"active":false}"#);
    let patched = patch.send().await;
    assert_eq!((patched.status, patched.json()["data"]["active"].clone()), (200, false.into()));
    while lines.next_line().await.unwrap().is_some() {}
    for token in [&token, &keys_session] {
        server.request("GET /api/v1/me").session(token).send().await.check_error(401, "UNAUTHORIZED", &[]);
    }
    for key in [&own, &second] {
        server.request("GET /api/v1/me").key(key).send().await.check_error(401, "UNAUTHORIZED", &[]);
    }
    with_token(&server, &link).await.check_error(401, "UNAUTHORIZED", &[]);
    // A reactivation gives none of them back.
    let patch = server.request(&format!("PATCH /api/v1/members/{id}")).body(r#"{"active":true}"#);
    assert_eq!(patch.send().await.status, 200);
    server.request("GET /api/v1/me").session(&token).send().await.check_error(401, "UNAUTHORIZED", &[]);
    server.request("GET /api/v1/me").key(&own).send().await.check_error(401, "UNAUTHORIZED", &[]);
    with_token(&server, &link).await.check_error(401, "UNAUTHORIZED", &[]);
}

#[tokio::test]
async fn a_role_counts_at_once_for_sessions_and_keys() {
    let server = Server::start().await;
    let company = server.store.default_company();
    let token = server.member(company, MAIL, Role::Admin).await;
    let new = r#"{"name":"own","scopes":["runs:read","workflows:write"]}"#;
    let key = server.request("POST /api/v1/keys").session(&token).body(new).send().await.text("/data/key");
    let id = server.get("/members").await.text("/data/0/id");
    let change = |role: &str| {
        let request = server.request(&format!("PATCH /api/v1/members/{id}"));
        request.body(format!(r#"{{"role":"{role}"}}"#)).send()
    };
    assert_eq!(change("viewer").await.status, 200);
    let scopes = async |reply: Reply| reply.json()["data"]["scopes"].as_array().unwrap().len();
    assert_eq!(scopes(server.request("GET /api/v1/me").session(&token).send().await).await, 3);
    let me = server.request("GET /api/v1/me").key(&key).send().await;
    assert_eq!(me.json()["data"]["scopes"], serde_json::json!(["runs:read"]));
    assert_eq!(change("builder").await.status, 200);
    let me = server.request("GET /api/v1/me").key(&key).send().await;
    assert_eq!(scopes(me).await, 2, "what the key was made with, as the role allows it again");
    // A key with nothing left is still one.
    let new = r#"{"name":"admin","scopes":["admin"]}"#;
    assert_eq!(change("admin").await.status, 200);
    let key = server.request("POST /api/v1/keys").session(&token).body(new).send().await.text("/data/key");
    assert_eq!(change("viewer").await.status, 200);
    let me = server.request("GET /api/v1/me").key(&key).send().await;
    assert_eq!((me.status, scopes(me).await), (200, 0));
}

/// The address of the stream of a run that does not end.
async fn running(server: &Server) -> String {
    let id = server.active(crate::server::WELCOME).await;
    let started = server.post(&format!("/workflows/{id}/run"), r#"{"input":{"email":"a@b.example"}}"#).await;
    format!("GET /api/v1/runs/{}/events", started.text("/data/runId"))
}
