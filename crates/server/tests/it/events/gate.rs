//! A stand-in for those who know senders, tell providers where to send, and take events in: it keeps events as the real
//! ones do, believes whoever says a secret word, and takes note of what it was asked.

use std::sync::Mutex;

use loopfour_engine::connections::ConnectionError;
use loopfour_engine::ports::Clock as _;
use loopfour_engine::ports::{BoxFuture, JournalError};
use loopfour_engine::provider_events::{
    BadSignature, Endpoint, Endpoints, Entrance, EventStatus, Inbox as _, Incoming, Intake, Kept, NewEvent,
    ProviderEvent, Replay, ReplayError, Senders, SignatureHeaders, Signer, TakenIn,
};
use loopfour_engine::{Actor, CompanyId, ConnectionId, EventId, Timestamp, TriggerKind};
use loopfour_store::Store;
use loopfour_testkit::ManualClock;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

/// What any company's sender may say in place of a signature.
pub const WORD: &str = "t=1,v1=word";

pub struct Gate {
    store: Store,
    clock: ManualClock,
    /// Secrets by company and entrance.
    secrets: Mutex<Vec<(CompanyId, Entrance, Vec<String>)>>,
    /// Whether signatures are asked for at which custom path; nobody listens at any other.
    pub paths: Mutex<Vec<(&'static str, bool)>>,
    /// What came in.
    pub came: Mutex<Vec<Incoming>>,
    /// What was wanted of Stripe.
    pub settled: Mutex<Vec<Vec<String>>>,
    /// What was to be handed over once more.
    pub replayed: Mutex<Vec<(EventId, Replay)>>,
    /// What a replay comes to.
    pub refuse_replay: Mutex<Option<ReplayError>>,
    /// Of this event alone, if one is named.
    pub refused_event: Mutex<Option<EventId>>,
    /// What taking an event in comes to.
    pub refuse: Mutex<Option<JournalError>>,
    /// How events are kept.
    pub status: Mutex<EventStatus>,
}

impl Gate {
    pub fn new(store: Store, clock: ManualClock) -> Gate {
        Gate {
            store,
            clock,
            secrets: Mutex::default(),
            paths: Mutex::default(),
            came: Mutex::default(),
            settled: Mutex::default(),
            replayed: Mutex::default(),
            refuse_replay: Mutex::default(),
            refused_event: Mutex::default(),
            refuse: Mutex::default(),
            status: Mutex::new(EventStatus::Stored),
        }
    }

    /// An event as if it had come; its id.
    pub async fn event(&self, company: CompanyId, id: &str, kind: &str) -> EventId {
        let body = format!(r#"{{"id":"{id}","object":"event","type":"{kind}","data":{{"object":{{}}}}}}"#);
        let event = Incoming {
            company,
            entrance: Entrance::Stripe,
            signer: Signer::Company,
            provider_event_id: Some(id.to_owned()),
            kind: kind.to_owned(),
            body: loopfour_lang::Document::parse(body.as_bytes()).unwrap(),
        };
        self.take_in(event).await.unwrap().event
    }
}

impl Senders for Gate {
    fn verify(
        &self,
        company: CompanyId,
        entrance: &Entrance,
        headers: SignatureHeaders<'_>,
        _body: &[u8],
        _now: Timestamp,
    ) -> Result<Signer, BadSignature> {
        let given = match entrance {
            Entrance::Stripe => headers.stripe,
            Entrance::Custom { .. } => headers.id.and(headers.timestamp).and(headers.signature),
        };
        let given = given.ok_or(BadSignature)?;
        let secrets = self.secrets.lock().unwrap();
        let known = |(of, at, words): &(CompanyId, Entrance, Vec<String>)| {
            *of == company && at == entrance && words.iter().any(|word| word == given)
        };
        let is_home = company == self.store.default_company();
        if (is_home && given == WORD) || secrets.iter().any(known) {
            Ok(Signer::Company)
        } else {
            Err(BadSignature)
        }
    }

    fn route(
        &self,
        _company: CompanyId,
        _provider: &str,
        _signer: Signer,
        _account: Option<&str>,
        _livemode: bool,
    ) -> Result<ConnectionId, String> {
        Err("nobody routes here".to_owned())
    }

