//! Two servers on the loopback interface, which answer by method and path and remember what came in: one is Stripe, one is
//! Nango. And a place where connections are kept.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use loopfour_connect::{Config, Connect, nango, stripe};
use loopfour_engine::call::{Account, Bound};
use loopfour_engine::connections::{
    Connection, ConnectionStore, KeepError, Registration, SecretChange, Signing,
};
use loopfour_engine::ports::{Actions, BoxFuture, Call, Prepare, Unprepared};
use loopfour_engine::provider_events::Entrance;
use loopfour_engine::{
    Actor, Attempt, CompanyId, ConnectionId, Finding, Outcome, Request, Sending, StepPath, Timestamp,
};
use loopfour_testkit::ManualClock;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::server::read_request;
use crate::support::{COMPANY, RUN, listing, tree, value};

type Answers = Arc<Mutex<HashMap<String, VecDeque<String>>>>;

/// A server that answers what it was told to, the last answer for ever; anything else with 599.
pub struct Desk {
    pub base: String,
    answers: Answers,
    refused: Arc<Mutex<Vec<String>>>,
    log: Arc<Mutex<Vec<String>>>,
    arrived: Arc<Notify>,
}

impl Desk {
    pub fn open() -> Desk {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (answers, refused, log, arrived) =
            (Answers::default(), Arc::default(), Arc::default(), Arc::default());
        let desk = Desk { base, answers, refused, log, arrived };
        let (answers, refused) = (Arc::clone(&desk.answers), Arc::clone(&desk.refused));
        let (log, arrived) = (Arc::clone(&desk.log), Arc::clone(&desk.arrived));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, answers) = (stream.unwrap(), Arc::clone(&answers));
                let (refused, log, arrived) = (Arc::clone(&refused), Arc::clone(&log), Arc::clone(&arrived));
                std::thread::spawn(move || {
                    while let Some(request) = read_request(&mut stream) {
                        let what = request.split(" HTTP/").next().unwrap().to_owned();
                        let path = what.split('?').next().unwrap().to_owned();
                        let is_refused = |token: &String| request.contains(&format!("Bearer {token}\r\n"));
                        let is_refused = refused.lock().unwrap().iter().any(is_refused);
                        log.lock().unwrap().push(request);
                        arrived.notify_one();
                        let mut answers = answers.lock().unwrap();
                        let found = [what, path].into_iter().find(|key| answers.contains_key(key));
                        let answer = match found.and_then(|key| answers.get_mut(&key)) {
                            _ if is_refused => stripe_error("401 Unauthorized"),
                            Some(queue) if queue.len() > 1 => queue.pop_front().unwrap(),
                            Some(queue) => queue.front().unwrap().clone(),
                            None => reply("599 Unexpected", "", ""),
                        };
                        drop(answers);
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        desk
    }

    /// Answers a call of that method and path so from here on, one after the other.
    pub fn on(&self, what: &str, answers: &[String]) -> &Desk {
        self.answers.lock().unwrap().insert(what.to_owned(), answers.to_vec().into());
        self
    }

    /// Answers every call with that token with 401 from here on.
    pub fn refuse(&self, token: &str) -> &Desk {
        self.refused.lock().unwrap().push(token.to_owned());
        self
    }

    /// What came in since the last look: whole requests.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    /// Waits until something came in.
    pub async fn arrives(&self) {
        while self.log.lock().unwrap().is_empty() {
            self.arrived.notified().await;
        }
    }

    /// Waits until a call of that method and path came in since the last look, and looks.
    pub async fn arrives_at(&self, what: &str) {
        let mut seen = Vec::new();
        while !seen.iter().any(|line| line == what) {
            self.arrives().await;
            seen.extend(self.lines());
        }
    }

    /// Method and path of what came in since the last look.
    pub fn lines(&self) -> Vec<String> {
        self.seen().iter().map(|request| request.split(" HTTP/").next().unwrap().to_owned()).collect()
    }
}

pub fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

pub fn json(status: &str, body: &str) -> String {
    reply(status, "Content-Type: application/json\r\n", body)
}

pub fn ok(body: &str) -> String {
    json("200 OK", body)
}

pub fn account(id: &str) -> String {
    ok(&format!(r#"{{"id": "{id}", "object": "account"}}"#))
}

pub fn stripe_error(status: &str) -> String {
    json(status, r#"{"error": {"type": "invalid_request_error", "message": "Stripe says no"}}"#)
}

pub fn nango_error(status: &str, code: &str) -> String {
    json(status, &format!(r#"{{"error": {{"code": "{code}", "message": "Nango says no"}}}}"#))
}

type Kept = (Connection, Option<SecretString>);

/// Keeps connections as the storage does, without its encryption.
#[derive(Default)]
pub struct Shelf {
    pub kept: Mutex<Vec<Kept>>,
    /// What the audit log would say.
    pub log: Mutex<Vec<String>>,
    pub webhook_secrets: Mutex<Vec<String>>,
    pub signing: Mutex<Signing>,
    pub full: Mutex<bool>,
    forgotten: Notify,
}

impl Shelf {
    pub fn rows(&self) -> Vec<Connection> {
        self.kept.lock().unwrap().iter().map(|(row, _)| row.clone()).collect()
    }

    pub fn actions(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    pub fn secrets(&self) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        kept.iter().filter_map(|(_, secret)| secret.as_ref().map(|s| s.expose_secret().to_owned())).collect()
    }

    /// Waits until nothing is kept.
    pub async fn empties(&self) {
        while !self.kept.lock().unwrap().is_empty() {
            self.forgotten.notified().await;
        }
    }

    fn ready(&self) -> Result<(), KeepError> {
        if *self.full.lock().unwrap() { Err(KeepError::Storage("full".to_owned())) } else { Ok(()) }
    }
}

impl ConnectionStore for Shelf {
    fn load(&self) -> BoxFuture<'_, Result<Vec<Kept>, KeepError>> {
        Box::pin(async { Ok(self.kept.lock().unwrap().clone()) })
    }

    fn keep<'a>(
        &'a self,
        connection: &'a Connection,
        secret: SecretChange,
        by: &'a Actor,
        action: &'static str,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move {
            self.ready()?;
            let mut kept = self.kept.lock().unwrap();
            let clashes = |row: &Connection| {
                row.id != connection.id && row.company == connection.company && row.name == connection.name
            };
            if kept.iter().any(|(row, _)| clashes(row)) {
                return Err(KeepError::NameTaken);
            }
            let place = kept.iter().position(|(row, _)| row.id == connection.id);
            let before = place.and_then(|place| kept[place].1.clone());
            let secret = match secret {
                SecretChange::Keep => before,
                SecretChange::Set(secret) => Some(secret),
                SecretChange::Erase => None,
            };
            let row = (connection.clone(), secret);
            match place {
                Some(place) => kept[place] = row,
                None => kept.push(row),
            }
            self.log.lock().unwrap().push(format!("{action} {} by {}", connection.name, by.name));
            Ok(())
        })
    }

    fn forget(&self, _: CompanyId, id: ConnectionId) -> BoxFuture<'_, Result<(), KeepError>> {
        Box::pin(async move {
            self.ready()?;
            self.kept.lock().unwrap().retain(|(row, _)| row.id != id);
            self.forgotten.notify_one();
            Ok(())
        })
    }

    fn keep_webhook_secrets<'a>(
        &'a self,
        _: CompanyId,
        id: ConnectionId,
        secrets: Vec<SecretString>,
        _: &'a Actor,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        let texts = secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect();
        *self.webhook_secrets.lock().unwrap() = texts;
        let mut signing = self.signing.lock().unwrap();
        signing.connections.retain(|(other, _)| *other != id);
        signing.connections.push((id, secrets));
        Box::pin(async { Ok(()) })
    }

    fn load_signing(&self) -> BoxFuture<'_, Result<Signing, KeepError>> {
        Box::pin(async { Ok(self.signing.lock().unwrap().clone()) })
    }

