//! Addresses that are told of what happens: made with a secret that is shown once, listed, tried and taken away.

use std::sync::Mutex;

use loopfour_engine::notices::{Outbox as _, Teller, Telling, Untold};
use loopfour_engine::ports::BoxFuture;
use loopfour_engine::{Actor, Timestamp};
use loopfour_store::Scope;
use secrecy::ExposeSecret as _;

use crate::server::Server;

/// Whoever is called: answers as it is told, and refuses addresses with `private` in them.
pub struct Receiver {
    answer: Mutex<Result<u16, Untold>>,
    got: Mutex<Vec<Telling>>,
}

impl Default for Receiver {
    fn default() -> Receiver {
        Receiver { answer: Mutex::new(Ok(200)), got: Mutex::default() }
    }
}

impl Teller for Receiver {
    fn check(&self, url: &str) -> Result<(), String> {
        if url.contains("private") { Err("it is not a public address".to_owned()) } else { Ok(()) }
    }

    fn tell<'a>(&'a self, telling: &'a Telling, _now: Timestamp) -> BoxFuture<'a, Result<u16, Untold>> {
        self.got.lock().unwrap().push(telling.clone());
        let answer = self.answer.lock().unwrap().clone();
        Box::pin(async move { answer })
    }
}

const NEW: &str = r#"{"url":"https://example.com/hooks","events":["run.failed","event.*","run.failed"]}"#;

#[tokio::test]
async fn the_secret_is_shown_once() {
    let server = Server::start().await;
    let made = server.post("/notices", NEW).await;
    let secret = made.text("/data/secret");
    assert_eq!(
        made.show().replace(&secret, "SECRET"),
        concat!(
            r#"201 {"success":true,"data":{"id":"ntc_*","secret":"SECRET","url":"https://example.com/hooks","#,
            r#""events":["run.failed","event.*"],"createdAt":"2026-01-02T03:04:05.678Z"}}"#
        )
    );
    let list = server.get("/notices").await;
    list.check(concat!(
        r#"200 {"success":true,"data":[{"id":"ntc_*","url":"https://example.com/hooks","events":["run.failed","event.*"],"#,
        r#""status":"active","createdAt":"2026-01-02T03:04:05.678Z","disabledAt":null,"disabledReason":null,"#,
        r#""lastError":null,"lastDeliveredAt":null,"failures":0}],"meta":{"hasMore":false}}"#
    ));
    assert!(!server.get("/audit").await.body.contains(&secret));
}

#[tokio::test]
async fn everything_wrong_with_a_notice_is_said_at_once() {
    let server = Server::start().await;
    let rows: [(&str, &[&str]); 5] = [
        ("{}", &["url: `url` is missing", "events: `events` is missing"]),
        (
            r#"{"url":"https://private/","events":["run.faild",1,"*"],"secret":"x"}"#,
            &[
                "url: it is not a public address",
                "events[0]: unknown type `run.faild`",
                "events[1]: a type must be text, not a number",
                "secret: unknown key `secret`",
            ],
        ),
        (
            r#"{"url":1,"events":[]}"#,
            &[
                "url: `url` must be text, not a number",
                "events: `events` must name at least one type, or `*`",
            ],
        ),
        (
            r#"{"url":"","events":"*"}"#,
            &[
                "url: `url` must have 1 to 2048 characters, it has 0",
                "events: `events` must be an array, not text",
            ],
        ),
        (
            r#"{"url":"https://a.example","events":["notice.test"]}"#,
            &["events[0]: unknown type `notice.test`"],
        ),
    ];
    for (body, details) in rows {
        server.post("/notices", body).await.check_error(400, "VALIDATION_ERROR", details);
    }
    let near = server.post("/notices", rows[1].0).await;
    assert_eq!(near.text("/error/details/1/hint"), "did you mean `run.failed`?");
}

