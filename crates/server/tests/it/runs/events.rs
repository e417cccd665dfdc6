use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::server::{Reply, Server, WELCOME};

async fn started(server: &Server) -> String {
    let workflow = server.active(WELCOME).await;
    let reply =
        server.post(&format!("/workflows/{workflow}/run"), r#"{"input":{"email":"a@b.example"}}"#).await;
    format!("/runs/{}/events", reply.text("/data/runId"))
}

/// `id event` of each event.
fn events(body: &str) -> Vec<String> {
    let line = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
    };
    let blocks = body.split("\n\n").filter(|block| block.contains("data:"));
    blocks.map(|block| format!("{} {}", line(block, "id:"), line(block, "event:"))).collect()
}

#[tokio::test]
async fn the_events_of_a_run_that_ended_are_all_there() {
    let server = Server::start().await;
    let path = started(&server).await;
    server.runs.finish(server.runs.started().await).await;
    let reply = server.get(&path).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["content-type"], "text/event-stream");
    assert_eq!(reply.headers["x-accel-buffering"], "no");
    assert_eq!(
        events(&reply.body),
        [
            "1 run.started",
            "2 call.intended",
            "3 step.succeeded",
            "4 condition.decided",
            "5 call.intended",
            "6 step.succeeded",
            "7 run.completed",
        ]
    );
    let shown = crate::server::without_uuids(&reply.body);
    for line in [
        concat!(
            r#"data: {"runId":"run_*","seq":1,"at":"2026-01-02T03:04:05.678Z","type":"run.started","#,
            r#""workflowId":"wf_*","workflowVersion":1,"triggerType":"api","input":{"email":"a@b.example"}}"#
        ),
        concat!(
            r#"data: {"runId":"run_*","seq":2,"at":"2026-01-02T03:04:05.678Z","type":"call.intended","#,
            r#""stepId":"find","action":"stripe.listCustomers","input":{"email":"a@b.example"}}"#
        ),
        concat!(
            r#"data: {"runId":"run_*","seq":4,"at":"2026-01-02T03:04:06.678Z","type":"condition.decided","#,
            r#""stepId":"check","branch":"then","input":{"left":0,"operator":"eq","right":0}}"#
        ),
        concat!(
            r#"data: {"runId":"run_*","seq":6,"at":"2026-01-02T03:04:07.678Z","type":"step.succeeded","#,
            r#""stepId":"create","output":{"id":"cus_1"}}"#
        ),
        r#"data: {"runId":"run_*","seq":7,"at":"2026-01-02T03:04:07.678Z","type":"run.completed"}"#,
    ] {
        assert!(shown.lines().any(|found| found == line), "{line}\nis not in\n{shown}");
    }
}

#[tokio::test]
async fn a_reader_that_comes_back_goes_on_where_it_was() {
    let server = Server::start().await;
    let path = started(&server).await;
    server.runs.finish(server.runs.started().await).await;
    let after = |id: &str| {
        server.request(&format!("GET /api/v1{path}")).header(&format!("last-event-id: {id}")).send()
    };
    assert_eq!(events(&after("5").await.body), ["6 step.succeeded", "7 run.completed"]);
    // There is nothing more: the status that keeps a browser from coming back.
    for id in ["7", "999"] {
        assert_eq!(after(id).await.status, 204);
    }
    for id in ["x", "-1", "18446744073709551616"] {
        assert_eq!(after(id).await.text("/error/details/0/field"), "last-event-id");
    }
}

#[tokio::test]
async fn events_come_while_the_run_goes_and_end_with_it() {
    let server = Server::start().await;
    let path = started(&server).await;
    let id = server.runs.started().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&server.request(&format!("GET /api/v1{path}")).bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut seen = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(event) = line.strip_prefix("event: ") {
            seen.push(event.to_owned());
            // The next call is made only once the event before has arrived.
            if event == "call.intended" {
                server.runs.step(id).await;
            }
        }
    }
    assert_eq!(seen.last().map(String::as_str), Some("run.completed"));
    assert_eq!(seen.len(), 7, "{seen:?}");
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let mut server = Server::start().await;
    let path = started(&server).await;
    let stop = server.stop.take().unwrap();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&server.request(&format!("GET /api/v1{path}")).bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line == "event: call.intended" {
            break;
        }
    }
    stop.send(()).unwrap();
    while lines.next_line().await.unwrap().is_some() {}
    server.serving.take().unwrap().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stream_ends_when_its_key_is_revoked() {
    let server = Server::start().await;
    let path = started(&server).await;
    let made = server.post("/keys", r#"{"name":"reader","scopes":["runs:read"]}"#).await;
    let other = server.post("/keys", r#"{"name":"other","scopes":["runs:read"]}"#).await;
    let request = || server.request(&format!("GET /api/v1{path}")).key(&made.text("/data/key"));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&request().bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    while lines.next_line().await.unwrap().unwrap() != "event: call.intended" {}
    let revoke = async |key: &Reply| {
        server.request(&format!("DELETE /api/v1/keys/{}", key.text("/data/id"))).send().await
    };
    // The end of another key changes nothing.
    revoke(&other).await;
    server.runs.step(server.runs.started().await).await;
    while lines.next_line().await.unwrap().unwrap() != "event: step.succeeded" {}
    revoke(&made).await;
    let mut rest = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        rest += &line;
    }
    assert!(!rest.contains("run.completed"), "{rest}");
    request().send().await.check_error(401, "UNAUTHORIZED", &[]);
}

#[tokio::test]
async fn a_stream_ends_at_the_end_of_its_key() {
    let server = Server::start().await;
    let path = started(&server).await;
    let run = server.runs.started().await;
    let short = r#"{"name":"reader","scopes":["runs:read"],"expiresAt":"2026-01-02T03:04:06Z"}"#;
    let key = server.post("/keys", short).await.text("/data/key");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&server.request(&format!("GET /api/v1{path}")).key(&key).bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    while lines.next_line().await.unwrap().unwrap() != "event: call.intended" {}
    // The step takes a second: its end would be told after the key's.
    server.runs.step(run).await;
    let mut rest = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        rest += &line;
    }
    assert!(!rest.contains("step.succeeded"), "{rest}");
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_lives() {
    let server = Server::start().await;
    let path = started(&server).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&server.request(&format!("GET /api/v1{path}")).bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    while lines.next_line().await.unwrap().unwrap() != "event: call.intended" {}
    tokio::time::pause();
    let begin = tokio::time::Instant::now();
    while !lines.next_line().await.unwrap().unwrap().starts_with(':') {}
    assert!((14..=15).contains(&begin.elapsed().as_secs()));
}
