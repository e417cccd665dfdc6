//! Provider events: what webhooks bring and what is asked of a provider's list of events; who signed them, whose they are,
//! and the ports between the HTTP API, those who keep them, and those who hand them over to workflows.

use loopfour_lang::Document;
use secrecy::SecretString;

use crate::cause::Cause;
use crate::connections::ConnectionError;
use crate::event::{Actor, TriggerKind};
use crate::id::{CompanyId, ConnectionId, EventId, RunId, WorkflowId};
use crate::ports::{BoxFuture, JournalError};
use crate::time::Timestamp;

/// How a provider event stands. The names are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventStatus {
    /// It is kept: no workflow listened, or the hand-over is not through yet.
    Stored,
    /// Every workflow that listened has its run.
    Dispatched,
    /// Whose connection it belongs to is not known: it started nothing.
    Unrouted,
    /// A workflow that listened did not get it, and it is not tried again by itself.
    Dead,
}

impl EventStatus {
    /// Every status.
    pub const ALL: [EventStatus; 4] =
        [EventStatus::Stored, EventStatus::Dispatched, EventStatus::Unrouted, EventStatus::Dead];

    /// The name that the API and the database use.
    pub fn name(self) -> &'static str {
        match self {
            EventStatus::Stored => "stored",
            EventStatus::Dispatched => "dispatched",
            EventStatus::Unrouted => "unrouted",
            EventStatus::Dead => "dead",
        }
    }
}

/// Where an event came in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Entrance {
    /// Stripe's webhook, or its list of events.
    Stripe,
    /// `/webhooks/custom/<company>/<path>`.
    Custom {
        /// The last part of the address.
        path: String,
    },
}

impl Entrance {
    /// The provider's name: `stripe` or `custom`.
    pub fn provider(&self) -> &'static str {
        match self {
            Entrance::Stripe => "stripe",
            Entrance::Custom { .. } => "custom",
        }
    }

    /// The last part of its address, where it is a custom one.
    pub fn path(&self) -> Option<&str> {
        match self {
            Entrance::Stripe => None,
            Entrance::Custom { path } => Some(path),
        }
    }
}

/// Who vouches for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// A secret of this connection, or the connection's own credentials where the event was asked for.
    Connection(ConnectionId),
    /// A secret of the company, or of the environment.
    Company,
    /// Nobody: its workflows do not ask for a signature.
    Nobody,
}

/// An event as it came in; its signature was checked.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Whose.
    pub company: CompanyId,
    /// Where it came in.
    pub entrance: Entrance,
    /// Who vouches for it.
    pub signer: Signer,
    /// What the provider calls this event: the same id is the same event. Without one each delivery is a new event.
    pub provider_event_id: Option<String>,
    /// Its type; empty where it names none.
    pub kind: String,
    /// The event itself, an object.
    pub body: Document,
}

/// A provider event as everybody in its company may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderEvent {
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub company: CompanyId,
    /// Where it came in.
    pub entrance: Entrance,
    /// The provider's id of it.
    pub provider_event_id: Option<String>,
    /// Its type.
    pub kind: String,
    /// The connection that it belongs to, where the provider has connections; of an unrouted one the connection whose
    /// secret signed it, if one did.
    pub connection: Option<ConnectionId>,
    /// How it stands.
    pub status: EventStatus,
    /// Why it is unrouted or dead; of one that ran, what a person should know all the same.
    pub reason: Option<String>,
    /// How often handing it over was tried.
    pub attempts: u32,
    /// When it came in.
    pub created_at: Timestamp,
}

/// An event that is to be kept, and the workflows that are to get it.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// How it is to stand; its `attempts` are 0.
    pub event: ProviderEvent,
    /// As it came.
    pub body: Document,
    /// The workflows that are to get it.
    pub workflows: Vec<WorkflowId>,
}

/// What became of an event that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is kept.
    New,
    /// The provider's event was here before, as this one; nothing was changed.
    Duplicate(EventId),
}

