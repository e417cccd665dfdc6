//! A walk over every call that there is, made from the table of routes: by the owner's key, by another company's, by a
//! viewer's and by nobody. Whatever comes back to those of outside is searched for the first company's names and ids.
//! `--nocapture` prints the table.

use std::sync::Arc;

use loopfour_engine::connections::ConnectionStatus;
use loopfour_engine::{Actor, CompanyId};
use loopfour_server::routes::{Access, Route, routes};
use loopfour_store::{Role, Scope};
use loopfour_testkit::{Answer, Provider};
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use crate::events::gate::WORD;
use crate::oidc::Fake;
use crate::server::{Reply, Server, WELCOME};

/// In every name of the first company's things.
const MARK: &str = "nightingale";
/// Past the safety margin of a write without an answer.
const LATE: i64 = 21 * 60 * 60 * 1_000;
const NO_CUSTOMER: &[Answer] = &[Answer::Done(r#"{"object":"list","data":[]}"#)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Owner,
    Other,
    Viewer,
    Nobody,
}

impl Who {
    const ALL: [Who; 4] = [Who::Owner, Who::Other, Who::Viewer, Who::Nobody];
}

/// A call as it is sent.
#[derive(Default)]
struct Call {
    path: String,
    body: Option<String>,
    /// In place of a key.
    headers: Option<Vec<String>>,
}

impl Call {
    fn to(path: impl Into<String>) -> Call {
        Call { path: path.into(), ..Call::default() }
    }

    fn body(self, body: impl Into<String>) -> Call {
        Call { body: Some(body.into()), ..self }
    }
}

struct World {
    server: Server,
    other: String,
    viewer: String,
}

impl World {
    async fn new() -> World {
        let person = Fake::person("nightingale-1", Some("ada@nightingale.example"), &["nightingale staff"]);
        let fake = Arc::new(Fake::new(Ok(person)));
        let server = Server::made(|services, settings| {
            services.identity = Some(fake);
            settings.nango_signing_key = Some(SecretString::from("signing"));
            settings.roles = [("nightingale staff".to_owned(), Role::Builder)].into();
        })
        .await;
        let by = Actor::system("test");
        let (_, other) = server.store.create_company("other", &by, server.clock_now()).await.unwrap();
        let viewer = server.key(server.store.default_company(), Role::Viewer.scopes()).await;
        // Something of everything, in every list.
        let world = World { other: other.reveal().to_owned(), viewer, server };
        world.run(NO_CUSTOMER, &[Answer::Done(r#"{"id":"cus_nightingale"}"#)]).await;
        world.named_key().await;
        world.member().await;
        world.notice().await;
        world.connection().await;
        world.event().await;
        *world.server.gate.paths.lock().unwrap() = vec![("orders", true)];
        world
    }

    fn company(&self) -> CompanyId {
        self.server.store.default_company()
    }

    fn key(&self, who: Who) -> Option<&str> {
        match who {
            Who::Owner => Some(&self.server.key),
            Who::Other => Some(&self.other),
            Who::Viewer => Some(&self.viewer),
            Who::Nobody => None,
        }
    }

    async fn draft(&self) -> String {
        self.server.draft(&WELCOME.replace("Welcome", "Nightingale welcome")).await
    }

    async fn active(&self) -> String {
        self.server.active(&WELCOME.replace("Welcome", "Nightingale welcome")).await
    }

    /// A run as far as it goes with these answers of the provider.
    async fn run(&self, find: &'static [Answer], create: &'static [Answer]) -> String {
        let script = Provider::new(&[("stripe.listCustomers", find), ("stripe.createCustomer", create)]);
        *self.server.runs.provider.lock().unwrap() = script;
        let workflow = self.active().await;
        let input = r#"{"input":{"email":"ada@nightingale.example"}}"#;
        let started = self.server.post(&format!("/workflows/{workflow}/run"), input).await;
        let run = started.text("/data/runId");
        self.server.runs.finish(run.parse().unwrap()).await;
        run
    }

    async fn done(&self) -> String {
        self.run(NO_CUSTOMER, &[Answer::Done(r#"{"id":"cus_nightingale"}"#)]).await
    }

    /// A run whose write got no answer until only a person can tell.
    async fn unknown(&self) -> String {
        let run = self.run(NO_CUSTOMER, &[Answer::LostBefore]).await;
        self.server.runs.go_on(run.parse().unwrap(), LATE).await;
        run
    }

    async fn named_key(&self) -> String {
        let body = r#"{"name":"nightingale robot","scopes":["runs:read"]}"#;
        self.server.post("/keys", body).await.text("/data/id")
    }

    async fn notice(&self) -> String {
        let body = r#"{"url":"https://nightingale.example/hooks","events":["run.failed"]}"#;
        self.server.post("/notices", body).await.text("/data/id")
    }

    async fn member(&self) -> String {
        let body = json!({"email": format!("{}@nightingale.example", Uuid::new_v4()), "role": "viewer"});
        self.server.post("/members", &body.to_string()).await.text("/data/id")
    }

    async fn connection(&self) -> String {
        let name = format!("nightingale books {}", Uuid::new_v4());
        self.server.desk.made(self.company(), &name, ConnectionStatus::Active).await.id.to_string()
    }

    async fn event(&self) -> String {
        let id = format!("evt_nightingale_{}", Uuid::new_v4());
        self.server.gate.event(self.company(), &id, "invoice.paid").await.to_string()
    }

    /// An event that comes in at an address of the first company's, signed by the owner only.
    fn webhook(&self, route: &Route, who: Who) -> Call {
        let word = if who == Who::Owner { WORD } else { "t=1,v1=guessed" };
        let headers = ["stripe-signature", "webhook-signature"].map(|name| format!("{name}: {word}"));
        let mut headers = headers.to_vec();
        headers.extend([format!("webhook-id: {}", Uuid::new_v4()), "webhook-timestamp: 1".to_owned()]);
        let body = json!({
            "id": format!("evt_{}", Uuid::new_v4()), "object": "event", "type": "invoice.paid",
            "data": {"object": {"id": "in_nightingale"}},
        });
        let path = route.path.replace("{companyId}", &self.company().to_string()).replace("{path}", "orders");
        Call { headers: Some(headers), ..Call::to(path).body(body.to_string()) }
    }

    /// The address of the page of an authorisation. From outside it can only be guessed.
    async fn attempt(&self, who: Who) -> String {
        if who != Who::Owner {
            return Uuid::new_v4().to_string();
        }
        let path = format!("/connections/stripe/auth-url?connectionName=nightingale-{}", Uuid::new_v4());
        let page = self.server.get(&path).await.text("/data/statusUrl");
        page.rsplit('/').next().unwrap().to_owned()
    }

    /// The call of a route, with fresh things of the first company.
    async fn call(&self, route: &Route, who: Who) -> Call {
        let of = |id: &str| Call::to(route.path.replace("{id}", id));
        match route.id {
            "listWorkflows" | "listRuns" | "listKeys" | "listMembers" | "listCompanies" | "listAudit"
            | "listNotices" | "getMe" | "getSession" | "getHealth" | "getReadiness" | "getDocument"
            | "getReference" | "getReferenceScript" | "getReferenceStyle" | "getLogin" | "getLoginScript"
            | "getLoginStyle" => Call::to(route.path),
            "beginOidc" => Call::to("/api/v1/session/oidc?redirect=/login"),
            "createWorkflow" | "validateWorkflow" => Call::to(route.path).body(WELCOME),
            "getWorkflow" | "listWorkflowVersions" | "activateWorkflow" | "archiveWorkflow" => {
                of(&self.draft().await)
            }
            "getWorkflowVersion" => Call::to(of(&self.draft().await).path.replace("{version}", "1")),
            "updateWorkflow" => of(&self.draft().await).body(r#"{"description":"changed"}"#),
            "rollbackWorkflow" => of(&self.draft().await).body(r#"{"version":1}"#),
            "pauseWorkflow" => of(&self.active().await),
            "resumeWorkflow" => {
                let workflow = self.active().await;
                self.server.post(&format!("/workflows/{workflow}/pause"), "").await;
                of(&workflow)
            }
            "runWorkflow" => of(&self.active().await).body(r#"{"input":{"email":"a@b.example"}}"#),
            "getRun" | "listRunLogs" | "streamRunEvents" | "restartRun" => of(&self.done().await),
            "cancelRun" | "listCandidates" => {
                Call::to(of(&self.unknown().await).path.replace("{stepId}", "create"))
            }
            "retryRun" => of(&self.run(&[Answer::Refused("nightingale")], &[]).await),
            "resolveStep" => Call::to(of(&self.unknown().await).path.replace("{stepId}", "create"))
                .body(r#"{"outcome":"fail","reason":"looked"}"#),
            "revokeKey" => of(&self.named_key().await),
            "createKey" => Call::to(route.path).body(r#"{"name":"new","scopes":["runs:read"]}"#),
            "deleteNotice" | "testNotice" => of(&self.notice().await),
            "createNotice" => Call::to(route.path).body(r#"{"url":"https://example.com/","events":["*"]}"#),
            "inviteMember" => {
                Call::to(route.path).body(r#"{"email":"carl@elsewhere.example","role":"viewer"}"#)
            }
            "updateMember" => of(&self.member().await).body(r#"{"role":"operator"}"#),
            "createCompany" => {
                Call::to(route.path).body(json!({"name": format!("new of {who:?}")}).to_string())
            }
            "createSession" => Call::to(route.path).body("{}"),
            "listConnections" | "returnFromProvider" | "getAuthorizationScript" | "getAuthorizationStyle" => {
                Call::to(route.path)
            }
            "createConnection" => {
                let name = format!("new of {who:?}");
                let body =
                    json!({"provider": "stripe", "name": name, "credentials": {"apiKey": "rk_test_1"}});
                Call::to(route.path).body(body.to_string())
            }
            "authorizeConnection" => {
                let path = route.path.replace("{provider}", "stripe");
                Call::to(format!("{path}?connectionName=link-of-{who:?}"))
            }
            "getConnection" | "endConnection" | "testConnection" => of(&self.connection().await),
            "updateConnection" => of(&self.connection().await).body(r#"{"settings":{"events":"poll"}}"#),
            "getAuthorizationPage" | "getAuthorizationState" => {
                Call::to(route.path.replace("{attempt}", &self.attempt(who).await))
            }
            "receiveFromNango" => {
                let body = r#"{"type":"auth","success":true}"#;
                let sign = |key| vec![crate::connections::public::signed(key, body.as_bytes())];
                let headers = sign(if who == Who::Owner { "signing" } else { "guessed" });
                let path = route.path.replace("{attempt}", &self.attempt(who).await);
                Call { headers: Some(headers), ..Call::to(path).body(body) }
            }
            "listEvents" | "countWebhookSecrets" => Call::to(route.path),
            "getEvent" | "replayEvent" => of(&self.event().await),
            "replayEvents" => Call::to(route.path).body(r#"{"filter":{"type":"invoice.paid"}}"#),
            "setStripeWebhookSecrets" | "setCustomWebhookSecrets" => {
                Call::to(route.path.replace("{path}", "mine")).body(r#"{"secrets":["whsec_1"]}"#)
            }
            "receiveFromStripe" | "receiveCustom" => self.webhook(route, who),
            "endSession" => Call { headers: self.session(who).await, ..Call::to(route.path) },
            "finishOidc" => self.back_from_the_provider(who).await,
            id => panic!("`{id}` is a new call: say here how the walk makes it"),
        }
    }

    /// The cookie of a session that was opened with the key, and the origin of a page of the server's own.
    async fn session(&self, who: Who) -> Option<Vec<String>> {
        let opened = self.server.request("POST /api/v1/session").key(self.key(who)?).body("{}").send().await;
        let cookie = opened.headers["set-cookie"].split(';').next().unwrap().to_owned();
        Some(vec![format!("cookie: {cookie}"), format!("origin: http://{}", self.server.address)])
    }

    /// The owner comes back with what the provider gave; the others find its address, but have not its cookie.
    async fn back_from_the_provider(&self, who: Who) -> Call {
        let (path, cookie) = crate::oidc::begun(&self.server, "").await;
        let headers = if who == Who::Owner { vec![format!("cookie: {cookie}")] } else { Vec::new() };
        Call { headers: Some(headers), ..Call::to(path) }
    }

    async fn send(&self, route: &Route, who: Who) -> (Call, Reply) {
        let call = self.call(route, who).await;
        let line = format!("{} {}", route.method.to_uppercase(), call.path);
        let request = self.server.request(&line);
        let request = match (&call.headers, self.key(who)) {
            (Some(headers), _) => {
                headers.iter().fold(request.without_key(), |request, header| request.header(header))
            }
            (None, Some(key)) => request.key(key),
            (None, None) => request.without_key(),
        };
        let request = match &call.body {
            Some(body) => request.body(body.as_str()),
            None => request,
        };
        (call, request.send().await)
    }

    /// Ids of the first company's things, as they are now.
    async fn ids(&self) -> Vec<String> {
        let mut ids = vec![self.company().to_string()];
        let lists = [
            "/workflows",
            "/workflows?status=archived",
            "/runs",
            "/keys",
            "/members",
            "/connections",
            "/notices",
            "/events",
        ];
        for list in lists {
            let mut from = String::new();
            loop {
                let more = if list.contains('?') { '&' } else { '?' };
                let page = self.server.get(&format!("{list}{more}limit=100{from}")).await.json();
                let rows = page["data"].as_array().unwrap().iter();
                ids.extend(rows.map(|row| row["id"].as_str().unwrap().to_owned()));
                match page["meta"]["cursor"].as_str() {
                    Some(cursor) => from = format!("&cursor={cursor}"),
                    None => break,
                }
            }
        }
        ids
    }
}

/// What of the first company stands in an answer and was not in the question.
fn leaks(call: &Call, reply: &Reply, ids: &[String]) -> Vec<String> {
    let question = format!("{} {}", call.path, call.body.as_deref().unwrap_or_default()).to_lowercase();
    let answer = format!("{:?} {}", reply.headers, reply.body).to_lowercase();
    // Ids are searched for without the letters before them too.
    let bare = |id: &str| id.split_once('_').map_or(id, |(_, bare)| bare).to_lowercase();
    let mut found: Vec<String> = ids.iter().map(|id| bare(id)).collect();
    found.extend([MARK.to_owned()]);
    found.retain(|secret| answer.contains(secret.as_str()) && !question.contains(secret.as_str()));
    found
}

/// The status that is right, where one is.
fn is_right(route: &Route, who: Who, status: u16) -> bool {
    let promised = route.answers.iter().any(|answer| answer.status == status && status < 400);
    let is_people = matches!(route.id, "listCompanies" | "createCompany");
    match (who, route.access) {
        (Who::Owner, _) => promised,
        // What is brought along decides there.
        (_, Access::Public) => promised || matches!(status, 401 | 404),
        (Who::Nobody, Access::SignIn) => matches!(status, 401 | 400),
        (Who::Nobody, _) => status == 401,
        (Who::Viewer, Access::Scope(scope)) if !Role::Viewer.scopes().contains(&scope) => status == 403,
        (Who::Other, _) if is_people => status == 403,
        (Who::Other, _) if route.path.contains("{id}") => status == 404,
        (Who::Other | Who::Viewer, _) => promised,
    }
}

#[tokio::test]
async fn nothing_of_a_company_is_seen_from_outside() {
    let world = World::new().await;
    let (mut all, mut wrong, mut seen) = (Vec::new(), Vec::new(), 0);
    println!("{:<7}{:<52}{:>6}{:>7}{:>8}{:>8}", "method", "path", "owner", "other", "viewer", "nobody");
    for route in routes() {
        let mut statuses = Vec::new();
        for who in Who::ALL {
            let (call, reply) = world.send(&route, who).await;
            statuses.push(reply.status);
            if !is_right(&route, who, reply.status) {
                wrong
                    .push(format!("{who:?} {} {}: {} {}", route.method, call.path, reply.status, reply.body));
            }
            let found = leaks(&call, &reply, &world.ids().await);
            match who {
                Who::Owner => seen += usize::from(!found.is_empty()),
                Who::Viewer => {}
                Who::Other | Who::Nobody => {
                    all.extend(
                        found.iter().map(|found| format!("{who:?} {} {}: {found}", route.method, call.path)),
                    );
                }
            }
        }
        let [owner, other, viewer, nobody] = statuses[..] else { panic!("four of them") };
        println!("{:<7}{:<52}{owner:>6}{other:>7}{viewer:>8}{nobody:>8}", route.method, route.path);
    }
    println!("{} leaks", all.len());
    assert!(all.is_empty(), "{all:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen >= 15, "the owner's own answers hold what is searched for, in {seen} calls");
}

/// The same things by the session of a member of another company: cookies open no other doors than keys.
#[tokio::test]
async fn a_session_of_another_company_sees_nothing_either() {
    let world = World::new().await;
    let by = Actor::system("test");
    let (third, _) = world.server.store.create_company("third", &by, world.server.clock_now()).await.unwrap();
    let by_cookie = |route: &&Route| route.access != Access::Public && route.id != "createSession";
    for route in routes().iter().filter(by_cookie) {
        let call = world.call(route, Who::Other).await;
        let line = format!("{} {}", route.method.to_uppercase(), call.path);
        // Anew each time, since time passes.
        let token = world.server.member(third, "zoe@third.example", Role::Admin).await;
        let request = world.server.request(&line).session(&token);
        let request = match &call.body {
            Some(body) => request.body(body.as_str()),
            None => request,
        };
        let reply = request.send().await;
        assert!(is_right(route, Who::Other, reply.status), "{line}: {} {}", reply.status, reply.body);
        let found = leaks(&call, &reply, &world.ids().await);
        assert!(found.is_empty(), "{line}: {found:?}");
    }
}

/// A leak that is planted is found, whatever its spelling.
#[test]
fn what_is_searched_for_is_found() {
    let id = "wf_0198d5c4-5c7a-7b6e-9f0a-2d1c3b4a5968".to_owned();
    let reply = |body: &str| Reply { status: 200, headers: Default::default(), body: body.to_owned() };
    let search = |path: &str, body: &str| leaks(&Call::to(path), &reply(body), std::slice::from_ref(&id));
    assert_eq!(search("/runs", r#"{"x":"0198D5C4-5C7A-7B6E-9F0A-2D1C3B4A5968"}"#).len(), 1);
    assert_eq!(search("/runs", "the NIGHTINGALE's").len(), 1);
    assert_eq!(search("/runs", "nothing").len(), 0);
    assert_eq!(search(&format!("/workflows/{id}"), &format!("`{id}` does not exist")).len(), 0);
}

/// The owner of a walk may do everything, so that a refusal is never for want of a scope.
#[tokio::test]
async fn the_walk_has_the_right_people() {
    let world = World::new().await;
    let scopes = |key: &str| world.server.request("GET /api/v1/me").key(key).send();
    let count = |reply: &Reply| reply.json()["data"]["scopes"].as_array().unwrap().len();
    assert_eq!(count(&scopes(&world.server.key).await), Scope::ALL.len());
    assert_eq!(count(&scopes(&world.other).await), Scope::ALL.len());
    assert_eq!(count(&scopes(&world.viewer).await), 3);
}