    fn api_version(&self, _company: CompanyId, _connection: ConnectionId) -> Option<String> {
        None
    }

    fn keep_secrets<'a>(
        &'a self,
        company: CompanyId,
        entrance: Entrance,
        secrets: Vec<SecretString>,
        _by: &'a Actor,
    ) -> BoxFuture<'a, Result<(), ConnectionError>> {
        Box::pin(async move {
            let words: Vec<String> = secrets.iter().map(|word| word.expose_secret().to_owned()).collect();
            if let Some(at) = words.iter().position(|word| word == "refused") {
                let field = format!("secrets[{at}]");
                return Err(ConnectionError::Invalid { field, message: "is no secret".to_owned() });
            }
            let mut all = self.secrets.lock().unwrap();
            all.retain(|(of, at, _)| (*of, at) != (company, &entrance));
            if !words.is_empty() {
                all.push((company, entrance, words));
            }
            Ok(())
        })
    }

    fn secret_counts(&self, company: CompanyId) -> Vec<(Entrance, usize)> {
        let all = self.secrets.lock().unwrap();
        let own = all.iter().filter(|(of, _, _)| *of == company);
        own.map(|(_, entrance, words)| (entrance.clone(), words.len())).collect()
    }
}

impl Endpoints for Gate {
    fn settle<'a>(
        &'a self,
        company: CompanyId,
        events: Vec<String>,
        _by: &'a Actor,
    ) -> BoxFuture<'a, Vec<Endpoint>> {
        self.settled.lock().unwrap().push(events.clone());
        let url = format!("https://loopfour.example/webhooks/stripe/{company}");
        let endpoint =
            Endpoint { connection: None, url, events, settled: true, note: "Stripe knows".to_owned() };
        Box::pin(async move { vec![endpoint] })
    }
}

impl Intake for Gate {
    fn take_in(&self, event: Incoming) -> BoxFuture<'_, Result<TakenIn, JournalError>> {
        Box::pin(async move {
            if let Some(refusal) = self.refuse.lock().unwrap().clone() {
                return Err(refusal);
            }
            self.came.lock().unwrap().push(event.clone());
            let listeners = self.store.active(event.company, TriggerKind::Webhook);
            let workflows: Vec<_> = listeners.into_iter().map(|active| active.workflow).collect();
            let count = workflows.len();
            let id = EventId(Uuid::now_v7());
            let kept = ProviderEvent {
                id,
                company: event.company,
                entrance: event.entrance,
                provider_event_id: event.provider_event_id,
                kind: event.kind,
                connection: None,
                status: *self.status.lock().unwrap(),
                reason: None,
                attempts: 0,
                created_at: self.clock.now(),
            };
            let kept = self.store.keep(NewEvent { event: kept, body: event.body, workflows }).await?;
            Ok(match kept {
                Kept::New => TakenIn { event: id, workflows: count },
                Kept::Duplicate(first) => TakenIn { event: first, workflows: 0 },
            })
        })
    }

    fn asks_for_signature(&self, company: CompanyId, path: &str) -> BoxFuture<'_, Option<bool>> {
        let is_home = company == self.store.default_company();
        let paths = self.paths.lock().unwrap();
        let asked = paths.iter().find(|(known, _)| is_home && *known == path).map(|(_, asked)| *asked);
        Box::pin(async move { asked })
    }

    fn replay<'a>(
        &'a self,
        company: CompanyId,
        event: EventId,
        wish: Replay,
        _by: &'a Actor,
    ) -> BoxFuture<'a, Result<usize, ReplayError>> {
        Box::pin(async move {
            if let Some(refusal) = self.refuse_replay.lock().unwrap().clone() {
                let is_it = self.refused_event.lock().unwrap().is_none_or(|refused| refused == event);
                if is_it {
                    return Err(refusal);
                }
            }
            if self.store.event(company, event).await?.is_none() {
                return Err(ReplayError::Missing(format!("event `{event}` does not exist")));
            }
            self.replayed.lock().unwrap().push((event, wish));
            Ok(2)
        })
    }
}
