use hmac::{Hmac, KeyInit as _, Mac as _};
use loopfour_engine::ConnectionId;
use loopfour_engine::connections::{AttemptState, ConnectionError, ConnectionStatus, KeepError};
use loopfour_server::rate::{Limit, RateLimits};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::server::{Reply, Server};

const BEYOND: &str = "https://books.example.com/done?tab=1#x";

async fn server() -> Server {
    Server::with(|settings| {
        settings.redirect_origins = vec!["https://books.example.com".to_owned()];
        settings.nango_signing_key = Some(SecretString::from("signing"));
    })
    .await
}

/// Begins an authorisation: the connection, and the path of its page.
async fn begun(server: &Server, query: &str) -> (String, String) {
    let begun = server.get(&format!("/connections/stripe/auth-url{query}")).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let page = begun.text("/data/statusUrl");
    let path = page.strip_prefix(&format!("http://{}", server.address)).unwrap().to_owned();
    server.desk.asked();
    (begun.text("/data/connectionId"), path)
}

async fn open(server: &Server, path: &str) -> Reply {
    server.request(&format!("GET {path}")).without_key().send().await
}

#[tokio::test]
async fn a_link_is_given_for_a_provider_that_there_is() {
    let server = server().await;
    server.get("/connections/stripe/auth-url").await.check(&format!(
        r#"200 {{"success":true,"data":{{"authUrl":"https://nango.example/?session_token=t","connectionId":"conn_*","expiresAt":"2026-01-02T03:34:05.678Z","statusUrl":"http://{}/connect/*"}}}}"#,
        server.address
    ));
    server
        .get("/connections/stripe/auth-url?connectionName=books&redirectUrl=https%3A%2F%2Fbooks.example.com")
        .await;
    assert_eq!(
        server.desk.asked(),
        [
            "authorize stripe `stripe` then nowhere, by test",
            "authorize stripe `books` then https://books.example.com/, by test"
        ]
    );
    let near = server.get("/connections/strip/auth-url").await;
    near.check_error(404, "NOT_FOUND", &[]);
    assert_eq!(near.text("/error/message"), "provider `strip` does not exist; did you mean `stripe`?");
    assert!(
        server.get("/connections/x/auth-url").await.text("/error/message").ends_with("known here: stripe")
    );
    server.get("/connections/stripe/auth-url?connectionName=").await.check_error(
        400,
        "VALIDATION_ERROR",
        &["connectionName: `connectionName` must have 1 to 255 characters, it has 0"],
    );
    assert!(server.desk.asked().is_empty());
}

#[tokio::test]
async fn nobody_is_sent_to_a_stranger() {
    let server = server().await;
    for url in [
        "https://evil.example/",
        "//evil.example",
        "/done",
        "javascript:alert(1)",
        "https://books.example.com@evil.example/",
        "https://me:x@books.example.com/",
        "https://books.example.com.evil.example/",
        "https://evil.example%5C.books.example.com/",
        "http://books.example.com/",
        "https://books.example.com:444/",
        "",
    ] {
        let query = url.replace('#', "%23").replace(' ', "%20");
        let refused = server.get(&format!("/connections/stripe/auth-url?redirectUrl={query}")).await;
        assert_eq!(
            (refused.status, refused.text("/error/details/0/field")),
            (400, "redirectUrl".to_owned()),
            "{url}"
        );
        let page =
            open(&server, &format!("/api/v1/connections/callback?success=true&redirectUrl={query}")).await;
        assert_eq!((page.status, page.headers.get("location")), (200, None), "{url}");
        assert!(!page.body.contains("evil"), "{url}");
    }
    assert!(server.desk.asked().is_empty());
}

#[tokio::test]
async fn a_callback_tells_nothing_and_is_followed() {
    let server = server().await;
    let known = server.desk.made(server.store.default_company(), "books", ConnectionStatus::Pending).await.id;
    let mut pages = Vec::new();
    for id in
        [known.to_string(), ConnectionId(Uuid::nil()).to_string(), "conn_x".to_owned(), "%00".to_owned()]
    {
        let path = format!("/api/v1/connections/callback?connectionId={id}&success=true&error=x&other=1");
        let page = open(&server, &path).await;
        assert!(!page.body.contains("books"));
        pages.push((page.status, page.body));
    }
    pages.dedup();
    assert_eq!((pages.len(), pages[0].0), (1, 200));
    server.desk.looked.notified().await;
    assert_eq!(server.desk.asked(), ["look"]);
    let path = format!(
        "/api/v1/connections/callback?connectionId={known}&success=maybe&redirectUrl=https://books.example.com/done"
    );
    let onward = open(&server, &path).await;
    assert_eq!((onward.status, &*onward.body), (303, ""));
    assert_eq!(onward.headers["location"], format!("https://books.example.com/done?connectionId={known}"));
}

