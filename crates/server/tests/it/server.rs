//! A server of a test's own, and a client that sends exactly the bytes it is told to.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::connections::desk::Desk;
use crate::events::gate::Gate;
use loopfour_engine::connections::Connections;
use loopfour_engine::definitions::Definitions;
use loopfour_engine::notices::Teller;
use loopfour_engine::ports::{
    Act, ActError, Actions as _, Append, BoxFuture, Candidates, Clock as _, Deed, FindError, Journal as _,
    Resolution, Runs, Start, StartError, Started,
};
use loopfour_engine::provider_events::{Endpoints, Intake, Senders};
use loopfour_engine::{
    Actor, Command, CompanyId, Context, Entry, Event, Policy, Run, RunId, StepPath, Timestamp, Wake,
};
use loopfour_server::rate::RateLimits;
use loopfour_server::settings::Settings;
use loopfour_server::{App, Services};
use loopfour_store::{NewKey, Role, Scope, SessionOf, Store};
use loopfour_testkit::{Answer, ManualClock, Provider};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// A workflow of one call and one condition.
pub const WELCOME: &str = r#"{
  "name": "Welcome",
  "trigger": {"type": "api"},
  "steps": [
    {"id": "find", "type": "action", "action": "stripe.listCustomers", "config": {"email": "{{input.email}}"}},
    {"id": "check", "type": "condition", "config": {
      "conditions": {"left": "{{steps.find.output.data.length}}", "operator": "eq", "right": 0},
      "then": ["create"]
    }},
    {"id": "create", "type": "action", "action": "stripe.createCustomer", "config": {"email": "{{input.email}}"}}
  ]
}"#;

/// The time at which every test begins: 2026-01-02T03:04:05.678Z.
const START: i64 = 1_767_323_045_678;

