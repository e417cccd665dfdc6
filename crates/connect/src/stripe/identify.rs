//! Asking Stripe whose account a connection is, and whether what it is called with is good. What Stripe says is noted in
//! the connection's row.

use std::sync::Arc;
use std::time::Duration;

use loopfour_engine::connections::{Connection, ConnectionStatus};
use loopfour_engine::{Actor, Failure, Finding, Outcome, StepError};
use loopfour_lang::{Document, Value};
use tokio::time::{Instant, timeout_at};

use super::door::Channel;
use super::error::failure;
use super::own::Own;
use super::{Stripe, unsent};
use crate::credentials::KEY_ID;
use crate::live::Live;
use crate::registry::Amendment;

/// So long nobody asks again whose account it is after that was not told.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(5);
/// At a start, so long.
const AT_START: Duration = Duration::from_millis(200);

impl Stripe {
    /// Asks whose account the built-in connection is until that is told, or the key is refused, or the time is over.
    pub(crate) async fn identify_within(self: &Arc<Stripe>, limit: Duration) -> Result<(), StepError> {
        let Some(live) = self.registry.built_in() else { return Ok(()) };
        let deadline = Instant::now() + limit;
        loop {
            match timeout_at(deadline, self.identify(&live, AT_START)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(failure)) => {
                    if failure.finding == Finding::Unauthorized || Instant::now() + AT_START >= deadline {
                        return Err(failure.error);
                    }
                    tokio::time::sleep(AT_START).await;
                }
                Err(_) => return Err(unsent::account_not_known()),
            }
        }
    }

    /// Asks whose account a connection is, unless that is known or was not told within that time.
    pub(super) async fn identify(
        self: &Arc<Stripe>,
        live: &Arc<Live>,
        again_after: Duration,
    ) -> Result<(), Box<Failure>> {
        let access = &live.access;
        if live.account_id().is_some() {
            return Ok(());
        }
        let _asking = access.asking.lock().await;
        if live.account_id().is_some() {
            return Ok(());
        }
        if let Some(failure) = access.untold_within(again_after) {
            return Err(failure);
        }
        let told = match self.channel(live).await {
            Ok(channel) => self.read_account(&channel).await,
            Err(failure) => Err(failure),
        };
        match told {
            Ok(id) => {
                access.set_account(id.clone());
                self.note_account(live, &id).await;
                Ok(())
            }
            Err(failure) => {
                access.set_untold(&failure);
                Err(failure)
            }
        }
    }

    /// Asks whether a refused connection is good again; nobody does while another does.
    pub(super) async fn probe(self: &Arc<Stripe>, live: &Arc<Live>) -> Result<(), Box<Failure>> {
        let Ok(_asking) = live.access.asking.try_lock() else {
            return Err(failure(Finding::NoConnection, unsent::inactive(&live.row, None)));
        };
        let channel = self.channel(live).await?;
        let id = self.read_account(&channel).await?;
        live.access.clear();
        self.note_account(&channel.live, &id).await;
        Ok(())
    }

    /// Asks whether what a connection is called with is good, and whose account it is.
    ///
    /// # Errors
    /// It is refused, or Stripe does not say.
    pub(crate) async fn check(self: &Arc<Stripe>, channel: &Channel) -> Result<String, Box<Failure>> {
        let id = self.read_account(channel).await?;
        if id == channel.bearer.id {
            // A key that may not read its account is told from none at all by another read.
            let outcome = self.read(channel, "/v1/balance").await;
            if let Outcome::Failed(failure) = outcome
                && !is_typed(&failure, &[403])
            {
                return Err(untold(failure));
            }
        }
        Ok(id)
    }

    /// Whether an account is a live one, where neither key nor token says so.
    pub(super) async fn read_mode(
        self: &Arc<Stripe>,
        channel: &Channel,
    ) -> Result<&'static str, Box<Failure>> {
        match self.read(channel, "/v1/balance").await {
            Outcome::Done { output, .. } => match output.value().get("livemode") {
                Some(Value::Boolean(true)) => Ok("live"),
                Some(_) | None => Ok("test"),
            },
            Outcome::Failed(failure) => Err(untold(failure)),
        }
    }

    /// The account of a connection, or the key's id where the key may not read it.
    pub(super) async fn read_account(self: &Arc<Stripe>, channel: &Channel) -> Result<String, Box<Failure>> {
        let failure = match self.read(channel, "/v1/account").await {
            Outcome::Done { output, .. } => match id_of(&output) {
                Some(id) => return Ok(id),
                None => failure(Finding::Unknown, unsent::account_without_id()),
            },
            Outcome::Failed(failure) => failure,
        };
        if is_typed(&failure, &[403, 404]) {
            return Ok(channel.bearer.id.clone());
        }
        Err(untold(failure))
    }

    async fn read(self: &Arc<Stripe>, channel: &Channel, path: &str) -> Outcome {
        self.own_by(channel, Own::get(path, String::new())).await
    }

    /// A connection whose account is known: it is asked for if nobody did.
    ///
    /// # Errors
    /// It was not told.
    pub(crate) async fn known(self: &Arc<Stripe>, live: &Arc<Live>) -> Result<Arc<Live>, Box<Failure>> {
        self.identify(live, Duration::ZERO).await?;
        Ok(self.registry.by_id(live.row.id).unwrap_or_else(|| Arc::clone(live)))
    }

    /// Notes in the row whose account it is, and that it is good.
    async fn note_account(&self, live: &Arc<Live>, id: &str) {
        let (access, key_id) = (&live.access, live.key_id());
        let by = Actor::system("connections");
        let credentials = live.anew_for(id);
        let amendment = Amendment { credentials, ..Amendment::of_row(&by, "connection.activate") };
        let now = self.registry.now();
        let noted = self.registry.amend(live.row.id, amendment, |current, row| {
            let is_same = row.external_account_id.as_deref() == Some(id);
            if !Arc::ptr_eq(&current.access, access)
                || row.settings.stripe_account.is_some()
                || (is_same && row.status == ConnectionStatus::Active)
            {
                return Ok(false);
            }
            row.last_error = set_account(row, id, key_id);
            row.status = ConnectionStatus::Active;
            row.last_synced_at = Some(now);
            Ok(true)
        });
        // Where the storage does not take it, it is noted at the next start; memory has it.
        let _ = noted.await;
    }
}

