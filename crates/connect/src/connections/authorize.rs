//! Beginning an authorisation: which of Nango's integrations it is, the session, and the link for the person's browser.

use loopfour_engine::connections::{
    Attempt, AttemptState, Authorization, Authorize, Connection, ConnectionError, KeepError, Source,
};
use loopfour_engine::{Actor, CompanyId, Timestamp};
use uuid::Uuid;

use super::{good_name, known_provider, taken, unavailable};
use crate::Connect;
use crate::nango::{Client, Integration, NOT_CONFIGURED, Refusal, Tags, Way};
use crate::registry::Amendment;

/// How long a try takes at most, as Nango's link lives, milliseconds.
const LIFE: i64 = 30 * 60 * 1000;

impl Connect {
    pub(super) async fn begin(
        &self,
        company: CompanyId,
        wish: Authorize,
        by: &Actor,
    ) -> Result<Authorization, ConnectionError> {
        known_provider(&wish.provider)?;
        self.outside()?;
        let name = good_name("connectionName", &wish.name)?;
        let nango = self.stripe.nango.as_deref().ok_or_else(|| {
            let message = format!("{NOT_CONFIGURED}; or connect with an API key: POST /api/v1/connections");
            ConnectionError::State(message)
        })?;
        let wish = Authorize { name, ..wish };
        let begun = match self.begin_at(nango, company, &wish, by).await {
            // Somebody began one of that name meanwhile: it is taken as any other that is not active.
            Err(ConnectionError::Storage(KeepError::NameTaken)) => {
                self.begin_at(nango, company, &wish, by).await
            }
            other => other,
        };
        begun.map_err(|error| match error {
            ConnectionError::Storage(KeepError::NameTaken) => taken(&wish.name, None),
            other => other,
        })
    }

    async fn begin_at(
        &self,
        nango: &Client,
        company: CompanyId,
        wish: &Authorize,
        by: &Actor,
    ) -> Result<Authorization, ConnectionError> {
        let name = &wish.name;
        let registry = &self.stripe.registry;
        let before = registry.by_name(company, name);
        if let Some(before) = before.as_ref().filter(|before| before.is_active()) {
            return Err(taken(name, Some(&before.row)));
        }
        let (integration, way) = integration(nango).await?;
        let source = Source::Nango { integration: integration.clone(), connection: None };
        let row = match &before {
            Some(before) => before.row.clone(),
            None => registry.blank(company, name, source),
        };
        let attempt = Attempt {
            id: Uuid::new_v4(),
            expires_at: Timestamp(registry.now().0.saturating_add(LIFE)),
            redirect_url: wish.redirect_url.clone(),
            state: AttemptState::Open,
        };
        let link = link(nango, &row, &attempt, (&integration, way)).await?;
        let amendment = Amendment::of_row(by, "connection.authorize");
        let live = match before {
            None => registry.add(Connection { attempt: Some(attempt.clone()), ..row }, amendment).await?,
            Some(before) => {
                let begun = registry.amend(before.row.id, amendment, |current, row| {
                    if current.is_active() {
                        return Err(taken(name, Some(&current.row)));
                    }
                    row.attempt = Some(attempt.clone());
                    Ok(true)
                });
                begun.await?
            }
        };
        self.look_after(&live.row);
        let (connection, expires_at) = (live.row.id, attempt.expires_at);
        Ok(Authorization { connection, attempt: attempt.id, auth_url: link, expires_at })
    }
}

/// The link of a new session. A connection that Nango has already is authorised again there, and keeps its id.
async fn link(
    nango: &Client,
    row: &Connection,
    attempt: &Attempt,
    (integration, way): (&str, Way),
) -> Result<String, ConnectionError> {
    let (attempt, company, connection) =
        (attempt.id.to_string(), row.company.to_string(), row.id.to_string());
    let tags = Tags { attempt: &attempt, company: &company, connection: &connection };
    let again = match &row.source {
        Source::Nango { integration: own, connection } if own == integration => connection.as_deref(),
        Source::Nango { .. } | Source::Environment | Source::Sandbox | Source::ApiKey => None,
    };
    let session = match nango.session(integration, again, &tags).await {
        // Somebody deleted it there.
        Err(Refusal::Answered { status: 400 | 404, .. }) if again.is_some() => {
            nango.session(integration, None, &tags).await
        }
        other => other,
    };
    let session = session.map_err(|refusal| unavailable(&refusal))?;
    Ok(nango.link(&session, integration, way))
}

/// The integration that is Stripe: the one that is set, else the only one of a Stripe provider.
async fn integration(nango: &Client) -> Result<(String, Way), ConnectionError> {
    let all = nango.integrations().await.map_err(|refusal| unavailable(&refusal))?;
    let state = |what: String| {
        let names: Vec<String> =
            all.iter().map(|one| format!("`{}` ({})", one.unique_key, one.provider)).collect();
        let list = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        ConnectionError::State(format!("{what}; Nango's integrations: {list}"))
    };
    if let Some(key) = &nango.stripe_integration {
        let set = all.iter().find(|one| one.unique_key == *key);
        let Some(set) = set else {
            return Err(state(format!(
                "Nango ({}) has no integration `{key}`, which LOOPFOUR_NANGO_STRIPE_INTEGRATION names",
                nango.server()
            )));
        };
        return match way(set) {
            Some(way) => Ok((key.clone(), way)),
            None => Err(state(format!(
                "the integration `{key}`, which LOOPFOUR_NANGO_STRIPE_INTEGRATION names, is of the provider `{}`, and it \
                 must be one of {PROVIDERS}",
                set.provider
            ))),
        };
    }
    let mut ours = all.iter().filter_map(|one| way(one).map(|way| (one.unique_key.clone(), way)));
    match (ours.next(), ours.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(state(format!(
            "Nango ({}) has no integration for Stripe: make one there, of the provider stripe-api-key or stripe-app",
            nango.server()
        ))),
        (Some(_), Some(_)) => Err(state(format!(
            "Nango ({}) has several integrations for Stripe: name one with LOOPFOUR_NANGO_STRIPE_INTEGRATION",
            nango.server()
        ))),
    }
}

/// The providers of Nango's whose credentials calls to Stripe can be made with.
const PROVIDERS: &str = "stripe-api-key, stripe-app, stripe-app-sandbox, stripe";

/// How a person is led to a provider: straight by OAuth, unless something is to be typed, a key or an app's address.
fn way(integration: &Integration) -> Option<Way> {
    match integration.provider.as_str() {
        "stripe-app" | "stripe" => Some(Way::Direct),
        "stripe-app-sandbox" | "stripe-api-key" => Some(Way::Page),
        _ => None,
    }
}