/// A server, stopped when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub store: Store,
    pub clock: ManualClock,
    pub runs: Arc<Stepper>,
    pub desk: Arc<Desk>,
    pub teller: Arc<crate::notices::Receiver>,
    pub gate: Arc<Gate>,
    /// A key with every scope.
    pub key: String,
    pub stop: Option<oneshot::Sender<()>>,
    pub serving: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Without limits of rate.
    pub async fn start() -> Server {
        Server::limited(RateLimits::OFF).await
    }

    pub async fn limited(limits: RateLimits) -> Server {
        Server::with(|settings| settings.rate_limits = limits).await
    }

    /// Without limits of rate, unless `change` sets some.
    pub async fn with(change: impl FnOnce(&mut Settings)) -> Server {
        Server::made(|_, settings| change(settings)).await
    }

    /// The same with other services.
    pub async fn made(change: impl FnOnce(&mut Services, &mut Settings)) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(START);
        let store = Store::open(&folder.path().join("data"), clock.now()).unwrap();
        let (started, seen) = mpsc::unbounded_channel();
        let runs = Arc::new(Stepper {
            store: store.clone(),
            clock: clock.clone(),
            provider: Mutex::new(Provider::new(&[
                ("stripe.listCustomers", &[Answer::Done(r#"{"object":"list","data":[]}"#)]),
                ("stripe.createCustomer", &[Answer::Done(r#"{"id":"cus_1"}"#)]),
            ])),
            under_way: Mutex::default(),
            started,
            seen: tokio::sync::Mutex::new(seen),
            refuse: Mutex::default(),
            refuse_act: Mutex::default(),
            found: Mutex::default(),
            stalled: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Arc::new(Desk::new(store.clone(), clock.clone()));
        let teller = Arc::new(crate::notices::Receiver::default());
        let gate = Arc::new(Gate::new(store.clone(), clock.clone()));
        let mut services = Services {
            store: store.clone(),
            runs: Arc::clone(&runs) as Arc<dyn Runs>,
            definitions: Arc::new(Definitions::default()),
            connections: Arc::clone(&desk) as Arc<dyn Connections>,
            senders: Arc::clone(&gate) as Arc<dyn Senders>,
            endpoints: Arc::clone(&gate) as Arc<dyn Endpoints>,
            intake: Arc::clone(&gate) as Arc<dyn Intake>,
            identity: None,
            teller: Arc::clone(&teller) as Arc<dyn Teller>,
            clock: Arc::new(clock.clone()),
        };
        let mut settings =
            Settings { rate_limits: RateLimits::OFF, ..Settings::at(&format!("http://{address}")) };
        change(&mut services, &mut settings);
        let app = App::new(services, settings);
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(loopfour_server::serve(listener, app, async {
            let _ = stopped.await;
        }));
        let (stop, serving) = (Some(stop), Some(serving));
        let mut server = Server {
            address,
            store,
            clock,
            runs,
            desk,
            teller,
            gate,
            key: String::new(),
            stop,
            serving,
            _folder: folder,
        };
        server.key = server.key(server.store.default_company(), &Scope::ALL).await;
        server
    }

    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes a key.
    pub async fn key(&self, company: CompanyId, scopes: &[Scope]) -> String {
        let key = NewKey { name: "test".to_owned(), scopes: scopes.to_vec(), expires_at: None, member: None };
        self.store
            .create_key(company, key, &Actor::system("test"), self.clock.now())
            .await
            .unwrap()
            .1
            .reveal()
            .to_owned()
    }

    /// A request such as `GET /api/v1/me`, with the key and, once it has a body, the content type.
    pub fn request(&self, line: &str) -> Request<'_> {
        Request {
            server: self,
            line: line.to_owned(),
            key: Some(self.key.clone()),
            headers: Vec::new(),
            body: None,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.request(&format!("GET /api/v1{path}")).send().await
    }

    pub async fn post(&self, path: &str, body: &str) -> Reply {
        self.request(&format!("POST /api/v1{path}")).body(body).send().await
    }

    /// Sends these bytes and reads until the server closes.
    pub async fn raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        Reply::parse(&answer)
    }

    /// An active workflow; its id.
    pub async fn active(&self, definition: &str) -> String {
        let id = self.draft(definition).await;
        assert_eq!(self.post(&format!("/workflows/{id}/activate"), "").await.status, 200);
        id
    }

    /// A workflow; its id.
    pub async fn draft(&self, definition: &str) -> String {
        let created = self.post("/workflows", definition).await;
        assert_eq!(created.status, 201, "{}", created.body);
        created.text("/data/id")
    }

    /// Signs a member in, whom it makes if need be; the session's token.
    pub async fn member(&self, company: CompanyId, email: &str, role: Role) -> String {
        let (by, now) = (Actor::system("test"), self.clock.now());
        let known = self.store.members_by_email(email).await.unwrap();
        let member = match known.into_iter().find(|member| member.company == company) {
            Some(member) => member,
            None => self.store.create_member(company, email, role, &by, now).await.unwrap(),
        };
        let opened = self.store.open_session(company, SessionOf::Member(member.id), &by, now).await.unwrap();
        opened.token.reveal().to_owned()
    }

    /// How many workflows there are.
    pub async fn workflows(&self) -> usize {
        self.get("/workflows?limit=100").await.json()["data"].as_array().unwrap().len()
    }
}

pub struct Request<'a> {
    server: &'a Server,
    line: String,
    key: Option<String>,
    headers: Vec<String>,
    body: Option<Vec<u8>>,
}

impl Request<'_> {
    pub fn key(self, key: &str) -> Self {
        Request { key: Some(key.to_owned()), ..self }
    }

    pub fn without_key(self) -> Self {
        Request { key: None, ..self }
    }

    /// A header line, `name: value`; a `content-type` replaces the usual one.
    pub fn header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Request { body: Some(body.into()), ..self }
    }

    /// The bytes of the request; the connection ends with its answer.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n", self.line);
        if let Some(key) = &self.key {
            text += &format!("x-api-key: {key}\r\n");
        }
        let body = self.body.as_deref().unwrap_or_default();
        if self.body.is_some() {
            text += &format!("content-length: {}\r\n", body.len());
            if !body.is_empty() && !self.headers.iter().any(|header| header.starts_with("content-type")) {
                text += "content-type: application/json\r\n";
            }
        }
        for header in &self.headers {
            text += &format!("{header}\r\n");
        }
        let mut bytes = (text + "\r\n").into_bytes();
        bytes.extend(body);
        bytes
    }

    /// With a session's cookie in place of a key, from a page of the server's own.
    pub fn session(self, token: &str) -> Self {
        let origin = format!("origin: http://{}", self.server.address);
        self.without_key().header(&format!("cookie: loopfour_session={token}")).header(&origin)
    }

    pub async fn send(self) -> Reply {
        let reply = self.server.raw(&self.bytes()).await;
        crate::contract::check(&self.line, &reply);
        reply
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Reply {
    #[track_caller]
    fn parse(bytes: &[u8]) -> Reply {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
        let mut headers: HashMap<String, String> = HashMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            // One that stands there twice is kept on lines.
            let known = headers.entry(name.to_ascii_lowercase()).or_default();
            *known = if known.is_empty() { value.to_owned() } else { format!("{known}\n{value}") };
        }
        let chunked = headers.contains_key("transfer-encoding");
        let body = if chunked { unchunked(body) } else { body.to_owned() };
        Reply { status, headers, body }
    }

    /// Every value of a header, where it may be given more than once.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get(name).map_or_else(Vec::new, |values| values.split('\n').collect())
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The text at a JSON pointer.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        let json = self.json();
        let found = json.pointer(pointer).and_then(|value| value.as_str());
        found.unwrap_or_else(|| panic!("no text at {pointer}: {}", self.body)).to_owned()
    }

    /// Status and body, with every UUID as `*`.
    pub fn show(&self) -> String {
        format!("{} {}", self.status, without_uuids(&self.body))
    }

    #[track_caller]
    pub fn check(&self, expected: &str) {
        assert_eq!(self.show(), expected);
    }

    /// Status, code, and each detail as `field: message`.
    #[track_caller]
    pub fn check_error(&self, status: u16, code: &str, details: &[&str]) {
        let json = self.json();
        let list = json["error"]["details"].as_array().cloned().unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let found: Vec<String> =
            list.iter().map(|one| format!("{}: {}", text(&one["field"]), text(&one["message"]))).collect();
        assert_eq!((self.status, &*text(&json["error"]["code"])), (status, code), "{}", self.body);
        assert_eq!(found, details, "{}", self.body);
        assert_eq!(json["success"], false);
    }
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body += &after[..size];
        rest = &after[size + 2..];
    }
    body
}

