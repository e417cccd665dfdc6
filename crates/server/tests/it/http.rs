//! The protocol itself: methods, addresses, framing, time limits, and what every answer has.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::server::{Refusal, Server, WELCOME};

#[tokio::test]
async fn an_unknown_address_is_404_in_the_envelope() {
    let server = Server::start().await;
    let paths =
        ["/", "/api", "/api/v1", "/api/v1/", "/api/v1/workflow", "/api/v1/me/", "/healthz/", "/api/v1/%ff"];
    for path in paths {
        let reply = server.request(&format!("GET {path}")).send().await;
        reply.check_error(404, "NOT_FOUND", &[]);
        assert_eq!(reply.text("/error/message"), format!("there is nothing at `{path}`"));
    }
    for line in ["OPTIONS *", "CONNECT test:80"] {
        assert_eq!(server.request(line).send().await.status, 404, "{line}");
    }
}

#[tokio::test]
async fn a_method_that_is_not_taken_is_405_with_those_that_are() {
    let server = Server::start().await;
    for (line, allowed) in [
        ("DELETE /api/v1/workflows", "GET,HEAD,POST"),
        ("OPTIONS /api/v1/workflows", "GET,HEAD,POST"),
        ("HEAD /api/v1/workflows/validate", "POST"),
        ("PATCH /api/v1/me", "GET,HEAD"),
        ("BREW /healthz", "GET,HEAD"),
        ("POST /api/v1/workflows/x", "GET,HEAD,PUT,DELETE"),
        ("GET /api/v1/workflows/x/run", "POST"),
    ] {
        let reply = server.request(line).send().await;
        assert_eq!((reply.status, &*reply.headers["allow"]), (405, allowed), "{line}");
        if !line.starts_with("HEAD") {
            reply.check_error(405, "METHOD_NOT_ALLOWED", &[]);
        }
    }
}

#[tokio::test]
async fn head_answers_as_get_without_a_body() {
    let server = Server::start().await;
    let id = server.draft(WELCOME).await;
    for path in [
        "/api/v1/me".to_owned(),
        "/healthz".to_owned(),
        format!("/api/v1/workflows/{id}"),
        "/none".to_owned(),
    ] {
        let get = server.request(&format!("GET {path}")).send().await;
        let head = server.request(&format!("HEAD {path}")).send().await;
        assert_eq!((head.status, &*head.body), (get.status, ""), "{path}");
        assert_eq!(head.headers["content-length"], get.headers["content-length"], "{path}");
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_is_not_kept_by_anyone() {
    let server = Server::start().await;
    let mut ids = std::collections::HashSet::new();
    for line in ["GET /healthz", "GET /none", "PUT /healthz", "GET /api/v1/me", "GET /api/v1/workflows?x"] {
        let reply = server.request(line).header("x-request-id: mine").send().await;
        assert!(ids.insert(reply.headers["x-request-id"].clone()), "{line}");
        assert_eq!(reply.headers["cache-control"], "no-store", "{line}");
        assert_eq!(reply.headers["x-content-type-options"], "nosniff", "{line}");
        assert_eq!(reply.headers["content-type"], "application/json", "{line}");
    }
}

#[tokio::test]
async fn a_panic_is_a_500_that_names_the_request_and_ends_nothing_else() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    *server.runs.refuse.lock().unwrap() = Some(Refusal::Panic);
    let reply = server.post(&format!("/workflows/{id}/run"), "").await;
    reply.check_error(500, "INTERNAL_ERROR", &[]);
    assert_eq!(reply.text("/error/requestId"), reply.headers["x-request-id"]);
    assert!(!reply.body.contains("told to panic"), "{}", reply.body);
    assert_eq!(server.get("/me").await.status, 200);
}

#[tokio::test]
async fn lengths_that_contradict_each_other_are_never_believed() {
    let server = Server::start().await;
    let raw = |headers: &str, body: &str| {
        let head =
            format!("POST /api/v1/workflows/validate HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\n", server.key);
        format!("{head}content-type: application/json\r\nconnection: close\r\n{headers}\r\n{body}")
            .into_bytes()
    };
    let two = server.raw(&raw("content-length: 2\r\ncontent-length: 3\r\n", "{} ")).await;
    assert_eq!((two.status, two.headers.get("connection").map(|value| &**value)), (400, Some("close")));
    // The length is hidden beside chunks, whichever comes first, and the chunks are read.
    for headers in [
        "content-length: 2\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 2\r\n",
    ] {
        let reply = server.raw(&raw(headers, "4\r\n[1]\n\r\n0\r\n\r\n")).await;
        assert_eq!((reply.status, reply.json()["data"]["valid"].as_bool()), (200, Some(false)), "{headers}");
    }
    for headers in ["transfer-encoding: gzip\r\n", "content-length: -1\r\n", "content-length: 1x\r\n"] {
        assert_eq!(server.raw(&raw(headers, "{}")).await.status, 400, "{headers}");
    }
    assert_eq!(server.raw(&raw("transfer-encoding: chunked\r\n", "xyz\r\n")).await.status, 400);
}

#[tokio::test]
async fn what_the_parser_refuses_is_a_4xx() {
    let server = Server::start().await;
    let large = format!("x-large: {}", "x".repeat(70_000));
    assert_eq!(server.request("GET /healthz").header(&large).send().await.status, 431);
    let mut many = server.request("GET /healthz");
    for number in 0..200 {
        many = many.header(&format!("x-{number}: 1"));
    }
    assert_eq!(many.send().await.status, 431);
    for bytes in [
        "GET /healthz HTTP/2.0\r\n\r\n",
        "GET /healthz HTTP/7.0\r\n\r\n",
        "\0\0\0\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(server.raw(bytes.as_bytes()).await.status, 400, "{bytes:?}");
    }
    assert_eq!(server.raw(b"GET /healthz HTTP/1.0\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn a_client_that_asks_first_need_not_send_a_body_that_is_too_large() {
    let server = Server::start().await;
    let request = server.request("POST /api/v1/workflows").header("expect: 100-continue");
    let request = request.header("content-length: 20000000").header("content-type: application/json");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&request.bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(std::str::from_utf8(&answer), Ok("HTTP/1.1 413"));
}

#[tokio::test]
async fn slow_headers_end_the_connection() {
    let server = Server::start().await;
    tokio::time::pause();
    let begin = tokio::time::Instant::now();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!((answer.len(), begin.elapsed().as_secs()), (0, 10));
}

#[tokio::test]
async fn a_slow_body_is_408() {
    let server = Server::start().await;
    assert_eq!(server.get("/me").await.status, 200);
    let request = server.request("POST /api/v1/workflows").header("content-length: 10");
    let mut bytes = request.header("content-type: application/json").bytes();
    bytes.extend(b"{");
    tokio::time::pause();
    let begin = tokio::time::Instant::now();
    let reply = server.raw(&bytes).await;
    reply.check_error(408, "REQUEST_TIMEOUT", &[]);
    assert_eq!(reply.headers["connection"], "close");
    assert!(begin.elapsed() >= Duration::from_secs(30));
}

#[tokio::test]
async fn a_stopped_server_takes_no_more_connections_and_ends_idle_ones() {
    let mut server = Server::start().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 15];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    server.stop.take().unwrap().send(()).unwrap();
    idle.read_to_end(&mut Vec::new()).await.unwrap();
    server.serving.take().unwrap().await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}
