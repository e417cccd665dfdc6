//! The OAuth dance: off to the provider's page, a stand-in of that page, and back.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::answer::{Answer, Issue, Refusal};
use super::http::Request;
use super::state::{Asked, Credentials, Session, Shared};
use super::webhooks::{self, News};
use super::{connections, pages, sessions, tokens, uuid};

/// The accounts that the stand-in's page offers; any other can be named.
const OFFERED: [&str; 2] = ["acct_1SandboxDefault", "acct_2SandboxOther"];
const QUERY: &[&str] =
    &["connect_session_token", "user_scope", "ws_client_id", "authorization_params", "public_key", "hmac"];

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The session that a browser's call shows, where that allows the integration.
pub(super) fn session(shared: &Shared, request: &Request, integration: &str) -> Result<Session, Refusal> {
    if request.parameter("public_key").is_some() {
        let message = "Authentication with the public key is deprecated; use a connect session.";
        return Err(Refusal::unauthorized("deprecated_authentication", message));
    }
    let token = request.parameter("connect_session_token").ok_or_else(|| {
        Refusal::unauthorized("missing_public_key", "Authentication failed. The request is missing a token.")
    })?;
    let session = sessions::find(shared, token)?;
    if session.allowed.as_ref().is_some_and(|allowed| allowed.iter().all(|key| key != integration)) {
        return Err(Refusal::new(400, "integration_not_allowed", "Integration not allowed by this token"));
    }
    Ok(session)
}

/// `GET /oauth/connect/{key}`: sends the person to the provider.
pub(super) fn connect(shared: &Shared, request: &Request, key: &str) -> Result<Answer, Refusal> {
    let known = |name: &str| QUERY.contains(&name) || name.starts_with("params[");
    if let Some((name, _)) = request.query.iter().find(|(name, _)| !known(name)) {
        let issue = Issue::new("unrecognized_keys", format!("Unrecognized key: \"{name}\""), &[]);
        return Err(Refusal::invalid("invalid_query_params", &[issue]));
    }
    let mut session = session(shared, request, key)?;
    let mut state = shared.state();
    let integration = state.integrations.get(key).ok_or_else(|| {
        Refusal::new(404, "unknown_provider_config", format!("Unknown provider config key: {key}"))
    })?;
    if integration.provider.auth_mode != "OAUTH2" {
        return Ok(failure(&format!("{key} does not use OAuth; open the hosted page")));
    }
    let client = integration.credentials["client_id"].as_str().unwrap_or("ca_fake").to_owned();
    let given = request.query.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("params[")?.strip_suffix(']')?;
        Some((name.to_owned(), Value::from(value.as_str())))
    });
    session.connection_config.entry(key.to_owned()).or_default().extend(given);
    let oauth_state = uuid();
    state.asked.insert(oauth_state.clone(), Asked { integration: key.to_owned(), session });
    let mut answer = Answer::redirect(format!(
        "{}/stripe/authorize?response_type=code&client_id={}&redirect_uri={}&scope=&state={oauth_state}",
        shared.url,
        encode(&client),
        encode(&callback_url(shared)),
    ));
    let cookie = format!("oauth2-{oauth_state}=1; Max-Age=3600; Path=/; HttpOnly; SameSite=Lax");
    answer.headers.push(("set-cookie", cookie));
    Ok(answer)
}

fn callback_url(shared: &Shared) -> String {
    format!("{}/oauth/callback", shared.url)
}

/// `GET /stripe/authorize`: the provider's page, and what its buttons do.
pub(super) fn authorize(shared: &Shared, request: &Request) -> Answer {
    let back = callback_url(shared);
    if request.parameter("redirect_uri") != Some(&back) {
        return failure("redirect_uri is not the one that the integration has");
    }
    let state = request.parameter("state").unwrap_or_default();
    let is = |name: &str| request.parameter(name) == Some("1");
    if is("deny") {
        let description = "error=access_denied&error_description=The%20user%20denied%20your%20request";
        return Answer::redirect(format!("{back}?{description}&state={}", encode(state)));
    }
    if is("allow") {
        let account =
            request.parameter("account").filter(|account| !account.is_empty()).unwrap_or(OFFERED[0]);
        let code = format!("ac_{}", uuid().replace('-', ""));
        shared.state().codes.insert(code.clone(), account.to_owned());
        return Answer::redirect(format!("{back}?code={code}&state={}", encode(state)));
    }
    Answer::html(200, pages::consent(state, &back, &OFFERED))
}

/// `GET /oauth/callback`: the person comes back. A state works once.
pub(super) async fn callback(shared: &Shared, request: &Request) -> Answer {
    let asked = request.parameter("state").and_then(|state| shared.state().asked.remove(state));
    let Some(asked) = asked else { return failure("the state is unknown or was used already") };
    let result = match (request.parameter("error"), request.parameter("code")) {
        (Some(error), _) => {
            let description = request.parameter("error_description").unwrap_or_default();
            Err(("invalid_callback", format!("{error}: {description}")))
        }
        (None, None) => Err(("invalid_callback", "the callback has no code".to_owned())),
        (None, Some(code)) => exchange(shared, &asked, code).await.map_err(|why| ("unknown", why)),
    };
    match result {
        Ok(()) => Answer::html(200, pages::closing("Connected", "You can close this window.")),
        Err((kind, description)) => {
            let provider = shared.state().integrations.get(&asked.integration).map(|one| one.provider);
            if let Some(provider) = provider {
                let news = News::Refused {
                    integration: &asked.integration,
                    provider,
                    webhook_url: asked.session.webhook_url.as_deref(),
                    kind,
                    description: &description,
                };
                webhooks::send(shared, news).await;
            }
            failure(&description)
        }
    }
}

async fn exchange(shared: &Shared, asked: &Asked, code: &str) -> Result<(), String> {
    let (provider, account) = {
        let mut state = shared.state();
        let provider = state.integrations.get(&asked.integration).map(|one| one.provider);
        (provider, state.codes.remove(code))
    };
    let provider = provider.ok_or("the integration is gone")?;
    let account = account.ok_or("{\"error\":\"invalid_grant\"}")?;
    let token = tokens::issue(shared, provider, &account).await?;
    let credentials = Credentials::Token(token);
    connections::connect(shared, provider, &asked.integration, &asked.session, credentials).await;
    Ok(())
}

fn failure(why: &str) -> Answer {
    Answer::html(400, pages::closing("Not connected", why))
}
