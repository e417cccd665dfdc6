//! Tokens: issued by a stand-in of Stripe, told to the sandbox, renewed shortly before they end, and taken back.

use super::answer::Refusal;
use super::client::{self, Call};
use super::connections;
use super::integrations::Provider;
use super::state::{Connection, Credentials, Shared, Token};
use super::uuid;
use super::webhooks::{self, News};

/// A token is renewed when it ends sooner than that, in milliseconds.
const MARGIN: i64 = 15 * 60 * 1000;
/// How long a failed refresh is not tried again, in milliseconds.
const BACK_OFF: i64 = 30 * 1000;
/// On how many days refreshes fail before it gives up.
const DAYS: usize = 4;
const DAY: i64 = 86_400_000;

/// A new token of an account, of which the sandbox has been told; `Err` says what it answered instead.
pub(super) async fn issue(shared: &Shared, provider: &Provider, account: &str) -> Result<Token, String> {
    let lifetime = shared.state().tokens.lifetime.filter(|_| provider.renews);
    let token = Token {
        access: format!("sk_acct_{}", uuid().replace('-', "")),
        refresh: lifetime.map(|_| format!("rt_{}", uuid().replace('-', ""))),
        account: account.to_owned(),
        expires_at: lifetime.map(|seconds| shared.now() + seconds * 1000),
        lifetime,
    };
    tell(shared, &token, false).await?;
    Ok(token)
}

/// Tells the sandbox whose the token is.
async fn tell(shared: &Shared, token: &Token, revoked: bool) -> Result<(), String> {
    let Some(stripe) = &shared.stripe else { return Ok(()) };
    let told = serde_json::json!({
        "key": token.access,
        "account": token.account,
        "expires_at": token.expires_at.map(|at| at.div_euclid(1000)),
        "revoked": revoked,
    });
    let call = Call {
        method: "POST",
        url: &format!("{stripe}/_sandbox/keys"),
        body: told.to_string().into(),
        ..Call::default()
    };
    match client::send(call).await {
        Ok(reply) if reply.status == 200 => Ok(()),
        Ok(reply) => Err(format!("the provider answered {}", reply.status)),
        Err(error) => Err(format!("the provider does not answer: {error}")),
    }
}

/// Whether a connection's token is to be renewed, and if so which one it is.
fn due(shared: &Shared, connection: &Connection, forced: bool) -> Option<Token> {
    let token = match &connection.credentials {
        Credentials::Token(token) => token,
        Credentials::Given(_) => return None,
    };
    token.refresh.as_ref()?;
    let ends_soon = token.expires_at.is_some_and(|at| at - shared.now() < MARGIN);
    (forced || ends_soon).then(|| token.clone())
}

fn backs_off(shared: &Shared, connection: &Connection) -> bool {
    connection.failed_at.is_some_and(|at| shared.now() - at < BACK_OFF)
        || connection.failed_days.len() >= DAYS
}

/// Renews a connection's token where it is to be renewed. Calls that come meanwhile wait for the one refresh.
pub(super) async fn renew(shared: &Shared, integration: &str, id: &str, forced: bool) -> Result<(), Refusal> {
    let seen = find(shared, integration, id)?;
    let Some(token) = due(shared, &seen, forced) else { return Ok(()) };
    let _one_at_a_time = shared.refreshing.lock().await;
    let seen = find(shared, integration, id)?;
    let Some(now) = due(shared, &seen, forced).filter(|now| now.access == token.access) else {
        return Ok(());
    };
    if !forced && backs_off(shared, &seen) {
        let message = "The refresh is backing off after a failure.";
        return Err(Refusal::new(424, "invalid_credentials", message));
    }
    let renewed = if seen.revoked || fails(shared) {
        Err("{\"error\":\"invalid_grant\"}".to_owned())
    } else {
        issue(shared, seen.provider, &now.account).await
    };
    settle(shared, integration, id, renewed).await
}

fn find(shared: &Shared, integration: &str, id: &str) -> Result<Connection, Refusal> {
    shared.state().connection(integration, id).cloned().ok_or_else(connections::missing)
}

/// Whether a test asked for this refresh to fail.
fn fails(shared: &Shared) -> bool {
    let rules = &mut shared.state().tokens;
    let fails = rules.failing_refreshes > 0;
    rules.failing_refreshes = rules.failing_refreshes.saturating_sub(1);
    fails
}

async fn settle(
    shared: &Shared,
    integration: &str,
    id: &str,
    renewed: Result<Token, String>,
) -> Result<(), Refusal> {
    let now = shared.now();
    let (connection, why) = {
        let mut state = shared.state();
        let connection = state.connection(integration, id).ok_or_else(connections::missing)?;
        connection.updated_at = now;
        let why = match renewed {
            Ok(token) => {
                connection.credentials = Credentials::Token(token);
                connection.failed_at = None;
                connection.failed_days.clear();
                return Ok(());
            }
            Err(why) => why,
        };
        connection.failed_at = Some(now);
        connection.failed_days.insert(now.div_euclid(DAY));
        (connection.clone(), why)
    };
    webhooks::send(shared, News::RefreshFailed { connection: &connection, description: &why }).await;
    let shown = connections::shown(&connection, connections::Secrets::None);
    let message =
        format!("The external API returned an error when trying to refresh the access token: {why}");
    let payload = serde_json::json!({"connection": shown});
    Err(Refusal::new(400, "invalid_credentials", message).payload(payload))
}

/// Takes a connection's access back, as the account's owner does at the provider; `Err` says why not.
pub(super) async fn revoke(shared: &Shared, id: &str) -> Result<(), String> {
    let connection = {
        let mut state = shared.state();
        let connection = state.connections.iter_mut().find(|one| one.id == id);
        let connection = connection.ok_or_else(|| format!("there is no connection `{id}`"))?;
        connection.revoked = true;
        connection.clone()
    };
    match &connection.credentials {
        Credentials::Token(token) => tell(shared, token, true).await,
        Credentials::Given(_) => Err(format!("`{id}` has a key; revoke that at the sandbox")),
    }
}