pub fn without_uuids(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..36).filter(|part| Uuid::try_parse(part).is_ok()) {
            Some(_) => {
                shown.push('*');
                rest = &rest[36..];
            }
            None => {
                shown.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    shown
}

/// Runs workflows only as far as a test says.
pub struct Stepper {
    store: Store,
    clock: ManualClock,
    /// What providers answer.
    pub provider: Mutex<Provider>,
    under_way: Mutex<HashMap<RunId, Run>>,
    started: mpsc::UnboundedSender<RunId>,
    seen: tokio::sync::Mutex<mpsc::UnboundedReceiver<RunId>>,
    /// What every start comes to, if it is refused.
    pub refuse: Mutex<Option<Refusal>>,
    /// What every act comes to, if it is refused.
    pub refuse_act: Mutex<Option<ActError>>,
    /// What a look at the provider finds.
    pub found: Mutex<Candidates>,
    /// Runs whose last answer is said not to be stored.
    pub stalled: Mutex<HashSet<RunId>>,
}

#[derive(Clone)]
pub enum Refusal {
    Error(StartError),
    Panic,
}

impl Stepper {
    /// The next run that was started.
    pub async fn started(&self) -> RunId {
        self.seen.lock().await.recv().await.unwrap()
    }

    /// Makes the run's next call, which takes a second; returns whether there was one.
    pub async fn step(&self, id: RunId) -> bool {
        let mut run = self.under_way.lock().unwrap().remove(&id).unwrap();
        let Some(command) = run.due() else {
            self.under_way.lock().unwrap().insert(id, run);
            return false;
        };
        let provider = self.provider.lock().unwrap().clone();
        let expected = run.length;
        let mut entries: Vec<Entry> =
            run.before_sending(&command, &context(&provider, self.clock.now())).into_iter().collect();
        if let Some(command) = run.due() {
            let outcome = provider.answer(command.sending());
            let Command::Perform { path, .. } = &command;
            self.clock.advance(1_000);
            let context = context(&provider, self.clock.now());
            entries.push(run.settle(path, outcome, &context));
            entries.extend(run.advance(&context));
        }
        self.append(&run, expected, entries).await.unwrap();
        self.under_way.lock().unwrap().insert(id, run);
        true
    }

    /// Lets time pass and then the run go on, as far as it can.
    pub async fn go_on(&self, id: RunId, milliseconds: i64) {
        self.clock.advance(milliseconds);
        let mut run = self.under_way.lock().unwrap().remove(&id).unwrap();
        let provider = self.provider.lock().unwrap().clone();
        let (expected, context) = (run.length, context(&provider, self.clock.now()));
        let mut entries = run.wake(Wake::Timer, &context);
        entries.extend(run.advance(&context));
        if !entries.is_empty() {
            self.append(&run, expected, entries).await.unwrap();
        }
        self.under_way.lock().unwrap().insert(id, run);
        self.finish(id).await;
    }

    async fn done(&self, id: RunId, mut act: Act) -> Result<Box<Run>, ActError> {
        if let Some(refused) = self.refuse_act.lock().unwrap().clone() {
            return Err(refused);
        }
        let mut run = self.under_way.lock().unwrap().get(&id).unwrap().clone();
        let provider = self.provider.lock().unwrap().clone();
        if let Deed::Resolve { path, resolution, .. } = &mut act.what
            && let Resolution::Found { id } = resolution
        {
            let (request, _) = run.unresolved(path)?;
            let output = provider.find(request, id).await.map_err(|error| match error {
                FindError::Unfit(message) => ActError::Unfit(message),
                FindError::Unavailable(message) => ActError::Unavailable(message),
            })?;
            *resolution = Resolution::Done { output };
        }
        let (expected, context) = (run.length, context(&provider, self.clock.now()));
        let mut entries = run.act(act, &context)?;
        entries.extend(run.advance(&context));
        if !entries.is_empty() {
            self.append(&run, expected, entries).await.unwrap();
        }
        self.under_way.lock().unwrap().insert(id, run.clone());
        Ok(Box::new(run))
    }

    /// Makes all calls of the run.
    pub async fn finish(&self, id: RunId) {
        while self.step(id).await {}
    }

    async fn begin(&self, start: Start) -> Result<Started, StartError> {
        match self.refuse.lock().unwrap().clone() {
            Some(Refusal::Error(error)) => return Err(error),
            Some(Refusal::Panic) => panic!("told to panic"),
            None => {}
        }
        let provider = self.provider.lock().unwrap().clone();
        let id = RunId(Uuid::now_v7());
        let event = Event::RunStarted {
            run: id,
            company: start.company,
            workflow: start.workflow,
            version: start.version,
            trigger: start.trigger,
            input: start.input,
            connection: start.connection,
            idempotency_key: start.idempotency_key,
            restarted_from: start.restarted_from,
            by: start.by,
            cause: None,
            queue: None,
        };
        let first = Entry { seq: 1, at: self.clock.now(), event };
        let mut run = Run::begin(start.definition, &first).unwrap();
        let mut entries = vec![first];
        for event in start.kept {
            let entry = Entry { seq: run.length + 1, at: self.clock.now(), event };
            run.apply(&entry).unwrap();
            entries.push(entry);
        }
        entries.extend(run.advance(&context(&provider, self.clock.now())));
        self.append(&run, 0, entries).await?;
        self.under_way.lock().unwrap().insert(id, run);
        let _ = self.started.send(id);
        Ok(Started { run: id, rest: Box::pin(std::future::ready(None)) })
    }

    async fn append(&self, run: &Run, expected: u64, entries: Vec<Entry>) -> Result<(), StartError> {
        Ok(self
            .store
            .append(Append { run: run.id, expected, entries: entries.into(), summary: run.summary() })
            .await?)
    }
}

impl Runs for Stepper {
    fn start(&self, start: Start) -> BoxFuture<'_, Result<Started, StartError>> {
        Box::pin(self.begin(start))
    }

    fn act(&self, run: RunId, act: Act) -> BoxFuture<'_, Result<Box<Run>, ActError>> {
        Box::pin(self.done(run, act))
    }

    fn candidates(&self, _: RunId, _: StepPath) -> BoxFuture<'_, Result<Candidates, ActError>> {
        let refused = self.refuse_act.lock().unwrap().clone();
        Box::pin(async { refused.map_or_else(|| Ok(self.found.lock().unwrap().clone()), Err) })
    }

    fn is_stalled(&self, run: RunId) -> bool {
        self.stalled.lock().unwrap().contains(&run)
    }
}

fn context(provider: &Provider, now: Timestamp) -> Context<'_> {
    const POLICY: &Policy = &Policy { safety_margin: 72_000_000, connection_wait: 259_200_000 };
    Context { prepare: provider, policy: POLICY, now }
}
