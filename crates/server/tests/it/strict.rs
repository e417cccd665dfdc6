//! Bad input: each a 4xx that says what and where, and nothing is stored.

use crate::server::{Reply, Server, WELCOME};

const KIB: usize = 1024;

async fn create(server: &Server, body: impl Into<Vec<u8>>) -> Reply {
    server.request("POST /api/v1/workflows").body(body).send().await
}

#[tokio::test]
async fn a_bad_definition_is_refused_with_the_place() {
    let server = Server::start().await;
    let with = |from: &str, to: &str| {
        assert!(WELCOME.contains(from), "{from}");
        WELCOME.replacen(from, to, 1).into_bytes()
    };
    let long_name = "n".repeat(256);
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let rows: Vec<(&str, Vec<u8>, &str, u64)> = vec![
        ("unparsable", with("\"Welcome\"", ""), "", 2),
        ("cut off", WELCOME.as_bytes()[..200].to_vec(), "", 6),
        ("empty object", b"{}".to_vec(), "name", 1),
        ("duplicate key", with("\"Welcome\",", "\"Welcome\", \"name\": \"x\","), "name", 2),
        (
            "duplicate key far in",
            with("\"right\": 0", "\"right\": 0, \"right\": 1"),
            "steps[1].config.conditions.right",
            7,
        ),
        ("a step that names itself", with("[\"create\"]", "[\"check\"]"), "steps[1].config.then[0]", 8),
        ("unknown action", with("stripe.createCustomer", "stripe.createInvoce"), "steps[2].action", 10),
        (
            "missing config",
            with("stripe.createCustomer", "stripe.finalizeInvoice"),
            "steps[2].config.invoiceId",
            10,
        ),
        (
            "unknown config key",
            with("{\"email\": \"{{input.email}}\"}", "{\"emial\": \"x\"}"),
            "steps[0].config.emial",
            5,
        ),
        ("unknown key", with("\"name\"", "\"x\": 1, \"name\""), "x", 2),
        ("long name", with("Welcome", &long_name), "name", 2),
        ("nesting of 10000", with("\"Welcome\"", &deep(10_000)), "", 2),
        ("nesting of 65", with("\"Welcome\"", &deep(64)), "", 2),
        ("lone surrogate", with("Welcome", "\\ud800"), "", 2),
        ("number without end", with("\"right\": 0", "\"right\": 1e999"), "", 7),
        ("number too large", with("\"right\": 0", "\"right\": 9223372036854775808"), "", 7),
        ("byte-order mark", [b"\xef\xbb\xbf", WELCOME.as_bytes()].concat(), "", 1),
        (
            "invalid UTF-8",
            {
                let mut bytes = WELCOME.as_bytes().to_vec();
                bytes[15] = 0xff;
                bytes
            },
            "",
            2,
        ),
        ("two documents", [WELCOME.as_bytes(), b"{}"].concat(), "", 12),
        ("an array", b"[]".to_vec(), "", 1),
    ];
    for (what, body, field, line) in rows {
        let reply = create(&server, body).await;
        assert_eq!(
            (reply.status, &*reply.text("/error/code")),
            (400, "VALIDATION_ERROR"),
            "{what}: {}",
            reply.body
        );
        let json = reply.json();
        let details = json["error"]["details"].as_array().unwrap();
        let place = |one: &&serde_json::Value| one["field"] == field && one["line"] == line;
        let found = details.iter().find(place).unwrap_or_else(|| panic!("{what}: {}", reply.body));
        assert!(!found["message"].as_str().unwrap().is_empty(), "{what}: {}", reply.body);
    }
    assert_eq!(server.workflows().await, 0);
    let name = with("Welcome", &"n".repeat(255));
    assert_eq!(create(&server, name).await.status, 201);
}

