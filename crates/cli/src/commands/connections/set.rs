//! `loopfour connections set`.

use secrecy::ExposeSecret as _;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Target, body, tell};
use crate::answer;
use crate::client::Client;
use crate::failure::{DONE, Failure};
use crate::listing::read;
use crate::secret;

/// Change a connection: its name, and how calls are made with it.
///
/// An empty value takes a setting back to its default.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour connections set books --name 'Main account'
  loopfour connections set platform --stripe-account acct_1A2b3C4d5E6f7G8h
  loopfour connections set books --pace read=50,write=20
  loopfour connections set books --webhook-secrets < secrets.txt")]
#[command(group(clap::ArgGroup::new("change").required(true).multiple(true)
    .args(["name", "stripe_account", "api_version", "pace", "events", "webhook_secrets", "same_account"])))]
pub struct Set {
    #[command(flatten)]
    target: Target,
    /// What it is called from now on.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Act for this connected account of a Stripe Connect platform (acct_...).
    #[arg(long, value_name = "ACCOUNT")]
    stripe_account: Option<String>,
    /// The version of Stripe's API, such as 2026-08-26.dahlia.
    #[arg(long, value_name = "VERSION")]
    api_version: Option<String>,
    /// How many calls a second go out: `off`, or parts as in read=100,write=100,total=100.
    #[arg(long, value_name = "PACE")]
    pace: Option<String>,
    /// How its events come in.
    #[arg(long, value_parser = ["webhook", "poll"])]
    events: Option<String>,
    /// Read the secrets that sign its events from stdin, one a line; they take the place of those before.
    #[arg(long)]
    webhook_secrets: bool,
    /// Say that the account, which the new key may not read, is the one of the key before.
    #[arg(long)]
    same_account: bool,
}

impl Set {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let path = self.target.path(client).await?;
        let body = body([
            ("settings", self.settings(client, &path).await?),
            ("webhookSecrets", self.secrets().await?),
            ("sameAccount", self.same_account.then(|| json!(true))),
            ("name", self.name.map(Value::String)),
        ]);
        let connection: Box<RawValue> = client.patch(&path, body.to_string()).await?;
        tell(&connection, self.target.json).map(|_| DONE)
    }

    /// All settings as they are to be, if one changes.
    async fn settings(&self, client: &Client, path: &str) -> Result<Option<Value>, Failure> {
        let changes = [
            ("stripeAccount", &self.stripe_account),
            ("apiVersion", &self.api_version),
            ("pace", &self.pace),
            ("events", &self.events),
        ];
        if changes.iter().all(|(_, value)| value.is_none()) {
            return Ok(None);
        }
        let stored: Box<RawValue> = client.get(path).await?;
        let stored: answer::Connection = read(stored.get())?;
        let mut settings = stored.settings.as_object().cloned().unwrap_or_default();
        for (name, value) in changes {
            if let Some(value) = value {
                settings.insert(name.to_owned(), json!(value));
            }
        }
        settings.retain(|_, value| !value.is_null() && value != "");
        Ok(Some(Value::Object(settings)))
    }

    async fn secrets(&self) -> Result<Option<Value>, Failure> {
        if !self.webhook_secrets {
            return Ok(None);
        }
        let text = secret::given(None, "webhook secret").await?;
        let lines = text.expose_secret().lines().map(str::trim).filter(|line| !line.is_empty());
        Ok(Some(lines.collect()))
    }
}