/// Notes whose account a connection is. Another one is never taken for the one before, except that a key whose account
/// could not be read is the same key when it can be. Gives what people are told where another came.
pub(crate) fn set_account(row: &mut Connection, id: &str, key_id: Option<&str>) -> Option<String> {
    let before = row.external_account_id.replace(id.to_owned()).filter(|before| before != id)?;
    if key_id == Some(&before) || row.same_accounts.iter().any(|same| same == id) {
        if !id.starts_with(KEY_ID) && row.same_accounts.iter().any(|same| is_another(same, id)) {
            // A person took the key for that of an account which it turns out not to have.
            row.same_accounts.clear();
        }
        if !row.same_accounts.contains(&before) {
            row.same_accounts.push(before);
        }
        return None;
    }
    row.same_accounts.clear();
    let unread = id.starts_with(KEY_ID) || before.starts_with(KEY_ID);
    let told = if unread {
        format!(
            "whether it is the same Stripe account as before cannot be told ({before} before, {id} now); runs that began \
             before wait until a person confirms it: PATCH /api/v1/connections/{} {{\"sameAccount\": true}}",
            row.id
        )
    } else {
        format!(
            "another Stripe account came back: {id} in place of {before}; runs that began under {before} wait until that \
             is connected again"
        )
    };
    row.former_account = Some(before);
    Some(told)
}

/// Whether both are accounts that were read, and two.
fn is_another(one: &str, other: &str) -> bool {
    one != other && !one.starts_with(KEY_ID) && !other.starts_with(KEY_ID)
}

fn id_of(account: &Document) -> Option<String> {
    let id = account.value().get("id").and_then(Value::as_text)?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// A refusal in Stripe's own form which does not say that the key is none.
fn is_typed(failure: &Failure, statuses: &[u16]) -> bool {
    let status = failure.error.status.is_some_and(|status| statuses.contains(&status));
    status && failure.error.kind.is_some() && failure.finding != Finding::Unauthorized
}

/// A failure to tell whose account it is: whatever became of asking, the call itself was not sent.
fn untold(mut failure: Box<Failure>) -> Box<Failure> {
    match failure.finding {
        Finding::Unauthorized | Finding::Throttled | Finding::NoConnection => {}
        Finding::Refused
        | Finding::Forbidden
        | Finding::KeyInUse
        | Finding::Busy
        | Finding::Conflict
        | Finding::Unknown
        | Finding::ReplayedError
        | Finding::Unreachable
        | Finding::NotFoundDone
        | Finding::Defect => {
            failure.finding = Finding::Unreachable;
            failure.error = unsent::account_untold(failure.error);
        }
    }
    failure
}