/// A workflow is to get a run for a cause; kept until the run is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// Whose.
    pub company: CompanyId,
    /// Which workflow is to get it.
    pub workflow: WorkflowId,
    /// What it is to get: an event, or another run's failure.
    pub cause: Cause,
    /// How often it was tried in vain.
    pub attempts: u32,
}

/// An active workflow, by what starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Active {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its current version.
    pub version: u32,
}

/// Keeps provider events and what is to be handed over. A hand-over leaves it by itself, in the commit that begins its run
/// ([`Event::RunStarted`](crate::Event::RunStarted) names the cause); an event of which none is left is dispatched then. A
/// run that ends badly puts in a hand-over for each active workflow of the company with a `failure` trigger, in the commit
/// of its end; not if its own workflow has such a trigger.
pub trait Inbox: Send + Sync + 'static {
    /// The company's active workflows with such a trigger, from memory: true from the moment on that the change of a
    /// workflow is acknowledged.
    fn active(&self, company: CompanyId, trigger: TriggerKind) -> Vec<Active>;

    /// Whether the company has this workflow, active or not.
    fn has_workflow(
        &self,
        company: CompanyId,
        workflow: WorkflowId,
    ) -> impl Future<Output = Result<bool, JournalError>> + Send;

    /// Keeps an event and its hand-overs, unless the provider's event is there already. Returns only after that is durable.
    fn keep(&self, event: NewEvent) -> impl Future<Output = Result<Kept, JournalError>> + Send;

    /// Hand-overs whose time has come, in the order in which they were put in.
    fn due(
        &self,
        now: Timestamp,
        most: usize,
    ) -> impl Future<Output = Result<Vec<HandOver>, JournalError>> + Send;

    /// When the next one is due.
    fn next_due(&self) -> impl Future<Output = Result<Option<Timestamp>, JournalError>> + Send;

    /// Resolves once hand-overs were put in more than `seen` times since the start, and says how often. Nothing put in
    /// before a call of [`Inbox::due`] that does not show it is missed by asking for more than was seen before that call.
    fn put_in(&self, seen: u64) -> impl Future<Output = u64> + Send;

    /// An event of the company and its body, `None` where that is not kept any more.
    fn event(
        &self,
        company: CompanyId,
        event: EventId,
    ) -> impl Future<Output = Result<Option<(ProviderEvent, Option<Document>)>, JournalError>> + Send;

    /// A try was in vain: the hand-over is tried again then, or never, where the event is dead from here on.
    fn failed(
        &self,
        hand_over: HandOver,
        reason: String,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// The workflow is not to get it after all: it was paused meanwhile, or never listened to that.
    fn withdraw(&self, hand_over: HandOver) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Puts in hand-overs of a kept event once more, as `by` wants, with a row in the audit log; one that was unrouted
    /// belongs to `connection` from here on.
    fn put_in_again(
        &self,
        company: CompanyId,
        event: EventId,
        connection: Option<ConnectionId>,
        hand_overs: Vec<HandOver>,
        by: &Actor,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// The runs that an event started, oldest first, with their workflows.
    fn runs_of(
        &self,
        company: CompanyId,
        event: EventId,
    ) -> impl Future<Output = Result<Vec<(WorkflowId, RunId)>, JournalError>> + Send;
}

/// A signature is missing, bad or stale, or nobody here expects one: to whoever sent it all of that is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is missing, stale or not good")]
pub struct BadSignature;

/// The headers that sign a request; each absent where it is not there exactly once, or is no text.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignatureHeaders<'a> {
    /// `stripe-signature`.
    pub stripe: Option<&'a str>,
    /// `webhook-id` of Standard Webhooks.
    pub id: Option<&'a str>,
    /// `webhook-timestamp`.
    pub timestamp: Option<&'a str>,
    /// `webhook-signature`.
    pub signature: Option<&'a str>,
}

