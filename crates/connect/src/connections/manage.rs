//! Changing, testing and ending a connection.

use std::sync::Arc;

use loopfour_engine::connections::{
    Connection, ConnectionChange, ConnectionError, ConnectionSettings, ConnectionStatus, KeepError,
    SecretChange, Source,
};
use loopfour_engine::{Actor, CompanyId, ConnectionId, Finding};

use super::{good_name, settings, taken};
use crate::Connect;
use crate::credentials::{Credentials, KEY_ID};
use crate::endpoints;
use crate::live::Live;
use crate::nango::NOT_CONFIGURED;
use crate::registry::Amendment;
use crate::senders::check_stripe;
use crate::stripe::{Access, set_account, way_back_to};

impl Connect {
    pub(super) async fn alter(
        &self,
        company: CompanyId,
        id: ConnectionId,
        change: ConnectionChange,
        by: &Actor,
    ) -> Result<Connection, ConnectionError> {
        let live = self.own(company, id)?;
        let ConnectionChange { name, settings, webhook_secrets, same_account } = change;
        let name =
            name.filter(|name| *name != live.row.name).map(|name| renamed(&live, &name)).transpose()?;
        settings::check(&settings)?;
        check_stripe("webhookSecrets", webhook_secrets.as_deref().unwrap_or_default())?;
        let acts_for = self.acts_for(&live, &settings.over(&live.row.settings)).await?;
        let registry = &self.stripe.registry;
        let credentials = acts_for.is_some().then(|| live.credentials.clone());
        let amendment =
            Amendment { by, action: "connection.change", secret: SecretChange::Keep, credentials };
        let amended = registry.amend(id, amendment, |current, row| {
            if settings.stripe_account.is_some() && !Arc::ptr_eq(&current.access, &live.access) {
                return Err(changed_meanwhile(id));
            }
            let before = row.clone();
            if let Some(name) = &name {
                if let Some(other) = registry.by_name(company, name) {
                    return Err(taken(name, Some(&other.row)));
                }
                row.name.clone_from(name);
            }
            row.settings = settings.over(&row.settings);
            match acts_for {
                Some(Some(account)) => {
                    let note = set_account(row, &account, None);
                    // Why it cannot be used is to be read still.
                    if note.is_some() || row.status == ConnectionStatus::Active {
                        row.last_error = note;
                    }
                }
                Some(None) => {
                    (row.external_account_id, row.former_account) = (None, None);
                    row.same_accounts.clear();
                }
                None => {}
            }
            if same_account {
                confirm(row)?;
            }
            Ok(*row != before)
        });
        let live = match amended.await {
            Err(ConnectionError::Storage(KeepError::NameTaken)) => {
                return Err(taken(name.as_deref().unwrap_or_default(), None));
            }
            other => other?,
        };
        if let (Some(secrets), Some(store)) = (webhook_secrets, registry.store()) {
            registry.secrets.keep_of_connection(&**store, (company, id), secrets, by).await?;
        }
        Ok(live.row.clone())
    }

    /// Whose account calls are for under other settings, if that changes; inside, none where it has to be asked later.
    async fn acts_for(
        &self,
        live: &Arc<Live>,
        settings: &ConnectionSettings,
    ) -> Result<Option<Option<String>>, ConnectionError> {
        if settings.stripe_account == live.row.settings.stripe_account {
            return Ok(None);
        }
        if !live.is_active() {
            return Ok(Some(settings.stripe_account.clone()));
        }
        let row = Connection { settings: settings.clone(), ..live.row.clone() };
        let registry = &self.stripe.registry;
        let other = registry.live(row, live.credentials.clone(), Arc::new(Access::default()));
        let checked = async {
            let mut channel = self.stripe.channel(live).await?;
            channel.live = Arc::new(other);
            self.stripe.check(&channel).await
        };
        match checked.await {
            Ok(account) => Ok(Some(Some(settings.stripe_account.clone().unwrap_or(account)))),
            Err(failure) if matches!(failure.finding, Finding::Unauthorized) => {
                let message = format!("Stripe refuses it: {}", failure.error.message);
                Err(settings::refused("stripeAccount", message))
            }
            Err(failure) => Err(ConnectionError::Unavailable(format!(
                "whether Stripe takes the account cannot be told, and nothing was changed: {}",
                failure.error.message
            ))),
        }
    }

