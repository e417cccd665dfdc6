use loopfour_engine::connections::{ConnectionError, ConnectionStatus, KeepError, Source};
use loopfour_engine::{Actor, CompanyId, ConnectionId};
use loopfour_store::Scope;
use uuid::Uuid;

use crate::server::{Server, WELCOME};

const ITEM: &str = r#"{"id":"conn_*","name":"books","provider":"stripe","status":"active","externalAccountId":"acct_1","lastSyncedAt":null,"createdAt":"2026-01-02T03:04:05.678Z","updatedAt":"2026-01-02T03:04:05.678Z","mode":"test""#;

async fn books(server: &Server) -> ConnectionId {
    server.desk.made(server.store.default_company(), "books", ConnectionStatus::Active).await.id
}

async fn other_company(server: &Server) -> CompanyId {
    let by = Actor::system("test");
    server.store.create_company("other", &by, server.clock_now()).await.unwrap().0
}

#[tokio::test]
async fn lists_show_what_stands_and_one_shows_all_but_secrets() {
    let server = Server::start().await;
    let id = books(&server).await;
    server
        .get("/connections")
        .await
        .check(&format!(r#"200 {{"success":true,"data":[{ITEM}}}],"meta":{{"hasMore":false}}}}"#));
    let settings = r#""source":"apiKey","formerAccountId":null,"settings":{"stripeAccount":null,"apiVersion":null,"pace":null,"events":"webhook"}"#;
    let one = format!(r#"200 {{"success":true,"data":{ITEM},{settings}}}}}"#);
    server.get(&format!("/connections/{id}")).await.check(&one);
    server.desk.made(server.store.default_company(), "second", ConnectionStatus::Error).await;
    for (query, names) in [
        ("", vec!["second", "books"]),
        ("?order=asc", vec!["books", "second"]),
        ("?status=error", vec!["second"]),
        ("?status=pending", vec![]),
        ("?provider=stripe&status=active", vec!["books"]),
    ] {
        let list = server.get(&format!("/connections{query}")).await.json();
        let found: Vec<&str> =
            list["data"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{query}");
    }
    let first = server.get("/connections?limit=1").await;
    let rest = server.get(&format!("/connections?cursor={}", first.text("/meta/cursor"))).await;
    assert_eq!((first.text("/data/0/name"), rest.text("/data/0/name")), ("second".into(), "books".into()));
    let strange = server.get("/connections?provider=strip&status=on&limit=0").await;
    strange.check_error(
        400,
        "VALIDATION_ERROR",
        &[
            "provider: `provider` must be one of stripe, not `strip`",
            "status: `status` must be one of pending, active, expired, error, disconnected, not `on`",
            "limit: `limit` must be a whole number from 1 to 100, not `0`",
        ],
    );
}

#[tokio::test]
async fn a_key_is_handed_on_trimmed_and_never_shown() {
    let server = Server::start().await;
    let body = r#"{"provider":"stripe","name":"books","credentials":{"apiKey":" rk_test_1\r\n"}}"#;
    let made = server.post("/connections", body).await;
    assert_eq!((made.status, made.text("/data/name")), (201, "books".to_owned()));
    assert_eq!(made.headers["location"], format!("/api/v1/connections/{}", made.text("/data/id")));
    assert!(!made.body.contains("rk_test_1"), "{}", made.body);
    assert_eq!(server.desk.asked(), ["add `rk_test_1` as stripe `books`, by test"]);
    server.post("/connections", r#"{"provider":"stripe","credentials":{"apiKey":"rk"}}"#).await;
    assert_eq!(server.desk.asked(), ["add `rk` as stripe `stripe`, by test"]);

    let field = "credentials.apiKey".to_owned();
    let refused = ConnectionError::Invalid { field, message: "Stripe does not take the key".to_owned() };
    *server.desk.refuse.lock().unwrap() = Some(refused);
    let refused = server.post("/connections", body).await;
    refused.check_error(400, "VALIDATION_ERROR", &["credentials.apiKey: Stripe does not take the key"]);
    server.desk.asked();
    let wrong = r#"{"provider":"strip","name":"","credentials":{"apiKey":"sk_live_a b","key":1},"x":1}"#;
    let wrong = server.post("/connections", wrong).await;
    let signs = "credentials.apiKey: `apiKey` must be 1 to 500 letters, digits or signs without spaces";
    wrong.check_error(
        400,
        "VALIDATION_ERROR",
        &[
            "provider: unknown provider `strip`",
            "name: `name` must have 1 to 255 characters, it has 0",
            signs,
            "credentials.key: unknown key `key`",
            "x: unknown key `x`",
        ],
    );
    assert!(!wrong.body.contains("sk_live_a"), "{}", wrong.body);
    let missing = server.post("/connections", "{}").await;
    let missed = ["provider: `provider` is missing", "credentials: `credentials` is missing"];
    missing.check_error(400, "VALIDATION_ERROR", &missed);
    for (key, problem) in [
        ("\"\"", signs),
        ("\" \\n\"", signs),
        ("\"k\u{e9}y\"", signs),
        ("7", "credentials.apiKey: `apiKey` must be text, not a number"),
    ] {
        let body = format!(r#"{{"provider":"stripe","credentials":{{"apiKey":{key}}}}}"#);
        server.post("/connections", &body).await.check_error(400, "VALIDATION_ERROR", &[problem]);
    }
    assert!(server.desk.asked().is_empty());
}

#[tokio::test]
async fn what_is_given_is_changed_and_the_rest_stays() {
    let server = Server::start().await;
    let line = format!("PATCH /api/v1/connections/{}", books(&server).await);
    let patch = async |body: &str| server.request(&line).body(body).send().await;
    let reply = patch(
        r#"{"name":"main","settings":{"stripeAccount":"acct_9","apiVersion":"2026-08-26.dahlia","pace":{"write":"off","read":50}},"webhookSecrets":["whsec_1\n","whsec_2"],"sameAccount":true}"#,
    )
    .await;
    assert_eq!((reply.status, reply.text("/data/name")), (200, "main".to_owned()), "{}", reply.body);
    assert_eq!(server.desk.asked(), [r#"change same, signed by ["whsec_1", "whsec_2"], by test"#]);
    assert!(!reply.body.contains("whsec"), "{}", reply.body);
    for (body, settings) in [
        (
            "{}",
            r#"{"stripeAccount":"acct_9","apiVersion":"2026-08-26.dahlia","pace":{"read":50,"write":"off"},"events":"webhook"}"#,
        ),
        (
            r#"{"settings":{"pace":"off","events":"poll"}}"#,
            r#"{"stripeAccount":"acct_9","apiVersion":"2026-08-26.dahlia","pace":"off","events":"poll"}"#,
        ),
        (
            r#"{"settings":{"stripeAccount":null,"pace":null,"apiVersion":null}}"#,
            r#"{"stripeAccount":null,"apiVersion":null,"pace":null,"events":"poll"}"#,
        ),
    ] {
        assert_eq!(patch(body).await.json()["data"]["settings"].to_string(), settings, "{body}");
    }
    assert_eq!(server.desk.asked().len(), 3);
    let wrong = patch(
        r#"{"name":7,"settings":{"stripeAccount":"9","apiVersion":"2026-02-30","pace":{"read":0,"speed":1},"events":"none","x":1},"webhookSecrets":["a",""],"sameAccount":"yes","y":1}"#,
    )
    .await;
    let found = wrong.json()["error"]["details"].as_array().unwrap().clone();
    let fields: Vec<&str> = found.iter().map(|one| one["field"].as_str().unwrap()).collect();
    assert_eq!(
        fields,
        [
            "name",
            "settings.stripeAccount",
            "settings.apiVersion",
            "settings.pace.read",
            "settings.pace.speed",
            "settings.events",
            "settings.x",
            "webhookSecrets[1]",
            "sameAccount",
            "y"
        ],
        "{}",
        wrong.body
    );
    for (pace, field) in [
        (r#""read=50""#, "settings.pace"),
        ("7", "settings.pace"),
        ("[]", "settings.pace"),
        (r#"{"read":10001}"#, "settings.pace.read"),
        (r#"{"write":1.5}"#, "settings.pace.write"),
        (r#"{"total":null}"#, "settings.pace.total"),
    ] {
        let reply = patch(&format!(r#"{{"settings":{{"pace":{pace}}}}}"#)).await;
        assert_eq!((reply.status, &*reply.text("/error/details/0/field")), (400, field), "{pace}");
    }
    for body in [r#"{"settings":null}"#, r#"{"settings":[]}"#, r#"{"webhookSecrets":"whsec"}"#, "[]", "null"]
    {
        assert_eq!(patch(body).await.status, 400, "{body}");
    }
    assert!(server.desk.asked().is_empty());
}

#[tokio::test]
async fn whoever_ends_a_connection_is_told_who_uses_it() {
    let server = Server::start().await;
    let id = books(&server).await;
    let named = WELCOME.replace(
        "\"action\": \"stripe.createCustomer\",",
        &format!("\"action\": \"stripe.createCustomer\", \"connectionId\": \"{id}\","),
    );
    let unnamed = server.draft(WELCOME).await;
    let named = server.draft(&named.replace("Welcome", "Named")).await;
    let line = format!("DELETE /api/v1/connections/{id}");
    let users = async || {
        let ended = server.request(&line).send().await.json();
        assert_eq!(ended["data"]["status"], "disconnected");
        let users = ended["data"]["usedBy"].as_array().unwrap().clone();
        users.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<String>>()
    };
    assert_eq!(users().await, [unnamed, named.clone()], "it was the only one");
    assert_eq!(users().await, [named], "it is no longer");
    assert_eq!(server.desk.asked(), ["disconnect, by test", "disconnect, by test"]);
}

#[tokio::test]
async fn a_test_shows_the_connection_as_it_stands_then() {
    let server = Server::start().await;
    let id = books(&server).await;
    let tested = server.post(&format!("/connections/{id}/test"), "").await;
    assert_eq!((tested.status, tested.text("/data/status")), (200, "error".to_owned()));
    assert_eq!(tested.text("/data/lastError"), "the key was revoked: give a new one");
    let listed = server.get("/connections").await;
    assert_eq!(listed.text("/data/0/lastError"), "the key was revoked: give a new one");
}

#[tokio::test]
async fn another_companys_connection_is_as_missing_as_one_that_is_not_there() {
    let server = Server::start().await;
    let other = other_company(&server).await;
    let foreign = server.desk.made(other, "theirs", ConnectionStatus::Active).await.id;
    let workflow = server.active(WELCOME).await;
    for id in [
        foreign.to_string(),
        ConnectionId(Uuid::nil()).to_string(),
        "conn_x".to_owned(),
        foreign.0.to_string(),
    ] {
        for (line, body) in [
            (format!("GET /api/v1/connections/{id}"), ""),
            (format!("PATCH /api/v1/connections/{id}"), r#"{"name":"mine"}"#),
            (format!("DELETE /api/v1/connections/{id}"), ""),
            (format!("POST /api/v1/connections/{id}/test"), ""),
            (format!("POST /api/v1/workflows/{workflow}/run"), &*format!(r#"{{"connectionId":"{id}"}}"#)),
        ] {
            let reply = server.request(&line).body(body).send().await;
            reply.check_error(404, "NOT_FOUND", &[]);
            assert!(!reply.body.contains("theirs"), "{line}");
        }
    }
    assert_eq!(server.get("/runs").await.json()["data"], serde_json::json!([]));
    assert_eq!(server.get("/connections").await.json()["data"], serde_json::json!([]));
    assert_eq!(
        server.store.connections(other, Default::default(), span(), server.clock_now()).await.unwrap().rows
            [0]
        .name,
        "theirs"
    );
}

fn span() -> loopfour_store::Span {
    loopfour_store::Span { order: loopfour_store::Order::Ascending, after: None, limit: 10 }
}

#[tokio::test]
async fn each_call_needs_its_scope() {
    let server = Server::start().await;
    let id = books(&server).await;
    let company = server.store.default_company();
    let reads = server.key(company, &[Scope::ConnectionsRead]).await;
    let writes = server.key(company, &[Scope::ConnectionsWrite]).await;
    for (line, scope) in [
        ("GET /api/v1/connections".to_owned(), Scope::ConnectionsRead),
        (format!("GET /api/v1/connections/{id}"), Scope::ConnectionsRead),
        ("POST /api/v1/connections".to_owned(), Scope::ConnectionsWrite),
        ("GET /api/v1/connections/stripe/auth-url".to_owned(), Scope::ConnectionsWrite),
        (format!("PATCH /api/v1/connections/{id}"), Scope::ConnectionsWrite),
        (format!("DELETE /api/v1/connections/{id}"), Scope::ConnectionsWrite),
        (format!("POST /api/v1/connections/{id}/test"), Scope::ConnectionsWrite),
    ] {
        let (good, bad) = if scope == Scope::ConnectionsRead { (&reads, &writes) } else { (&writes, &reads) };
        let refused = server.request(&line).key(bad).send().await;
        refused.check_error(403, "FORBIDDEN", &[]);
        assert!(refused.text("/error/message").contains(scope.name()), "{line}");
        assert_ne!(server.request(&line).key(good).send().await.status, 403, "{line}");
    }
}

#[tokio::test]
async fn what_stands_in_the_way_has_its_code() {
    let server = Server::start().await;
    let id = books(&server).await;
    let storage = |cause: KeepError| ConnectionError::Storage(cause);
    for (error, status, code) in [
        (ConnectionError::Missing("none".to_owned()), 404, "NOT_FOUND"),
        (ConnectionError::State("NANGO_SECRET_KEY is not set".to_owned()), 409, "INVALID_STATE"),
        (ConnectionError::Conflict("taken".to_owned()), 409, "CONFLICT"),
        (ConnectionError::Unavailable("Nango is away".to_owned()), 503, "UNAVAILABLE"),
        (storage(KeepError::NameTaken), 409, "CONFLICT"),
        (storage(KeepError::Storage("SELECT".to_owned())), 503, "UNAVAILABLE"),
    ] {
        *server.desk.refuse.lock().unwrap() = Some(error);
        for line in [
            format!("GET /api/v1/connections/{id}"),
            format!("DELETE /api/v1/connections/{id}"),
            "GET /api/v1/connections/stripe/auth-url".to_owned(),
        ] {
            let reply = server.request(&line).send().await;
            reply.check_error(status, code, &[]);
            assert!(!reply.body.contains("SELECT"), "{}", reply.body);
        }
    }
}

#[tokio::test]
async fn a_run_is_given_its_connection_and_a_restart_keeps_it() {
    let server = Server::start().await;
    let id = books(&server).await;
    let second = server.desk.made(server.store.default_company(), "second", ConnectionStatus::Error).await.id;
    let workflow = server.active(WELCOME).await;
    let path = format!("/workflows/{workflow}/run");
    let body = format!(r#"{{"connectionId":"{id}","idempotencyKey":"k"}}"#);
    assert_eq!(server.post(&path, &body).await.status, 202);
    let run = server.runs.started().await;
    let other = server.post(&path, &body.replace(&id.to_string(), &second.to_string())).await;
    other.check_error(409, "CONFLICT", &[]);
    assert!(other.text("/error/message").ends_with("with another connection"), "{}", other.body);
    assert_eq!(server.post(&path, &body).await.text("/data/runId"), run.to_string());
    server.runs.finish(run).await;
    assert_eq!(server.post(&format!("/runs/{run}/restart"), "{}").await.status, 202);
    let again = server.runs.started().await;
    for run in [run, again] {
        let entries = server.store.entries(server.store.default_company(), run, 0).await.unwrap();
        let loopfour_engine::Event::RunStarted { connection, .. } = &entries[0].event else {
            panic!("{entries:?}")
        };
        assert_eq!(*connection, Some(id));
    }
}

#[tokio::test]
async fn where_credentials_come_from_is_shown() {
    let server = Server::start().await;
    let company = server.store.default_company();
    for (name, source, shown) in [
        ("environment", Source::Environment, "environment"),
        ("sandbox", Source::Sandbox, "sandbox"),
        (
            "nango",
            Source::Nango { integration: "stripe-app".to_owned(), connection: Some("n_1".to_owned()) },
            "nango",
        ),
    ] {
        let mut made = server.desk.made(company, name, ConnectionStatus::Active).await;
        made.source = source;
        let id = server.desk.keep(made).await.id;
        let reply = server.get(&format!("/connections/{id}")).await;
        assert_eq!(reply.text("/data/source"), shown);
        assert!(!reply.body.contains("n_1"), "{}", reply.body);
    }
}