/// Who may send events, and whose they are.
pub trait Senders: Send + Sync + 'static {
    /// Who signed these bytes, by all secrets that the entrance has; from memory, in constant time for each secret.
    ///
    /// # Errors
    /// Nobody whose secret is known here did, within 300 seconds before now.
    fn verify(
        &self,
        company: CompanyId,
        entrance: &Entrance,
        headers: SignatureHeaders<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Signer, BadSignature>;

    /// The connection that an event of the provider belongs to (spec 10): by `account` where it names one, else by who
    /// signed it; its mode must be the event's.
    ///
    /// # Errors
    /// None does; the text says why, for people.
    fn route(
        &self,
        company: CompanyId,
        provider: &str,
        signer: Signer,
        account: Option<&str>,
        livemode: bool,
    ) -> Result<ConnectionId, String>;

    /// The version of the provider's API that the connection's events should have.
    fn api_version(&self, company: CompanyId, connection: ConnectionId) -> Option<String>;

    /// Makes these the company's secrets of an entrance, in place of those before; none takes them away. They count from
    /// the moment on that this returns.
    ///
    /// # Errors
    /// [`ConnectionError::Invalid`] for secrets that cannot be, with `secrets[0]` as the field; or the storage failed.
    fn keep_secrets<'a>(
        &'a self,
        company: CompanyId,
        entrance: Entrance,
        secrets: Vec<SecretString>,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<(), ConnectionError>>;

    /// How many secrets the company has for which entrance, those of connections and of the environment not counted.
    fn secret_counts(&self, company: CompanyId) -> Vec<(Entrance, usize)>;
}

/// What became of an event that was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenIn {
    /// Our id of it; of a duplicate the first one's.
    pub event: EventId,
    /// How many workflows get it; 0 for a duplicate.
    pub workflows: usize,
}

/// Which kept events are to be handed over once more, and to whom.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// To this workflow alone, whatever it listens to; without one to every active workflow that listens.
    pub workflow: Option<WorkflowId>,
    /// Also where it has a run for the event already: a second one.
    pub again: bool,
    /// The connection that an unrouted event belongs to.
    pub connection: Option<ConnectionId>,
}

/// Why an event was not handed over once more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// There is no such event, workflow or connection.
    #[error("{0}")]
    Missing(String),
    /// The event, or the workflow, does not stand so that this can be done; or its body is not kept any more.
    #[error("{0}")]
    State(String),
    /// What was wished for cannot be.
    #[error("{0}")]
    Unfit(String),
    /// The storage did not take it.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Takes events in and hands them over to workflows.
pub trait Intake: Send + Sync + 'static {
    /// Keeps an event, with the workflows that listen to it now. Returns only after that is durable, and before any of
    /// their steps runs.
    fn take_in(&self, event: Incoming) -> BoxFuture<'_, Result<TakenIn, JournalError>>;

    /// Whether a workflow of the company listens at this entrance, and whether its signature is asked for; `None` where
    /// nobody listens. From memory.
    fn asks_for_signature(&self, company: CompanyId, path: &str) -> BoxFuture<'_, Option<bool>>;

    /// Hands a kept event over once more: to the workflows that did not get it, or as the wish says. Says to how many.
    fn replay<'a>(
        &'a self,
        company: CompanyId,
        event: EventId,
        wish: Replay,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<usize, ReplayError>>;
}

/// How a company's events of a provider come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The connection whose account sends them; `None` where no connection can be used.
    pub connection: Option<ConnectionId>,
    /// The address that the provider is to send them to.
    pub url: String,
    /// The types that are wanted, `*` for all; none: nobody listens any more.
    pub events: Vec<String>,
    /// Whether that is settled: the provider was told and its secret is stored, or the events are asked for.
    pub settled: bool,
    /// What was done, or what a person is to do by hand and why.
    pub note: String,
}

/// Tells the provider where to send events, and asks for them where no address of ours can be reached.
pub trait Endpoints: Send + Sync + 'static {
    /// Brings the endpoints at Stripe to what the company's active workflows listen to: makes, changes or disables them.
    /// `events` are types, families such as `invoice.*`, or `*` alone. One answer for each connection that can be used; what
    /// could not be done is said there, and tried again later.
    fn settle<'a>(
        &'a self,
        company: CompanyId,
        events: Vec<String>,
        by: &'a Actor,
    ) -> BoxFuture<'a, Vec<Endpoint>>;
}