#[tokio::test]
async fn a_company_has_twenty_at_most() {
    let server = Server::start().await;
    for _ in 0..20 {
        assert_eq!(server.post("/notices", NEW).await.status, 201);
    }
    let more = server.post("/notices", NEW).await;
    more.check_error(409, "CONFLICT", &[]);
    let page = server.get("/notices?limit=15").await;
    let rest = server.get(&format!("/notices?limit=15&cursor={}", page.text("/meta/cursor"))).await;
    assert_eq!(rest.json()["data"].as_array().map(Vec::len), Some(5));
    let id = rest.text("/data/0/id");
    let delete = || server.request(&format!("DELETE /api/v1/notices/{id}")).send();
    let deleted = delete().await;
    assert_eq!((deleted.status, &deleted.json()["data"]), (200, &rest.json()["data"][0]));
    delete().await.check_error(404, "NOT_FOUND", &[]);
    assert_eq!(server.post("/notices", NEW).await.status, 201);
}

#[tokio::test]
async fn a_test_says_what_came() {
    let server = Server::start().await;
    let made = server.post("/notices", NEW).await;
    let (id, secret) = (made.text("/data/id"), made.text("/data/secret"));
    let test = || server.request(&format!("POST /api/v1/notices/{id}/test")).send();
    let rows = [
        (Ok(204), r#"{"delivered":true,"status":204,"error":null}"#),
        (Err(Untold::Status(500)), r#"{"delivered":false,"status":500,"error":"answered with 500"}"#),
        (
            Err(Untold::Failed("no answer".to_owned())),
            r#"{"delivered":false,"status":null,"error":"no answer"}"#,
        ),
        (
            Err(Untold::Gone),
            r#"{"delivered":false,"status":410,"error":"answered with 410, which says that it wants no more messages"}"#,
        ),
    ];
    for (answer, data) in rows {
        *server.teller.answer.lock().unwrap() = answer;
        test().await.check(&format!(r#"200 {{"success":true,"data":{data}}}"#));
    }
    let got = server.teller.got.lock().unwrap().last().cloned().unwrap();
    assert_eq!((got.url.as_str(), got.secret.expose_secret()), ("https://example.com/hooks", &*secret));
    let expected = format!(
        r#"{{"type":"notice.test","timestamp":"2026-01-02T03:04:05.678Z","data":{{"noticeId":"{id}"}}}}"#
    );
    assert_eq!(got.body, expected);
    let row = server.get("/notices").await;
    assert_eq!(row.text("/data/0/lastDeliveredAt"), "2026-01-02T03:04:05.678Z");
}

#[tokio::test]
async fn a_test_that_arrives_makes_a_disabled_notice_active_again() {
    let server = Server::start().await;
    let id = server.post("/notices", NEW).await.text("/data/id");
    let company = server.store.default_company();
    let telling = server.store.test_telling(company, id.parse().unwrap(), server.clock_now()).await.unwrap();
    server.store.disable(&telling.unwrap(), "nothing arrived for 3 days", server.clock_now()).await.unwrap();
    let row = server.get("/notices").await.json()["data"][0].clone();
    assert_eq!(
        (&row["status"], &row["disabledReason"]),
        (&"disabled".into(), &"nothing arrived for 3 days".into())
    );
    assert_eq!(row["disabledAt"], "2026-01-02T03:04:05.678Z");
    let test = || server.request(&format!("POST /api/v1/notices/{id}/test")).send();
    *server.teller.answer.lock().unwrap() = Err(Untold::Status(503));
    test().await;
    assert_eq!(server.get("/notices").await.text("/data/0/status"), "disabled");
    *server.teller.answer.lock().unwrap() = Ok(200);
    test().await;
    assert_eq!(server.get("/notices").await.text("/data/0/status"), "active");
    assert_eq!(server.get("/audit?action=notice.enable").await.text("/data/0/actor/name"), "test");
}

#[tokio::test]
async fn another_companys_notices_and_what_is_none_are_404() {
    let server = Server::start().await;
    let id = server.post("/notices", NEW).await.text("/data/id");
    let by = Actor::system("test");
    let (other, _) = server.store.create_company("other", &by, server.clock_now()).await.unwrap();
    let foreign = server.key(other, &Scope::ALL).await;
    for id in [&*id, "x", "key_00000000-0000-7000-8000-000000000000"] {
        for line in [format!("DELETE /api/v1/notices/{id}"), format!("POST /api/v1/notices/{id}/test")] {
            server.request(&line).key(&foreign).send().await.check_error(404, "NOT_FOUND", &[]);
        }
    }
    assert!(server.teller.got.lock().unwrap().is_empty());
    assert_eq!(server.get("/notices").await.text("/data/0/id"), id);
}
