//! A connection as it is used: the row that everybody may see, and in memory what it is called with, whether that is
//! refused, and its pace. It never changes; the registry puts another in its place.

use std::sync::Arc;

use loopfour_engine::call::Account;
use loopfour_engine::connections::{Connection, ConnectionStatus, Source};
use reqwest::header::HeaderValue;

use crate::credentials::Credentials;
use crate::pace::Pace;
use crate::stripe::{API_VERSION, Access};

/// The name of the connection by `STRIPE_API_KEY`, for people and in journals.
pub(crate) const ENVIRONMENT: &str = "environment";
/// The name of the connection to the sandbox, for people and in journals.
pub(crate) const SANDBOX: &str = "sandbox";

/// A connection in memory.
pub(crate) struct Live {
    pub(crate) row: Connection,
    /// As journals name it, with what the row knows of the account.
    pub(crate) account: Account,
    pub(crate) credentials: Credentials,
    /// Of these credentials: whose account they are, and whether they are refused.
    pub(crate) access: Arc<Access>,
    /// How fast calls go out under it.
    pub(crate) pace: Arc<Pace>,
    /// `Stripe-Account`, where it acts for another account.
    pub(crate) acts_for: Option<HeaderValue>,
}

impl Live {
    pub(crate) fn new(
        row: Connection,
        credentials: Credentials,
        access: Arc<Access>,
        pace: Arc<Pace>,
    ) -> Live {
        let acts_for =
            row.settings.stripe_account.as_ref().and_then(|account| HeaderValue::from_str(account).ok());
        let account = Account {
            connection: journal_name(&row),
            mode: row.mode.clone().unwrap_or_default(),
            id: row.external_account_id.clone(),
        };
        Live { row, account, credentials, access, pace, acts_for }
    }

    pub(crate) fn is_active(&self) -> bool {
        self.row.status == ConnectionStatus::Active
    }

    /// Not stored: its credentials come with the process.
    pub(crate) fn is_built_in(&self) -> bool {
        match self.row.source {
            Source::Environment | Source::Sandbox => true,
            Source::ApiKey | Source::Nango { .. } => false,
        }
    }

    /// The version of Stripe's API that calls name.
    pub(crate) fn version(&self) -> &str {
        self.row.settings.api_version.as_deref().unwrap_or(API_VERSION)
    }

    /// The account that calls are for, by its settings, else by its credentials; none before anybody told.
    pub(crate) fn account_id(&self) -> Option<&str> {
        if let Some(account) = &self.row.settings.stripe_account {
            return Some(account);
        }
        match &self.credentials {
            // The row may be of another key than the one that the process was started with.
            Credentials::Key(_) => self.access.account(),
            Credentials::None | Credentials::Nango(_) => self.row.external_account_id.as_deref(),
        }
    }

    /// What it is called with, anew, where that turned out to be another account's than was known.
    pub(crate) fn anew_for(&self, account: &str) -> Option<Credentials> {
        let known = self.access.account();
        known.is_some_and(|known| known != account).then(|| self.credentials.clone())
    }

    /// What stands for the account where the key may not read it.
    pub(crate) fn key_id(&self) -> Option<&str> {
        match &self.credentials {
            _ if self.acts_for.is_some() => None,
            Credentials::Key(bearer) => Some(&bearer.id),
            Credentials::None | Credentials::Nango(_) => None,
        }
    }
}

/// What journals call a connection.
fn journal_name(row: &Connection) -> String {
    match row.source {
        Source::Environment => ENVIRONMENT.to_owned(),
        Source::Sandbox => SANDBOX.to_owned(),
        Source::ApiKey | Source::Nango { .. } => row.id.to_string(),
    }
}