    fn keep_entrance_secrets<'a>(
        &'a self,
        company: CompanyId,
        entrance: &'a Entrance,
        secrets: Vec<SecretString>,
        _: &'a Actor,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move {
            self.ready()?;
            let mut signing = self.signing.lock().unwrap();
            signing.entrances.retain(|(whose, which, _)| (whose, which) != (&company, entrance));
            signing.entrances.push((company, entrance.clone(), secrets));
            Ok(())
        })
    }

    fn keep_registration<'a>(
        &'a self,
        registration: &'a Registration,
        _: &'a Actor,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move {
            self.ready()?;
            let mut signing = self.signing.lock().unwrap();
            let whose = |kept: &Registration| (kept.company, kept.connection);
            signing.registrations.retain(|kept| whose(kept) != whose(registration));
            signing.registrations.push(registration.clone());
            Ok(())
        })
    }

    fn forget_registration<'a>(
        &'a self,
        company: CompanyId,
        connection: ConnectionId,
        _: &'a Actor,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move {
            self.ready()?;
            let mut signing = self.signing.lock().unwrap();
            signing.registrations.retain(|kept| (kept.company, kept.connection) != (company, connection));
            Ok(())
        })
    }

    fn keep_cursor<'a>(
        &'a self,
        _: CompanyId,
        connection: ConnectionId,
        cursor: &'a str,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move {
            self.ready()?;
            let mut signing = self.signing.lock().unwrap();
            signing.cursors.retain(|(kept, _)| *kept != connection);
            signing.cursors.push((connection, cursor.to_owned()));
            Ok(())
        })
    }
}

pub const OTHER_COMPANY: CompanyId = CompanyId(Uuid::from_u128(9));
pub const NANGO_KEY: &str = "5f0d4e0a-0c43-4b5b-8f2e-1f9f7a3c9e11";
/// 2026-11-23T00:00:00Z, milliseconds.
pub const NOW: i64 = 1_795_392_000_000;

/// Stripe, Nango, the storage, a clock, and what connects them.
pub struct World {
    pub stripe: Desk,
    pub nango: Desk,
    pub shelf: Arc<Shelf>,
    pub clock: ManualClock,
    pub connect: Connect,
}

