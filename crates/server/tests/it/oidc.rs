//! Sign-in by OpenID, with a provider that says what it is told to say.

use std::sync::{Arc, Mutex};

use loopfour_engine::Actor;
use loopfour_engine::identity::{Identity, IdentityProvider, SignIn, SignInError};
use loopfour_engine::ports::BoxFuture;
use loopfour_server::rate::RateLimits;
use loopfour_store::{MemberChange, Role};
use uuid::Uuid;

use crate::server::{Reply, Server};

/// A provider: it takes a code that is the nonce of the sign-in, and then answers with a person.
pub struct Fake {
    answer: Mutex<Result<Identity, SignInError>>,
}

impl Fake {
    pub fn new(answer: Result<Identity, SignInError>) -> Fake {
        Fake { answer: Mutex::new(answer) }
    }

    /// What it answers from now on.
    fn say(&self, answer: Result<Identity, SignInError>) {
        *self.answer.lock().unwrap() = answer;
    }

    pub fn person(subject: &str, email: Option<&str>, groups: &[&str]) -> Identity {
        Identity {
            issuer: "https://login.example".to_owned(),
            subject: subject.to_owned(),
            email: email.map(str::to_owned),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        }
    }
}

impl IdentityProvider for Fake {
    fn begin<'a>(&'a self, redirect_uri: &'a str) -> BoxFuture<'a, Result<SignIn, SignInError>> {
        let answer = self.answer.lock().unwrap().clone();
        if let Err(SignInError::Unavailable(cause)) = answer {
            return Box::pin(std::future::ready(Err(SignInError::Unavailable(cause))));
        }
        let (state, nonce) = (Uuid::new_v4().simple().to_string(), Uuid::new_v4().simple().to_string());
        // A real one keeps the nonce to itself until it is in the token.
        let url = format!(
            "https://login.example/authorize?state={state}&nonce={nonce}&redirect_uri={redirect_uri}"
        );
        Box::pin(std::future::ready(Ok(SignIn { url, state, nonce, verifier: "verifier".to_owned() })))
    }

    fn finish<'a>(
        &'a self,
        sign_in: SignIn,
        _: &'a str,
        code: &'a str,
    ) -> BoxFuture<'a, Result<Identity, SignInError>> {
        let answer = self.answer.lock().unwrap().clone();
        let good = sign_in.nonce == code && sign_in.verifier == "verifier";
        let refused = || Err(SignInError::Refused("the token has another nonce".to_owned()));
        Box::pin(std::future::ready(if good { answer } else { refused() }))
    }
}

/// Begins a sign-in: the address that the provider sends back to, and the cookie.
pub async fn begun(server: &Server, query: &str) -> (String, String) {
    let reply = server.request(&format!("GET /api/v1/session/oidc{query}")).without_key().send().await;
    assert_eq!(reply.status, 303, "{}", reply.body);
    let place = &reply.headers["location"];
    let part = |name: &str| place.split(&format!("{name}=")).nth(1).unwrap().split('&').next().unwrap();
    let cookie = reply.headers["set-cookie"].split(';').next().unwrap().to_owned();
    (format!("/api/v1/session/oidc/callback?state={}&code={}", part("state"), part("nonce")), cookie)
}

const MAIL: &str = "ada@example.com";

/// A server with a provider that answers so.
async fn server(answer: Result<Identity, SignInError>) -> (Server, Arc<Fake>) {
    let fake = Arc::new(Fake::new(answer));
    let provider = Arc::clone(&fake);
    let server = Server::made(|services, settings| {
        services.identity = Some(provider);
        let roles = [("readers", Role::Viewer), ("makers", Role::Builder), ("bosses", Role::Admin)];
        settings.roles = roles.map(|(group, role)| (group.to_owned(), role)).into();
    })
    .await;
    (server, fake)
}

async fn back(server: &Server, path: &str, cookie: &str) -> Reply {
    server.request(&format!("GET {path}")).without_key().header(&format!("cookie: {cookie}")).send().await
}

/// Goes there and back.
async fn signed_in(server: &Server) -> Reply {
    let (path, cookie) = begun(server, "").await;
    back(server, &path, &cookie).await
}

