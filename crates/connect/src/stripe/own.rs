//! Calls that no step asked for: the server's own, to keep its connections and what it registered at Stripe in order.

use std::sync::Arc;
use std::time::Duration;

use loopfour_engine::call::Account;
use loopfour_engine::{Attempt, Effect, Failure, Finding, Outcome, Request, Sending};
use loopfour_lang::Document;
use uuid::Uuid;

use super::door::Channel;
use super::error::failure;
use super::{NAME, Stripe, unsent};
use crate::live::Live;
use crate::pace::Place;

/// For each answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A call of the server's own.
pub(super) struct Own {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) form: String,
    pub(super) place: Place,
}

impl Own {
    fn to(method: &'static str, path: &str) -> Own {
        let (path, place) = (path.to_owned(), Place::Ahead);
        Own { method, path, query: String::new(), form: String::new(), place }
    }

    pub(super) fn get(path: &str, query: String) -> Own {
        Own { query, ..Own::to("GET", path) }
    }

    pub(super) fn post(path: &str, form: String) -> Own {
        Own { form, ..Own::to("POST", path) }
    }

    pub(super) fn delete(path: &str) -> Own {
        Own::to("DELETE", path)
    }
}

impl Stripe {
    /// Calls Stripe under a connection, with an idempotency key of its own where something is written.
    ///
    /// # Errors
    /// Stripe refused it, or gave no answer in time.
    pub(super) async fn own(
        self: &Arc<Stripe>,
        live: &Arc<Live>,
        own: Own,
    ) -> Result<Document, Box<Failure>> {
        let called = async {
            let channel = self.channel(live).await?;
            match self.own_by(&channel, own).await {
                Outcome::Done { output, .. } => Ok(output),
                Outcome::Failed(failure) => Err(failure),
            }
        };
        match tokio::time::timeout(2 * PATIENCE, called).await {
            Ok(result) => result,
            Err(_) => Err(failure(Finding::Unreachable, unsent::not_reached())),
        }
    }

    /// Likewise, by a channel that is open.
    pub(super) async fn own_by(self: &Arc<Stripe>, channel: &Channel, own: Own) -> Outcome {
        let Own { method, path, query, form, place } = own;
        let effect = match method {
            "GET" => Effect::Read,
            "DELETE" => Effect::Delete,
            _ => Effect::Write,
        };
        let request = Request {
            provider: NAME.to_owned(),
            action: format!("{method} {path}"),
            effect,
            method: method.to_owned(),
            path,
            query,
            form,
            version: channel.live.version().to_owned(),
            account: Account { id: None, ..channel.live.account.clone() },
        };
        self.pace(channel, &request, place).await;
        let key = if effect == Effect::Write { Uuid::new_v4() } else { Uuid::nil() };
        let sending = Sending { request: &request, key, timeout: PATIENCE, attempt: Attempt::First };
        self.exchange(channel, sending).await
    }
}
