//! Connections by way of Nango: beginning, settling, tokens, and Nango's and Stripe's bad days.

use std::time::Duration;

use loopfour_engine::connections::{
    AttemptState, Authorization, AuthorizationNews, Authorize, Connection, ConnectionError, ConnectionStatus,
    Connections, Source,
};
use loopfour_engine::{Finding, Request};

use crate::desk::{
    Came, NANGO_KEY, NOW, Start, World, account, actor, json, nango_error, ok, prepare, reply, stripe_error,
    time,
};
use crate::support::COMPANY;

pub const MINUTE: i64 = 60 * 1000;
const SESSION: &str = "nango_connect_session_0123456789abcdef";
pub const TOKEN: &str = "GET /connections/nango-1";

fn integrations(providers: &[&str]) -> String {
    let item = |provider: &&str| format!(r#"{{"unique_key": "our-{provider}", "provider": "{provider}"}}"#);
    ok(&format!(r#"{{"data": [{}]}}"#, providers.iter().map(item).collect::<Vec<_>>().join(",")))
}

fn session() -> String {
    json(
        "201 Created",
        &format!(
            r#"{{"data": {{"token": "{SESSION}", "connect_link": "https://ui.example/?session_token={SESSION}", "expires_at": "2026-11-23T02:10:40.195Z"}}}}"#
        ),
    )
}

/// The connections that came of a try.
pub fn found(begun: &Authorization, ids: &[&str]) -> String {
    let item = |id: &&str| {
        format!(
            r#"{{"id": 1, "connection_id": "{id}", "provider_config_key": "our-stripe-app", "created": "2026-11-23T02:10:4{}Z", "tags": {{"attempt": "{}"}}}}"#,
            id.len(),
            begun.attempt
        )
    };
    ok(&format!(r#"{{"connections": [{}]}}"#, ids.iter().map(item).collect::<Vec<_>>().join(",")))
}

/// What Nango says of an OAuth connection.
pub fn token(secret: &str, account: &str, expires_at: Option<i64>) -> String {
    let ends = expires_at.map_or(String::new(), |at| format!(r#""expires_at": "{}","#, time(at)));
    ok(&format!(
        r#"{{"connection_id": "nango-1", "credentials": {{"type": "OAUTH2", "access_token": "{secret}", {ends} "raw": {{"stripe_user_id": "{account}", "livemode": false}}}}}}"#
    ))
}

fn key(secret: &str) -> String {
    ok(&format!(r#"{{"credentials": {{"type": "BASIC", "username": "{secret}", "password": ""}}}}"#))
}

pub async fn world(start: Start<'_>) -> World {
    let world = World::new(start).await;
    world
        .nango
        .on("GET /integrations", &[integrations(&["stripe-app", "github"])])
        .on("POST /connect/sessions", &[session()])
        .on("POST /connect/sessions/reconnect", &[session()])
        .on("GET /connections", &[ok(r#"{"connections": []}"#)])
        .on("DELETE /connections/nango-1", &[ok(r#"{"success": true}"#)]);
    world.stripe.on("GET /v1/things", &[ok("{}")]).on("GET /v1/account", &[account("acct_1")]);
    world
}

pub async fn authorize(world: &World) -> Result<Authorization, ConnectionError> {
    let wish = Authorize { provider: "stripe".to_owned(), name: "main".to_owned(), redirect_url: None };
    world.connect.authorize(COMPANY, wish, &actor()).await
}

/// A connection that was authorised, with a token for an hour.
pub async fn connected() -> (World, Connection) {
    let world = world(Start::default()).await;
    let begun = authorize(&world).await.unwrap();
    world.nango.on("GET /connections", &[found(&begun, &["nango-1"])]);
    world.nango.on(TOKEN, &[token("sk_acct_one", "acct_1", Some(NOW + 60 * MINUTE))]);
    let row = world.connect.look_at_attempt(begun.attempt, None).await.unwrap();
    assert_eq!(row.status, ConnectionStatus::Active);
    world.nango.seen();
    world.stripe.seen();
    world.shelf.actions();
    (world, row)
}

pub async fn seconds_pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

fn news(success: bool, reason: Option<&str>) -> Option<AuthorizationNews> {
    Some(AuthorizationNews { success, reason: reason.map(str::to_owned) })
}

#[tokio::test]
async fn a_link_fits_the_integration() {
    let check = async |providers: &[&str], set: Option<&str>, expected: &str| {
        let world = world(Start { integration: set, ..Start::default() }).await;
        world.nango.on("GET /integrations", &[integrations(providers)]);
        let came = match authorize(&world).await {
            Ok(begun) => begun.auth_url.replace(&world.nango.base, "NANGO"),
            Err(ConnectionError::State(message)) => message,
            Err(other) => panic!("{other:?}"),
        };
        assert!(came.contains(expected), "{came}");
    };
    let direct = format!("NANGO/oauth/connect/our-stripe-app?connect_session_token={SESSION}");
    let page = format!("https://ui.example/?session_token={SESSION}");
    check(&["github", "stripe-app"], None, &direct).await;
    check(&["stripe"], None, "NANGO/oauth/connect/our-stripe?").await;
    check(&["stripe-api-key"], None, &page).await;
    check(&["stripe-app-sandbox"], None, &page).await;
    check(&["stripe-app", "stripe-api-key"], Some("our-stripe-api-key"), &page).await;
    check(&["stripe-app", "stripe-api-key"], None, "LOOPFOUR_NANGO_STRIPE_INTEGRATION").await;
    check(&["stripe-app", "stripe"], None, "`our-stripe-app` (stripe-app), `our-stripe` (stripe)").await;
    check(&["github"], None, "has no integration for Stripe").await;
    check(&[], None, "Nango's integrations: none").await;
    check(&["stripe-app"], Some("mine"), "no integration `mine`").await;
    check(&["stripe-app", "github"], Some("our-github"), "is of the provider `github`").await;
    let none = world(Start { no_nango: true, ..Start::default() }).await;
    let error = authorize(&none).await.unwrap_err();
    assert!(
        matches!(&error, ConnectionError::State(message) if message.contains("NANGO_SECRET_KEY") && message.contains("NANGO_SERVER_URL")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_session_carries_our_tags_and_our_address_only_if_nango_can_reach_it() {
    for (public_url, address) in [
        (None, None),
        (Some("https://flow.example/base/"), Some("https://flow.example/base/webhooks/nango/")),
        (Some("http://flow.example"), None),
        (Some("https://localhost"), None),
        (Some("https://10.0.0.7"), None),
        (Some("https://[fd00::1]"), None),
        (Some("https://flow.internal"), None),
    ] {
        let world = world(Start { public_url, ..Start::default() }).await;
        let begun = authorize(&world).await.unwrap();
        let seen = world.nango.seen();
        let sent = &seen[1];
        assert!(sent.contains(&format!("authorization: Bearer {NANGO_KEY}\r\n")), "{sent}");
        assert!(sent.contains("content-type: application/json\r\n"), "{sent}");
        let body: serde_json::Value = serde_json::from_str(sent.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(body["allowed_integrations"], serde_json::json!(["our-stripe-app"]));
        assert_eq!(body["tags"]["attempt"], begun.attempt.to_string());
        assert_eq!(body["tags"]["company"], COMPANY.to_string());
        assert_eq!(body["tags"]["connection"], begun.connection.to_string());
        let own = address.map(|address| format!("{address}{}", begun.attempt));
        assert_eq!(body.get("webhook_url_override").and_then(|url| url.as_str()), own.as_deref());
        assert_eq!(begun.expires_at.0, NOW + 30 * MINUTE);
    }
}

#[tokio::test]
async fn an_authorisation_is_settled_by_asking() {
    let world = world(Start::default()).await;
    let begun = authorize(&world).await.unwrap();
    let row = world.row("main");
    assert_eq!((row.id, row.status), (begun.connection, ConnectionStatus::Pending));
    assert_eq!(world.shelf.actions(), ["connection.authorize main by person"]);
    world.nango.seen();
    let mut changes = world.connect.changes();
    // Nobody came back yet; many ask, and Nango is asked once a second.
    for _ in 0..3 {
        let (one, two) = tokio::join!(
            world.connect.look(COMPANY, row.id),
            world.connect.look_at_attempt(begun.attempt, None)
        );
        assert_eq!((one.unwrap().status, two.unwrap().status), (row.status, row.status));
    }
    let asked = format!("GET /connections?tags%5Battempt%5D={}&limit=100", begun.attempt);
    assert_eq!(world.nango.lines(), std::slice::from_ref(&asked));
    seconds_pass(1).await;
    // A link that is used twice makes two connections: the newer one counts.
    world.nango.on("GET /connections", &[found(&begun, &["nango-1", "old"])]);
    world.nango.on(TOKEN, &[token("sk_acct_one", "acct_1", Some(NOW + 60 * MINUTE))]);
    let row = world.connect.look(COMPANY, row.id).await.unwrap();
    assert_eq!((row.status, row.mode.as_deref()), (ConnectionStatus::Active, Some("test")));
    assert_eq!(row.external_account_id.as_deref(), Some("acct_1"));
    assert_eq!(row.attempt.unwrap().state, AttemptState::Succeeded { note: None });
    let connection = Some("nango-1".to_owned());
    assert_eq!(row.source, Source::Nango { integration: "our-stripe-app".to_owned(), connection });
    assert_eq!(changes.recv().await, Some(COMPANY));
    assert_eq!(world.nango.lines(), [asked, format!("{TOKEN}?provider_config_key=our-stripe-app")]);
    // A webhook that comes late, or again, changes nothing, whatever it says.
    let row = world.connect.look_at_attempt(begun.attempt, news(false, Some("late"))).await.unwrap();
    assert_eq!(row.status, ConnectionStatus::Active);
    assert!(matches!(authorize(&world).await, Err(ConnectionError::Conflict(_))));
    // The token that it was settled with is used.
    world.call(None, None).await.account();
    let sent = &world.stripe.seen()[0];
    assert!(sent.contains("authorization: Bearer sk_acct_one\r\n"), "{sent}");
    assert!(!sent.contains("stripe-account"), "{sent}");
    assert!(world.nango.lines().is_empty());
    assert!(world.shelf.secrets().is_empty(), "tokens are in memory alone");
}

#[tokio::test]
async fn a_denied_authorisation_leaves_the_connection_as_it_was() {
    let world = world(Start::default()).await;
    let begun = authorize(&world).await.unwrap();
    let denied = news(false, Some("invalid_callback: the user said no"));
    let row = world.connect.look_at_attempt(begun.attempt, denied).await.unwrap();
    assert_eq!(row.status, ConnectionStatus::Pending);
    assert!(row.last_error.unwrap().contains("the user said no"));
    assert!(matches!(row.attempt.unwrap().state, AttemptState::Failed { .. }));
    // A link that is asked for again is the same connection, by another try.
    let again = authorize(&world).await.unwrap();
    assert_eq!(again.connection, begun.connection);
    assert!(matches!(
        world.connect.look_at_attempt(begun.attempt, None).await,
        Err(ConnectionError::Missing(_))
    ));
    // And a webhook that lies does not keep Nango from being asked.
    world.nango.on("GET /connections", &[found(&again, &["nango-1"])]);
    world.nango.on(TOKEN, &[token("sk_acct_one", "acct_1", None)]);
    let row = world.connect.look_at_attempt(again.attempt, news(false, None)).await.unwrap();
    assert_eq!(row.status, ConnectionStatus::Active);
}

#[tokio::test]
async fn what_comes_back_is_looked_at() {
    let check = async |answer: String, stripe: String, expected: Result<&str, &str>| {
        let world = world(Start::default()).await;
        let begun = authorize(&world).await.unwrap();
        world.nango.on("GET /connections", &[found(&begun, &["nango-1"])]).on(TOKEN, &[answer]);
        world.stripe.on("GET /v1/account", &[stripe]);
        let row = world.connect.look(COMPANY, begun.connection).await.unwrap();
        match (expected, row.attempt.as_ref().map(|attempt| &attempt.state)) {
            (Ok(account), Some(AttemptState::Succeeded { note: None })) => {
                assert!(row.external_account_id.unwrap().starts_with(account));
            }
            (Err("open"), Some(AttemptState::Open)) => assert_eq!(row.last_error, None),
            (Err(piece), Some(AttemptState::Failed { reason })) => {
                assert!(reason.contains(piece), "{reason}");
                assert!(!reason.contains("secretsecret"), "{reason}");
                assert_eq!(row.status, ConnectionStatus::Pending);
            }
            (expected, state) => panic!("{expected:?} {state:?}"),
        }
    };
    let known = || account("acct_1");
    check(key("rk_test_secretsecret"), known(), Ok("acct_1")).await;
    check(key("rk_test_secretsecret"), stripe_error("403 Forbidden"), Ok("key:")).await;
    check(key("rk_test_secretsecret"), stripe_error("401 Unauthorized"), Err("Stripe refuses it")).await;
    check(key("rk_test_secretsecret"), reply("500 Oops", "", ""), Err("open")).await;
    check(key("secretsecret"), known(), Err("no key or token of Stripe's")).await;
    check(token("sk_acct", "acct_1", None), known(), Ok("acct_1")).await;
    check(token("sk_acct", "acct_1", Some(NOW)), known(), Err("ended already")).await;
    check(ok(r#"{"credentials": {}}"#), known(), Err("open")).await;
    check(ok(r#"{"credentials": {"type": "JWT", "token": "secretsecret"}}"#), known(), Err("type JWT")).await;
    check(
        ok(r#"{"credentials": {"type": "OAUTH2", "access_token": "sk_x", "expires_at": "soon"}}"#),
        known(),
        Err("open"),
    )
    .await;
    check(nango_error("400 Bad", "invalid_credentials"), known(), Err("does not renew")).await;
    check(reply("200 OK", "", "<html>"), known(), Err("open")).await;
    check(reply("502 Bad", "", "<html>"), known(), Err("open")).await;
}

#[tokio::test]
async fn whoever_waits_is_told_that_nango_does_not_answer() {
    let world = world(Start::default()).await;
    let begun = authorize(&world).await.unwrap();
    let told = async |expected: &str| match world.connect.look_at_attempt(begun.attempt, None).await {
        Err(ConnectionError::Unavailable(message)) => {
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("127.0.0.1"), "{message}");
        }
        other => panic!("{other:?}"),
    };
    world.nango.on("GET /connections", &[reply("503 Oops", "", "")]).seen();
    told("Nango does not answer").await;
    told("Nango does not answer").await;
    assert_eq!(world.nango.lines().len(), 1, "it is not asked more often for that");
    // The connection itself can be looked at all the same.
    assert_eq!(
        world.connect.look(COMPANY, begun.connection).await.unwrap().status,
        ConnectionStatus::Pending
    );
    world
        .nango
        .on("GET /connections", &[found(&begun, &["nango-1"])])
        .on(TOKEN, &[reply("503 Oops", "", "")]);
    seconds_pass(2).await;
    told("it is authorised").await;
    // What is said of a try that failed is not hidden by that.
    let row = world.connect.look_at_attempt(begun.attempt, news(false, Some("no"))).await.unwrap();
    assert!(matches!(row.attempt.unwrap().state, AttemptState::Failed { .. }));
}

#[tokio::test]
async fn links_of_one_name_at_once_are_of_one_connection() {
    let world = world(Start::default()).await;
    let (one, two) = tokio::join!(authorize(&world), authorize(&world));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.connection, two.connection);
    let open = world.row("main").attempt.unwrap().id;
    let over = if open == one.attempt { two.attempt } else { one.attempt };
    assert!(world.connect.look_at_attempt(open, None).await.is_ok());
    let gone = world.connect.look_at_attempt(over, None).await;
    assert!(matches!(gone, Err(ConnectionError::Missing(_))), "{gone:?}");
}

#[tokio::test]
async fn a_try_ends_after_half_an_hour() {
    let world = world(Start::default()).await;
    let begun = authorize(&world).await.unwrap();
    world.clock.advance(30 * MINUTE - 1);
    assert!(world.connect.look(COMPANY, begun.connection).await.is_ok());
    world.clock.advance(1);
    let gone = world.connect.look(COMPANY, begun.connection).await;
    assert!(matches!(gone, Err(ConnectionError::Missing(_))), "{gone:?}");
    assert!(world.shelf.rows().is_empty());
    // One that was open when the process ended goes with the next start, without anybody looking.
    authorize(&world).await.unwrap();
    world.clock.advance(30 * MINUTE);
    let world = world.again(Start::default()).await;
    world.shelf.empties().await;
}

#[tokio::test]
async fn a_token_is_fetched_once_for_all_and_renewed_before_it_ends() {
    let (world, _) = connected().await;
    let bound = world.call(None, None).await.account();
    // In memory only: after a start it is fetched, once for all that wait.
    let world = world.again(Start::default()).await;
    let all = tokio::join!(
        world.call(None, Some(&bound)),
        world.call(None, Some(&bound)),
        world.call(None, Some(&bound)),
        world.call(None, Some(&bound)),
    );
    for came in [all.0, all.1, all.2, all.3] {
        assert_eq!(came.account(), bound);
    }
    assert_eq!(world.nango.lines(), [format!("{TOKEN}?provider_config_key=our-stripe-app")]);
    // A quarter of an hour before its end it is asked for anew; meanwhile, and if that fails, it is used.
    world.nango.on(TOKEN, &[reply("500 Oops", "", "")]);
    world.clock.advance(45 * MINUTE);
    seconds_pass(31).await;
    world.call(None, Some(&bound)).await.account();
    world.nango.arrives().await;
    assert_eq!(world.nango.lines().len(), 1);
    world.clock.advance(15 * MINUTE - 1);
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
    assert!(world.stripe.seen().iter().all(|request| request.contains("Bearer sk_acct_one\r\n")));
    assert!(world.nango.lines().is_empty(), "nobody asks again so soon");
    // At its end it is not used any more: runs wait.
    world.clock.advance(1);
    world.call(None, Some(&bound)).await.no_connection("status 500");
    assert_eq!(world.row("main").status, ConnectionStatus::Active);
    assert!(world.stripe.lines().is_empty());
    // And go on.
    world.nango.on(TOKEN, &[token("sk_acct_two", "acct_1", Some(NOW + 120 * MINUTE))]);
    seconds_pass(2).await;
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
    assert!(world.stripe.seen()[0].contains("Bearer sk_acct_two\r\n"));
}

#[tokio::test]
async fn a_token_without_an_end_is_not_renewed_by_time() {
    let (world, _) = connected().await;
    world.nango.on(TOKEN, &[token("sk_connect", "acct_1", None)]);
    let world = world.again(Start::default()).await;
    let bound = world.call(None, None).await.account();
    world.clock.advance(10_000 * MINUTE);
    seconds_pass(600).await;
    world.call(None, Some(&bound)).await.account();
    assert_eq!(world.nango.lines().len(), 1);
}

#[tokio::test]
async fn nangos_trouble_holds_runs_up_or_ends_the_connection() {
    let check = async |answer: String, status: ConnectionStatus, piece: &str| {
        let (world, _) = connected().await;
        let bound = world.call(None, None).await.account();
        world.nango.on(TOKEN, &[answer]);
        let world = world.again(Start::default()).await;
        let sending = prepare(&world.connect, COMPANY, None, Some(&bound)).unwrap();
        for _ in 0..3 {
            match world.send(sending.clone()).await {
                Came::Failed(Finding::NoConnection, message) if status == ConnectionStatus::Active => {
                    assert!(message.contains(piece), "{message}");
                    assert!(!message.contains(NANGO_KEY), "{message}");
                }
                Came::Failed(Finding::Unauthorized, message) if status != ConnectionStatus::Active => {
                    assert!(message.contains(piece), "{message}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(world.nango.lines().len(), 1, "Nango is not hammered");
        let row = world.row("main");
        assert_eq!(row.status, status);
        if status != ConnectionStatus::Active {
            assert!(row.last_error.unwrap().contains("auth-url?connectionName=main"));
            assert_eq!(world.shelf.actions(), ["connection.error main by connections"]);
        }
        assert!(world.stripe.lines().iter().all(|line| line == "GET /v1/things"));
        // It goes on once Nango gives a token again.
        world.nango.on(TOKEN, &[token("sk_acct_two", "acct_1", Some(NOW + 60 * MINUTE))]);
        seconds_pass(61).await;
        assert_eq!(world.send(sending.clone()).await, Came::Done(bound.clone()));
        assert_eq!(world.row("main").status, ConnectionStatus::Active);
    };
    let (active, error) = (ConnectionStatus::Active, ConnectionStatus::Error);
    check(reply("500 Oops", "", ""), active, "answered with status 500").await;
    check(nango_error("500 Oops", "server_error"), active, "answered with status 500").await;
    check(reply("200 OK", "", "<html>"), active, "cannot be read").await;
    check(reply("404 Not Found", "", "<html>no</html>"), active, "answered with status 404").await;
    check(reply("429 Slow", "Retry-After: 40\r\n", ""), active, "asks for fewer calls").await;
    check(nango_error("401 No", "unknown_account"), active, "401 unknown_account").await;
    check(nango_error("403 No", "forbidden"), active, "403 forbidden").await;
    check(ok(r#"{"credentials": {}}"#), active, "read_credentials").await;
    check(nango_error("404 No", "not_found"), error, "has the connection no more").await;
    check(nango_error("400 No", "unknown_provider_config"), error, "integration of the connection no more")
        .await;
    check(nango_error("400 No", "invalid_credentials"), error, "does not renew").await;
    check(nango_error("424 No", "invalid_credentials"), error, "does not renew").await;
    check(token("sk_acct_one", "acct_1", Some(NOW)), ConnectionStatus::Expired, "the token ended").await;
}

#[tokio::test]
async fn a_limit_of_nangos_is_kept_to_by_all() {
    let (world, _) = connected().await;
    let bound = world.call(None, None).await.account();
    world.nango.on(TOKEN, &[reply("429 Slow", "Retry-After: 40\r\n", "")]);
    let world = world.again(Start::default()).await;
    world.call(None, Some(&bound)).await.no_connection("asks for fewer calls");
    world.nango.lines();
    seconds_pass(38).await;
    let wish = Authorize { provider: "stripe".to_owned(), name: "more".to_owned(), redirect_url: None };
    let refused = world.connect.authorize(COMPANY, wish, &actor()).await;
    assert!(matches!(refused, Err(ConnectionError::Unavailable(_))), "{refused:?}");
    world.call(None, Some(&bound)).await.no_connection("asks for fewer calls");
    assert!(world.nango.lines().is_empty());
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all_and_the_call_sent_again() {
    let (world, _) = connected().await;
    let bound = world.call(None, None).await.account();
    world.nango.on(TOKEN, &[token("sk_acct_two", "acct_1", Some(NOW + 60 * MINUTE))]);
    world.stripe.refuse("sk_acct_one").on("GET /v1/things", &[ok("{}")]).seen();
    let all = tokio::join!(
        world.call(None, Some(&bound)),
        world.call(None, Some(&bound)),
        world.call(None, Some(&bound))
    );
    for came in [all.0, all.1, all.2] {
        assert_eq!(came.account(), bound);
    }
    let forced = format!("{TOKEN}?provider_config_key=our-stripe-app&force_refresh=true");
    assert_eq!(world.nango.lines(), [forced]);
    // Whoever comes late has the new one at once.
    assert!((4..=6).contains(&world.stripe.lines().len()));
    assert!(world.shelf.actions().is_empty());
}

#[tokio::test]
async fn a_token_that_is_refused_for_good_makes_an_error() {
    for (answer, sent) in [
        (token("sk_acct_one", "acct_1", Some(NOW + 60 * MINUTE)), 1),
        (token("sk_acct_two", "acct_1", Some(NOW + 60 * MINUTE)), 2),
        (nango_error("400 No", "invalid_credentials"), 1),
    ] {
        let (world, row) = connected().await;
        let bound = world.call(None, None).await.account();
        world.stripe.on("GET /v1/things", &[stripe_error("401 Unauthorized")]).seen();
        world.nango.on(TOKEN, &[answer]);
        let sending = prepare(&world.connect, COMPANY, None, Some(&bound)).unwrap();
        for _ in 0..3 {
            assert!(matches!(world.send(sending.clone()).await, Came::Failed(Finding::Unauthorized, _)));
        }
        assert_eq!((world.stripe.lines().len(), world.nango.lines().len()), (sent, 1));
        assert_eq!(world.shelf.actions(), ["connection.error main by connections"]);
        let error = world.row("main");
        assert_eq!((error.id, error.status), (row.id, ConnectionStatus::Error));
        world.call(None, Some(&bound)).await.waits("");
        // It is connected again, with the same tags, and keeps its id on both sides.
        let begun = authorize(&world).await.unwrap();
        assert_eq!((begun.connection, world.row("main").status), (row.id, ConnectionStatus::Error));
        let seen = world.nango.seen();
        let body = seen[1].split("\r\n\r\n").nth(1).unwrap();
        assert!(seen[1].starts_with("POST /connect/sessions/reconnect "), "{}", seen[1]);
        assert!(body.contains(r#""connection_id":"nango-1","integration_id":"our-stripe-app""#), "{body}");
        assert!(body.contains(&begun.attempt.to_string()) && body.contains(&row.id.to_string()), "{body}");
        world.nango.on("GET /connections", &[found(&begun, &["nango-1"])]);
        world.nango.on(TOKEN, &[token("sk_acct_new", "acct_1", Some(NOW + 60 * MINUTE))]);
        world.stripe.on("GET /v1/things", &[ok("{}")]);
        let mut changes = world.connect.changes();
        world.connect.look_at_attempt(begun.attempt, news(true, None)).await.unwrap();
        assert_eq!(changes.recv().await, Some(COMPANY));
        assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
        assert!(world.stripe.seen()[0].contains("Bearer sk_acct_new\r\n"));
    }
}

#[tokio::test]
async fn while_nango_is_away_a_refused_token_makes_no_error() {
    let (world, _) = connected().await;
    let bound = world.call(None, None).await.account();
    world.stripe.on("GET /v1/things", &[stripe_error("401 Unauthorized"), ok("{}")]);
    world.nango.on(TOKEN, &[reply("503 Oops", "", ""), token("sk_acct_two", "acct_1", None)]);
    world.call(None, Some(&bound)).await.no_connection("status 503");
    assert_eq!(world.row("main").status, ConnectionStatus::Active);
    seconds_pass(2).await;
    assert_eq!(world.call(None, Some(&bound)).await.account(), bound);
    assert!(world.nango.lines().iter().all(|line| line.ends_with("force_refresh=true")));
}

#[tokio::test]
async fn another_account_is_not_taken_for_the_one_before() {
    let (world, row) = connected().await;
    let bound = world.call(None, None).await.account();
    let sending: Request = prepare(&world.connect, COMPANY, None, Some(&bound)).unwrap();
    world.connect.disconnect(COMPANY, row.id, &actor()).await.unwrap();
    assert_eq!(world.nango.lines(), ["DELETE /connections/nango-1?provider_config_key=our-stripe-app"]);
    let begun = authorize(&world).await.unwrap();
    assert_eq!(begun.connection, row.id);
    world.nango.on("GET /connections", &[found(&begun, &["nango-1"])]);
    world.nango.on(TOKEN, &[token("sk_acct_else", "acct_2", Some(NOW + 60 * MINUTE))]);
    let row = world.connect.look_at_attempt(begun.attempt, None).await.unwrap();
    assert_eq!(row.status, ConnectionStatus::Active);
    let note = row.last_error.clone().unwrap();
    assert!(note.contains("acct_2 in place of acct_1"), "{note}");
    assert_eq!(row.attempt.unwrap().state, AttemptState::Succeeded { note: Some(note) });
    world.stripe.seen();
    world.call(None, Some(&bound)).await.waits("acct_2");
    assert!(matches!(world.send(sending.clone()).await, Came::Failed(Finding::NoConnection, _)));
    assert!(world.stripe.lines().is_empty(), "nothing was sent");
    // Nor when it comes by itself, with a token that is renewed.
    world.nango.on(TOKEN, &[token("sk_acct_third", "acct_3", Some(NOW + 120 * MINUTE))]);
    let second = world.call(None, None).await.account();
    world.clock.advance(61 * MINUTE);
    world.stripe.seen();
    world.call(None, Some(&second)).await.no_connection("acct_3");
    world.call(None, Some(&second)).await.waits("acct_3");
    assert!(world.stripe.lines().is_empty());
    assert_eq!(world.row("main").external_account_id.as_deref(), Some("acct_3"));
}

#[tokio::test]
async fn what_ended_is_erased_at_nango_or_it_is_said_that_it_is_not() {
    let (world, row) = connected().await;
    world.nango.on("DELETE /connections/nango-1", &[reply("500 Oops", "", "")]);
    let row = world.connect.disconnect(COMPANY, row.id, &actor()).await.unwrap();
    assert_eq!(row.status, ConnectionStatus::Disconnected);
    assert!(row.last_error.unwrap().contains("delete the connection nango-1 there"));
    let (world, row) = connected().await;
    world.nango.on("DELETE /connections/nango-1", &[nango_error("400 No", "unknown_connection")]);
    assert_eq!(world.connect.disconnect(COMPANY, row.id, &actor()).await.unwrap().last_error, None);
    assert!(matches!(world.call(None, None).await, Came::Refused(_)));
}

#[tokio::test]
async fn nothing_of_a_session_or_a_token_is_shown() {
    let (world, _) = connected().await;
    world.nango.on("POST /connect/sessions", &[ok(&format!(r#"{{"data": "{SESSION}"}}"#))]);
    let wish = Authorize { provider: "stripe".to_owned(), name: "more".to_owned(), redirect_url: None };
    let error = world.connect.authorize(COMPANY, wish, &actor()).await.unwrap_err();
    let shown = format!("{error:?} {error} {:?} {:?}", world.connect, world.shelf.rows());
    for secret in [SESSION, "sk_acct_one", NANGO_KEY] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
