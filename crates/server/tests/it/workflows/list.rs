use crate::server::{Server, WELCOME};

#[tokio::test]
async fn workflows_are_listed_newest_first_page_by_page() {
    let server = Server::start().await;
    for name in ["one", "two", "three"] {
        server.draft(&WELCOME.replace("Welcome", name)).await;
        server.clock.advance(1);
    }
    let first = server.get("/workflows?limit=1").await;
    let cursor = first.text("/meta/cursor");
    assert_eq!(
        first.show().replace(&cursor, "CURSOR").replace(&crate::server::without_uuids(&cursor), "CURSOR"),
        concat!(
            r#"200 {"success":true,"data":[{"id":"wf_*","name":"three","status":"draft","version":1,"#,
            r#""createdAt":"2026-01-02T03:04:05.680Z","updatedAt":"2026-01-02T03:04:05.680Z"}],"#,
            r#""meta":{"cursor":"CURSOR","hasMore":true}}"#
        )
    );
    for other in ["runs", "keys"] {
        let refused = server.get(&format!("/{other}?cursor={cursor}")).await;
        refused.check_error(400, "VALIDATION_ERROR", &["cursor: `cursor` comes from another list"]);
    }
    let rest = server.get(&format!("/workflows?limit=2&cursor={cursor}")).await.json();
    assert_eq!(names(&rest), ["two", "one"]);
    assert_eq!(rest["meta"], serde_json::json!({"hasMore": false}));
    assert_eq!(names(&server.get("/workflows?order=asc").await.json()), ["one", "two", "three"]);
    assert_eq!(names(&server.get("/workflows?search=T").await.json()), ["three", "two"]);
    assert_eq!(names(&server.get("/workflows?status=active").await.json()), [""; 0]);
}

fn names(list: &serde_json::Value) -> Vec<String> {
    let rows = list["data"].as_array().unwrap();
    rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn everything_wrong_with_a_query_is_said_at_once() {
    let server = Server::start().await;
    let query = "limit=101&status=live&cursor=x&order=up&limt=3&search=a&search=b";
    server.get(&format!("/workflows?{query}")).await.check_error(
        400,
        "VALIDATION_ERROR",
        &[
            "status: `status` must be one of draft, active, paused, archived, not `live`",
            "search: `search` is given more than once",
            "limit: `limit` must be a whole number from 1 to 100, not `101`",
            "cursor: `x` is not a cursor that a list gave",
            "order: `order` must be one of desc, asc, not `up`",
            "limt: unknown parameter `limt`",
        ],
    );
    for limit in ["0", "-1", "+5", "1.0", "", "99999999999", "%31%30%31"] {
        let reply = server.get(&format!("/workflows?limit={limit}")).await;
        assert_eq!(reply.text("/error/details/0/field"), "limit", "{limit}");
    }
}
