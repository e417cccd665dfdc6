//! Connections: a company's credentials for a provider, as everybody may see them; what people do to them; and the ports
//! between those who keep them, those who use them and those who are asked over HTTP. Secrets stay behind the ports.

use std::fmt;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Actor;
use crate::id::{CompanyId, ConnectionId};
use crate::ports::BoxFuture;
use crate::provider_events::Entrance;
use crate::time::Timestamp;

/// Whether a connection can be used (spec 9). The names are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionStatus {
    /// A first authorisation has begun and is not through yet.
    Pending,
    /// It can be used.
    Active,
    /// The token ended, and nothing can refresh it.
    Expired,
    /// The provider refused it.
    Error,
    /// A person ended it, or the account's owner did at the provider.
    Disconnected,
}

impl ConnectionStatus {
    /// Every status.
    pub const ALL: [ConnectionStatus; 5] = [
        ConnectionStatus::Pending,
        ConnectionStatus::Active,
        ConnectionStatus::Expired,
        ConnectionStatus::Error,
        ConnectionStatus::Disconnected,
    ];

    /// The name that the API and the database use.
    pub fn name(self) -> &'static str {
        match self {
            ConnectionStatus::Pending => "pending",
            ConnectionStatus::Active => "active",
            ConnectionStatus::Expired => "expired",
            ConnectionStatus::Error => "error",
            ConnectionStatus::Disconnected => "disconnected",
        }
    }
}

impl fmt::Display for ConnectionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a connection's credentials come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Source {
    /// `STRIPE_API_KEY`: nothing is stored.
    Environment,
    /// The sandbox in this process: nothing is stored.
    Sandbox,
    /// A key that a person gave; it is stored encrypted.
    ApiKey,
    /// Nango keeps them, and is asked.
    Nango {
        /// Nango's `provider_config_key`.
        integration: String,
        /// Nango's connection id, once it is authorised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<String>,
    },
}

/// How the events of an account come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventSource {
    /// The provider sends them.
    #[default]
    Webhook,
    /// They are asked for.
    Poll,
}

/// What a person sets about a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionSettings {
    /// The account that a Connect platform acts for (`Stripe-Account`), `acct_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_account: Option<String>,
    /// The version of Stripe's API (`Stripe-Version`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// How many calls a second go out, as the setting `stripe.pace` is written: `off` or `read=50,write=20,total=50`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<String>,
    /// How its events come in.
    #[serde(default)]
    pub events: EventSource,
}

/// One try to authorise a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Random, so nobody guesses the address of its page. Nango carries it as the tag `attempt`.
    pub id: Uuid,
    /// When it is over, successful or not.
    pub expires_at: Timestamp,
    /// Where the person goes on to afterwards; its origin was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
    /// How it stands.
    pub state: AttemptState,
}

/// How a try to authorise stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum AttemptState {
    /// The person has not come back.
    Open,
    /// It worked. `note` says what a person should know all the same: that another account came back.
    Succeeded {
        /// For the person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// It did not.
    Failed {
        /// Why, for the person.
        reason: String,
    },
}

/// A connection as everybody in its company may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Whose it is.
    pub company: CompanyId,
    /// Unique within the company and the provider.
    pub name: String,
    /// `stripe`.
    pub provider: String,
    /// Whether it can be used.
    pub status: ConnectionStatus,
    /// Where its credentials come from.
    pub source: Source,
    /// `live`, `test` or `sandbox`, once it is known.
    pub mode: Option<String>,
    /// The provider's id of the account, or `key:…` where the key may not read it.
    pub external_account_id: Option<String>,
    /// The account before this one, where another came: what a person may say to be the same.
    pub former_account: Option<String>,
    /// Earlier ids of which a person said that they are the same account.
    pub same_accounts: Vec<String>,
    /// What a person set.
    pub settings: ConnectionSettings,
    /// Why it is not active, and what to do about it.
    pub last_error: Option<String>,
    /// When the provider last said that it is good.
    pub last_synced_at: Option<Timestamp>,
    /// The last try to authorise it.
    pub attempt: Option<Attempt>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What becomes of a stored secret.
#[derive(Clone, Debug)]
pub enum SecretChange {
    /// It stays.
    Keep,
    /// This one takes its place.
    Set(SecretString),
    /// It is erased.
    Erase,
}

/// A connection and its key, if it has one.
pub type WithKey = (Connection, Option<SecretString>);

/// Why the storage did not take a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// Another one of the company has the name.
    #[error("the name is taken")]
    NameTaken,
    /// It failed.
    #[error("storage: {0}")]
    Storage(String),
}

