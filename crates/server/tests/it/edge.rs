//! Where the server meets strangers: what browsers may do with answers, requests that two servers could read in two ways,
//! and clients that are slow or many.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::Server;

const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// Every header by which a browser would let another origin in.
const CORS: [&str; 3] =
    ["access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods"];

#[tokio::test]
async fn no_answer_may_be_framed_kept_guessed_at_or_read_by_another_origin() {
    let server = Server::start().await;
    for line in [
        "GET /healthz",
        "GET /none",
        "PUT /healthz",
        "GET /api/v1/me",
        "POST /api/v1/workflows",
        "OPTIONS /api/v1/me",
        "GET /docs",
        "GET /openapi.json",
    ] {
        let request = server.request(line).header("origin: https://evil.example");
        let reply = request.header("access-control-request-method: GET").send().await;
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(reply.headers.get(name).map(|value| &**value), Some(value), "{line}: {name}");
        }
        let policy = &reply.headers["content-security-policy"];
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{line}: {policy}");
        assert_eq!(policy == POLICY, !line.ends_with("/docs") && !line.ends_with("/openapi.json"), "{line}");
        assert!(CORS.iter().all(|name| !reply.headers.contains_key(*name)), "{line}: {:?}", reply.headers);
        assert!(!reply.headers.contains_key("strict-transport-security"), "{line}: this is no https");
    }
}

#[tokio::test]
async fn browsers_that_came_by_https_stay_with_it() {
    let server = Server::with(|settings| settings.public_url = "https://flows.example.com".to_owned()).await;
    let reply = server.request("GET /none").send().await;
    assert_eq!(reply.headers["strict-transport-security"], "max-age=31536000");
}

#[tokio::test]
async fn a_request_is_for_one_host() {
    let server = Server::start().await;
    let twice = server.request("GET /healthz").header("host: other").send().await;
    twice.check_error(400, "VALIDATION_ERROR", &["host: the header `host` is given more than once"]);
    assert_eq!((&*twice.headers["connection"], twice.headers.contains_key("x-request-id")), ("close", true));
    let none = server.raw(b"GET /healthz HTTP/1.1\r\n\r\n").await;
    none.check_error(400, "VALIDATION_ERROR", &["host: the header `host` is missing"]);
    assert_eq!(server.raw(b"GET /healthz HTTP/1.0\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn nothing_after_chunks_is_taken_for_a_request() {
    let server = Server::start().await;
    for headers in ["content-length: 4\r\ntransfer-encoding: chunked\r\n", "transfer-encoding: chunked\r\n"] {
        let head = format!(
            "POST /api/v1/workflows/validate HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-type: application/json\r\n",
            server.key
        );
        let bytes =
            format!("{head}{headers}\r\n2\r\n{{}}\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
        assert!(answers.contains("\r\nconnection: close\r\n"), "{answers}");
    }
}

#[tokio::test]
async fn whoever_does_not_read_is_cut_off() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // More than all buffers between us take.
    let wanted = 400;
    let requests = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(wanted);
    stream.write_all(requests.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 8]).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(loopfour_server::limits::WRITE_TIME * 2).await;
    let mut answers = Vec::new();
    // The end is a reset where something was left unread.
    let _ = stream.read_to_end(&mut answers).await;
    let answers = String::from_utf8_lossy(&answers).matches("HTTP/1.1 200 OK").count();
    assert!(answers < wanted / 2, "{answers}");
}

#[tokio::test]
async fn so_many_clients_are_served_at_a_time_and_the_next_once_one_has_gone() {
    let server = Server::start().await;
    let mut clients = Vec::new();
    for _ in 0..loopfour_server::limits::CONNECTIONS {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        client.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        client.read_exact(&mut [0; 15]).await.unwrap();
        clients.push(client);
    }
    let mut next = TcpStream::connect(server.address).await.unwrap();
    next.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let none = tokio::time::timeout(Duration::from_millis(300), next.read_buf(&mut answer)).await;
    assert!(none.is_err(), "it was served beside all others");
    clients.pop();
    next.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{answer:?}");
}
