//! `loopfour connections auth-url`.

use std::io::IsTerminal as _;
use std::time::Duration;

use serde_json::value::RawValue;

use super::{LIST, tell};
use crate::answer;
use crate::client::Client;
use crate::failure::{DONE, FAILED, Failure};
use crate::listing::read;
use crate::print::{self, one_line};

/// How often the server is asked; it asks Nango, which takes few requests a minute.
const BETWEEN: Duration = Duration::from_secs(2);
const TURN: Duration = Duration::from_millis(100);
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// Begin to connect an account through Nango: print the link for the browser, and wait until it is settled.
///
/// Whoever opens the link signs in at the provider, or types a key into Nango's form. A connection of that name which is in
/// error, expired or disconnected is connected anew and keeps its id. The link ends after 30 minutes.
#[derive(clap::Args)]
#[command(after_help = "\
--json prints the answer, and once it is settled the connection, one object a line.

Exit codes: 0 connected (with --no-wait: begun), 1 it failed, or it cannot be begun.

Examples:
  loopfour connections auth-url stripe
  loopfour connections auth-url stripe --name 'Second account'
  loopfour connections auth-url stripe --no-wait --json | jq -r .authUrl")]
pub struct AuthUrl {
    /// Whose account it is.
    #[arg(value_name = "PROVIDER", default_value = "stripe")]
    provider: String,
    /// What the connection is called [default: as the provider].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where the browser goes on to afterwards; its origin must be allowed by the server's settings.
    #[arg(long, value_name = "URL")]
    redirect_url: Option<String>,
    /// Do not wait.
    #[arg(long)]
    no_wait: bool,
    /// Print what the API answers.
    #[arg(long)]
    json: bool,
}

impl AuthUrl {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let query: Vec<(&str, String)> = [("connectionName", self.name), ("redirectUrl", self.redirect_url)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let begun = format!("{LIST}/{}/auth-url", self.provider);
        let begun: Box<RawValue> = client.get(&client.with_query(&begun, &query)).await?;
        let authorization: answer::Authorization = read(begun.get())?;
        print::out(if self.json { begun.get() } else { &authorization.auth_url })?;
        if self.no_wait {
            return Ok(DONE);
        }
        print::talk("open it in a browser; this command ends once the account is connected, or not");
        let attempt = wait(client, &authorization).await?;
        let message = attempt.message.as_deref().map(one_line);
        if attempt.status != "succeeded" {
            let message = message.as_deref().unwrap_or("it was not connected");
            return Err(Failure::failed(format!("{}: {message}", authorization.connection_id)));
        }
        message.iter().for_each(|message| print::talk(message));
        let connection: Box<RawValue> =
            client.get(&format!("{LIST}/{}", authorization.connection_id)).await?;
        let code = tell(&connection, self.json)?;
        Ok(if code == DONE { DONE } else { FAILED })
    }
}

/// Asks until it is settled one way or the other; the server ends it after 30 minutes.
async fn wait(client: &Client, authorization: &answer::Authorization) -> Result<answer::Attempt, Failure> {
    // The server's public address may be none that this machine reaches, so the page's own name is all that is taken.
    let page = authorization.status_url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let path = format!("/connect/{page}/state");
    let mut turns = SPINNER.iter().cycle();
    loop {
        let attempt: answer::Attempt = client.get(&path).await?;
        if attempt.status != "open" {
            return Ok(attempt);
        }
        let next = tokio::time::Instant::now() + BETWEEN;
        while tokio::time::Instant::now() < next {
            if std::io::stderr().is_terminal() {
                print::talk_over(&format!("{} waiting", turns.next().unwrap_or(&"")));
            }
            tokio::time::sleep(TURN).await;
        }
        if std::io::stderr().is_terminal() {
            print::talk_over("");
        }
    }
}