#[tokio::test]
async fn every_other_body_is_as_strict() {
    let server = Server::start().await;
    let id = server.active(WELCOME).await;
    let deep = |levels: usize| format!("{{\"input\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let bodies: [(&str, Vec<u8>); 10] = [
        ("unparsable", b"{".to_vec()),
        ("duplicate key", br#"{"input":1,"input":2}"#.to_vec()),
        ("duplicate key far in", br#"{"input":{"a":[{"b":1,"b":2}]}}"#.to_vec()),
        ("nesting of 65", deep(64).into_bytes()),
        ("nesting of 10000", deep(10_000).into_bytes()),
        ("lone surrogate", br#"{"input":"\udc00"}"#.to_vec()),
        ("byte-order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("invalid UTF-8", b"{\"input\":\"\xc0\x80\"}".to_vec()),
        ("number out of range", br#"{"input":1e400}"#.to_vec()),
        ("no object", b"null".to_vec()),
    ];
    for (what, body) in bodies {
        let lines = [
            format!("POST /api/v1/workflows/{id}/run"),
            format!("POST /api/v1/workflows/{id}/activate"),
            format!("PUT /api/v1/workflows/{id}"),
            "POST /api/v1/keys".to_owned(),
        ];
        for line in lines {
            let reply = server.request(&line).body(body.clone()).send().await;
            assert_eq!(
                (reply.status, &*reply.text("/error/code")),
                (400, "VALIDATION_ERROR"),
                "{line}, {what}"
            );
            assert!(!reply.text("/error/details/0/message").is_empty(), "{line}, {what}");
        }
    }
    assert_eq!(server.get("/runs").await.json()["data"], serde_json::json!([]));
    assert_eq!(server.post(&format!("/workflows/{id}/run"), &deep(63)).await.status, 202);
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_413() {
    let server = Server::start().await;
    let padded = |size: usize| [WELCOME.as_bytes(), " ".repeat(size - WELCOME.len()).as_bytes()].concat();
    assert_eq!(create(&server, padded(KIB * KIB)).await.status, 201);
    for size in [KIB * KIB + 1, 20_000_000] {
        let reply = create(&server, padded(size)).await;
        reply.check(
            r#"413 {"success":false,"error":{"code":"PAYLOAD_TOO_LARGE","message":"the body is larger than 1048576 bytes"}}"#,
        );
    }
    // Without a length it is only known on the way.
    let request = server.request("POST /api/v1/workflows");
    let request = request.header("transfer-encoding: chunked").header("content-type: application/json");
    let mut bytes = request.bytes();
    for _ in 0..320 {
        bytes.extend(format!("{:x}\r\n{}\r\n", 64 * KIB, " ".repeat(64 * KIB)).into_bytes());
    }
    bytes.extend(b"0\r\n\r\n");
    server.raw(&bytes).await.check_error(413, "PAYLOAD_TOO_LARGE", &[]);
    assert_eq!(server.workflows().await, 1);
}

#[tokio::test]
async fn a_body_that_says_it_is_no_json_is_415() {
    let server = Server::start().await;
    for header in [
        "content-type: text/plain",
        "content-type: application/x-www-form-urlencoded",
        "content-type: application/jsonx",
        "content-type: application/json; charset=latin1",
        "content-type: application/json\r\ncontent-encoding: gzip",
        "content-type:",
    ] {
        let reply = server.request("POST /api/v1/workflows").header(header).body(WELCOME).send().await;
        reply.check_error(415, "UNSUPPORTED_MEDIA_TYPE", &[]);
    }
    for header in
        ["content-type: application/json;charset=UTF-8", "content-type: Application/JSON ; charset=\"utf-8\""]
    {
        let reply = server.request("POST /api/v1/workflows").header(header).body(WELCOME).send().await;
        assert_eq!(reply.status, 201, "{header}");
    }
    let untyped = server.request("POST /api/v1/workflows").send().await;
    untyped.check_error(415, "UNSUPPORTED_MEDIA_TYPE", &[]);
}
