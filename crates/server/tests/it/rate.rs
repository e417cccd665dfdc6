use loopfour_server::rate::{Limit, RateLimits};
use loopfour_store::{Role, Scope};

use crate::server::{Reply, Server, WELCOME};

/// `limit remaining reset`, where there are such headers.
fn headers(reply: &Reply) -> Option<String> {
    let header = |name: &str| reply.headers.get(&format!("x-ratelimit-{name}")).map(String::as_str);
    Some(format!("{} {} {}", header("limit")?, header("remaining")?, header("reset")?))
}

fn limits(text: &str) -> RateLimits {
    text.parse().unwrap()
}

#[tokio::test]
async fn every_kind_of_call_has_its_own_window() {
    let server = Server::limited(limits("read=2,write=5,execute=1")).await;
    // Every test begins at 1767323045.678.
    let created = server.post("/workflows", WELCOME).await;
    assert_eq!(headers(&created).as_deref(), Some("5 4 1767323106"));
    let id = created.text("/data/id");
    let activated = server.post(&format!("/workflows/{id}/activate"), "").await;
    assert_eq!(headers(&activated).as_deref(), Some("5 3 1767323106"));
    let run = server.post(&format!("/workflows/{id}/run"), "").await;
    assert_eq!((run.status, headers(&run).as_deref()), (202, Some("1 0 1767323106")));
    assert_eq!(headers(&server.get("/me").await).as_deref(), Some("2 1 1767323106"));
    server.clock.advance(10_000);
    let again = server.post(&format!("/workflows/{id}/run"), "").await;
    again.check_error(429, "RATE_LIMITED", &[]);
    assert_eq!(
        again.text("/error/message"),
        "the key made 1 requests of the kind `execute` within a minute; try again in 51 s"
    );
    assert_eq!((&*again.headers["retry-after"], headers(&again).as_deref()), ("51", Some("1 0 1767323106")));
    // A person is told so, and not that it was a key.
    let session = server.member(server.store.default_company(), "ada@example.com", Role::Viewer).await;
    let ask = || server.request("GET /api/v1/me").session(&session).send();
    assert_eq!((ask().await.status, ask().await.status), (200, 200));
    let told = ask().await.text("/error/message");
    assert!(told.starts_with("you made 2 requests of the kind `read` within a minute"), "{told}");
    // Another key has windows of its own.
    let other = server.key(server.store.default_company(), &Scope::ALL).await;
    let path = format!("POST /api/v1/workflows/{id}/run");
    assert_eq!(server.request(&path).key(&other).send().await.status, 202);
    server.clock.advance(51_000);
    assert_eq!(server.post(&format!("/workflows/{id}/run"), "").await.status, 202);
}

#[tokio::test]
async fn what_nothing_answers_counts_too() {
    let server = Server::limited(limits("read=2,write=2")).await;
    for (line, status, left) in [
        ("GET /api/v1/nothing", 404, Some("2 1 1767323106")),
        ("DELETE /api/v1/workflows", 405, Some("2 1 1767323106")),
        ("PATCH /api/v1/me", 405, Some("2 0 1767323106")),
        ("PATCH /api/v1/me", 429, Some("2 0 1767323106")),
        ("GET /nothing", 404, None),
    ] {
        let reply = server.request(line).send().await;
        assert_eq!((reply.status, headers(&reply).as_deref()), (status, left), "{line}");
    }
    for line in ["GET /api/v1/nothing", "PATCH /api/v1/me"] {
        let reply = server.request(line).key("wfk_00000000000000000000000000000000").send().await;
        reply.check_error(401, "UNAUTHORIZED", &[]);
    }
    let without = server.request("GET /api/v1/nothing").without_key().send().await;
    assert_eq!((without.status, headers(&without)), (404, None));
}

#[tokio::test]
async fn refused_requests_count_and_429s_do_not() {
    let server = Server::limited(limits("read=4,write=4")).await;
    let get = async |path: &str, status: u16| {
        let reply = server.get(path).await;
        assert_eq!(reply.status, status, "{}", reply.body);
        headers(&reply).unwrap().split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(get("/runs?limit=0", 400).await, "3");
    assert_eq!(get("/runs/run_00000000-0000-7000-8000-000000000000", 404).await, "2");
    assert_eq!(get("/runs/x", 404).await, "1");
    let key = server.key(server.store.default_company(), &[Scope::RunsRead]).await;
    let forbidden = server.request("GET /api/v1/workflows").key(&key).send().await;
    assert_eq!((forbidden.status, headers(&forbidden).is_some()), (403, true));
    assert_eq!(get("/me", 200).await, "0");
    for _ in 0..50 {
        assert_eq!(get("/me", 429).await, "0");
    }
    server.clock.advance(60_100);
    assert_eq!(get("/me", 200).await, "3", "none of the refused ones was counted");
    // What needs no key has no window, nor has what is no part of the API.
    for line in ["GET /healthz", "DELETE /healthz", "GET /none"] {
        assert_eq!(headers(&server.request(line).send().await), None, "{line}");
    }
}

#[tokio::test]
async fn what_is_off_has_neither_limit_nor_headers() {
    let only_writes = RateLimits { write: Limit::PerMinute(1), ..RateLimits::OFF };
    let server = Server::limited(only_writes).await;
    for _ in 0..30 {
        let reply = server.get("/me").await;
        assert_eq!((reply.status, headers(&reply)), (200, None));
    }
    // Validation is a write.
    assert_eq!(server.post("/workflows/validate", WELCOME).await.status, 200);
    assert_eq!(server.post("/workflows/validate", WELCOME).await.status, 429);
}

#[tokio::test]
async fn an_address_that_tries_keys_is_slowed_but_no_valid_key_from_it() {
    let server = Server::limited(RateLimits::default()).await;
    let guess = |number: usize| server.request("GET /api/v1/me").key(&format!("wfk_{number:032}")).send();
    // No key at all is no guess.
    for _ in 0..30 {
        assert_eq!(server.request("GET /api/v1/me").without_key().send().await.status, 401);
    }
    for number in 0..20 {
        let reply = guess(number).await;
        assert_eq!((reply.status, headers(&reply)), (401, None));
    }
    server.clock.advance(20_000);
    let slowed = guess(20).await;
    slowed.check_error(429, "RATE_LIMITED", &[]);
    assert_eq!((&*slowed.headers["retry-after"], headers(&slowed)), ("41", None));
    assert_eq!(server.get("/me").await.status, 200);
    server.clock.advance(41_000);
    assert_eq!(guess(21).await.status, 401);
}