/// Where a provider was told to send a company's events of a connection's account. In the sandbox companies share a
/// connection, and each has a registration of its own.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Whose events they are.
    pub company: CompanyId,
    /// The connection whose account sends them.
    pub connection: ConnectionId,
    /// The provider's id of it.
    pub endpoint: String,
    /// What the provider signs them with.
    pub secret: SecretString,
    /// The address that the provider was told.
    pub url: String,
    /// The version of the provider's API that they have.
    pub api_version: String,
    /// The types that the provider was told, sorted; none: it is disabled.
    pub events: Vec<String>,
}

/// What provider events are signed with, of every company, and how far those that are asked for were asked for.
#[derive(Clone, Debug, Default)]
pub struct Signing {
    /// The secrets that a company gave for an entrance.
    pub entrances: Vec<(CompanyId, Entrance, Vec<SecretString>)>,
    /// The secrets that people gave for a connection.
    pub connections: Vec<(ConnectionId, Vec<SecretString>)>,
    /// What providers were told.
    pub registrations: Vec<Registration>,
    /// How far a connection's events were asked for, as [`ConnectionStore::keep_cursor`] took it.
    pub cursors: Vec<(ConnectionId, String)>,
}

/// Keeps connections. Whoever implements it encrypts the secrets, and writes the audit log in the same commit.
pub trait ConnectionStore: Send + Sync + 'static {
    /// Every connection of every company, with the key of those that have one.
    fn load(&self) -> BoxFuture<'_, Result<Vec<WithKey>, KeepError>>;

    /// Stores a connection, new or changed (by its id), as `action` of the audit log by `by`.
    fn keep<'a>(
        &'a self,
        connection: &'a Connection,
        secret: SecretChange,
        by: &'a Actor,
        action: &'static str,
    ) -> BoxFuture<'a, Result<(), KeepError>>;

    /// Removes a connection that never became active.
    fn forget(&self, company: CompanyId, id: ConnectionId) -> BoxFuture<'_, Result<(), KeepError>>;

    /// The secrets that sign the connection's events, in place of those before.
    fn keep_webhook_secrets<'a>(
        &'a self,
        company: CompanyId,
        id: ConnectionId,
        secrets: Vec<SecretString>,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<(), KeepError>>;

    /// Everything that provider events are signed with; at the start.
    fn load_signing(&self) -> BoxFuture<'_, Result<Signing, KeepError>>;

    /// The secrets of a company that sign what comes in at an entrance, in place of those before; none: they are erased.
    fn keep_entrance_secrets<'a>(
        &'a self,
        company: CompanyId,
        entrance: &'a Entrance,
        secrets: Vec<SecretString>,
        by: &'a Actor,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), KeepError>>;

    /// What a provider was told of a company and a connection, in place of what it was told before. The secret is sealed.
    fn keep_registration<'a>(
        &'a self,
        registration: &'a Registration,
        by: &'a Actor,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), KeepError>>;

    /// The provider does not know it any more.
    fn forget_registration<'a>(
        &'a self,
        company: CompanyId,
        connection: ConnectionId,
        by: &'a Actor,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), KeepError>>;

    /// How far a connection's events were asked for and taken in: an opaque text of at most 2000 bytes. Not for the audit
    /// log; it comes every few seconds while events do.
    fn keep_cursor<'a>(
        &'a self,
        company: CompanyId,
        connection: ConnectionId,
        cursor: &'a str,
    ) -> BoxFuture<'a, Result<(), KeepError>>;
}

/// A person wants to authorise a connection.
#[derive(Clone, Debug)]
pub struct Authorize {
    /// `stripe`.
    pub provider: String,
    /// The connection's name.
    pub name: String,
    /// Where the person goes on to afterwards; its origin is checked by whoever asks.
    pub redirect_url: Option<String>,
}

/// Where the person goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// The connection.
    pub connection: ConnectionId,
    /// The try, which names its page.
    pub attempt: Uuid,
    /// The link for the person's browser. It holds a token: not for logs.
    pub auth_url: String,
    /// When the link ends.
    pub expires_at: Timestamp,
}

/// A connection by key.
#[derive(Clone, Debug)]
pub struct NewKeyConnection {
    /// `stripe`.
    pub provider: String,
    /// Its name.
    pub name: String,
    /// The key, white space around it trimmed.
    pub api_key: SecretString,
}

