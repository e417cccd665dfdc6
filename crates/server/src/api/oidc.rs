//! `/api/v1/session/oidc`: signing in by the OpenID provider. A browser goes there and comes back; what it brings back
//! counts once, within ten minutes, and only in the browser that went.

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::Response;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{StatusCode, Uri};
use loopfour_engine::identity::{Identity, SignInError};
use loopfour_engine::{Actor, Timestamp};
use loopfour_store::{Deed, MemberChange, MemberError, MemberRow, Role, SessionOf};
use serde_json::json;
use tracing::warn;

use crate::App;
use crate::api::session::{end_former, refusal};
use crate::auth;
use crate::error::{Code, Error};
use crate::query::Query;
use crate::session;
use crate::sign_ins::{Begun, LIFETIME};

/// The cookie that ties a sign-in to the browser that began it.
const TIE: &str = "loopfour_oidc";
/// Where that cookie goes.
const PATH: &str = "/api/v1/session/oidc";

/// `GET /session/oidc`: to the provider. `redirect` is a path of this server to come back to.
///
/// # Errors
/// 409 where no provider is configured; 503 while it gives no answer; 400, 429.
pub async fn begin(State(app): State<App>, uri: Uri) -> Result<Response, Error> {
    let mut query = Query::of(&uri);
    let onward = query.text("redirect");
    if let Some(path) = onward.as_deref().filter(|path| !is_own_path(path)) {
        query.problem("redirect", format!("`redirect` must be a path of this server, not `{path}`"));
    }
    query.finish()?;
    let provider = app.identity().ok_or_else(|| {
        let message = "no OpenID provider is configured; set `oidc.issuer` and `oidc.client_id` \
                       (LOOPFOUR_OIDC_ISSUER, LOOPFOUR_OIDC_CLIENT_ID)";
        Error::new(Code::InvalidState, message)
    })?;
    let sign_in = provider.begin(&back(&app)).await.map_err(|error| unavailable(error).as_page())?;
    let (url, state) = (sign_in.url.clone(), sign_in.state.clone());
    let onward = onward.unwrap_or_else(|| "/login".to_owned());
    app.sign_ins().add(Begun { sign_in, onward, at: app.now() });
    let tie = session::set_cookie(&app, TIE, &state, PATH, LIFETIME / 1000);
    gone_on(&url, &[tie])
}

/// `GET /session/oidc/callback`: back from the provider, with a code or a refusal. What goes wrong is told on a page.
///
/// # Errors
/// 401 for anything that is not a sign-in which this browser began; 403 for a person who is no member; 503 while the
/// provider gives no answer.
pub async fn callback(State(app): State<App>, request: Request) -> Result<Response, Error> {
    let (parts, _) = request.into_parts();
    come_back(&app, &parts).await.map_err(|refused| counted(&app, &parts, refused).as_page())
}

/// Counts a refusal against the address: one that refuses too many is refused itself.
fn counted(app: &App, parts: &Parts, refused: Error) -> Error {
    if !matches!(refused.code, Code::Unauthorized | Code::Forbidden) {
        return refused;
    }
    let slowed = auth::failed(parts, app, &refused.message);
    if slowed.code == Code::RateLimited { slowed } else { refused }
}

async fn come_back(app: &App, parts: &Parts) -> Result<Response, Error> {
    let (member, onward) = finish(app, parts).await?;
    let by = member.actor(address(parts));
    let opened = app.store().open_session(member.company, SessionOf::Member(member.id), &by, app.now()).await;
    let opened = opened.map_err(refusal)?;
    end_former(app, parts).await?;
    let untie = session::set_cookie(app, TIE, "", PATH, 0);
    gone_on(&onward, &[untie, session::open(app, &opened.token, opened.expires_at)])
}

