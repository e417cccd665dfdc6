//! Connections by key. A key is stored only after Stripe has taken it; a new one for a connection that cannot be used
//! keeps the connection's id, so that its runs go on.

use std::sync::Arc;

use loopfour_engine::connections::{
    Connection, ConnectionError, ConnectionStatus, KeepError, NewKeyConnection, SecretChange, Source,
};
use loopfour_engine::{Actor, CompanyId, Finding};

use super::{good_name, known_provider, taken};
use crate::Connect;
use crate::credentials::{Credentials, StripeKey};
use crate::registry::Amendment;
use crate::stripe::{Access, Channel, set_account};

impl Connect {
    pub(super) async fn take_key(
        &self,
        company: CompanyId,
        new: NewKeyConnection,
        by: &Actor,
    ) -> Result<Connection, ConnectionError> {
        known_provider(&new.provider)?;
        self.outside()?;
        let name = good_name("name", &new.name)?;
        let registry = &self.stripe.registry;
        let before = registry.by_name(company, &name);
        if let Some(before) = &before
            && before.is_active()
        {
            return Err(taken(&name, Some(&before.row)));
        }
        let key = StripeKey::parse(&new.api_key).map_err(|what| {
            invalid(format!(
                "{what}; a Stripe key starts with `sk_live_`, `rk_live_`, `sk_test_` or `rk_test_`"
            ))
        })?;
        self.stripe.takes(key.mode).map_err(|error| ConnectionError::State(error.to_string()))?;
        let mut row = match &before {
            Some(before) => before.row.clone(),
            None => registry.blank(company, &name, Source::ApiKey),
        };
        row.mode = Some(key.mode.to_owned());
        let account = self.prove(&row, &key).await?;
        let now = registry.now();
        let active = |row: &mut Connection| {
            row.last_error = set_account(row, &account, Some(&key.bearer.id));
            row.mode = Some(key.mode.to_owned());
            (row.source, row.status) = (Source::ApiKey, ConnectionStatus::Active);
            (row.last_synced_at, row.attempt) = (Some(now), None);
        };
        let amendment = |action| Amendment {
            by,
            action,
            secret: SecretChange::Set(key.secret.clone()),
            credentials: Some(Credentials::Key(key.bearer.clone())),
        };
        let live = match before {
            None => {
                active(&mut row);
                registry.add(row, amendment("connection.create")).await
            }
            Some(before) => {
                let renew = amendment("connection.activate");
                let renewed = registry.amend(before.row.id, renew, |current, row| {
                    if current.is_active() {
                        return Err(taken(&name, Some(&current.row)));
                    }
                    active(row);
                    Ok(true)
                });
                let renewed = renewed.await;
                if let Ok(renewed) = &renewed {
                    self.replaced(&before.row.source, &renewed.row.source).await;
                }
                renewed
            }
        };
        match live {
            Ok(live) => Ok(live.row.clone()),
            Err(ConnectionError::Storage(KeepError::NameTaken)) => Err(taken(&name, None)),
            Err(error) => Err(error),
        }
    }

    /// Whose account the key is, or acts for, if Stripe takes it.
    async fn prove(&self, row: &Connection, key: &StripeKey) -> Result<String, ConnectionError> {
        let credentials = Credentials::Key(key.bearer.clone());
        let live = Arc::new(self.stripe.registry.live(row.clone(), credentials, Arc::new(Access::default())));
        let channel = Channel { live, bearer: key.bearer.clone(), token: None };
        let account = self.stripe.check(&channel).await.map_err(|failure| {
            let said = &failure.error.message;
            if failure.finding == Finding::Unauthorized {
                invalid(format!("Stripe refuses the key: {said}"))
            } else {
                ConnectionError::Unavailable(format!(
                    "whether Stripe takes the key cannot be told, and nothing was stored: {said}"
                ))
            }
        })?;
        Ok(row.settings.stripe_account.clone().unwrap_or(account))
    }
}

fn invalid(message: String) -> ConnectionError {
    ConnectionError::Invalid { field: "credentials.apiKey".to_owned(), message }
}