    pub(super) async fn try_out(
        &self,
        company: CompanyId,
        id: ConnectionId,
        by: &Actor,
    ) -> Result<Connection, ConnectionError> {
        let live = self.own(company, id)?;
        if matches!(live.row.status, ConnectionStatus::Pending | ConnectionStatus::Disconnected) {
            return Err(ConnectionError::State(format!(
                "the connection {id} is {}: {}",
                live.row.status,
                way_back_to(&live.row)
            )));
        }
        // A person asks: what was noted of late does not stand for the answer.
        live.access.clear();
        if let Credentials::Nango(tokens) = &live.credentials {
            tokens.ask_again();
        }
        let checked = async {
            let channel = self.stripe.channel(&live).await?;
            let account = self.stripe.check(&channel).await?;
            Ok((channel.bearer.id, account))
        };
        let checked: Result<(String, String), Box<loopfour_engine::Failure>> = checked.await;
        let now = self.stripe.registry.now();
        let noted = match checked {
            Ok((key_id, account)) => {
                live.access.clear();
                let credentials = live.anew_for(&account);
                let amendment = Amendment { credentials, ..Amendment::of_row(by, "connection.test") };
                let noted = self.stripe.registry.amend(id, amendment, |current, row| {
                    if !Arc::ptr_eq(&current.access, &live.access) {
                        return Err(changed_meanwhile(id));
                    }
                    row.last_error = match row.settings.stripe_account {
                        Some(_) => None,
                        None => set_account(row, &account, Some(&key_id)),
                    };
                    (row.status, row.last_synced_at) = (ConnectionStatus::Active, Some(now));
                    Ok(true)
                });
                noted.await?
            }
            Err(failure) if failure.finding == Finding::Unauthorized => {
                let why = failure.error.message;
                let amendment = Amendment::of_row(by, "connection.test");
                let noted = self.stripe.registry.amend(id, amendment, |current, row| {
                    if !Arc::ptr_eq(&current.access, &live.access) {
                        return Err(changed_meanwhile(id));
                    }
                    if row.status == ConnectionStatus::Active {
                        row.status = ConnectionStatus::Error;
                        row.last_error = Some(format!("Stripe refuses it: {why}; {}", way_back_to(row)));
                    }
                    Ok(true)
                });
                noted.await?
            }
            Err(failure) => {
                if !live.is_active() {
                    live.access.refuse_from_before(&live.row);
                }
                let (message, hint) = (failure.error.message, failure.error.hint);
                return Err(ConnectionError::Unavailable(format!("{message}: {hint}")));
            }
        };
        Ok(noted.row.clone())
    }

    pub(super) async fn end(
        &self,
        company: CompanyId,
        id: ConnectionId,
        by: &Actor,
    ) -> Result<Connection, ConnectionError> {
        let live = self.own(company, id)?;
        match live.row.source {
            Source::Environment => return Err(built_in(&live, "STRIPE_API_KEY")),
            Source::Sandbox => return Err(built_in(&live, "--sandbox")),
            Source::ApiKey | Source::Nango { .. } => {}
        }
        endpoints::leave(&self.stripe, &live, by).await?;
        let registry = &self.stripe.registry;
        if let Some(store) = registry.store().filter(|_| registry.secrets.has_of_connection(id)) {
            // Nobody sends events in its name from here on. First, so that what fails can be asked for again.
            registry.secrets.keep_of_connection(&**store, (company, id), Vec::new(), by).await?;
        }
        // First here, so that nothing goes out under it any more whatever Nango says.
        let amendment = Amendment {
            by,
            action: "connection.disconnect",
            secret: SecretChange::Erase,
            credentials: Some(Credentials::None),
        };
        let mut at_nango = None;
        let ended = self.stripe.registry.amend(id, amendment, |_, row| {
            if row.status == ConnectionStatus::Disconnected && row.attempt.is_none() {
                return Ok(false);
            }
            if let Source::Nango { integration, connection } = &mut row.source {
                at_nango = connection.take().map(|connection| (integration.clone(), connection));
            }
            (row.status, row.attempt) = (ConnectionStatus::Disconnected, None);
            row.last_error = None;
            Ok(true)
        });
        let ended = ended.await?;
        let Some((integration, connection)) = at_nango else { return Ok(ended.row.clone()) };
        let why = match self.delete_at_nango(&integration, &connection).await {
            Ok(()) => return Ok(ended.row.clone()),
            Err(why) => why,
        };
        let left =
            format!("its credentials are still at Nango, delete the connection {connection} there: {why}");
        let amendment = Amendment::of_row(by, "connection.disconnect");
        let noted = self.stripe.registry.amend(id, amendment, |_, row| {
            row.last_error = Some(left);
            Ok(true)
        });
        Ok(noted.await?.row.clone())
    }

    async fn delete_at_nango(&self, integration: &str, connection: &str) -> Result<(), String> {
        let nango = self.stripe.nango.as_ref().ok_or(NOT_CONFIGURED)?;
        nango.delete(integration, connection).await.map_err(|refusal| refusal.to_string())
    }

    /// Deletes at Nango what a connection was called with before, once it is called with something else.
    pub(super) async fn replaced(&self, before: &Source, now: &Source) {
        let Source::Nango { integration, connection: Some(old) } = before else { return };
        if before != now {
            // What stays there is of no use to anybody: nobody need be told.
            let _ = self.delete_at_nango(integration, old).await;
        }
    }
}

/// Another name for a connection that may have one.
fn renamed(live: &Live, name: &str) -> Result<String, ConnectionError> {
    if live.is_built_in() {
        let message = format!("the connection `{}` is the server's own and keeps its name", live.row.name);
        return Err(ConnectionError::State(message));
    }
    good_name("name", name)
}

/// The person says that the account before is the one there is now.
fn confirm(row: &mut Connection) -> Result<(), ConnectionError> {
    let state = |message: &str| Err(ConnectionError::State(message.to_owned()));
    let (Some(former), Some(now)) = (&row.former_account, &row.external_account_id) else {
        return state("the connection had no other account before: there is nothing to confirm");
    };
    if !former.starts_with(KEY_ID) && !now.starts_with(KEY_ID) {
        return state("both accounts are known, and they are two: connect the one before again");
    }
    row.same_accounts.push(former.clone());
    (row.former_account, row.last_error) = (None, None);
    Ok(())
}

/// While the provider was asked, somebody connected it again or ended it: what was said is not of what it is now.
fn changed_meanwhile(id: ConnectionId) -> ConnectionError {
    ConnectionError::State(format!("the connection {id} was changed meanwhile: look at it and try again"))
}

fn built_in(live: &Live, setting: &str) -> ConnectionError {
    let name = &live.row.name;
    ConnectionError::State(format!("the connection `{name}` comes from {setting}: start without it instead"))
}
