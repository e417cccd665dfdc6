//! Addresses of a company that are told of what happens in it: which kinds of things there are, what is told, and the
//! ports between those who keep what is to be told, those who send it and those who decide when. Nothing is sent here.

use std::fmt;

use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Value, json};

use crate::id::{CompanyId, MessageId, NoticeId};
use crate::ports::{BoxFuture, JournalError};
use crate::time::Timestamp;

/// What may be told. The names are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// A run began.
    RunStarted,
    /// A run waits.
    RunWaiting,
    /// A run is through.
    RunCompleted,
    /// A run failed.
    RunFailed,
    /// A run was ended by a person.
    RunCancelled,
    /// A run took too long.
    RunTimeout,
    /// A run waits until it is known what became of a write; it is told as [`NoticeKind::RunWaiting`] too.
    RunOutcomeUnknown,
    /// A workflow did not get a provider's event, and it is not tried again by itself.
    EventDead,
    /// A connection cannot be used any more.
    ConnectionError,
    /// A person tries whether an address can be reached; no address asks for it.
    Test,
}

impl NoticeKind {
    /// Every kind that an address can ask for.
    pub const ALL: [NoticeKind; 9] = [
        NoticeKind::RunStarted,
        NoticeKind::RunWaiting,
        NoticeKind::RunCompleted,
        NoticeKind::RunFailed,
        NoticeKind::RunCancelled,
        NoticeKind::RunTimeout,
        NoticeKind::RunOutcomeUnknown,
        NoticeKind::EventDead,
        NoticeKind::ConnectionError,
    ];

    /// What stands for several kinds: a family, or all.
    pub const FAMILIES: [&str; 4] = ["*", "run.*", "event.*", "connection.*"];

    /// The name that the API, the messages and the database use.
    pub fn name(self) -> &'static str {
        match self {
            NoticeKind::RunStarted => "run.started",
            NoticeKind::RunWaiting => "run.waiting",
            NoticeKind::RunCompleted => "run.completed",
            NoticeKind::RunFailed => "run.failed",
            NoticeKind::RunCancelled => "run.cancelled",
            NoticeKind::RunTimeout => "run.timeout",
            NoticeKind::RunOutcomeUnknown => "run.outcome_unknown",
            NoticeKind::EventDead => "event.dead",
            NoticeKind::ConnectionError => "connection.error",
            NoticeKind::Test => "notice.test",
        }
    }

    /// Every text by which an address can ask for something.
    pub fn known() -> impl Iterator<Item = &'static str> {
        NoticeKind::ALL.into_iter().map(NoticeKind::name).chain(NoticeKind::FAMILIES)
    }

    /// Whether an address that asks for `wanted` is told of this: the name itself, `run.*` or `*`.
    ///
    /// ```
    /// use loopfour_engine::notices::NoticeKind;
    /// assert!(NoticeKind::RunFailed.is_asked_for_by("run.*"));
    /// assert!(!NoticeKind::EventDead.is_asked_for_by("run.*"));
    /// ```
    pub fn is_asked_for_by(self, wanted: &str) -> bool {
        let in_family =
            |family: &str| self.name().strip_prefix(family).is_some_and(|rest| rest.starts_with('.'));
        wanted == "*" || wanted == self.name() || wanted.strip_suffix(".*").is_some_and(in_family)
    }

    /// The body of a message that tells of this.
    ///
    /// ```
    /// use loopfour_engine::{Timestamp, notices::NoticeKind};
    /// let body = NoticeKind::Test.message(Timestamp(0), &serde_json::json!({}));
    /// assert_eq!(body, r#"{"type":"notice.test","timestamp":"1970-01-01T00:00:00.000Z","data":{}}"#);
    /// ```
    pub fn message(self, at: Timestamp, data: &Value) -> String {
        json!({ "type": self.name(), "timestamp": at.to_string(), "data": data }).to_string()
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An address that is told of what happens. Its secret stays behind the ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its id.
    pub id: NoticeId,
    /// Whose it is.
    pub company: CompanyId,
    /// Where messages go.
    pub url: String,
    /// What it asks for, see [`NoticeKind::is_asked_for_by`].
    pub events: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is told nothing any more, and why.
    pub disabled: Option<Disabled>,
    /// Since when nothing arrived there; none while all is well.
    pub failing_since: Option<Timestamp>,
    /// Why the last try was in vain; none while all is well.
    pub last_error: Option<String>,
    /// When a message arrived last.
    pub last_delivered_at: Option<Timestamp>,
    /// How many messages were given up.
    pub failures: u64,
}

/// That nothing is told any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disabled {
    /// Since when.
    pub at: Timestamp,
    /// Why, for people.
    pub reason: String,
}

/// A message that is to be sent.
#[derive(Clone, Debug)]
pub struct Telling {
    /// Its id, the same at each try: who gets it twice knows it by that.
    pub id: MessageId,
    /// To whom.
    pub notice: NoticeId,
    /// Whose that is.
    pub company: CompanyId,
    /// Where it goes.
    pub url: String,
    /// What signs it: `whsec_` and base64.
    pub secret: SecretString,
    /// What is sent.
    pub body: String,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// Whether nothing arrived there lately.
    pub is_failing: bool,
}

/// Why a message did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// Whoever is there wants no more (410).
    #[error("answered with 410, which says that it wants no more messages")]
    Gone,
    /// Another answer than 2xx.
    #[error("answered with {0}")]
    Status(u16),
    /// No answer, or the address may not be called.
    #[error("{0}")]
    Failed(String),
}

/// Keeps what is to be told: a row for each message and address, put in with the commit of what it tells of, for every
/// address of the company that asks for it and is not disabled.
pub trait Outbox: Send + Sync + 'static {
    /// Messages whose time has come: of each address the first ones, `each` at most, in the order of their times. None of a
    /// disabled address.
    fn due(
        &self,
        now: Timestamp,
        each: usize,
    ) -> impl Future<Output = Result<Vec<Telling>, JournalError>> + Send;

    /// When the first is due whose time comes after that.
    fn next_due(
        &self,
        after: Timestamp,
    ) -> impl Future<Output = Result<Option<Timestamp>, JournalError>> + Send;

    /// Resolves once messages were put in more than `seen` times since the start, and says how often. Nothing put in before
    /// a call of [`Outbox::due`] that does not show it is missed by asking for more than was seen before that call.
    fn put_in(&self, seen: u64) -> impl Future<Output = u64> + Send;

    /// A message arrived: it goes, and its address is well.
    fn delivered(
        &self,
        telling: &Telling,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// A try was in vain: it is tried again then, or given up. Says since when nothing arrives at the address; `None` where
    /// that is gone.
    fn failed(
        &self,
        telling: &Telling,
        reason: &str,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Timestamp>, JournalError>> + Send;

    /// The address is told nothing from here on, what is left for it goes, and the audit log says so.
    fn disable(
        &self,
        telling: &Telling,
        reason: &str,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;
}

/// Sends messages.
pub trait Teller: Send + Sync + 'static {
    /// Whether messages may go to this address, as far as it can be told by its look: without asking what its name means.
    ///
    /// # Errors
    /// They may not; the text says why, for people.
    fn check(&self, url: &str) -> Result<(), String>;

    /// Sends a message once, signed at `now`, and gives the status of the answer, a 2xx. Ends within its own time limit.
    ///
    /// # Errors
    /// It did not arrive, or that is not known.
    fn tell<'a>(&'a self, telling: &'a Telling, now: Timestamp) -> BoxFuture<'a, Result<u16, Untold>>;
}