/// How the server is started.
#[derive(Default)]
pub struct Start<'a> {
    pub key: Option<&'a str>,
    pub sandbox: bool,
    pub no_nango: bool,
    pub integration: Option<&'a str>,
    pub public_url: Option<&'a str>,
    pub webhook_secrets: &'a [&'a str],
    /// Address and key of another Nango than the desk.
    pub nango: Option<(&'a str, &'a str)>,
}

impl World {
    pub async fn new(start: Start<'_>) -> World {
        let (stripe, nango) = (Desk::open(), Desk::open());
        let (shelf, clock) = (Arc::new(Shelf::default()), ManualClock::at(NOW));
        let connect = open(&start, &stripe, &nango, &shelf, &clock).await;
        World { stripe, nango, shelf, clock, connect }
    }

    /// The process begins again on what is stored.
    pub async fn again(self, start: Start<'_>) -> World {
        let connect = open(&start, &self.stripe, &self.nango, &self.shelf, &self.clock).await;
        World { connect, ..self }
    }

    pub fn row(&self, name: &str) -> Connection {
        self.shelf.rows().into_iter().find(|row| row.name == name).unwrap()
    }

    /// Prepares a call of the company's run, and sends it.
    pub async fn call(&self, asked: Option<ConnectionId>, bound: Option<&Account>) -> Came {
        match prepare(&self.connect, COMPANY, asked, bound) {
            Err(Unprepared::Refused(error)) => Came::Refused(error.message),
            Err(Unprepared::NotReady { error, account }) => Came::Waits(error.message, account),
            Ok(request) => self.send(request).await,
        }
    }

    pub async fn send(&self, request: Request) -> Came {
        let timeout = std::time::Duration::from_secs(20);
        let sending = Sending { request: &request, key: Uuid::nil(), timeout, attempt: Attempt::First };
        match self.connect.perform(sending).await {
            Outcome::Done { .. } => Came::Done(request.account),
            Outcome::Failed(failure) => Came::Failed(failure.finding, failure.error.message),
        }
    }
}

/// What came of a call.
#[derive(Debug, PartialEq)]
pub enum Came {
    Done(Account),
    Failed(Finding, String),
    Refused(String),
    Waits(String, Option<Account>),
}

impl Came {
    #[track_caller]
    pub fn account(self) -> Account {
        match self {
            Came::Done(account) => account,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn waits(self, piece: &str) -> Option<Account> {
        match self {
            Came::Waits(message, account) if message.contains(piece) => account,
            other => panic!("{piece:?} is not what {other:?} waits for"),
        }
    }
}

impl Came {
    /// Nothing was sent, and the run waits for its connection.
    #[track_caller]
    pub fn no_connection(self, piece: &str) {
        match self {
            Came::Failed(Finding::NoConnection, message) if message.contains(piece) => {}
            other => panic!("{piece:?} is not why {other:?}"),
        }
    }
}

async fn open(
    start: &Start<'_>,
    stripe: &Desk,
    nango: &Desk,
    shelf: &Arc<Shelf>,
    clock: &ManualClock,
) -> Connect {
    let (server_url, secret_key) = start.nango.unwrap_or((&nango.base, NANGO_KEY));
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let config = Config {
        stripe: stripe::Config {
            api_key: start.key.map(Into::into),
            api_base: stripe.base.clone(),
            sandbox: start.sandbox,
            webhook_secrets: start.webhook_secrets.iter().map(|secret| (*secret).into()).collect(),
            ..stripe::Config::default()
        },
        nango: (!start.no_nango).then(|| nango::Config {
            server_url: server_url.to_owned(),
            secret_key: secret_key.into(),
            stripe_integration: owned(start.integration),
            public_url: start.public_url.map(|url| url.parse().unwrap()),
        }),
        default_company: COMPANY,
        public_url: owned(start.public_url),
        own_url: Some("http://127.0.0.1:3000".to_owned()),
    };
    let shelf: Arc<dyn ConnectionStore> = Arc::<Shelf>::clone(shelf);
    Connect::open(config, shelf, Arc::new(clock.clone())).await.unwrap()
}

pub fn prepare(
    connect: &Connect,
    company: CompanyId,
    connection: Option<ConnectionId>,
    bound: Option<&Account>,
) -> Result<Request, Unprepared> {
    let (action, config, input) = (&listing(), &tree(&value("{}")), &value("{}"));
    let path = &StepPath("list-them".to_owned());
    let version = Some(stripe::API_VERSION.to_owned());
    let bound = bound.map(|account| Bound { account: account.clone(), version });
    let (bound, used, stamp) = (bound.as_ref(), &[][..], false);
    connect.prepare(&Call { company, action, config, input, connection, run: RUN, path, stamp, bound, used })
}

pub fn actor() -> Actor {
    Actor { id: "key_1".to_owned(), name: "person".to_owned(), address: None }
}

/// The time that Nango would write.
pub fn time(milliseconds: i64) -> String {
    jiff::Timestamp::from_millisecond(milliseconds).unwrap().to_string()
}