async fn finish(app: &App, parts: &Parts) -> Result<(MemberRow, String), Error> {
    let refused = |message: &str| Error::new(Code::Unauthorized, message);
    // Providers add parameters of their own, so not each is known.
    let pairs =
        axum::extract::Query::<Vec<(String, String)>>::from_request_parts(&mut parts.clone(), app).await;
    let pairs = pairs.map(|query| query.0).unwrap_or_default();
    let one = |name: &str| {
        let mut values = pairs.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    };
    let state = one("state").ok_or_else(|| refused("the sign-in is not one that began here"))?;
    let tie = session::cookie(&parts.headers, TIE);
    if tie.as_deref() != Some(state) {
        return Err(refused("the sign-in did not begin in this browser, or took too long; begin again"));
    }
    let begun = app.sign_ins().take(state, app.now());
    let begun =
        begun.ok_or_else(|| refused("the sign-in was used already, or took too long; begin again"))?;
    if let Some(error) = one("error") {
        let shown: String = error.chars().filter(|letter| letter.is_ascii_graphic()).take(80).collect();
        return Err(refused(&format!("the OpenID provider did not sign you in: {shown}")));
    }
    let code = one("code").ok_or_else(|| refused("the OpenID provider sent no code"))?;
    let provider = app.identity().ok_or_else(|| refused("no OpenID provider is configured"))?;
    let by = Actor { address: address(parts), ..Actor::system("OpenID") };
    let identity = match provider.finish(begun.sign_in, &back(app), code).await {
        Ok(identity) => identity,
        Err(error) => {
            if let SignInError::Refused(why) = &error {
                note(app, &by, "", why).await;
            }
            return Err(unavailable(error));
        }
    };
    match member(app, &identity, &by).await {
        Ok(member) => Ok((member, begun.onward)),
        Err(refused) => {
            if refused.code == Code::Forbidden {
                note(app, &by, identity.email.as_deref().unwrap_or(&identity.subject), &refused.message)
                    .await;
            }
            Err(refused)
        }
    }
}

/// Writes down that a person was not let in, in the log of the company that runs the server.
async fn note(app: &App, by: &Actor, who: &str, why: &str) {
    let deed = Deed::new("session.refuse", "person", who).after(json!({ "reason": why }));
    if let Err(cause) = app.store().record(app.store().default_company(), by, deed, app.now()).await {
        warn!(%cause, "a refused sign-in is not in the audit log");
    }
}

/// The member that the person is: the one bound to the identity, else one with the verified address, else, where a group
/// gives a role, a new one of the company `default`. There a group's role counts at each sign-in, and who came by a group and
/// is in none any more is made inactive; in other companies their own admins say who may do what.
async fn member(app: &App, identity: &Identity, by: &Actor) -> Result<MemberRow, Error> {
    let (store, now) = (app.store(), app.now());
    let role = role(app, identity);
    let known = store.member_by_identity(&identity.issuer, &identity.subject).await?;
    let member = match known {
        Some(member) => member,
        None => match unbound(app, identity, role, by, now).await? {
            Some(member) => {
                let bound = store.bind_identity(&member, &identity.issuer, &identity.subject, by, now).await;
                bound.map_err(|error| denied(error, &member.email))?;
                member
            }
            None => return Err(nobody(identity)),
        },
    };
    if !member.active {
        return Err(nobody(identity));
    }
    // Groups count for the company `default` alone. Who came by a group, and is in none any more, has no role left.
    let role = role.filter(|_| member.company == store.default_company());
    match role.or(member.invited_as) {
        None => {
            // Sessions and keys from before are not to outlive what they came by.
            let change = MemberChange { active: Some(false), ..MemberChange::default() };
            let ended = store.update_member(member.company, member.id, change, by, now).await;
            ended.map_err(|error| denied(error, &member.email))?;
            Err(without_group(&member))
        }
        Some(role) if role == member.role => Ok(member),
        Some(role) => {
            let changed = store.set_role_by_group(member.company, member.id, role, by, now).await;
            changed.map_err(|error| denied(error, &member.email))
        }
    }
}

