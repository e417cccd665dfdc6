//! Pages for people: the hosted one, where a key is typed, the provider's consent, and the page at the end. No scripts, so
//! that a test can press their buttons by sending their forms.

use serde_json::json;

use super::answer::{Answer, Issue, Refusal};
use super::fields::{self, Field, Kind, required};
use super::http::{Request, pairs};
use super::state::{Credentials, Shared};
use super::{connections, oauth, sessions};

/// Text that is safe within HTML and its attributes.
pub(super) fn escape(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&#39;")
}

fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><h1>{title}</h1>{body}</html>"
    )
}

/// The page at the end of the dance.
pub(super) fn closing(title: &str, text: &str) -> String {
    page(title, &format!("<p>{}</p>", escape(text)))
}

/// The provider's page: which account, allow or deny.
pub(super) fn consent(state: &str, back: &str, accounts: &[&str]) -> String {
    let choice = |(index, account): (usize, &&str)| {
        let checked = if index == 0 { " checked" } else { "" };
        format!(
            "<p><label><input type=\"radio\" name=\"account\" value=\"{account}\"{checked}> {account}</label></p>"
        )
    };
    let choices: String = accounts.iter().enumerate().map(choice).collect();
    let hidden = |name: &str, value: &str| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
    };
    let form = format!(
        "<form method=\"get\" action=\"/stripe/authorize\">{}{}{choices}\
         <button name=\"allow\" value=\"1\">Allow</button> <button name=\"deny\" value=\"1\">Deny</button></form>",
        hidden("state", state),
        hidden("redirect_uri", back),
    );
    page("Allow access to your Stripe account", &form)
}

/// `GET /?session_token=…`: what the session allows, each with the way to it.
pub(super) fn hosted(shared: &Shared, request: &Request) -> Answer {
    let token = request.parameter("session_token").unwrap_or_default();
    let session = match sessions::find(shared, token) {
        Ok(session) => session,
        Err(refusal) => {
            return Answer::html(
                refusal.status,
                closing("Not connected", "This link is unknown or has expired."),
            );
        }
    };
    let state = shared.state();
    let allowed =
        |key: &str| session.allowed.as_ref().is_none_or(|allowed| allowed.iter().any(|one| one == key));
    let shown = state.integrations.iter().filter(|(key, _)| allowed(key));
    let part = |(key, integration): (&String, &super::state::Integration)| {
        let (key, name) = (escape(key), escape(&integration.display_name));
        match integration.provider.auth_mode {
            "BASIC" => format!(
                "<form method=\"post\" action=\"/api-auth/basic/{key}?connect_session_token={token}\"><p><label>{name} \
                 <input name=\"username\" autocomplete=\"off\"></label> <button>Connect</button></p></form>"
            ),
            _ => format!("<p><a href=\"/oauth/connect/{key}?connect_session_token={token}\">{name}</a></p>"),
        }
    };
    let parts: String = shown.map(part).collect();
    Answer::html(200, page("Connect", &parts))
}

const KEY: &[Field] = &[required("username", Kind::Text(1, 1024)), required("password", Kind::Text(0, 1024))];

/// `POST /api-auth/basic/{key}`: JSON from a script, or the hosted page's form. The key is taken as it is.
pub(super) async fn basic(shared: &Shared, request: &Request, key: &str) -> Result<Answer, Refusal> {
    let session = oauth::session(shared, request, key)?;
    let provider = shared.state().integrations.get(key).map(|one| one.provider);
    let provider = provider.ok_or_else(|| {
        Refusal::new(404, "unknown_provider_config", format!("Unknown provider config key: {key}"))
    })?;
    if provider.auth_mode != "BASIC" {
        let issue = Issue::new("custom", format!("{key} does not use BASIC"), &["providerConfigKey"]);
        return Err(Refusal::invalid("invalid_uri_params", &[issue]));
    }
    let is_form = request.header("content-type") == Some("application/x-www-form-urlencoded");
    let given = if is_form {
        let form = pairs(&String::from_utf8_lossy(&request.body));
        let username =
            form.iter().find(|(name, _)| name == "username").map_or("", |(_, value)| value.as_str());
        json!({"username": username, "password": ""})
    } else {
        let parsed = serde_json::from_slice(&request.body);
        parsed.map_err(|error| Refusal::new(400, "invalid_json", error.to_string()))?
    };
    let given = fields::body(&given, KEY)?;
    let credentials = json!({"type": "BASIC", "username": given["username"], "password": given["password"]});
    let id = connections::connect(shared, provider, key, &session, Credentials::Given(credentials)).await;
    if is_form {
        return Ok(Answer::html(200, closing("Connected", "You can close this window.")));
    }
    Ok(Answer::json(200, &json!({"connectionId": id, "providerConfigKey": key})))
}