/// What is to be changed of a connection's settings; what is `None` stays, and an inner `None` takes the setting away.
#[derive(Clone, Debug, Default)]
pub struct SettingsChange {
    /// The account that calls are for.
    pub stripe_account: Option<Option<String>>,
    /// The version of the provider's API.
    pub api_version: Option<Option<String>>,
    /// How many calls a second go out.
    pub pace: Option<Option<String>>,
    /// How its events come in.
    pub events: Option<EventSource>,
}

impl SettingsChange {
    /// The settings after the change of these.
    pub fn over(&self, settings: &ConnectionSettings) -> ConnectionSettings {
        let wanted = |change: &Option<Option<String>>, now: &Option<String>| {
            change.clone().unwrap_or_else(|| now.clone())
        };
        ConnectionSettings {
            stripe_account: wanted(&self.stripe_account, &settings.stripe_account),
            api_version: wanted(&self.api_version, &settings.api_version),
            pace: wanted(&self.pace, &settings.pace),
            events: self.events.unwrap_or(settings.events),
        }
    }
}

/// What is to be changed of a connection; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ConnectionChange {
    /// Its name.
    pub name: Option<String>,
    /// Of its settings.
    pub settings: SettingsChange,
    /// The secrets that sign its events.
    pub webhook_secrets: Option<Vec<SecretString>>,
    /// The person says that the account which could not be read is the one of the key before.
    pub same_account: bool,
}

/// What Nango's webhook says of a try; its signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationNews {
    /// Whether it worked. Nango is asked all the same.
    pub success: bool,
    /// Why not, in Nango's words.
    pub reason: Option<String>,
}

/// Why something was not done to a connection. Every text is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// There is no such connection, provider or try.
    #[error("{0}")]
    Missing(String),
    /// Its state, or the server's settings, do not allow it.
    #[error("{0}")]
    State(String),
    /// The name is taken.
    #[error("{0}")]
    Conflict(String),
    /// What was given cannot be used: the field, and what is wrong with it.
    #[error("{field}: {message}")]
    Invalid {
        /// A path into the body.
        field: String,
        /// What is wrong.
        message: String,
    },
    /// The provider or Nango gave no answer.
    #[error("{0}")]
    Unavailable(String),
    /// The storage failed; for the log.
    #[error(transparent)]
    Storage(#[from] KeepError),
}

/// What can be asked of those who use connections.
pub trait Connections: Send + Sync + 'static {
    /// Begins an authorisation: makes a pending connection, or takes the one of that name which is not active.
    fn authorize<'a>(
        &'a self,
        company: CompanyId,
        wish: Authorize,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<Authorization, ConnectionError>>;

    /// A connection of the company; where an authorisation is open, Nango is asked first. Also for disconnected ones.
    fn look(
        &self,
        company: CompanyId,
        id: ConnectionId,
    ) -> BoxFuture<'_, Result<Connection, ConnectionError>>;

    /// The connection that a try belongs to, after Nango was asked; where that gave no answer, the error says so to whoever
    /// waits for the try. `news` may say already that it failed.
    fn look_at_attempt(
        &self,
        attempt: Uuid,
        news: Option<AuthorizationNews>,
    ) -> BoxFuture<'_, Result<Connection, ConnectionError>>;

    /// Makes a connection by key, or gives a new key to the one of that name which is not active, after the provider has
    /// taken the key.
    fn add_key<'a>(
        &'a self,
        company: CompanyId,
        new: NewKeyConnection,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<Connection, ConnectionError>>;

    /// Changes a connection.
    fn change<'a>(
        &'a self,
        company: CompanyId,
        id: ConnectionId,
        change: ConnectionChange,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<Connection, ConnectionError>>;

    /// Ends a connection: its credentials are erased here, and at Nango where it is Nango's.
    fn disconnect<'a>(
        &'a self,
        company: CompanyId,
        id: ConnectionId,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<Connection, ConnectionError>>;

    /// Asks the provider whether the credentials are good, and notes what it says: the connection is active or in error
    /// afterwards.
    fn test<'a>(
        &'a self,
        company: CompanyId,
        id: ConnectionId,
        by: &'a Actor,
    ) -> BoxFuture<'a, Result<Connection, ConnectionError>>;

    /// Whether the company has a connection by that id, from memory.
    fn exists(&self, company: CompanyId, id: ConnectionId) -> bool {
        self.company_of(id) == Some(company)
    }

    /// Whose connection that is, from memory; for those who come without a key, and are told nothing of it.
    fn company_of(&self, id: ConnectionId) -> Option<CompanyId>;
}
