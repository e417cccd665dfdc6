//! `loopfour trigger`: makes the changes in the offline Stripe that cause an event.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::DataFlags;
use crate::failure::{DONE, Failure};
use crate::instance::sandbox_address;
use crate::print::{self, one_line};

/// Make the changes in the offline Stripe that cause an event, such as a paid invoice for invoice.paid.
///
/// It is the offline Stripe of a running `loopfour serve --sandbox` on the same data directory, or the one at --at.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour trigger stripe invoice.paid
  loopfour trigger stripe customer.subscription.deleted --json
  loopfour trigger stripe charge.refunded --at http://127.0.0.1:4242")]
pub struct Trigger {
    /// Whose event.
    #[arg(value_parser = ["stripe"])]
    provider: String,
    /// The event's type.
    #[arg(value_name = "EVENT")]
    event: String,
    /// The address of an offline Stripe that runs on its own (`loopfour sandbox`).
    #[arg(long, value_name = "URL")]
    at: Option<String>,
    /// Print what was caused as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataFlags,
}

#[derive(Deserialize)]
struct Caused {
    event: String,
    objects: Vec<String>,
}

impl Trigger {
    /// Causes it.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let address = match &self.at {
            Some(address) => address.clone(),
            None => {
                let data = self.data.directory()?;
                sandbox_address(&data).ok_or_else(|| {
                    let data = data.display();
                    Failure::refused(format!("no offline Stripe runs on the data directory `{data}`"))
                        .hint("start `loopfour serve --sandbox` there, or name one with --at")
                })?
            }
        };
        let url = format!("{}/_sandbox/trigger", address.trim_end_matches('/'));
        let unreachable = |cause: reqwest::Error| {
            Failure::refused(format!(
                "the offline Stripe at {address} cannot be reached: {}",
                cause.without_url()
            ))
        };
        let body = json!({ "event": self.event }).to_string();
        let sent = reqwest::Client::new().post(&url).header("content-type", "application/json").body(body);
        let answer = sent.send().await.map_err(unreachable)?;
        let status = answer.status();
        let text = answer.text().await.map_err(unreachable)?;
        if status != StatusCode::OK {
            return Err(Failure::refused(refusal(&text)));
        }
        if self.json {
            print::out(text.trim())?;
            return Ok(DONE);
        }
        let caused: Caused = crate::listing::read(&text)?;
        let objects = caused.objects.iter().map(|object| one_line(object)).collect::<Vec<_>>().join(", ");
        print::out(&format!("{} caused: {} ({objects})", self.event, one_line(&caused.event)))?;
        Ok(DONE)
    }
}

/// What the offline Stripe says was wrong.
fn refusal(text: &str) -> String {
    let said: Option<Value> = serde_json::from_str(text).ok();
    let message = said.as_ref().and_then(|said| said["error"]["message"].as_str());
    one_line(message.unwrap_or(text)).into_owned()
}