#[tokio::test]
async fn the_page_waits_tells_and_goes_on() {
    let server = server().await;
    let (id, path) = begun(&server, &format!("?redirectUrl={}", BEYOND.replace('#', "%23"))).await;
    let state = async || {
        let page = open(&server, &path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.headers["content-security-policy"].starts_with("default-src 'none'; script-src 'self'"));
        assert!(!page.headers["content-security-policy"].contains("unsafe"));
        assert_eq!(page.headers["referrer-policy"], "no-referrer");
        assert!(page.body.contains(r#"role="status""#) && !page.body.contains("{{"), "{}", page.body);
        assert!(!page.body.contains("<script>") && !page.body.contains("style="), "nothing stands inline");
        let state = open(&server, &format!("{path}/state")).await;
        assert_eq!(state.status, 200, "{}", state.body);
        (page.body, state.json()["data"].to_string())
    };
    let (page, json) = state().await;
    assert!(page.contains(r#"<noscript><meta http-equiv="refresh" content="4"></noscript>"#), "{page}");
    assert_eq!(json, r#"{"status":"open"}"#);

    *server.desk.refuse.lock().unwrap() = Some(ConnectionError::Unavailable("Nango is away".to_owned()));
    let (page, json) = state().await;
    assert!(page.contains("Nango is away") && page.contains(r#"data-state="open""#), "{page}");
    assert_eq!(json, r#"{"status":"open","message":"Nango is away"}"#);
    *server.desk.refuse.lock().unwrap() = None;

    let success = format!("https://books.example.com/done?tab=1&connectionId={id}&success=true#x");
    *server.desk.state.lock().unwrap() = AttemptState::Succeeded { note: None };
    let (page, json) = state().await;
    let escaped = success.replace('&', "&amp;");
    assert!(page.contains(&format!(r#"content="2;url={escaped}""#)), "{page}");
    assert!(
        page.contains(&format!(r#"<a href="{escaped}""#)) && page.contains("<h1 id=\"title\">Connected<"),
        "{page}"
    );
    assert_eq!(json, format!(r#"{{"status":"succeeded","redirectUrl":"{success}"}}"#));

    let reason = "<img src=x onerror='a'> \"no\" & {{title}}".to_owned();
    *server.desk.state.lock().unwrap() = AttemptState::Failed { reason };
    let page = open(&server, &path).await.body;
    assert!(page.contains("&lt;img src=x onerror=&#39;a&#39;&gt; &quot;no&quot; &amp; {{title}}"), "{page}");
    assert!(page.contains("success=false#x"), "{page}");
    for script in ["/connect/page.js", "/connect/page.css"] {
        assert!(page.contains(script) && open(&server, script).await.status == 200);
    }
    let script = open(&server, "/connect/page.js").await.body;
    assert!(!script.contains("innerHTML") && !script.contains("eval"), "texts stay texts");

    // A page whose origin is no longer allowed is not gone on to; what is over is gone.
    server.clock.advance(30 * 60_000);
    let gone = open(&server, &path).await;
    assert_eq!(gone.status, 404);
    open(&server, &format!("{path}/state")).await.check_error(404, "NOT_FOUND", &[]);
    let upper = format!("/connect/{}", path["/connect/".len()..].to_uppercase());
    for unknown in ["/connect/x".to_owned(), format!("/connect/{}", Uuid::new_v4()), upper] {
        let page = open(&server, &unknown).await;
        assert_eq!((page.status, &page.body), (404, &gone.body), "{unknown}");
    }
    *server.desk.refuse.lock().unwrap() =
        Some(ConnectionError::Storage(KeepError::Storage("disk".to_owned())));
    open(&server, &path).await.check_error(503, "UNAVAILABLE", &[]);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn signed(key: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap().chain_update(body);
    format!("X-Nango-Hmac-Sha256: {}", hex(&mac.finalize().into_bytes()))
}

#[tokio::test]
async fn only_what_nango_signed_is_taken() {
    let server = server().await;
    let (_, page) = begun(&server, "").await;
    let path = format!("/webhooks/nango/{}", page.strip_prefix("/connect/").unwrap());
    let send = async |path: &str, header: &str, body: &[u8]| {
        let request = server.request(&format!("POST {path}")).without_key();
        request.header(header).header("content-type: text/plain").body(body).send().await
    };
    let body = br#"{"type":"auth","operation":"creation","success":true}"#;
    let good = signed("signing", body);
    for _ in 0..2 {
        send(&path, &good, body).await.check(r#"200 {"received":true}"#);
    }
    assert_eq!(server.desk.asked(), [r#"look at a try, told Some((true, ""))"#; 2]);
    for (body, told) in [
        (
            r#"{"type":"auth","operation":"creation","success":false,"error":{"type":"unknown","description":"denied"}}"#,
            vec![r#"look at a try, told Some((false, "denied"))"#],
        ),
        (r#"{"type":"auth","operation":"refresh","success":false}"#, vec!["look at a try, told None"]),
        (r#"{"type":"sync"}"#, vec![]),
    ] {
        assert_eq!(
            send(&path, &signed("signing", body.as_bytes()), body.as_bytes()).await.status,
            200,
            "{body}"
        );
        assert_eq!(server.desk.asked(), told, "{body}");
    }
    let old = format!("X-Nango-Signature: {}", hex(&Sha256::digest([b"signing", &body[..]].concat())));
    let refused = send(&path, "x: y", body).await;
    refused.check_error(401, "UNAUTHORIZED", &[]);
    let other = br#"{"type":"auth","operation":"creation","success":true} "#;
    let twice = format!("{good}\r\n{good}");
    for (header, body) in [
        (&*old, &body[..]),
        (&signed("other", body), body),
        (&good, other),
        (&good[..good.len() - 1], body),
        (&good[..good.len() - 2], body),
        (&format!("{good}00"), body),
        (&twice, body),
        ("X-Nango-Hmac-Sha256:", body),
        ("X-Nango-Hmac-Sha256: zz", body),
    ] {
        let reply = send(&path, header, body).await;
        assert_eq!((reply.status, &reply.body), (401, &refused.body), "{header}");
    }
    assert!(server.desk.asked().is_empty());
    for unknown in [format!("/webhooks/nango/{}", Uuid::new_v4()), "/webhooks/nango/x".to_owned()] {
        let reply = send(&unknown, &good, body).await;
        assert_eq!((reply.status, &reply.body), (401, &refused.body), "{unknown}");
    }
    server.desk.asked();
    for body in ["", "[]", "{}", "{", r#"{"type":7}"#] {
        assert_eq!(
            send(&path, &signed("signing", body.as_bytes()), body.as_bytes()).await.status,
            400,
            "{body}"
        );
    }
    let large = vec![b' '; 1024 * 1024 + 1];
    send(&path, &signed("signing", &large), &large).await.check_error(413, "PAYLOAD_TOO_LARGE", &[]);
    *server.desk.refuse.lock().unwrap() = Some(ConnectionError::Unavailable("away".to_owned()));
    send(&path, &good, body).await.check_error(503, "UNAVAILABLE", &[]);
    assert_eq!(send(&path, "x: y", body).await.body, refused.body);
}

#[tokio::test]
async fn without_a_signing_key_no_webhook_is_taken_and_many_are_refused() {
    let webhooks = Limit::PerMinute(2);
    let server = Server::limited(RateLimits { webhooks, ..RateLimits::OFF }).await;
    let (_, page) = begun(&server, "").await;
    let line = format!("POST /webhooks/nango/{}", page.strip_prefix("/connect/").unwrap());
    for status in [401, 401, 429] {
        let reply = server.request(&line).without_key().header(&signed("", b"{}")).body("{}").send().await;
        assert_eq!((reply.status, reply.headers.contains_key("retry-after")), (status, status == 429));
    }
    assert!(server.desk.asked().is_empty());
}

#[tokio::test]
async fn other_methods_are_405() {
    let server = Server::start().await;
    for (line, allowed) in [
        ("PUT /api/v1/connections", "GET,HEAD,POST"),
        ("PUT /api/v1/connections/x", "GET,HEAD,PATCH,DELETE"),
        ("POST /api/v1/connections/callback", "GET,HEAD"),
        ("POST /api/v1/connections/stripe/auth-url", "GET,HEAD"),
        ("GET /api/v1/connections/x/test", "POST"),
        ("POST /connect/x", "GET,HEAD"),
        ("GET /webhooks/nango/x", "POST"),
    ] {
        let reply = server.request(line).send().await;
        assert_eq!((reply.status, &*reply.headers["allow"]), (405, allowed), "{line}");
    }
}