/// A member for a person whom nobody is bound to.
async fn unbound(
    app: &App,
    identity: &Identity,
    role: Option<Role>,
    by: &Actor,
    now: Timestamp,
) -> Result<Option<MemberRow>, Error> {
    let Some(email) = &identity.email else { return Ok(None) };
    let (store, default) = (app.store(), app.store().default_company());
    let members = store.members_by_email(email).await?;
    let (own, others): (Vec<_>, Vec<_>) = members.into_iter().partition(|member| member.company == default);
    let active = |members: Vec<MemberRow>| members.into_iter().find(|member| member.active);
    match role {
        // Other companies may invite any address: that keeps nobody away whom a group brings here.
        Some(role) if own.is_empty() => {
            let made = store.admit_member(default, email, role, by, now).await;
            made.map(Some).map_err(|error| denied(error, email))
        }
        // A member who was deactivated does not come back by a group.
        Some(_) | None => Ok(active(own).or_else(|| active(others))),
    }
}

/// The widest role that one of the person's groups gives.
fn role(app: &App, identity: &Identity) -> Option<Role> {
    let roles = &app.settings().roles;
    identity
        .groups
        .iter()
        .filter_map(|group| roles.get(group).copied())
        .max_by_key(|role| role.scopes().len())
}

/// A person who is signed in at the provider and may not come in here.
fn nobody(identity: &Identity) -> Error {
    let message = match &identity.email {
        Some(email) => format!("`{email}` is not an active member here; ask an admin to invite you"),
        None => "the OpenID provider does not say that your e-mail address is verified, and no member is bound to your \
                 account; ask an admin"
            .to_owned(),
    };
    Error::new(Code::Forbidden, message)
}

fn without_group(member: &MemberRow) -> Error {
    let message = format!("no group of `{}` gives access here any more; ask an admin", member.email);
    Error::new(Code::Forbidden, message)
}

fn denied(error: MemberError, who: &str) -> Error {
    match error {
        MemberError::Storage(cause) => cause.into(),
        MemberError::OtherPerson(_) => {
            Error::new(Code::Forbidden, format!("`{who}` is bound to another account of the OpenID provider"))
        }
        MemberError::Missing(_) | MemberError::Exists(_) | MemberError::Inactive(_) => {
            Error::new(Code::Forbidden, format!("`{who}` is not an active member here"))
        }
    }
}

fn unavailable(error: SignInError) -> Error {
    match error {
        SignInError::Unavailable(cause) => Error::unavailable("the OpenID provider gives no answer", cause),
        SignInError::Refused(message) => Error::new(Code::Unauthorized, message),
    }
}

fn back(app: &App) -> String {
    format!("{}{PATH}/callback", app.settings().public_url)
}

fn address(parts: &Parts) -> Option<String> {
    auth::address(parts).map(|address| address.to_canonical().to_string())
}

/// A path of ours, which no browser takes for another host.
fn is_own_path(path: &str) -> bool {
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    plain && path.starts_with('/') && !path.starts_with("//") && path.len() <= 2048
}

/// 303 to there, with these cookies.
fn gone_on(to: &str, cookies: &[String]) -> Result<Response, Error> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let mut add = |name: HeaderName, value: &str| {
        let value = HeaderValue::from_str(value).map_err(Error::internal)?;
        response.headers_mut().append(name, value);
        Ok::<(), Error>(())
    };
    add(header::LOCATION, to)?;
    cookies.iter().try_for_each(|cookie| add(header::SET_COOKIE, cookie))?;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::is_own_path;

    #[test]
    fn only_paths_of_ours_are_gone_on_to() {
        for good in ["/", "/login", "/runs?status=failed#x", "/a//b"] {
            assert!(is_own_path(good), "{good}");
        }
        for bad in [
            "",
            "login",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil",
            "https://evil.example",
            "/\t/evil",
            "/a b",
        ] {
            assert!(!is_own_path(bad), "{bad}");
        }
    }
}