/// Who the session is that a sign-in gave: company, name, how many scopes.
async fn who(server: &Server, reply: &Reply) -> (String, String, usize) {
    assert_eq!(reply.status, 303, "{}", reply.body);
    let cookies = reply.all("set-cookie");
    let session = cookies.iter().find_map(|cookie| cookie.strip_prefix("loopfour_session=")).unwrap();
    let me = server.request("GET /api/v1/me").session(session.split(';').next().unwrap()).send().await;
    let scopes = me.json()["data"]["scopes"].as_array().unwrap().len();
    (me.text("/data/company/name"), me.text("/data/holder/name"), scopes)
}

/// A page with a reason, and no session.
#[track_caller]
fn refused(reply: &Reply, status: u16, why: &str) {
    assert_eq!(reply.status, status, "{}", reply.body);
    assert!(reply.headers["content-type"].starts_with("text/html"), "{:?}", reply.headers);
    assert!(reply.headers["content-security-policy"].starts_with("default-src 'none'"));
    assert!(reply.body.contains(why), "{}", reply.body);
    assert!(!reply.headers.contains_key("set-cookie") && !reply.headers.contains_key("location"));
}

#[tokio::test]
async fn a_member_goes_to_the_provider_and_comes_back_signed_in() {
    let (server, _) = server(Ok(Fake::person("1", Some("Ada@Example.com"), &[]))).await;
    server.post("/members", &format!(r#"{{"email":"{MAIL}","role":"operator"}}"#)).await;
    let there = server
        .request("GET /api/v1/session/oidc?redirect=%2Fruns%3Fstatus%3Dfailed")
        .without_key()
        .send()
        .await;
    let place = there.headers["location"].clone();
    let callback = format!("redirect_uri=http://{}/api/v1/session/oidc/callback", server.address);
    assert!(place.starts_with("https://login.example/authorize?") && place.ends_with(&callback), "{place}");
    let attributes = there.headers["set-cookie"].split_once("; ").unwrap().1;
    assert_eq!(attributes, "Path=/api/v1/session/oidc; Max-Age=600; HttpOnly; SameSite=Lax");
    assert!(!there.headers["set-cookie"].contains("verifier"));
    let (path, cookie) = begun(&server, "?redirect=%2Fruns%3Fstatus%3Dfailed").await;
    let reply = back(&server, &format!("{path}&session_state=x&iss=y"), &cookie).await;
    assert_eq!(reply.headers["location"], "/runs?status=failed");
    assert_eq!(who(&server, &reply).await, ("default".to_owned(), MAIL.to_owned(), 4));
    let cookies = reply.all("set-cookie");
    assert!(
        cookies
            .iter()
            .any(|one| one.starts_with("loopfour_session=") && one.contains("HttpOnly; SameSite=Lax"))
    );
    assert!(
        cookies.iter().any(|one| one.starts_with("loopfour_oidc=; ") && one.contains("Max-Age=0")),
        "{cookies:?}"
    );
    let opened = server.get("/audit?action=session.open").await;
    assert_eq!(
        (opened.text("/data/0/actor/name"), opened.text("/data/0/address")),
        (MAIL.to_owned(), "127.0.0.1".to_owned())
    );
    // With nowhere to go, the page says who is signed in.
    assert_eq!(signed_in(&server).await.headers["location"], "/login");
}

#[tokio::test]
async fn what_comes_back_counts_once_in_time_and_in_its_browser() {
    let (server, _) = server(Ok(Fake::person("1", Some(MAIL), &["readers"]))).await;
    let (path, cookie) = begun(&server, "").await;
    let (other_path, other_cookie) = begun(&server, "").await;
    let none = server.request(&format!("GET {path}")).without_key().send().await;
    refused(&none, 401, "did not begin in this browser");
    refused(&back(&server, &path, &other_cookie).await, 401, "did not begin in this browser");
    refused(
        &back(&server, &path, &format!("{cookie}; {cookie}")).await,
        401,
        "did not begin in this browser",
    );
    let forged = "/api/v1/session/oidc/callback?state=forged&code=x";
    refused(&back(&server, forged, "loopfour_oidc=forged").await, 401, "was used already");
    refused(&back(&server, forged, &cookie).await, 401, "did not begin in this browser");
    for query in ["", "?code=x", "?state=&code=x", "?state", "?error=access_denied"] {
        let path = format!("/api/v1/session/oidc/callback{query}");
        assert_eq!(back(&server, &path, &cookie).await.status, 401, "{query}");
    }
    let twice = path.replace("?state=", "?state=x&state=");
    assert_eq!(back(&server, &twice, &cookie).await.status, 401);
    // None of that has used it up.
    assert_eq!(back(&server, &path, &cookie).await.status, 303);
    refused(&back(&server, &path, &cookie).await, 401, "was used already");
    server.clock.advance(10 * 60_000);
    refused(&back(&server, &other_path, &other_cookie).await, 401, "took too long");
}

#[tokio::test]
async fn what_the_provider_refuses_opens_nothing() {
    let (server, fake) = server(Ok(Fake::person("1", Some(MAIL), &["readers"]))).await;
    // Another nonce than that of the sign-in.
    let (path, cookie) = begun(&server, "").await;
    let (other, _) = begun(&server, "").await;
    let code = other.split("code=").nth(1).unwrap();
    let mixed = format!("{}code={code}", path.split("code=").next().unwrap());
    refused(&back(&server, &mixed, &cookie).await, 401, "the token has another nonce");
    refused(&back(&server, &path, &cookie).await, 401, "was used already");
    // What the provider says stays text.
    let (path, cookie) = begun(&server, "").await;
    let state = path.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let denied =
        format!("/api/v1/session/oidc/callback?state={state}&error=%3Cscript%3Ealert(1)%3C%2Fscript%3E");
    let page = back(&server, &denied, &cookie).await;
    refused(&page, 401, "did not sign you in");
    assert!(!page.body.contains("<script"), "{}", page.body);
    let (path, cookie) = begun(&server, "").await;
    let state = path.split("&code").next().unwrap();
    refused(&back(&server, state, &cookie).await, 401, "no code");
    let (path, cookie) = begun(&server, "").await;
    fake.say(Err(SignInError::Unavailable("connect to 10.0.0.9: refused".to_owned())));
    let page = back(&server, &path, &cookie).await;
    refused(&page, 503, "gives no answer");
    assert!(!page.body.contains("10.0.0.9") && page.body.contains("req_"), "{}", page.body);
    let page = server.request("GET /api/v1/session/oidc").without_key().send().await;
    refused(&page, 503, "gives no answer");
    let log = server.get("/audit?action=session.refuse").await.json();
    assert_eq!(log["data"].as_array().map(Vec::len), Some(1), "{log}");
    assert_eq!(log["data"][0]["after"]["reason"], "the token has another nonce");
    assert!(server.get("/members").await.json()["data"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn only_those_come_in_who_may() {
    let (server, fake) = server(Ok(Fake::person("1", Some("eve@example.com"), &["strangers"]))).await;
    refused(&signed_in(&server).await, 403, "`eve@example.com` is not an active member here");
    // An address that the provider has not verified says nothing.
    server.post("/members", &format!(r#"{{"email":"{MAIL}","role":"viewer"}}"#)).await;
    fake.say(Ok(Fake::person("2", None, &["bosses"])));
    refused(&signed_in(&server).await, 403, "verified");
    fake.say(Ok(Fake::person("2", Some(MAIL), &[])));
    assert_eq!(who(&server, &signed_in(&server).await).await.1, MAIL);
    // From now on the person is known by the provider's id, whatever becomes of the address.
    fake.say(Ok(Fake::person("2", None, &[])));
    assert_eq!(who(&server, &signed_in(&server).await).await.1, MAIL);
    // Nor does the address let another person in, who got it later.
    fake.say(Ok(Fake::person("3", Some(MAIL), &["bosses"])));
    refused(&signed_in(&server).await, 403, "another account");
    let id = server.get("/members").await.text("/data/0/id");
    let patch = server.request(&format!("PATCH /api/v1/members/{id}")).body(r#"{"active":false}"#);
    assert_eq!(patch.send().await.status, 200);
    for subject in ["2", "3"] {
        fake.say(Ok(Fake::person(subject, Some(MAIL), &["bosses"])));
        refused(&signed_in(&server).await, 403, "is not an active member here");
    }
    let log = server.get("/audit?action=session.refuse").await.json();
    assert_eq!(log["data"].as_array().map(Vec::len), Some(5), "{log}");
    assert_eq!(log["data"][0]["object"]["id"], MAIL);
}

#[tokio::test]
async fn groups_make_members_of_the_default_company_and_set_their_role() {
    let (server, fake) = server(Ok(Fake::person("1", Some(MAIL), &["readers", "makers", "x"]))).await;
    assert_eq!(who(&server, &signed_in(&server).await).await, ("default".to_owned(), MAIL.to_owned(), 6));
    fake.say(Ok(Fake::person("1", Some("new@example.com"), &["readers"])));
    assert_eq!(who(&server, &signed_in(&server).await).await, ("default".to_owned(), MAIL.to_owned(), 3));
    // Who came by a group is nobody without one, until a person says otherwise; the invitation holds beside groups.
    let without = || Ok(Fake::person("1", Some(MAIL), &["x"]));
    fake.say(without());
    refused(&signed_in(&server).await, 403, "gives access here any more");
    let members = server.get("/members").await;
    let change = format!("/members/{}", members.text("/data/0/id"));
    server
        .request(&format!("PATCH /api/v1{change}"))
        .body(r#"{"role":"operator","active":true}"#)
        .send()
        .await;
    assert_eq!(who(&server, &signed_in(&server).await).await.2, 4);
    fake.say(Ok(Fake::person("1", None, &["bosses"])));
    assert_eq!(who(&server, &signed_in(&server).await).await.2, 7);
    fake.say(without());
    assert_eq!(who(&server, &signed_in(&server).await).await.2, 4);
    let log = server.get("/audit?action=member.create").await;
    assert_eq!(log.text("/data/0/actor/name"), "OpenID");
    // In another company its own admins say what a member may do.
    let by = Actor::system("test");
    let (other, _) = server.store.create_company("other", &by, server.clock_now()).await.unwrap();
    server.member(other, "bob@example.com", Role::Viewer).await;
    for groups in [&[][..], &["bosses"]] {
        fake.say(Ok(Fake::person("2", Some("bob@example.com"), groups)));
        let expected = ("other".to_owned(), "bob@example.com".to_owned(), 3);
        assert_eq!(who(&server, &signed_in(&server).await).await, expected);
    }
    assert_eq!(server.get("/members").await.json()["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn who_came_by_a_group_may_be_invited_too() {
    let (server, fake) = server(Ok(Fake::person("1", Some(MAIL), &["readers"]))).await;
    assert_eq!(who(&server, &signed_in(&server).await).await.2, 3);
    let invited = server.post("/members", &format!(r#"{{"email":"{MAIL}","role":"viewer"}}"#)).await;
    assert_eq!(invited.status, 201, "{}", invited.body);
    fake.say(Ok(Fake::person("1", None, &[])));
    assert_eq!(who(&server, &signed_in(&server).await).await.2, 3);
}

#[tokio::test]
async fn who_loses_the_last_group_loses_sessions_and_keys_with_it() {
    let (server, fake) = server(Ok(Fake::person("1", Some(MAIL), &["bosses"]))).await;
    let opened = signed_in(&server).await;
    let cookies = opened.all("set-cookie");
    let session = cookies.iter().find_map(|cookie| cookie.strip_prefix("loopfour_session=")).unwrap();
    let session = session.split(';').next().unwrap();
    let made = server.request("POST /api/v1/keys").session(session);
    let made = made.body(r#"{"name":"mine","scopes":["runs:read"]}"#).send().await;
    let key = made.text("/data/key");
    let both = async || {
        let session = server.request("GET /api/v1/me").session(session).send().await.status;
        (session, server.request("GET /api/v1/me").key(&key).send().await.status)
    };
    assert_eq!(both().await, (200, 200));
    fake.say(Ok(Fake::person("1", Some(MAIL), &["x"])));
    refused(&signed_in(&server).await, 403, "gives access here any more");
    assert_eq!(both().await, (401, 401));
    let row = server.get("/audit?action=member.update").await.json()["data"][0].to_string();
    assert!(
        row.contains(r#""name":"OpenID""#) && row.contains(r#""after":{"role":"admin","active":false}"#),
        "{row}"
    );
    // The provider alone brings nobody back whom it made go.
    fake.say(Ok(Fake::person("1", Some(MAIL), &["bosses"])));
    refused(&signed_in(&server).await, 403, "is not an active member");
    let id = server.get("/members").await.text("/data/0/id");
    server.request(&format!("PATCH /api/v1/members/{id}")).body(r#"{"active":true}"#).send().await;
    assert_eq!(who(&server, &signed_in(&server).await).await.2, 7);
}

#[tokio::test]
async fn no_other_company_keeps_away_whom_a_group_brings() {
    let (server, fake) = server(Ok(Fake::person("1", Some(MAIL), &["bosses"]))).await;
    let by = Actor::system("test");
    let (other, _) = server.store.create_company("other", &by, server.clock_now()).await.unwrap();
    // Anybody's address can be invited there, and be made inactive.
    for (subject, mail, active) in [("1", MAIL, true), ("2", "bob@example.com", false)] {
        server.member(other, mail, Role::Viewer).await;
        let found = server.store.members_by_email(mail).await.unwrap().remove(0);
        let change = MemberChange { role: None, active: Some(active) };
        server.store.update_member(other, found.id, change, &by, server.clock_now()).await.unwrap();
        fake.say(Ok(Fake::person(subject, Some(mail), &["bosses"])));
        let expected = ("default".to_owned(), mail.to_owned(), 7);
        assert_eq!(who(&server, &signed_in(&server).await).await, expected);
    }
}

#[tokio::test]
async fn nobody_is_sent_to_another_site() {
    let (server, _) = server(Ok(Fake::person("1", Some(MAIL), &["readers"]))).await;
    for redirect in [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "\\/evil.example",
        "https://evil.example",
        "HTTPS:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "evil.example",
        "",
        "%2F%2Fevil.example",
        "%2F%5Cevil.example",
        "/%09/evil.example",
        "/%0A/evil.example",
        "%09//evil.example",
        "%20/login",
        "/%0D%0Aset-cookie:%20a=b",
        "/%00",
        "/\u{fe63}",
        "/%C2%A0",
    ] {
        let redirect = redirect.replace('\\', "%5C").replace('\u{fe63}', "%EF%B9%A3");
        let line = format!("GET /api/v1/session/oidc?redirect={redirect}");
        let reply = server.request(&line).without_key().send().await;
        assert_eq!(
            (reply.status, reply.text("/error/details/0/field")),
            (400, "redirect".to_owned()),
            "{redirect}"
        );
        assert!(!reply.headers.contains_key("location"));
    }
    // What is encoded twice stays within a path.
    let (path, cookie) = begun(&server, "?redirect=/%252F%252Fevil.example").await;
    assert_eq!(back(&server, &path, &cookie).await.headers["location"], "/%2F%2Fevil.example");
    // The callback takes no place to go to.
    let (path, cookie) = begun(&server, "").await;
    let reply = back(&server, &format!("{path}&redirect=https://evil.example"), &cookie).await;
    assert_eq!(reply.headers["location"], "/login");
}

#[tokio::test]
async fn failures_count_against_the_address_and_good_ones_pass() {
    let fake = Arc::new(Fake::new(Ok(Fake::person("1", Some(MAIL), &["readers"]))));
    let server = Server::made(|services, settings| {
        services.identity = Some(fake);
        settings.rate_limits = RateLimits::default();
        settings.roles = [("readers".to_owned(), Role::Viewer)].into();
    })
    .await;
    let forged = "/api/v1/session/oidc/callback?state=x&code=y";
    for _ in 0..20 {
        assert_eq!(back(&server, forged, "loopfour_oidc=x").await.status, 401);
    }
    let slowed = back(&server, forged, "loopfour_oidc=x").await;
    refused(&slowed, 429, "try again in");
    assert!(slowed.headers.contains_key("retry-after"));
    assert_eq!(signed_in(&server).await.status, 303);
}

#[tokio::test]
async fn without_a_provider_the_settings_are_named_and_the_page_offers_none() {
    let plain = Server::start().await;
    let reply = plain.request("GET /api/v1/session/oidc").without_key().send().await;
    reply.check_error(409, "INVALID_STATE", &[]);
    assert!(reply.text("/error/message").contains("LOOPFOUR_OIDC_ISSUER"), "{}", reply.body);
    let (server, _) = server(Ok(Fake::person("1", None, &[]))).await;
    let mark = "<meta name=\"openid\"";
    assert!(!plain.request("GET /login").without_key().send().await.body.contains(mark));
    let page = server.request("GET /login").without_key().send().await;
    assert!(page.body.contains(mark));
    assert!(page.headers["content-security-policy"].starts_with("default-src 'none'; script-src 'self';"));
    assert!(!page.headers["content-security-policy"].contains("unsafe"));
    for attribute in ["href=\"", "src=\""] {
        for target in page.body.split(attribute).skip(1).map(|part| part.split('"').next().unwrap()) {
            assert!(target == "data:," || (target.starts_with('/') && !target.starts_with("//")), "{target}");
        }
    }
    assert!(!page.body.contains("<script>") && !page.body.contains("style=") && !page.body.contains(" on"));
    let script = server.request("GET /login/page.js").without_key().send().await;
    assert!(!script.body.contains("innerHTML") && !script.body.contains("http"), "texts stay texts");
}
